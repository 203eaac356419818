//! `cargo xtask baseline`: measures, shows what would change, and writes what is accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use comfy_table::{Table, presets};
use loadline_growth::{
    CurveOptions, CurveVerdict, Estimate, Expect, PairOptions, PairVerdict, Series, judge_curve,
    judge_pair,
};
use loadline_scenario::{Absent, Environment, KnownGrowth, MetricKind, Scenario, SeriesName};

use crate::baseline_file::{
    Acceptance, Accepted, AcceptedSymbol, Baseline, Baselines, Key, has_expired, series,
};
use crate::bench::Bench;
use crate::cli::{self, Selection};
use crate::exit::{Ended, Exit, ended};
use crate::interrupt::Interrupt;
use crate::judgement;
use crate::lock::MachineLock;
use crate::measure::Measurement;
use crate::measured::{Measured, MeasuredScenario, Rounds, why_absent};
use crate::out;
use crate::pilot::{self, Floor, Sizes};
use crate::profile_file::SavedSymbol;
use crate::project::Project;
use crate::replace::replace;
use crate::report::{environment_line, trimmed};
use crate::resume::{self, Reopened};
use crate::runner::Runner;
use crate::selection;
use crate::session::{self, Capture, Header};
use crate::symbols::{self, GrowingSymbol, Profiles, Standing};
use crate::teeth;
use crate::unwinders::{self, Pass};

/// Carries the command out.
///
/// # Errors
/// When something could not be measured or the session is blind; then no baseline has changed. Or when
/// a file cannot be written; then those of scenarios before it have.
pub fn run(arguments: &cli::Baseline) -> anyhow::Result<Exit> {
    let reason = arguments.reason.as_deref().map(str::trim);
    if reason == Some("") {
        return Err(ended(Exit::Usage, "--reason is empty; say why for those who review it"));
    }
    let interrupt = Interrupt::listen()?;
    let project = Project::open(arguments.selection.root.as_deref())?;
    if let Some(named) = &arguments.resume {
        let _lock = MachineLock::take(&project, arguments.selection.no_wait, &interrupt)?;
        return resume(named.as_deref(), reason, &project, &interrupt);
    }
    let reason = reason.ok_or_else(|| ended(Exit::Usage, "--reason TEXT is missing"))?;
    let scenarios = selection::scenarios(&project, &arguments.selection)?;
    for scenario in &scenarios {
        // A broken file is found before minutes are spent.
        read(&project, &scenario.name)?;
    }
    let asked = std::slice::from_ref(&arguments.selection.unwinder);
    let may_leave_out = arguments.selection.names.is_empty();
    let (passes, left_out) = unwinders::passes(&scenarios, asked, may_leave_out)?;
    left_out.iter().for_each(out::note);
    let _lock = MachineLock::take(&project, arguments.selection.no_wait, &interrupt)?;
    let capture = |pass| capture(&project, &arguments.selection, pass, reason, &interrupt);
    let exits = passes.into_iter().map(capture).collect::<anyhow::Result<Vec<Exit>>>()?;
    Ok(Exit::of(&exits))
}

/// Measures what one unwinder is to be measured under, and writes it.
fn capture(
    project: &Project,
    selection: &Selection,
    Pass { unwinder, scenarios }: Pass,
    reason: &str,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    let mut scenarios = selection::with_controls(project, scenarios, |_| true)?;
    for scenario in &scenarios {
        read(project, &scenario.name)?;
    }
    let surroundings = selection.surroundings(&unwinder);
    let runner = Runner::build(project, &surroundings, interrupt)?;
    let bench = Bench { project, runner: &runner, before: None };
    let (environment, absent) = bench.describe()?;
    let uncounted = split_off_uncounted(&mut scenarios, &absent)?;
    let floor = Floor::measure(&bench, &environment)?;
    out::note(floor.sentence());
    let ladders = sizes(&bench, &mut scenarios, &floor, &environment)?;
    let mut all = teeth::plant(&scenarios);
    all.extend(scenarios);
    all.iter_mut().for_each(|scenario| scenario.processes = scenario.processes.max(ROUNDS));
    let seed = selection.seed.unwrap_or_else(session::now);
    let capture = Capture { surroundings, reason: reason.to_owned(), floor, ladders };
    let ask = |header: &mut Header| header.capture = Some(capture.clone());
    let measurement = bench.begin(all, &environment, &absent, seed, ask)?;
    out::note(measurement.plan_line());
    let exit = carry_out(project, measurement, &capture, interrupt)?;
    Ok(Exit::of(&[vec![exit], uncounted].concat()))
}

