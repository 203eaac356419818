//! The text of a scenario file: what serde fills, and how it becomes the trusted type.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::artifact::{Corpus, Generated, HostFunction, LoadFrom, Tables, TypeSharing};
use crate::axis::Axis;
use crate::command::Command;
use crate::known::KnownGrowth;
use crate::lifecycle::{Action, Activity, Lifecycle, Residency, UnloadOrder, UnloadThread};
use crate::metric::{Metric, Phase, SeriesName};
use crate::modules::{Engines, Limit, Modules, Profiler};
use crate::registration::Registration;
use crate::sample::Means;
use crate::scaling::Scaling;
use crate::scenario::{Control, FORMAT, Scenario, ScenarioError, Suite, wrong};
use crate::subject::Subject;
use crate::unwinder::Unwinder;
use crate::variant::Variant;

/// The scenario `name` out of its file's text, not yet checked as a whole.
pub(crate) fn parse(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let file = read_file(text)?;
    let subject = match (&file.command, file.registration) {
        (Some(arguments), None) => Subject::Command(command(&file, arguments, text)?),
        (None, Some(registration)) => Subject::Registration(checked(registration, text)?),
        (None, None) => Subject::Modules(modules(&file, text)?),
        (Some(_), Some(_)) => {
            return Err(wrong("registration", "stands beside command; only one can be measured"));
        }
    };
    let exact = exact(&file.exact, &subject)?;
    let is_named = |name: &SeriesName| file.judge.contains(name) || file.observe.contains(name);
    let with = |named: &[SeriesName], implied: Vec<SeriesName>| -> Vec<SeriesName> {
        let implied = implied.into_iter().filter(|name| !is_named(name));
        named.iter().copied().chain(implied).collect()
    };
    let judge = with(&file.judge, exact.judged);
    let observe = with(&file.observe, exact.observed);
    let mut scenario = Scenario {
        name: name.to_owned(),
        group: file.group,
        suite: file.suite,
        variant: Variant::default(),
        settings: BTreeMap::new(),
        question: file.question,
        expectation: file.expectation,
        subject,
        unwinder: file.unwinder,
        recipe: file.recipe,
        digest: None,
        judge,
        observe,
        processes: file.processes,
        ladder: ladder("ladder", &file.ladder)?,
        callgrind_ladder: match &file.callgrind_ladder {
            Some(file) => ladder("callgrind_ladder", file)?,
            None => CALLGRIND_LADDER.to_vec(),
        },
        timeout: Duration::from_secs(file.timeout_seconds),
        budget: Duration::from_secs(file.budget_seconds),
        horizon: file.horizon,
        limit: file.limit,
        control: file.control,
        known_growth: file.known_growth,
        scaling: file.scaling,
    };
    scenario.only_clock_on_threads();
    Ok(scenario)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioFile {
    format: u32,
    group: Option<String>,
    #[serde(default)]
    suite: Suite,
    question: String,
    expectation: String,
    command: Option<Vec<String>>,
    #[serde(default)]
    directory: PathBuf,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    inherit: Vec<String>,
    #[serde(default)]
    exit_code: i32,
    check: Option<String>,
    #[serde(default)]
    acknowledge: bool,
    registration: Option<Registration>,
    lifecycle: Option<LifecycleName>,
    order: Option<UnloadOrder>,
    residents: Option<NonZeroUsize>,
    batch: Option<NonZeroUsize>,
    batches: Option<NonZeroUsize>,
    activity: Option<Action>,
    activity_every: Option<NonZeroUsize>,
    axis: Option<Axis>,
    count: Option<NonZeroUsize>,
    #[serde(default)]
    engines: Engines,
    #[serde(default)]
    profiler: Profiler,
    #[serde(default)]
    unwinds_before_unload: usize,
    unwind_every: Option<NonZeroUsize>,
    #[serde(default = "one")]
    threads: NonZeroUsize,
    #[serde(default = "same")]
    unload_thread: UnloadThread,
    #[serde(default)]
    load_from: LoadFrom,
    #[serde(default)]
    tables: Tables,
    #[serde(default = "sixty_four")]
    call_every: NonZeroUsize,
    artifact: Option<GeneratedFile>,
    modules: Option<Vec<PathBuf>>,
    recipe: Option<PathBuf>,
    judge: Vec<SeriesName>,
    #[serde(default)]
    observe: Vec<SeriesName>,
    #[serde(default = "five")]
    processes: usize,
    ladder: LadderFile,
    callgrind_ladder: Option<LadderFile>,
    exact: Option<Vec<Means>>,
    #[serde(default = "two_minutes")]
    timeout_seconds: u64,
    #[serde(default = "twenty_seconds")]
    budget_seconds: u64,
    horizon: Option<usize>,
    limit: Option<Limit>,
    unwinder: Option<Unwinder>,
    control: Option<Control>,
    #[serde(default)]
    known_growth: Vec<KnownGrowth>,
    scaling: Option<Scaling>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LifecycleName {
    HoldAll,
    UnloadNewestFirst,
    UnloadOldestFirst,
    UnloadRandom,
    Churn,
    Batches,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GeneratedFile {
    functions: Option<NonZeroUsize>,
    exported: Option<NonZeroUsize>,
    types: Option<usize>,
    type_sharing: Option<TypeSharing>,
    data_segments: Option<usize>,
    body_size: Option<usize>,
    host_function: Option<HostFunction>,
    core_modules: Option<NonZeroUsize>,
    seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a ladder is { from, to, factor } or a list of N")]
enum LadderFile {
    Doubling(Doubling),
    Listed(Vec<usize>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Doubling {
    from: usize,
    to: usize,
    factor: usize,
}

const fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

const fn same() -> UnloadThread {
    UnloadThread::Same
}

const fn sixty_four() -> NonZeroUsize {
    const { NonZeroUsize::new(64).expect("sixty-four is not zero") }
}

const fn five() -> usize {
    5
}

const fn two_minutes() -> u64 {
    120
}

const fn twenty_seconds() -> u64 {
    20
}

fn read_file(text: &str) -> Result<ScenarioFile, ScenarioError> {
    #[derive(Deserialize)]
    struct FormatOnly {
        format: u32,
    }
    // The format first: a newer file may have keys that this version would call mistakes.
    let format: FormatOnly = toml::from_str(text).map_err(syntax)?;
    if format.format != FORMAT {
        return Err(ScenarioError::Format { found: format.format });
    }
    let file: ScenarioFile = toml::from_str(text).map_err(syntax)?;
    debug_assert_eq!(file.format, FORMAT);
    Ok(file)
}

pub(crate) fn syntax(error: toml::de::Error) -> ScenarioError {
    ScenarioError::Syntax(error.to_string().trim_end().to_owned())
}

/// The keys that belong to a command.
const OF_COMMANDS: [&str; 6] =
    ["directory", "environment", "inherit", "exit_code", "check", "acknowledge"];

/// The keys that belong to a lifecycle.
const OF_LIFECYCLES: [&str; 21] = [
    "lifecycle",
    "order",
    "residents",
    "batch",
    "batches",
    "activity",
    "activity_every",
    "axis",
    "count",
    "engines",
    "profiler",
    "unwinds_before_unload",
    "unwind_every",
    "threads",
    "unload_thread",
    "load_from",
    "tables",
    "call_every",
    "artifact",
    "modules",
    "recipe",
];

/// Refuses keys of the other kind of scenario: they would be read and do nothing.
fn refuse(
    keys: &'static [&'static str],
    text: &str,
    problem: &'static str,
) -> Result<(), ScenarioError> {
    let table: toml::Table = text.parse().map_err(syntax)?;
    match keys.iter().find(|key| table.contains_key(**key)) {
        Some(key) => Err(wrong(key, problem)),
        None => Ok(()),
    }
}

fn command(
    file: &ScenarioFile,
    arguments: &[String],
    text: &str,
) -> Result<Command, ScenarioError> {
    refuse(&OF_LIFECYCLES, text, "stands beside command, which says itself what is done")?;
    if arguments.first().is_none_or(String::is_empty) {
        return Err(wrong("command", "names no program"));
    }
    for name in file.environment.keys().chain(&file.inherit) {
        if name.is_empty() || name.contains('=') {
            return Err(wrong("environment", format!("{name:?} is no name of a variable")));
        }
    }
    let texts = arguments.iter().chain(file.environment.values());
    if file.environment.keys().chain(texts).any(|text| text.contains('\0')) {
        return Err(wrong("command", "no argument or variable can hold a NUL"));
    }
    let command = Command {
        arguments: arguments.to_vec(),
        directory: file.directory.clone(),
        environment: file.environment.clone(),
        inherit: file.inherit.clone(),
        exit_code: file.exit_code,
        check: file.check.clone(),
        acknowledge: file.acknowledge,
    };
    if !command.names_n() {
        let problem = "says nowhere {n}, so it would do the same at every N";
        return Err(wrong("command", problem));
    }
    Ok(command)
}

/// More functions to a table than any module has would fill the memory before they tell anything.
const MOST_FUNCTIONS: usize = 10_000;

fn checked(registration: Registration, text: &str) -> Result<Registration, ScenarioError> {
    refuse(&OF_LIFECYCLES, text, "stands beside registration, which loads no modules")?;
    refuse(&OF_COMMANDS, text, "belongs to scenarios with a command")?;
    if registration.functions.get() > MOST_FUNCTIONS {
        return Err(wrong("registration.functions", format!("end at {MOST_FUNCTIONS}")));
    }
    if registration.unwinds > 1_000 {
        return Err(wrong("registration.unwinds", "end at 1000"));
    }
    Ok(registration)
}

fn modules(file: &ScenarioFile, text: &str) -> Result<Modules, ScenarioError> {
    refuse(&OF_COMMANDS, text, "belongs to scenarios with a command")?;
    Ok(Modules {
        corpus: corpus(file)?,
        tables: file.tables,
        load_from: file.load_from,
        lifecycle: lifecycle(file)?,
        call_every: file.call_every,
        axis: file.axis.unwrap_or_default(),
        count: count(file)?,
        engines: file.engines,
        profiler: file.profiler,
    })
}

/// How many modules there are where N is something else.
fn count(file: &ScenarioFile) -> Result<NonZeroUsize, ScenarioError> {
    match (file.axis.unwrap_or_default(), file.count) {
        (Axis::Modules, Some(_)) => {
            Err(wrong("count", "is N itself here (it belongs to an axis other than modules)"))
        }
        (_, Some(count)) if count.get() > 100_000 => Err(wrong("count", "ends at 100000")),
        (_, count) => Ok(count.unwrap_or(one())),
    }
}

fn corpus(file: &ScenarioFile) -> Result<Corpus, ScenarioError> {
    if file.recipe.is_some() && file.modules.is_none() {
        return Err(wrong("recipe", "belongs to modules, which it says how to fetch"));
    }
    match (&file.artifact, &file.modules) {
        (Some(_), Some(_)) => {
            Err(wrong("modules", "stands beside artifact; only one can be loaded"))
        }
        (None, Some(paths)) if paths.is_empty() => Err(wrong("modules", "names no file")),
        (None, Some(paths)) => Ok(Corpus::Files(paths.clone())),
        (artifact, None) => Ok(Corpus::Generated(generated(artifact.as_ref())?)),
    }
}

fn generated(file: Option<&GeneratedFile>) -> Result<Generated, ScenarioError> {
    let default = Generated::default();
    let Some(file) = file else { return Ok(default) };
    let functions = file.functions.unwrap_or(default.functions);
    let generated = Generated {
        functions,
        exported: file.exported.unwrap_or(functions),
        types: file.types.unwrap_or(default.types),
        type_sharing: file.type_sharing.unwrap_or(default.type_sharing),
        data_segments: file.data_segments.unwrap_or(default.data_segments),
        body_size: file.body_size.unwrap_or(default.body_size),
        host_function: file.host_function.unwrap_or(default.host_function),
        core_modules: file.core_modules,
        seed: file.seed.unwrap_or(default.seed),
    };
    if generated.exported > generated.functions {
        return Err(wrong(
            "artifact.exported",
            format!("{} is more than functions", generated.exported),
        ));
    }
    // Wasmtime's own limits are near a million functions and 100,000 data segments; these bounds
    // keep a typing mistake from filling the disk.
    if functions.get() > 100_000 || generated.types > 100_000 {
        return Err(wrong("artifact", "functions and types end at 100000"));
    }
    if generated.data_segments > 10_000 || generated.body_size > 10_000 {
        return Err(wrong("artifact", "data_segments and body_size end at 10000"));
    }
    Ok(generated)
}

fn lifecycle(file: &ScenarioFile) -> Result<Lifecycle, ScenarioError> {
    use LifecycleName as Name;
    let Some(name) = file.lifecycle else {
        return Err(wrong("lifecycle", "is missing (a scenario has a lifecycle or a command)"));
    };
    let (residency, order) = match name {
        Name::HoldAll | Name::UnloadNewestFirst => (Residency::All, UnloadOrder::NewestFirst),
        Name::UnloadOldestFirst => (Residency::All, UnloadOrder::OldestFirst),
        Name::UnloadRandom => (Residency::All, UnloadOrder::Random),
        Name::Churn => {
            let residents =
                file.residents.ok_or_else(|| wrong("residents", "churn needs a window"))?;
            (Residency::Window(residents), file.order.unwrap_or(UnloadOrder::OldestFirst))
        }
        Name::Batches => {
            let residency = match (file.batch, file.batches) {
                (Some(size), None) => Residency::Batches(size),
                (None, Some(number)) => Residency::NBatches(number),
                _ => {
                    let problem = "batches need either a size (batch) or a number (batches)";
                    return Err(wrong("batch", problem));
                }
            };
            (residency, file.order.unwrap_or(UnloadOrder::OldestFirst))
        }
    };
    let is = |residency: &Residency, what: &str| match residency {
        Residency::All => false,
        Residency::Window(_) => what == "residents",
        Residency::Batches(_) => what == "batch",
        Residency::NBatches(_) => what == "batches",
    };
    if file.residents.is_some() && !is(&residency, "residents") {
        return Err(wrong("residents", "belongs to lifecycle = \"churn\" alone"));
    }
    if file.batch.is_some() && !is(&residency, "batch") {
        return Err(wrong("batch", "belongs to lifecycle = \"batches\" alone"));
    }
    if file.batches.is_some() && !is(&residency, "batches") {
        return Err(wrong("batches", "belongs to lifecycle = \"batches\" alone"));
    }
    if file.order.is_some() && residency == Residency::All {
        return Err(wrong("order", "is part of this lifecycle's name already"));
    }
    if file.threads.get() > 256 {
        return Err(wrong("threads", format!("{} is more than 256", file.threads)));
    }
    Ok(Lifecycle {
        residency,
        order,
        unwinds_before_unload: file.unwinds_before_unload,
        unwind_every: file.unwind_every,
        threads: file.threads,
        unload_thread: file.unload_thread,
        activity: activity(file, residency)?,
    })
}

fn activity(file: &ScenarioFile, residency: Residency) -> Result<Option<Activity>, ScenarioError> {
    let every = file.activity_every.unwrap_or(one());
    match file.activity {
        None if file.activity_every.is_some() => {
            Err(wrong("activity_every", "belongs to an activity, and none is named"))
        }
        None => Ok(None),
        Some(_) if residency != Residency::All => {
            let problem = "needs a lifecycle in which all modules are resident at some time";
            Err(wrong("activity", problem))
        }
        Some(action) => Ok(Some(Activity { action, every })),
    }
}

/// The rungs under callgrind where a file names none: a run of them takes about a second.
const CALLGRIND_LADDER: [usize; 7] = [8, 16, 32, 64, 128, 256, 512];

/// What is judged of loading that is counted exactly, and of unloading.
const COUNTED: [(Phase, &[Metric]); 2] = [
    (
        Phase::Load,
        &[
            Metric::FrameEntriesRegistered,
            Metric::Allocations,
            Metric::AllocatedBytes,
            Metric::AliveBytes,
            Metric::MappingsMade,
            Metric::MappingsChanged,
            Metric::MappingsAlive,
            Metric::MappedBytes,
            Metric::DescriptorsAlive,
            Metric::CallgrindInstructions,
        ],
    ),
    (
        Phase::Unload,
        &[Metric::FrameEntriesDeregistered, Metric::MappingsRemoved, Metric::CallgrindInstructions],
    ),
];

/// What is judged of registering unwind tables that is counted exactly.
const REGISTERED: [(Phase, &[Metric]); 2] = [
    (Phase::Register, &[Metric::FrameEntriesRegistered, Metric::CallgrindInstructions]),
    (Phase::Deregister, &[Metric::FrameEntriesDeregistered, Metric::CallgrindInstructions]),
];

/// What is left over once everything is unloaded: shown alone, since a handful of mappings is no
/// growth however it depends on N.
const LEFT_OVER: [Metric; 3] =
    [Metric::AliveBytes, Metric::MappingsAlive, Metric::DescriptorsAlive];

/// What a file need not name, because it is counted of every lifecycle.
struct Exact {
    judged: Vec<SeriesName>,
    observed: Vec<SeriesName>,
}

/// The series that are counted exactly, by the means that `asked` names; by all where it does not
/// say.
fn exact(asked: &Option<Vec<Means>>, subject: &Subject) -> Result<Exact, ScenarioError> {
    let (counted, left_over): (&[_], &[_]) = match subject {
        Subject::Modules(_) => (&COUNTED, &LEFT_OVER),
        Subject::Registration(_) => (&REGISTERED, &[]),
        Subject::Command(_) | Subject::Planted(_) => (&[], &[]),
    };
    let is_counted = !counted.is_empty();
    let asked = match asked {
        Some(asked) if !is_counted && !asked.is_empty() => {
            return Err(wrong("exact", "belongs to lifecycles: what a command does is its own"));
        }
        Some(asked) if asked.contains(&Means::Clock) => {
            return Err(wrong("exact", "is count, callgrind or both: the clock is not exact"));
        }
        Some(asked) => asked.clone(),
        None if is_counted => vec![Means::Count, Means::Callgrind],
        None => Vec::new(),
    };
    // Modules that become larger are mapped as often as before.
    let is_of_their_number = |metric: Metric| {
        matches!(
            metric,
            Metric::MappingsMade
                | Metric::MappingsChanged
                | Metric::MappingsRemoved
                | Metric::MappingsAlive
                | Metric::MappedBytes
                | Metric::DescriptorsAlive
        )
    };
    let is_number = match subject {
        Subject::Modules(modules) => modules.axis.is_modules(),
        Subject::Registration(_) | Subject::Command(_) | Subject::Planted(_) => true,
    };
    let is_asked = |name: &SeriesName| {
        asked.contains(&name.metric.means()) && (is_number || !is_of_their_number(name.metric))
    };
    let of = |(phase, metrics): &(Phase, &[Metric])| {
        metrics.iter().map(|metric| SeriesName::new(*phase, *metric)).collect::<Vec<_>>()
    };
    let left_over = left_over.iter().map(|metric| SeriesName::new(Phase::Unload, *metric));
    Ok(Exact {
        judged: counted.iter().flat_map(of).filter(is_asked).collect(),
        observed: left_over.filter(is_asked).collect(),
    })
}

fn ladder(field: &'static str, file: &LadderFile) -> Result<Vec<usize>, ScenarioError> {
    match file {
        LadderFile::Listed(rungs) => Ok(rungs.clone()),
        LadderFile::Doubling(Doubling { from, to, factor }) => {
            if *factor < 2 {
                return Err(wrong(
                    field,
                    format!("factor = {factor} does not rise (use 2 or more)"),
                ));
            }
            if *from == 0 {
                return Err(wrong(field, "from = 0 loads nothing (use 1 or more)"));
            }
            let next = |n: &usize| n.checked_mul(*factor).filter(|next| next <= to);
            Ok(std::iter::successors(Some(*from), next).collect())
        }
    }
}
