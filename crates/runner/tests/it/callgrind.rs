//! Tests real modules under callgrind: the counts, whether they repeat, and which functions grow.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use loadline_callgrind::{Function, Invocation, Profile, Threads, find_valgrind, profiles};
use loadline_scenario::{
    Collector, Corpus, Engines, Generated, KnownWork, KnownWorkKind, LoadFrom, LoadOrder,
    LoadedAtOnce, Measure, Message, Modules, NCounts, Prepare, Profiler, Proof, Request, Scenario,
    Tables, TypeSharing, UnloadOrder, UnloadThread, Workload,
};

const RUNNER: &str = env!("CARGO_BIN_EXE_loadline-runner");

/// The function in which libgcc up to 12 searches its lists.
const SEARCH: &str = "__deregister_frame_info_bases";

/// Returns the folder in which tests keep artifacts between runs.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("callgrind")
}

fn valgrind() -> Option<PathBuf> {
    let found = find_valgrind(&std::env::var_os("PATH").unwrap_or_default());
    if found.is_none() {
        loadline_testing::skip!("valgrind is not installed");
    }
    found
}

/// Sends a request to a process and returns its messages. Its standard error must stay empty.
fn ask(command: &mut Command, request: &Request) -> Vec<Message> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(request).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn measure(workload: &Workload, modules: usize) -> Request {
    Request::Measure(Measure {
        workload: workload.clone(),
        modules,
        seed: 1,
        metrics: Vec::new(),
        cache: cache(),
        collector: Collector::Callgrind,
        processors: Vec::new(),
        dumps: None,
    })
}

/// The proof and the counts of one run under callgrind.
struct Counted {
    proof: Proof,
    phases: BTreeMap<String, Profile>,
}

impl Counted {
    /// Returns the total of each phase.
    fn instructions(&self) -> BTreeMap<&str, u64> {
        let phases = self.phases.iter();
        phases.map(|(name, profile)| (name.as_str(), profile.instructions().unwrap())).collect()
    }

    fn assert_same(&self, other: &Counted) {
        assert_eq!(self.instructions(), other.instructions());
        for (phase, profile) in &self.phases {
            let (costs, others) = (profile.costs(0), other.phases[phase].costs(0));
            assert_eq!(costs.len(), others.len(), "functions in {phase}");
            for (cost, other) in costs.iter().zip(&others) {
                assert_eq!(cost, other, "in {phase}");
            }
        }
    }

    /// Returns the functions of a phase whose name contains `part`.
    fn functions(&self, phase: &str, part: &str) -> Vec<Function> {
        let costs = self.phases[phase].costs(0);
        let functions = costs.iter().map(|cost| cost.function);
        functions.filter(|function| function.name.contains(part)).cloned().collect()
    }

    /// Returns the own cost of a function in a phase, or 0 if it does not occur.
    fn own(&self, phase: &str, function: &Function) -> u64 {
        self.phases[phase].cost(function, 0).map_or(0, |cost| cost.own)
    }
}

/// Runs a workload under callgrind, with its dumps in `folder`.
fn run_in(
    valgrind: &Path,
    folder: &Path,
    workload: &Workload,
    n: usize,
) -> Result<Counted, String> {
    run_with(valgrind, folder, workload, n, &[])
}

/// Runs a workload like [`run_in`], with additional environment variables.
fn run_with(
    valgrind: &Path,
    folder: &Path,
    workload: &Workload,
    n: usize,
    environment: &[(&str, &Path)],
) -> Result<Counted, String> {
    let (runner, folder) = (PathBuf::from(RUNNER), folder.to_owned());
    let invocation = Invocation { runner, folder, threads: Threads::Apart };
    let mut command = Command::new(valgrind);
    command.env_clear().envs(Invocation::environment().iter().copied());
    command.envs(environment.iter().copied());
    let mut messages = ask(command.args(invocation.arguments()), &measure(workload, n));
    match messages.pop() {
        Some(Message::Done) => {}
        Some(Message::Failed { error }) => return Err(error),
        last => panic!("{last:?}"),
    }
    let proof = messages.into_iter().find_map(|message| match message {
        Message::Proof(proof) => Some(proof),
        _ => None,
    });
    Ok(Counted { proof: proof.unwrap(), phases: profiles(&invocation.folder).unwrap() })
}

fn run(valgrind: &Path, workload: &Workload, n: usize) -> Counted {
    let folder = tempfile::tempdir().unwrap();
    let counted = run_in(valgrind, folder.path(), workload, n).unwrap();
    println!("N = {n}: {:?}", counted.instructions());
    counted
}

