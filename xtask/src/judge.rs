//! `cargo xtask judge`: the growth rules for anybody's numbers.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use comfy_table::{Table, presets};
use loadline_growth::{
    CurveOptions, CurveVerdict, Doubt, Estimate, Kind, PairJudgement, PairOptions, PairVerdict,
    Series, holm, judge_curve, judge_pair,
};
use serde::{Deserialize, Serialize};

use crate::cli::{Judge, JudgeKind};
use crate::exit::{Exit, ended};
use crate::out;
use crate::report::trimmed;

/// Carries the command out.
///
/// # Errors
/// When a file cannot be read, or its numbers are no series; the text names file and series.
pub fn run(arguments: &Judge) -> anyhow::Result<Exit> {
    let mut questions: Vec<(String, Question)> = Vec::new();
    for path in &arguments.files {
        let shown = path.display();
        let read = read(path, arguments);
        let read =
            read.map_err(|error| ended(Exit::Usage, format!("cannot judge {shown}: {error:#}")))?;
        for (id, question) in read {
            if questions.iter().any(|(known, _)| *known == id) {
                let text = format!("cannot judge {shown}: the id {id:?} stands twice");
                return Err(ended(Exit::Usage, text));
            }
            questions.push((id, question));
        }
    }
    let answers = answer(&questions, arguments.suite);
    if arguments.json {
        let answers: BTreeMap<&String, &Answer> =
            questions.iter().map(|(id, _)| id).zip(&answers).collect();
        out::line(serde_json::to_string_pretty(&answers).context("cannot write the answers")?)?;
    } else {
        out::text(table(&questions, &answers))?;
    }
    let grows = |answer: &Answer| matches!(answer.verdict, "superlinear" | "worse");
    let is_red = arguments.gate && answers.iter().any(grows);
    Ok(if is_red { Exit::Regressed } else { Exit::Clean })
}

/// What is asked about one series.
enum Question {
    Curve(Series),
    Pair { base: Series, new: Series },
}

/// The answer as others' programs read it.
#[derive(Debug, Serialize)]
struct Answer {
    /// `superlinear` or `worse`, `ok`, `inconclusive`.
    verdict: &'static str,
    /// A curve's tail exponent; a pair's growth share E.
    exponent: Option<f64>,
    lo: Option<f64>,
    hi: Option<f64>,
    /// The superlinear share at the largest N; a pair's growth share E.
    share: Option<f64>,
    p: Option<f64>,
    /// Why it is inconclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Deserialize)]
struct SeriesFile {
    id: String,
    kind: KindName,
    n: Vec<u64>,
    y: Option<Vec<Vec<f64>>>,
    base: Option<Vec<Vec<f64>>>,
    new: Option<Vec<Vec<f64>>>,
    interleaved: Option<bool>,
    #[serde(default)]
    exact: bool,
    design: Option<DesignFile>,
}

#[derive(Deserialize)]
struct DesignFile {
    interleaved: Option<bool>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindName {
    Count,
    Time,
}

fn read(path: &Path, arguments: &Judge) -> anyhow::Result<Vec<(String, Question)>> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(path)?;
    }
    ensure!(!text.trim().is_empty(), "it is empty");
    let ends_with =
        |ending: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
    let is_json = ends_with("json") || text.trim_start().starts_with(['[', '{']);
    if ends_with("csv") || !is_json {
        let id = path.file_stem().map_or("-".into(), |stem| stem.to_string_lossy());
        return Ok(vec![(id.into_owned(), from_csv(&text, arguments)?)]);
    }
    let files: Vec<SeriesFile> = if text.trim_start().starts_with('{') {
        vec![serde_json::from_str(&text)?]
    } else {
        serde_json::from_str(&text)?
    };
    ensure!(!files.is_empty(), "it holds no series");
    files.into_iter().map(from_json).collect()
}

fn from_json(file: SeriesFile) -> anyhow::Result<(String, Question)> {
    let kind = match file.kind {
        KindName::Count => Kind::Count,
        KindName::Time => Kind::Time,
    };
    let design = file.design.and_then(|design| design.interleaved);
    let interleaved = file.interleaved.or(design).unwrap_or(false);
    let id = file.id;
    let series = |costs: Vec<Vec<f64>>| -> anyhow::Result<Series> {
        let series = Series::new(kind, file.n.clone(), costs);
        let series = series.with_context(|| format!("series {id:?}"))?;
        Ok(series.interleaved(interleaved).exact(file.exact))
    };
    let question = match (file.y, file.base, file.new) {
        (Some(y), None, None) => Question::Curve(series(y)?),
        (None, Some(base), Some(new)) => Question::Pair { base: series(base)?, new: series(new)? },
        _ => bail!("series {id:?} needs either y, or base and new"),
    };
    Ok((id, question))
}

