//! What is counted in this process, and how.

mod allocator;
pub mod counters;
pub mod frames;
pub mod live;
pub mod mappings;
pub mod operations;
mod seeds;
pub mod symbol;
