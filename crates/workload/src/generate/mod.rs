//! Generates modules: their wasm, and the result of each call.

mod encode;
pub(crate) mod module;

pub use encode::wasm;
pub use module::{call, expected_result, export_name};
