//! macOS. Not yet run.
//!
//! Page faults and instructions are told for the whole process only (`getrusage`,
//! `proc_pid_rusage`); summed over threads they would count each fault once a thread, so they are
//! absent.

pub(crate) use crate::platform::thread_clock::thread_cpu_ns;
