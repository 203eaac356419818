//! Compiles artifacts from WebAssembly in binary or text form.

use std::fs;
use std::path::Path;

use wasmtime::Engine;

use crate::artifact::Artifact;
use crate::artifact::contents::ArtifactKind;
use crate::error::Error;

/// Compiles a module or component, given as wasm in binary or text form.
///
/// # Errors
///
/// [`Error::Text`] or [`Error::Compile`]. [`Error::Precompiled`] if `source` is machine code already.
pub fn bytes(engine: &Engine, source: &[u8]) -> Result<Artifact, Error> {
    if Engine::detect_precompiled(source).is_some() {
        return Err(Error::Precompiled);
    }
    let wasm = wat::parse_bytes(source).map_err(|source| Error::Text { source })?;
    let kind = if is_component(&wasm) { ArtifactKind::Component } else { ArtifactKind::Module };
    Artifact::compile(engine, kind, &wasm)
}

/// Compiles a `.wasm`, `.wat` or component file.
///
/// # Errors
///
/// The errors of [`bytes`], with the path of the file.
pub fn file(engine: &Engine, path: impl AsRef<Path>) -> Result<Artifact, Error> {
    let path = path.as_ref();
    bytes(engine, &read(path)?).map_err(|error| error.in_file(path))
}

/// Returns whether binary wasm is a component. The second half of the version field is the layer: 0 for a
/// core module, 1 for a component (component model, `Binary.md`).
fn is_component(wasm: &[u8]) -> bool {
    wasm.get(6..8) == Some(&[1, 0])
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use object::Endianness;
    use object::elf::SectionHeader64;

    use super::*;
    use crate::artifact::contents::Contents;
    use crate::artifact::tables;

    /// Neither function may trust the bytes, so neither may panic on any bytes.
    #[test]
    fn damaged_bytes_never_panic() {
        let functions = "(func (result i32) i32.const 7)".repeat(12);
        let text = format!("(module {functions})");
        let artifact = bytes(&wasmtime::Engine::default(), text.as_bytes());
        let whole = artifact.expect("it is valid").into_bytes();
        let mut random = fastrand::Rng::with_seed(7);
        let mut n_refused = 0;
        for round in 0..4000 {
            let mut damaged = whole.clone();
            // In turn, damage the file header, the section headers at the end, or any byte.
            let (from, to) = match round % 3 {
                0 => (16, 64),
                1 => (whole.len() - 16 * size_of::<SectionHeader64<Endianness>>(), whole.len()),
                _ => (0, whole.len()),
            };
            for _ in 0..=random.usize(..8) {
                damaged[random.usize(from..to)] = random.u8(..);
            }
            n_refused += usize::from(Contents::of(&damaged).is_err());
            if tables::hide(&mut damaged).is_ok() {
                let _ = Contents::of(&damaged);
            }
        }
        assert!((1000..4000).contains(&n_refused), "{n_refused} of 4000 were refused");
    }
}
