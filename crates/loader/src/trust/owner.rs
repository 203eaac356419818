//! Checks owners and modes on disk. Files, folders and links share these checks.

use std::path::Path;

use crate::error::Error;

/// Write permission of group and others.
pub(super) const OTHERS_WRITE: u32 = 0o022;
/// Any permission of group and others.
pub(super) const OTHERS: u32 = 0o077;
/// In a folder with this mode bit, only the owners of files can remove and rename them.
pub(super) const STICKY: u32 = 0o1000;

/// Checks an owner. `what` begins the sentence of the error.
pub(super) fn belongs(path: &Path, owner: u32, what: &str) -> Result<(), Error> {
    let user = effective_user();
    if owner == user || owner == 0 {
        return Ok(());
    }
    Err(exposed(path, format!("{what}belongs to user {owner}, and this process runs as {user}")))
}

pub(super) fn unwritable(path: &Path, too_much: u32) -> Result<(), Error> {
    if too_much == 0 {
        return Ok(());
    }
    Err(exposed(path, format!("gives group or others access ({too_much:03o})")))
}

pub(super) fn exposed(path: &Path, problem: String) -> Error {
    Error::Exposed { path: path.to_owned(), problem }
}

fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}
