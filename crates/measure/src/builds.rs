//! The two sides of a comparison, and how the other side is built.

pub mod against;
pub mod build_dir;
pub mod other_side;
pub mod same_program;
pub mod trees;
pub mod wasmtime;
