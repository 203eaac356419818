//! Every other platform: wall time alone. Not yet run.

/// There is no thread clock we know of.
pub(crate) fn thread_cpu_ns() -> Option<u64> {
    None
}
