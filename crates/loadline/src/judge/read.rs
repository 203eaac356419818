//! Reads the files of other tools, each in its own form.

mod benchmarks;
mod criterion;
mod document;
mod found;
mod hyperfine;
pub mod input;
mod object;
mod own;
mod points;
mod rows;