fn four_functions() -> Generated {
    let four = NonZeroUsize::new(4).unwrap();
    Generated { functions: four, exported: four, ..Generated::default() }
}

fn modules(axes: Generated, load_order: LoadOrder) -> Modules {
    Modules {
        corpus: Corpus::Generated(axes),
        tables: Tables::Keep,
        load_from: LoadFrom::Bytes,
        load_order,
        call_every: NonZeroUsize::new(64).unwrap(),
        n_counts: NCounts::Modules,
        count: NonZeroUsize::MIN,
        engines: Engines::One,
        profiler: Profiler::None,
    }
}

/// Compiles the modules of a workload, outside valgrind.
fn prepared(modules: Modules, n: usize) -> Workload {
    let prepare = Prepare {
        corpus: modules.corpus.clone(),
        tables: modules.tables,
        modules: n,
        cache: cache(),
        collector: Collector::Callgrind,
    };
    let messages = ask(Command::new(RUNNER).env_clear(), &Request::Prepare(prepare));
    assert_eq!(messages.last(), Some(&Message::Done));
    Workload::Modules(modules)
}

/// Returns the coefficient of N² in a + b·N + c·N² through three points, by divided differences (Newton).
fn quadratic(sizes: [usize; 3], costs: [u64; 3]) -> f64 {
    let points = [0, 1, 2].map(|size| (sizes[size], costs[size]));
    let [(n0, y0), (n1, y1), (n2, y2)] = points.map(|(n, y)| (n as f64, y as f64));
    ((y2 - y1) / (n2 - n1) - (y1 - y0) / (n1 - n0)) / (n2 - n0)
}

/// Under valgrind, each of these sizes takes about a second.
const SIZES: [usize; 3] = [32, 64, 128];

/// Returns a workload that unloads in the given order, with or without unwinds before.
fn unloading(order: UnloadOrder, unwinds_before_unload: usize, tables: Tables) -> Workload {
    let load_order = LoadOrder { unwinds_before_unload, ..LoadOrder::hold_all(order) };
    prepared(Modules { tables, ..modules(four_functions(), load_order) }, SIZES[2])
}

#[test]
fn without_callgrind_it_refuses() {
    let workload = self_check(20);
    let messages = ask(Command::new(RUNNER).env_clear(), &measure(&workload, 8));
    let [Message::Failed { error }] = messages.as_slice() else { panic!("{messages:?}") };
    assert!(error.contains("this process does not run under callgrind"), "{error}");
}

#[test]
fn a_command_is_refused() {
    let Some(valgrind) = valgrind() else { return };
    let scenario = "format = 2\nquestion = \"?\"\nexpectation = \"\"\ncommand = [\"true\", \"{n}\"]\n\
                    judge = [\"run/task-clock\"]\nsizes = { from = 8, to = 128, factor = 2 }\n";
    let workload = Scenario::parse("command", scenario).unwrap().workload;
    let folder = tempfile::tempdir().unwrap();
    let error = run_in(&valgrind, folder.path(), &workload, 8).map(|_| ()).unwrap_err();
    assert!(error.starts_with("cannot count the instructions of a command"), "{error}");
}

#[test]
fn every_phase_is_counted_apart() {
    let Some(valgrind) = valgrind() else { return };
    let every = NonZeroUsize::new(16);
    let load_order =
        LoadOrder { unwind_every: every, ..LoadOrder::hold_all(UnloadOrder::NewestFirst) };
    for load_from in [LoadFrom::Bytes, LoadFrom::File] {
        let workload =
            prepared(Modules { load_from, ..modules(four_functions(), load_order) }, 128);
        let counted = run(&valgrind, &workload, 128);
        let proof = &counted.proof;
        let done = (proof.loaded, proof.called, proof.unwound, proof.released);
        assert_eq!(done, (128, 2, 8, 128));
        assert_eq!((proof.registered, proof.deregistered), (Some(128), Some(128)));
        let phases: Vec<&str> = counted.phases.keys().map(String::as_str).collect();
        assert_eq!(phases, ["call", "load", "unload", "unwind"]);
        // Registration happens only in its own phase, and is found under its own name.
        for (phase, name) in [("load", "__register_frame"), ("unload", "__deregister_frame")] {
            for (other, profile) in &counted.phases {
                let calls = |cost: loadline_callgrind::Cost<'_>| cost.calls;
                let calls = profile.cost(&Function::new(RUNNER, name), 0).map_or(0, calls);
                assert_eq!(calls, if other == phase { 128 } else { 0 }, "{name} in {other}");
            }
        }
    }
}

