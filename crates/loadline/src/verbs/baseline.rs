//! `cargo xtask baseline`: measures, shows what would change, and writes what is accepted.

mod accept;

use crate::saved::profiles;
use loadline_record::atomic::make_folder;
use loadline_record::time;
use loadline_record::{Acceptance, Context, Error, Exit, Floor, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use comfy_table::{Table, presets};
use loadline_growth::{
    CurveOptions, CurveVerdict, Estimate, Expect, PairOptions, PairVerdict, Series, judge_curve,
    judge_pair,
};
use loadline_record::rounds::series;
use loadline_scenario::{Absent, Environment, Metric, MetricKind, Scenario, SeriesName};

use crate::cli::{self, Selection};
use loadline_measure::out;
use loadline_measure::process::interrupt::Interrupt;
use loadline_measure::process::lock::MachineLock;
use loadline_measure::process::runner::Runner;
use loadline_measure::process::unwinders::{self, Pass};
use loadline_measure::project::folders::Project;
use loadline_measure::project::selection;
use loadline_measure::session::baseline_sizes::{self, Sizes};
use loadline_measure::session::bench::Bench;
use loadline_measure::session::measurement::Measurement;
use loadline_measure::session::resume::{self, Reopened};
use loadline_record::atomic::{self, replace};
use loadline_record::baseline::{Accepted, AcceptedSymbol, Baseline, Baselines, Key};
use loadline_record::header::{Capture, Header};
use loadline_record::profile::SavedSymbol;
use loadline_record::reproduce::Again;
use loadline_record::rounds::{Measured, MeasuredScenario, Rounds, why_absent};
use loadline_report::trimmed;
use loadline_verdict::functions::{self, GrowingSymbol, Reference, Standing};
use loadline_verdict::known::{Entry, Present, curve, is_steeper_than_quadratic};
use loadline_verdict::self_check;

/// Carries the command out.
///
/// # Errors
/// When something could not be measured or the session is blind; then no baseline has changed. Or when
/// a file cannot be written; then those of scenarios before it have.
pub fn run(arguments: &cli::Baseline) -> Result<Exit> {
    let reason = arguments.reason.as_deref().map(str::trim);
    if reason == Some("") {
        return Err(Error::new(Exit::Usage, "--reason is empty; say why for those who review it"));
    }
    let accept = accept::asked(arguments)?;
    let interrupt = Interrupt::listen()?;
    let project = Project::open(arguments.selection.root.as_deref())?;
    if let Some(named) = &arguments.resume {
        let _lock = MachineLock::take(&project, arguments.selection.no_wait, &interrupt)?;
        return resume(named.as_deref(), reason, accept, &project, &interrupt);
    }
    let reason = reason.ok_or_else(|| Error::new(Exit::Usage, "--reason TEXT is missing"))?;
    let scenarios = selection::chosen(&project, &arguments.selection.choice())?;
    for scenario in &scenarios {
        // A broken file is found before minutes are spent, and one that cannot be written.
        read(&project, &scenario.name)?;
        atomic::check_made(&project.baselines(), &format!("{}.toml", scenario.name))?;
    }
    let _lock = MachineLock::take(&project, arguments.selection.no_wait, &interrupt)?;
    let scenarios = selection::built(&project, scenarios, &interrupt)?;
    let asked = std::slice::from_ref(&arguments.selection.unwinder);
    let may_leave_out = arguments.selection.names.is_empty();
    let (passes, left_out) = unwinders::passes(&scenarios, asked, may_leave_out)?;
    left_out.iter().for_each(out::note);
    let reason = Reason { text: reason, accept: accept.as_ref() };
    let capture = |pass| capture(&project, &arguments.selection, pass, reason, &interrupt);
    let exits = passes.into_iter().map(capture).collect::<Result<Vec<Exit>>>()?;
    Ok(Exit::of(&exits))
}

/// Why baselines are written, and what accepts superlinear growth.
#[derive(Clone, Copy)]
struct Reason<'a> {
    text: &'a str,
    accept: Option<&'a Acceptance>,
}

