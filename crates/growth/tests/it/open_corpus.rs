//! 214 curves and 169 pairs, simulated and public, and what a reference implementation of the rule
//! made of them. Every figure is compared, to the digits printed there.

use std::{fs, path::Path};

use loadline_growth::{
    CurveEvidence, CurveJudgement, CurveOptions, CurveVerdict, Excess, Kind, PairJudgement,
    PairOptions, PairVerdict, Series, judge_curve, judge_pair,
};
use serde_json::Value;

#[test]
fn curves_agree_with_the_reference() {
    let expected = read("expected.json");
    let mut deviations = Vec::new();
    for row in read("curves.json").as_array().unwrap() {
        let id = row["id"].as_str().unwrap();
        let judgement = judge_curve(&series(row, "y"), &CurveOptions::default());
        Check::new(id, &mut deviations).curve(&judgement, &expected[id]);
    }
    assert!(deviations.is_empty(), "{deviations:#?}");
}

#[test]
fn pairs_agree_with_the_reference() {
    let expected = read("expected.json");
    let mut deviations = Vec::new();
    for row in read("pairs.json").as_array().unwrap() {
        let id = row["id"].as_str().unwrap();
        let (new, old) = (series(row, "new"), series(row, "base"));
        let judgement = judge_pair(&new, &old, &PairOptions::default());
        Check::new(id, &mut deviations).pair(&judgement, &expected[id]);
    }
    assert!(deviations.is_empty(), "{deviations:#?}");
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
    let series = Series::new(kind, sizes, costs).unwrap().interleaved(is_interleaved);
    let is_exact = series.repetitions() == 1;
    series.exact(is_exact)
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
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

    fn curve(&mut self, judgement: &CurveJudgement, want: &Value) {
        self.verdict(curve_word(judgement.verdict), want);
        match &judgement.evidence {
            Some(found) => self.curve_figures(found, want),
            None if want["u"].is_null() => {}
            None => self.note("u", "no evidence".to_owned()),
        }
    }

    fn curve_figures(&mut self, found: &CurveEvidence, want: &Value) {
        let summary = &found.summary;
        for (u, want) in summary.uncertainty.iter().zip(numbers(&want["u"])) {
            self.digits("u", *u, want, 5);
        }
        for (m, want) in summary.log_cost.iter().zip(numbers(&want["m"])) {
            self.absolute("m", *m, want, 6e-7);
        }
        self.five("q", summary.resolution, want);
        self.five("nu0", summary.freedom, want);
        self.five("S", found.share, want);
        self.maybe("steep", found.steepness, want);
        self.maybe("exponent", found.tail_exponent.map(|e| e.value), want);
        self.maybe("lo", found.tail_exponent.map(|e| e.interval.low), want);
        self.maybe("hi", found.tail_exponent.map(|e| e.interval.high), want);
        // Below, a sum of squares is a matter of rounding, and what follows from it as well.
        if want["r1"].as_f64().unwrap() >= 0.01 {
            self.five("r0", found.rss_allowed, want);
            self.five("r1", found.rss_all, want);
            self.maybe("h0", found.hinge_allowed, want);
            self.maybe("h1", found.hinge_all, want);
            self.five("phi", found.phi, want);
            self.five("nu", found.nu, want);
            // The root of a difference of r0 and r1 that is 0 but for rounding.
            self.within("t", found.t, want, 1e-4);
            self.five("p", found.p, want);
        }
    }

    fn pair(&mut self, judgement: &PairJudgement, want: &Value) {
        self.verdict(pair_word(judgement.verdict), want);
        let Some(found) = &judgement.evidence else {
            if !want["E"].is_null() {
                self.note("E", "no evidence".to_owned());
            }
            return;
        };
        self.five("E", found.growth.value, want);
        self.five("lo", found.growth.interval.low, want);
        self.five("hi", found.growth.interval.high, want);
        self.five("up", found.upper_bound, want);
        self.five("E_without_top", found.growth_without_top, want);
        self.five("phi", found.phi, want);
        self.five("nu", found.nu, want);
        if want["r1"].as_f64().unwrap() >= 0.01 {
            self.five("r0", found.rss_without_growth, want);
            self.five("r1", found.rss, want);
            self.within("t", found.t, want, 1e-4);
            self.five("p", found.p, want);
        }
        if want["q"] != found.power {
            self.note("q", found.power.to_string());
        }
        if want["dearer"] != found.is_more_expensive {
            self.note("dearer", found.is_more_expensive.to_string());
        }
        for (test, want) in found.tops.iter().zip(want["top"].as_array().unwrap()) {
            if want[0] != test.n_sizes {
                self.note("top", format!("m {} instead of {}", test.n_sizes, want[0]));
            }
            self.excess(Some(test.top), &want[1]);
            self.excess(test.before, &want[2]);
        }
    }

    fn excess(&mut self, found: Option<Excess>, want: &Value) {
        match (found, want.as_array()) {
            (Some(found), Some(want)) => {
                self.digits("X", found.share, want[0].as_f64().unwrap(), 5);
                self.digits("p_X", found.p, want[1].as_f64().unwrap(), 5);
            }
            (None, None) => {}
            (found, want) => self.note("top", format!("{found:?} instead of {want:?}")),
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

    fn absolute(&mut self, name: &'static str, found: f64, want: f64, tolerance: f64) {
        if (found - want).abs() > tolerance {
            self.note(name, format!("{found} instead of {want}"));
        }
    }

    /// Equal when rounded to so many significant digits; what is nearly 0 is 0.
    fn digits(&mut self, name: &'static str, found: f64, want: f64, digits: i32) {
        let last = 10_f64.powi(want.abs().max(1e-300).log10().floor() as i32 - digits + 1);
        if (found - want).abs() > (0.501 * last).max(1e-7) {
            self.note(name, format!("{found} instead of {want}"));
        }
    }

    fn note(&mut self, name: &'static str, what: String) {
        self.deviations.push((self.id.to_owned(), name, what));
    }
}
