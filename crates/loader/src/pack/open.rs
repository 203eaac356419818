//! The steps of [`Pack::open`](super::Pack::open): read a file into memory, check it, and make it executable.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::format::{self, HEADER_BYTES, Header, Record};
use super::region;
use crate::error::Error;
use crate::headroom::ledger::Ledger;
use crate::headroom::resource::{Amounts, RESERVE};
use crate::parallel;
use crate::trust::seal::{Key, Seal};

/// Checks that there is memory for a copy. Filling memory that is not there would end the process.
fn fits(bytes: u64) -> Result<(), Error> {
    Ledger::new(RESERVE).admit(Amounts { mappings: 2, descriptors: 0, bytes })
}

pub(super) fn read_index(
    file: &File,
    key: Option<&Key>,
    path: &Path,
) -> Result<(Header, Vec<Record>), Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file_bytes = file.metadata().map_err(failed)?.len();
    let mut header = vec![0; HEADER_BYTES.min(usize::try_from(file_bytes).unwrap_or(usize::MAX))];
    file.read_exact_at(&mut header, 0).map_err(failed)?;
    let read = || {
        let header = Header::decode(&header, file_bytes)?;
        // Check this before reading anything else, so that the error names the full amount that opening
        // takes.
        fits(file_bytes)?;
        let mut index = vec![0; header.index_bytes as usize];
        file.read_exact_at(&mut index, header.images_end).map_err(failed)?;
        header.check(key, &index)?;
        if !(header.page as usize).is_multiple_of(region::page_bytes()) {
            return Err(Error::NotAPack { problem: "it was built for smaller pages of memory" });
        }
        let records = format::decode(&header, &index)?;
        Ok((header, records))
    };
    read().map_err(|error| error.in_file(path))
}

/// Copies the beginning of a file, on all CPUs.
pub(super) fn fill(bytes: &mut [u8], file: &File, path: &Path) -> Result<(), Error> {
    const CHUNK: usize = 4 << 20;
    let failure = Mutex::new(None);
    let chunks: Vec<Mutex<&mut [u8]>> = bytes.chunks_mut(CHUNK).map(Mutex::new).collect();
    parallel::each(chunks.len(), parallel::processors(), |index| {
        let mut chunk = chunks[index].lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.read_exact_at(&mut chunk, (index * CHUNK) as u64);
        read.map_err(|source| {
            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(source);
        })
        .is_ok()
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(source) => Err(Error::Read { path: path.to_owned(), source }),
        None => Ok(()),
    }
}

/// Checks that the memory holds only the checked header, the images, and zeros. Other bytes would be
/// executable although no seal covers them.
pub(super) fn check_gaps(
    bytes: &[u8],
    header: &Header,
    records: &[Record],
    path: &Path,
) -> Result<(), Error> {
    let mut is_right = bytes.starts_with(&header.encode());
    let mut end = HEADER_BYTES;
    for record in records {
        for part in [range(record), frames(record)] {
            is_right &= are_zeros(&bytes[end..part.start]);
            end = part.end;
        }
    }
    if is_right && are_zeros(&bytes[end..]) {
        return Ok(());
    }
    let problem = "it has unexpected bytes before, between or after its images";
    Err(Error::NotAPack { problem }.in_file(path))
}

fn are_zeros(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Compares every image with its seal, on all CPUs.
pub(super) fn check_all(
    bytes: &[u8],
    records: &[Record],
    key: Option<&Key>,
    path: &Path,
) -> Result<(), Error> {
    let failure = Mutex::new(None);
    parallel::each(records.len(), parallel::processors(), |index| {
        let record = &records[index];
        let parts = [&bytes[range(record)], &bytes[frames(record)]];
        let checked = record.seal.check(Seal::of(key, &parts));
        checked
            .map_err(|error| {
                let (name, path) = (record.name.clone(), path.to_owned());
                let error = Error::Entry { name, path, source: Box::new(error) };
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            })
            .is_ok()
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Returns the range of an image in the file, and so in memory. The header check made sure that it fits.
pub(super) fn range(record: &Record) -> Range<usize> {
    let start = record.offset as usize;
    start..start + record.bytes as usize
}

/// Returns the range of the frame index, which is empty after the image if there is none.
pub(super) fn frames(record: &Record) -> Range<usize> {
    match record.frames {
        Some((offset, bytes)) => offset as usize..(offset + bytes) as usize,
        None => range(record).end..range(record).end,
    }
}
