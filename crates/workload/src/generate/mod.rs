//! Generated modules: their wasm, and what each answers when it is called.

mod encode;
pub(crate) mod module;

pub use encode::wasm;
pub use module::{call, expected_result, export_name};
