//! How this process stands to the system: fixed addresses, and an end with its parent.

#![allow(unsafe_code)]

use loadline_scenario::Limit;

use crate::error::Error;

/// What this program is called by those who start it: always of one length, wherever it lies.
#[cfg(target_os = "linux")]
const PROGRAM: &str = "loadline-runner";

/// Starts this program again with address randomisation off, where the system allows it; returns
/// where it is off already or cannot be turned off.
///
/// Which addresses modules get decides in which order libgcc keeps their tables; with fixed
/// addresses a run repeats. Containers often forbid the call; the environment records what is.
/// Under valgrind nothing is done: it lays out the addresses itself, the same each time, and would
/// not follow into the program started again.
#[cfg(target_os = "linux")]
pub fn fix_addresses() {
    use std::os::unix::process::CommandExt;

    const QUERY: libc::c_ulong = 0xffff_ffff;
    if loadline_callgrind::client::is_running() {
        return;
    }
    // SAFETY: personality(2) takes a number and returns one; this value only asks.
    let current = unsafe { libc::personality(QUERY) };
    if current < 0 || current & libc::ADDR_NO_RANDOMIZE != 0 {
        return;
    }
    let wanted = (current | libc::ADDR_NO_RANDOMIZE) as libc::c_ulong;
    // SAFETY: as above; the bit takes effect at the next execve.
    let done = unsafe { libc::personality(wanted) };
    // SAFETY: as above.
    let now = unsafe { libc::personality(QUERY) };
    if done >= 0 && now & libc::ADDR_NO_RANDOMIZE != 0 {
        // Returns only where the program cannot be started again; then this process goes on.
        let mut again = std::process::Command::new("/proc/self/exe");
        let _ = again.arg0(PROGRAM).args(std::env::args_os().skip(1)).exec();
    }
}

/// Not offered on this platform.
#[cfg(not(target_os = "linux"))]
pub fn fix_addresses() {}

/// Lowers `limit` to `wanted`, for this process alone. Mappings have no limit of a process's own.
///
/// # Errors
/// Where the system does not take it.
#[cfg(unix)]
pub fn lower(limit: Limit, wanted: u64) -> Result<(), Error> {
    let refused = |source| Error::LimitNotLowered { limit, wanted, source };
    let resource = match limit {
        Limit::Mappings => return Err(refused(std::io::ErrorKind::Unsupported.into())),
        Limit::Descriptors => libc::RLIMIT_NOFILE,
        Limit::AddressSpace => libc::RLIMIT_AS,
    };
    let wanted_as = libc::rlim_t::try_from(wanted).unwrap_or(libc::RLIM_INFINITY);
    let bounds = libc::rlimit { rlim_cur: wanted_as, rlim_max: wanted_as };
    // SAFETY: setrlimit reads the struct it is given.
    if unsafe { libc::setrlimit(resource, &bounds) } == 0 {
        return Ok(());
    }
    Err(refused(std::io::Error::last_os_error()))
}

/// Not offered on this platform.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub fn lower(limit: Limit, wanted: u64) -> Result<(), Error> {
    Err(Error::LimitNotLowered { limit, wanted, source: std::io::ErrorKind::Unsupported.into() })
}

/// Has glibc's malloc take memory by growing its heap, which is one mapping however large, and give
/// none back. Large blocks would be mappings of their own, and Rust ends the process when there is
/// no memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_heap_in_one_mapping() {
    for (parameter, value) in
        [(libc::M_MMAP_MAX, 0), (libc::M_TRIM_THRESHOLD, i32::MAX), (libc::M_ARENA_MAX, 1)]
    {
        // SAFETY: mallopt(3) takes two numbers.
        let _ = unsafe { libc::mallopt(parameter, value) };
    }
}

/// Other allocators do as they like.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_heap_in_one_mapping() {}

/// Has every error of Wasmtime keep a native backtrace, as `RUST_BACKTRACE=1` does in a program that
/// is started with it. To be called while this is the process's only thread.
pub fn keep_backtraces() {
    // SAFETY: this process has not started a thread yet: `main` reads the request and calls
    // `measure::measure`, which comes here before anything else.
    unsafe { std::env::set_var("RUST_BACKTRACE", "1") };
}

/// Has the kernel end this process when the one that started it ends, however that happens.
#[cfg(target_os = "linux")]
pub fn end_with_parent() {
    ask_for_signal_of_parents_end(libc::SIGKILL);
    // Whoever ended before that sends no signal, but has closed the pipe that answers go into: the
    // kernel closes descriptors first.
    let mut answers = libc::pollfd { fd: libc::STDOUT_FILENO, events: 0, revents: 0 };
    // SAFETY: poll(2) is given one struct, of which it writes `revents`, and does not wait.
    let found = unsafe { libc::poll(&mut answers, 1, 0) };
    if found > 0 && answers.revents & libc::POLLERR != 0 {
        eprintln!("the program that started this has ended, and nobody reads the answer");
        std::process::exit(1);
    }
}

/// Not offered on this platform.
#[cfg(not(target_os = "linux"))]
pub fn end_with_parent() {}

#[cfg(target_os = "linux")]
fn ask_for_signal_of_parents_end(signal: libc::c_int) {
    // SAFETY: prctl(PR_SET_PDEATHSIG) takes a signal number and touches no memory.
    let _ = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) };
}

