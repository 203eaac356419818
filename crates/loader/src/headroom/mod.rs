//! Computes how much more the process may use: mappings, file descriptors and memory.
//!
//! A program cannot handle running out of mappings. If the kernel refuses a mapping, the allocator gets no
//! memory either, and the process is aborted. So a [`Loader`](crate::Loader) checks before each load. If the
//! load would not fit, it returns [`Error::Headroom`](crate::Error::Headroom), which names the limit.
//!
//! On Linux the numbers come from `/proc/self`, `/proc/sys/vm/max_map_count` and `getrlimit`. They also come
//! from the control group (version 2) of the process and its parent groups. A number that cannot be read is
//! unknown, and the loader does not limit it. On other platforms all numbers are unknown.

pub(crate) mod ledger;
pub(crate) mod resource;

pub use resource::{Amounts, Headroom, RESERVE, Resource, Usage};
