//! [`UnwindPolicy`]: the treatment of the unwind tables of an artifact before it is loaded.

use std::fmt;

/// The treatment of the unwind tables of an artifact.
///
/// The policy is applied to the artifact, because the setting of the loading engine has no influence on the
/// tables. Windows artifacts keep their tables under any policy. On Windows, the tables are part of the ABI,
/// and their cost does not grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum UnwindPolicy {
    /// Hides the tables, so that loading registers nothing. Native backtraces and native exceptions then end
    /// at the first wasm frame. Traps and `WasmBacktrace` do not use these tables.
    #[default]
    Strip,
    /// Leaves the tables, so that Wasmtime registers them. On common unwinders, unloading or every native
    /// unwind then takes longer the more modules are loaded.
    Keep,
    /// Rejects artifacts that have tables. Use this policy to make sure that artifacts are compiled without
    /// them.
    RequireAbsent,
}

#[cfg(feature = "compile")]
impl UnwindPolicy {
    /// Returns the byte that represents the policy in saved data.
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
