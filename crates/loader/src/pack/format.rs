//! The file format of a pack.
//!
//! A pack is a header of one page, then the images, then the index. Each image starts at the beginning of a
//! page. All numbers are little-endian.
//!
//! | header offset | content |
//! |---|---|
//! | 0 | the eight bytes `loadpack` |
//! | 8 | format, 4 bytes: 2 |
//! | 12 | page size in bytes, 4 bytes |
//! | 16 | number of entries, 8 bytes |
//! | 24 | end of the images, which is the start of the index, 8 bytes |
//! | 32 | length of the index, 8 bytes |
//! | 40 | full version of the Wasmtime that made the images, padded with zeros, 32 bytes |
//! | 72 | seal over the first 72 bytes of the header and over the index, 32 bytes |
//!
//! All other bytes in the header's page are zero, and so are the bytes between the images.
//!
//! An entry of the index consists of these fields, with their lengths in bytes:
//! - length of the name (4) and the name;
//! - offset (8) and length (8) of the image;
//! - kind (1): module 0, component 1; plus 2 if it must be loaded by a copy, plus 4 if it has data segments;
//! - number of functions (8);
//! - offset (8) and length (8) of the frame index within the file, both 0 if there is none;
//! - seal over the image and the frame index (32).
//!
//! Entries are sorted by offset.
//!
//! This module does not trust the bytes. For any bytes, it returns a value or an error.

use crate::artifact::contents::ArtifactKind;
use crate::artifact::release::{self, RELEASE};
use crate::error::Error;
use crate::trust::seal::{Key, Seal};

const MAGIC: &[u8; 8] = b"loadpack";
const FORMAT: u32 = 2;
const SEALED_BYTES: usize = 40 + release::FIELD_BYTES;
/// The length of the header, which is padded to a page.
pub(crate) const HEADER_BYTES: usize = SEALED_BYTES + Seal::BYTES;
/// The length limit of an entry's name in bytes.
pub(crate) const LONGEST_NAME: usize = 4096;

/// The header in the first page of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The page size in bytes. Every image begins at a multiple of it.
    pub(crate) page: u32,
    pub(crate) n_entries: u64,
    /// The end of the images, a multiple of `page`.
    pub(crate) images_end: u64,
    pub(crate) index_bytes: u64,
    pub(crate) seal: Seal,
}

/// The data in the index about one artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) kind: ArtifactKind,
    /// Whether the artifact works only in memory that Wasmtime owns.
    pub(crate) is_copied: bool,
    pub(crate) has_data_segments: bool,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) functions: u64,
    /// The offset and length of the frame index, or `None` if there is none.
    pub(crate) frames: Option<(u64, u64)>,
    pub(crate) seal: Seal,
}

impl Header {
    /// Creates the header of a pack with the given index.
    pub(crate) fn of(
        key: Option<&Key>,
        page: u32,
        n_entries: u64,
        images_end: u64,
        index: &[u8],
    ) -> Header {
        let index_bytes = index.len() as u64;
        let seal = Seal::from_bytes([0; Seal::BYTES]);
        let mut header = Header { page, n_entries, images_end, index_bytes, seal };
        header.seal = Seal::of(key, &[&header.sealed_bytes(), index]);
        header
    }

