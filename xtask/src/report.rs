//! What a session's verdicts amount to: the exit code, and the facts that every form of a report shows.
//! No arithmetic but units.

mod chart;
mod evidence;
mod facts;
mod github;
mod html;
mod json;
mod junit;
mod markdown;
mod model;
mod outputs;
mod places;
mod plot;
mod sarif;
mod text;
mod words;

pub use self::facts::stand_in_sentence;
pub use self::outputs::{Form, Outputs, write};
pub use self::text::Look;
use crate::called::PROGRAM;
use crate::exit::Exit;
pub use crate::figures::amount;
use crate::judgement::{Judged, Outcome};
use crate::measured::Measured;
use crate::shard::Shard;
use crate::symbols::{GrowingSymbol, Standing};
use crate::teeth::{self, Teeth};
use loadline_growth::{Doubt, Estimate, Verdict};
use loadline_scenario::Environment;

/// What a session amounts to.
#[derive(Debug)]
pub struct Report {
    /// The teeth, first: where they fail nothing else counts.
    pub teeth: Vec<Teeth>,
    /// One row a judged series, in the order of scenarios.
    pub rows: Vec<Judged>,
    /// The symbols that grow beyond linear.
    pub symbols: Vec<GrowingSymbol>,
    /// Runs that failed, with their scenario.
    pub failures: Vec<String>,
}

/// What the user asked to be told by the exit code.
#[derive(Debug, Clone, Copy, Default)]
pub struct Strictness {
    /// Inconclusive series count.
    pub inconclusive: bool,
    /// Missing baselines count.
    pub no_baseline: bool,
}

impl Report {
    /// The exit code.
    pub fn exit(&self, strictness: Strictness) -> Exit {
        let mut several = Vec::new();
        if self.is_blind() {
            several.push(Exit::Blind);
        }
        let failed = |row: &Judged| matches!(row.outcome, Outcome::Failed);
        // A gate none of whose sensors can be read must not stand open.
        let not_judged = |row: &Judged| matches!(row.outcome, Outcome::NotJudged(_));
        if !self.rows.is_empty() && self.rows.iter().all(not_judged) {
            several.push(Exit::CouldNotMeasure);
        }
        if !self.failures.is_empty() || self.rows.iter().any(failed) {
            several.push(Exit::CouldNotMeasure);
        }
        let has_new_symbol = self.symbols.iter().any(|s| s.standing == Standing::Regressed);
        if self.count(|verdict| verdict == Verdict::Regressed) > 0 || has_new_symbol {
            several.push(Exit::Regressed);
        }
        if strictness.inconclusive && self.count(is_open) > 0 {
            several.push(Exit::Inconclusive);
        }
        if strictness.no_baseline && self.rows.iter().any(|row| row.has_no_baseline) {
            several.push(Exit::NoBaseline);
        }
        Exit::of(&several)
    }

    /// Whether planted growth was missed, or seen where there was none.
    pub fn is_blind(&self) -> bool {
        teeth::is_blind(&self.teeth)
    }

    fn count(&self, is: impl Fn(Verdict) -> bool) -> usize {
        let verdicts = self.rows.iter().filter_map(|row| row.outcome.verdict());
        verdicts.filter(|verdict| is(*verdict)).count()
    }

    /// How many series there are of each verdict.
    pub fn summary(&self) -> String {
        if self.is_blind() {
            return "blind".to_owned();
        }
        let new = self.symbols.iter().filter(|s| s.standing == Standing::Regressed).count();
        let words = [
            ("growing symbols nobody knew of", new),
            ("regressed", self.count(|v| v == Verdict::Regressed)),
            ("inconclusive", self.count(is_open)),
            ("improved", self.count(|v| v == Verdict::Improved)),
            ("holds", self.count(|v| v == Verdict::Holds)),
        ];
        let said = words.iter().filter(|(_, count)| *count > 0);
        let said: Vec<String> = said.map(|(word, count)| format!("{count} {word}")).collect();
        if said.is_empty() { "nothing judged".to_owned() } else { said.join(", ") }
    }

    /// What to type next.
    fn next(&self, measured: &Measured) -> String {
        if let Some(shard) = measured.part {
            return next_after_part(shard);
        }
        let against = measured.before.as_ref();
        let against = against.map(|before| format!(" {}", before.build.argument));
        let against = against.unwrap_or_default();
        let first = |wanted: &dyn Fn(Verdict) -> bool| {
            self.rows.iter().find(|row| row.outcome.verdict().is_some_and(wanted))
        };
        if self.is_blind() {
            return "repeat on a quieter machine".to_owned();
        }
        if let Some(row) = first(&|v| v == Verdict::Regressed) {
            let title = asked_by(row);
            return format!("{PROGRAM} regress {title}{against} (to see it again)");
        }
        let lacks_processors = Verdict::Inconclusive(Doubt::ControlGainsNothing);
        if let Some(row) = first(&|v| is_open(v) && v != lacks_processors) {
            let title = asked_by(row);
            return format!("{PROGRAM} regress {title}{against} --set processes=10 (to settle it)");
        }
        if !self.failures.is_empty() && !against.is_empty() {
            return format!("look at the failed runs, then {PROGRAM} regress{against}");
        }
        if !self.failures.is_empty() {
            return format!(
                "look at the failed runs, then {PROGRAM} regress --resume (to carry them out anew)"
            );
        }
        if self.rows.iter().any(|row| row.has_no_baseline) {
            return format!(
                "{PROGRAM} baseline --reason TEXT (to judge times against this machine)"
            );
        }
        if let Some(row) = first(&|v| v == lacks_processors) {
            let title = asked_by(row);
            return format!("{PROGRAM} regress {title} (on idle processors, to settle it)");
        }
        "nothing to do".to_owned()
    }
}

/// The scenario to name for a row to be judged again: what threads gain is a question of the one that
/// runs on one.
fn asked_by(row: &Judged) -> &str {
    match &row.outcome {
        Outcome::Scaled(scaled) => &scaled.titles[1],
        _ => &row.scenario,
    }
}

/// What is left to do when one part of a suite has been measured.
fn next_after_part(shard: Shard) -> String {
    let count = shard.count;
    format!("{PROGRAM} merge SESSION… (those of all {count} shards; this is {shard})")
}

/// The metrics that nothing here can count: said once, each reason with what to do.
pub fn absent_lines(measured: &Measured) -> Vec<String> {
    facts::not_counted(measured).iter().map(text::not_counted_line).collect()
}

/// Whether nothing has been decided.
pub fn is_open(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Inconclusive(_) | Verdict::NoBaseline)
}

/// The word for a verdict on screen.
pub fn word(verdict: Verdict) -> &'static str {
    text::word(facts::word(verdict))
}

/// An interval on screen.
pub fn range(estimate: &Estimate) -> String {
    format!("{:.2} … {:.2}", estimate.interval.low, estimate.interval.high)
}

/// `wasmtime 48.0.8, libgcc-list 12.0.0, AMD EPYC, linux 6.1`.
pub fn environment_line(environment: &Environment) -> String {
    let Environment { wasmtime, unwinder_family, unwinder_version, cpu, kernel, .. } = environment;
    format!("wasmtime {wasmtime}, {unwinder_family} {unwinder_version}, {kernel}, {cpu}")
}

/// Without the blanks that a table puts at the end of lines.
pub fn trimmed(table: &str) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
