//! Tests every load order with a handful of modules: the order of the steps on each thread, and the state
//! after an error.
#![allow(clippy::unwrap_used)]

mod common;

use std::error::Error as _;
use std::panic::AssertUnwindSafe;

use common::{Folder, Notes, artifacts, at_least_one, loading_engine, small};
use expect_test::{Expect, expect};
use loadline_scenario::{
    Engines, Generated, HostFunction, LoadFrom, LoadOrder, LoadedAtOnce, Operation, OperationKind,
    Phase, Schedule, Step, Tables, UnloadOrder, UnloadThread,
};
use loadline_workload::{
    Calls, Driven, Error, Event, Observer, Options, Proof, Role, drive, generate, loader,
};

const NEWEST: LoadOrder = LoadOrder::hold_all(UnloadOrder::NewestFirst);
const OLDEST: LoadOrder = LoadOrder::hold_all(UnloadOrder::OldestFirst);

fn run(load_order: LoadOrder, modules: usize) -> Driven<Notes> {
    let artifacts = artifacts(&small(), modules);
    let schedule = load_order.schedule(modules, 7);
    let observe = |_| Notes::default();
    drive(&loading_engine(), &artifacts, &schedule, &Options::default(), observe).unwrap()
}

/// Checks the order on each thread, and that every module was loaded and dropped.
fn check(load_order: LoadOrder, modules: usize, expected: Expect) {
    let driven = run(load_order, modules);
    let lines: Vec<String> =
        driven.observers.iter().map(|(role, notes)| format!("{role}: {}", notes.order())).collect();
    expected.assert_eq(&lines.join("\n"));
    assert_eq!((driven.proof.loaded, driven.proof.released), (modules, modules));
}

#[test]
fn held_modules_leave_in_the_order_asked() {
    check(OLDEST, 3, expect!["loading-0: +0 +1 +2 -0 -1 -2"]);
    check(NEWEST, 3, expect!["loading-0: +0 +1 +2 -2 -1 -0"]);
    let random = LoadOrder::hold_all(UnloadOrder::Random);
    check(random, 4, expect!["loading-0: +0 +1 +2 +3 -1 -0 -3 -2"]);
}

#[test]
fn churn_and_batches_bound_the_residents() {
    let window = LoadOrder { loaded_at_once: LoadedAtOnce::Window(at_least_one(2)), ..OLDEST };
    check(window, 4, expect!["loading-0: +0 +1 -0 +2 -1 +3 -2 -3"]);
    let batches = LoadOrder { loaded_at_once: LoadedAtOnce::Batches(at_least_one(2)), ..NEWEST };
    check(batches, 3, expect!["loading-0: +0 +1 -1 -0 +2 -2"]);
}

#[test]
fn unwinds_come_where_they_are_asked() {
    let before = LoadOrder { unwinds_before_unload: 2, ..NEWEST };
    check(before, 2, expect!["loading-0: +0 +1 ! ! -1 -0"]);
    let every = LoadOrder { unwind_every: Some(at_least_one(2)), ..NEWEST };
    check(every, 3, expect!["loading-0: +0 +1 ! +2 -2 -1 -0"]);
    assert_eq!(run(every, 4).proof.unwound, 2);
}

