//! Reads a scenario from the text of its file.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::exact;
use super::file;
use crate::metric::series_name::SeriesName;
use crate::scenario::Scenario;
use crate::scenario::error::{ScenarioError, wrong};
use crate::scenario::file::{
    Doubling, GeneratedFile, LoadOrderName, ScenarioFile, SizesFile, one, syntax,
};
use crate::scenario::variant::Variant;
use crate::workload::Workload;
use crate::workload::command::Command;
use crate::workload::corpus::{Corpus, Generated};
use crate::workload::load_order::{LoadOrder, LoadedAtOnce, Operation, UnloadOrder};
use crate::workload::modules::Modules;
use crate::workload::n_counts::NCounts;
use crate::workload::registration::Registration;

impl Scenario {
    /// Reads the scenario `name` from its file's text, as written.
    ///
    /// # Errors
    /// When the text is not TOML, has unknown or missing keys, or has values that cannot be measured.
    pub fn parse(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
        let scenario = unchecked(name, text)?;
        scenario.check()?;
        Ok(scenario)
    }
}

/// The sizes of modules and unwind tables under callgrind, for a file that names none. A run of these takes
/// about a second.
const CALLGRIND_SIZES: [usize; 7] = [8, 16, 32, 64, 128, 256, 512];

/// Reads the scenario `name` from its file's text, without checking it as a whole.
fn unchecked(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let file = file::read(text)?;
    let workload = match (&file.command, file.registration) {
        (Some(arguments), None) => Workload::Command(command(&file, arguments, text)?),
        (None, Some(registration)) => Workload::Registration(checked(registration, text)?),
        (None, None) => Workload::Modules(modules(&file, text)?),
        (Some(_), Some(_)) => {
            return Err(wrong(
                "registration",
                "cannot be combined with command (name one of them)",
            ));
        }
    };
    let named = file.judge.iter().chain(&file.observe).copied();
    let exact = exact::exact(&file.count_with, &workload, named)?;
    let is_named = |name: &SeriesName| file.judge.contains(name) || file.observe.contains(name);
    let with = |named: &[SeriesName], implied: Vec<SeriesName>| -> Vec<SeriesName> {
        let implied = implied.into_iter().filter(|name| !is_named(name));
        named.iter().copied().chain(implied).collect()
    };
    let judge = with(&file.judge, exact.judged);
    let observe = with(&file.observe, exact.observed);
    let sizes = sizes_of("sizes", &file.sizes)?;
    let callgrind_sizes = match (&file.callgrind_sizes, &workload) {
        (Some(file), _) => sizes_of("callgrind_sizes", file)?,
        (None, Workload::Command(_)) => Vec::new(),
        (None, _) => CALLGRIND_SIZES.to_vec(),
    };
    let mut scenario = Scenario {
        name: name.to_owned(),
        group: file.group,
        suite: file.suite,
        variant: Variant::default(),
        settings: BTreeMap::new(),
        question: file.question,
        expectation: file.expectation,
        workload,
        unit: file.unit,
        unwinder: file.unwinder,
        recipe: file.recipe,
        digest: None,
        judge,
        observe,
        repetitions: file.repetitions,
        sizes,
        callgrind_sizes,
        timeout: Duration::from_secs(file.timeout_seconds),
        budget: Duration::from_secs(file.budget_seconds),
        extrapolate_to: file.extrapolate_to,
        limit: file.limit,
        control: file.control,
        known_issue: file.known_issue,
        scaling: file.scaling,
    };
    scenario.only_clock_on_threads();
    Ok(scenario)
}

/// The keys that belong to a command.
const OF_COMMANDS: [&str; 7] =
    ["directory", "environment", "inherit", "exit_code", "check", "acknowledge", "unit"];

/// The keys that belong to a load order.
const OF_LOAD_ORDERS: [&str; 21] = [
    "load_order",
    "order",
    "loaded_modules",
    "batch",
    "batches",
    "operation",
    "operation_every",
    "n_counts",
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

/// Refuses keys of the other kind of scenario, since they would have no effect.
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
    refuse(
        &OF_LOAD_ORDERS,
        text,
        "cannot be combined with command, which decides itself what it does",
    )?;
    if arguments.first().is_none_or(String::is_empty) {
        return Err(wrong("command", "names no program"));
    }
    for name in file.environment.keys().chain(&file.inherit) {
        if name.is_empty() || name.contains('=') {
            return Err(wrong("environment", format!("{name:?} is not the name of a variable")));
        }
    }
    let texts = arguments.iter().chain(file.environment.values());
    if file.environment.keys().chain(texts).any(|text| text.contains('\0')) {
        return Err(wrong("command", "no argument or variable can contain a NUL"));
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
        let problem = "does not contain {n}, so it would do the same at every N";
        return Err(wrong("command", problem));
    }
    Ok(command)
}

/// The most functions per table. More than any module has would fill the memory without showing more.
const MOST_FUNCTIONS: usize = 10_000;

fn checked(registration: Registration, text: &str) -> Result<Registration, ScenarioError> {
    refuse(&OF_LOAD_ORDERS, text, "cannot be combined with registration, which loads no modules")?;
    refuse(&OF_COMMANDS, text, "belongs to scenarios with a command")?;
    if registration.functions.get() > MOST_FUNCTIONS {
        return Err(wrong("registration.functions", format!("can be {MOST_FUNCTIONS} at most")));
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
        load_order: load_order(file)?,
        call_every: file.call_every,
        n_counts: file.n_counts.unwrap_or_default(),
        count: count(file)?,
        engines: file.engines,
        profiler: file.profiler,
    })
}

