//! Plans one session of `regress`: its scenarios with their controls, sizes and repetitions.

use loadline_record::Result;
use loadline_record::header::{Asked, Part, Planned as PlannedScenario};
use loadline_scenario::{Environment, MetricKind, Scenario, Unwinder};

use super::quick;
use crate::cli::Regress;
use crate::committed::Committed;
use loadline_measure::process::unwinders;
use loadline_measure::project::folders::Project;
use loadline_measure::project::selection;
use loadline_measure::session::affordable_sizes;
use loadline_measure::session::places::Place;
use loadline_measure::session::shard;

/// One session of `regress` before it is measured.
#[derive(Debug)]
pub struct Planned {
    /// The self-check, then the scenarios with their controls.
    pub scenarios: Vec<Scenario>,
    /// What the session does not measure, one sentence each.
    pub left_out: Vec<String>,
    /// The baselines to judge against.
    pub baselines: Committed,
    /// The command line's options that the session has to remember.
    pub asked: Asked,
}

impl Planned {
    /// Plans the session at `place`. `left_out` names what no session measures.
    ///
    /// # Errors
    /// When a scenario, a control or a baseline is wrong, or a trial run cannot be made.
    pub fn of(
        project: &Project,
        arguments: &Regress,
        place: &Place,
        mut left_out: Vec<String>,
    ) -> Result<Planned> {
        let Place { pass, before, described: (environment, _), .. } = place;
        let suite = &pass.scenarios;
        let scenarios = match arguments.shard {
            Some(shard) => shard::part_of(shard, suite)?,
            None => suite.clone(),
        };
        let asked = asked(arguments, project, &pass.unwinder, suite, &scenarios)?;
        let insisted_on = arguments.baseline.as_deref();
        let mut baselines = Committed::read(project, &scenarios, insisted_on)?;
        baselines.insist_for(environment);
        let has_free_sizes = before.is_none() && !arguments.selection.sets_sizes();
        let scenarios = match has_free_sizes {
            true => baselines.at_their_sizes(scenarios, environment),
            // Either no baseline is used, or the user chose the sizes.
            false => scenarios,
        };
        let scenarios = match (arguments.quick, insisted_on) {
            (true, _) => quick::reduced(scenarios, &mut left_out)?,
            (false, None) => selection::with_threads(project, scenarios)?,
            (false, Some(_)) => scenarios,
        };
        let mut scenarios =
            with_controls(project, arguments, scenarios, environment, &baselines, &mut left_out)?;
        baselines.read_others(project, &scenarios)?;
        // A trial is a measurement of times.
        if has_free_sizes && !arguments.dry_run && !arguments.quick {
            let is_sized = |scenario: &Scenario| baselines.fitting(scenario, environment).is_some();
            let slow = affordable_sizes::leave_out_what_takes_too_long(
                &place.bench(project),
                &mut scenarios,
                environment,
                is_sized,
            )?;
            left_out.extend(slow);
        }
        let mut all = loadline_scenario::self_check::scenarios_for(&scenarios);
        all.extend(scenarios);
        Ok(Planned { scenarios: all, left_out, baselines, asked })
    }
}

/// Adds the controls that the session needs.
fn with_controls(
    project: &Project,
    arguments: &Regress,
    scenarios: Vec<Scenario>,
    environment: &Environment,
    baselines: &Committed,
    left_out: &mut Vec<String>,
) -> Result<Vec<Scenario>> {
    let is_alone = arguments.baseline.is_some();
    let wants_all =
        arguments.selection.names.is_empty() || arguments.selection.has_several_unwinders();
    if arguments.quick {
        let needs = |one: &Scenario| !is_alone && baselines.fitting(one, environment).is_none();
        quick::name_controls(&scenarios, needs, left_out);
        let all = selection::with_controls(project, scenarios, needs)?;
        return quick::reduced(all, &mut Vec::new());
    }
    selection::with_controls(project, scenarios, |scenario| {
        let has_to_scale = scenario.scaling.is_some();
        !is_alone && (wants_all || has_to_scale || needs_control(scenario, environment, baselines))
    })
}

/// The command line's options that the session has to remember.
fn asked(
    arguments: &Regress,
    project: &Project,
    unwinder: &Unwinder,
    suite: &[Scenario],
    scenarios: &[Scenario],
) -> Result<Asked> {
    // The user may resume the session from another folder.
    let from_anywhere = |text: &String| match std::fs::canonicalize(text) {
        Ok(path) if path.is_file() => path.display().to_string(),
        _ => text.clone(),
    };
    let suite = || suite.iter().map(PlannedScenario::of).collect();
    // A newer LLVM libunwind may be installed by then.
    let library = unwinders::library(unwinder)?;
    let unwinder = library.map_or(Unwinder::Host, Unwinder::Library);
    Ok(Asked {
        machine: arguments.selection.machine(&unwinder),
        baseline: arguments.baseline.as_ref().map(from_anywhere),
        budget: arguments
            .budget
            .or(project.budget_seconds())
            .unwrap_or_else(|| budget_of(scenarios)),
        strict: arguments.strictness().inconclusive,
        require_baseline: arguments.strictness.require_baseline,
        quick: arguments.quick,
        part: arguments.shard.map(|shard| Part { shard, suite: suite() }),
    })
}

/// The seconds that the scenarios ask for, and some for the self-check.
fn budget_of(scenarios: &[Scenario]) -> u64 {
    const SECONDS_FOR_SELF_CHECKS: u64 = 20;
    SECONDS_FOR_SELF_CHECKS
        + scenarios.iter().map(|scenario| scenario.budget.as_secs()).sum::<u64>()
}

/// Whether a time of `scenario` has to be compared with its control, because no baseline has comparable
/// times.
fn needs_control(scenario: &Scenario, environment: &Environment, baselines: &Committed) -> bool {
    let fitting = baselines.fitting(scenario, environment);
    scenario.judge.iter().filter(|name| name.metric.kind() == MetricKind::Time).any(|name| {
        fitting.is_none_or(|b| !b.times_compare(environment) || b.find(*name).is_none())
    })
}
