//! [`NCounts`]: what N counts.

use serde::{Deserialize, Serialize};

/// What N counts. Except with `Modules`, the number of modules stays the same at every N.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NCounts {
    /// The number of loaded modules.
    #[default]
    Modules,
    /// The number of functions of a generated module. If all functions are exported, all stay exported.
    Functions,
    /// The number of core modules in a generated component.
    CoreModules,
}

impl NCounts {
    /// The name of one unit of N, for readers.
    pub const fn unit(self) -> &'static str {
        match self {
            NCounts::Modules => "module",
            NCounts::Functions => "function",
            NCounts::CoreModules => "core module",
        }
    }

    /// Whether N is the number of modules.
    pub fn is_modules(&self) -> bool {
        *self == NCounts::Modules
    }
}
