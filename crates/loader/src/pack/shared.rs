//! Packs in memory that several processes share: [`Pack::share`] and [`Pack::open_shared`].
//!
//! The memory is a file without a name (`memfd_create`). It is filled, and only then sealed, mapped and
//! checked, in this order. After sealing, the kernel refuses every change by any process, so what was checked
//! is what runs. A process that receives the descriptor trusts the seals of the kernel and nothing else.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use memmap2::{Mmap, MmapOptions};

use super::format::Header;
use super::index::IndexBytes;
use super::open::{self, Opened};
use super::opened::Pack;
use super::options::{Digests, PackOptions};
use super::record::Record;
use super::region::{Region, sealing};
use crate::error::Error;
use crate::headroom::ledger::Ledger;
use crate::headroom::resource::{Amounts, RESERVE, Resource};

#[cfg(target_os = "linux")]
impl Pack {
    /// Copies a pack into memory that other processes can open with [`Pack::open_shared`] (Linux).
    ///
    /// The returned descriptor refers to the memory. Pass it to worker processes, for example as their
    /// standard input or over a Unix socket. The kernel guarantees that no process can change the memory. It
    /// is freed when all descriptors are closed and all packs in it are closed. With [`Digests::AtOpen`],
    /// this function compares all artifacts with their digests.
    ///
    /// Child processes do not inherit the descriptor itself, because it is closed when they start another
    /// program.
    ///
    /// # Errors
    ///
    /// The errors of [`Pack::open`]. [`Error::Map`] if the system cannot make such memory.
    pub fn share(path: impl Into<PathBuf>, options: PackOptions) -> Result<OwnedFd, Error> {
        let path = path.into();
        let file = options.guard.open(options.key.is_some(), &path)?;
        let (_, file_bytes) = open::read_header(&file, &path)?;
        open::fits(file_bytes).map_err(|error| error.in_file(&path))?;
        let map = |source| Error::Map { path: path.clone(), bytes: file_bytes as usize, source };
        let mut memory = File::from(sealing::memory().map_err(map)?);
        let copied = io::copy(&mut (&file).take(file_bytes), &mut memory).map_err(map)?;
        if copied != file_bytes {
            let source = io::ErrorKind::UnexpectedEof.into();
            return Err(Error::Read { path, source });
        }
        sealing::seal(&memory).map_err(map)?;
        check(&memory, &options, options.digests == Digests::AtOpen, &path)?;
        Ok(memory.into())
    }

    /// Opens a pack in memory that [`Pack::share`] filled, usually in another process. Takes three mappings
    /// and no memory for the artifacts (Linux).
    ///
    /// The kernel must confirm that no process can change the memory. The memory must belong to this user or
    /// root. If there is a key, other owners are accepted, and all artifacts are checked now. Otherwise each
    /// artifact is checked when it is first loaded. The descriptor can be closed afterwards.
    ///
    /// [`PackOptions::lazy`] has no effect here, but its advice about engines applies.
    ///
    /// # Errors
    ///
    /// The errors of [`Pack::open`]. [`Error::NotAPack`], in an [`Error::File`], if some process could still
    /// change the memory.
    pub fn open_shared(memory: impl AsFd, options: PackOptions) -> Result<Pack, Error> {
        let memory = memory.as_fd();
        let path = PathBuf::from(format!("memfd:{}", memory.as_raw_fd()));
        let failed = |source| Error::Read { path: path.clone(), source };
        let memory = File::from(memory.try_clone_to_owned().map_err(failed)?);
        let found = memory.metadata().map_err(failed)?;
        let is_trusted = options.guard.memory(options.key.is_some(), &found, &path)?;
        let opened = check(&memory, &options, !is_trusted, &path)?;
        Ok(Pack::of(path, options, opened))
    }
}

/// Maps sealed memory, checks it, and makes its images executable.
fn check(
    memory: &File,
    options: &PackOptions,
    with_images: bool,
    path: &Path,
) -> Result<Opened, Error> {
    let in_file = |error: Error| error.in_file(path);
    sealing::check(memory).map_err(in_file)?;
    let (header, file_bytes) = open::read_header(memory, path)?;
    let need = Amounts { mappings: 3, descriptors: 1, bytes: file_bytes };
    let ledger = Ledger::new(RESERVE);
    ledger.admit_only(Resource::AddressSpace, need).map_err(in_file)?;
    ledger.admit(Amounts { bytes: 0, ..need }).map_err(in_file)?;
    let failed = |source| Error::Map { path: path.to_owned(), bytes: file_bytes as usize, source };
    let (images, index) = map(memory, &header).map_err(failed)?;
    let key = options.key.as_ref();
    let (index, pages) = open::check_index(&header, index, key).map_err(in_file)?;
    open::check_head(&images, &header).map_err(in_file)?;
    if with_images {
        let check = |record: &Record, bytes: &[u8]| record.check(key, bytes);
        open::check_images(&images, &index, &pages, path, check)?;
    }
    let region = Region::of_final(images).map_err(failed)?;
    Ok(Opened { index, pages, region, are_checked: with_images, file: None })
}

/// Maps the images and the index. Only the images will be executable.
fn map(memory: &File, header: &Header) -> io::Result<(Mmap, IndexBytes)> {
    let images = map_part(memory, 0, header.images_end)?;
    let index = match header.index_bytes {
        0 => IndexBytes::Copied(Box::default()),
        bytes => IndexBytes::Mapped(map_part(memory, header.images_end, bytes)?),
    };
    Ok((images, index))
}

/// Maps a part of sealed memory, to be read.
fn map_part(memory: &File, offset: u64, bytes: u64) -> io::Result<Mmap> {
    let mut options = MmapOptions::new();
    options.offset(offset).len(bytes as usize);
    let map = |memory: &File| options.map_if_safe(memory).map_err(io::Error::from);
    match map(memory) {
        // Linux before 6.7 refuses a shared mapping of such memory if the descriptor could write to memory
        // without seals.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let reading = File::open(format!("/proc/self/fd/{}", memory.as_raw_fd()))?;
            map(&reading)
        }
        mapped => mapped,
    }
}
