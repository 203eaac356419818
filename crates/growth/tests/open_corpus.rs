//! 150 simulated curves and 80 simulated pairs, and what a reference implementation of the rule made
//! of them. Every figure is compared, to the digits printed there.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use loadline_growth::{
    Case, CurveEvidence, CurveOptions, CurveVerdict, Doubt, Estimate, JudgeOptions, Kind, LogShape,
    PairEvidence, PairOptions, PairVerdict, Remedy, Series, Suspicion, Verdict, judge, judge_curve,
    judge_pair, judge_suite,
};
use serde_json::Value;

/// The reference was made without the count column that is in force today.
const REFERENCE: LogShape = LogShape::Plain;
const IN_FORCE: LogShape = LogShape::LessLinear;

/// Where the reference kept a hinge whose coefficient is 0 (it ties with having none, and rounding
/// decided), h0 or h1 differ, and what follows from them; so does one verdict.
const TIES: [(&str, &[&str]); 11] = [
    ("c00013", &["h1"]),
    ("c00027", &["h0", "h1", "phi", "nu"]),
    ("c00042", &["h0"]),
    ("c00044", &["h0", "h1", "phi", "nu"]),
    ("c00047", &["h0", "h1", "nu", "p"]),
    ("c00049", &["h1", "phi", "nu", "t", "p"]),
    ("c00056", &["h1"]),
    ("c00064", &["h1", "phi", "nu", "t", "p", "verdict"]),
    ("c00088", &["h0"]),
    ("c00122", &["h0", "h1", "phi", "nu", "t", "p"]),
    ("c00133", &["h0"]),
];

#[test]
fn curves_agree_with_the_reference() {
    let expected = read("expected.json");
    let mut deviations = Vec::new();
    for row in read("curves.json").as_array().unwrap() {
        let id = row["id"].as_str().unwrap();
        let judgement = judge_curve(&series(row, "y"), &with(REFERENCE));
        let want = &expected[id];
        let mut check = Check::new(id, &mut deviations);
        check.verdict(curve_word(judgement.verdict), want);
        check.curve(&judgement.evidence.unwrap(), want);
    }
    let unknown: Vec<_> = deviations.iter().filter(|d| !is_tie(d)).collect();
    assert!(unknown.is_empty(), "beyond the known ties: {unknown:#?}");
}

#[test]
fn the_rule_in_force_keeps_all_verdicts_on_curves() {
    let expected = read("expected.json");
    for row in read("curves.json").as_array().unwrap() {
        let id = row["id"].as_str().unwrap();
        let verdict = judge_curve(&series(row, "y"), &with(IN_FORCE)).verdict;
        if id != "c00064" {
            assert_eq!(curve_word(verdict), expected[id]["verdict"], "{id}");
        }
    }
}

/// A count with a late knee: superlinear by the rule, and one step in cost per item would do, too.
#[test]
fn a_count_that_a_step_explains_waits_for_confirmation() {
    let curves = read("curves.json");
    let row = curves.as_array().unwrap().iter().find(|row| row["id"] == "c00015").unwrap();
    let knee = series(row, "y");
    let suspect = judge(&knee, None, &JudgeOptions::default());
    assert_eq!(suspect.curve.verdict, CurveVerdict::Superlinear);
    assert_eq!(suspect.verdict, Verdict::Inconclusive(Doubt::Suspect(Suspicion::OneStep)));
    assert_eq!(suspect.remedy, Some(Remedy::LargerSize { size: 2 * knee.top_size() }));
    let confirmed = JudgeOptions { is_confirmed: true, ..JudgeOptions::default() };
    assert_eq!(judge(&knee, None, &confirmed).verdict, Verdict::Regressed);
}

