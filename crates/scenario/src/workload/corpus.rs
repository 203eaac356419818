//! The artifacts that a run loads ([`Corpus`]), the properties of generated modules, and the handling of
//! their unwind tables.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The handling of an artifact's native unwind tables before it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tables {
    /// The tables stay as compiled and are registered with the process's unwinder.
    #[default]
    Keep,
    /// The tables are hidden from Wasmtime, which then registers nothing.
    #[serde(alias = "stripped")]
    Strip,
}

impl Tables {
    /// The value's name in files and on screen.
    pub const fn name(self) -> &'static str {
        match self {
            Tables::Keep => "keep",
            Tables::Strip => "strip",
        }
    }
}

/// How an artifact is passed to Wasmtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadFrom {
    /// Read into memory, then `Module::deserialize`.
    #[default]
    Bytes,
    /// `Module::deserialize_file`, which maps the file.
    File,
    /// From the loader's store, which is filled before anything is measured. Each entry is read, compared
    /// with its seal, and deserialized.
    Store,
    /// From the loader's pack, a single mapping for all modules. The pack is made and opened before anything
    /// is measured. Packs register no unwind tables. With [`Tables::Keep`], unwinders find frames through the
    /// pack's own index, where the machine allows it.
    Pack,
}

/// Whether the function types of generated modules are the same in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TypeSharing {
    /// All modules declare the same function types.
    #[default]
    Shared,
    /// Every module declares function types that no other module has.
    Own,
}

/// The host function that generated modules import, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostFunction {
    /// The modules import nothing.
    #[default]
    None,
    /// One host function, of the same type in all modules. It can be called through a few frames of wasm.
    SharedType,
    /// One host function, of a type that no other module has.
    OwnType,
}

impl HostFunction {
    fn is_none(&self) -> bool {
        *self == HostFunction::None
    }
}

/// The properties of generated modules. All modules of one corpus differ in names and bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Generated {
    /// The number of functions per module, including exported ones.
    pub functions: NonZeroUsize,
    /// The number of exported functions; at most `functions`.
    pub exported: NonZeroUsize,
    /// The number of function types that a module declares, besides the type of its exported functions.
    pub types: usize,
    /// Whether modules share those types.
    #[serde(rename = "type-sharing")]
    pub type_sharing: TypeSharing,
    /// The number of active data segments.
    #[serde(rename = "data-segments")]
    pub data_segments: usize,
    /// The number of arithmetic operations in a function's body.
    #[serde(rename = "body-size")]
    pub body_size: usize,
    /// The host function that a module imports. `HostFunction::None` is left out of the JSON, so that runners
    /// of older sources understand the request.
    #[serde(rename = "host-function", default, skip_serializing_if = "HostFunction::is_none")]
    pub host_function: HostFunction,
    /// The number of core modules in each artifact, which is then a component. `None` makes plain modules,
    /// and is left out of the JSON as well.
    #[serde(rename = "core-modules", default, skip_serializing_if = "Option::is_none")]
    pub core_modules: Option<NonZeroUsize>,
    /// The seed that distinguishes this corpus from others with the same properties.
    pub seed: u64,
}

impl Default for Generated {
    fn default() -> Generated {
        let twelve = const { NonZeroUsize::new(12).expect("twelve is not zero") };
        Generated {
            functions: twelve,
            exported: twelve,
            types: 4,
            type_sharing: TypeSharing::Shared,
            data_segments: 0,
            body_size: 24,
            host_function: HostFunction::None,
            core_modules: None,
            seed: 7,
        }
    }
}

/// The source of the N artifacts of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corpus {
    /// Modules generated from a seed.
    Generated(Generated),
    /// The user's own `.wasm`, `.wat`, component or `.cwasm` files, in turn, until there are N. In a scenario
    /// the paths are relative to the root of the repository, and may be patterns (`*`, `**`, `?`). In a
    /// request to the runner, each is the path of one file.
    #[serde(with = "crate::workload::path::list")]
    Files(Vec<PathBuf>),
}
