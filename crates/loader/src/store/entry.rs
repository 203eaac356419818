//! One entry of a store: a file with a header, followed by the artifact.
//!
//! | header offset | content |
//! |---|---|
//! | 0 | the eight bytes `loadentr` |
//! | 8 | format, 4 bytes: 2 |
//! | 12 | kind: 0 module, 1 component |
//! | 13 | whether it has unwind tables: 0 or 1 |
//! | 16 | length of the artifact, 8 bytes |
//! | 24 | number of functions, 8 bytes |
//! | 32 | number of FDEs, 8 bytes |
//! | 40 | full version of the Wasmtime that made it, padded with zeros, 32 bytes |
//! | 72 | seal over its key in the store, the first 72 bytes of the header, and the artifact, 32 bytes |
//!
//! The seal covers the key, so an entry under the wrong name is detected.
#![allow(unsafe_code)]

use std::io::{self, Read, Write};

use super::key::StoreKey;
use crate::artifact::Artifact;
use crate::artifact::contents::{ArtifactKind, Contents};
use crate::artifact::release::{self, RELEASE};
use crate::error::Error;
use crate::trust::seal::{Key, Seal};

const MAGIC: &[u8; 8] = b"loadentr";
const FORMAT: u32 = 2;
const SEALED_BYTES: usize = 40 + release::FIELD_BYTES;
pub(crate) const HEADER_BYTES: usize = SEALED_BYTES + Seal::BYTES;

/// Writes the header and the artifact.
pub(crate) fn write(
    file: &mut impl Write,
    name: &StoreKey,
    key: Option<&Key>,
    artifact: &Artifact,
) -> io::Result<()> {
    let header = header(artifact.contents());
    let seal = Seal::of(key, &[name.as_bytes(), &header, artifact.bytes()]);
    file.write_all(&header)?;
    file.write_all(seal.as_bytes())?;
    file.write_all(artifact.bytes())
}

/// Reads an entry of `file_bytes` bytes, and checks that it was written under this name. The artifact is made
/// from exactly the bytes whose seal was compared.
pub(crate) fn read(
    file: &mut impl Read,
    file_bytes: u64,
    name: &StoreKey,
    seals: Seals<'_>,
) -> Result<Artifact, Failure> {
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::Unsound(Error::NotAnEntry),
        _ => Failure::Unreadable(error),
    })?;
    let (header, seal) = header.split_at(SEALED_BYTES);
    let contents = contents(header).map_err(Failure::Unsound)?;
    let bytes = artifact_bytes(file, file_bytes, contents.bytes)?;
    if let Seals::Check(key) = seals {
        let mut recorded = [0; Seal::BYTES];
        recorded.copy_from_slice(seal);
        let found = Seal::of(key, &[name.as_bytes(), header, &bytes]);
        Seal::from_bytes(recorded).check(found).map_err(Failure::Unsound)?;
    }
    // SAFETY: the seal shows that these are the bytes of the artifact that `write` was given, in a program
    // with this release of Wasmtime. Opening the store settled that only writers who may choose the code that
    // runs here could have made it. If seals are not checked, the caller of `StoreOptions::unsealed` has
    // guaranteed the same.
    Ok(unsafe { Artifact::recorded(bytes, contents) })
}

/// Whether seals are compared.
#[derive(Clone, Copy)]
pub(crate) enum Seals<'a> {
    Check(Option<&'a Key>),
    Trust,
}

/// The reason why an entry could not be read.
pub(crate) enum Failure {
    /// The operating system failed to read the entry, so nothing is known about it.
    Unreadable(io::Error),
    /// The entry differs from what was written.
    Unsound(Error),
}