/// Takes out the scenarios of which this machine counts no judged series, before anything is measured;
/// an exit code for each.
///
/// # Errors
/// When no scenario is left.
fn split_off_uncounted(
    scenarios: &mut Vec<Scenario>,
    absent: &[Absent],
) -> anyhow::Result<Vec<Exit>> {
    let why = |scenario: &Scenario| -> Option<String> {
        let reasons = scenario.judge.iter().map(|name| {
            let absence = why_absent(scenario, name.metric, absent)?;
            Some(format!("{name}: {absence}; {}", absence.remedy()))
        });
        let reasons: Option<BTreeSet<String>> = reasons.collect();
        let reasons: Vec<String> = reasons?.into_iter().collect();
        let title = scenario.title();
        let all = reasons.join("; ");
        Some(format!("{title}: none of its judged series can be counted here ({all})"))
    };
    let refused: Vec<String> = scenarios.iter().filter_map(why).collect();
    scenarios.retain(|scenario| why(scenario).is_none());
    if scenarios.is_empty() {
        let text = format!("cannot measure a baseline: {}", refused.join("\n"));
        return Err(ended(Exit::CouldNotMeasure, text));
    }
    refused.iter().for_each(|refused| out::note(format_args!("no baseline for {refused}")));
    Ok(vec![Exit::CouldNotMeasure; refused.len()])
}

/// Carries out what is left of a session that was ended, and writes it, for another `reason` where
/// one is given.
fn resume(
    named: Option<&Path>,
    reason: Option<&str>,
    project: &Project,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    let (reopened, runner) = Reopened::of(resume::Command::Baseline, named, project, interrupt)?;
    let capture = reopened.header.capture.clone();
    let mut capture = capture.expect("a session of baseline says how it was asked");
    if let Some(reason) = reason {
        reason.clone_into(&mut capture.reason);
    }
    for scenario in &reopened.scenarios {
        read(project, &scenario.name)?;
    }
    let bench = Bench { project, runner: &runner, before: None };
    carry_out(project, reopened.take_up(&bench)?, &capture, interrupt)
}

/// Measures what is left, and writes what is accepted. Only then the session has come to its end: what
/// could not be written can be once there is space.
fn carry_out(
    project: &Project,
    mut measurement: Measurement<'_>,
    capture: &Capture,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    measurement.run()?;
    let measured = measurement.measured();
    if teeth::is_blind(&teeth::seen(&measured, None)) {
        measurement.close()?;
        let text = "this session did not judge the growth planted in it right; no baseline has changed (repeat on a quieter machine)";
        return Err(ended(Exit::Blind, text));
    }
    let exit = write(project, &measured, capture, interrupt)?;
    measurement.close()?;
    Ok(exit)
}

/// Rounds of a baseline, at least: it is measured rarely and compared with often, and half of the
/// uncertainty of every comparison is its own. The first half of them and the second are two
/// measurements, which have to agree.
const ROUNDS: usize = 30;

/// Tries the sizes of every scenario, and gives each the ones it will be measured at. Returns the rungs
/// of every session to come, by title.
fn sizes(
    bench: &Bench<'_>,
    scenarios: &mut [Scenario],
    floor: &Floor,
    environment: &Environment,
) -> anyhow::Result<BTreeMap<String, Vec<usize>>> {
    let mut ladders = BTreeMap::new();
    for scenario in scenarios {
        let rounds = scenario.processes.max(ROUNDS);
        let Sizes { ladder, larger, reasons } =
            pilot::sizes(bench, scenario, rounds, floor, environment)?;
        let title = scenario.title();
        let confirming = larger.iter().map(|n| format!(", {n} to confirm")).collect::<String>();
        out::note(format_args!(
            "{title}: N {}…{}{confirming}",
            ladder[0],
            ladder[ladder.len() - 1]
        ));
        reasons.iter().for_each(|reason| out::note(format_args!("    {reason}")));
        scenario.ladder = [ladder.as_slice(), &larger].concat();
        ladders.insert(title, ladder);
    }
    Ok(ladders)
}