#[test]
fn several_threads_share_the_loads() {
    let two = LoadOrder { threads: at_least_one(2), ..OLDEST };
    check(
        two,
        5,
        expect![[r#"
            loading-0: +0 +2 +4
            loading-1: +1 +3
            finishing: -0 -1 -2 -3 -4"#]],
    );
    let churning = LoadOrder { loaded_at_once: LoadedAtOnce::Window(at_least_one(1)), ..two };
    check(
        churning,
        4,
        expect![[r#"
            loading-0: +0 -0 +2 -2
            loading-1: +1 -1 +3 -3
            finishing: "#]],
    );
    let idle = LoadOrder { threads: at_least_one(3), ..OLDEST };
    check(
        idle,
        1,
        expect![[r#"
            loading-0: +0
            loading-1: 
            loading-2: 
            finishing: -0"#]],
    );
}

/// Drives modules that import a host function through a load order with one operation.
fn act(
    operation: OperationKind,
    load_order: LoadOrder,
    host_function: HostFunction,
) -> Driven<Notes> {
    let axes = Generated { host_function, ..small() };
    let artifacts = artifacts(&axes, 5);
    let operation = Some(Operation { kind: operation, every: at_least_one(2) });
    let schedule = LoadOrder { operation, ..load_order }.schedule(5, 7);
    let observe = |_| Notes::default();
    drive(&loading_engine(), &artifacts, &schedule, &Options::default(), observe).unwrap()
}

#[test]
fn residents_are_used_before_they_go() {
    let shared = HostFunction::SharedType;
    let order = |action| {
        let driven = act(action, OLDEST, shared);
        let [(_, notes)] = driven.observers.as_slice() else { panic!("one thread") };
        (notes.order(), driven.proof.acted, driven.proof.unwound)
    };
    let expected = |steps: &str| format!("+0 +1 +2 +3 +4 {steps} -0 -1 -2 -3 -4");
    assert_eq!(order(OperationKind::Unwind), (expected("! ! !"), 0, 3));
    assert_eq!(
        order(OperationKind::Backtrace),
        (expected("backtrace4 backtrace4 backtrace4"), 3, 0)
    );
    assert_eq!(order(OperationKind::Trap), (expected("trap4 trap4 trap4"), 3, 0));
    assert_eq!(order(OperationKind::Panic), (expected("panic panic panic"), 3, 0));
    let instantiated = expected("instantiate0 instantiate2 instantiate4");
    assert_eq!(order(OperationKind::Instantiate), (instantiated, 3, 0));
}

#[test]
fn host_functions_may_have_a_type_of_their_own() {
    let driven = act(OperationKind::Instantiate, NEWEST, HostFunction::OwnType);
    assert_eq!((driven.proof.acted, driven.proof.released), (3, 5));
}

#[test]
fn threads_act_once_all_modules_are_there() {
    let two = LoadOrder { threads: at_least_one(2), ..OLDEST };
    let driven = act(OperationKind::Panic, two, HostFunction::None);
    let orders: Vec<String> = driven.observers.iter().map(|(_, notes)| notes.order()).collect();
    assert_eq!(orders[..2], ["+0 +2 +4 panic panic", "+1 +3 panic"]);
}

#[test]
fn a_thread_that_fails_keeps_nobody_waiting() {
    let folder = Folder::generated(4, Tables::Keep);
    let zeros = vec![0; folder.files[3].contents().bytes];
    std::fs::write(folder.files[3].path(), zeros).unwrap();
    let operation = Some(Operation { kind: OperationKind::Panic, every: at_least_one(1) });
    let two = LoadOrder { threads: at_least_one(2), operation, ..OLDEST };
    let observe = |_| Notes::default();
    let (schedule, options) = (two.schedule(4, 7), Options::default());
    let error = drive(&loading_engine(), &folder.files, &schedule, &options, observe).unwrap_err();
    assert!(matches!(error, Error::Module { index: 3, .. }), "{error}");
}

#[test]
fn without_a_host_function_there_is_nothing_to_call() {
    let artifacts = artifacts(&small(), 2);
    let operation = Some(Operation { kind: OperationKind::Trap, every: at_least_one(1) });
    let schedule = LoadOrder { operation, ..OLDEST }.schedule(2, 7);
    let observe = |_| Notes::default();
    let error = drive(&loading_engine(), &artifacts, &schedule, &Options::default(), observe);
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Module { phase: Phase::Instantiate, index: 1, .. }), "{error}");
}

#[test]
fn each_module_may_have_its_own_engine() {
    let artifacts = artifacts(&small(), 3);
    let options = Options { engines: Engines::Each, ..Options::default() };
    let schedule = OLDEST.schedule(3, 7);
    let driven =
        drive(&loading_engine(), &artifacts, &schedule, &options, |_| Notes::default()).unwrap();
    assert_eq!((driven.proof.loaded, driven.proof.released), (3, 3));
}

#[test]
fn components_of_several_core_modules_answer() {
    let axes = Generated { core_modules: std::num::NonZeroUsize::new(3), ..small() };
    let artifacts = artifacts(&axes, 2);
    let call = |index| generate::call(&axes, index);
    let calls = Some(Calls { every: at_least_one(1), call: &call });
    let options = Options { calls, ..Options::default() };
    let schedule = OLDEST.schedule(2, 7);
    let driven =
        drive(&loading_engine(), &artifacts, &schedule, &options, |_| Notes::default()).unwrap();
    assert_eq!((driven.proof.loaded, driven.proof.called), (2, 2));
}

#[test]
fn another_thread_drops_what_it_is_handed() {
    let other = LoadOrder {
        loaded_at_once: LoadedAtOnce::Batches(at_least_one(2)),
        unload_thread: UnloadThread::Other,
        ..OLDEST
    };
    check(
        other,
        5,
        expect![[r#"
            loading-0: +0 +1 +2 +3 +4
            unloading: -0 -1 -2 -3 -4"#]],
    );
    let held = LoadOrder { unload_thread: UnloadThread::Other, unwinds_before_unload: 1, ..NEWEST };
    check(
        held,
        3,
        expect![[r#"
            loading-0: +0 +1 +2 !
            unloading: -2 -1 -0"#]],
    );
    let driven = run(LoadOrder { threads: at_least_one(3), ..other }, 10);
    let roles: Vec<String> = driven.observers.iter().map(|(role, _)| role.to_string()).collect();
    assert_eq!(roles, ["loading-0", "loading-1", "loading-2", "finishing", "unloading"]);
    assert_eq!((driven.proof.loaded, driven.proof.released), (10, 10));
}

/// Handing over and waiting belong to no phase, so the observer is notified of them.
#[test]
fn what_belongs_to_no_phase_is_announced() {
    let artifacts = artifacts(&small(), 3);
    let load_order = LoadOrder {
        loaded_at_once: LoadedAtOnce::Window(at_least_one(1)),
        unload_thread: UnloadThread::Other,
        ..OLDEST
    };
    let schedule = load_order.schedule(3, 7);
    let options = Options::default();
    let observe = |_| Notes::default();
    let driven = drive(&loading_engine(), &artifacts, &schedule, &options, observe).unwrap();
    expect![". r0 +0 . r1 +1 . r2 +2"].assert_eq(&driven.observers[0].1.all());
    assert!(driven.observers[1].1.all().starts_with(". -0"));

    let schedule = OLDEST.schedule(2, 7);
    let driven = drive(&loading_engine(), &artifacts, &schedule, &options, observe).unwrap();
    expect![". r0 +0 r1 +1 -0 -1"].assert_eq(&driven.observers[0].1.all());
}

#[test]
fn files_are_read_or_mapped() {
    let folder = Folder::generated(3, Tables::Keep);
    let schedule = OLDEST.schedule(3, 7);
    let call = |index| generate::call(&small(), index);
    let calls = Some(Calls { every: at_least_one(2), call: &call });
    let observe = |_| Notes::default();

    let bytes = Options { calls, ..Options::default() };
    let driven = drive(&loading_engine(), &folder.files, &schedule, &bytes, observe).unwrap();
    expect![". r0 +0 =0 r1 +1 r2 +2 =2 -0 -1 -2"].assert_eq(&driven.observers[0].1.all());
    assert_eq!(driven.proof, Proof { loaded: 3, called: 2, unwound: 0, acted: 0, released: 3 });

    let file = Options { calls, load_from: LoadFrom::File, ..Options::default() };
    let driven = drive(&loading_engine(), &folder.files, &schedule, &file, observe).unwrap();
    expect![". +0 =0 +1 +2 =2 -0 -1 -2"].assert_eq(&driven.observers[0].1.all());
    assert_eq!(driven.proof, Proof { loaded: 3, called: 2, unwound: 0, acted: 0, released: 3 });
}

#[test]
fn nobody_has_to_watch() {
    let folder = Folder::generated(2, Tables::Strip);
    let schedule = OLDEST.schedule(2, 7);
    let driven =
        drive(&loading_engine(), &folder.files, &schedule, &Options::default(), |_| ()).unwrap();
    assert_eq!(driven.proof.released, 2);
    assert_eq!(driven.observers, [(Role::Loading(0), ())]);
}

#[test]
fn stripping_is_never_silently_left_out() {
    let kept = Folder::generated(2, Tables::Keep);
    let schedule = OLDEST.schedule(2, 7);
    let mut options = Options { tables: Tables::Strip, ..Options::default() };
    let engine = loading_engine();
    drive(&engine, &kept.files, &schedule, &options, |_| ()).unwrap();

    options.load_from = LoadFrom::File;
    let error = drive(&engine, &kept.files, &schedule, &options, |_| ()).unwrap_err();
    assert!(matches!(cause(&error), Error::TablesInFile), "{error:?}");
    let stripped = Folder::generated(2, Tables::Strip);
    drive(&engine, &stripped.files, &schedule, &options, |_| ()).unwrap();

    let in_memory = artifacts(&small(), 2);
    let error = drive(&engine, &in_memory, &schedule, &options, |_| ()).unwrap_err();
    assert!(matches!(cause(&error), Error::NotInFile), "{error:?}");
}

/// Returns the cause of a module's error, without the index and the path.
fn cause(error: &Error) -> &Error {
    match error {
        Error::Module { source, .. } => source,
        other => panic!("an error of a module was expected: {other:?}"),
    }
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

#[test]
fn a_corrupt_artifact_is_named_and_the_rest_released() {
    let folder = Folder::generated(6, Tables::Keep);
    let corrupt = folder.files[3].path().to_owned();
    let zeros = vec![0; folder.files[3].contents().bytes];
    std::fs::write(&corrupt, &zeros).unwrap();
    for threads in [1, 2] {
        for unload_thread in [UnloadThread::Same, UnloadThread::Other] {
            let load_order = LoadOrder { threads: at_least_one(threads), unload_thread, ..OLDEST };
            let schedule = load_order.schedule(6, 7);
            let engine = loading_engine();
            let options = Options::default();
            let error = drive(&engine, &folder.files, &schedule, &options, |_| Notes::default())
                .unwrap_err();
            let text = chain(&error).replace(corrupt.to_str().unwrap(), "FILE");
            expect!["cannot deserialize module 3 (FILE): refused by Wasmtime: failed to parse precompiled artifact as an ELF: Unsupported ELF header"].assert_eq(&text);
            assert!(matches!(error, Error::Module { phase: Phase::Deserialize, index: 3, .. }));
            assert!(is_unused(engine));
        }
    }
    std::fs::write(&corrupt, &zeros[..100]).unwrap();
    let schedule = OLDEST.schedule(6, 7);
    let error = drive(&loading_engine(), &folder.files, &schedule, &Options::default(), |_| ())
        .unwrap_err();
    assert!(
        matches!(cause(&error), Error::Loader(loader::Error::Length { found: 100, .. })),
        "{error:?}"
    );
    std::fs::remove_file(&corrupt).unwrap();
    let error = drive(&loading_engine(), &folder.files, &schedule, &Options::default(), |_| ())
        .unwrap_err();
    assert!(matches!(cause(&error), Error::Loader(loader::Error::Read { .. })), "{error:?}");
}

/// Returns whether every module that was loaded with `engine` was dropped. Modules keep their engine alive.
fn is_unused(engine: loader::wasmtime::Engine) -> bool {
    let weak = engine.weak();
    drop(engine);
    weak.upgrade().is_none()
}

#[test]
fn the_wrong_module_is_found_out() {
    let folder = Folder::generated(3, Tables::Keep);
    let schedule = OLDEST.schedule(3, 7);
    let call = |index| loadline_workload::Call {
        expected: 1 + generate::call(&small(), index).expected,
        ..generate::call(&small(), index)
    };
    let calls = Some(Calls { every: at_least_one(1), call: &call });
    let options = Options { calls, ..Options::default() };
    let error = drive(&loading_engine(), &folder.files, &schedule, &options, |_| ()).unwrap_err();
    assert!(matches!(cause(&error), Error::WrongResult { .. }), "{error:?}");
}

#[test]
fn a_wrong_schedule_is_an_error() {
    let artifacts = artifacts(&small(), 1);
    let check = |steps: &[Step], expected: Expect| {
        let threads = vec![steps.to_vec()];
        let schedule = Schedule { threads, finish: Vec::new(), unload_thread: UnloadThread::Same };
        let options = Options::default();
        let error = drive(&loading_engine(), &artifacts, &schedule, &options, |_| ()).unwrap_err();
        expected.assert_eq(&error.to_string());
    };
    check(
        &[Step::Load(0), Step::Load(0)],
        expect!["the schedule is wrong about module 0: it is loaded already"],
    );
    check(&[Step::Unload(0)], expect!["the schedule is wrong about module 0: it is not loaded"]);
    check(
        &[Step::Load(1)],
        expect!["the schedule is wrong about module 1: there is no such module"],
    );
    check(
        &[Step::Unload(1)],
        expect!["the schedule is wrong about module 1: there is no such module"],
    );
}

/// Panics at its first step in one role, or when it is created.
struct Panicking {
    role: Role,
}

impl Observer for Panicking {
    fn step(&mut self, _: Event) {
        assert!(self.role != Role::Loading(1), "loading went wrong");
        assert!(self.role != Role::Unloading, "unloading went wrong");
    }
}

impl Panicking {
    fn make(when_made: bool, role: Role) -> Panicking {
        let mut made = Panicking { role };
        if when_made {
            made.step(Event { phase: Phase::Call, module: None, progress: 1 });
        }
        made
    }
}

#[test]
fn a_panicking_thread_is_an_error_and_nothing_hangs() {
    let artifacts = artifacts(&small(), 8);
    let two = LoadOrder { threads: at_least_one(2), ..OLDEST };
    let other = LoadOrder { unload_thread: UnloadThread::Other, ..OLDEST };
    for when_made in [false, true] {
        let options = Options::default();
        for (load_order, expected) in [
            (two, "the loading-1 thread panicked: loading went wrong"),
            (other, "the unloading thread panicked: unloading went wrong"),
        ] {
            let engine = loading_engine();
            let schedule = load_order.schedule(8, 7);
            let observe = |role| Panicking::make(when_made, role);
            let error = drive(&engine, &artifacts, &schedule, &options, observe).map(|_| ());
            assert_eq!(error.unwrap_err().to_string(), expected);
            assert!(is_unused(engine));
        }
    }
}

#[test]
fn a_panic_on_the_calling_thread_leaves_no_thread_waiting() {
    let artifacts = artifacts(&small(), 2);
    let other = LoadOrder { unload_thread: UnloadThread::Other, ..OLDEST };
    let schedule = other.schedule(2, 7);
    let engine = loading_engine();
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let observe = |role| assert!(role == Role::Unloading, "the calling thread's observer");
        drive(&engine, &artifacts, &schedule, &Options::default(), observe).map(|_| ())
    }));
    assert!(caught.is_err());
    assert!(is_unused(engine));
}
