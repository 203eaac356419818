//! A store: compiled artifacts on disk, found by what they were compiled from.
//!
//! Any number of threads and processes use one folder at the same time. What one of them compiles,
//! none of them compiles again.
//!
//! ```
//! # #[cfg(feature = "compile")]
//! # fn main() -> Result<(), loadline_loader::Error> {
//! use loadline_loader::wasmtime::Engine;
//! use loadline_loader::{Store, StoreOptions};
//!
//! # let home = tempfile::tempdir().unwrap();
//! # let folder = home.path().join("artifacts");
//! let engine = Engine::default();
//! let store = Store::open(&folder, StoreOptions::new())?;
//! let wasm = br#"(module (func (export "double") (param i32) (result i32)
//!                  (i32.shl (local.get 0) (i32.const 1))))"#;
//! let first = store.load(&engine, wasm)?;
//! let again = store.load(&engine, wasm)?;
//! assert_eq!((store.counts().compiled, store.counts().found), (1, 1));
//! assert!(first.module().is_some() && again.module().is_some());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compile"))]
//! # fn main() {}
//! ```
//!
//! # What makes an entry trusted
//!
//! Wasmtime runs the code in an artifact unseen. So the folder, those above it and each entry must
//! belong to this user or root, and nobody else may be able to write to them, nor to the symbolic links
//! on the way to the folder; and each entry carries
//! a seal over its name and its bytes, which is compared over the very bytes that Wasmtime is given.
//! With a [`Key`](crate::Key) only its holders can make entries at all. Systems other than Unix do not
//! tell whose a folder is, so a store there needs a key. Each entry also carries the full version of
//! Wasmtime that made it; those of another release are never loaded. What is damaged, cut off, exchanged, a
//! link, or somebody else's, is set aside and compiled again where the wasm is at hand. At most 32
//! of such entries are kept.
//!
//! # What a crash leaves
//!
//! The old entry or the new one: entries are written to a temporary file, synced (unless
//! [`StoreOptions::unsynced`] was asked for), and renamed. Locks
//! are the kernel's and end with their holder. [`Store::gc`] removes what writers left that were
//! killed.

#[cfg(feature = "compile")]
mod compile;
mod entry;
mod evict;
mod hold;
mod key;
pub(crate) mod open;
mod options;
mod read;
mod write;

pub use evict::Collected;
pub use hold::Hold;
pub use key::StoreKey;
pub use open::{Store, StoreCounts};
pub use options::StoreOptions;
pub use read::Verified;
