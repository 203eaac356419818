//! How much the process may still take: mappings, descriptors, memory.
//!
//! Running out of them is no error that can be handled: where a mapping is refused, the allocator
//! gets no memory either, and the process is aborted. So a [`Loader`](crate::Loader) asks before,
//! and what would not fit is an [`Error::Headroom`](crate::Error::Headroom) that names the limit.
//!
//! On Linux the numbers come from `/proc/self`, `/proc/sys/vm/max_map_count`, `getrlimit` and the
//! control group (version 2) with the groups around it; what cannot be read is not known and not limited. Elsewhere nothing is
//! known.

pub(crate) mod ledger;
pub(crate) mod resource;

pub use resource::{Amounts, Headroom, RESERVE, Resource, Usage};
