//! Tests of native backtraces through packed modules. They need the feature `native-unwind`: `cargo test -p
//! loadline-loader --features native-unwind --test native_unwind`.
#![allow(clippy::unwrap_used, unsafe_code)]

use std::ffi::{c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use loadline_loader::native_unwind::{self, Unavailable};
use loadline_loader::pack::{self, Digests, Pack, PackOptions, PackWriter};
use loadline_loader::wasmtime::{Caller, Config, Engine, Func, Instance, Module, Store};
use loadline_loader::{Artifact, Loaded, UnwindPolicy, compile};

/// The number of functions that call one another before the host is called.
const DEPTH: usize = 12;

/// Compiles a module whose function `go` calls the imported function through a chain of other functions.
fn artifact(number: usize) -> Artifact {
    artifact_by(&Engine::default(), number)
}

fn artifact_by(compiling: &Engine, number: usize) -> Artifact {
    let mut text = r#"(module (import "" "host" (func $host (param i32) (result i32)))"#.to_owned();
    for depth in 0..DEPTH {
        let callee =
            if depth + 1 == DEPTH { "$host".to_owned() } else { format!("$f{}", depth + 1) };
        text += &format!(
            "(func $f{depth} (param i32) (result i32) \
             (i32.add (call {callee} (local.get 0)) (i32.const {number})))"
        );
    }
    text += r#"(export "go" (func $f0)))"#;
    compile::bytes(compiling, text.as_bytes()).unwrap()
}

/// Returns the number of frames in a native backtrace of this thread.
#[inline(never)]
fn frames() -> usize {
    type Trace = extern "C" fn(context: *mut c_void, frames: &mut usize) -> c_int;

    unsafe extern "C" {
        fn _Unwind_Backtrace(trace: Trace, frames: &mut usize) -> c_int;
    }

    extern "C" fn count(_: *mut c_void, frames: &mut usize) -> c_int {
        *frames += 1;
        0 // Continue with the next frame.
    }

    let mut frames = 0;
    // SAFETY: the callback has the type that the C++ ABI prescribes, and does not unwind itself.
    unsafe { _Unwind_Backtrace(count, &mut frames) };
    frames
}

/// Returns the number of frames that the unwinder sees from a host function that the module calls.
fn frames_through(engine: &Engine, module: &Module) -> usize {
    let mut store = Store::new(engine, 0usize);
    let host = Func::wrap(&mut store, |mut caller: Caller<'_, usize>, argument: i32| -> i32 {
        *caller.data_mut() = frames();
        argument
    });
    let instance = Instance::new(&mut store, module, &[host.into()]).unwrap();
    let go = instance.get_typed_func::<i32, i32>(&mut store, "go").unwrap();
    go.call(&mut store, 1).unwrap();
    *store.data()
}

fn module(loaded: &Loaded) -> &Module {
    let Loaded::Module(module) = loaded else { panic!("a module") };
    module
}

/// Enables native unwinding. Returns false and prints the reason if it cannot work.
fn is_enabled() -> bool {
    static PRINTED: Once = Once::new();
    match native_unwind::enable() {
        Ok(()) => true,
        Err(reason) => {
            PRINTED.call_once(|| loadline_testing::skip!("{reason}"));
            false
        }
    }
}

struct Packed {
    _home: tempfile::TempDir,
    engine: Engine,
    pack: Pack,
}

fn build(path: &Path, modules: usize, artifact: &Artifact) {
    let mut writer = PackWriter::create(path, None).unwrap();
    for number in 0..modules {
        let mut artifact = artifact.clone();
        artifact.number(number as u64);
        writer.add(number.to_string(), &artifact).unwrap();
    }
    writer.finish().unwrap();
}

fn packed(modules: usize, digests: Digests) -> Packed {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("some.pack");
    build(&path, modules, &artifact(0));
    let mut config = Config::new();
    pack::configure(&mut config);
    let pack = Pack::open(&path, PackOptions::new().digests(digests)).unwrap();
    Packed { _home: home, engine: Engine::new(&config).unwrap(), pack }
}

#[test]
fn a_native_backtrace_is_complete() {
    if !is_enabled() {
        return;
    }
    let engine = Engine::default();
    let mut kept = artifact(1);
    let whole = frames_through(&engine, module(&kept.load(&engine).unwrap()));
    kept.apply(UnwindPolicy::Strip).unwrap();
    let stripped = frames_through(&engine, module(&kept.load(&engine).unwrap()));
    assert!(stripped + DEPTH < whole, "{stripped} of {whole} frames");
    for digests in [Digests::AtOpen, Digests::AtLoad] {
        let Packed { engine, pack, .. } = &packed(300, digests);
        let loaded: Vec<Loaded> =
            (0..300).map(|index| pack.load_at(engine, index).unwrap()).collect();
        for index in [0, 7, 150, 299] {
            assert_eq!(frames_through(engine, module(&loaded[index])), whole);
        }
    }
}