/// Reads exactly `expected` bytes and checks that no more follow. The number comes from the file, so this
/// function allocates memory only after it has checked the length of the file.
fn artifact_bytes(
    file: &mut impl Read,
    file_bytes: u64,
    expected: usize,
) -> Result<Vec<u8>, Failure> {
    let found =
        usize::try_from(file_bytes.saturating_sub(HEADER_BYTES as u64)).unwrap_or(usize::MAX);
    if found != expected {
        return Err(Failure::Unsound(Error::Length { expected, found }));
    }
    // A file can be larger than memory.
    let mut bytes = Vec::new();
    let reserved = bytes.try_reserve_exact(expected);
    reserved.map_err(|_| Failure::Unreadable(io::ErrorKind::OutOfMemory.into()))?;
    let n_read = file.take(expected as u64).read_to_end(&mut bytes).map_err(Failure::Unreadable)?;
    if n_read != expected {
        return Err(Failure::Unsound(Error::Length { expected, found: n_read }));
    }
    Ok(bytes)
}

fn header(contents: &Contents) -> [u8; SEALED_BYTES] {
    let mut bytes = [0; SEALED_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[12] = match contents.kind {
        ArtifactKind::Module => 0,
        ArtifactKind::Component => 1,
    };
    bytes[13] = u8::from(contents.has_tables);
    bytes[16..24].copy_from_slice(&(contents.bytes as u64).to_le_bytes());
    bytes[24..32].copy_from_slice(&(contents.functions as u64).to_le_bytes());
    bytes[32..40].copy_from_slice(&(contents.fdes as u64).to_le_bytes());
    bytes[40..].copy_from_slice(&release::field(RELEASE));
    bytes
}

fn contents(header: &[u8]) -> Result<Contents, Error> {
    let is_entry = header.starts_with(MAGIC) && header.get(8..12) == Some(&FORMAT.to_le_bytes());
    let version = header.get(40..).and_then(|version| version.try_into().ok());
    release::check(version.filter(|_| is_entry).ok_or(Error::NotAnEntry)?)?;
    decoded(header).ok_or(Error::NotAnEntry)
}

fn decoded(header: &[u8]) -> Option<Contents> {
    let number = |at: usize| {
        let bytes = header.get(at..at + 8)?.try_into().ok()?;
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    let contents = Contents {
        kind: if header.get(12) == Some(&1) {
            ArtifactKind::Component
        } else {
            ArtifactKind::Module
        },
        has_tables: header.get(13) == Some(&1),
        bytes: number(16)?,
        functions: number(24)?,
        fdes: number(32)?,
    };
    // A header that differs in any byte from the header that this program would write is rejected.
    (self::header(&contents) == *header).then_some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_were_written() {
        for (kind, has_tables) in [(ArtifactKind::Module, true), (ArtifactKind::Component, false)] {
            let written = Contents { kind, has_tables, bytes: 1 << 40, functions: 3, fdes: 0 };
            assert_eq!(contents(&header(&written)).ok(), Some(written));
            for at in [0, 8, 12, 13, 14, 15] {
                let mut bytes = header(&written);
                bytes[at] ^= 0x40;
                assert!(matches!(contents(&bytes), Err(Error::NotAnEntry)));
            }
        }
        assert!(matches!(contents(&[]), Err(Error::NotAnEntry)));
    }

    /// This also applies to programs that know the key, because the key may come from another release.
    #[test]
    fn an_entry_of_another_release_is_unsound() {
        let contents = Contents {
            kind: ArtifactKind::Module,
            has_tables: false,
            bytes: 3,
            functions: 1,
            fdes: 0,
        };
        let mut header = header(&contents);
        header[40..].copy_from_slice(&release::field("48.0.7"));
        let name: StoreKey = "07".repeat(32).parse().expect("a key");
        let seal = Seal::of(None, &[name.as_bytes(), &header, b"abc"]);
        let bytes = [&header[..], seal.as_bytes(), b"abc"].concat();
        let mut file = tempfile::tempfile().expect("there is room");
        file.write_all(&bytes).expect("there is room");
        for seals in [Seals::Check(None), Seals::Trust] {
            std::io::Seek::rewind(&mut file).expect("it is a file");
            let read = read(&mut file, bytes.len() as u64, &name, seals);
            assert!(matches!(read, Err(Failure::Unsound(Error::OtherRelease { .. }))));
        }
    }
}
