//! Artifacts and what is trusted: what they hold, what is done to their tables, what is refused.
#![cfg(feature = "compile")]
#![allow(clippy::unwrap_used, unsafe_code)]

mod common;

use std::path::{Path, PathBuf};

use common::{Folder, artifacts, at_least_one, loading_engine, small};
use loadline_loader::compile::{self, Workshop};
use loadline_loader::{
    Artifact, ArtifactFile, ArtifactKind, Call, Contents, Digest, Error, Loaded, UnwindPolicy,
    engine, generate,
};
use loadline_scenario::{Corpus, Generated, Random, Tables, TypeSharing};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn contents_are_read_from_the_artifact() {
    let artifact = &artifacts(&Generated::default(), 1)[0];
    let contents = *artifact.contents();
    assert_eq!(contents.kind, ArtifactKind::Module);
    assert_eq!(contents.bytes, artifact.bytes().len());
    assert_eq!(contents.functions, 12);
    if cfg!(windows) {
        return;
    }
    // Each function, a trampoline for each exported one, a trampoline for each of five types.
    assert_eq!(contents.fdes, 12 + 12 + 5);
    assert!(contents.has_tables);
    assert!((10_000..40_000).contains(&contents.bytes), "{contents:?}");
}

#[test]
fn generated_modules_answer_as_predicted() {
    let many = |n| at_least_one(n);
    let engine = loading_engine();
    for axes in [
        Generated::default(),
        small(),
        Generated { body_size: 0, types: 0, ..Generated::default() },
        Generated { functions: many(7), exported: many(2), types: 3, ..Generated::default() },
        Generated { functions: many(3), exported: many(2), types: 0, ..Generated::default() },
        Generated { type_sharing: TypeSharing::Own, types: 30, ..small() },
        Generated { data_segments: 5, ..small() },
        Generated { data_segments: 2000, ..small() },
        Generated { exported: many(9), ..small() },
    ] {
        for (index, artifact) in artifacts(&axes, 3).iter().enumerate() {
            let loaded = artifact.load(&engine).unwrap();
            loaded.call(&engine, &generate::call(&axes, index)).unwrap();
            for function in 0..axes.exported.min(axes.functions).get() {
                for argument in [0, 1, -1, i32::MIN] {
                    let call = Call {
                        export: generate::export_name(index, function),
                        argument,
                        expected: generate::expected_result(&axes, index, function, argument),
                    };
                    loaded.call(&engine, &call).unwrap();
                }
            }
            assert_eq!(artifact.contents().functions, axes.functions.get());
        }
    }
}

#[test]
fn generated_modules_are_all_different() {
    let axes = small();
    let wasm: Vec<Vec<u8>> = (0..20).map(|index| generate::wasm(&axes, index)).collect();
    for (index, one) in wasm.iter().enumerate() {
        assert!(!wasm[..index].contains(one));
    }
    assert_eq!(generate::wasm(&axes, 3), wasm[3]);
    assert_ne!(generate::wasm(&Generated { seed: 8, ..axes }, 3), wasm[3]);
    let engine = loading_engine();
    let artifacts = artifacts(&axes, 2);
    let other = generate::call(&axes, 1);
    let error = artifacts[0].load(&engine).unwrap().call(&engine, &other).unwrap_err();
    assert!(matches!(error, Error::Call { .. }), "{error:?}");
}

#[test]
fn a_stripped_artifact_runs_and_has_no_tables() {
    let mut artifact = artifacts(&small(), 1).remove(0);
    let kept = artifact.clone();
    artifact.apply(Tables::Keep).unwrap();
    assert_eq!(artifact.bytes(), kept.bytes());
    artifact.apply(Tables::Strip).unwrap();
    let changed = artifact.bytes().iter().zip(kept.bytes()).filter(|(a, b)| a != b).count();
    assert_eq!(artifact.bytes().len(), kept.bytes().len());
    // The contents it keeps are the contents anyone would find.
    assert_eq!(*artifact.contents(), Contents::of(artifact.bytes()).unwrap());
    let engine = loading_engine();
    artifact.load(&engine).unwrap().call(&engine, &generate::call(&small(), 0)).unwrap();
    if cfg!(windows) {
        assert_eq!(changed, 0);
        assert!(artifact.contents().has_tables);
    } else {
        assert!((1..=8).contains(&changed), "{changed} bytes");
        assert!(!artifact.contents().has_tables);
        assert_eq!(artifact.contents().fdes, 0);
    }
    // Once more changes nothing.
    let once = artifact.clone();
    artifact.apply(Tables::Strip).unwrap();
    assert_eq!(artifact.bytes(), once.bytes());
}

#[test]
fn tables_that_must_be_absent_are_refused() {
    let mut artifact = artifacts(&small(), 1).remove(0);
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
    let compiling = engine::compiling().unwrap();
    let engine = loading_engine();
    let call = |export: &str, expected| Call { export: export.to_owned(), argument: 21, expected };

    let module = compile::file(&compiling, fixture("module.wat")).unwrap();
    assert_eq!(module.contents().kind, ArtifactKind::Module);
    assert_eq!(module.contents().functions, 1);
    module.load(&engine).unwrap().call(&engine, &call("add-seven", 28)).unwrap();

    let mut component = compile::file(&compiling, fixture("component.wat")).unwrap();
    assert_eq!(component.contents().kind, ArtifactKind::Component);
    assert_eq!(component.contents().functions, 1);
    for policy in [Tables::Keep, Tables::Strip] {
        component.apply(policy).unwrap();
        component.load(&engine).unwrap().call(&engine, &call("double", 42)).unwrap();
    }
    let folder = Folder::of(&[component]);
    folder.files[0].map(&engine).unwrap().call(&engine, &call("double", 42)).unwrap();

    // Text and binary are the same thing.
    let binary = generate::wasm(&small(), 0);
    assert_eq!(
        compile::bytes(&compiling, &binary).unwrap().bytes(),
        compile::generated(&compiling, &small(), 0).unwrap().bytes()
    );
}

