//! Scenarios with the user's own files: which are loaded, when they are another's, and how `fetch`
//! gets them.

#![cfg(unix)]
use std::fs;
use std::path::PathBuf;

use crate::common::{Project, Said, TINY};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256, Sha512};

/// Two modules in turn, so that every size has as many of each.
const SCENARIO: &str = r#"format = 2
question = "Do modules of my own load in linear time?"
expectation = "Linear."
load_order = "hold-all"
count_with = []
modules = ["mine/*.wat"]
judge = ["load/unwind-tables-registered", "unload/unwind-tables-deregistered"]
repetitions = 1
sizes = [2, 4, 8, 16, 32]
"#;

fn module(functions: usize) -> String {
    let functions = (0..functions).map(|index| format!("(func (export \"f{index}\"))"));
    format!("(module {})", functions.collect::<String>())
}

fn own_modules() -> Project {
    let project = Project::empty();
    project.write("xtask/scenarios/mine.toml", SCENARIO);
    project.write("mine/a.wat", module(1));
    project.write("mine/b.wat", module(5));
    project
}

fn session(project: &Project) -> PathBuf {
    let sessions = fs::read_dir(project.path("target/regress")).unwrap();
    sessions.map(|entry| entry.unwrap().path()).next().unwrap()
}

fn whole(said: &Said) -> String {
    format!("{:?}\n{}{}", said.code, said.stdout, said.stderr)
}

#[test]
fn modules_of_somebodys_own_are_loaded_and_changed_ones_are_told_apart() {
    let project = own_modules();
    let said = project.run(&["regress", "-v", "--budget", "0"]);
    assert_eq!(said.code, Some(0), "{}", whole(&said));
    assert!(!said.stdout.contains("failed:"), "{}", whole(&said));
    let session = session(&project);
    let header = fs::read(session.join("session.json")).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    let planned = header["scenarios"].as_array().unwrap();
    let mine = planned.iter().find(|planned| planned["scenario"] == "mine").unwrap();
    let was = mine["digest"].as_str().unwrap().to_owned();
    let text = fs::read_to_string(session.join("runs.jsonl")).unwrap();
    let runs = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let runs: Vec<_> = runs.filter(|run| run["scenario"] == "mine").collect();
    assert_eq!(runs.len(), 5);
    for run in runs {
        let proof = &run["outcome"]["finished"]["proof"];
        assert_eq!(proof["loaded"], run["modules"]);
        assert_eq!(proof["called"], 0, "what they take is unknown");
    }

    project.write("mine/b.wat", module(6));
    let resumed = project.run(&["regress", "-v", "--resume", session.to_str().unwrap()]);
    assert_eq!(resumed.code, Some(1), "{}", whole(&resumed));
    let expected = format!("the contents of the files of mine: {was} | ");
    assert!(resumed.stderr.contains(&expected), "{}", whole(&resumed));
    fs::remove_dir_all(project.path("mine")).unwrap();
    let resumed = project.run(&["regress", "-v", "--resume", session.to_str().unwrap()]);
    assert!(resumed.stderr.contains("no file in ROOT matches it"), "{}", whole(&resumed));
    // What was measured can be judged all the same.
    let again = project.run(&["report", "-v", session.to_str().unwrap()]);
    assert_eq!(again.code, said.code, "{}", whole(&again));

    let said = project.run(&["regress", "-v"]);
    assert_eq!(said.code, Some(2), "{}", whole(&said));
    assert!(
        said.stderr.contains("modules = mine/*.wat: no file in ROOT matches it"),
        "{}",
        said.stderr
    );
}

