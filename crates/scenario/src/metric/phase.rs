//! [`Phase`]: the parts of a run to which readings belong.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::unknown_name::{UnknownName, known};

/// The part of a run to which a reading belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Phase {
    /// Reading an artifact's bytes from disk into memory.
    Read,
    /// `Module::deserialize` and similar functions: from bytes or a file to a ready module.
    Deserialize,
    /// `read` and `deserialize` together.
    Load,
    /// Instantiating a sample of the modules and calling an exported function of each.
    Call,
    /// A native backtrace taken in the host.
    Unwind,
    /// A native backtrace taken in a host function that wasm has called.
    Backtrace,
    /// A call that traps. Its error keeps the native backtrace.
    Trap,
    /// A panic of the host, which is caught a few frames up.
    Panic,
    /// Instantiating a module, with a host function made for it, in the thread's single store.
    Instantiate,
    /// Registering unwind tables with the unwinder, without a module.
    Register,
    /// Deregistering unwind tables.
    Deregister,
    /// Dropping a module, from dropping its last handle until the module is gone.
    Unload,
    /// `load` and `unload` together.
    Total,
    /// The self-check's work, whose growth is known. A session must detect that growth to be trusted.
    Work,
    /// The whole run of a command that marks no phases.
    Run,
}

impl Phase {
    /// Every phase, in the order of a report.
    pub const ALL: [Phase; 15] = [
        Phase::Read,
        Phase::Deserialize,
        Phase::Load,
        Phase::Call,
        Phase::Unwind,
        Phase::Backtrace,
        Phase::Trap,
        Phase::Panic,
        Phase::Instantiate,
        Phase::Register,
        Phase::Deregister,
        Phase::Unload,
        Phase::Total,
        Phase::Work,
        Phase::Run,
    ];

    /// The phase's name in files and on screen.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Read => "read",
            Phase::Deserialize => "deserialize",
            Phase::Load => "load",
            Phase::Call => "call",
            Phase::Unwind => "unwind",
            Phase::Backtrace => "backtrace",
            Phase::Trap => "trap",
            Phase::Panic => "panic",
            Phase::Instantiate => "instantiate",
            Phase::Register => "register",
            Phase::Deregister => "deregister",
            Phase::Unload => "unload",
            Phase::Total => "total",
            Phase::Work => "work",
            Phase::Run => "run",
        }
    }

    /// The phases whose costs add up to this one; empty for a phase that is measured itself.
    pub const fn parts(self) -> &'static [Phase] {
        match self {
            Phase::Load => &[Phase::Read, Phase::Deserialize],
            Phase::Total => &[Phase::Read, Phase::Deserialize, Phase::Unload],
            _ => &[],
        }
    }
}

impl FromStr for Phase {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Phase, UnknownName> {
        let found = Phase::ALL.into_iter().find(|p| p.name() == name);
        found.ok_or_else(|| UnknownName {
            what: "phase",
            name: name.to_owned(),
            known: known(&Phase::ALL),
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