/// The counts repeat exactly, even on a busy machine, with other folder names and with another environment.
#[test]
fn counts_repeat() {
    let Some(valgrind) = valgrind() else { return };
    let workload = unloading(UnloadOrder::Random, 2, Tables::Keep);
    let first = run(&valgrind, &workload, 64);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 * thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let folder = tempfile::Builder::new().prefix(&"long".repeat(40)).tempdir().unwrap();
        let busy = run_in(&valgrind, folder.path(), &workload, 64);
        is_over.store(true, Ordering::Relaxed);
        busy.unwrap().assert_same(&first);
    });
    run(&valgrind, &workload, 64).assert_same(&first);
}

/// libgcc up to 12 walks its list of tables before it finds the right one. This test measures the cost per
/// table.
#[test]
#[ignore = "slow: eighteen runs under valgrind"]
fn the_search_for_a_table_is_found_with_its_coefficient() {
    let Some(valgrind) = valgrind() else { return };
    let count = |order, unwinds, tables| {
        let workload = unloading(order, unwinds, tables);
        let runs = SIZES.map(|n| run(&valgrind, &workload, n));
        let found = runs[2].functions("unload", SEARCH);
        let own = |function: &Function| runs.each_ref().map(|run| run.own("unload", function));
        let coefficient = found.first().map(|function| quadratic(SIZES, own(function)));
        println!("{order:?}, {unwinds} unwinds, {tables:?}: {coefficient:?} N²");
        (coefficient, runs)
    };
    let (oldest_first, runs) = count(UnloadOrder::OldestFirst, 0, Tables::Keep);
    let Some(coefficient) = oldest_first else {
        loadline_testing::skip!("the unwinder is {}, not libgcc", runs[2].proof.unwinder_path);
        return;
    };
    let (newest_first, _) = count(UnloadOrder::NewestFirst, 0, Tables::Keep);
    if coefficient < 1.0 {
        loadline_testing::skip!("this libgcc keeps a tree in place of a list (13 or newer)");
        return;
    }
    // The list of tables that no unwind has seen begins with the newest table.
    assert!((coefficient - 4.0).abs() < 0.04, "{coefficient}");
    assert!(newest_first.unwrap().abs() < 0.01, "{newest_first:?}");
    // After an unwind, the tables are in a list sorted by falling address. valgrind assigns rising addresses,
    // and the kernel assigns falling ones. So the oldest table is last here, and with the kernel the newest
    // table is last.
    let (oldest_first, _) = count(UnloadOrder::OldestFirst, 2, Tables::Keep);
    let (newest_first, _) = count(UnloadOrder::NewestFirst, 2, Tables::Keep);
    assert!(oldest_first.unwrap() > 4.0, "{oldest_first:?}");
    assert!(newest_first.unwrap().abs() < 0.01, "{newest_first:?}");
    let (stripped, _) = count(UnloadOrder::OldestFirst, 0, Tables::Strip);
    assert_eq!(stripped, None);

    let profile = &runs[2].phases["unload"];
    let path = profile.path_to(&runs[2].functions("unload", SEARCH)[0], 0);
    let path: Vec<&str> = path.iter().map(|step| step.function.name.as_str()).collect();
    let at = |part: &str| path.iter().position(|step| step.contains(part));
    // The compiler may inline the functions in between.
    assert!(at("Worker").is_some() && at("Worker") < at("CodeMemory"), "{path:?}");
    assert!(at("CodeMemory") < at("__deregister_frame"), "{path:?}");
}

/// Returns LLVM's libunwind of any version.
fn llvm_unwinder() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let paths = folders.map(|entry| entry.path().join("lib/libunwind.so.1"));
    let found =
        paths.filter(|path| path.is_file() && path.to_string_lossy().contains("/llvm-")).max();
    if found.is_none() {
        loadline_testing::skip!("LLVM's libunwind is not installed");
    }
    found
}