/// A registry with one package, which holds one module and a file next to it.
struct Registry {
    project: Project,
    archive: Vec<u8>,
    wasm: Vec<u8>,
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Registry {
    fn new() -> Registry {
        let wasm = b"\0asm\x01\0\0\0".to_vec();
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, content) in [("package/index.js", &b"1"[..]), ("package/dist/one.wasm", &wasm)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, content).unwrap();
        }
        let archive = builder.into_inner().unwrap().finish().unwrap();
        let project = Project::empty();
        let recipe = format!(
            "format = 1\ninto = \"target/fetched\"\n[[package]]\nname = \"@some/one\"\nversion = \"1.0.0\"\nlicense = \"MIT\"\nsha512 = \"{}\"\nfiles = [{{ path = \"dist/one.wasm\", name = \"one.wasm\", sha256 = \"{}\" }}]\n",
            hex(Sha512::digest(&archive)),
            hex(Sha256::digest(&wasm)),
        );
        project.write("xtask/real-modules.toml", recipe);
        let scenario = SCENARIO.replace("mine/*.wat", "target/fetched/*.wasm");
        let scenario = format!("recipe = \"xtask/real-modules.toml\"\n{scenario}");
        project.write("xtask/scenarios/mine.toml", scenario);
        project.write("archive.tgz", &archive);
        Registry { project, archive, wasm }
    }

    /// What `fetch` says with this script in npm's place.
    fn fetch(&self, npm: &str) -> Said {
        self.project.write("bin/npm", "");
        let noted = self.project.path("asked");
        let script = format!("#!/bin/sh\necho \"$@\" >> {}\n{npm}\n", noted.display());
        self.project.script("bin/npm", &script);
        let path = format!("{}:/usr/bin:/bin", self.project.path("bin").display());
        self.project.said(self.project.xtask(&["fetch"]).env("PATH", path).output().unwrap())
    }

    /// How often npm was asked.
    fn n_asked(&self) -> usize {
        fs::read_to_string(self.project.path("asked")).map_or(0, |asked| asked.lines().count())
    }

    fn fetched(&self) -> Option<Vec<u8>> {
        fs::read(self.project.path("target/fetched/one.wasm")).ok()
    }

    /// A script that packs `archive.tgz`: into the folder that its last argument names.
    fn packs(&self) -> String {
        let archive = self.project.path("archive.tgz");
        format!("for folder; do :; done; cp {} \"$folder/some-one-1.0.0.tgz\"", archive.display())
    }
}

#[test]
fn what_is_fetched_is_what_the_recipe_says() {
    let registry = Registry::new();
    let said = registry.fetch(&registry.packs());
    assert_eq!(said.code, Some(0), "{}", whole(&said));
    assert_eq!(said.stdout, "1 modules are in ROOT/target/fetched, 1 of them fetched now\n");
    assert_eq!(registry.fetched().as_ref(), Some(&registry.wasm));
    let asked = registry.project.read("asked");
    assert!(asked.starts_with("pack @some/one@1.0.0 --ignore-scripts"), "{asked}");

    // What is there is left alone. Modules of other people stay as well, and are named: they would be
    // measured with the recipe's.
    registry.project.write("target/fetched/older.wasm", "");
    registry.project.write("target/fetched/notes.txt", "");
    let said = registry.fetch("exit 1");
    assert_eq!((said.code, registry.n_asked()), (Some(1), 1), "{}", whole(&said));
    let named = "ROOT/target/fetched contains modules that the recipe does not name: older.wasm (";
    assert!(said.stderr.contains(named), "{}", whole(&said));
    assert!(registry.project.path("target/fetched/notes.txt").exists());
    fs::remove_file(registry.project.path("target/fetched/older.wasm")).unwrap();
    let said = registry.fetch("exit 1");
    assert_eq!((said.code, registry.n_asked()), (Some(0), 1), "{}", whole(&said));

    // A damaged file is fetched again.
    registry.project.write("target/fetched/one.wasm", "damaged");
    let said = registry.fetch(&registry.packs());
    assert_eq!((said.code, registry.n_asked()), (Some(0), 2), "{}", whole(&said));
    assert_eq!(registry.fetched().as_ref(), Some(&registry.wasm));
}

