//! Loads thousands of precompiled Wasmtime modules and components, at a cost per module that does not grow
//! with the number of loaded modules. It reports the cost of each load.
//!
//! You bring the [`Engine`](wasmtime::Engine) and get plain [`wasmtime::Module`]s and `Component`s.
//!
//! **The change to your artifacts, and its price.** Wasmtime registers the unwind tables of every module with
//! the unwinder of the process. On common unwinders that makes loading and unloading thousands of modules
//! quadratic (wasmtime issues 10084, 3427). So by default this crate hides the tables
//! ([`UnwindPolicy::Strip`]). This has two effects:
//! - A **native** backtrace in a host function called from wasm, including the backtrace of a panic, ends at
//!   the first wasm frame. A C++ exception thrown there cannot pass that frame.
//! - Traps, `WasmBacktrace`, wasm exceptions, gdb and perf work as before, because they do not use the
//!   tables.
//!
//! If you need those backtraces, [`UnwindPolicy::Keep`] leaves the tables in place. A warning then reports
//! their cost when it becomes noticeable. On Windows the tables are part of the ABI and their cost does not
//! grow, so they stay under any policy.
//!
//! | you have | use | result |
//! |---|---|---|
//! | wasm that is compiled on first use | [`ArtifactStore`], [`Loader::load_wasm`] | compiled once for all threads and processes, checked before it runs |
//! | a build step | `pack::PackWriter`, `pack::Pack`, [`Loader::load_packed`] | all modules in one mapping: no limit from the number of mappings, loads without copying |
//! | artifacts in memory | [`Artifact`], [`Loader::load`] | unwind policy, sharing, headroom checks, load records |
//! | artifacts that another machine compiled | [`ArtifactStore::import`], [`Loader::load_key`] | loads without the compiler; the transport need not be trusted |
//!
//! ```
//! # #[cfg(feature = "compile")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use loadline_loader::wasmtime::{self, Config, Engine, Instance};
//! use loadline_loader::{ArtifactStore, Loader, LoaderOptions, StoreOptions};
//!
//! # let home = tempfile::tempdir().unwrap();
//! # let folder = home.path().join("store");
//! # let wasm = br#"(module (func (export "double") (param i32) (result i32)
//! #                 (i32.shl (local.get 0) (i32.const 1))))"#;
//! let engine = Engine::new(&Config::new())?;
//! let store = ArtifactStore::open(folder, StoreOptions::new().max_bytes(1 << 30))?;
//! let loader = Loader::new(&engine, LoaderOptions::new());
//!
//! let plugin = loader.load_wasm(&store, wasm)?; // Compiled now, or earlier by another process.
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
//! Example programs are in `examples/`: a plugin host, a host that replaces 2,000 plugins while it serves
//! requests, a host with more tenants than it keeps loaded, an async host, and a build step that makes a pack.
//!
//! # How long modules stay loaded
//!
//! A module is unloaded when its last [`Lease`] is dropped, on another thread. A program with more modules than
//! it can keep loaded gives its loader a [`Budget`]. The loader then keeps modules after their last lease, drops
//! the least recently used ones beyond the budget, and makes room when a limit of the process is reached. So
//! each request can call [`Loader::load_packed`] or [`Loader::load_wasm`] and drop its lease at the end. If the
//! module is loaded, such a call takes a lookup.
//!
//! Instances and `InstancePre` keep their module, too. If one of them outlives the lease, the module is freed
//! where the last of them is dropped, and its [`UnloadRecord`] does not include that.
//!
//! # Async programs
//!
//! Loads compile, read files and wait for other processes that compile the same module. Call them in
//! `tokio::task::spawn_blocking` or the like, as `examples/async_host.rs` does. Dropping a lease never waits.
//!
//! # An artifact is trusted because of its source
//!
//! Wasmtime runs the machine code in a precompiled module without validating it, so its own `deserialize` is
//! `unsafe`. In this crate, the trust decision is made when an [`Artifact`] is created. There are four ways:
//! - compile in this process;
//! - verify bytes with the [`Digest`] of an artifact that was compiled that way;
//! - read a store or pack whose seal matches and that no other user could have written;
//! - call an `unsafe` constructor, whose caller guarantees that the bytes can be trusted.
//!
//! Loading an artifact is then safe. With a [`Key`], only holders of the key can make a matching seal.
//!
//! # The unwind policy belongs to the artifact
//!
//! `Config::native_unwind_info(false)` of the loading engine has no effect on an artifact that was compiled
//! with tables, because Wasmtime does not read that setting when it loads. [`Artifact::apply`] hides the
//! tables in the bytes of the artifact. Stores, packs and the [`Loader`] call it for you.
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
//! A process that runs out of mappings is aborted, because its allocator cannot get memory either. A
//! [`Loader`] checks the [`headroom`] before each load. If the load would not fit, it returns an
//! [`Error::Headroom`] that names the limit, its value, and how to raise it.
//!
//! # Features
//!
//! - `compile` (default) makes artifacts from `.wasm`, `.wat` and component files, and links Cranelift.
//!   Without this feature, this crate only loads, and builds with the `runtime` feature of Wasmtime alone. A
//!   store then needs keys that were saved when the artifacts were compiled.
//! - `native-unwind` provides native backtraces through packed modules at constant cost, if glibc and the
//!   unwinder support it; see `native_unwind`. It defines the symbol `_dl_find_object` in your program.
//! - `tracing` and `metrics` provide observers that forward load records, in `adapters`.
//!
//! This crate builds Wasmtime without its `gc`, `threads` and `component-model-async` features, unless your
//! program enables them. Modules that need these features are then rejected. So are all `.cwasm` files from a
//! Wasmtime that was built with these features, whatever the files contain.
//!
//! # Which Wasmtime
//!
//! This crate works with every 48.0 release of Wasmtime, so you can take a security release on the day it
//! appears. Its tests run with the oldest and the newest of them. This crate [re-exports](wasmtime) Wasmtime,
//! so your program need not depend on it twice. Another major release of Wasmtime needs another minor release
//! of this crate. Before 1.0, a breaking change raises the second version number, and an addition raises the
//! third. The public API is listed in `api.txt` next to the manifest. A test compares the API with that list,
//! and reports which of the two numbers a change must raise.
//!
//! Packs and stores work with one release of Wasmtime only. They save its full version, regardless of
//! `Config::module_version`. After an upgrade of Wasmtime, even a patch release, a store compiles its entries
//! again. A pack is rejected with [`Error::OtherRelease`] until you build it again.

#[cfg(any(feature = "metrics", feature = "tracing"))]
pub mod adapters;
mod artifact;
mod error;
mod files;
pub mod headroom;
mod loader;
mod locks;
#[cfg(feature = "native-unwind")]
pub mod native_unwind;
#[cfg(unix)]
pub mod pack;
mod parallel;
pub mod store;
#[cfg(all(test, target_os = "linux", feature = "compile"))]
mod stress;
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
pub use loader::{Budget, Lease, Loader, LoaderOptions, Population, Progress};
pub use store::{ArtifactStore, StoreKey, StoreOptions};
pub use trust::seal::Key;
pub use watch::{CompileRecord, Eviction, LoadObserver, LoadRecord, Origin, UnloadRecord, Warning};

/// Tests the examples in the README.
#[cfg(all(doctest, unix, feature = "compile"))]
#[doc = include_str!("../README.md")]
struct Readme;

// Makes Cargo rebuild this crate for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
