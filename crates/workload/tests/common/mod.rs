//! Shared by the tests: small corpora, a folder for them, and an observer that takes notes.
#![allow(dead_code, clippy::unwrap_used)]

use std::num::NonZeroUsize;

use loadline_scenario::{Collector, Generated, Phase, Tables};
use loadline_workload::corpus::{Workshop, unwind_policy};
use loadline_workload::loader::wasmtime::Engine;
use loadline_workload::loader::{Artifact, ArtifactFile};
use loadline_workload::{Event, Observer, engine};
use tempfile::TempDir;

pub fn at_least_one(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

/// Returns axes whose modules compile quickly.
pub fn small() -> Generated {
    Generated {
        functions: at_least_one(3),
        exported: at_least_one(2),
        types: 1,
        body_size: 3,
        ..Generated::default()
    }
}

pub fn artifacts(axes: &Generated, modules: usize) -> Vec<Artifact> {
    let workshop = Workshop::generating(*axes, Collector::Clock).unwrap();
    (0..modules).map(|index| workshop.artifact(index).unwrap()).collect()
}

pub fn loading_engine() -> Engine {
    engine::loading().unwrap()
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

    pub fn generated(modules: usize, tables: Tables) -> Folder {
        let mut artifacts = artifacts(&small(), modules);
        artifacts.iter_mut().for_each(|artifact| artifact.apply(unwind_policy(tables)).unwrap());
        Folder::of(&artifacts)
    }
}

#[allow(unsafe_code)]
fn trusted(path: std::path::PathBuf, artifact: &Artifact) -> ArtifactFile {
    // SAFETY: the file was written a moment ago, in a new folder that only this user can write to. Tests that
    // change it afterwards load it from bytes and make Wasmtime reject its header.
    unsafe { ArtifactFile::trusted(path, *artifact.contents()) }
}

/// The steps as words: `r0` read, `+0` loaded, `=0` called, `!` unwound, `-0` dropped, `.` idle. Other phases
/// have their own names.
#[derive(Debug, Default)]
pub struct Notes {
    pub words: Vec<String>,
}

impl Notes {
    /// Returns the loads and unloads, in the notation of the schedule.
    pub fn order(&self) -> String {
        let is_step = |word: &&String| !word.starts_with(['r', '=', '.']);
        self.words.iter().filter(is_step).cloned().collect::<Vec<_>>().join(" ")
    }

    pub fn all(&self) -> String {
        self.words.join(" ")
    }
}

impl Observer for Notes {
    fn step(&mut self, event: Event) {
        let sign = match event.phase {
            Phase::Read => "r",
            Phase::Deserialize => "+",
            Phase::Call => "=",
            Phase::Unwind => "!",
            Phase::Unload => "-",
            Phase::Backtrace | Phase::Trap | Phase::Panic | Phase::Instantiate => {
                event.phase.name()
            }
            other => panic!("a load order has no phase {other}"),
        };
        let module = event.module.map(|module| module.to_string()).unwrap_or_default();
        let word = format!("{sign}{module}");
        let before = self.words.iter().filter(|word| word.starts_with(sign)).count();
        assert_eq!(event.progress, before + 1, "{word}");
        self.words.push(word);
    }

    fn idle(&mut self) {
        self.words.push(".".to_owned());
    }
}
