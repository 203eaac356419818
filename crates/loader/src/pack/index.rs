//! The index of a pack, which is used in place: it is checked once, and nothing is built from its entries.
//!
//! First comes one record of 80 bytes per entry, sorted by name. The names follow, in the same order and
//! without gaps. All numbers are little-endian.
//!
//! | record offset | content |
//! |---|---|
//! | 0 | offset of the image, 8 bytes |
//! | 8 | length of the image, 8 bytes |
//! | 16 | length of the frame index, 8 bytes: 0 if there is none |
//! | 24 | number of functions, 8 bytes |
//! | 32 | start of the name among the names, 8 bytes |
//! | 40 | length of the name, 4 bytes |
//! | 44 | kind, 4 bytes: module 0, component 1; plus 2 if it must be loaded by a copy, plus 4 if it has data segments |
//! | 48 | seal over the image and the frame index, 32 bytes |
//!
//! Equal artifacts share one image, so their records differ only in the name. Every page after the header
//! belongs to exactly one image.
//!
//! This module does not trust the bytes, not even under a matching seal. For any bytes, it returns a value or
//! an error.

use std::ops::Range;

use memmap2::Mmap;

use super::format::{Header, array};
use super::record::{RECORD_BYTES, Record};
use crate::error::Error;

/// The index of an opened pack.
#[derive(Debug)]
pub(crate) struct Index {
    n_entries: usize,
    bytes: IndexBytes,
}

/// The bytes of an index, which no other process can change.
#[derive(Debug)]
pub(crate) enum IndexBytes {
    Copied(Box<[u8]>),
    /// A mapping of sealed memory.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "no other system has sealed memory")
    )]
    Mapped(Mmap),
}

/// The image that each page of a pack belongs to.
#[derive(Debug)]
pub(crate) struct Pages {
    page: usize,
    /// The first entry of the image on each page, or [`NO_IMAGE`]. A search among the entries would miss the
    /// cache a dozen times per load and per unload.
    image_by_page: Box<[u32]>,
}

const NO_IMAGE: u32 = u32::MAX;

/// Encodes the index of the given entries, which must be sorted by name.
pub(crate) fn encode<'a>(entries: impl Iterator<Item = (&'a str, &'a Record)>) -> Vec<u8> {
    let (mut index, mut names) = (Vec::new(), Vec::<u8>::new());
    for (name, record) in entries {
        index.extend(record.encode(names.len() as u64, name.len() as u32));
        names.extend(name.as_bytes());
    }
    index.extend(names);
    index
}

impl Index {
    /// Checks the index of a pack with this header: names are sorted, and images fill the pages before the
    /// index without overlapping. The caller has checked the seal.
    pub(crate) fn read(header: &Header, bytes: IndexBytes) -> Result<(Index, Pages), Error> {
        let malformed = || Error::NotAPack { problem: "its index is inconsistent" };
        let n_entries = usize::try_from(header.n_entries).map_err(|_| malformed())?;
        let records_bytes = n_entries.checked_mul(RECORD_BYTES).ok_or_else(malformed)?;
        if header.n_entries >= u64::from(NO_IMAGE) || records_bytes > bytes.get().len() {
            return Err(malformed());
        }
        let index = Index { n_entries, bytes };
        let names = std::str::from_utf8(&index.bytes.get()[records_bytes..]);
        let names = names.map_err(|_| Error::NotAPack { problem: "its names are not UTF-8" })?;
        let mut pages = Pages::new(header);
        let (mut names_end, mut previous) = (0, None);
        for at in 0..n_entries {
            let range = index.name_range(at);
            let follows = range.start == names_end && range.start <= range.end;
            names_end = range.end;
            let name = names.get(range).filter(|_| follows).ok_or_else(malformed)?;
            if previous.is_some_and(|previous| previous >= name) {
                return Err(malformed());
            }
            previous = Some(name);
            let record = Record::decode(index.raw(at))?;
            pages.place(at, &record, &index).ok_or_else(malformed)?;
        }
        if names_end != names.len() || !pages.are_full() {
            return Err(malformed());
        }
        Ok((index, pages))
    }

    pub(crate) fn len(&self) -> usize {
        self.n_entries
    }