fn write(
    project: &Project,
    measured: &Measured,
    capture: &Capture,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    let mut exits = Vec::new();
    let mut accepted = Vec::new();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["scenario", "series", "was", "becomes"]);
    let is_asked = |m: &&MeasuredScenario| !m.scenario.subject.is_planted();
    for one in measured.scenarios.iter().filter(is_asked) {
        match baseline(one, measured, capture) {
            Ok(baseline) => {
                let old = read(project, &one.scenario.name)?;
                rows(&mut table, one, old.find(&baseline.key), &baseline);
                accepted.push((one.scenario.name.clone(), baseline));
            }
            Err(refusal) => {
                out::note(format_args!("no baseline for {}: {refusal:#}", one.scenario.title()));
                exits.push(Ended::exit_of(&refusal));
            }
        }
    }
    out::line(environment_line(&measured.environment))?;
    interrupt.check()?;
    if accepted.is_empty() {
        out::line(format_args!("samples: {}", measured.saved.display()))?;
        return Ok(Exit::of(&exits));
    }
    out::line("tail exponents with their 95 % intervals:")?;
    out::text(trimmed(&table.to_string()))?;
    for (name, baseline) in accepted {
        // Read again: the scenario before may have had the same name.
        let mut baselines = read(project, &name)?;
        baselines.put(baseline);
        let folder = project.baselines();
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make folder {}", folder.display()))?;
        let path = folder.join(format!("{name}.toml"));
        replace(&path, baselines.text().as_bytes())?;
        out::line(format_args!("wrote {}", path.display()))?;
    }
    out::line(format_args!("samples: {}", measured.saved.display()))?;
    out::line(format_args!("next: git diff {}", project.baselines().display()))?;
    Ok(Exit::of(&exits))
}

fn read(project: &Project, name: &str) -> anyhow::Result<Baselines> {
    Baselines::read(&project.baselines().join(format!("{name}.toml")))
}

/// What is accepted of one scenario.
///
/// # Errors
/// When a run failed or has no reading of a judged series that this machine counts, two measurements
/// of a series do not agree, or one grows beyond linear and the scenario does not say why.
fn baseline(
    one: &MeasuredScenario,
    measured: &Measured,
    capture: &Capture,
) -> anyhow::Result<Baseline> {
    if let Some(failure) = one.failures.first() {
        return Err(ended(Exit::CouldNotMeasure, failure.clone()));
    }
    let is_absent = |metric| why_absent(&one.scenario, metric, &measured.absent).is_some();
    let mut series = Vec::new();
    for name in &one.scenario.judge {
        match one.series.get(name) {
            Some(Rounds::Complete(rounds)) => series.push(accept(one, *name, rounds, measured)?),
            // Counted here, but not in every run: left out, it would stay undecided in every session.
            Some(Rounds::Missing(absence)) if !is_absent(name.metric) => {
                let text = format!("a run has no {name}: {absence}; {}", absence.remedy());
                return Err(ended(Exit::CouldNotMeasure, text));
            }
            Some(Rounds::Missing(absence)) => {
                out::note(format_args!("{} {name} is left out: {absence}", one.scenario.title()));
            }
            None => {}
        }
    }
    if series.is_empty() {
        let text = "none of its judged series can be counted here";
        return Err(ended(Exit::CouldNotMeasure, text));
    }
    series.sort_by_key(|accepted| accepted.name);
    Ok(Baseline {
        key: Key::of(&one.scenario, &measured.environment),
        reason: capture.reason.clone(),
        date: session::date(session::now()),
        seed: measured.seed,
        ladder: capture.ladders.get(&one.scenario.title()).unwrap_or(&one.scenario.ladder).clone(),
        noise_floor: capture.floor.clone(),
        environment: measured.environment.clone(),
        series,
        symbols: symbols(one, measured)?,
    })
}

