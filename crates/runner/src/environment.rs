//! Describes this machine and build: every field of [`Environment`], found at run time.

use std::fs;
use std::path::Path;

use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use loadline_scenario::Environment;
use loadline_workload::loader::headroom::{Resource, Usage};
use loadline_workload::loader::{Headroom, unwinder};

/// The features of Wasmtime that the manifests request. A test compares them with the features that Cargo
/// resolved.
const WASMTIME_FEATURES: [&str; 6] =
    ["backtrace", "component-model", "cranelift", "profiling", "runtime", "std"];

/// The Cranelift flags that the engine for generated modules changes, with Cranelift's names.
const CRANELIFT_SETTINGS: [(&str, &str); 2] =
    [("opt_level", "none"), ("regalloc_algorithm", "single_pass")];

/// Describes the machine and the build. Do not call this in a measured process, because it registers unwind
/// tables to distinguish the releases of libgcc.
pub fn describe() -> Environment {
    let unwinder = unwinder::detect();
    let isa = host_isa();
    Environment {
        loadline: env!("CARGO_PKG_VERSION").to_owned(),
        wasmtime: env!("LOADLINE_WASMTIME").to_owned(),
        wasmtime_features: WASMTIME_FEATURES.join(" "),
        cranelift: cranelift_codegen::VERSION.to_owned(),
        isa: isa.as_ref().map_or_else(unknown, |isa| isa.triple().to_string()),
        isa_flags: isa.as_ref().map_or_else(unknown, |isa| enabled_flags(&**isa)),
        build: build(),
        unwinder_family: unwinder.family.to_string(),
        unwinder_version: unwinder.version,
        unwinder_path: unwinder.path,
        libc: libc_version(),
        kernel: kernel(),
        arch: std::env::consts::ARCH.to_owned(),
        cpu: cpu_model(),
        caches: caches(),
        processors: std::thread::available_parallelism().map_or_else(unknown, |n| n.to_string()),
        affinity: status_row("Cpus_allowed_list"),
        allocator: allocator(),
        started_with: started_with(),
        // Only the program that starts the runner knows which valgrind is used.
        valgrind: missing("not for the runner to say"),
        perf_event_paranoid: sysctl("kernel/perf_event_paranoid"),
        address_randomisation: address_randomisation(),
        max_map_count: sysctl("vm/max_map_count"),
        descriptor_limit: limits_row("Max open files"),
        memory_bytes: memory(),
    }
}

fn unknown(reason: impl std::fmt::Display) -> String {
    format!("unknown ({reason})")
}

fn missing(reason: &str) -> String {
    unknown(reason)
}

/// Returns Cranelift's target for this machine.
///
/// # Errors
/// If Cranelift does not support this machine.
pub fn host_isa() -> Result<std::sync::Arc<dyn TargetIsa>, String> {
    let mut shared = settings::builder();
    for (name, value) in CRANELIFT_SETTINGS {
        shared.set(name, value).map_err(|e| e.to_string())?;
    }
    let builder = cranelift_native::builder()?;
    builder.finish(settings::Flags::new(shared)).map_err(|e| e.to_string())
}

/// Returns the changed shared flags as `name=value`, and the names of the enabled flags of the instruction
/// set.
fn enabled_flags(isa: &dyn TargetIsa) -> String {
    let defaults = settings::Flags::new(settings::builder());
    let defaults: Vec<String> = defaults.iter().map(|value| value.to_string()).collect();
    let shared = isa.flags().iter().map(|value| value.to_string());
    let changed = shared.filter(|value| !defaults.contains(value));
    let isa_flags = isa.isa_flags();
    let enabled = isa_flags.iter().filter(|v| v.as_bool() == Some(true)).map(|v| v.name);
    let flags: Vec<String> =
        changed.map(|flag| flag.replace(" = ", "=")).chain(enabled.map(str::to_owned)).collect();
    flags.join(" ")
}