    /// Returns an entry's record.
    ///
    /// # Panics
    ///
    /// If `at` is out of range.
    pub(crate) fn record(&self, at: usize) -> Record {
        Record::decode(self.raw(at)).expect("the kind was checked when the pack was opened")
    }

    pub(crate) fn name(&self, at: usize) -> &str {
        std::str::from_utf8(self.name_bytes(at))
            .expect("names were checked when the pack was opened")
    }

    /// Finds the entry with a name by binary search.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let (mut from, mut to) = (0, self.n_entries);
        while from < to {
            let middle = from + (to - from) / 2;
            match self.name_bytes(middle).cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    fn name_bytes(&self, at: usize) -> &[u8] {
        &self.bytes.get()[self.n_entries * RECORD_BYTES..][self.name_range(at)]
    }

    /// Returns the range of a name among the names. The range of an unchecked index may be reversed.
    fn name_range(&self, at: usize) -> Range<usize> {
        let raw = self.raw(at);
        let start = u64::from_le_bytes(array(raw, 32)) as usize;
        start..start.wrapping_add(u32::from_le_bytes(array(raw, 40)) as usize)
    }

    fn raw(&self, at: usize) -> &[u8; RECORD_BYTES] {
        assert!(at < self.n_entries, "the pack has {} entries and no index {at}", self.n_entries);
        let record = self.bytes.get()[at * RECORD_BYTES..].first_chunk();
        record.expect("the length was checked when the pack was opened")
    }
}

impl IndexBytes {
    pub(crate) fn get(&self) -> &[u8] {
        match self {
            IndexBytes::Copied(bytes) => bytes,
            IndexBytes::Mapped(bytes) => bytes,
        }
    }
}

impl Pages {
    fn new(header: &Header) -> Pages {
        let page = header.page as usize;
        let image_by_page = vec![NO_IMAGE; header.images_end as usize / page].into_boxed_slice();
        Pages { page, image_by_page }
    }

    /// Notes the pages of an image. Returns `None` if they belong to another image, or are no pages of images.
    fn place(&mut self, at: usize, record: &Record, index: &Index) -> Option<()> {
        let page = self.page as u64;
        let end = record.end()?.checked_next_multiple_of(page)? / page;
        if record.bytes == 0 || record.offset < page || !record.offset.is_multiple_of(page) {
            return None;
        }
        let first = usize::try_from(record.offset / page).ok()?;
        let pages = self.image_by_page.get_mut(first..usize::try_from(end).ok()?)?;
        if pages[0] != NO_IMAGE {
            let other = index.record(pages[0] as usize);
            return (other == *record).then_some(());
        }
        if pages.iter().any(|page| *page != NO_IMAGE) {
            return None;
        }
        pages.fill(at as u32);
        Some(())
    }

    /// Returns whether an image is on each page but the header's.
    fn are_full(&self) -> bool {
        self.image_by_page[1..].iter().all(|image| *image != NO_IMAGE)
    }

    /// Returns the range of whole pages that contain a range, which begins at a page.
    pub(crate) fn around(&self, range: Range<usize>) -> Range<usize> {
        range.start..range.end.next_multiple_of(self.page)
    }

    /// Returns the page size of the pack.
    #[cfg_attr(not(feature = "native-unwind"), expect(dead_code, reason = "unwinders use it"))]
    pub(crate) fn page(&self) -> usize {
        self.page
    }

    /// Returns the first entry of the image at an offset within the pack.
    pub(crate) fn image_at(&self, offset: usize) -> Option<usize> {
        let image = *self.image_by_page.get(offset / self.page)?;
        (image != NO_IMAGE).then_some(image as usize)
    }

