//! Shared by the benches: artifacts and packs, and measurements in new processes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use loadline_scenario::Generated;
use loadline_workload::loader::pack::PackWriter;
use loadline_workload::loader::wasmtime::{Config, Engine, OptLevel, RegallocAlgorithm};
use loadline_workload::loader::{Artifact, UnwindPolicy, compile};
use loadline_workload::{Call, generate};
use wasm_encoder::{ConstExpr, DataSection, MemorySection, MemoryType, Module, RawSection};

/// The number of artifacts that differ in their functions. The others repeat them with other numbers.
pub const DISTINCT: usize = 1000;
pub const PACK: &str = "bench.pack";
const ROUNDS: usize = 7;
/// The length of a generated data segment.
const SEGMENT: usize = 64;

/// Runs every variant once per round, in turn. Returns the median of each number that a variant returns.
pub fn medians(
    ways: &[&str],
    rounds: Option<usize>,
    run: impl Fn(&str) -> Vec<f64>,
) -> Vec<Vec<f64>> {
    let rounds = rounds.unwrap_or(ROUNDS);
    let mut rows = vec![Vec::new(); ways.len()];
    for _ in 0..rounds {
        for (way, row) in ways.iter().zip(&mut rows) {
            row.push(run(way));
        }
    }
    let median = |row: &Vec<Vec<f64>>, column: usize| {
        let mut numbers: Vec<f64> = row.iter().map(|round| round[column]).collect();
        numbers.sort_by(f64::total_cmp);
        numbers[numbers.len() / 2]
    };
    rows.iter().map(|row| (0..row[0].len()).map(|column| median(row, column)).collect()).collect()
}

/// Runs this bench in a new process with other arguments. Returns the numbers that it prints.
pub fn in_new_process(arguments: &[&str], home: &Path, stdin: Stdio) -> Vec<f64> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(arguments).arg(home).stdin(stdin).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

/// Makes a pack of stripped artifacts with `kib` KiB of data each. Writes the first `files` of them into files
/// next to the pack, too. Returns the average length.
pub fn build(pack: &Path, modules: usize, files: usize, kib: usize, cow: bool) -> usize {
    let mut config = Config::new();
    // These settings halve the time, and do not change how an artifact is loaded.
    config.cranelift_opt_level(OptLevel::None);
    config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    config.memory_init_cow(cow);
    let engine = Engine::new(&config).unwrap();
    let distinct = (0..DISTINCT.min(modules)).map(|index| {
        let mut artifact = compile::bytes(&engine, &wasm(index, kib)).unwrap();
        artifact.apply(UnwindPolicy::Strip).unwrap();
        artifact
    });
    let distinct: Vec<Artifact> = distinct.collect();
    let mut writer = PackWriter::create(pack, None).unwrap();
    for index in 0..modules {
        let mut artifact = distinct[index % distinct.len()].clone();
        artifact.number(index as u64);
        writer.add(format!("module {index:06}"), &artifact).unwrap();
        if index < files {
            artifact.save_unsynced(pack.with_file_name(format!("{index}.cwasm"))).unwrap();
        }
    }
    writer.finish().unwrap();
    distinct.iter().map(|artifact| artifact.bytes().len()).sum::<usize>() / distinct.len()
}

fn axes(kib: usize) -> Generated {
    Generated { data_segments: kib.min(1), ..Generated::default() }
}

/// Returns a call of module `index`, which reads the first word of its data.
pub fn call(index: usize, kib: usize) -> Call {
    generate::call(&axes(kib), index % DISTINCT)
}

/// Returns the wasm of a generated module. Its only data segment is repeated to `kib` KiB, because a few long
/// segments are more common than thousands of short ones.
fn wasm(index: usize, kib: usize) -> Vec<u8> {
    let wasm = generate::wasm(&axes(kib), index);
    if kib == 0 {
        return wasm;
    }
    let mut module = Module::new();
    let mut rest = &wasm[8..];
    while let [id, after @ ..] = rest {
        let (length, after) = leb128(after);
        let (data, next) = after.split_at(length);
        rest = next;
        match id {
            5 => {
                let minimum = (kib as u64).div_ceil(64);
                let (maximum, page_size_log2) = (None, None);
                let (memory64, shared) = (false, false);
                let memory = MemoryType { minimum, maximum, memory64, shared, page_size_log2 };
                module.section(MemorySection::new().memory(memory));
            }
            11 => {
                let data = data[data.len() - SEGMENT..].repeat((kib << 10) / SEGMENT);
                module.section(DataSection::new().active(0, &ConstExpr::i32_const(0), data));
            }
            _ => {
                module.section(&RawSection { id: *id, data });
            }
        }
    }
    module.finish()
}

fn leb128(bytes: &[u8]) -> (usize, &[u8]) {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let (number, rest) = bytes.split_at(length);
    (number.iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f)), rest)
}

/// Returns the CPU time of this thread or of the whole process.
pub fn cpu_time(clock: libc::clockid_t) -> Duration {
    // SAFETY: for plain data all zeros is a value.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: Linux has both clocks, and the call writes to `time` only.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(result, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
