//! [`Environment`]: the machine and the build with which a run is measured.

use serde::{Deserialize, Serialize};

/// Everything apart from the scenario that decides how a run behaves. An unknown value is the text `unknown`
/// followed by the reason, never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// This tool's version.
    pub loadline: String,
    /// Wasmtime's version.
    pub wasmtime: String,
    /// Wasmtime's features in this build.
    pub wasmtime_features: String,
    /// Cranelift's version.
    pub cranelift: String,
    /// The instruction set Cranelift compiles for.
    pub isa: String,
    /// Cranelift's flags that differ from their defaults, shared and of the instruction set.
    pub isa_flags: String,
    /// The options with which the runner was built.
    pub build: String,
    /// The active unwinder's family: `libgcc-list` (libgcc up to 12), `libgcc-tree` (from 13),
    /// `llvm` or `other`.
    pub unwinder_family: String,
    /// The active unwinder's version.
    pub unwinder_version: String,
    /// The file from which the active unwinder was loaded.
    pub unwinder_path: String,
    /// The C library and its version.
    pub libc: String,
    /// Operating system and kernel release.
    pub kernel: String,
    /// The CPU architecture, as Rust names it.
    pub arch: String,
    /// The model of the CPU.
    pub cpu: String,
    /// The sizes of the CPU's caches, from the first level on.
    pub caches: String,
    /// The number of CPUs that this process may use.
    pub processors: String,
    /// The numbers of the CPUs that this process may use, such as `0-1`.
    pub affinity: String,
    /// The fixed settings of the allocator: glibc's tunables with which the process was started.
    pub allocator: String,
    /// The arguments with which the process was started, and the names of its environment variables.
    pub started_with: String,
    /// The valgrind that counts instructions, or `none`.
    pub valgrind: String,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: String,
    /// Whether address space randomisation is `on` or `off`.
    pub address_randomisation: String,
    /// `vm.max_map_count`.
    pub max_map_count: String,
    /// The soft limit of open file descriptors.
    pub descriptor_limit: String,
    /// Memory available when the process began, in bytes.
    pub memory_bytes: String,
}

impl Environment {
    /// The machine and the build in one line: `wasmtime 48.0.8, libgcc-list 12.0.0, linux 6.1, AMD EPYC`.
    #[must_use]
    pub fn line(&self) -> String {
        let Environment { wasmtime, unwinder_family, unwinder_version, cpu, kernel, .. } = self;
        format!("wasmtime {wasmtime}, {unwinder_family} {unwinder_version}, {kernel}, {cpu}")
    }

    /// Describes the machine and the build in one line. Programs that bring their own Wasmtime, or use none,
    /// do not run on the build's.
    pub fn line_of(&self, brings_own: bool) -> String {
        let line = self.line();
        match line.split_once(", ") {
            Some((_, rest)) if brings_own => format!("wasmtime: the command's own, {rest}"),
            _ => line,
        }
    }

    /// Wasmtime's major version. Growth is compared only within one major version.
    pub fn wasmtime_major(&self) -> &str {
        self.wasmtime.split('.').next().unwrap_or(&self.wasmtime)
    }

    /// The unwinder's family and major version, such as `libgcc-list 12`. Growth is compared only within one
    /// such version.
    pub fn unwinder(&self) -> String {
        let major = self.unwinder_version.split('.').next().unwrap_or(&self.unwinder_version);
        format!("{} {major}", self.unwinder_family)
    }
}
