//! A store: compiled artifacts on disk, identified by the wasm and the engine they were compiled from.
//!
//! Any number of threads and processes can use one folder at the same time. If one of them has compiled an
//! artifact, the others need not compile it again.
//!
//! ```
//! # #[cfg(feature = "compile")]
//! # fn main() -> Result<(), loadline_loader::Error> {
//! use loadline_loader::wasmtime::Engine;
//! use loadline_loader::{ArtifactStore, StoreOptions};
//!
//! # let home = tempfile::tempdir().unwrap();
//! # let folder = home.path().join("artifacts");
//! let engine = Engine::default();
//! let store = ArtifactStore::open(&folder, StoreOptions::new())?;
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
//! Wasmtime runs the code in an artifact without validating it. So a store checks owners and modes. The
//! folder, the folders above it and each entry must belong to this user or root. No other user may be able to
//! write to them, nor to the symbolic links on the way to the folder. Each entry has a seal over its name and
//! its bytes. The store compares the seal over exactly the bytes that Wasmtime gets. With a
//! [`Key`](crate::Key), only holders of the key can make entries at all. Systems other than Unix do not tell
//! who owns a folder, so a store there needs a key. Each entry also contains the full version of the Wasmtime
//! that made it. Entries of another release are never loaded. An entry that is damaged, truncated, exchanged,
//! a link, or owned by another user is set aside. If the wasm is available, the store compiles it again. At
//! most 32 set-aside entries are kept.
//!
//! # After a crash
//!
//! After a crash, the folder holds either the old entry or the new one. The store writes each entry to a
//! temporary file, syncs it (unless [`StoreOptions::unsynced`] is set), and renames it. The kernel releases
//! locks when their holder ends. [`ArtifactStore::gc`] removes the files of writers that were killed.
//!
//! # Storage on other machines
//!
//! A store is a folder. To share artifacts between machines, give their stores the same
//! [`Key`](crate::Key), and carry entries with [`ArtifactStore::export`] and [`ArtifactStore::import`]. The
//! place that keeps the bytes in between need not be trusted. `examples/remote-store` in the repository does
//! this over HTTP.

#[cfg(feature = "compile")]
mod compile;
mod entry;
mod evict;
mod hold;
pub(crate) mod key;
mod listing;
pub(crate) mod open;
mod options;
mod read;
mod transfer;
mod write;

pub use evict::Collected;
pub use hold::Hold;
pub use key::StoreKey;
pub use listing::StoredEntry;
pub use open::{ArtifactStore, StoreCounts};
pub use options::StoreOptions;
pub use read::Verified;