/// Measures what one unwinder is to be measured under, and writes it.
fn capture(
    project: &Project,
    selection: &Selection,
    Pass { unwinder, scenarios }: Pass,
    reason: Reason<'_>,
    interrupt: &Interrupt,
) -> Result<Exit> {
    let mut scenarios = selection::with_controls(project, scenarios, |_| true)?;
    for scenario in &scenarios {
        read(project, &scenario.name)?;
    }
    let surroundings = selection.surroundings(&unwinder);
    let runner = Runner::build(project, &surroundings, interrupt)?;
    let bench = Bench { project, runner: &runner, before: None };
    let (environment, absent) = bench.describe()?;
    // What has ended already is found before minutes are spent.
    reason.accept.map_or(Ok(()), |accept| accept::check(accept, &environment))?;
    let uncounted = split_off_uncounted(&mut scenarios, &absent)?;
    let floor = baseline_sizes::noise_floor(&bench, &environment)?;
    out::note(baseline_sizes::sentence(&floor));
    let ladders = sizes(&bench, &mut scenarios, &floor, &environment)?;
    let mut all = loadline_scenario::self_check::scenarios_for(&scenarios);
    all.extend(scenarios);
    all.iter_mut().for_each(|scenario| scenario.processes = scenario.processes.max(ROUNDS));
    let seed = selection.seed.unwrap_or_else(time::now);
    let Reason { text, accept } = reason;
    let (reason, accept) = (text.to_owned(), accept.cloned());
    let capture = Capture { surroundings, reason, accept, floor, ladders };
    let ask = |header: &mut Header| header.capture = Some(capture.clone());
    let measurement = Measurement::begin(&bench, all, &environment, &absent, seed, ask)?;
    out::note(measurement.plan_line());
    let exit = carry_out(project, measurement, &capture, interrupt)?;
    Ok(Exit::of(&[vec![exit], uncounted].concat()))
}

/// Takes out the scenarios of which this machine counts no judged series, before anything is measured;
/// an exit code for each.
///
/// # Errors
/// When no scenario is left.
fn split_off_uncounted(scenarios: &mut Vec<Scenario>, absent: &[Absent]) -> Result<Vec<Exit>> {
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
        return Err(Error::new(Exit::CouldNotMeasure, text));
    }
    refused.iter().for_each(|refused| out::note(format_args!("no baseline for {refused}")));
    Ok(vec![Exit::CouldNotMeasure; refused.len()])
}

