//! The steps of [`Pack::open`](super::Pack::open): read the index of a file, and get its images into memory,
//! at once or on demand.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::format::{HEADER_BYTES, Header};
use super::index::{Index, IndexBytes, Pages};
use super::options::{Digests, PackOptions};
use super::record::{Record, are_zeros};
use super::region::{self, Region, Room};
use crate::error::Error;
use crate::headroom::ledger::Ledger;
use crate::headroom::resource::{Amounts, RESERVE, Resource};
use crate::locks::Mutex;
use crate::parallel;
use crate::trust::seal::Key;

/// A pack whose index was checked, with the memory of its images.
pub(super) struct Opened {
    pub(super) index: Index,
    pub(super) pages: Pages,
    pub(super) region: Region,
    /// Whether all images in the memory were compared with their seals.
    pub(super) are_checked: bool,
    /// The file from which images are read that are not in the memory.
    pub(super) file: Option<File>,
}

/// Opens the pack in a file.
pub(super) fn file(file: File, options: &PackOptions, path: &Path) -> Result<Opened, Error> {
    let (header, file_bytes) = read_header(&file, path)?;
    let in_file = |error: Error| error.in_file(path);
    if options.is_lazy {
        fits_lazily(&header).map_err(in_file)?;
        // Where the system has no such memory, everything is read now.
        if let Ok(region) = Region::to_fill(header.images_end as usize) {
            let (index, pages) = read_index(&file, &header, options, path)?;
            return Ok(Opened { index, pages, region, are_checked: true, file: Some(file) });
        }
    }
    fits(file_bytes).map_err(in_file)?;
    let (index, pages) = read_index(&file, &header, options, path)?;
    let images_end = header.images_end as usize;
    let map = |source| Error::Map { path: path.to_owned(), bytes: images_end, source };
    let mut room = Room::new(images_end).map_err(map)?;
    fill(room.bytes_mut(), &file, path)?;
    let are_checked = options.digests == Digests::AtOpen;
    check_head(room.bytes_mut(), &header).map_err(in_file)?;
    check_images(room.bytes_mut(), &index, &pages, path, |record, bytes| match are_checked {
        true => record.check(options.key.as_ref(), bytes),
        false => record.check_gaps(bytes),
    })?;
    let region = room.close().map_err(map)?;
    Ok(Opened { index, pages, region, are_checked, file: None })
}

/// Checks that there is memory for a copy. Filling memory that is not there would end the process.
pub(super) fn fits(bytes: u64) -> Result<(), Error> {
    Ledger::new(RESERVE).admit(Amounts { mappings: 2, descriptors: 0, bytes })
}

/// Checks that there is address space for two mappings of the images, and memory for the index.
fn fits_lazily(header: &Header) -> Result<(), Error> {
    let ledger = Ledger::new(RESERVE);
    let bytes = header.images_end.saturating_mul(2).saturating_add(header.index_bytes);
    ledger.admit_only(Resource::AddressSpace, Amounts { bytes, ..Amounts::default() })?;
    ledger.admit(Amounts { mappings: 3, descriptors: 2, bytes: header.index_bytes })
}

pub(super) fn read_header(file: &File, path: &Path) -> Result<(Header, u64), Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file_bytes = file.metadata().map_err(failed)?.len();
    let mut header = vec![0; HEADER_BYTES.min(usize::try_from(file_bytes).unwrap_or(usize::MAX))];
    file.read_exact_at(&mut header, 0).map_err(failed)?;
    let header = Header::decode(&header, file_bytes).map_err(|error| error.in_file(path))?;
    Ok((header, file_bytes))
}

fn read_index(
    file: &File,
    header: &Header,
    options: &PackOptions,
    path: &Path,
) -> Result<(Index, Pages), Error> {
    let mut bytes = vec![0; header.index_bytes as usize];
    let read = file.read_exact_at(&mut bytes, header.images_end);
    read.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    check_index(header, IndexBytes::Copied(bytes.into()), options.key.as_ref())
        .map_err(|error| error.in_file(path))
}

/// Compares header and index with their seal, and checks that this machine can use the pack.
pub(super) fn check_index(
    header: &Header,
    bytes: IndexBytes,
    key: Option<&Key>,
) -> Result<(Index, Pages), Error> {
    header.check(key, bytes.get())?;
    if !(header.page as usize).is_multiple_of(region::page_bytes()) {
        return Err(Error::NotAPack { problem: "it was built for smaller pages of memory" });
    }
    Index::read(header, bytes)
}

/// Copies the beginning of a file, on all CPUs.
fn fill(bytes: &mut [u8], file: &File, path: &Path) -> Result<(), Error> {
    const CHUNK: usize = 4 << 20;
    let failure = Mutex::new(None);
    let chunks: Vec<Mutex<&mut [u8]>> = bytes.chunks_mut(CHUNK).map(Mutex::new).collect();
    parallel::each(chunks.len(), parallel::processors(), |index| {
        let mut chunk = chunks[index].lock();
        let read = file.read_exact_at(&mut chunk, (index * CHUNK) as u64);
        read.map_err(|source| {
            failure.lock().get_or_insert(source);
        })
        .is_ok()
    });
    match failure.into_inner() {
        Some(source) => Err(Error::Read { path: path.to_owned(), source }),
        None => Ok(()),
    }
}

/// Checks that the first page holds only the checked header and zeros. Other bytes would be executable
/// although no seal covers them.
pub(super) fn check_head(bytes: &[u8], header: &Header) -> Result<(), Error> {
    let page = &bytes[..header.page as usize];
    if page.starts_with(&header.encode()) && are_zeros(&page[HEADER_BYTES..]) {
        return Ok(());
    }
    Err(Error::NotAPack { problem: "it has unexpected bytes before its images" })
}

/// Checks the pages of every image, on all CPUs.
pub(super) fn check_images(
    bytes: &[u8],
    index: &Index,
    pages: &Pages,
    path: &Path,
    check: impl Fn(&Record, &[u8]) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let failure = Mutex::new(None);
    parallel::each(index.len(), parallel::processors(), |at| {
        let record = index.record(at);
        if pages.image_at(record.image().start) != Some(at) {
            return true; // The image was checked with the first entry that has it.
        }
        let checked = check(&record, &bytes[pages.around(record.extent())]);
        checked
            .map_err(|error| {
                let (name, path) = (index.name(at).to_owned(), path.to_owned());
                let error = Error::Entry { name, path, source: Box::new(error) };
                failure.lock().get_or_insert(error);
            })
            .is_ok()
    });
    match failure.into_inner() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Reads an image with its frame index from the file, and checks it.
pub(super) fn read_image(
    file: &File,
    record: &Record,
    key: Option<&Key>,
    path: &Path,
) -> Result<Vec<u8>, Error> {
    let range = record.extent();
    let mut bytes = vec![0; range.len()];
    let read = file.read_exact_at(&mut bytes, range.start as u64);
    read.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    record.check(key, &bytes)?;
    Ok(bytes)
}