#[test]
fn pairs_agree_with_the_reference() {
    let expected = read("expected.json");
    let mut deviations = Vec::new();
    for row in read("pairs.json").as_array().unwrap() {
        let id = row["id"].as_str().unwrap();
        let (new, old) = (series(row, "new"), series(row, "base"));
        let judgement = judge_pair(&new, &old, &PairOptions::default());
        let mut check = Check::new(id, &mut deviations);
        check.verdict(pair_word(judgement.verdict), &expected[id]);
        check.pair(&judgement.evidence.unwrap(), &expected[id]);
    }
    assert!(deviations.is_empty(), "{deviations:#?}");
}

#[test]
fn pairs_keep_their_verdicts_when_judged_together() {
    let expected = read("expected.json");
    let pairs = read("pairs.json");
    let rows = pairs.as_array().unwrap();
    let series: Vec<(Series, Series)> =
        rows.iter().map(|row| (series(row, "new"), series(row, "base"))).collect();
    let cases: Vec<Case> = series
        .iter()
        .map(|(new, old)| Case { new, old: Some(old), options: JudgeOptions::default() })
        .collect();
    for (row, judgement) in rows.iter().zip(judge_suite(&cases)) {
        let word = match judgement.verdict {
            Verdict::Regressed => "worse",
            Verdict::Holds | Verdict::Improved => "ok",
            Verdict::Inconclusive(_) | Verdict::NoBaseline => "inconclusive",
        };
        let id = row["id"].as_str().unwrap();
        assert_eq!(word, expected[id]["verdict"], "{id}");
    }
}

#[test]
fn one_column_of_an_exact_metric_is_enough() {
    let mut n_curves = 0;
    for row in read("curves.json").as_array().unwrap().iter().filter(|row| is_exact(row)) {
        let whole = series(row, "y");
        for options in [with(REFERENCE), with(IN_FORCE)] {
            let verdict = judge_curve(&whole, &options).verdict;
            assert_eq!(judge_curve(&first_column(&whole), &options).verdict, verdict, "{row}");
        }
        n_curves += 1;
    }
    let mut n_pairs = 0;
    for row in read("pairs.json").as_array().unwrap().iter().filter(|row| is_exact(row)) {
        let (new, old) = (series(row, "new"), series(row, "base"));
        let options = PairOptions::default();
        let verdict = judge_pair(&new, &old, &options).verdict;
        let cut = judge_pair(&first_column(&new), &first_column(&old), &options);
        assert_eq!(cut.verdict, verdict, "{row}");
        n_pairs += 1;
    }
    assert_eq!((n_curves, n_pairs), (26, 9));
}

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn series(row: &Value, side: &str) -> Series {
    let kind = if row["kind"] == "count" { Kind::Count } else { Kind::Time };
    let sizes = row["n"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    let costs = row[side].as_array().unwrap().iter().map(numbers).collect();
    let is_interleaved = row["design"]["interleaved"].as_bool().unwrap();
    Series::new(kind, sizes, costs).unwrap().interleaved(is_interleaved)
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn is_exact(row: &Value) -> bool {
    row["truth"]["noise"] == "det"
}

fn first_column(series: &Series) -> Series {
    let costs = series.costs().iter().map(|rounds| vec![rounds[0]]).collect();
    Series::new(series.kind(), series.sizes().to_vec(), costs).unwrap().exact(true)
}

fn with(log_shape: LogShape) -> CurveOptions {
    CurveOptions { log_shape, ..CurveOptions::default() }
}

fn curve_word(verdict: CurveVerdict) -> &'static str {
    match verdict {
        CurveVerdict::Superlinear => "superlinear",
        CurveVerdict::Ok => "ok",
        CurveVerdict::Inconclusive(_) => "inconclusive",
    }
}

fn pair_word(verdict: PairVerdict) -> &'static str {
    match verdict {
        PairVerdict::Worse => "worse",
        PairVerdict::Ok => "ok",
        PairVerdict::Inconclusive(_) => "inconclusive",
    }
}

/// One figure that is not the reference's: id, field, and both values for the reader.
type Deviation = (String, &'static str, String);

fn is_tie((id, field, _): &Deviation) -> bool {
    TIES.iter().any(|(tie, fields)| tie == id && fields.contains(field))
}

struct Check<'a> {
    id: &'a str,
    deviations: &'a mut Vec<Deviation>,
}