/// Carries out what is left of a session that was ended, and writes it, for another `reason` where
/// one is given.
fn resume(
    named: Option<&Path>,
    reason: Option<&str>,
    accept: Option<Acceptance>,
    project: &Project,
    interrupt: &Interrupt,
) -> Result<Exit> {
    let (reopened, runner) = Reopened::of(resume::Command::Baseline, named, project, interrupt)?;
    let capture = reopened.header.capture.clone();
    let mut capture = capture.expect("a session of baseline says how it was asked");
    if let Some(reason) = reason {
        reason.clone_into(&mut capture.reason);
    }
    capture.accept = accept.or(capture.accept);
    let environment = &reopened.header.environment;
    capture.accept.as_ref().map_or(Ok(()), |accept| accept::check(accept, environment))?;
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
) -> Result<Exit> {
    measurement.run()?;
    let measured = measurement.measured();
    if self_check::is_blind(&self_check::seen(&measured, None)) {
        measurement.close()?;
        let text = "this session did not judge the growth planted in it right; no baseline has changed (repeat on a quieter machine)";
        return Err(Error::new(Exit::Blind, text));
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
) -> Result<BTreeMap<String, Vec<usize>>> {
    let mut ladders = BTreeMap::new();
    for scenario in scenarios {
        let rounds = scenario.processes.max(ROUNDS);
        let Sizes { ladder, larger, reasons } =
            baseline_sizes::sizes(bench, scenario, rounds, floor, environment)?;
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
) -> Result<Exit> {
    let mut exits = Vec::new();
    let mut accepted = Vec::new();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["scenario", "series", "was", "becomes"]);
    let is_asked = |m: &&MeasuredScenario| !m.scenario.subject.is_planted();
    for one in measured.scenarios.iter().filter(is_asked) {
        match baseline(one, measured, capture) {
            Ok((baseline, grown)) => {
                let old = read(project, &one.scenario.name)?;
                rows(&mut table, one, old.find(&baseline.key), &baseline, &grown, capture);
                accepted.push((&one.scenario, baseline, grown));
            }
            Err(refusal) => {
                out::note(format_args!("no baseline for {}: {refusal:#}", one.scenario.title()));
                exits.push(refusal.exit());
            }
        }
    }
    out::line(measured.environment.line())?;
    interrupt.check()?;
    if accepted.is_empty() {
        out::line(format_args!("samples: {}", measured.saved.display()))?;
        return Ok(Exit::of(&exits));
    }
    out::line("tail exponents with their 95 % intervals:")?;
    out::text(trimmed(&table.to_string()))?;
    for (scenario, baseline, grown) in accepted {
        let name = &scenario.name;
        if let Some(accept) = capture.accept.as_ref().filter(|_| !grown.is_empty()) {
            accept::write(
                accept,
                project,
                scenario,
                &grown,
                &capture.reason,
                &measured.environment,
            )?;
            let path = project.scenarios().join(format!("{name}.toml"));
            out::line(format_args!("wrote a known issue into {}", path.display()))?;
        }
        // Read again: the scenario before may have had the same name.
        let mut baselines = read(project, name)?;
        baselines.put(baseline);
        let folder = project.baselines();
        make_folder(&folder).with_context(|| format!("cannot make folder {}", folder.display()))?;
        let path = folder.join(format!("{name}.toml"));
        replace(&path, baselines.text().as_bytes())?;
        out::line(format_args!("wrote {}", path.display()))?;
    }
    out::line(format_args!("samples: {}", measured.saved.display()))?;
    out::line(format_args!("next: git diff {}", project.baselines().display()))?;
    Ok(Exit::of(&exits))
}

fn read(project: &Project, name: &str) -> Result<Baselines> {
    Baselines::read(&project.baselines().join(format!("{name}.toml")))
}

/// What is accepted of one scenario, and the series among it whose growth the scenario's file has to
/// state from now on.
///
/// # Errors
/// When a run failed or has no reading of a judged series that this machine counts, two measurements
/// of a series do not agree, or one grows beyond linear and nobody says why.
fn baseline(
    one: &MeasuredScenario,
    measured: &Measured,
    capture: &Capture,
) -> Result<(Baseline, Vec<SeriesName>)> {
    if let Some(failure) = one.failures.first() {
        return Err(Error::new(Exit::CouldNotMeasure, failure.clone()));
    }
    let is_absent = |metric| why_absent(&one.scenario, metric, &measured.absent).is_some();
    let mut series = Vec::new();
    for name in &one.scenario.judge {
        match one.series.get(name) {
            Some(Rounds::Complete(rounds)) => series.push(accept(one, *name, rounds, measured)?),
            // Counted here, but not in every run: left out, it would stay undecided in every session.
            Some(Rounds::Missing(absence)) if !is_absent(name.metric) => {
                let text = format!("a run has no {name}: {absence}; {}", absence.remedy());
                return Err(Error::new(Exit::CouldNotMeasure, text));
            }
            Some(Rounds::Missing(absence)) => {
                out::note(format_args!("{} {name} is left out: {absence}", one.scenario.title()));
            }
            None => {}
        }
    }
    if series.is_empty() {
        let text = "none of its judged series can be counted here";
        return Err(Error::new(Exit::CouldNotMeasure, text));
    }
    series.sort_by_key(|accepted| accepted.name);
    let (symbols, growing) = symbols(one, measured)?;
    let mut grown = growing;
    grown.extend(series.iter().filter(|s| is_unstated(one, s, measured)).map(|s| s.name));
    grown.sort();
    grown.dedup();
    if !grown.is_empty() && capture.accept.is_none() {
        return Err(refusal(one, &grown));
    }
    let baseline = Baseline {
        key: Key::of(&one.scenario, &measured.environment),
        reason: capture.reason.clone(),
        date: time::date(time::now()),
        seed: measured.seed,
        ladder: capture.ladders.get(&one.scenario.title()).unwrap_or(&one.scenario.ladder).clone(),
        noise_floor: capture.floor.clone(),
        environment: measured.environment.clone(),
        series,
        symbols,
    };
    Ok((baseline, grown))
}

/// Why there is no baseline of growth that nobody stated, with both ways out.
fn refusal(one: &MeasuredScenario, grown: &[SeriesName]) -> Error {
    let names: Vec<String> = grown.iter().map(SeriesName::to_string).collect();
    let text = format!(
        "superlinear: {}, and its file does not say why; fix it, or accept it as a known issue: {}",
        names.join(", "),
        Again::default().baseline(
            &one.scenario,
            "--reason TEXT --accept-superlinear --link URL --expires DATE"
        )
    );
    Error::new(Exit::Regressed, text)
}

/// The symbols that grow beyond linear, and the series by which a scenario would state that of those
/// that it does not.
///
/// # Errors
/// When one grows faster than anything can be accepted.
fn symbols(
    one: &MeasuredScenario,
    measured: &Measured,
) -> Result<(Vec<AcceptedSymbol>, Vec<SeriesName>)> {
    let Some(profiles) = profiles(one) else { return Ok(Default::default()) };
    let reference = Reference::Accepted(None);
    let found = functions::of_scenario(&one.scenario, &profiles, &Present::of(measured), reference);
    let (mut symbols, mut unstated) = (Vec::new(), Vec::new());
    for GrowingSymbol { phase, symbol, series, standing, formula, .. } in found {
        let name = SeriesName::new(phase, Metric::CallgrindInstructions);
        match standing {
            Standing::Known { .. } => {}
            Standing::Regressed if is_steeper_than_quadratic(&series, None) => {
                let function = format!("{} in {phase} ({formula} instructions)", symbol.function);
                return Err(steeper(&function));
            }
            Standing::Regressed => unstated.push(name),
            Standing::Accepted | Standing::AsBefore | Standing::Negligible | Standing::Doubtful => {
                continue;
            }
        }
        let SavedSymbol { object, function, .. } = symbol;
        symbols.push(AcceptedSymbol { phase, object, function, series });
    }
    symbols
        .sort_by(|a, b| (a.phase, &a.object, &a.function).cmp(&(b.phase, &b.object, &b.function)));
    Ok((symbols, unstated))
}

/// Growth that no known issue accepts.
fn steeper(what: &str) -> Error {
    let text = format!("{what} grows faster than N², and a known issue accepts N² at most: fix it");
    Error::new(Exit::Regressed, text)
}

fn accept(
    one: &MeasuredScenario,
    name: SeriesName,
    rounds: &[(usize, Vec<f64>)],
    measured: &Measured,
) -> Result<Accepted> {
    agree(name, rounds)?;
    let series = series(name, rounds)?;
    let own = judge_curve(&series, &CurveOptions::default());
    if is_superlinear(one, name, &series, own.verdict, measured)
        && is_steeper_than_quadratic(&series, None)
    {
        return Err(steeper(&name.to_string()));
    }
    if own.verdict == CurveVerdict::Ok && known(one, name, measured).is_some() {
        let title = one.scenario.title();
        out::note(format_args!(
            "{title} {name}: known issue not seen; remove its entry if it is not seen elsewhere"
        ));
    }
    let tail = own.evidence.and_then(|evidence| evidence.tail_exponent);
    let tail = tail.map(|Estimate { value, interval }| [value, interval.low, interval.high]);
    Ok(Accepted { name, series, tail })
}

/// The entry by which the scenario accepts the growth of `name`.
fn known<'a>(
    one: &'a MeasuredScenario,
    name: SeriesName,
    measured: &Measured,
) -> Option<Entry<'a>> {
    let known = one.scenario.known(name, &measured.environment.unwinder_family)?;
    Some(Entry::of(known, &Present::of(measured))).filter(|entry| !entry.has_expired)
}

