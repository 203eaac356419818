//! [`Record`]: the data in a pack about one artifact, and the checks of the artifact's bytes.

use std::ops::Range;

use super::format::array;
use crate::artifact::contents::{ArtifactKind, Contents};
use crate::error::Error;
use crate::trust::seal::{Key, Seal};

/// The length of a record in the index. `index.rs` describes the fields.
pub(super) const RECORD_BYTES: usize = 80;
/// A frame index begins at a multiple of this.
pub(super) const FRAMES_ALIGN: u64 = 8;

/// The data in the index about one artifact, except its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: ArtifactKind,
    /// Whether the artifact works only in memory that Wasmtime owns.
    pub(crate) is_copied: bool,
    pub(crate) has_data_segments: bool,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) functions: u64,
    /// The length of the frame index, or 0 if there is none.
    pub(crate) frames_bytes: u64,
    pub(crate) seal: Seal,
}

/// Returns the start of a frame index behind an image of `bytes` bytes, relative to the image.
pub(crate) fn frames_start(bytes: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(FRAMES_ALIGN)
}

impl Record {
    /// Returns the range of the image in the file, and so in memory. Reading the index made sure that it fits.
    pub(crate) fn image(&self) -> Range<usize> {
        self.offset as usize..(self.offset + self.bytes) as usize
    }

    /// Returns the range of the frame index. It is empty if there is none.
    pub(crate) fn frames(&self) -> Range<usize> {
        let end = self.extent().end;
        end - self.frames_bytes as usize..end
    }

    /// Returns whether the artifact has unwind tables, which are hidden from Wasmtime.
    pub(crate) fn has_frames(&self) -> bool {
        self.frames_bytes != 0
    }

    /// Returns the range of the image with its frame index.
    pub(crate) fn extent(&self) -> Range<usize> {
        self.offset as usize..self.end().unwrap_or(self.offset) as usize
    }

    /// Returns the end of the image and its frame index, unless the numbers are too large.
    pub(super) fn end(&self) -> Option<u64> {
        let bytes = match self.frames_bytes {
            0 => self.bytes,
            frames => frames_start(self.bytes)?.checked_add(frames)?,
        };
        self.offset.checked_add(bytes)
    }

    pub(crate) fn contents(&self) -> Contents {
        Contents {
            kind: self.kind,
            bytes: self.bytes as usize,
            functions: self.functions as usize,
            fdes: 0,
            has_tables: false,
        }
    }

    /// Compares an image with its seal. `bytes` begin with the image. Bytes outside the image and the frame
    /// index must be zero, because no seal covers them.
    pub(crate) fn check(&self, key: Option<&Key>, bytes: &[u8]) -> Result<(), Error> {
        let (image, frames) = self.parts(bytes);
        self.seal.check(Seal::of(key, &[image, frames]))?;
        self.check_gaps(bytes)
    }

    /// Checks only the bytes outside the image and the frame index.
    pub(crate) fn check_gaps(&self, bytes: &[u8]) -> Result<(), Error> {
        let frames = self.frames();
        let gap = self.bytes as usize..frames.start - self.offset as usize;
        let behind = frames.end - self.offset as usize..;
        if are_zeros(&bytes[gap]) && are_zeros(&bytes[behind]) {
            return Ok(());
        }
        Err(Error::NotAPack { problem: "it has unexpected bytes after an image" })
    }

    fn parts<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let (offset, frames) = (self.offset as usize, self.frames());
        (&bytes[..self.bytes as usize], &bytes[frames.start - offset..frames.end - offset])
    }

    /// Encodes the record of an entry whose name has this start and length among the names.
    pub(super) fn encode(&self, name_start: u64, name_bytes: u32) -> [u8; RECORD_BYTES] {
        let kind = match self.kind {
            ArtifactKind::Module => 0,
            ArtifactKind::Component => 1,
        };
        let traits = kind + 2 * u32::from(self.is_copied) + 4 * u32::from(self.has_data_segments);
        let numbers = [self.offset, self.bytes, self.frames_bytes, self.functions, name_start];
        let mut bytes = [0; RECORD_BYTES];
        for (field, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        bytes[40..44].copy_from_slice(&name_bytes.to_le_bytes());
        bytes[44..48].copy_from_slice(&traits.to_le_bytes());
        bytes[48..].copy_from_slice(self.seal.as_bytes());
        bytes
    }

    /// Decodes a record, whose numbers may be anything.
    pub(super) fn decode(bytes: &[u8; RECORD_BYTES]) -> Result<Record, Error> {
        let traits = u32::from_le_bytes(array(bytes, 44));
        if traits > 7 {
            return Err(Error::NotAPack { problem: "it contains an unknown kind of artifact" });
        }
        Ok(Record {
            kind: if traits & 1 == 0 { ArtifactKind::Module } else { ArtifactKind::Component },
            is_copied: traits & 2 != 0,
            has_data_segments: traits & 4 != 0,
            offset: u64::from_le_bytes(array(bytes, 0)),
            bytes: u64::from_le_bytes(array(bytes, 8)),
            frames_bytes: u64::from_le_bytes(array(bytes, 16)),
            functions: u64::from_le_bytes(array(bytes, 24)),
            seal: Seal::from_bytes(array(bytes, 48)),
        })
    }
}

pub(crate) fn are_zeros(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn record(offset: u64, bytes: u64, frames_bytes: u64) -> Record {
        let seal = Seal::of(None, &[&bytes.to_le_bytes()]);
        let (kind, is_copied, has_data_segments) =
            (ArtifactKind::Component, bytes == 1, bytes > 4000);
        let functions = 3;
        Record { kind, is_copied, has_data_segments, offset, bytes, functions, frames_bytes, seal }
    }

    #[test]
    fn bytes_that_no_seal_covers_must_be_zero() {
        let mut bytes = vec![7; 21];
        let seal = Seal::of(None, &[&[7; 10], &[7; 5]]);
        let record = Record { seal, ..record(4096, 10, 5) };
        bytes[10..16].fill(0);
        record.check(None, &bytes).unwrap();
        bytes.resize(40, 0);
        record.check(None, &bytes).unwrap();
        for at in [10, 15, 21, 39] {
            bytes[at] = 1;
            let refused = record.check(None, &bytes);
            assert!(matches!(refused, Err(Error::NotAPack { .. })), "byte {at}");
            bytes[at] = 0;
        }
        for at in [0, 9, 16, 20] {
            bytes[at] = 1;
            assert!(matches!(record.check(None, &bytes), Err(Error::Altered { .. })), "byte {at}");
            bytes[at] = 7;
        }
        record.check(Some(&Key::new([1; 32])), &bytes).unwrap_err();
    }
}
