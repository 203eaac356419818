//! Builds the index of an artifact's unwind tables in the form that unwinders search: `.eh_frame_hdr` (Linux
//! Standard Base, section 10.6.2).
//!
//! Wasmtime's own artifacts have no such index, because the unwinder sorts registered tables itself. A pack
//! registers nothing. With this index, an unwinder finds a frame by binary search over the functions of the
//! module.

use gimli::UnwindSection;

use crate::artifact::contents::{EH_FRAME, Image};
use crate::error::Error;

/// The first bytes of an index: the version, and the encodings of the three parts after it (pcrel sdata4,
/// udata4, datarel sdata4; Linux Standard Base, section 10.5).
const HEAD: [u8; 4] = [1, 0x1b, 0x03, 0x3b];

/// Builds the index of an artifact that still has its tables. The index will be placed `at` bytes after the
/// start of the artifact. Returns `None` if the artifact has no tables, or if they are for machines of the
/// other endianness.
pub(crate) fn of(artifact: &[u8], at: usize) -> Result<Option<Vec<u8>>, Error> {
    let image = Image::parse(artifact)?;
    let Some(section) = image.named(EH_FRAME).find(|section| !section.data().is_empty()) else {
        return Ok(None);
    };
    if image.is_big_endian() != cfg!(target_endian = "big") {
        return Ok(None);
    }
    let tables = section.data();
    // The data of a section is a part of the artifact.
    let start = tables.as_ptr().addr() - artifact.as_ptr().addr();
    let mut rows = rows(tables, start, at)?;
    rows.sort_unstable();
    let mut index = HEAD.to_vec();
    let count = u32::try_from(rows.len()).map_err(|_| Error::FarFrames)?;
    index.extend(distance(start, at + index.len())?.to_ne_bytes());
    index.extend(count.to_ne_bytes());
    for (function, fde) in rows {
        index.extend(function.to_ne_bytes());
        index.extend(fde.to_ne_bytes());
    }
    Ok(Some(index))
}

/// Returns the address of each function and of its FDE, relative to the index.
fn rows(tables: &[u8], start: usize, at: usize) -> Result<Vec<(i32, i32)>, Error> {
    let malformed = |source| Error::Tables { source };
    let eh_frame = gimli::EhFrame::new(tables, gimli::NativeEndian);
    // With these bases, addresses are offsets within the artifact.
    let bases = gimli::BaseAddresses::default().set_eh_frame(start as u64);
    let mut entries = eh_frame.entries(&bases);
    let mut rows = Vec::new();
    while let Some(entry) = entries.next().map_err(malformed)? {
        let gimli::CieOrFde::Fde(fde) = entry else { continue };
        let fde = fde.parse(gimli::EhFrame::cie_from_offset).map_err(malformed)?;
        let function = usize::try_from(fde.initial_address()).map_err(|_| Error::FarFrames)?;
        let fde = start + fde.offset();
        rows.push((distance(function, at)?, distance(fde, at)?));
    }
    Ok(rows)
}

/// Returns the distance from `from` to `to` as 32 bits.
fn distance(to: usize, from: usize) -> Result<i32, Error> {
    let far = |_| Error::FarFrames;
    let [to, from] = [to, from].map(|offset| i64::try_from(offset).map_err(far));
    i32::try_from(to? - from?).map_err(far)
}

#[cfg(all(test, feature = "compile"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use gimli::{BaseAddresses, EhFrameHdr, NativeEndian};
    use wasmtime::Engine;

    use super::*;
    use crate::artifact::compile;
    use crate::artifact::policy::UnwindPolicy;

    #[test]
    fn every_function_is_found() {
        let functions =
            (0..12).map(|n| format!(r#"(func (export "{n}") (result i32) i32.const {n})"#));
        let text = format!("(module {})", functions.collect::<String>());
        let mut artifact = compile::bytes(&Engine::default(), text.as_bytes()).unwrap();
        let at = artifact.bytes().len().next_multiple_of(8);
        let index = of(artifact.bytes(), at).unwrap();
        if cfg!(windows) {
            assert_eq!(index, None);
            return;
        }
        let index = index.unwrap();
        let bases = BaseAddresses::default().set_eh_frame_hdr(at as u64);
        let parsed = EhFrameHdr::new(&index, NativeEndian).parse(&bases, 8).unwrap();
        let rows = parsed.table().unwrap();
        assert_eq!(parsed.table().unwrap().iter(&bases).count_ok(), artifact.contents().fdes);
        let image = Image::parse(artifact.bytes()).unwrap();
        let section = image.named(EH_FRAME).next().unwrap();
        let start = section.data().as_ptr().addr() - artifact.bytes().as_ptr().addr();
        let eh_frame = gimli::EhFrame::new(section.data(), NativeEndian);
        let within = BaseAddresses::default().set_eh_frame(start as u64);
        let mut entries = eh_frame.entries(&within);
        while let Some(entry) = entries.next().unwrap() {
            let gimli::CieOrFde::Fde(fde) = entry else { continue };
            let fde = fde.parse(gimli::EhFrame::cie_from_offset).unwrap();
            let found = rows.lookup(fde.initial_address() + fde.len() - 1, &bases).unwrap();
            assert_eq!(found, gimli::Pointer::Direct((start + fde.offset()) as u64));
        }
        artifact.apply(UnwindPolicy::Strip).unwrap();
        assert_eq!(of(artifact.bytes(), at).unwrap(), None);
        of(artifact.bytes(), at + (1 << 33)).unwrap();
    }

    trait CountOk {
        fn count_ok(self) -> usize;
    }

    impl<R: gimli::Reader> CountOk for gimli::EhHdrTableIter<'_, '_, R> {
        fn count_ok(mut self) -> usize {
            std::iter::from_fn(|| self.next().unwrap()).count()
        }
    }
}
