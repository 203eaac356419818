//! Tests of corpora: the contents and results of generated modules, and how the user's files take turns.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use common::{Folder, artifacts, at_least_one, loading_engine, small};
use loadline_scenario::{Collector, Generated, TypeSharing};
use loadline_workload::corpus::Workshop;
use loadline_workload::loader::wasmtime;
use loadline_workload::loader::{Artifact, ArtifactKind, Contents, Loaded, compile};
use loadline_workload::{Call, Error, engine, generate};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../loader/tests/fixtures").join(name)
}

/// Returns a workshop that copies these files.
fn copying(names: &[&str]) -> Workshop {
    let engine = engine::compiling(Collector::Clock).unwrap();
    let compiled = names.iter().map(|name| compile::file(&engine, fixture(name)).unwrap());
    Workshop::Copying(compiled.collect())
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
    // One FDE per function, per trampoline of an exported function, and per trampoline of the five types.
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
            generate::call(&axes, index).check(&engine, &loaded).unwrap();
            for function in 0..axes.exported.min(axes.functions).get() {
                for argument in [0, 1, -1, i32::MIN] {
                    let call = Call {
                        export: generate::export_name(index, function),
                        argument,
                        expected: generate::expected_result(&axes, index, function, argument),
                    };
                    call.check(&engine, &loaded).unwrap();
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
    let error = other.check(&engine, &artifacts[0].load(&engine).unwrap()).unwrap_err();
    assert!(matches!(error, Error::Call { .. }), "{error:?}");
}

#[test]
fn a_corpus_of_files_takes_turns_and_repeats_nothing() {
    let workshop = copying(&["module.wat", "component.wat"]);
    let artifacts: Vec<Artifact> = (0..5).map(|index| workshop.artifact(index).unwrap()).collect();
    let kinds: Vec<ArtifactKind> = artifacts.iter().map(|a| a.contents().kind).collect();
    let (module, component) = (ArtifactKind::Module, ArtifactKind::Component);
    assert_eq!(kinds, [module, component, module, component, module]);
    assert_ne!(artifacts[0].digest(), artifacts[2].digest());
    assert_eq!(*artifacts[2].contents(), Contents::of(artifacts[2].bytes()).unwrap());
    let engine = loading_engine();
    let call = Call { export: "add-seven".to_owned(), argument: 0, expected: 7 };
    call.check(&engine, &artifacts[4].load(&engine).unwrap()).unwrap();
    call.check(&engine, &Folder::of(&artifacts).files[4].map(&engine).unwrap()).unwrap();

    let none = copying(&[]).artifact(0).unwrap_err();
    assert!(matches!(none, Error::EmptyCorpus), "{none:?}");
}

/// Wasmtime could treat copies as the same, but only shares their types, as in all programs whose modules
/// have types in common. Each copy has its own code, mapping and registration.
#[test]
fn copies_of_one_file_share_types_alone() {
    let workshop = copying(&["module.wat"]);
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