    /// Checks that header and index were written together.
    pub(crate) fn check(&self, key: Option<&Key>, index: &[u8]) -> Result<(), Error> {
        self.seal.check(Seal::of(key, &[&self.sealed_bytes(), index]))
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..SEALED_BYTES].copy_from_slice(&self.sealed_bytes());
        bytes[SEALED_BYTES..].copy_from_slice(self.seal.as_bytes());
        bytes
    }

    fn sealed_bytes(&self) -> [u8; SEALED_BYTES] {
        let mut bytes = [0; SEALED_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.page.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.n_entries.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.images_end.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.index_bytes.to_le_bytes());
        bytes[40..].copy_from_slice(&release::field(RELEASE));
        bytes
    }

    /// Reads a header. Checks that it is from this release of Wasmtime and that its numbers fit a file of
    /// that length.
    pub(crate) fn decode(bytes: &[u8], file_bytes: u64) -> Result<Header, Error> {
        let mut bytes = Reader(bytes);
        if bytes.array::<8>()? != *MAGIC {
            return Err(Error::NotAPack { problem: "its first bytes are not those of a pack" });
        }
        if bytes.u32()? != FORMAT {
            return Err(Error::NotAPack { problem: "it has another format version" });
        }
        let (page, n_entries) = (bytes.u32()?, bytes.u64()?);
        let (images_end, index_bytes) = (bytes.u64()?, bytes.u64()?);
        release::check(&bytes.array()?)?;
        let seal = Seal::from_bytes(bytes.array()?);
        let header = Header { page, n_entries, images_end, index_bytes, seal };
        let page = u64::from(header.page);
        let is_plausible = page.is_power_of_two()
            && page >= HEADER_BYTES as u64
            && header.images_end >= page
            && header.images_end.is_multiple_of(page)
            && header.images_end.checked_add(header.index_bytes) == Some(file_bytes)
            && usize::try_from(file_bytes).is_ok_and(|bytes| bytes <= isize::MAX as usize);
        if !is_plausible {
            return Err(Error::NotAPack { problem: "it is truncated, or its header is damaged" });
        }
        Ok(header)
    }
}

/// Appends one record to an index.
pub(crate) fn encode(record: &Record, index: &mut Vec<u8>) {
    index.extend((record.name.len() as u32).to_le_bytes());
    index.extend(record.name.as_bytes());
    index.extend(record.offset.to_le_bytes());
    index.extend(record.bytes.to_le_bytes());
    let kind = match record.kind {
        ArtifactKind::Module => 0,
        ArtifactKind::Component => 1,
    };
    index.push(kind + 2 * u8::from(record.is_copied) + 4 * u8::from(record.has_data_segments));
    index.extend(record.functions.to_le_bytes());
    let (offset, bytes) = record.frames.unwrap_or_default();
    index.extend(offset.to_le_bytes());
    index.extend(bytes.to_le_bytes());
    index.extend(record.seal.as_bytes());
}

/// Reads the index of a pack with this header. Checks that the entries are sorted by offset, do not overlap
/// and lie within the images.
pub(crate) fn decode(header: &Header, index: &[u8]) -> Result<Vec<Record>, Error> {
    let malformed = Error::NotAPack { problem: "its index is inconsistent" };
    let mut bytes = Reader(index);
    let mut records = Vec::new();
    let mut end = u64::from(header.page);
    for _ in 0..header.n_entries {
        let record = bytes.record()?;
        let image_end = record.offset.checked_add(record.bytes);
        let own_end = match record.frames {
            None => image_end,
            Some((offset, bytes)) if image_end.is_some_and(|image_end| image_end <= offset) => {
                offset.checked_add(bytes)
            }
            Some(_) => None,
        };
        match own_end {
            Some(own_end)
                if record.offset >= end
                    && record.offset.is_multiple_of(u64::from(header.page))
                    && record.bytes > 0
                    && own_end <= header.images_end =>
            {
                end = own_end;
            }
            _ => return Err(malformed),
        }
        records.push(record);
    }
    if bytes.0.is_empty() { Ok(records) } else { Err(malformed) }
}