/// Rows of N and cost; rows with the same N are rounds, in their order. A first row without numbers
/// is a header.
fn from_csv(text: &str, arguments: &Judge) -> anyhow::Result<Question> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let rows = lines.zip(1..).filter(|(row, _)| !row.is_empty() && !row.starts_with('#'));
    let mut rounds: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (place, (row, line)) in rows.enumerate() {
        // Numbers need no quotes; some programs write them all the same.
        let fields = row.split(',').map(|field| field.trim().trim_matches('"'));
        let fields: Vec<&str> = fields.collect();
        let [n, cost] = fields[..] else { bail!("line {line}: {} fields, not n,y", fields.len()) };
        match (n.parse::<u64>(), cost.parse::<f64>()) {
            (Ok(n), Ok(cost)) => rounds.entry(n).or_default().push(cost),
            (Err(_), Err(_)) if place == 0 => {}
            _ => bail!("line {line}: {n:?} and {cost:?} are not a whole number and a cost"),
        }
    }
    ensure!(!rounds.is_empty(), "it has no rows");
    let kind = match arguments.kind {
        JudgeKind::Count => Kind::Count,
        JudgeKind::Time => Kind::Time,
    };
    let (sizes, costs) = rounds.into_iter().unzip();
    Ok(Question::Curve(Series::new(kind, sizes, costs)?.interleaved(arguments.interleaved)))
}

fn answer(questions: &[(String, Question)], is_suite: bool) -> Vec<Answer> {
    let pairs: Vec<Option<PairJudgement>> = questions
        .iter()
        .map(|(_, question)| match question {
            Question::Curve(_) => None,
            Question::Pair { base, new } => Some(judge_pair(new, base, &PairOptions::default())),
        })
        .collect();
    let p = |pair: &PairJudgement| pair.evidence.as_ref().map(|evidence| evidence.p);
    let raw: Vec<f64> = pairs.iter().flatten().filter_map(p).collect();
    let mut adjusted = if is_suite { holm(&raw) } else { raw }.into_iter();
    let mut answers = Vec::with_capacity(questions.len());
    for ((_, question), pair) in questions.iter().zip(&pairs) {
        answers.push(match (question, pair) {
            (_, Some(pair)) => {
                let p = pair.evidence.as_ref().and_then(|_| adjusted.next());
                pair_answer(pair, p)
            }
            (Question::Curve(series) | Question::Pair { new: series, .. }, None) => {
                curve_answer(series)
            }
        });
    }
    answers
}

fn curve_answer(series: &Series) -> Answer {
    let judgement = judge_curve(series, &CurveOptions::default());
    let (verdict, doubt) = match judgement.verdict {
        CurveVerdict::Superlinear => ("superlinear", None),
        CurveVerdict::Ok => ("ok", None),
        CurveVerdict::Inconclusive(doubt) => ("inconclusive", Some(doubt)),
    };
    let evidence = judgement.evidence.as_ref();
    let tail = evidence.and_then(|evidence| evidence.tail_exponent);
    let (share, p) = (evidence.map(|e| e.share), evidence.map(|e| e.p));
    assemble(verdict, tail, share, p, doubt)
}

fn pair_answer(pair: &PairJudgement, p: Option<f64>) -> Answer {
    let evidence = pair.evidence.as_ref();
    let verdict = match (evidence, p) {
        (Some(evidence), Some(p)) => evidence.verdict(p),
        _ => pair.verdict,
    };
    let (verdict, doubt) = match verdict {
        PairVerdict::Worse => ("worse", None),
        PairVerdict::Ok => ("ok", None),
        PairVerdict::Inconclusive(doubt) => ("inconclusive", Some(doubt)),
    };
    let growth = evidence.map(|evidence| evidence.growth);
    assemble(verdict, growth, growth.map(|growth| growth.value), p, doubt)
}

fn assemble(
    verdict: &'static str,
    estimate: Option<Estimate>,
    share: Option<f64>,
    p: Option<f64>,
    doubt: Option<Doubt>,
) -> Answer {
    Answer {
        verdict,
        exponent: estimate.map(|estimate| estimate.value),
        lo: estimate.map(|estimate| estimate.interval.low),
        hi: estimate.map(|estimate| estimate.interval.high),
        share,
        p,
        why: doubt.map(|doubt| doubt.to_string()),
    }
}

fn table(questions: &[(String, Question)], answers: &[Answer]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["series", "exponent", "95 % interval", "growing share", "p", "verdict"]);
    for ((id, question), answer) in questions.iter().zip(answers) {
        let dash = || "–".to_owned();
        let exponent = match (question, answer.exponent) {
            (Question::Curve(_), Some(exponent)) => format!("{exponent:.2}"),
            _ => dash(),
        };
        let interval = match (answer.lo, answer.hi) {
            (Some(low), Some(high)) => format!("{low:.2} … {high:.2}"),
            _ => dash(),
        };
        let share = answer.share.map_or_else(dash, |share| format!("{:.0} %", share * 100.0));
        let p = answer.p.map_or_else(dash, |p| format!("{p:.1e}"));
        let why = answer.why.as_ref().map(|why| format!(": {why}"));
        let verdict = format!("{}{}", answer.verdict, why.unwrap_or_default());
        table.add_row([id.clone(), exponent, interval, share, p, verdict]);
    }
    trimmed(&table.to_string())
}