#[test]
fn packs_come_and_go_while_others_unwind() {
    if !is_enabled() {
        return;
    }
    let Packed { engine, pack, .. } = &packed(4, Digests::AtOpen);
    let loaded = pack.load(engine, "2").unwrap();
    let whole = frames_through(engine, module(&loaded));
    let (is_done, n_unwound) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    // Allow a small difference, because this thread has another start than the other thread.
                    let found = frames_through(engine, module(&loaded));
                    assert!(found.abs_diff(whole) < DEPTH / 2, "{found} of {whole}");
                    n_unwound.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..60 {
            let other = packed(1 + round % 3, Digests::AtLoad);
            let loaded = other.pack.load(&other.engine, "0").unwrap();
            let found = frames_through(&other.engine, module(&loaded));
            assert!(found.abs_diff(whole) < DEPTH / 2, "{found} of {whole}");
            drop(loaded);
            other.pack.close().unwrap();
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert!(n_unwound.load(Ordering::Relaxed) > 0);
}

#[test]
fn the_program_unwinds_as_before() {
    if !is_enabled() {
        return;
    }
    let panicked = std::panic::catch_unwind(|| panic!("as the test wants it"));
    assert!(panicked.is_err());
    let backtrace = std::backtrace::Backtrace::force_capture().to_string();
    assert!(backtrace.contains("the_program_unwinds_as_before"), "{backtrace}");
}

/// An unwinder that does not ask is detected, and packs work as before.
#[test]
fn an_unwinder_that_does_not_ask_is_noticed() {
    const CHILD: &str = "LOADLINE_TEST_OLD_UNWINDER";
    let library = "/usr/lib/llvm-14/lib/libunwind.so.1";
    if std::env::var_os(CHILD).is_some() {
        assert_eq!(native_unwind::enable(), Err(Unavailable::NotAsked));
        let Packed { engine, pack, .. } = &packed(2, Digests::AtOpen);
        let loaded = pack.load(engine, "1").unwrap();
        assert!(frames_through(engine, module(&loaded)) > 1);
        return;
    }
    if !Path::new(library).exists() {
        loadline_testing::skip!("LLVM's libunwind 14 is not installed");
        return;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "an_unwinder_that_does_not_ask_is_noticed", "--nocapture"]);
    let output = command.env(CHILD, "1").env("LD_PRELOAD", library).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// Tells the counted process how many modules to load, and from which pack.
const COUNTED: &str = "LOADLINE_TEST_COUNTED_UNWINDS";

/// Takes a hundred native backtraces in the host while `asked` many modules are loaded, under callgrind.
fn be_counted(asked: &str) {
    native_unwind::enable().unwrap();
    let (modules, path) = asked.split_once(' ').unwrap();
    let mut config = Config::new();
    pack::configure(&mut config);
    let engine = Engine::new(&config).unwrap();
    let pack = Pack::open(path, PackOptions::new().digests(Digests::AtLoad)).unwrap();
    let load = |index| pack.load_at(&engine, index).unwrap();
    let loaded: Vec<Loaded> = (0..modules.parse().unwrap()).map(load).collect();
    frames();
    assert!(loadline_callgrind::client::start_instrumentation());
    (0..100).for_each(|_| assert!(frames() > 1));
    loadline_callgrind::client::stop_instrumentation();
    drop(loaded);
    pack.close().unwrap();
}

#[test]
#[ignore = "slow: loads thousands of modules under valgrind"]
fn a_native_unwind_takes_the_same_instructions_whatever_is_resident() {
    if let Ok(asked) = std::env::var(COUNTED) {
        return be_counted(&asked);
    }
    if !is_enabled() || Command::new("valgrind").arg("--version").output().is_err() {
        loadline_testing::skip!("it takes an unwinder that asks, and valgrind");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("some.pack");
    let mut config = Config::new();
    // Compile for the CPU that valgrind simulates.
    config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH)).unwrap();
    const MOST: usize = 4000;
    build(&path, MOST, &artifact_by(&Engine::new(&config).unwrap(), 0));
    let counted = [0, 1, MOST].map(|modules| {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]);
        command.arg(std::env::current_exe().unwrap());
        let test = "a_native_unwind_takes_the_same_instructions_whatever_is_resident";
        command.args(["--exact", test, "--include-ignored", "--nocapture"]);
        let output = command.env(COUNTED, format!("{modules} {}", path.display())).output();
        let output = output.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}{}", String::from_utf8_lossy(&output.stdout));
        let count = errors.lines().find_map(|line| line.split_once("Collected : "));
        count.unwrap_or_else(|| panic!("{errors}")).1.trim().parse::<f64>().unwrap()
    });
    println!("a hundred unwinds with 0, 1 and {MOST} modules resident: {counted:?} instructions");
    let [none, one, most] = counted;
    assert!(one < 1.05 * none && most < 1.05 * none, "{counted:?}");
}
