//! Tests of artifacts: their contents, the policies for their tables, and the bytes that are rejected.
#![cfg(feature = "compile")]
#![allow(clippy::unwrap_used, unsafe_code)]

mod common;

use std::path::{Path, PathBuf};

use common::{Folder, artifacts, call, change_version, check, engine};
use fastrand::Rng;
use loadline_loader::{
    Artifact, ArtifactFile, ArtifactKind, Contents, Digest, Error, UnwindPolicy, compile,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn contents_are_read_from_the_artifact() {
    let artifact = &artifacts(1)[0];
    let contents = *artifact.contents();
    assert_eq!(contents.kind, ArtifactKind::Module);
    assert_eq!(contents.bytes, artifact.bytes().len());
    assert_eq!(contents.functions, 3);
    if !cfg!(windows) {
        // One FDE per function, and trampolines for the two exported functions and for the one type.
        assert_eq!(contents.fdes, 3 + 2 + 1);
        assert!(contents.has_tables);
    }
    let loaded = artifact.load(&engine()).unwrap();
    assert!(loaded.module().is_some() && loaded.component().is_none());
}

#[test]
fn machine_code_needs_someone_to_vouch_for_it() {
    let folder = Folder::of(&artifacts(1));
    let cwasm = folder.files[0].path().to_owned();
    let error = compile::file(&engine(), &cwasm).unwrap_err();
    assert!(error.to_string().contains(cwasm.to_str().unwrap()), "{error}");
    assert!(matches!(error, Error::File { source, .. } if matches!(*source, Error::Precompiled)));
    // SAFETY: the test has just written the file.
    let inspected = unsafe { ArtifactFile::inspected(&cwasm) }.unwrap();
    assert_eq!(inspected.contents(), folder.files[0].contents());
}

#[test]
fn a_stripped_artifact_runs_and_has_no_tables() {
    let mut artifact = artifacts(1).remove(0);
    let kept = artifact.clone();
    artifact.apply(UnwindPolicy::Keep).unwrap();
    assert_eq!(artifact.bytes(), kept.bytes());
    artifact.apply(UnwindPolicy::Strip).unwrap();
    let changed = artifact.bytes().iter().zip(kept.bytes()).filter(|(a, b)| a != b).count();
    assert_eq!(artifact.bytes().len(), kept.bytes().len());
    // The stored contents are the contents that are read from the bytes.
    assert_eq!(*artifact.contents(), Contents::of(artifact.bytes()).unwrap());
    let engine = engine();
    check(&engine, &artifact.load(&engine).unwrap(), 0);
    if cfg!(windows) {
        assert_eq!(changed, 0);
        assert!(artifact.contents().has_tables);
    } else {
        assert!((1..=8).contains(&changed), "{changed} bytes");
        assert!(!artifact.contents().has_tables);
        assert_eq!(artifact.contents().fdes, 0);
    }
    // A second call changes nothing.
    let once = artifact.clone();
    artifact.apply(UnwindPolicy::Strip).unwrap();
    assert_eq!(artifact.bytes(), once.bytes());
}

#[test]
fn tables_that_must_be_absent_are_refused() {
    let mut artifact = artifacts(1).remove(0);
    let whole = artifact.clone();
    let refused = artifact.apply(UnwindPolicy::RequireAbsent);
    assert_eq!(artifact.bytes(), whole.bytes());
    if cfg!(windows) {
        refused.unwrap();
        return;
    }
    let fdes = whole.contents().fdes;
    assert!(matches!(refused, Err(Error::TablesPresent { fdes: found }) if found == fdes));
    artifact.apply(UnwindPolicy::Strip).unwrap();
    artifact.apply(UnwindPolicy::RequireAbsent).unwrap();
}

#[test]
fn files_of_the_users_own_are_compiled() {
    let engine = engine();
    let module = compile::file(&engine, fixture("module.wat")).unwrap();
    assert_eq!(module.contents().kind, ArtifactKind::Module);
    assert_eq!(module.contents().functions, 1);
    assert_eq!(call(&engine, &module.load(&engine).unwrap(), "add-seven", 21), 28);

    let mut component = compile::file(&engine, fixture("component.wat")).unwrap();
    assert_eq!(component.contents().kind, ArtifactKind::Component);
    assert_eq!(component.contents().functions, 1);
    for policy in [UnwindPolicy::Keep, UnwindPolicy::Strip] {
        component.apply(policy).unwrap();
        assert_eq!(call(&engine, &component.load(&engine).unwrap(), "double", 21), 42);
    }
    let folder = Folder::of(&[component]);
    assert_eq!(call(&engine, &folder.files[0].map(&engine).unwrap(), "double", 21), 42);

    // Text and binary form give the same artifact.
    let text = std::fs::read(fixture("module.wat")).unwrap();
    let binary = wat::parse_bytes(&text).unwrap();
    assert_eq!(compile::bytes(&engine, &binary).unwrap().bytes(), module.bytes());
}

#[test]
fn unreadable_and_invalid_files_are_named() {
    let compiling = engine();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let error = compile::file(&compiling, path("none.wasm")).unwrap_err();
    assert!(matches!(error, Error::Read { .. }), "{error:?}");
    std::fs::write(path("text.wat"), "(module (func").unwrap();
    let error = compile::file(&compiling, path("text.wat")).unwrap_err();
    assert!(matches!(error, Error::File { source, .. } if matches!(*source, Error::Text { .. })));
    std::fs::write(path("invalid.wat"), "(module (func (result i32)))").unwrap();
    let error = compile::file(&compiling, path("invalid.wat")).unwrap_err();
    assert!(
        matches!(error, Error::File { source, .. } if matches!(*source, Error::Compile { .. }))
    );
}

#[test]
fn a_digest_recognises_the_bytes_and_nothing_else() {
    let artifact = artifacts(1).remove(0);
    // SAFETY: the bytes were saved from an artifact.
    let digest = unsafe { Digest::recorded(artifact.digest().to_bytes()) };
    assert_eq!(digest.to_string().len(), 64);
    assert_eq!(
        Artifact::verified(artifact.bytes().to_vec(), &digest).unwrap().bytes(),
        artifact.bytes()
    );

    let folder = Folder::of(std::slice::from_ref(&artifact));
    folder.files[0].verify(&digest).unwrap();
    let mut random = Rng::with_seed(7);
    let length = artifact.bytes().len();
    for _ in 0..64 {
        let mut bytes = artifact.bytes().to_vec();
        bytes[random.usize(..length)] ^= 1 << random.u8(..8);
        std::fs::write(folder.files[0].path(), &bytes).unwrap();
        assert!(folder.files[0].verify(&digest).is_err());
        let error = Artifact::verified(bytes, &digest).unwrap_err();
        assert!(matches!(error, Error::Altered { .. }), "{error:?}");
    }
    for end in [0, 1, 64, length / 2, length - 1] {
        let error = Artifact::verified(artifact.bytes()[..end].to_vec(), &digest).unwrap_err();
        assert!(matches!(error, Error::Altered { .. }), "{error:?}");
    }
}

#[test]
fn what_is_cut_off_is_no_artifact() {
    let artifact = artifacts(1).remove(0);
    let whole = artifact.bytes();
    for end in (0..whole.len()).step_by(97) {
        assert!(Contents::of(&whole[..end]).is_err(), "{end} of {} bytes", whole.len());
    }
}

#[test]
fn another_release_of_wasmtime_is_refused() {
    let artifact = artifacts(1).remove(0);
    let mut bytes = artifact.into_bytes();
    let version = change_version(&mut bytes);
    // SAFETY: bytes of another release meet the contract, and Wasmtime rejects them by their version.
    let artifact = unsafe { Artifact::trusted(bytes) }.unwrap();
    let error = artifact.load(&engine()).unwrap_err();
    let Error::Deserialize { source } = error else { panic!("{error:?}") };
    let text = source.to_string();
    assert!(text.contains(&format!("incompatible version '{version}'")), "{text}");
}

#[test]
fn saving_is_all_or_nothing() {
    let artifact = artifacts(1).remove(0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.cwasm");
    artifact.save(&path).unwrap();
    artifact.save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), artifact.bytes());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let error = artifact.save(folder.path().join("none/a.cwasm")).unwrap_err();
    assert!(matches!(error, Error::Write { .. }), "{error:?}");
    let error = artifact.save(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Write { .. }), "{error:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
