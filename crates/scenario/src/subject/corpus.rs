//! Which artifacts a run loads: [`Corpus`], the axes of generated modules, and what is done about
//! their unwind tables.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What is done about an artifact's native unwind tables before it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tables {
    /// They stay as compiled and are registered with the process's unwinder.
    #[default]
    Keep,
    /// They are hidden from Wasmtime, which then registers nothing.
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

/// How an artifact reaches Wasmtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadFrom {
    /// Read into memory, then `Module::deserialize`.
    #[default]
    Bytes,
    /// `Module::deserialize_file`, which maps the file.
    File,
    /// From a store of the loader's, which is filled before anything is measured: each entry is read,
    /// compared with its seal, and deserialized.
    Store,
    /// From a pack of the loader's, one mapping for all modules, which is made and opened before
    /// anything is measured. Packs register no unwind tables; with [`Tables::Keep`] unwinders find
    /// frames through the pack's own index of them, where the machine allows it.
    Pack,
}

/// Whether the function types of generated modules are the same in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TypeSharing {
    /// Every module declares the same function types.
    #[default]
    Shared,
    /// Every module declares function types no other module has.
    Own,
}

/// The host function that generated modules import, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostFunction {
    /// They import nothing.
    #[default]
    None,
    /// One, of the same type in all modules. It can be called through a few frames of wasm.
    SharedType,
    /// One, of a type that no other module has.
    OwnType,
}

impl HostFunction {
    fn is_none(&self) -> bool {
        *self == HostFunction::None
    }
}

/// The axes of generated modules. All modules of one corpus differ in names and bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Generated {
    /// Functions a module has, exported ones included.
    pub functions: NonZeroUsize,
    /// How many of them are exported; at most `functions`.
    pub exported: NonZeroUsize,
    /// Function types a module declares beside the one of its exported functions.
    pub types: usize,
    /// Whether those types are its own.
    #[serde(rename = "type-sharing")]
    pub type_sharing: TypeSharing,
    /// Active data segments.
    #[serde(rename = "data-segments")]
    pub data_segments: usize,
    /// Arithmetic operations in a function's body.
    #[serde(rename = "body-size")]
    pub body_size: usize,
    /// The host function that a module imports. Left out where there is none, so that runners of
    /// older sources understand the request; as the next.
    #[serde(rename = "host-function", default, skip_serializing_if = "HostFunction::is_none")]
    pub host_function: HostFunction,
    /// Core modules in each artifact, which is a component then; a plain module where there are none.
    #[serde(rename = "core-modules", default, skip_serializing_if = "Option::is_none")]
    pub core_modules: Option<NonZeroUsize>,
    /// What makes this corpus differ from others with the same axes.
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

/// Where the N artifacts of a run come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corpus {
    /// Modules made from a seed.
    Generated(Generated),
    /// The user's own `.wasm`, `.wat`, component or `.cwasm` files, in turn, until there are N. In a
    /// scenario they are named from the root of the repository, and may be patterns (`*`, `**`, `?`);
    /// to the runner each is the path of one file.
    #[serde(with = "crate::subject::path::list")]
    Files(Vec<PathBuf>),
}
