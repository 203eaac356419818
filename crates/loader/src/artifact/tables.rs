//! Hides the unwind tables of an artifact from Wasmtime.
//!
//! Wasmtime registers the `.eh_frame` section of a module with the unwinder of the process if that section is
//! not empty. It does not read `Config::native_unwind_info` of the loading engine (wasmtime 48
//! `runtime/code_memory.rs`, `register_unwind_info`). An artifact compiled without tables has no such
//! section. This module makes an artifact with tables look the same: it sets the section size in the section
//! header, `sh_size`, to 0. Eight bytes change and nothing moves. The code and all other sections stay as
//! compiled. Artifacts contain no checksum of their own.
//!
//! Hiding the tables has a price. A native backtrace in a host function called from wasm, including the
//! backtrace of a panic, ends at the first wasm frame. A C++ exception thrown there cannot pass that frame.
//! Traps, `WasmBacktrace` and wasm exceptions do not use these tables.
//!
//! Windows artifacts have their tables in `.pdata` and `.xdata`. This module leaves them alone, because they
//! are part of that platform's ABI.

use object::elf::{FileHeader64, SectionHeader64};
use object::endian::Endianness;
use object::read::elf::FileHeader;

use crate::artifact::contents::{EH_FRAME, Image};
use crate::error::Error;

/// Hides the System V unwind tables of the artifact `bytes`. Returns false if it has none.
pub(crate) fn hide(bytes: &mut [u8]) -> Result<bool, Error> {
    let sizes = size_fields(bytes)?;
    for &at in &sizes {
        // Zero has the same bytes in either endianness.
        bytes[at..at + size_of::<u64>()].fill(0);
    }
    Ok(!sizes.is_empty())
}

/// Returns the offset of the eight-byte `sh_size` field of each `.eh_frame` section.
fn size_fields(bytes: &[u8]) -> Result<Vec<usize>, Error> {
    type Header = SectionHeader64<Endianness>;

    let malformed = |source| Error::Sections { source };
    let header = FileHeader64::<Endianness>::parse(bytes).map_err(malformed)?;
    let endian = header.endian().map_err(malformed)?;
    let image = Image::parse(bytes)?;
    // Parsing has checked that the whole table of headers lies within `bytes`, so this cannot overflow.
    let table = header.e_shoff(endian) as usize;
    let field = |index| table + index * size_of::<Header>() + std::mem::offset_of!(Header, sh_size);
    Ok(image.named(EH_FRAME).map(|section| field(section.index)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::contents::{ArtifactKind, Contents};

    /// Writes numbers in the given endianness.
    struct Writer {
        bytes: Vec<u8>,
        is_big: bool,
    }

    impl Writer {
        fn number<const N: usize>(&mut self, little: [u8; N]) {
            let mut bytes = little;
            if self.is_big {
                bytes.reverse();
            }
            self.bytes.extend(bytes);
        }

        fn u16(&mut self, numbers: &[u16]) {
            numbers.iter().for_each(|number| self.number(number.to_le_bytes()));
        }

        fn u32(&mut self, numbers: &[u32]) {
            numbers.iter().for_each(|number| self.number(number.to_le_bytes()));
        }

        fn u64(&mut self, numbers: &[u64]) {
            numbers.iter().for_each(|number| self.number(number.to_le_bytes()));
        }

        fn section(&mut self, name: u32, kind: u32, offset: u64, size: u64) {
            self.u32(&[name, kind]);
            self.u64(&[0, 0, offset, size]);
            self.u32(&[0, 0]);
            self.u64(&[1, 0]);
        }
    }

    /// Returns a common information entry, two frame description entries and the terminator.
    fn eh_frame(is_big: bool) -> Vec<u8> {
        let mut tables = Writer { bytes: Vec::new(), is_big };
        tables.u32(&[12, 0]);
        tables.bytes.extend([1, 0, 1, 0x78, 16, 0, 0, 0]);
        for start in [16, 40] {
            tables.u32(&[20, start + 4]);
            tables.u64(&[0x1000, 0x10]);
        }
        tables.u32(&[0]);
        tables.bytes
    }

    /// Returns the smallest module artifact: header, tables, section names, section headers.
    fn artifact(is_big: bool) -> Vec<u8> {
        let tables = eh_frame(is_big);
        let names = b"\0.eh_frame\0.shstrtab\0";
        let (header_bytes, n_tables, n_names) = (64, tables.len() as u64, names.len() as u64);
        let table = (header_bytes + n_tables + n_names).next_multiple_of(8);

        let mut image = Writer { bytes: b"\x7fELF\x02".to_vec(), is_big };
        image.bytes.extend([1 + u8::from(is_big), 1, 200, 0, 0, 0, 0, 0, 0, 0, 0]);
        image.u16(&[1, 22]);
        image.u32(&[1]);
        image.u64(&[0, 0, table]);
        image.u32(&[1]);
        image.u16(&[64, 0, 0, 64, 3, 2]);
        image.bytes.extend(tables);
        image.bytes.extend(names);
        image.bytes.resize(table as usize, 0);
        image.section(0, 0, 0, 0);
        image.section(1, 1, header_bytes, n_tables);
        image.section(11, 3, header_bytes + n_tables, n_names);
        image.bytes
    }

    #[test]
    fn tables_are_hidden_in_either_endianness() {
        for is_big in [false, true] {
            let mut bytes = artifact(is_big);
            let before = Contents::of(&bytes).expect("the image is well formed");
            let kind = ArtifactKind::Module;
            let kept =
                Contents { kind, bytes: bytes.len(), functions: 0, fdes: 2, has_tables: true };
            assert_eq!(before, kept);
            assert!(hide(&mut bytes).expect("the image is well formed"));
            let after = Contents::of(&bytes).expect("it still is");
            assert_eq!(after, Contents { fdes: 0, has_tables: false, ..kept });
        }
    }

    #[test]
    fn broken_tables_are_an_error() {
        let mut bytes = artifact(false);
        bytes[64] = 0xee;
        assert!(matches!(Contents::of(&bytes), Err(Error::Tables { .. })));
    }
}