/// LLVM's libunwind scans a table of all FDEs for each FDE that is deregistered.
#[test]
#[ignore = "slow: three runs under valgrind"]
fn the_scan_of_another_unwinder_is_found() {
    let Some(valgrind) = valgrind() else { return };
    let Some(unwinder) = llvm_unwinder() else { return };
    let workload = unloading(UnloadOrder::NewestFirst, 0, Tables::Keep);
    let runs = SIZES.map(|n| {
        let folder = tempfile::tempdir().unwrap();
        let preload = [("LD_PRELOAD", unwinder.as_path())];
        run_with(&valgrind, folder.path(), &workload, n, &preload).unwrap()
    });
    let costs = runs[2].phases["unload"].costs(0);
    let first = &costs[0];
    let own = runs.each_ref().map(|run| run.own("unload", first.function));
    println!("{}: {} N²", first.function, quadratic(SIZES, own));
    assert_eq!(first.function.name, "__unw_remove_dynamic_fde");
    assert!(first.function.object_name().starts_with("libunwind.so.1"), "{}", first.function);
    assert!(quadratic(SIZES, own) > 100.0, "{own:?}");
}

#[test]
#[ignore = "slow: six runs under valgrind"]
fn the_table_that_own_types_make_grow_is_found() {
    let Some(valgrind) = valgrind() else { return };
    let twenty = NonZeroUsize::new(20).unwrap();
    let hold = LoadOrder::hold_all(UnloadOrder::NewestFirst);
    // The largest coefficient of all functions of the type registry, by own or inclusive cost.
    let largest = |type_sharing| {
        let axes = Generated { functions: twenty, types: 40, type_sharing, ..Generated::default() };
        let workload = prepared(modules(axes, hold), SIZES[2]);
        let runs = SIZES.map(|n| run(&valgrind, &workload, n));
        let profile = &runs[2].phases["load"];
        let of_registry = |function: &Function| {
            let path = profile.path_to(function, 0);
            path.iter().any(|step| step.function.name.contains("runtime::type_registry"))
        };
        let costs = profile.costs(0);
        let coefficients = costs.iter().filter(|cost| of_registry(cost.function)).map(|cost| {
            let own = runs.each_ref().map(|run| run.own("load", cost.function));
            (quadratic(SIZES, own), cost.function.to_string())
        });
        coefficients.max_by(|(a, _), (b, _)| a.total_cmp(b)).unwrap()
    };
    let (own, shared) = (largest(TypeSharing::Own), largest(TypeSharing::Shared));
    println!("own types: {own:?} N², shared types: {shared:?} N²");
    assert!(own.0 > 5.0, "{own:?}");
    assert!(own.0 > 5.0 * shared.0, "{shared:?}");
}

fn self_check(quadratic_percent: u8) -> Workload {
    let largest = NonZeroUsize::new(SIZES[2]).unwrap();
    Workload::SelfCheck(KnownWork { work: KnownWorkKind::Cpu, quadratic_percent, largest })
}

#[test]
fn the_work_of_a_self_check_is_counted() {
    let Some(valgrind) = valgrind() else { return };
    let share = |percent: u8| {
        let workload = self_check(percent);
        let costs = SIZES.map(|n| {
            let counted = run(&valgrind, &workload, n);
            let Workload::SelfCheck(known) = &workload else { unreachable!("made so above") };
            assert_eq!(counted.proof.known_work, known.units(n));
            let work = counted.instructions();
            assert_eq!(work.keys().collect::<Vec<_>>(), [&"work"]);
            work["work"]
        });
        let n = SIZES[2] as f64;
        quadratic(SIZES, costs) * n * n / costs[2] as f64
    };
    assert!((share(20) - 0.20).abs() < 0.001);
    assert!(share(0).abs() < 0.001);
}

/// The work of one thread is not mixed up with that of another thread in another phase.
#[test]
fn all_threads_are_counted_each_in_its_phase() {
    let Some(valgrind) = valgrind() else { return };
    let two = NonZeroUsize::new(2).unwrap();
    let alone = LoadOrder {
        loaded_at_once: LoadedAtOnce::Window(NonZeroUsize::new(4).unwrap()),
        ..LoadOrder::hold_all(UnloadOrder::OldestFirst)
    };
    let together = LoadOrder { threads: two, unload_thread: UnloadThread::Other, ..alone };
    let count = |load_order| {
        let workload = prepared(modules(four_functions(), load_order), 32);
        let counted = run(&valgrind, &workload, 32);
        assert_eq!((counted.proof.loaded, counted.proof.released), (32, 32));
        counted
    };
    let (alone, together) = (count(alone), count(together));
    let (alone, together) = (alone.instructions(), together.instructions());
    assert_eq!(alone.keys().collect::<Vec<_>>(), together.keys().collect::<Vec<_>>());
    for (phase, instructions) in alone {
        let ratio = together[phase] as f64 / instructions as f64;
        assert!((0.8..1.5).contains(&ratio), "{phase}: {ratio}");
    }
}