#[test]
fn a_corpus_of_files_takes_turns_and_repeats_nothing() {
    let files = vec![fixture("module.wat"), fixture("component.wat")];
    let workshop = Workshop::open(&Corpus::Files(files)).unwrap();
    let artifacts: Vec<Artifact> = (0..5).map(|index| workshop.artifact(index).unwrap()).collect();
    let kinds: Vec<ArtifactKind> = artifacts.iter().map(|a| a.contents().kind).collect();
    let (module, component) = (ArtifactKind::Module, ArtifactKind::Component);
    assert_eq!(kinds, [module, component, module, component, module]);
    assert_ne!(artifacts[0].digest(), artifacts[2].digest());
    assert_eq!(*artifacts[2].contents(), Contents::of(artifacts[2].bytes()).unwrap());
    let engine = loading_engine();
    let call = Call { export: "add-seven".to_owned(), argument: 0, expected: 7 };
    artifacts[4].load(&engine).unwrap().call(&engine, &call).unwrap();
    Folder::of(&artifacts).files[4].map(&engine).unwrap().call(&engine, &call).unwrap();

    let none = Workshop::open(&Corpus::Files(Vec::new())).unwrap().artifact(0).unwrap_err();
    assert!(matches!(none, Error::EmptyCorpus), "{none:?}");
    assert!(Workshop::open(&Corpus::Generated(small())).is_ok());
}

/// What Wasmtime could take for the same: it does so with types alone, as in all programs whose
/// modules have types in common. Code, its mapping and its registration are each copy's own.
#[test]
fn copies_of_one_file_share_types_alone() {
    let workshop = Workshop::open(&Corpus::Files(vec![fixture("module.wat")])).unwrap();
    let engine = loading_engine();
    let load = |index| match workshop.artifact(index).unwrap().load(&engine).unwrap() {
        Loaded::Module(module) => module,
        Loaded::Component(_) => panic!("the file is a module"),
    };
    let copies = [0, 1, 2].map(load);
    for (index, copy) in copies.iter().enumerate() {
        let own = copy.image_range();
        for other in &copies[index + 1..] {
            let other = other.image_range();
            assert!(own.end <= other.start || other.end <= own.start, "{own:?} and {other:?}");
        }
    }
    let kind =
        |module: &wasmtime::Module| module.get_export("add-seven").unwrap().unwrap_func().clone();
    assert!(wasmtime::FuncType::eq(&kind(&copies[0]), &kind(&copies[2])));
}

#[test]
fn machine_code_needs_someone_to_vouch_for_it() {
    let folder = Folder::of(&artifacts(&small(), 1));
    let cwasm = folder.files[0].path().to_owned();
    let error = Workshop::open(&Corpus::Files(vec![cwasm.clone()])).unwrap_err();
    assert!(error.to_string().contains(cwasm.to_str().unwrap()), "{error}");
    assert!(matches!(error, Error::File { source, .. } if matches!(*source, Error::Precompiled)));

    // SAFETY: the test has just written the file.
    let artifact = unsafe { Artifact::trusted(std::fs::read(&cwasm).unwrap()) }.unwrap();
    let workshop = Workshop::Copying(vec![artifact]);
    let engine = loading_engine();
    let loaded = workshop.artifact(17).unwrap().load(&engine).unwrap();
    loaded.call(&engine, &generate::call(&small(), 0)).unwrap();
    // SAFETY: as above.
    let inspected = unsafe { ArtifactFile::inspected(&cwasm) }.unwrap();
    assert_eq!(inspected.contents(), folder.files[0].contents());
}

#[test]
fn unreadable_and_invalid_files_are_named() {
    let compiling = engine::compiling().unwrap();
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
    let artifact = artifacts(&small(), 1).remove(0);
    // SAFETY: written down from an artifact.
    let digest = unsafe { Digest::recorded(artifact.digest().to_bytes()) };
    assert_eq!(digest.to_string().len(), 64);
    assert_eq!(
        Artifact::verified(artifact.bytes().to_vec(), &digest).unwrap().bytes(),
        artifact.bytes()
    );

    let folder = Folder::of(std::slice::from_ref(&artifact));
    folder.files[0].verify(&digest).unwrap();
    let mut random = Random::new(7);
    let length = artifact.bytes().len();
    for _ in 0..64 {
        let mut bytes = artifact.bytes().to_vec();
        bytes[random.below(length as u64) as usize] ^= 1 << random.below(8);
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
    let artifact = artifacts(&small(), 1).remove(0);
    let whole = artifact.bytes();
    for end in (0..whole.len()).step_by(97) {
        assert!(Contents::of(&whole[..end]).is_err(), "{end} of {} bytes", whole.len());
    }
}

#[test]
fn another_release_of_wasmtime_is_refused() {
    let artifact = artifacts(&small(), 1).remove(0);
    let mut bytes = artifact.into_bytes();
    // The version in `.wasmtime.engine`: its length, then the text.
    let version = b"\x0248";
    let at = bytes.windows(version.len()).position(|window| window == version).unwrap();
    bytes[at + 2] = b'7';
    // SAFETY: what another release wrote meets the contract, and Wasmtime refuses it by its version.
    let artifact = unsafe { Artifact::trusted(bytes) }.unwrap();
    let error = artifact.load(&loading_engine()).unwrap_err();
    let Error::Deserialize { source } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("incompatible version '47'"), "{source}");
}

#[test]
fn saving_is_all_or_nothing() {
    let artifact = artifacts(&small(), 1).remove(0);
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
