//! [`Phase`]: the stretches of a run that readings belong to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::unknown_name::{UnknownName, known};

/// The stretch of a run that a reading belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Phase {
    /// Bytes of the artifact brought from disk into memory.
    Read,
    /// `Module::deserialize` and its kin: from bytes or file to a ready module.
    Deserialize,
    /// `read` and `deserialize` together.
    Load,
    /// Instantiation and call of one exported function in a sample of the modules.
    Call,
    /// A native backtrace taken in the host.
    Unwind,
    /// A native backtrace taken in a host function that was called from wasm.
    Backtrace,
    /// A call that traps, with the native backtrace that its error keeps.
    Trap,
    /// A panic of the host, and its being caught a few frames up.
    Panic,
    /// Instantiation of a module, with a host function made for it, in the one store of the thread.
    Instantiate,
    /// Telling the unwinder about unwind tables, without a module.
    Register,
    /// Telling the unwinder to forget them.
    Deregister,
    /// From dropping the last handle of a module to its being gone.
    Unload,
    /// `load` and `unload` together.
    Total,
    /// Planted work of known growth, which the gate must see to be trusted.
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