impl<'a> Check<'a> {
    fn new(id: &'a str, deviations: &'a mut Vec<Deviation>) -> Self {
        Check { id, deviations }
    }

    fn verdict(&mut self, found: &str, want: &Value) {
        if want["verdict"] != found {
            self.note("verdict", format!("{found} instead of {}", want["verdict"]));
        }
    }

    fn curve(&mut self, found: &CurveEvidence, want: &Value) {
        let summary = &found.summary;
        for (u, want) in summary.uncertainty.iter().zip(numbers(&want["u"])) {
            self.digits("u", *u, want, 5);
        }
        for (m, want) in summary.log_cost.iter().zip(numbers(&want["m"])) {
            self.digits("m", *m, want, 7);
        }
        self.five("nu0", summary.freedom, want);
        for (name, rss) in [("r0", found.rss_allowed), ("r1", found.rss_all)] {
            // Below, a sum of squares is a matter of rounding.
            if want[name].as_f64().unwrap() > 1e-3 {
                self.five(name, rss, want);
            }
        }
        self.maybe("h0", found.hinge_allowed, want);
        self.maybe("h1", found.hinge_all, want);
        self.five("S", found.share, want);
        self.five("phi", found.phi, want);
        self.five("nu", found.nu, want);
        // The root of a difference of r0 and r1 that is 0 but for rounding.
        self.within("t", found.t, want, 1e-6);
        self.five("p", found.p, want);
        self.maybe("exponent", found.tail_exponent.map(|e| e.value), want);
        self.tail_interval(found.tail_exponent, want);
    }

    /// The reference rounds ν to 0.1 for this interval: worth up to 0.003, on one curve 0.0031.
    fn tail_interval(&mut self, found: Option<Estimate>, want: &Value) {
        let Some(Estimate { interval, .. }) = found else {
            return self.maybe("lo", None, want);
        };
        self.within("lo", interval.low, want, 0.0032);
        self.within("hi", interval.high, want, 0.0032);
    }

    fn pair(&mut self, found: &PairEvidence, want: &Value) {
        self.five("E", found.growth.value, want);
        self.five("lo", found.growth.interval.low, want);
        self.five("hi", found.growth.interval.high, want);
        self.five("se", found.standard_error, want);
        self.five("t", found.t, want);
        self.five("p", found.p, want);
        self.five("nu", found.nu, want);
        self.five("phi", found.phi, want);
        if want["flat"] != found.is_flat {
            self.note("flat", format!("{}", found.is_flat));
        }
    }

    fn maybe(&mut self, name: &'static str, found: Option<f64>, want: &Value) {
        match (found, want[name].as_f64()) {
            (Some(found), Some(want)) => self.digits(name, found, want, 5),
            (None, None) => {}
            (found, want) => self.note(name, format!("{found:?} instead of {want:?}")),
        }
    }

    fn five(&mut self, name: &'static str, found: f64, want: &Value) {
        self.digits(name, found, want[name].as_f64().unwrap(), 5);
    }

    fn within(&mut self, name: &'static str, found: f64, want: &Value, tolerance: f64) {
        let want = want[name].as_f64();
        if !want.is_some_and(|want| (found - want).abs() <= tolerance.max(want.abs() * 5e-5)) {
            self.note(name, format!("{found} instead of {want:?}"));
        }
    }

    /// Equal when rounded to so many significant digits; what is nearly 0 is 0.
    fn digits(&mut self, name: &'static str, found: f64, want: f64, digits: i32) {
        let last = 10_f64.powi(want.abs().max(1e-300).log10().floor() as i32 - digits + 1);
        if (found - want).abs() > (0.501 * last).max(1e-9 * f64::from(want.abs() < 1e-9)) {
            self.note(name, format!("{found} instead of {want}"));
        }
    }

    fn note(&mut self, name: &'static str, what: String) {
        self.deviations.push((self.id.to_owned(), name, what));
    }
}
