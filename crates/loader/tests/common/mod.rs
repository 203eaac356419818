//! Shared by the tests: small modules, and a folder for their artifacts.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

use std::num::NonZeroUsize;

use loadline_loader::wasmtime::{Engine, Instance, Store};
use loadline_loader::{Artifact, ArtifactFile, Loaded, compile};
use tempfile::TempDir;

pub use loadline_testing::{alone, is_child, this_test};

pub fn at_least_one(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

/// Returns a module with three functions, two of which are exported. The first returns `7 + argument ^
/// index`. No two modules export the same name.
fn text(index: usize, data: &str) -> String {
    format!(
        r#"(module
             (func (export "m{index:06}") (param i32) (result i32)
               (i32.xor (call $add (local.get 0)) (i32.const {index})))
             (func (export "other") (param i32) (result i32) (call $add (i32.const {index})))
             (func $add (param i32) (result i32) (i32.add (local.get 0) (i32.const 7)))
             {data})"#
    )
}

/// Returns the wasm of module `index`.
pub fn wasm(index: usize) -> Vec<u8> {
    wat::parse_str(text(index, "")).unwrap()
}

/// Returns the artifacts of the first `modules` modules.
pub fn artifacts(modules: usize) -> Vec<Artifact> {
    let engine = engine();
    (0..modules).map(|index| compile::bytes(&engine, &wasm(index)).unwrap()).collect()
}

/// Returns the artifact of module 0 with three data segments.
pub fn artifact_with_data() -> Artifact {
    artifact_with_data_for(&engine())
}

/// Does the same as [`artifact_with_data`] with another engine.
pub fn artifact_with_data_for(engine: &Engine) -> Artifact {
    let data = r#"(memory 1) (data (i32.const 0) "one") (data (i32.const 8) "two") (data "three")"#;
    compile::bytes(engine, text(0, data).as_bytes()).unwrap()
}

/// Changes the version of Wasmtime in an artifact, and returns the new version.
pub fn change_version(artifact: &mut [u8]) -> String {
    // The start of `.wasmtime.engine`: the format, the length of the version, and its digits.
    let is_start = |bytes: &[u8]| matches!(bytes, [0, 2, b'0'..=b'9', b'0'..=b'9']);
    let start = artifact.windows(4).position(is_start).unwrap();
    artifact[start + 3] ^= 1;
    String::from_utf8(artifact[start + 2..start + 4].to_vec()).unwrap()
}

/// Returns the engine that compiles and loads.
pub fn engine() -> Engine {
    Engine::default()
}

/// Fails unless the module is the module with this index.
pub fn check(engine: &Engine, loaded: &Loaded, index: usize) {
    assert_eq!(call(engine, loaded, &format!("m{index:06}"), 21), 28 ^ index as i32);
}

/// Calls an exported function of a module or component.
pub fn call(engine: &Engine, loaded: &Loaded, export: &str, argument: i32) -> i32 {
    let mut store = Store::new(engine, ());
    match loaded {
        Loaded::Module(module) => {
            let instance = Instance::new(&mut store, module, &[]).unwrap();
            let function = instance.get_typed_func::<i32, i32>(&mut store, export).unwrap();
            function.call(&mut store, argument).unwrap()
        }
        Loaded::Component(component) => {
            let linker = loadline_loader::wasmtime::component::Linker::new(engine);
            let instance = linker.instantiate(&mut store, component).unwrap();
            let function = instance.get_typed_func::<(i32,), (i32,)>(&mut store, export).unwrap();
            function.call(&mut store, (argument,)).unwrap().0
        }
    }
}

/// Artifacts in files, which are deleted when this value is dropped.
pub struct Folder {
    pub folder: TempDir,
    pub files: Vec<ArtifactFile>,
}

impl Folder {
    pub fn of(artifacts: &[Artifact]) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        let files = artifacts.iter().enumerate().map(|(index, artifact)| {
            let path = folder.path().join(format!("{index}.cwasm"));
            artifact.save_unsynced(&path).unwrap();
            trusted(path, artifact)
        });
        let files = files.collect();
        Folder { folder, files }
    }
}

#[allow(unsafe_code)]
fn trusted(path: std::path::PathBuf, artifact: &Artifact) -> ArtifactFile {
    // SAFETY: the file was written a moment ago, in a new folder that only this user can write to. Tests that
    // change the file afterwards load it from bytes and make Wasmtime reject its header.
    unsafe { ArtifactFile::trusted(path, *artifact.contents()) }
}