/// Reads numbers from the front of a byte slice.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, bytes: usize) -> Result<&[u8], Error> {
        let cut_off = Error::NotAPack { problem: "its header or its index is truncated" };
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(cut_off)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn record(&mut self) -> Result<Record, Error> {
        let name_bytes = self.u32()? as usize;
        let name = std::str::from_utf8(self.take(name_bytes)?);
        let name =
            name.map_err(|_| Error::NotAPack { problem: "one of its names is not UTF-8" })?;
        let name = name.to_owned();
        let (offset, bytes) = (self.u64()?, self.u64()?);
        let [traits] = self.array()?;
        let kind = match traits {
            0 | 2 | 4 | 6 => ArtifactKind::Module,
            1 | 3 | 5 | 7 => ArtifactKind::Component,
            _ => {
                return Err(Error::NotAPack { problem: "it contains an unknown kind of artifact" });
            }
        };
        let functions = self.u64()?;
        let frames = (self.u64()?, self.u64()?);
        Ok(Record {
            name,
            kind,
            is_copied: traits & 2 != 0,
            has_data_segments: traits & 4 != 0,
            offset,
            bytes,
            functions,
            frames: (frames != (0, 0)).then_some(frames),
            seal: Seal::from_bytes(self.array()?),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PAGE: u32 = 4096;

    fn record(name: &str, offset: u64, bytes: u64, frames: Option<(u64, u64)>) -> Record {
        let seal = Seal::of(None, &[name.as_bytes()]);
        let (kind, is_copied, name) = (ArtifactKind::Component, bytes == 1, name.to_owned());
        let has_data_segments = bytes > 4000;
        Record {
            name,
            kind,
            is_copied,
            has_data_segments,
            offset,
            bytes,
            functions: 3,
            frames,
            seal,
        }
    }

    fn pack(records: &[Record], images_end: u64) -> (Header, Vec<u8>) {
        let mut index = Vec::new();
        records.iter().for_each(|record| encode(record, &mut index));
        (Header::of(None, PAGE, records.len() as u64, images_end, &index), index)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let records = [
            record("a", 4096, 5000, Some((9096, 100))),
            record("", 12288, 1, None),
            record("ü", 16384, 4096, None),
        ];
        let (header, index) = pack(&records, 20480);
        let file_bytes = 20480 + index.len() as u64;
        assert_eq!(Header::decode(&header.encode(), file_bytes).unwrap(), header);
        header.check(None, &index).unwrap();
        assert_eq!(decode(&header, &index).unwrap(), records);
        header.check(Some(&Key::new([0; 32])), &index).unwrap_err();
        for length in [file_bytes - 1, file_bytes + 1, 0, u64::MAX] {
            Header::decode(&header.encode(), length).unwrap_err();
        }
    }

    /// A matching seal does not help: a holder of the key may have built the pack with another release.
    #[test]
    fn a_pack_of_another_release_is_refused() {
        let (header, index) = pack(&[record("a", 4096, 1, None)], 8192);
        let mut bytes = header.encode();
        bytes[40..72].copy_from_slice(&release::field("48.0.7"));
        let error = Header::decode(&bytes, 8192 + index.len() as u64).unwrap_err();
        assert!(matches!(error, Error::OtherRelease { .. }), "{error:?}");
    }

    #[test]
    fn an_index_that_overlaps_or_points_out_is_refused() {
        for records in [
            vec![record("before", 0, 1, None)],
            vec![record("odd", 4097, 1, None)],
            vec![record("empty", 4096, 0, None)],
            vec![record("behind", 4096, 4097, None)],
            vec![record("far", 1 << 63, 1 << 63, None)],
            vec![record("frames", 4096, 10, Some((4100, 10)))],
            vec![record("frames", 4096, 10, Some((4200, u64::MAX)))],
            vec![record("one", 4096, 10, None), record("same", 4096, 10, None)],
        ] {
            let (header, index) = pack(&records, 8192);
            decode(&header, &index).unwrap_err();
        }
    }

    #[test]
    fn damage_never_panics_and_never_passes_the_seal() {
        let records = [record("one", 4096, 4000, None), record("two", 8192, 9, Some((8208, 16)))];
        let (header, index) = pack(&records, 12288);
        let whole = [&header.encode()[..], &index].concat();
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let mut bytes = whole.clone();
            bytes[random.usize(..whole.len())] ^= 1 << random.u8(..8);
            bytes.truncate(bytes.len() - random.usize(..8).saturating_sub(6));
            let file_bytes = 12288 + (bytes.len() - HEADER_BYTES) as u64;
            let Ok(header) = Header::decode(&bytes, file_bytes) else { continue };
            let index = &bytes[HEADER_BYTES..];
            assert!(header.check(None, index).is_err());
            // Even mistakes of a holder of the key must not cause a panic.
            let few = Header { n_entries: header.n_entries.min(100), ..header };
            let _ = decode(&few, index);
        }
    }
}
