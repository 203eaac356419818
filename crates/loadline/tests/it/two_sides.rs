//! Comparisons of two commits, and programs in other repositories.

mod against;
mod cargo_folders;
mod compared;
mod fresh;
mod installed;
mod intact;
#[cfg(unix)]
mod interrupted;
mod regressing;
