//! `cargo xtask baseline`: measures, shows what would change, and writes the accepted baselines.

mod accept;
mod growth;

use loadline_record::atomic::make_folder;
use loadline_record::time;
use loadline_record::{Acceptance, Context, Error, Exit, Floor, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use comfy_table::{Table, presets};
use loadline_scenario::{Absent, Environment, Scenario, SeriesName};

use crate::cli::{self, Selection};
use crate::verbs::sessions;
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
use loadline_record::baseline::{Accepted, Baseline, Baselines};
use loadline_record::header::{Capture, Header};
use loadline_record::measured::{Measured, MeasuredScenario, why_absent};
use loadline_report::{environment_line, trimmed};
use loadline_verdict::known_issue::expiry;
use loadline_verdict::self_check;

/// Runs `cargo xtask baseline`.
///
/// # Errors
/// When something could not be measured or the self-check failed; then no baseline has changed. When a file
/// cannot be written; then the baselines of earlier scenarios have changed.
pub fn run(arguments: &cli::Baseline) -> Result<Exit> {
    let reason = arguments.reason.as_deref().map(str::trim);
    if reason == Some("") {
        return Err(Error::new(
            Exit::Usage,
            "--reason is empty (say why the baseline changes; reviewers read it)",
        ));
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
        // Finds a broken or unwritable file before minutes are spent.
        read(&project, &scenario.name)?;
        atomic::check_made(&project.baselines(), &format!("{}.toml", scenario.name))?;
    }
    let _lock = MachineLock::take(&project, arguments.selection.no_wait, &interrupt)?;
    sessions::remove_old(&project);
    let scenarios = selection::built(&project, scenarios, &interrupt)?;
    let asked = arguments.selection.unwinders(&project);
    let may_leave_out = arguments.selection.names.is_empty();
    let (passes, left_out) = unwinders::passes(&scenarios, &asked, may_leave_out)?;
    left_out.iter().for_each(out::note);
    let reason = Reason { text: reason, accept: accept.as_ref() };
    let capture = |pass| capture(&project, &arguments.selection, pass, reason, &interrupt);
    let exits = passes.into_iter().map(capture).collect::<Result<Vec<Exit>>>()?;
    Ok(Exit::of(&exits))
}

/// The reason for writing baselines, and the acceptance of superlinear growth.
#[derive(Clone, Copy)]
struct Reason<'a> {
    text: &'a str,
    accept: Option<&'a Acceptance>,
}

/// Measures the scenarios of one unwinder and writes their baselines.
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
    let machine = selection.machine(&unwinder);
    let runner = Runner::build(project, &machine, interrupt)?;
    let bench = Bench { project, runner: &runner, before: None };
    let (environment, absent) = bench.describe()?;
    // Finds an expired acceptance before minutes are spent.
    reason.accept.map_or(Ok(()), |accept| accept::check(accept, &environment))?;
    let uncounted = split_off_uncounted(&mut scenarios, &absent)?;
    let floor = baseline_sizes::noise_floor(&bench, &environment)?;
    out::note(baseline_sizes::sentence(&floor));
    let sizes = sizes(&bench, &mut scenarios, &floor, &environment)?;
    let mut all = loadline_scenario::self_check::scenarios_for(&scenarios);
    all.extend(scenarios);
    all.iter_mut()
        .for_each(|scenario| scenario.repetitions = scenario.repetitions.max(REPETITIONS));
    let seed = selection.seed.unwrap_or_else(time::now);
    let Reason { text, accept } = reason;
    let (reason, accept) = (text.to_owned(), accept.cloned());
    let capture = Capture { machine, reason, accept, floor, sizes };
    let ask = |header: &mut Header| header.capture = Some(capture.clone());
    let measurement = Measurement::begin(&bench, all, &environment, &absent, seed, ask)?;
    out::note(measurement.plan_line());
    let exit = carry_out(project, measurement, &capture, interrupt)?;
    Ok(Exit::of(&[vec![exit], uncounted].concat()))
}

/// Removes the scenarios for which this machine counts no judged series, before anything is measured. Returns
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
        let full_name = scenario.full_name();
        let all = reasons.join("; ");
        Some(format!("{full_name}: none of its judged series can be counted here ({all})"))
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

/// Resumes a session that ended early and writes its baselines. A given `reason` replaces the session's own.
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
    carry_out(project, reopened.resume(&bench)?, &capture, interrupt)
}

/// Measures the remaining runs and writes the accepted baselines. The session is marked as finished only
/// after that. So a failed write, for example on a full disk, can be repeated.
fn carry_out(
    project: &Project,
    mut measurement: Measurement<'_>,
    capture: &Capture,
    interrupt: &Interrupt,
) -> Result<Exit> {
    measurement.run()?;
    let measured = measurement.measured();
    if self_check::has_failed(&self_check::seen(&measured, None)) {
        measurement.close()?;
        let text =
            "the self-check failed, so no baseline was written (repeat on a quieter machine)";
        return Err(Error::new(Exit::SelfCheckFailed, text));
    }
    let exit = write(project, &measured, capture, interrupt)?;
    measurement.close()?;
    Ok(exit)
}

