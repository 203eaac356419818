//! The artifacts that a run loads: makes, stores and reads them.

pub mod cache;
#[cfg(unix)]
mod pack;
pub(crate) mod source;
mod store;
mod workshop;

pub use cache::Cache;
#[cfg(unix)]
pub use pack::PackedCorpus;
pub use source::{Source, unwind_policy};
pub use store::StoredCorpus;
pub use workshop::Workshop;
