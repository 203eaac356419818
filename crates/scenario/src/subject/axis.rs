//! What N is: [`Axis`].

use serde::{Deserialize, Serialize};

/// What rises from rung to rung. All but the first leave the number of modules as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// How many modules are loaded.
    #[default]
    Modules,
    /// How many functions a generated module has; all exported ones stay exported.
    Functions,
    /// How many core modules a generated component has.
    CoreModules,
}

impl Axis {
    /// One of what N counts, as a reader is told it.
    pub const fn unit(self) -> &'static str {
        match self {
            Axis::Modules => "module",
            Axis::Functions => "function",
            Axis::CoreModules => "core module",
        }
    }

    /// Whether N is the number of modules.
    pub fn is_modules(&self) -> bool {
        *self == Axis::Modules
    }
}
