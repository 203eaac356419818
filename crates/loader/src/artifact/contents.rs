//! Reads the contents of an artifact from its ELF image: [`Contents`].
//!
//! This module does not trust the bytes. For any bytes, it returns a value or an error.

use object::elf::{self, FileHeader64, SectionHeader64};
use object::endian::Endianness;
use object::read::elf::{FileHeader, SectionHeader, Sym};
use wasmtime::{Engine, Precompiled};

use crate::error::Error;

/// The section that Wasmtime registers with the unwinder on System V targets (wasmtime 48
/// `runtime/vm/sys/unix/unwind.rs`).
pub(crate) const EH_FRAME: &[u8] = b".eh_frame";
/// The section that Wasmtime registers on Windows targets (wasmtime 48 `runtime/vm/sys/windows/unwind64.rs`).
const PDATA: &[u8] = b".pdata";
/// The section for data segments (wasmtime 48 `wasmtime_environ::obj::ELF_WASM_DATA`).
const WASM_DATA: &[u8] = b".rodata.wasm";
/// The section for the original wasm, which Wasmtime adds to artifacts for guest debugging (wasmtime 48
/// `wasmtime_environ::obj::ELF_WASMTIME_WASM_BYTECODE`).
#[cfg(unix)]
const WASM_BYTECODE: &[u8] = b".wasmtime.wasm_bytecode";

/// The kind of an artifact: module or component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArtifactKind {
    /// A core module.
    Module,
    /// A component, including its core modules.
    Component,
}

/// The contents of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// The kind of the artifact.
    pub kind: ArtifactKind,
    /// The length of the artifact in bytes.
    pub bytes: usize,
    /// The number of compiled wasm functions in all core modules, without trampolines.
    pub functions: usize,
    /// The number of frame description entries (FDEs) that Wasmtime registers with the unwinder: one per
    /// function and one per trampoline. Windows artifacts use another format and have none.
    pub fdes: usize,
    /// Whether loading the artifact registers anything with the unwinder of the process.
    pub has_tables: bool,
}

impl Contents {
    /// Reads the contents of the artifact `bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnArtifact`] if Wasmtime would not recognise the header. [`Error::Sections`] or
    /// [`Error::Tables`] if the rest is inconsistent, for example truncated. This function does not notice
    /// damage elsewhere; only a digest finds such damage.
    pub fn of(bytes: &[u8]) -> Result<Contents, Error> {
        let kind = match Engine::detect_precompiled(bytes) {
            Some(Precompiled::Module) => ArtifactKind::Module,
            Some(Precompiled::Component) => ArtifactKind::Component,
            None => return Err(Error::NotAnArtifact),
        };
        let image = Image::parse(bytes)?;
        let eh_frame = image.named(EH_FRAME).find(|section| !section.data.is_empty());
        let fdes = eh_frame.as_ref().map_or(Ok(0), |section| image.fdes(section.data))?;
        let has_pdata = image.named(PDATA).any(|section| !section.data.is_empty());
        Ok(Contents {
            kind,
            bytes: bytes.len(),
            functions: image.functions()?,
            fdes,
            has_tables: eh_frame.is_some() || has_pdata,
        })
    }
}

/// The sections of an artifact. Artifacts are ELF64 on every target, in either endianness.
pub(crate) struct Image<'a> {
    bytes: &'a [u8],
    endian: Endianness,
    sections: Vec<Section<'a>>,
}

pub(crate) struct Section<'a> {
    /// The index in the section header table.
    pub(crate) index: usize,
    name: &'a [u8],
    data: &'a [u8],
}

#[cfg(unix)]
impl<'a> Section<'a> {
    pub(crate) fn data(&self) -> &'a [u8] {
        self.data
    }
}

impl<'a> Image<'a> {
    #[cfg(unix)]
    pub(crate) fn is_big_endian(&self) -> bool {
        self.endian == Endianness::Big
    }

