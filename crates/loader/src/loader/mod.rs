//! Loads and unloads modules for the whole program.

mod lease;
mod load;
mod options;
mod shared;
mod unloading;

pub use lease::Lease;
#[cfg(feature = "compile")]
pub use load::LoadedFiles;
pub use load::{Loader, Population, Progress};
pub use options::LoaderOptions;