#[test]
fn a_package_that_is_another_is_refused() {
    let registry = Registry::new();
    let mut archive = registry.archive.clone();
    let middle = archive.len() / 2;
    archive[middle] ^= 1;
    registry.project.write("archive.tgz", &archive);
    let said = registry.fetch(&registry.packs());
    assert_eq!(said.code, Some(1), "{}", whole(&said));
    assert!(said.stderr.contains("@some/one@1.0.0: its checksum is "), "{}", whole(&said));
    assert_eq!(registry.fetched(), None);

    // The same where the archive is right and the recipe names another file.
    let registry = Registry::new();
    let recipe = registry.project.read("xtask/real-modules.toml");
    let sum = hex(Sha256::digest(&registry.wasm));
    registry.project.write("xtask/real-modules.toml", recipe.replace(&sum, &"0".repeat(64)));
    let said = registry.fetch(&registry.packs());
    assert_eq!(said.code, Some(1), "{}", whole(&said));
    assert!(said.stderr.contains("dist/one.wasm: its checksum is "), "{}", whole(&said));
    assert_eq!(registry.fetched(), None);
}

#[test]
fn without_npm_or_network_nothing_is_fetched_and_that_is_said() {
    let registry = Registry::new();
    let said = registry.fetch("echo 'npm error code ENOTFOUND' >&2; exit 1");
    assert_eq!(said.code, Some(8), "{}", whole(&said));
    assert!(
        said.stderr.contains("npm gave no package: npm error code ENOTFOUND"),
        "{}",
        said.stderr
    );
    let nowhere = registry.project.path("target");
    let mut fetch = registry.project.xtask(&["fetch"]);
    let said = registry.project.said(fetch.env("PATH", nowhere).output().unwrap());
    assert_eq!(said.code, Some(8), "{}", whole(&said));
    assert!(said.stderr.contains("npm cannot be started"), "{}", said.stderr);

    // Their scenario is skipped, and alone it is nothing to measure.
    let said = registry.project.run(&["regress", "-v"]);
    assert_eq!(said.code, Some(7), "{}", whole(&said));
    let expected =
        "skipped: mine: ROOT/target/fetched/one.wasm is missing (cargo xtask fetch gets it)";
    assert!(said.stderr.contains(expected), "{}", whole(&said));

    // The report names it among the other scenarios.
    registry.project.write("xtask/scenarios/tiny.toml", TINY);
    let said = registry.project.run(&[
        "regress",
        "-v",
        "--budget",
        "0",
        "--format",
        "junit",
        "--output",
        "report.xml",
    ]);
    assert_eq!(said.code, Some(0), "{}", whole(&said));
    assert!(said.stdout.contains(&format!("\n{expected}\n")), "{}", whole(&said));
    let report = registry.project.read("report.xml");
    assert!(report.contains("skipped: mine: "), "{report}");
}

/// The repository's own recipe, from the registry that this machine asks.
#[test]
#[ignore = "slow: fetches megabytes and compiles them"]
fn real_modules_are_fetched_loaded_and_dropped() {
    let project = Project::empty();
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../xtask");
    for file in ["real-modules.toml", "scenarios/real-churn.toml"] {
        project.write(&format!("xtask/{file}"), fs::read(own.join(file)).unwrap());
    }
    let said = project.run(&["fetch"]);
    if said.code == Some(8) {
        return loadline_testing::skip!("{}", said.stderr);
    }
    assert_eq!(said.code, Some(0), "{}", whole(&said));
    let said = project.run(&[
        "regress",
        "-v",
        "real-churn",
        "--budget",
        "0",
        "--set",
        "repetitions=1",
        "--set",
        "count_with=[]",
        "--set",
        "judge=[\"load/unwind-tables-registered\", \"unload/unwind-tables-deregistered\"]",
    ]);
    assert_eq!(said.code, Some(0), "{}", whole(&said));
    assert!(!said.stdout.contains("failed:"), "{}", whole(&said));
}
