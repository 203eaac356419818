//! Loads precompiled Wasmtime modules and components by the thousand, so that the next one costs what
//! the last one did, and says what each of them cost.
//!
//! You bring the [`Engine`](wasmtime::Engine) and get plain [`wasmtime::Module`]s and `Component`s.
//!
//! **What it does to your artifacts, and the price.** Wasmtime registers every module's unwind tables
//! with the process's unwinder. On common unwinders that makes loading thousands of modules and
//! unloading them quadratic (wasmtime issues 10084, 3427). So by default this crate hides the tables,
//! [`UnwindPolicy::Strip`], and then:
//! - a **native** backtrace that is taken in a host function called from wasm, a panic's too, ends at
//!   the first wasm frame, and a C++ exception thrown there cannot pass it;
//! - traps, `WasmBacktrace`, wasm exceptions, gdb and perf work as before: they do not use them.
//!
//! Where you need those backtraces, [`UnwindPolicy::Keep`] leaves the tables, and a warning tells what
//! they cost once it is felt. On Windows the tables are part of the ABI, cost nothing that grows, and
//! stay under any policy.
//!
//! | you have | take | and get |
//! |---|---|---|
//! | wasm, compiled when it is first seen | [`Store`], [`Loader::load_wasm`] | compiled once over all threads and processes, checked before it is run |
//! | a build step | `pack::PackWriter`, `pack::Pack`, [`Loader::load_packed`] | all modules in one mapping: no limit on mappings, loads without copying |
//! | artifacts in memory | [`Artifact`], [`Loader::load`] | the policy, sharing, headroom, records |
//!
//! ```
//! # #[cfg(feature = "compile")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use loadline_loader::wasmtime::{self, Config, Engine, Instance};
//! use loadline_loader::{Loader, LoaderOptions, Store, StoreOptions};
//!
//! # let home = tempfile::tempdir().unwrap();
//! # let folder = home.path().join("store");
//! # let wasm = br#"(module (func (export "double") (param i32) (result i32)
//! #                 (i32.shl (local.get 0) (i32.const 1))))"#;
//! let engine = Engine::new(&Config::new())?;
//! let store = Store::open(folder, StoreOptions::new().max_bytes(1 << 30))?;
//! let loader = Loader::new(&engine, LoaderOptions::new());
//!
//! let plugin = loader.load_wasm(&store, wasm)?; // Compiled now, or long ago by another process.
//! let module = plugin.module().expect("not a component");
//! let mut calls = wasmtime::Store::new(&engine, ());
//! let instance = Instance::new(&mut calls, module, &[])?;
//! let double = instance.get_typed_func::<i32, i32>(&mut calls, "double")?;
//! assert_eq!(double.call(&mut calls, 21)?, 42);
//! drop((calls, plugin)); // Another thread unloads the module.
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compile"))]
//! # fn main() {}
//! ```
//!
//! Programs to copy from are in `examples/`: a plugin host that takes up new versions, a host with
//! more tenants than it keeps loaded, a build step that makes a pack.
//!
//! # An artifact is trusted by where it comes from
//!
//! Wasmtime runs the machine code in a precompiled module unseen, so its own `deserialize` is
//! `unsafe`. Here the danger is settled when an [`Artifact`] is made: by compiling in this process,
//! by the [`Digest`] of one that was so compiled, by the seal of a store or pack that nobody else
//! can have written, or by code that says `unsafe` and vouches for the bytes. Loading it is then
//! safe. A [`Key`] makes the seal one that only its holders can make.
//!
//! # The unwind policy belongs to the artifact
//!
//! The loading engine's `Config::native_unwind_info(false)` changes nothing about an artifact that
//! was compiled with tables: Wasmtime does not ask it. [`Artifact::apply`] hides them in the
//! artifact's bytes, and stores, packs and the [`Loader`] call it.
//!
//! ```
//! # #[cfg(feature = "compile")]
//! # fn main() -> Result<(), loadline_loader::Error> {
//! use loadline_loader::wasmtime::Engine;
//! use loadline_loader::{UnwindPolicy, compile};
//!
//! let mut artifact = compile::bytes(&Engine::default(), b"(module (func))")?;
//! artifact.apply(UnwindPolicy::Strip)?;
//! assert!(cfg!(windows) || !artifact.contents().has_tables);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compile"))]
//! # fn main() {}
//! ```
//!
//! # Limits are errors
//!
//! A process that runs out of mappings is aborted: its allocator gets none either. A [`Loader`] knows
//! the [`headroom`] before each load, and what would not fit is an [`Error::Headroom`] that names the
//! limit, its value, and what to do.
//!
//! # Features
//!
//! - `compile` (default) makes artifacts from `.wasm`, `.wat` and component files, and links Cranelift for it. Without it this crate only loads, and builds with Wasmtime's
//!   `runtime` alone; a store is then asked by keys that were noted when compiling.
//! - `native-unwind`: native backtraces through packed modules at flat cost, where glibc and the
//!   unwinder allow; see `native_unwind`. Defines the symbol `_dl_find_object` in your program.
//! - `tracing`, `metrics`: observers that pass records on, in `adapters`.
//!
//! Wasmtime itself is built without its `gc`, `threads` and `component-model-async` features unless
//! your program asks for them, so modules that need them are refused, and so are `.cwasm` files from
//! a Wasmtime that was built with them, whatever is in those.
//!
//! # Which Wasmtime
//!
//! One release of this crate goes with one release of Wasmtime, exactly: what is hidden in artifacts
//! and counted in packs rests on how that release works. It is [re-exported](wasmtime), so that a
//! program need not name it twice. A new Wasmtime, also a patch of it, is a new minor release here:
//! before 1.0 the second number is raised by whatever may break a program, the third by what is added.
//! The public API is listed in `api.txt` beside the manifest; a test compares, and says which of the
//! two a change is.
//! Packs and stores serve one release of Wasmtime. They hold its full version, whatever
//! `Config::module_version` says. After an upgrade, also of a patch, a store compiles its entries
//! again, and a pack is rejected with [`Error::OtherRelease`] until it is built again.

#[cfg(any(feature = "metrics", feature = "tracing"))]
pub mod adapters;
mod artifact;
mod error;
mod files;
pub mod headroom;
mod loader;
#[cfg(feature = "native-unwind")]
pub mod native_unwind;
#[cfg(unix)]
pub mod pack;
mod parallel;
pub mod store;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod symbol;
mod trust;
pub mod unwinder;
mod watch;

pub use wasmtime;

#[cfg(feature = "compile")]
pub use artifact::compile;
pub use artifact::contents::{ArtifactKind, Contents};
pub use artifact::digest::Digest;
pub use artifact::policy::UnwindPolicy;
pub use artifact::{Artifact, ArtifactFile, Loaded};
pub use error::Error;
pub use headroom::Headroom;
#[cfg(feature = "compile")]
pub use loader::LoadedFiles;
pub use loader::{Lease, Loader, LoaderOptions, Population, Progress};
pub use store::{Store, StoreKey, StoreOptions};
pub use trust::seal::Key;
pub use watch::{LoadObserver, LoadRecord, Origin, UnloadRecord, Warning};

// Makes Cargo rebuild this crate for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
