//! [`UnwindPolicy`]: what becomes of an artifact's unwind tables before it is loaded.

use std::fmt;

/// What becomes of an artifact's unwind tables. Applied to the artifact, since the setting of the
/// engine that loads it has no say in the matter.
///
/// Windows artifacts keep theirs under any policy: there they are part of the ABI, and cost nothing
/// that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum UnwindPolicy {
    /// Hides them, so that loading registers nothing. Native backtraces, and native exceptions,
    /// then end at the first wasm frame; traps and `WasmBacktrace` do not use these tables.
    #[default]
    Strip,
    /// Leaves them, to be registered. On common unwinders that makes unloading, or every native
    /// unwind, take longer the more modules are loaded.
    Keep,
    /// Refuses artifacts that have any, for those who compile without and want it to stay so.
    RequireAbsent,
}

#[cfg(feature = "compile")]
impl UnwindPolicy {
    /// One byte that stands for the policy where it is written down.
    pub(crate) fn code(self) -> u8 {
        match self {
            UnwindPolicy::Strip => 0,
            UnwindPolicy::Keep => 1,
            UnwindPolicy::RequireAbsent => 2,
        }
    }
}

impl fmt::Display for UnwindPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UnwindPolicy::Strip => "strip",
            UnwindPolicy::Keep => "keep",
            UnwindPolicy::RequireAbsent => "require-absent",
        })
    }
}