    /// Reads the section headers, and checks that every section lies within `bytes`.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Image<'a>, Error> {
        Image::sections_of(bytes).map_err(|source| Error::Sections { source })
    }

    fn sections_of(bytes: &'a [u8]) -> object::read::Result<Image<'a>> {
        let header = FileHeader64::<Endianness>::parse(bytes)?;
        let endian = header.endian()?;
        let table = header.sections(endian, bytes)?;
        let section = |(index, header): (usize, &'a SectionHeader64<Endianness>)| {
            let name = table.section_name(endian, header)?;
            let data = header.data(endian, bytes)?;
            Ok(Section { index, name, data })
        };
        let sections = table.iter().enumerate().map(section).collect::<Result<_, _>>()?;
        Ok(Image { bytes, endian, sections })
    }

    /// Returns the sections with the given name. Only a file that was built by hand has more than one.
    pub(crate) fn named(&self, name: &'static [u8]) -> impl Iterator<Item = &Section<'a>> {
        self.sections.iter().filter(move |section| section.name == name)
    }

    /// Returns whether the artifact has data segments. Wasmtime puts data segments into a file in memory at
    /// the first instantiation, which takes one file descriptor.
    pub(crate) fn has_data_segments(&self) -> bool {
        self.named(WASM_DATA).any(|section| !section.data.is_empty())
    }

    /// Returns whether the artifact was compiled with `Config::guest_debug`. Each instance of such a module
    /// gets its own copy of the code. Wasmtime makes that copy only from memory that Wasmtime owns.
    #[cfg(unix)]
    pub(crate) fn is_for_guest_debug(&self) -> bool {
        self.named(WASM_BYTECODE).next().is_some()
    }

    /// Counts the FDEs in an `.eh_frame` section, without the common information entry and the terminator.
    fn fdes(&self, eh_frame: &[u8]) -> Result<usize, Error> {
        use gimli::UnwindSection;

        let endian = match self.endian {
            Endianness::Little => gimli::RunTimeEndian::Little,
            Endianness::Big => gimli::RunTimeEndian::Big,
        };
        let tables = gimli::EhFrame::new(eh_frame, endian);
        let bases = gimli::BaseAddresses::default();
        let mut entries = tables.entries(&bases);
        let mut fdes = 0;
        while let Some(entry) = entries.next().map_err(|source| Error::Tables { source })? {
            fdes += usize::from(matches!(entry, gimli::CieOrFde::Fde(_)));
        }
        Ok(fdes)
    }

    /// Counts the symbols of compiled wasm functions. Wasmtime names them like `wasm[0]::function[3]`, with
    /// `::name` at the end if the wasm names the function (wasmtime 48 `compile.rs`).
    fn functions(&self) -> Result<usize, Error> {
        self.count_functions().map_err(|source| Error::Sections { source })
    }

    fn count_functions(&self) -> object::read::Result<usize> {
        let header = FileHeader64::<Endianness>::parse(self.bytes)?;
        let table = header.sections(self.endian, self.bytes)?;
        let symbols = table.symbols(self.endian, self.bytes, elf::SHT_SYMTAB)?;
        let mut functions = 0;
        for symbol in symbols.iter() {
            let name = symbol.name(self.endian, symbols.strings())?;
            functions += usize::from(is_wasm_function(name));
        }
        Ok(functions)
    }
}

/// Returns whether a symbol belongs to a compiled wasm function, and not to a trampoline.
fn is_wasm_function(symbol: &[u8]) -> bool {
    let Some(rest) = symbol.strip_prefix(b"wasm[") else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest[digits..].starts_with(b"]::function[")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trampolines_are_no_functions() {
        assert!(is_wasm_function(b"wasm[0]::function[3]"));
        assert!(is_wasm_function(b"wasm[12]::function[3]::wasm[0]::array"));
        assert!(!is_wasm_function(b"wasm[0]::array_to_wasm_trampoline[3]"));
        assert!(!is_wasm_function(b"signatures[4]::wasm_to_array_trampoline"));
        assert!(!is_wasm_function(b"wasm["));
        assert!(!is_wasm_function(b""));
    }

    #[test]
    fn what_is_no_artifact_is_an_error() {
        for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"\x7fELF", &[0; 64], &[0xff; 4096]] {
            assert!(matches!(Contents::of(bytes), Err(Error::NotAnArtifact)), "{bytes:?}");
        }
    }
}
