//! Files in memory whose contents or length the kernel keeps every process from changing (Linux,
//! `memfd_create` and file seals).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

use crate::error::Error;

/// The seals that keep the length of the file.
pub(crate) const LENGTH: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);
/// The seals that keep the file as it is, and themselves.
const ALL: SealFlags = SealFlags::WRITE.union(LENGTH).union(SealFlags::SEAL);

/// Creates an empty file in memory that can be sealed, and that cannot be executed as a program.
pub(crate) fn memory() -> io::Result<OwnedFd> {
    const NAME: &str = "loadline-pack";

    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let created = match memfd_create(NAME, flags | MemfdFlags::NOEXEC_SEAL) {
        // Linux before 6.3 does not know the flag.
        Err(rustix::io::Errno::INVAL) => memfd_create(NAME, flags),
        created => created,
    };
    Ok(created?)
}

/// Keeps every process from changing the file. Fails if any process has mapped it to write.
pub(crate) fn seal(memory: impl AsFd) -> io::Result<()> {
    Ok(fcntl_add_seals(memory, ALL)?)
}

/// Checks that no process can change the file.
pub(crate) fn check(memory: &File) -> Result<(), Error> {
    // Only files in memory have seals.
    match fcntl_get_seals(memory) {
        Ok(seals) if seals.contains(ALL) => Ok(()),
        _ => Err(Error::NotAPack {
            problem: "its memory can still be changed (make it with `Pack::share`)",
        }),
    }
}