/// Has the kernel end `command` when this process ends, however that happens. What the command
/// starts itself is in our process group, which ends with the run.
#[cfg(target_os = "linux")]
pub fn end_command_with_us(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;

    end_group_with_parent();
    let end = || {
        ask_for_signal_of_parents_end(libc::SIGKILL);
        Ok(())
    };
    // SAFETY: between fork and exec only prctl(2) is called, which allocates nothing and takes no
    // lock.
    unsafe { command.pre_exec(end) };
}

/// Has this process end its whole group when the one that started it ends: then nobody is left who
/// would end what the command has started.
#[cfg(target_os = "linux")]
fn end_group_with_parent() {
    extern "C" fn end_group(_signal: libc::c_int) {
        // SAFETY: kill(2) may be called in a handler; group 0 is ours, and this process in it.
        let _ = unsafe { libc::kill(0, libc::SIGKILL) };
    }
    // SAFETY: both take no argument and return a number.
    let leads_its_group = unsafe { libc::getpgrp() == libc::getpid() };
    // Started by hand, the group may be a shell's with other programs in it.
    if leads_its_group {
        let handler = end_group as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the handler calls nothing but kill(2); what is started after it has none.
        if unsafe { libc::signal(libc::SIGTERM, handler) } != libc::SIG_ERR {
            ask_for_signal_of_parents_end(libc::SIGTERM);
        }
    }
}

/// Not offered on this platform.
#[cfg(not(target_os = "linux"))]
pub fn end_command_with_us(_command: &mut std::process::Command) {}

/// Sees the end of one process that this one has started.
#[derive(Debug)]
pub struct EndOf(#[cfg(target_os = "linux")] Option<std::os::fd::OwnedFd>);

impl EndOf {
    /// Looks at `child` from here on (pidfd_open(2), Linux 5.3). Where the system does not offer that,
    /// the end is never seen.
    #[cfg(target_os = "linux")]
    pub fn process(child: &std::process::Child) -> EndOf {
        use std::os::fd::{FromRawFd, OwnedFd};

        let flags: libc::c_uint = 0;
        // SAFETY: pidfd_open(2) takes two numbers, and returns a descriptor of this process alone.
        let opened =
            unsafe { libc::syscall(libc::SYS_pidfd_open, child.id() as libc::pid_t, flags) };
        let descriptor = i32::try_from(opened).ok().filter(|descriptor| *descriptor >= 0);
        // SAFETY: the descriptor has just been opened, and nobody else owns it.
        EndOf(descriptor.map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Waits until `output` has something to read, or has been closed: true; false once the process
    /// has ended and has written nothing more.
    #[cfg(target_os = "linux")]
    pub fn or_output(&self, output: &impl std::os::fd::AsRawFd) -> bool {
        use std::os::fd::AsRawFd;

        let Some(ended) = &self.0 else { return true };
        let wait = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        loop {
            let mut both = [wait(output.as_raw_fd()), wait(ended.as_raw_fd())];
            // SAFETY: poll(2) is given two structs, of which it writes `revents`.
            match unsafe { libc::poll(both.as_mut_ptr(), 2, -1) } {
                // What the process wrote before its end was in the pipe by then.
                1.. => return both[0].revents != 0,
                _ if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
                _ => return true,
            }
        }
    }

    /// Not offered on this platform: the end is never seen.
    #[cfg(not(target_os = "linux"))]
    pub fn process(_child: &std::process::Child) -> EndOf {
        EndOf()
    }

    /// Not offered on this platform: the output is waited for in any case.
    #[cfg(not(target_os = "linux"))]
    pub fn or_output<O>(&self, _output: &O) -> bool {
        true
    }
}

/// Keeps this process, and every thread and program it starts, on these processors; on all it has if
/// none is named.
///
/// # Errors
/// When the system does not allow one of them.
#[cfg(target_os = "linux")]
pub fn stay_on(processors: &[usize]) -> Result<(), String> {
    if processors.is_empty() {
        return Ok(());
    }
    // SAFETY: a set of processors is plain bits, of which none is set here.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &processor in processors {
        if processor >= libc::CPU_SETSIZE as usize {
            return Err(format!("cannot stay on processor {processor}: there is no such number"));
        }
        // SAFETY: the number is within the set, as was just seen.
        unsafe { libc::CPU_SET(processor, &mut set) };
    }
    // SAFETY: sched_setaffinity(2) reads as many bytes of the set as it is told, its own size.
    let done = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    if done == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(format!("cannot stay on processors {processors:?}: {error} (is each of them in nproc's?)"))
}

/// Not offered on this platform.
#[cfg(not(target_os = "linux"))]
pub fn stay_on(processors: &[usize]) -> Result<(), String> {
    match processors {
        [] => Ok(()),
        _ => Err("cannot stay on some processors: that is offered on Linux only".to_owned()),
    }
}

/// Raises the soft limit of open descriptors to the hard one: modules loaded from files keep a
/// descriptor each, and the usual soft limit is 1,024.
#[cfg(unix)]
pub fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes to the struct it is given.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0 {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: setrlimit reads the struct. Refused, the limit stays, and the environment has it.
        let _ = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    }
}

/// Not offered on this platform.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() {}