/// The symbols that grow beyond linear, where the scenario states that.
///
/// # Errors
/// When one grows so that it will matter, and nothing states it.
fn symbols(one: &MeasuredScenario, measured: &Measured) -> anyhow::Result<Vec<AcceptedSymbol>> {
    let Some(profiles) = Profiles::of(one) else { return Ok(Vec::new()) };
    let found = symbols::of_scenario(&one.scenario, &profiles, &measured.environment, None);
    if let Some(new) = found.iter().find(|found| found.standing == Standing::Regressed) {
        let title = one.scenario.title();
        let GrowingSymbol { phase, symbol, formula, .. } = new;
        let text = format!(
            "{} in {phase} grows beyond linear, {formula} instructions; a known_growth of {phase}/callgrind-instructions in {title}'s file, with reason, link and until, accepts it",
            symbol.function
        );
        return Err(ended(Exit::Regressed, text));
    }
    let known = found.into_iter().filter(|found| matches!(found.standing, Standing::Known { .. }));
    let mut symbols: Vec<AcceptedSymbol> = known
        .map(|GrowingSymbol { phase, symbol, series, .. }| {
            let SavedSymbol { object, function, .. } = symbol;
            AcceptedSymbol { phase, object, function, series }
        })
        .collect();
    symbols
        .sort_by(|a, b| (a.phase, &a.object, &a.function).cmp(&(b.phase, &b.object, &b.function)));
    Ok(symbols)
}

fn accept(
    one: &MeasuredScenario,
    name: SeriesName,
    rounds: &[(usize, Vec<f64>)],
    measured: &Measured,
) -> anyhow::Result<Accepted> {
    agree(name, rounds)?;
    let series = series(name, rounds)?;
    let family = &measured.environment.unwinder_family;
    let known = one.scenario.known(name, family);
    let known = known.filter(|known| !has_expired(&known.until, &measured.environment));
    let curve = judge_curve(&series, &CurveOptions::default());
    if grows_beyond(known, one, name, &series, measured) {
        let title = one.scenario.title();
        let text = format!(
            "{name} grows beyond what the scenario states; a known_growth in {title}'s file, with reason, link and until, accepts it"
        );
        return Err(ended(Exit::Regressed, text));
    }
    let accepted_growth = known.filter(|_| curve.verdict != CurveVerdict::Ok);
    let superlinear = accepted_growth.map(|known| Acceptance {
        reason: known.reason.clone(),
        link: known.link.clone(),
        until: known.until.clone(),
    });
    let tail = curve.evidence.and_then(|evidence| evidence.tail_exponent);
    let tail = tail.map(|Estimate { value, interval }| [value, interval.low, interval.high]);
    Ok(Accepted { name, series, tail, superlinear })
}

/// Compares the first half of the rounds with the second: what is accepted was seen twice.
///
/// # Errors
/// When one of them grows faster than the other, which no unchanged program does.
fn agree(name: SeriesName, rounds: &[(usize, Vec<f64>)]) -> anyhow::Result<()> {
    if rounds.iter().all(|(_, costs)| costs.len() == 1) {
        // Exact, which a repeated run has proven.
        return Ok(());
    }
    let half = |second: bool| {
        let rows = rounds.iter().map(|(n, costs)| {
            let (one, two) = costs.split_at(costs.len() / 2);
            (*n, if second { two.to_vec() } else { one.to_vec() })
        });
        series(name, &rows.collect::<Vec<_>>())
    };
    let (first, second) = (half(false)?, half(true)?);
    let worse = |new, old| {
        let pair = judge_pair(new, old, &PairOptions::default());
        pair.evidence.filter(|_| pair.verdict == PairVerdict::Worse)
    };
    let Some(evidence) = worse(&first, &second).or_else(|| worse(&second, &first)) else {
        return Ok(());
    };
    let share = evidence.growth.value * 100.0;
    let text = format!(
        "two measurements of {name} do not agree: {share:.0} % of the one at the largest N grows faster than the other (repeat on a quieter machine)"
    );
    Err(ended(Exit::CouldNotMeasure, text))
}

