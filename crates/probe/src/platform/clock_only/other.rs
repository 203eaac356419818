//! Every other platform: wall time only. This code has not been run yet.

/// Returns `None`, because we know of no thread clock here.
pub(crate) fn thread_cpu_ns() -> Option<u64> {
    None
}
