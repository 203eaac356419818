//! Compiles artifacts from WebAssembly in binary or text form.

use std::fs;
use std::path::Path;

use wasmtime::Engine;

use crate::artifact::Artifact;
use crate::contents::ArtifactKind;
use crate::error::Error;

/// Compiles wasm, in binary or text form, module or component.
///
/// # Errors
///
/// [`Error::Text`] or [`Error::Compile`]; [`Error::Precompiled`] where it is compiled already.
pub fn bytes(engine: &Engine, source: &[u8]) -> Result<Artifact, Error> {
    if Engine::detect_precompiled(source).is_some() {
        return Err(Error::Precompiled);
    }
    let wasm = wat::parse_bytes(source).map_err(|source| Error::Text { source })?;
    let kind = if is_component(&wasm) { ArtifactKind::Component } else { ArtifactKind::Module };
    Artifact::compile(engine, kind, &wasm)
}

/// Compiles the user's own `.wasm`, `.wat` or component file.
///
/// # Errors
///
/// As [`bytes`], with the file's path.
pub fn file(engine: &Engine, path: impl AsRef<Path>) -> Result<Artifact, Error> {
    let path = path.as_ref();
    bytes(engine, &read(path)?).map_err(|error| error.in_file(path))
}

/// Whether binary wasm is a component: the version field's second half is the layer
/// (component model `Binary.md`: 0 a core module, 1 a component).
fn is_component(wasm: &[u8]) -> bool {
    wasm.get(6..8) == Some(&[1, 0])
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}