/// Whether a series grows beyond linear and its scenario does not state that.
fn is_unstated(one: &MeasuredScenario, accepted: &Accepted, measured: &Measured) -> bool {
    let Accepted { name, series, .. } = accepted;
    let own = curve(series, Expect::LinearLog, None);
    known(one, *name, measured).is_none() && is_superlinear(one, *name, series, own, measured)
}

/// Compares the first half of the rounds with the second: what is accepted was seen twice.
///
/// # Errors
/// When one of them grows faster than the other, which no unchanged program does.
fn agree(name: SeriesName, rounds: &[(usize, Vec<f64>)]) -> Result<()> {
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
    Err(Error::new(Exit::CouldNotMeasure, text))
}

/// Whether `series`, whose own curve is `own`, provably grows beyond linear: a time beside its control
/// where there is one, since caches bend a time's curve.
fn is_superlinear(
    one: &MeasuredScenario,
    name: SeriesName,
    series: &Series,
    own: CurveVerdict,
    measured: &Measured,
) -> bool {
    let is_time = name.metric.kind() == MetricKind::Time;
    match loadline_verdict::readings::control_series(&one.scenario, name, measured)
        .filter(|_| is_time)
    {
        Some(control) => {
            judge_pair(series, &control, &PairOptions::default()).verdict == PairVerdict::Worse
        }
        // A control has none itself: only what no cache explains is growth.
        None if is_time && one.scenario.is_control() => {
            judge_curve(series, &CurveOptions::default()).is_gross()
        }
        None => own == CurveVerdict::Superlinear,
    }
}

