//! Loads precompiled Wasmtime modules by the thousand, and takes them through load and unload orders
//! step by step.
//!
//! # An artifact is trusted by where it comes from
//!
//! Wasmtime runs the machine code in a precompiled module unseen, so its own `deserialize` is
//! `unsafe`. Here the danger is settled when an [`Artifact`] is made: by compiling in this process,
//! by the [`Digest`] of one that was so compiled, or by code that says `unsafe` and vouches for the
//! bytes. Loading it is then safe.
//!
//! # The unwind policy belongs to the artifact
//!
//! By default Wasmtime registers every module's unwind tables with the process's unwinder, which on
//! common unwinders makes loading many and unloading them quadratic (wasmtime issues 10084, 3427).
//! The loading engine's `Config::native_unwind_info(false)` changes nothing about an artifact that
//! was compiled with tables. [`Artifact::apply`] does: with `Tables::Strip` it hides them in the
//! artifact's bytes. In-wasm native backtraces are the price; traps and `WasmBacktrace` keep working.
//!
//! ```
//! # #[cfg(feature = "compile")]
//! # fn main() -> Result<(), loadline_loader::Error> {
//! use loadline_loader::{Call, compile, engine};
//! use loadline_scenario::Tables;
//!
//! let text = r#"(module (func (export "double") (param i32) (result i32)
//!                 (i32.shl (local.get 0) (i32.const 1))))"#;
//! let mut artifact = compile::bytes(&engine::compiling()?, text.as_bytes())?;
//! artifact.apply(Tables::Strip)?;
//! assert!(cfg!(windows) || !artifact.contents().has_tables);
//!
//! let engine = engine::loading()?;
//! let loaded = artifact.load(&engine)?;
//! loaded.call(&engine, &Call { export: "double".to_owned(), argument: 21, expected: 42 })?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compile"))]
//! # fn main() {}
//! ```
//!
//! # A lifecycle is driven, and watched
//!
//! [`drive`] takes N artifacts through a `Schedule`: who is loaded, called, unwound through and
//! dropped when, on which threads. It tells an [`Observer`] after each step what the time since the
//! last one was spent on, and hands back a [`Proof`] of what was done.
//!
//! ```
//! # #[cfg(feature = "compile")]
//! # fn main() -> Result<(), loadline_loader::Error> {
//! use loadline_loader::compile::Workshop;
//! use loadline_loader::{Event, Observer, Options, drive, engine};
//! use loadline_scenario::{Corpus, Generated, Lifecycle, Phase, UnloadOrder};
//!
//! #[derive(Default)]
//! struct Unloads(usize);
//!
//! impl Observer for Unloads {
//!     fn step(&mut self, event: Event) {
//!         self.0 += usize::from(event.phase == Phase::Unload);
//!     }
//! }
//!
//! let workshop = Workshop::open(&Corpus::Generated(Generated::default()))?;
//! let artifacts = (0..3).map(|index| workshop.artifact(index)).collect::<Result<Vec<_>, _>>()?;
//! let schedule = Lifecycle::hold_all(UnloadOrder::OldestFirst).schedule(3, 7);
//! let options = Options::default();
//! let driven = drive(&engine::loading()?, &artifacts, &schedule, &options, |_| Unloads(0))?;
//! assert_eq!(driven.proof.loaded, 3);
//! assert_eq!(driven.observers[0].1.0, 3);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compile"))]
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! `compile` (default) makes artifacts, from a seed or from `.wasm`, `.wat` and component files, and
//! links Cranelift for it. Without it this crate only loads. Wasmtime itself is built without its
//! `gc`, `threads` and `component-model-async` features, so modules that need them are refused, and so
//! are `.cwasm` files from a Wasmtime that was built with them, whatever is in those.

#[cfg(any(feature = "metrics", feature = "tracing"))]
pub mod adapters;
mod artifact;
mod call;
#[cfg(feature = "compile")]
pub mod compile;
mod contents;
mod digest;
mod drive;
#[cfg(feature = "compile")]
mod encode;
pub mod engine;
mod error;
mod files;
pub mod generate;
mod guard;
pub mod headroom;
mod integrity;
mod loader;
mod observer;
#[cfg(unix)]
pub mod pack;
mod parallel;
mod policy;
pub mod store;
mod tables;
mod threads;
mod unloading;
mod unwind;
pub mod unwinder;
mod watch;
mod worker;

pub use wasmtime;

pub use artifact::{Artifact, ArtifactFile, Loaded, Source};
pub use call::Call;
pub use contents::{ArtifactKind, Contents};
pub use digest::Digest;
pub use drive::{Calls, Driven, Options, Proof, drive};
pub use error::Error;
pub use headroom::Headroom;
pub use integrity::Key;
#[cfg(feature = "compile")]
pub use loader::LoadedFiles;
pub use loader::{Lease, Loader, LoaderOptions, Population, Progress};
pub use observer::{Event, Observer, Role};
pub use policy::UnwindPolicy;
pub use store::{Store, StoreKey, StoreOptions};
pub use watch::{LoadObserver, LoadRecord, Origin, UnloadRecord, Warning};