fn build() -> String {
    let code = if cfg!(debug_assertions) { "with debug assertions" } else { "optimised" };
    let profile = env!("LOADLINE_PROFILE");
    let libc = if cfg!(target_env = "gnu") { "gnu" } else { std::env::consts::FAMILY };
    format!("{}-{libc} {code}, {profile} profile", std::env::consts::OS)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn libc_version() -> String {
    // SAFETY: glibc's gnu_get_libc_version returns a NUL-terminated string of static lifetime.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    format!("glibc {}", version.to_string_lossy())
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn libc_version() -> String {
    missing("only glibc tells its version")
}

fn trimmed(path: impl AsRef<Path>) -> Result<String, std::io::Error> {
    fs::read_to_string(path).map(|text| text.trim().to_owned())
}

fn kernel() -> String {
    let release = sysctl("kernel/osrelease");
    format!("{} {release}", std::env::consts::OS)
}

fn sysctl(name: &str) -> String {
    trimmed(Path::new("/proc/sys").join(name)).unwrap_or_else(unknown)
}

/// Returns the CPU model. x86 has a model name; arm64 has only the numbers of implementer and part.
fn cpu_model() -> String {
    let text = match fs::read_to_string("/proc/cpuinfo") {
        Ok(text) => text,
        Err(error) => return unknown(error),
    };
    let field = |name: &str| {
        let row =
            text.lines().find(|line| line.split(':').next().is_some_and(|k| k.trim() == name));
        row.and_then(|row| row.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let x86 = || {
        let (model, family) = (field("model name")?, field("cpu family")?);
        let (number, stepping) = (field("model")?, field("stepping")?);
        Some(format!("{model} (family {family}, model {number}, stepping {stepping})"))
    };
    let arm = || {
        let (implementer, part) = (field("CPU implementer")?, field("CPU part")?);
        Some(format!("implementer {implementer}, part {part}"))
    };
    x86().or_else(arm).unwrap_or_else(|| missing("/proc/cpuinfo names no model"))
}

/// Returns the caches of the first CPU, such as `L1d 32K, L1i 32K, L2 1024K, L3 32768K`.
fn caches() -> String {
    let base = Path::new("/sys/devices/system/cpu/cpu0/cache");
    let one = |index: usize| -> Option<String> {
        let folder = base.join(format!("index{index}"));
        let read = |name: &str| trimmed(folder.join(name)).ok();
        let kind = match read("type")?.as_str() {
            "Data" => "d",
            "Instruction" => "i",
            _ => "",
        };
        Some(format!("L{}{kind} {}", read("level")?, read("size")?))
    };
    let all: Vec<String> = (0..8).map_while(one).collect();
    if all.is_empty() { missing("the kernel lists no caches") } else { all.join(", ") }
}

/// Returns `off` if the personality of this process or the whole system turns randomisation off.
fn address_randomisation() -> String {
    // ADDR_NO_RANDOMIZE of personality(2).
    const NONE: u64 = 0x0040000;
    let personality = trimmed("/proc/self/personality").ok();
    let personality = personality.and_then(|text| u64::from_str_radix(&text, 16).ok());
    match (personality, sysctl("kernel/randomize_va_space").as_str()) {
        (Some(bits), _) if bits & NONE != 0 => "off".to_owned(),
        (_, "0") => "off".to_owned(),
        (_, "1" | "2") => "on".to_owned(),
        (_, other) => other.to_owned(),
    }
}

/// Returns the soft limit in a row of `/proc/self/limits`.
fn limits_row(name: &str) -> String {
    let read = fs::read_to_string("/proc/self/limits");
    let text = match read {
        Ok(text) => text,
        Err(error) => return unknown(error),
    };
    let row = text.lines().find_map(|line| line.strip_prefix(name));
    let soft = row.and_then(|row| row.split_whitespace().next());
    soft.map_or_else(|| missing("no such row in /proc/self/limits"), str::to_owned)
}

fn status_row(name: &str) -> String {
    let text = match fs::read_to_string("/proc/self/status") {
        Ok(text) => text,
        Err(error) => return unknown(error),
    };
    let row = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    row.map_or_else(|| missing("no such row in /proc/self/status"), |row| row.trim().to_owned())
}

fn allocator() -> String {
    let tunables = std::env::var("GLIBC_TUNABLES");
    tunables.unwrap_or_else(|_| "the C library's own settings".to_owned())
}

/// Returns the arguments in full, but only the names of the environment variables. Their values may be long
/// or secret.
fn started_with() -> String {
    let arguments = std::env::args_os().map(|a| a.to_string_lossy().into_owned());
    let mut names: Vec<String> =
        std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    names.sort();
    let arguments = arguments.collect::<Vec<_>>().join(" ");
    let names = if names.is_empty() { "empty".to_owned() } else { names.join(" ") };
    format!("arguments: {arguments}; environment: {names}")
}

fn memory() -> String {
    let left = Headroom::now().of(Resource::Memory).map(Usage::left);
    left.map_or_else(|| missing("this system does not tell"), |bytes| bytes.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_said() {
        let environment = describe();
        let json = serde_json::to_value(&environment).expect("plain text");
        for (name, value) in json.as_object().expect("a struct") {
            let text = value.as_str().expect("a text");
            assert!(!text.is_empty(), "{name} is empty");
        }
        assert!(environment.wasmtime.starts_with("48."), "{}", environment.wasmtime);
        assert!(environment.cranelift.starts_with("0.135."), "{}", environment.cranelift);
        // Programs installed with and without `--debug` are two different programs.
        let profile = format!(", {} profile", env!("LOADLINE_PROFILE"));
        assert!(environment.build.ends_with(&profile), "{}", environment.build);
    }
}