fn rows(
    table: &mut Table,
    one: &MeasuredScenario,
    old: Option<&Baseline>,
    new: &Baseline,
    grown: &[SeriesName],
    capture: &Capture,
) {
    let shown = |accepted: Option<&Accepted>| match accepted {
        None => "–".to_owned(),
        Some(Accepted { tail: None, .. }) => "flat".to_owned(),
        Some(Accepted { tail: Some([value, low, high]), .. }) => {
            format!("{value:.2}  {low:.2} … {high:.2}")
        }
    };
    let new_issue = |name: &SeriesName| {
        let accept = capture.accept.as_ref().filter(|_| grown.contains(name));
        accept.map(|accept| format!(", known issue until {}", accept.expires)).unwrap_or_default()
    };
    for accepted in &new.series {
        let before = old.and_then(|old| old.find(accepted.name));
        let becomes = shown(Some(accepted)) + &new_issue(&accepted.name);
        let cells = [one.scenario.title(), accepted.name.to_string(), shown(before), becomes];
        table.add_row(cells);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use loadline_scenario::{Absence, Metric, Unwinder};

    use super::*;

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
            ..loadline_record::fixtures::environment()
        };
        Measured {
            today: "2026-11-23".to_owned(),
            environment,
            absent: Vec::new(),
            scenarios: vec![MeasuredScenario {
                unrepeated: Vec::new(),
                profiles: Vec::new(),
                scenario,
                series,
                n_larger: 0,
                coarse: BTreeMap::new(),
                too_short: BTreeMap::new(),
                failures: Vec::new(),
                is_given_up: false,
            }],
            saved: "samples".into(),
            started: 0,
            seed: 1,
            left_out: Vec::new(),
            forecasts: Vec::new(),
            part: None,
            before: None,
            again: Again::default(),
        }
    }

    fn capture() -> Capture {
        Capture {
            surroundings: loadline_record::Surroundings::under(&Unwinder::Host),
            reason: "a reason".to_owned(),
            accept: None,
            floor: Floor::default(),
            ladders: BTreeMap::new(),
        }
    }

    fn accepted(measured: &Measured) -> Result<Accepted> {
        let capture = capture();
        let (mut baseline, _) = baseline(&measured.scenarios[0], measured, &capture)?;
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
        assert!(accepted(&measured(linear)).is_ok());
    }

    #[test]
    fn known_growth_is_accepted_unless_it_is_steeper() {
        assert!(accepted(&measured(quadratic)).is_ok());
        let refusal = accepted(&measured(|n| linear(n) + 1e-2 * n * n * n)).unwrap_err();
        assert!(refusal.to_string().contains("faster than N²"), "{refusal}");
    }

    /// Growth that nobody states is written down as the command line accepts it.
    #[test]
    fn unstated_growth_is_accepted_by_the_command_line_alone() {
        let mut measured = measured(quadratic);
        measured.scenarios[0].scenario.known_growth.clear();
        let accept = Acceptance {
            link: "https://example.org/2".to_owned(),
            expires: "2999-01-01".to_owned(),
        };
        let capture = Capture { accept: Some(accept), ..capture() };
        let (_, grown) = baseline(&measured.scenarios[0], &measured, &capture).unwrap();
        assert_eq!(grown, measured.scenarios[0].scenario.judge[..1]);
    }

    #[test]
    fn growth_that_nobody_states_is_refused() {
        let refuse = |change: fn(&mut Measured)| {
            let mut measured = measured(quadratic);
            change(&mut measured);
            let refusal = accepted(&measured).unwrap_err();
            assert_eq!(refusal.exit(), Exit::Regressed);
            assert!(refusal.to_string().contains("--accept-superlinear"), "{refusal}");
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
        assert_eq!(refusal.exit(), Exit::CouldNotMeasure);
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
        assert_eq!(refusal.exit(), Exit::CouldNotMeasure);
        let text = refusal.to_string();
        assert!(text.contains("load/instructions: not offered by this machine"), "{text}");
    }

    #[test]
    fn what_was_not_measured_is_refused() {
        let refuse = |change: fn(&mut MeasuredScenario)| {
            let mut measured = measured(linear);
            change(&mut measured.scenarios[0]);
            assert_eq!(accepted(&measured).unwrap_err().exit(), Exit::CouldNotMeasure);
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
            assert_eq!(refusal.exit(), Exit::CouldNotMeasure);
            assert!(refusal.to_string().contains("a run has no load/page-faults"), "{refusal}");
        }
    }
}
