//! Settings of this process in the operating system: fixed addresses, limits, CPUs, and its end with its
//! parent.

#![allow(unsafe_code)]

use loadline_scenario::Limit;
#[cfg(target_os = "linux")]
use rustix::process::Signal;

use crate::error::Error;

/// The program name that the starting processes use. It has the same length for every path of the program.
#[cfg(target_os = "linux")]
const PROGRAM: &str = "loadline-runner";

/// Starts this program again with address randomisation off, if the system allows it. Returns if
/// randomisation is off already or cannot be turned off.
///
/// The addresses of modules decide in which order libgcc keeps their tables, so a run repeats only with fixed
/// addresses. Containers often forbid the call, and the environment records the actual setting. Under
/// valgrind this function does nothing. valgrind itself chooses the addresses, the same each time, and would
/// not follow into the program that is started again.
#[cfg(target_os = "linux")]
pub fn fix_addresses() {
    use std::os::unix::process::CommandExt;

    use nix::sys::personality::{self, Persona};

    if loadline_callgrind::client::is_running() {
        return;
    }
    let Ok(current) = personality::get() else { return };
    if current.contains(Persona::ADDR_NO_RANDOMIZE) {
        return;
    }
    // The bit takes effect at the next execve.
    let done = personality::set(current | Persona::ADDR_NO_RANDOMIZE);
    let is_set = |now: Persona| now.contains(Persona::ADDR_NO_RANDOMIZE);
    if done.is_ok() && personality::get().is_ok_and(is_set) {
        // This returns only if the program cannot be started again. The process then continues.
        let mut again = std::process::Command::new("/proc/self/exe");
        let _ = again.arg0(PROGRAM).args(std::env::args_os().skip(1)).exec();
    }
}

/// Does nothing on this platform.
#[cfg(not(target_os = "linux"))]
pub fn fix_addresses() {}

/// Lowers `limit` to `wanted`, for this process only. There is no limit of mappings per process.
///
/// # Errors
/// If the operating system rejects the limit.
#[cfg(unix)]
pub fn lower(limit: Limit, wanted: u64) -> Result<(), Error> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let refused = |source| Error::LimitNotLowered { limit, wanted, source };
    let resource = match limit {
        Limit::Mappings => return Err(refused(std::io::ErrorKind::Unsupported.into())),
        Limit::Descriptors => Resource::Nofile,
        Limit::AddressSpace => Resource::As,
    };
    let bounds = Rlimit { current: Some(wanted), maximum: Some(wanted) };
    setrlimit(resource, bounds).map_err(|error| refused(error.into()))
}

/// Returns an error, because this platform does not support it.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub fn lower(limit: Limit, wanted: u64) -> Result<(), Error> {
    Err(Error::LimitNotLowered { limit, wanted, source: std::io::ErrorKind::Unsupported.into() })
}

/// Makes glibc's malloc take memory only by growing its heap, which is one mapping of any size, and free none
/// of it. Otherwise large blocks would be mappings of their own, and Rust ends the process when memory runs
/// out.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_heap_in_one_mapping() {
    unsafe extern "C" {
        // SAFETY: mallopt(3) takes two numbers, any two.
        safe fn mallopt(parameter: libc::c_int, value: libc::c_int) -> libc::c_int;
    }
    for (parameter, value) in
        [(libc::M_MMAP_MAX, 0), (libc::M_TRIM_THRESHOLD, i32::MAX), (libc::M_ARENA_MAX, 1)]
    {
        let _ = mallopt(parameter, value);
    }
}

/// Does nothing, because other allocators have no such setting.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_heap_in_one_mapping() {}

/// Makes every error of Wasmtime keep a native backtrace, like `RUST_BACKTRACE=1` in the environment of a new
/// process. Call this while the process has only one thread.
pub fn keep_backtraces() {
    // SAFETY: this process has not started a thread yet. `main` reads the request and calls
    // `measure::measure`, which calls this function before anything else.
    unsafe { std::env::set_var("RUST_BACKTRACE", "1") };
}

/// Makes the kernel end this process when the process that started it ends for any reason.
#[cfg(target_os = "linux")]
pub fn end_with_parent() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    ask_for_signal_of_parents_end(Signal::KILL);
    // A parent that ended before this point sends no signal. But it has closed the pipe for the answers,
    // because the kernel closes descriptors first.
    let output = std::io::stdout();
    let mut answers = [PollFd::new(&output, PollFlags::empty())];
    let found = poll(&mut answers, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    if found.is_ok_and(|found| found > 0) && answers[0].revents().contains(PollFlags::ERR) {
        eprintln!("the program that started this runner has ended, so no program reads the answer");
        std::process::exit(1);
    }
}

