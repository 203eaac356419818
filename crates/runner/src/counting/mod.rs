//! Counts events and resources of this process.

mod allocator;
pub mod counters;
pub mod frames;
pub mod live;
pub mod mappings;
pub mod operations;
mod seeds;
pub mod symbol;
