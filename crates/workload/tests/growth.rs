//! Tests the load orders of the loader over a rising N. Callgrind counts the instructions, and the rule of
//! the gate judges them. Each size runs in a new process.
//!
//! `cargo test -p loadline-workload --test growth -- --ignored --nocapture`
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, unsafe_code)]

mod common;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::loading_engine;
use loadline_callgrind::client as valgrind;
use loadline_growth::{Expect, JudgeOptions, Judgement, Kind, Series, Verdict, judge};
use loadline_scenario::{Generated, LoadOrder, LoadedAtOnce, Step, UnloadOrder};
use loadline_workload::loader::wasmtime::{Config, Engine};
use loadline_workload::loader::{Artifact, Lease, Loader, LoaderOptions, UnwindPolicy, compile};
use loadline_workload::{backtrace, generate};

const SIZES: [usize; 5] = [16, 32, 64, 128, 256];
/// The variable that makes a process of this test a counted one. It contains the policy, the load order, N,
/// and the folder.
const CHILD: &str = "LOADLINE_TEST_GROWTH";

fn load_orders() -> [(&'static str, LoadOrder); 4] {
    let window = LoadedAtOnce::Window(NonZeroUsize::new(8).unwrap());
    let all = |order| LoadOrder {
        unwinds_before_unload: 2,
        unwind_every: Some(NonZeroUsize::MIN),
        ..LoadOrder::hold_all(order)
    };
    [
        ("oldest-first", all(UnloadOrder::OldestFirst)),
        ("newest-first", all(UnloadOrder::NewestFirst)),
        ("random", all(UnloadOrder::Random)),
        ("churn", LoadOrder { loaded_at_once: window, ..all(UnloadOrder::Random) }),
    ]
}

/// Makes artifacts with their tables, for the CPU that valgrind simulates.
fn build(home: &Path) {
    let mut config = Config::new();
    config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH)).unwrap();
    let engine = Engine::new(&config).unwrap();
    let artifact = compile::bytes(&engine, &generate::wasm(&Generated::default(), 0)).unwrap();
    assert!(artifact.contents().fdes > 0);
    artifact.save_unsynced(home.join("artifact")).unwrap();
}

/// Drives N modules through a load order with a loader. Callgrind counts from the first load until the last
/// module was dropped.
fn be_counted(asked: &str) {
    let words: Vec<&str> = asked.splitn(4, ' ').collect();
    let [policy, load_order, modules, home] = words[..] else { panic!("{asked}") };
    let policy = if policy == "keep" { UnwindPolicy::Keep } else { UnwindPolicy::Strip };
    let load_order = load_orders().into_iter().find(|(name, _)| *name == load_order).unwrap().1;
    let bytes = std::fs::read(Path::new(home).join("artifact")).unwrap();
    let modules: usize = modules.parse().unwrap();
    let artifacts = (0..modules).map(|number| {
        // SAFETY: the process that started this one has just written the file.
        let mut artifact = unsafe { Artifact::trusted(bytes.clone()) }.unwrap();
        artifact.number(number as u64);
        artifact
    });
    let artifacts: Vec<Artifact> = artifacts.collect();
    let mut schedule = load_order.schedule(modules, 7);
    let steps = schedule.threads.remove(0).into_iter().chain(schedule.finish);
    let steps: Vec<Step> = steps.collect();
    let mut leases: Vec<Option<Lease>> = Vec::new();
    leases.resize_with(modules, || None);
    let loader = Loader::new(&loading_engine(), LoaderOptions::new().policy(policy));
    assert!(valgrind::start_instrumentation());
    for step in steps {
        match step {
            Step::Load(index) => leases[index] = Some(loader.load(&artifacts[index]).unwrap()),
            Step::Unload(index) => leases[index] = None,
            Step::Unwind => assert!(backtrace::frames() > 0),
            step => unreachable!("no load order above has a step like {step}"),
        }
    }
    loader.flush();
    valgrind::stop_instrumentation();
    assert_eq!(loader.population().modules, 0);
}

fn instructions(asked: &str, unwinder: Option<&Path>) -> f64 {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "every_load_order_is_linear", "--include-ignored", "--nocapture"]);
    // Without fast bins, the cost of dropping does not depend on its time.
    command.env("GLIBC_TUNABLES", "glibc.malloc.mxfast=0").env(CHILD, asked);
    if let Some(library) = unwinder {
        command.env("LD_PRELOAD", library);
    }
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{asked}: {errors}{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let count = errors.lines().find_map(|line| line.split_once("Collected : "));
    count.unwrap_or_else(|| panic!("{errors}")).1.trim().parse().unwrap()
}

fn judged(policy: &str, load_order: &str, home: &Path, unwinder: Option<&Path>) -> Judgement {
    let count =
        |n: usize| instructions(&format!("{policy} {load_order} {n} {}", home.display()), unwinder);
    let costs: Vec<Vec<f64>> = SIZES.iter().map(|&n| vec![count(n)]).collect();
    let by = unwinder.map_or("the system's unwinder".into(), |path| path.display().to_string());
    println!("{policy} {load_order}, {by}: {costs:?}");
    let sizes = SIZES.map(|n| n as u64).to_vec();
    let series = Series::new(Kind::Count, sizes, costs).unwrap().exact(true);
    let expect = Some(Expect::LinearLog);
    judge(&series, None, &JudgeOptions { expect, is_confirmed: true, ..JudgeOptions::default() })
}

/// Returns LLVM's libunwind, if the machine has it.
fn llvm() -> Option<PathBuf> {
    let places =
        (11..30).rev().map(|release| format!("/usr/lib/llvm-{release}/lib/libunwind.so.1"));
    places.map(PathBuf::from).find(|path| path.exists())
}

#[test]
#[ignore = "slow: takes 45 processes through valgrind"]
fn every_load_order_is_linear() {
    if let Ok(asked) = std::env::var(CHILD) {
        return be_counted(&asked);
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        loadline_testing::skip!("valgrind is not installed");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    build(home.path());
    let llvm = llvm();
    if llvm.is_none() {
        println!("skipped under LLVM's libunwind: it is not installed");
    }
    for unwinder in [None].into_iter().chain(llvm.as_deref().map(Some)) {
        for (load_order, _) in load_orders() {
            let Judgement { verdict, curve, .. } =
                judged("strip", load_order, home.path(), unwinder);
            assert_eq!(verdict, Verdict::Holds, "{load_order} {unwinder:?} {curve:?}");
        }
    }
    // Shows that the test would detect growth: kept tables are scanned at every deregistration.
    if let Some(library) = llvm {
        let Judgement { verdict, curve, .. } =
            judged("keep", "random", home.path(), Some(&library));
        assert_eq!(verdict, Verdict::Regressed, "{curve:?}");
    }
}