/// Does nothing on this platform.
#[cfg(not(target_os = "linux"))]
pub fn end_with_parent() {}

#[cfg(target_os = "linux")]
fn ask_for_signal_of_parents_end(signal: Signal) {
    let _ = rustix::process::set_parent_process_death_signal(Some(signal));
}

/// Makes the kernel end `command` when this process ends for any reason. Processes that the command starts
/// are in our process group, which ends with the run.
#[cfg(target_os = "linux")]
pub fn end_command_with_us(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;

    end_group_with_parent();
    let end = || {
        ask_for_signal_of_parents_end(Signal::KILL);
        Ok(())
    };
    // SAFETY: between fork and exec only prctl(2) is called, which allocates nothing and takes no lock.
    unsafe { command.pre_exec(end) };
}

/// Makes this process end its whole group when the process that started it ends. No other process would then
/// end the processes that the command has started.
#[cfg(target_os = "linux")]
fn end_group_with_parent() {
    use rustix::process::{getpgrp, getpid, kill_current_process_group};

    extern "C" fn end_group(_signal: libc::c_int) {
        // kill(2) may be called in a handler, and rustix calls nothing else.
        let _ = kill_current_process_group(Signal::KILL);
    }
    // If the runner was started by hand, the group may be that of a shell, with other programs in it.
    if getpgrp() == getpid() {
        let handler = end_group as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the handler calls nothing but kill(2). A program that is started after it has no handler.
        if unsafe { libc::signal(libc::SIGTERM, handler) } != libc::SIG_ERR {
            ask_for_signal_of_parents_end(Signal::TERM);
        }
    }
}

/// Does nothing on this platform.
#[cfg(not(target_os = "linux"))]
pub fn end_command_with_us(_command: &mut std::process::Command) {}

/// Detects the end of one process that this process has started.
#[derive(Debug)]
pub struct EndOf(#[cfg(target_os = "linux")] Option<std::os::fd::OwnedFd>);

impl EndOf {
    /// Watches `child` from here on (pidfd_open(2), Linux 5.3). If the system does not support that, the end
    /// is never detected.
    #[cfg(target_os = "linux")]
    pub fn process(child: &std::process::Child) -> EndOf {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};

        EndOf(pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok())
    }

    /// Waits for output or for the end of the process. Returns true if `output` has something to read or has
    /// been closed. Returns false if the process has ended and has written nothing more.
    #[cfg(target_os = "linux")]
    pub fn or_output(&self, output: &impl std::os::fd::AsFd) -> bool {
        use rustix::event::{PollFd, PollFlags, poll};

        let Some(ended) = &self.0 else { return true };
        loop {
            let mut both = [PollFd::new(output, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
            match poll(&mut both, None) {
                // Everything that the process wrote before its end is already in the pipe.
                Ok(1..) => return !both[0].revents().is_empty(),
                Err(rustix::io::Errno::INTR) => {}
                _ => return true,
            }
        }
    }

    /// Does nothing, because this platform does not support it. The end is never detected.
    #[cfg(not(target_os = "linux"))]
    pub fn process(_child: &std::process::Child) -> EndOf {
        EndOf()
    }

    /// Returns true, because this platform does not support it. The caller then waits for the output.
    #[cfg(not(target_os = "linux"))]
    pub fn or_output<O>(&self, _output: &O) -> bool {
        true
    }
}

/// Keeps this process, and every thread and program that it starts, on the given CPUs. If none is given, all
/// CPUs stay allowed.
///
/// # Errors
/// If the system does not allow one of them.
#[cfg(target_os = "linux")]
pub fn stay_on(processors: &[usize]) -> Result<(), String> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    if processors.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for &processor in processors {
        if processor >= CpuSet::MAX_CPU {
            return Err(format!("cannot stay on CPU {processor}: there is no such number"));
        }
        set.set(processor);
    }
    sched_setaffinity(None, &set).map_err(|error| {
        let error = std::io::Error::from(error);
        format!(
            "cannot stay on CPUs {processors:?}: {error} (does taskset -cp $$ list each of them?)"
        )
    })
}

/// Returns an error if a CPU is given, because this platform does not support it.
#[cfg(not(target_os = "linux"))]
pub fn stay_on(processors: &[usize]) -> Result<(), String> {
    match processors {
        [] => Ok(()),
        _ => Err("cannot stay on some CPUs: this works on Linux only".to_owned()),
    }
}

/// Raises the soft limit of open descriptors to the hard limit. Modules loaded from files keep one descriptor
/// each, and the usual soft limit is 1,024.
#[cfg(unix)]
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If the kernel refuses, the limit stays, and the environment records it.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Does nothing on this platform.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() {}
