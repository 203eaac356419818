//! Thread clock for macOS. This code has not been run yet.
//!
//! macOS reports page faults and instructions for the whole process only (`getrusage`, `proc_pid_rusage`). A
//! sum over threads would count each fault once per thread, so these events are absent.

pub(crate) use crate::platform::thread_clock::thread_cpu_ns;
