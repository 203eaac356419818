//! What a session's verdicts amount to: the exit code, and the facts that every form of a report shows.
//! No arithmetic but units.

mod advice;
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

pub use self::advice::not_measured;
use self::advice::{Advice, Adviser};
pub use self::facts::stand_in_sentence;
pub use self::outputs::{Form, Outputs, write};
pub use self::text::Look;
pub use crate::figures::amount;
use crate::judgement::{Ground, Judged, Outcome};
use crate::project::Project;
use crate::symbols::{GrowingSymbol, Standing};
use crate::teeth::{self, Teeth};
use loadline_growth::{Estimate, Sight, Verdict};
use loadline_record::reproduce::shell_quoted;
use loadline_record::rounds::Measured;
use loadline_record::{Exit, PROGRAM, Shard, Strictness};
use loadline_scenario::{Environment, Means, MetricKind};

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

/// The facts where there was nothing to measure, since both sides run the same program.
pub fn same_program(measured: &Measured, project: &Project) -> model::Facts {
    let report =
        Report { teeth: Vec::new(), rows: Vec::new(), symbols: Vec::new(), failures: Vec::new() };
    let mut facts = report.facts(measured, project, Strictness::default());
    facts.result = model::Ending {
        exit_code: Exit::Clean.code(),
        status: Exit::Clean.status(),
        summary: "both sides run the same program".to_owned(),
        is_blind: false,
        next: "nothing to do".to_owned(),
    };
    facts
}

impl Report {
    /// The exit code.
    pub fn exit(&self, strictness: Strictness) -> Exit {
        let mut several = Vec::new();
        if self.is_blind() {
            several.push(Exit::Blind);
        }
        if self.could_not_measure() {
            several.push(Exit::CouldNotMeasure);
        }
        if self.count(is_red) + self.new_symbols() > 0 {
            several.push(Exit::Regressed);
        }
        let is_unsure = self.teeth.iter().any(|teeth| teeth.sight == Sight::Unsure);
        if strictness.inconclusive && (is_unsure || self.count(|row| self.is_unsettled(row)) > 0) {
            several.push(Exit::Inconclusive);
        }
        if strictness.no_baseline && self.count(|row| row.has_no_baseline) > 0 {
            several.push(Exit::NoBaseline);
        }
        Exit::of(&several)
    }

    /// Whether a run failed, or nothing that is judged could be counted: a gate none of whose
    /// sensors can be read must not stand open.
    fn could_not_measure(&self) -> bool {
        let failed = |row: &Judged| matches!(row.outcome, Outcome::Failed);
        let is_unread = !self.rows.is_empty() && self.rows.iter().all(is_not_judged);
        is_unread || !self.failures.is_empty() || self.count(failed) > 0
    }

    /// Whether a row is neither red nor settled, so that `--strict` counts it.
    fn is_unsettled(&self, row: &Judged) -> bool {
        is_not_judged(row) || row.outcome.verdict().is_some_and(is_open) || self.is_gone(row)
    }

    /// Whether growth that the scenario accepts is not there any more.
    pub fn is_gone(&self, row: &Judged) -> bool {
        // The growth of a function shows before that of the total.
        let grows = |symbol: &GrowingSymbol| {
            row.means == Means::Callgrind
                && symbol.scenario == row.scenario
                && symbol.phase == row.name.phase
        };
        // An entry is one for all variants of a scenario.
        let is_there = |other: &Judged| {
            other.name == row.name && Report::shares_entry(row, other) && !other.is_gone()
        };
        row.is_gone() && !self.symbols.iter().any(grows) && !self.rows.iter().any(is_there)
    }

    /// Whether other series that the entry of `row` accepts may still need it.
    pub fn keeps_entry(&self, row: &Judged) -> bool {
        let needs = |other: &Judged| {
            other.name != row.name && Report::shares_entry(row, other) && !other.is_gone()
        };
        self.rows.iter().any(needs)
    }

    /// Whether one entry of one scenario file accepts the growth of both.
    fn shares_entry(one: &Judged, other: &Judged) -> bool {
        let file = |row: &Judged| row.scenario.split(':').next().map(str::to_owned);
        let entry = |row: &Judged| {
            let known = row.known.as_ref()?;
            Some((known.reason.clone(), known.link.clone(), known.until.clone()))
        };
        file(one) == file(other) && entry(one).is_some() && entry(one) == entry(other)
    }

    /// Whether the session gives no verdict: growth that was planted in it was missed, or seen where
    /// there was none, or none was planted that was measured as the verdicts are.
    pub fn is_blind(&self) -> bool {
        teeth::is_blind(&self.teeth) || !self.unchecked().is_empty()
    }

