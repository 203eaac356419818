//! Packs: thousands of artifacts in one file, loaded from one mapping.
//!
//! `Module::deserialize` maps memory for each module, copies the artifact into it, and changes its protection
//! twice. Dropping the module unmaps the memory. Every mapping counts against the limit of the process
//! (`vm.max_map_count`, 65,530 by default, so some 32,000 modules). Every change of protection waits for the
//! other CPUs. A [`Pack`] is copied into memory once and made executable once, and modules are made from it
//! in place.
//!
//! ```
//! # #[cfg(all(unix, feature = "compile"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use loadline_loader::pack::{self, Pack, PackOptions};
//! use loadline_loader::wasmtime::{Config, Engine};
//! use loadline_loader::compile;
//!
//! # let home = tempfile::tempdir()?;
//! # let path = home.path().join("plugins.pack");
//! // In the build: compile, and write the pack.
//! let text = r#"(module (func (export "double") (param i32) (result i32)
//!                 (i32.shl (local.get 0) (i32.const 1))))"#;
//! let artifact = compile::bytes(&Engine::default(), text.as_bytes())?;
//! Pack::build(&path, None, [("double", &artifact)])?;
//!
//! // In the program: configure, open, load.
//! let mut config = Config::new();
//! pack::configure(&mut config);
//! let engine = Engine::new(&config)?;
//! let pack = Pack::open(&path, PackOptions::new())?;
//! let loaded = pack.load(&engine, "double")?;
//!
//! // Drop the modules first, then close the pack.
//! let still = pack.close().unwrap_err();
//! assert_eq!(still.modules, 1);
//! drop(loaded);
//! pack.close()?;
//! # Ok(())
//! # }
//! # #[cfg(not(all(unix, feature = "compile")))]
//! # fn main() {}
//! ```
//!
//! # Three ways to open a pack
//!
//! - [`Pack::open`] copies and checks the whole pack. Every load is then equally fast. This is the default.
//! - With [`PackOptions::lazy`], opening takes milliseconds, and each artifact is copied and checked when it is
//!   first loaded. Use this if a process loads only some of the artifacts, or must serve soon after it
//!   starts (Linux).
//! - `Pack::share` copies a pack into memory once for several processes. Workers open that memory with
//!   `Pack::open_shared`. No process can change it, and each worker checks each artifact when it first loads
//!   it. Use this if worker processes load from the same pack (Linux). The example `workers` shows it.
//!
//! The CPU never executes a byte that was not checked, in any of the three ways. An opened pack does not
//! depend on later changes of its file, except that a lazy pack may fail to load artifacts that changed.
//!
//! # One image, one module
//!
//! Wasmtime finds code by its address, so one image can only be one module at a time (wasmtime issue 10874: a
//! second module would panic). Equal artifacts are stored once and share an image. [`Pack::load`] then returns [`Error::Loaded`](crate::Error::Loaded). Clone the
//! module, or use a [`Loader`](crate::Loader), which shares the module and loads a copy if it has to.
//!
//! # Data segments
//!
//! When a module with data segments is first instantiated, Wasmtime copies them into a file in memory. The
//! module keeps that file, so each such module takes one file descriptor. With `ulimit -n 1024` about a
//! thousand tenants fit. `Config::memory_init_cow(false)` avoids the file and copies the data into each
//! instance instead. The setting is compiled into artifacts, so the engine that compiles and the engine that
//! loads must both have it.
//!
//! Use `memory_init_cow(false)` for modules with up to 8 KiB of data. With more, it still makes the first
//! instance faster but later instances slower. For modules with 48 KiB or more, `Module::deserialize_file`
//! reaches the first instance sooner than a pack. The figures are in the README of this crate.
//!
//! # When a pack can be closed
//!
//! `Module` can be cloned, and every store keeps the modules of its instances alive. So a pack counts the
//! images that Wasmtime publishes and withdraws, and [`Pack::close`] fails while any module is live. Dropping
//! a pack in use is not an error. Its memory stays until the last module is dropped. It is freed when a
//! [`Loader`](crate::Loader) has unloaded that module, when the next pack is opened or closed, or by [`sweep`].
//! So a program that shares an `Arc<Pack>` between threads replaces the pack by dropping the `Arc`, or closes
//! the pack for all of its threads.
mod format;
mod frame_index;
mod index;
mod memory;
mod open;
pub(crate) mod opened;
mod options;
mod record;
mod region;
#[cfg(target_os = "linux")]
mod shared;
mod state;
mod writer;

pub use memory::{configure, sweep};
pub use opened::{Entry, Pack};
pub use options::{Digests, PackOptions};
pub use state::StillLoaded;
pub use writer::PackWriter;
