//! The two sides of a comparison, and how Loadline builds the other side.

pub mod against;
pub mod build_dir;
pub mod other_side;
pub mod same_program;
pub mod trees;
pub mod wasmtime;