/// Whether `series` provably grows faster than the scenario states: a count by its own curve, a time
/// beside its control, since caches bend a time's curve.
fn grows_beyond(
    known: Option<&KnownGrowth>,
    one: &MeasuredScenario,
    name: SeriesName,
    series: &Series,
    measured: &Measured,
) -> bool {
    let expect = known.map_or(Expect::LinearLog, |_| Expect::Quadratic);
    match name.metric.kind() {
        MetricKind::Count => {
            let options = CurveOptions { expect, ..CurveOptions::default() };
            judge_curve(series, &options).verdict == CurveVerdict::Superlinear
        }
        MetricKind::Time => {
            let control = judgement::control_series(&one.scenario, name, measured);
            known.is_none()
                && control.is_some_and(|control| {
                    let pair = judge_pair(series, &control, &PairOptions::default());
                    pair.verdict == PairVerdict::Worse
                })
        }
    }
}

fn rows(table: &mut Table, one: &MeasuredScenario, old: Option<&Baseline>, new: &Baseline) {
    let shown = |accepted: Option<&Accepted>| match accepted {
        None => "–".to_owned(),
        Some(Accepted { tail: None, .. }) => "flat".to_owned(),
        Some(Accepted { tail: Some([value, low, high]), superlinear, .. }) => {
            let until = superlinear.as_ref().map(|s| format!(", accepted until {}", s.until));
            format!("{value:.2}  {low:.2} … {high:.2}{}", until.unwrap_or_default())
        }
    };
    for accepted in &new.series {
        let before = old.and_then(|old| old.find(accepted.name));
        let cells =
            [one.scenario.title(), accepted.name.to_string(), shown(before), shown(Some(accepted))];
        table.add_row(cells);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use loadline_scenario::{Absence, Metric, Unwinder};

    use super::*;
    use crate::runner::Surroundings;

    const SCENARIO: &str = r#"
format = 1
question = "Does memory stay linear in N?"
expectation = "Quadratic under libgcc-list."
lifecycle = "hold-all"
judge = ["load/resident-bytes"]
ladder = { from = 64, to = 4096, factor = 2 }

[[known_growth]]
series = ["load/resident-bytes"]
unwinders = ["libgcc-list"]
class = "quadratic"
reason = "a table as long as the largest index"
link = "https://example.org/1"
until = "wasmtime 52"
"#;

    /// A session of that scenario on wasmtime 48 under libgcc-list.
    fn measured(cost: fn(f64) -> f64) -> Measured {
        let scenario = Scenario::parse("memory", SCENARIO).unwrap();
        let name = scenario.judge[0];
        let rows = scenario.ladder.iter().map(|&n| (n, vec![cost(n as f64); 5]));
        let series = [(name, Rounds::Complete(rows.collect()))].into();
        let environment = Environment {
            wasmtime: "48.0.8".to_owned(),
            unwinder_family: "libgcc-list".to_owned(),
            ..session::tests::environment()
        };
        Measured {
            environment,
            absent: Vec::new(),
            scenarios: vec![MeasuredScenario {
                unrepeated: Vec::new(),
                profiles: Vec::new(),
                scenario,
                series,
                n_larger: 0,
                coarse: BTreeMap::new(),
                failures: Vec::new(),
            }],
            saved: "samples".into(),
            started: 0,
            seed: 1,
            left_out: Vec::new(),
            forecasts: Vec::new(),
            part: None,
            before: None,
        }
    }

    fn accepted(measured: &Measured) -> anyhow::Result<Accepted> {
        let capture = Capture {
            surroundings: Surroundings::under(&Unwinder::Host),
            reason: "a reason".to_owned(),
            floor: Floor::default(),
            ladders: BTreeMap::new(),
        };
        let mut baseline = baseline(&measured.scenarios[0], measured, &capture)?;
        Ok(baseline.series.remove(0))
    }

    fn linear(n: f64) -> f64 {
        1e6 + 4096.0 * n
    }

    fn quadratic(n: f64) -> f64 {
        linear(n) + 8.0 * n * n
    }

    #[test]
    fn linear_growth_needs_no_acceptance() {
        assert_eq!(accepted(&measured(linear)).unwrap().superlinear, None);
    }

    #[test]
    fn known_growth_is_accepted_with_its_reason_and_end() {
        let acceptance = accepted(&measured(quadratic)).unwrap().superlinear.unwrap();
        assert_eq!(acceptance.until, "wasmtime 52");
        assert_eq!(acceptance.link, "https://example.org/1");
    }

    #[test]
    fn growth_that_nobody_states_is_refused() {
        let refuse = |change: fn(&mut Measured)| {
            let mut measured = measured(quadratic);
            change(&mut measured);
            let refusal = accepted(&measured).unwrap_err();
            assert_eq!(Ended::exit_of(&refusal), Exit::Regressed);
            assert!(refusal.to_string().contains("known_growth"), "{refusal}");
        };
        refuse(|measured| measured.scenarios[0].scenario.known_growth.clear());
        refuse(|measured| measured.environment.unwinder_family = "libgcc-tree".to_owned());
        refuse(|measured| measured.environment.wasmtime = "52.0.0".to_owned());
    }

    /// The second half of the rounds grows where the first does not.
    #[test]
    fn two_measurements_that_do_not_agree_are_refused() {
        let name: SeriesName = "unload/task-clock".parse().unwrap();
        let rows = |late: f64| -> Vec<(usize, Vec<f64>)> {
            let row = |n: usize| {
                let cost = |round: usize| {
                    let share = if round < 5 { 0.0 } else { late };
                    let jitter = 1.0 + 0.004 * (((n + 7 * round) % 5) as f64 - 2.0);
                    1e4 * n as f64 * (1.0 + share * n as f64 / 4096.0) * jitter
                };
                (n, (0..10).map(cost).collect())
            };
            (6..=12).map(|k| row(1 << k)).collect()
        };
        agree(name, &rows(0.0)).unwrap();
        let refusal = agree(name, &rows(0.5)).unwrap_err();
        assert_eq!(Ended::exit_of(&refusal), Exit::CouldNotMeasure);
        assert!(refusal.to_string().contains("do not agree"), "{refusal}");
    }

    #[test]
    fn a_scenario_without_a_counter_is_refused_before_it_is_measured() {
        let parsed = |name: &str| Scenario::parse(name, SCENARIO).unwrap();
        let (one, mut other) = (parsed("one"), parsed("other"));
        other.judge = vec!["load/instructions".parse().unwrap()];
        let absent = [Absent::everywhere(Metric::Instructions, Absence::NotOffered)];
        let mut both = vec![one, other.clone()];
        assert_eq!(split_off_uncounted(&mut both, &absent).unwrap(), [Exit::CouldNotMeasure]);
        assert_eq!(both.iter().map(Scenario::title).collect::<Vec<_>>(), ["one"]);
        let refusal = split_off_uncounted(&mut vec![other], &absent).unwrap_err();
        assert_eq!(Ended::exit_of(&refusal), Exit::CouldNotMeasure);
        let text = refusal.to_string();
        assert!(text.contains("load/instructions: not offered by this machine"), "{text}");
    }

    #[test]
    fn what_was_not_measured_is_refused() {
        let refuse = |change: fn(&mut MeasuredScenario)| {
            let mut measured = measured(linear);
            change(&mut measured.scenarios[0]);
            assert_eq!(Ended::exit_of(&accepted(&measured).unwrap_err()), Exit::CouldNotMeasure);
        };
        refuse(|one| one.failures.push("N = 64, round 1: the runner ended early".to_owned()));
        refuse(|one| {
            one.series.insert(one.scenario.judge[0], Rounds::Missing(Absence::NotOffered));
        });
    }

    /// One of two judged series has no reading in some run.
    #[test]
    fn a_series_that_a_run_lacks_is_not_left_out() {
        let lacks = |absence, is_counted_here: bool| {
            let mut measured = measured(linear);
            let lacking: SeriesName = "load/page-faults".parse().unwrap();
            if !is_counted_here {
                measured.absent.push(Absent::everywhere(lacking.metric, absence));
            }
            let one = &mut measured.scenarios[0];
            one.scenario.judge.push(lacking);
            one.series.insert(lacking, Rounds::Missing(absence));
            accepted(&measured)
        };
        assert!(lacks(Absence::NeverRan, false).is_ok(), "a machine without it accepts the rest");
        for absence in [Absence::NeverRan, Absence::NotMeasured, Absence::NotAcknowledged] {
            let refusal = lacks(absence, true).unwrap_err();
            assert_eq!(Ended::exit_of(&refusal), Exit::CouldNotMeasure);
            assert!(refusal.to_string().contains("a run has no load/page-faults"), "{refusal}");
        }
    }
}
