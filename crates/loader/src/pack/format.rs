//! The file format of a pack.
//!
//! A pack is a header of one page, then the images, then the index. Each image starts at the beginning of a
//! page. All numbers are little-endian.
//!
//! | header offset | content |
//! |---|---|
//! | 0 | the eight bytes `loadpack` |
//! | 8 | format, 4 bytes: 3 |
//! | 12 | page size in bytes, 4 bytes |
//! | 16 | number of entries, 8 bytes |
//! | 24 | end of the images, which is the start of the index, 8 bytes |
//! | 32 | length of the index, 8 bytes |
//! | 40 | full version of the Wasmtime that made the images, padded with zeros, 32 bytes |
//! | 72 | seal over the first 72 bytes of the header and over the index, 32 bytes |
//!
//! All other bytes in the header's page are zero. An image is followed by its frame index, at the next
//! multiple of eight, if it has one. The next image begins at the next page. The bytes between these are zero.
//!
//! `index.rs` describes the index.
//!
//! This module does not trust the bytes. For any bytes, it returns a value or an error.

use crate::artifact::release::{self, RELEASE};
use crate::error::Error;
use crate::trust::seal::{Key, Seal};

const MAGIC: &[u8; 8] = b"loadpack";
const FORMAT: u32 = 3;
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
        let cut_off = Error::NotAPack { problem: "its header is truncated" };
        let bytes = bytes.first_chunk::<HEADER_BYTES>().ok_or(cut_off)?;
        if bytes[..8] != *MAGIC {
            return Err(Error::NotAPack { problem: "its first bytes are not those of a pack" });
        }
        if u32::from_le_bytes(array(bytes, 8)) != FORMAT {
            return Err(Error::NotAPack {
                problem: "it has another format version (build it again)",
            });
        }
        release::check(&array(bytes, 40))?;
        let header = Header {
            page: u32::from_le_bytes(array(bytes, 12)),
            n_entries: u64::from_le_bytes(array(bytes, 16)),
            images_end: u64::from_le_bytes(array(bytes, 24)),
            index_bytes: u64::from_le_bytes(array(bytes, 32)),
            seal: Seal::from_bytes(array(bytes, SEALED_BYTES)),
        };
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

/// Copies the `N` bytes at `at` out of a longer array.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let index = b"an index";
        let header = Header::of(None, 4096, 1, 20480, index);
        let file_bytes = 20480 + index.len() as u64;
        assert_eq!(Header::decode(&header.encode(), file_bytes).unwrap(), header);
        header.check(None, index).unwrap();
        header.check(Some(&Key::new([0; 32])), index).unwrap_err();
        for length in [file_bytes - 1, file_bytes + 1, 0, u64::MAX] {
            Header::decode(&header.encode(), length).unwrap_err();
        }
    }

    /// A matching seal does not help: a holder of the key may have built the pack with another release.
    #[test]
    fn a_pack_of_another_release_is_refused() {
        let header = Header::of(None, 4096, 0, 8192, &[]);
        let mut bytes = header.encode();
        bytes[40..72].copy_from_slice(&release::field("48.0.7"));
        let error = Header::decode(&bytes, 8192).unwrap_err();
        assert!(matches!(error, Error::OtherRelease { .. }), "{error:?}");
    }

    #[test]
    fn every_damaged_byte_of_a_header_is_noticed() {
        let index = b"an index";
        let header = Header::of(None, 4096, 1, 12288, index);
        let file_bytes = 12288 + index.len() as u64;
        for at in 0..HEADER_BYTES {
            for bit in 0..8 {
                let mut bytes = header.encode();
                bytes[at] ^= 1 << bit;
                let Ok(header) = Header::decode(&bytes, file_bytes) else { continue };
                assert!(header.check(None, index).is_err(), "byte {at}");
            }
            Header::decode(&header.encode()[..at], file_bytes).unwrap_err();
        }
    }
}