    /// The collectors by which series were judged without a self-check.
    pub fn unchecked(&self) -> Vec<&'static str> {
        let judged = self.rows.iter().filter(|row| row.outcome.verdict().is_some());
        let unchecked = judged.filter(|row| !self.teeth.iter().any(|teeth| checks(teeth, row)));
        let name = |row: &Judged| match (row.means, row.name.metric.kind()) {
            (Means::Clock, MetricKind::Time) => "times",
            (Means::Clock, MetricKind::Count) => "counts of the measured process",
            (Means::Count, _) => "operation counts",
            (Means::Callgrind, _) => "instructions by callgrind",
        };
        let mut names: Vec<&'static str> = unchecked.map(name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn count(&self, is: impl Fn(&Judged) -> bool) -> usize {
        self.rows.iter().filter(|row| is(row)).count()
    }

    fn new_symbols(&self) -> usize {
        self.symbols.iter().filter(|s| s.standing == Standing::Regressed).count()
    }

    /// How many series there are of each verdict.
    pub fn summary(&self) -> String {
        if self.is_blind() {
            return "blind".to_owned();
        }
        let is = |row: &Judged, verdict| row.outcome.verdict() == Some(verdict);
        let is_undecided =
            |row: &Judged| row.outcome.verdict().is_some_and(is_open) && !is_not_gated(row);
        let functions = match self.new_symbols() {
            1 => "new superlinear function",
            _ => "new superlinear functions",
        };
        let words = [
            (functions, self.new_symbols()),
            ("regressed", self.count(is_red)),
            ("superlinear, not gated", self.count(is_not_gated)),
            ("inconclusive", self.count(is_undecided)),
            ("not measured", self.count(is_not_judged)),
            ("known issue no longer seen", self.count(|row| self.is_gone(row))),
            ("improved", self.count(|row| is(row, Verdict::Improved))),
            ("holds", self.count(|row| is(row, Verdict::Holds) && !self.is_gone(row))),
        ];
        let said = words.iter().filter(|(_, count)| *count > 0);
        let said: Vec<String> = said.map(|(word, count)| format!("{count} {word}")).collect();
        if said.is_empty() { "nothing judged".to_owned() } else { said.join(", ") }
    }

    /// What to type next: about what decides the exit code, the gravest first.
    fn next(&self, adviser: &Adviser<'_>) -> String {
        let measured = adviser.measured;
        if let Some(shard) = measured.part {
            return next_after_part(shard);
        }
        if self.is_blind() {
            return "repeat on a quieter machine".to_owned();
        }
        let again = |title: &str| {
            let one = measured.scenarios.iter().find(|m| m.scenario.title() == title);
            one.map(|one| adviser.regress(one, Some(measured.seed), &[]))
        };
        if let Some(failed) = self.next_after_failures(measured, &again) {
            return failed;
        }
        if let Some(row) = self.rows.iter().find(|row| is_red(row))
            && let Some(command) = again(asked_by(row))
        {
            return command;
        }
        if let Some(symbol) = self.symbols.iter().find(|s| s.standing == Standing::Regressed) {
            let root = measured.again.root_flag();
            return format!("{PROGRAM} explain {}{root}", shell_quoted(&symbol.scenario));
        }
        let open = self.rows.iter().filter(|row| row.outcome.verdict().is_some_and(is_open));
        let advice: Vec<(&Judged, Advice)> =
            open.filter_map(|row| Some((row, adviser.settle(row)?))).collect();
        // What one command decides comes before what asks for more.
        let first = advice.iter().find(|(_, a)| a.command.is_some()).or(advice.first());
        if let Some((row, advice)) = first {
            let has_choice = row.outcome.verdict() == Some(Verdict::NoBaseline);
            return match &advice.command {
                Some(command) if !has_choice => command.clone(),
                _ => advice.line(),
            };
        }
        if let Some(row) = self.rows.iter().find(|row| self.is_gone(row)) {
            return format!(
                "remove {} from the known issues of {}, at the line above",
                row.name,
                row.scenario.split(':').next().unwrap_or_default()
            );
        }
        if let Some(remedy) = self.rows.iter().find_map(remedy_of_absence) {
            return remedy;
        }
        let is_without = |row: &&Judged| row.has_no_baseline && row.outcome.verdict().is_some();
        let without = self.rows.iter().find(is_without).map(|row| row.scenario.clone());
        let one = measured.scenarios.iter().find(|m| Some(m.scenario.title()) == without);
        match one {
            Some(one) => measured.again.baseline(&one.scenario, "--reason TEXT"),
            None => "nothing to do".to_owned(),
        }
    }

    /// What to do about failed runs.
    fn next_after_failures(
        &self,
        measured: &Measured,
        again: &impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let failed = self.rows.iter().find(|row| matches!(row.outcome, Outcome::Failed));
        let failed = failed.map(asked_by);
        if self.failures.is_empty() && failed.is_none() {
            return None;
        }
        let of_session = || measured.scenarios.first().map(|m| m.scenario.title());
        let is_cut = measured.scenarios.iter().any(|m| m.is_given_up);
        // Several sessions that were merged are not resumed as one.
        if measured.before.is_none() && !is_cut && measured.saved.exists() {
            let saved = measured.saved.display().to_string();
            let (session, root) = (shell_quoted(&saved), measured.again.root_flag());
            return Some(format!(
                "look at the failed runs, then {PROGRAM} regress --resume {session}{root}"
            ));
        }
        let title = failed.map(str::to_owned).or_else(of_session)?;
        again(&title).map(|command| format!("look at the failed runs, then {command}"))
    }
}

/// Whether `teeth` were measured and judged as `row` was.
fn checks(teeth: &Teeth, row: &Judged) -> bool {
    let (planted, judged) = (teeth.name.metric, row.name.metric);
    match row.means {
        Means::Clock => {
            planted.means().is_clock()
                && (judged.kind() == MetricKind::Count || planted.kind() == MetricKind::Time)
        }
        means => planted.means() == means,
    }
}

fn is_red(row: &Judged) -> bool {
    row.outcome.verdict() == Some(Verdict::Regressed)
}

fn is_not_judged(row: &Judged) -> bool {
    matches!(row.outcome, Outcome::NotJudged(_))
}

fn is_not_gated(row: &Judged) -> bool {
    matches!(row.outcome, Outcome::Verdict { ground: Ground::NotGated, .. })
}

/// What would have a series counted that is not.
fn remedy_of_absence(row: &Judged) -> Option<String> {
    let Outcome::NotJudged(absence) = &row.outcome else { return None };
    Some(format!("{} {} is not measured: {}", row.scenario, row.name, absence.remedy()))
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
