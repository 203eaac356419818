//! Loads and unloads modules for the whole program.

mod kept;
mod lease;
mod load;
mod many;
mod options;
mod request;
mod share;
mod shared;
mod unloading;

pub use lease::Lease;
pub use load::{Loader, Population};
#[cfg(feature = "compile")]
pub use many::LoadedFiles;
pub use many::Progress;
pub use options::{Budget, LoaderOptions};