/// The least number of repetitions of a baseline. A baseline is measured rarely, compared often, and
/// contributes half of the uncertainty of every comparison. The first and the second half of its repetitions
/// are two measurements, which have to agree.
const REPETITIONS: usize = 30;

/// Tries the sizes of every scenario and sets the ones at which it will be measured. Returns the sizes of
/// later sessions, by full name.
fn sizes(
    bench: &Bench<'_>,
    scenarios: &mut [Scenario],
    floor: &Floor,
    environment: &Environment,
) -> Result<BTreeMap<String, Vec<usize>>> {
    let mut by_title = BTreeMap::new();
    for scenario in scenarios {
        let repetitions = scenario.repetitions.max(REPETITIONS);
        let Sizes { sizes, larger, reasons } =
            baseline_sizes::sizes(bench, scenario, repetitions, floor, environment)?;
        let full_name = scenario.full_name();
        let confirming = larger.iter().map(|n| format!(", {n} to confirm")).collect::<String>();
        out::note(format_args!(
            "{full_name}: N {}…{}{confirming}",
            sizes[0],
            sizes[sizes.len() - 1]
        ));
        reasons.iter().for_each(|reason| out::note(format_args!("    {reason}")));
        scenario.sizes = [sizes.as_slice(), &larger].concat();
        by_title.insert(full_name, sizes);
    }
    Ok(by_title)
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
    let is_asked = |m: &&MeasuredScenario| !m.scenario.workload.is_self_check();
    for one in measured.scenarios.iter().filter(is_asked) {
        match growth::baseline(one, measured, capture) {
            Ok((baseline, grown)) => {
                let old = read(project, &one.scenario.name)?;
                rows(&mut table, one, old.find(&baseline.key), &baseline, &grown, capture);
                accepted.push((&one.scenario, baseline, grown));
            }
            Err(refusal) => {
                out::note(format_args!(
                    "no baseline for {}: {refusal:#}",
                    one.scenario.full_name()
                ));
                exits.push(refusal.exit());
            }
        }
    }
    out::line(environment_line(measured));
    interrupt.check()?;
    if accepted.is_empty() {
        out::line(format_args!("samples: {}", measured.saved.display()));
        return Ok(Exit::of(&exits));
    }
    out::line("scaling exponents (1 = linear, 2 = quadratic) with their 95 % intervals:");
    out::text(trimmed(&table.to_string()));
    let mut written = BTreeSet::new();
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
            out::line(format_args!("wrote a known issue into {}", path.display()));
        }
        // Reads the file again, because the scenario before may have had the same name.
        let mut baselines = read(project, name)?;
        baselines.put(baseline);
        let folder = project.baselines();
        make_folder(&folder).with_context(|| format!("cannot make folder {}", folder.display()))?;
        let path = folder.join(format!("{name}.toml"));
        replace(&path, baselines.text().as_bytes())?;
        written.insert(path);
    }
    for path in written {
        out::line(format_args!("wrote {}", path.display()));
    }
    out::line(format_args!("samples: {}", measured.saved.display()));
    out::line(format_args!("next: git diff {}", project.baselines().display()));
    Ok(Exit::of(&exits))
}

fn read(project: &Project, name: &str) -> Result<Baselines> {
    Baselines::read(&project.baselines().join(format!("{name}.toml")))
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
        accept
            .map(|accept| format!(", known issue, {}", expiry(&accept.expires)))
            .unwrap_or_default()
    };
    for accepted in &new.series {
        let before = old.and_then(|old| old.find(accepted.name));
        let becomes = shown(Some(accepted)) + &new_issue(&accepted.name);
        let cells = [one.scenario.full_name(), accepted.name.to_string(), shown(before), becomes];
        table.add_row(cells);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use loadline_scenario::{Absence, Metric};

    use super::*;

    const SCENARIO: &str = "format = 2\nquestion = \"Is memory linear?\"\nexpectation = \"It is.\"\nload_order = \"hold-all\"\n\
        judge = [\"load/resident-bytes\"]\nsizes = { from = 64, to = 4096, factor = 2 }\n";

    #[test]
    fn a_scenario_without_a_counter_is_refused_before_it_is_measured() {
        let parsed = |name: &str| Scenario::parse(name, SCENARIO).unwrap();
        let (one, mut other) = (parsed("one"), parsed("other"));
        other.judge = vec!["load/instructions".parse().unwrap()];
        let absent = [Absent::everywhere(Metric::Instructions, Absence::NotOffered)];
        let mut both = vec![one, other.clone()];
        assert_eq!(split_off_uncounted(&mut both, &absent).unwrap(), [Exit::CouldNotMeasure]);
        assert_eq!(both.iter().map(Scenario::full_name).collect::<Vec<_>>(), ["one"]);
        let refusal = split_off_uncounted(&mut vec![other], &absent).unwrap_err();
        assert_eq!(refusal.exit(), Exit::CouldNotMeasure);
        let text = refusal.to_string();
        assert!(text.contains("load/instructions: not offered by this machine"), "{text}");
    }
}