    #[cfg(test)]
    pub(crate) fn of(page: usize, image_by_page: Vec<Option<u32>>) -> Pages {
        let image_by_page = image_by_page.into_iter().map(|image| image.unwrap_or(NO_IMAGE));
        Pages { page, image_by_page: image_by_page.collect() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::artifact::contents::ArtifactKind;
    use crate::trust::seal::Seal;

    const PAGE: u32 = 4096;

    fn record(offset: u64, bytes: u64, frames_bytes: u64) -> Record {
        let seal = Seal::of(None, &[&bytes.to_le_bytes()]);
        let (kind, is_copied, has_data_segments) =
            (ArtifactKind::Component, bytes == 1, bytes > 4000);
        let functions = 3;
        Record { kind, is_copied, has_data_segments, offset, bytes, functions, frames_bytes, seal }
    }

    fn bytes_of(entries: &[(&str, Record)]) -> Vec<u8> {
        encode(entries.iter().map(|(name, record)| (*name, record)))
    }

    fn read(n_entries: usize, images_end: u64, index: &[u8]) -> Result<(Index, Pages), Error> {
        let header = Header::of(None, PAGE, n_entries as u64, images_end, index);
        Index::read(&header, IndexBytes::Copied(index.into()))
    }

    #[test]
    fn what_is_written_is_read_again_and_found() {
        let (first, last) = (record(4096, 5000, 100), record(16384, 4096, 0));
        let entries = [("", record(12288, 1, 0)), ("a", first), ("equal", first), ("ü", last)];
        let (index, pages) = read(4, 20480, &bytes_of(&entries)).unwrap();
        assert_eq!(index.len(), 4);
        for (at, (name, record)) in entries.iter().enumerate() {
            assert_eq!((index.name(at), index.record(at)), (*name, *record));
            assert_eq!(index.find(name), Some(at));
        }
        assert_eq!(["A", "b", "eq", "z", "üü"].map(|name| index.find(name)), [None; 5]);
        assert_eq!((first.image(), first.frames()), (4096..9096, 9096..9196));
        assert_eq!((last.image(), last.frames()), (16384..20480, 20480..20480));
        let images = [0, 4096, 12000, 12288, 20479, 20480].map(|offset| pages.image_at(offset));
        assert_eq!(images, [None, Some(1), Some(1), Some(0), Some(3), None]);
        read(0, 4096, &[]).unwrap();
    }

    #[test]
    fn an_index_that_overlaps_or_points_out_is_refused() {
        let good = record(4096, 4096, 0);
        for (entries, images_end) in [
            (vec![("in the header", record(0, 1, 0))], 8192),
            (vec![("odd", record(4097, 1, 0))], 8192),
            (vec![("empty", record(4096, 0, 0))], 8192),
            (vec![("behind", record(4096, 4097, 0))], 8192),
            (vec![("far", record(1 << 63, 1 << 63, 0))], 8192),
            (vec![("long", record(4096, u64::MAX, 0))], 8192),
            (vec![("frames", record(4096, 4090, 10))], 8192),
            (vec![("frames", record(4096, 10, u64::MAX))], 8192),
            (vec![("none on the last page", good)], 12288),
            (vec![("a", good), ("b", record(4096, 4095, 0))], 8192),
            (vec![("a", good), ("b", record(4096, 8192, 0))], 12288),
            (vec![("a", record(8192, 1, 0)), ("b", record(4096, 8000, 0))], 12288),
            (vec![("b", good), ("a", record(8192, 1, 0))], 12288),
            (vec![("a", good), ("a", record(8192, 1, 0))], 12288),
        ] {
            let refused = read(entries.len(), images_end, &bytes_of(&entries));
            assert!(matches!(refused, Err(Error::NotAPack { .. })), "{entries:?}");
        }
        // The numbers of records and names must fit the length of the index.
        let index = bytes_of(&[("name", good)]);
        for (n, index) in [(0, &index[..]), (2, &index), (usize::MAX, &index), (1, &index[..83])] {
            assert!(matches!(read(n, 8192, index), Err(Error::NotAPack { .. })), "{n}");
        }
        let mut not_utf8 = index.clone();
        not_utf8[81] = 0xff;
        read(1, 8192, &not_utf8).unwrap_err();
    }

    /// Even mistakes of a holder of the key must not cause a panic.
    #[test]
    fn any_bytes_are_a_value_or_an_error() {
        let entries = [("one", record(4096, 4000, 8)), ("two", record(8192, 9, 16))];
        let whole = bytes_of(&entries);
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..5000 {
            let mut bytes = whole.clone();
            for _ in 0..random.usize(1..4) {
                bytes[random.usize(..whole.len())] = [0, 1, 8, 0x7f, 0x80, 0xff][random.usize(..6)];
            }
            let Ok((index, pages)) = read(2, 12288, &bytes) else { continue };
            for at in 0..2 {
                assert!(index.record(at).extent().end <= 12288);
                assert_eq!(pages.image_at(index.record(at).image().start), Some(at));
                assert_eq!(index.find(index.name(at)), Some(at));
            }
        }
    }
}
