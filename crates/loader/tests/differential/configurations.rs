//! The engine settings under which the loader is compared with Wasmtime. Settings that the Wasmtime of these
//! tests was built without are missing: async calls, garbage collection, threads, the pooling allocator, core
//! dumps and guest debugging.

use loadline_loader::wasmtime::{
    Config, Inlining, ModuleVersionStrategy, OptLevel, ProfilingStrategy, RegallocAlgorithm,
    WasmBacktraceDetails,
};

pub type Configuration = (&'static str, fn(&mut Config));

pub const CONFIGURATIONS: [Configuration; 32] = [
    ("default", |_| {}),
    ("debug_info", |config| {
        config.debug_info(true);
    }),
    ("debug_info, not optimised", |config| {
        config.debug_info(true).cranelift_opt_level(OptLevel::None);
    }),
    ("no address map", |config| {
        config.generate_address_map(false);
    }),
    ("fuel", |config| {
        config.consume_fuel(true);
    }),
    ("epochs", |config| {
        config.epoch_interruption(true);
    }),
    ("fuel and epochs", |config| {
        config.consume_fuel(true).epoch_interruption(true);
    }),
    ("no native unwind info", |config| {
        config.native_unwind_info(false);
    }),
    ("perf map", |config| {
        config.profiler(ProfilingStrategy::PerfMap);
    }),
    ("no signals", |config| {
        config.signals_based_traps(false);
    }),
    ("no copy-on-write", |config| {
        config.memory_init_cow(false);
    }),
    ("memfd", |config| {
        config.force_memory_init_memfd(true);
    }),
    ("no dense images", |config| {
        config.memory_guaranteed_dense_image_size(0);
    }),
    ("no reservation", |config| {
        config.memory_reservation(0).memory_guard_size(0);
    }),
    ("small reservation", |config| {
        config.memory_reservation(1 << 20).memory_guard_size(1 << 16);
    }),
    ("memories that stay", |config| {
        config.memory_may_move(false).memory_reservation(2 << 20);
    }),
    ("no reservation for growth", |config| {
        config.memory_reservation(1 << 16).memory_reservation_for_growth(0);
    }),
    ("no guard before", |config| {
        config.guard_before_linear_memory(false);
    }),
    ("not optimised", |config| {
        config.cranelift_opt_level(OptLevel::None);
    }),
    ("optimised for size", |config| {
        config.cranelift_opt_level(OptLevel::SpeedAndSize);
    }),
    ("single-pass registers", |config| {
        config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    }),
    ("inlining", |config| {
        config.compiler_inlining(Inlining::Yes);
    }),
    ("verifier", |config| {
        config.cranelift_debug_verifier(true);
    }),
    ("debug checks", |config| {
        config.cranelift_wasmtime_debug_checks(true);
    }),
    ("canonical NaN", |config| {
        config.cranelift_nan_canonicalization(true);
    }),
    ("backtrace details", |config| {
        config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    }),
    ("no backtraces", |config| {
        config.wasm_backtrace_max_frames(None);
    }),
    ("no SIMD", |config| {
        config.wasm_relaxed_simd(false).wasm_simd(false);
    }),
    ("deterministic SIMD", |config| {
        config.relaxed_simd_deterministic(true);
    }),
    ("small stack", |config| {
        config.max_wasm_stack(64 << 10);
    }),
    ("eager tables", |config| {
        config.table_lazy_init(false);
    }),
    ("own version", |config| {
        let version = ModuleVersionStrategy::Custom("of a host".to_owned());
        config.module_version(version).unwrap();
    }),
];
