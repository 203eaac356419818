//! `cargo xtask baseline`: measures, shows what would change, and writes what is accepted.

use anyhow::Context;
use comfy_table::{Table, presets};
use loadline_growth::{CurveOptions, CurveVerdict, Estimate, Expect, judge_curve};
use loadline_scenario::{MetricKind, SeriesName, Subject};

use crate::baseline_file::{Acceptance, Accepted, Baseline, Baselines, Key, has_expired, series};
use crate::cli;
use crate::exit::{Ended, Exit, ended};
use crate::interrupt::Interrupt;
use crate::judgement;
use crate::measure::{Bench, Measured, MeasuredScenario, Rounds};
use crate::project::Project;
use crate::report::{environment_line, trimmed};
use crate::runner::Runner;
use crate::selection;
use crate::session;

/// Carries the command out.
///
/// # Errors
/// When something could not be measured, the session is blind, or a file cannot be written; then no
/// baseline has changed.
pub fn run(arguments: &cli::Baseline) -> anyhow::Result<Exit> {
    let reason = arguments.reason.trim();
    if reason.is_empty() {
        return Err(ended(Exit::Usage, "--reason is empty; say why for those who review it"));
    }
    let interrupt = Interrupt::listen()?;
    let project = Project::open(arguments.selection.root.as_deref())?;
    let scenarios = selection::scenarios(&project, &arguments.selection)?;
    let scenarios = selection::with_controls(&project, scenarios, |_| true)?;
    for scenario in &scenarios {
        // A broken file is found before minutes are spent.
        read(&project, &scenario.name)?;
    }
    let runner = Runner::build(&project, &arguments.selection.unwinder, &interrupt)?;
    let bench = Bench { project: &project, runner: &runner };
    let (environment, absent) = bench.describe()?;
    let mut all = selection::teeth(&scenarios);
    all.extend(scenarios);
    all.iter_mut().for_each(|scenario| scenario.processes = scenario.processes.max(ROUNDS));
    let seed = arguments.selection.seed.unwrap_or_else(session::now);
    let mut measurement = bench.begin(all, &environment, &absent, seed)?;
    eprintln!("{}", measurement.plan_line());
    measurement.run()?;
    let measured = measurement.measured();
    refuse_a_blind_session(&measured)?;
    write(&project, &measured, reason, &interrupt)
}

/// Rounds of a baseline, at least: it is measured rarely and compared with often, and half of the
/// uncertainty of every comparison is its own.
const ROUNDS: usize = 30;

fn refuse_a_blind_session(measured: &Measured) -> anyhow::Result<()> {
    let is_blind =
        judgement::teeth(measured).iter().any(|teeth| teeth.sight == loadline_growth::Sight::Blind);
    if is_blind {
        let text = "this session did not judge the growth planted in it right; no baseline has changed (repeat on a quieter machine)";
        return Err(ended(Exit::Blind, text));
    }
    Ok(())
}

fn write(
    project: &Project,
    measured: &Measured,
    reason: &str,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    let mut exits = Vec::new();
    let mut accepted = Vec::new();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["scenario", "series", "was", "becomes"]);
    let of_modules = |m: &&MeasuredScenario| matches!(m.scenario.subject, Subject::Modules(_));
    for one in measured.scenarios.iter().filter(of_modules) {
        match baseline(one, measured, reason) {
            Ok(baseline) => {
                let old = read(project, &one.scenario.name)?;
                rows(&mut table, one, old.find(&baseline.key), &baseline);
                accepted.push((one.scenario.name.clone(), baseline));
            }
            Err(refusal) => {
                eprintln!("no baseline for {}: {refusal:#}", one.scenario.title());
                exits.push(Ended::exit_of(&refusal));
            }
        }
    }
    println!("{}", environment_line(&measured.environment));
    println!("tail exponents with their 95 % intervals:");
    print!("{}", trimmed(&table.to_string()));
    interrupt.check()?;
    for (name, baseline) in accepted {
        // Read again: the scenario before may have had the same name.
        let mut baselines = read(project, &name)?;
        baselines.put(baseline);
        let folder = project.baselines();
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make folder {}", folder.display()))?;
        let path = folder.join(format!("{name}.toml"));
        session::replace(&path, baselines.text().as_bytes())?;
        println!("wrote {}", path.display());
    }
    println!("samples: {}", measured.saved.display());
    println!("next: git diff {}", project.baselines().display());
    Ok(Exit::of(&exits))
}

fn read(project: &Project, name: &str) -> anyhow::Result<Baselines> {
    Baselines::read(&project.baselines().join(format!("{name}.toml")))
}

/// What is accepted of one scenario.
///
/// # Errors
/// When a run failed, or a series grows beyond linear and the scenario does not say why.
fn baseline(one: &MeasuredScenario, measured: &Measured, reason: &str) -> anyhow::Result<Baseline> {
    if let Some(failure) = one.failures.first() {
        return Err(ended(Exit::CouldNotMeasure, failure.clone()));
    }
    let mut series = Vec::new();
    for name in &one.scenario.judge {
        match one.series.get(name) {
            Some(Rounds::Complete(rounds)) => series.push(accept(one, *name, rounds, measured)?),
            Some(Rounds::Missing(absence)) => {
                eprintln!("{} {name} is left out: {absence}", one.scenario.title());
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
        reason: reason.to_owned(),
        date: session::date(session::now()),
        seed: measured.seed,
        environment: measured.environment.clone(),
        series,
    })
}

fn accept(
    one: &MeasuredScenario,
    name: SeriesName,
    rounds: &[(usize, Vec<f64>)],
    measured: &Measured,
) -> anyhow::Result<Accepted> {
    let series = series(name, rounds)?;
    let family = &measured.environment.unwinder_family;
    let known = one.scenario.known(name, family);
    let known = known.filter(|known| !has_expired(&known.until, &measured.environment));
    let curve = judge_curve(&series, &CurveOptions::default());
    let grows = curve.verdict == CurveVerdict::Superlinear;
    // A time's curve alone is no proof of growth (caches), nor of its absence.
    let is_proven = grows && name.metric.kind() == MetricKind::Count;
    let beyond = known.is_some() && {
        let options = CurveOptions { expect: Expect::Quadratic, ..CurveOptions::default() };
        is_proven && judge_curve(&series, &options).verdict == CurveVerdict::Superlinear
    };
    if beyond || (is_proven && known.is_none()) {
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