/// The number of modules where N counts something else.
fn count(file: &ScenarioFile) -> Result<NonZeroUsize, ScenarioError> {
    match (file.n_counts.unwrap_or_default(), file.count) {
        (NCounts::Modules, Some(_)) => {
            Err(wrong("count", "is N itself here (it belongs to n_counts other than modules)"))
        }
        (_, Some(count)) if count.get() > 100_000 => Err(wrong("count", "ends at 100000")),
        (_, count) => Ok(count.unwrap_or(one())),
    }
}

fn corpus(file: &ScenarioFile) -> Result<Corpus, ScenarioError> {
    if file.recipe.is_some() && file.modules.is_none() {
        return Err(wrong("recipe", "needs modules, because it describes how to fetch them"));
    }
    match (&file.artifact, &file.modules) {
        (Some(_), Some(_)) => {
            Err(wrong("modules", "cannot be combined with artifact (name one of them)"))
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
    // Wasmtime's own limits are near a million functions and 100,000 data segments. These bounds keep a
    // typing mistake from filling the disk.
    if functions.get() > 100_000 || generated.types > 100_000 {
        return Err(wrong("artifact", "functions and types can be 100000 at most"));
    }
    if generated.data_segments > 10_000 || generated.body_size > 10_000 {
        return Err(wrong("artifact", "data_segments and body_size can be 10000 at most"));
    }
    Ok(generated)
}

fn load_order(file: &ScenarioFile) -> Result<LoadOrder, ScenarioError> {
    use LoadOrderName as Name;
    let Some(name) = file.load_order else {
        return Err(wrong("load_order", "is missing (a scenario has a load order or a command)"));
    };
    let (loaded_at_once, order) = match name {
        Name::HoldAll | Name::UnloadNewestFirst => (LoadedAtOnce::All, UnloadOrder::NewestFirst),
        Name::UnloadOldestFirst => (LoadedAtOnce::All, UnloadOrder::OldestFirst),
        Name::UnloadRandom => (LoadedAtOnce::All, UnloadOrder::Random),
        Name::Churn => {
            let loaded_modules = file
                .loaded_modules
                .ok_or_else(|| wrong("loaded_modules", "churn needs a window"))?;
            (LoadedAtOnce::Window(loaded_modules), file.order.unwrap_or(UnloadOrder::OldestFirst))
        }
        Name::Batches => {
            let loaded_at_once = match (file.batch, file.batches) {
                (Some(size), None) => LoadedAtOnce::Batches(size),
                (None, Some(number)) => LoadedAtOnce::NBatches(number),
                _ => {
                    let problem = "batches need either a size (batch) or a number (batches)";
                    return Err(wrong("batch", problem));
                }
            };
            (loaded_at_once, file.order.unwrap_or(UnloadOrder::OldestFirst))
        }
    };
    let is = |loaded_at_once: &LoadedAtOnce, what: &str| match loaded_at_once {
        LoadedAtOnce::All => false,
        LoadedAtOnce::Window(_) => what == "loaded_modules",
        LoadedAtOnce::Batches(_) => what == "batch",
        LoadedAtOnce::NBatches(_) => what == "batches",
    };
    if file.loaded_modules.is_some() && !is(&loaded_at_once, "loaded_modules") {
        return Err(wrong("loaded_modules", "belongs to load_order = \"churn\" only"));
    }
    if file.batch.is_some() && !is(&loaded_at_once, "batch") {
        return Err(wrong("batch", "belongs to load_order = \"batches\" only"));
    }
    if file.batches.is_some() && !is(&loaded_at_once, "batches") {
        return Err(wrong("batches", "belongs to load_order = \"batches\" only"));
    }
    if file.order.is_some() && loaded_at_once == LoadedAtOnce::All {
        return Err(wrong("order", "is part of this load order's name already"));
    }
    if file.threads.get() > 256 {
        return Err(wrong("threads", format!("{} is more than 256", file.threads)));
    }
    Ok(LoadOrder {
        loaded_at_once,
        order,
        unwinds_before_unload: file.unwinds_before_unload,
        unwind_every: file.unwind_every,
        threads: file.threads,
        unload_thread: file.unload_thread,
        operation: operation(file, loaded_at_once)?,
    })
}

fn operation(
    file: &ScenarioFile,
    loaded_at_once: LoadedAtOnce,
) -> Result<Option<Operation>, ScenarioError> {
    let every = file.operation_every.unwrap_or(one());
    match file.operation {
        None if file.operation_every.is_some() => {
            Err(wrong("operation_every", "belongs to an operation, and none is named"))
        }
        None => Ok(None),
        Some(_) if loaded_at_once != LoadedAtOnce::All => {
            let problem = "needs a load order in which all modules are loaded at some time";
            Err(wrong("operation", problem))
        }
        Some(kind) => Ok(Some(Operation { kind, every })),
    }
}

fn sizes_of(field: &'static str, file: &SizesFile) -> Result<Vec<usize>, ScenarioError> {
    let sizes = match file {
        SizesFile::Listed(sizes) => sizes.clone(),
        SizesFile::Doubling(Doubling { from, to, factor }) => {
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
            std::iter::successors(Some(*from), next).collect()
        }
    };
    if sizes.is_empty() { Err(wrong(field, "has no size")) } else { Ok(sizes) }
}
