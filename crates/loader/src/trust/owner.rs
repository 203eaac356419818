//! Owners and modes of what is on disk: the judgements that a file, a folder and a link have in common.

use std::path::Path;

use crate::error::Error;

/// Write permission of group and others.
pub(super) const OTHERS_WRITE: u32 = 0o022;
/// Any permission of group and others.
pub(super) const OTHERS: u32 = 0o077;
/// Only owners remove and rename what is in such a folder.
pub(super) const STICKY: u32 = 0o1000;

/// Makes sure of an owner; `what` begins the sentence about what it owns.
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
