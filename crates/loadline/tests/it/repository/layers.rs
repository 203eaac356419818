//! The layers: which crate may use which, and that the files of a crate form no cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// Every crate of the workspace, with the crates of ours that it may use.
const ALLOWED: [(&str, &[&str]); 15] = [
    ("loadline-testing", &[]),
    ("loadline-callgrind", &[]),
    ("loadline-growth", &[]),
    ("loadline-probe", &[]),
    ("loadline-scenario", &[]),
    ("loadline-harness", &["growth", "callgrind"]),
    ("loadline-loader", &[]),
    ("loadline-workload", &["loader", "scenario"]),
    ("loadline-runner", &["workload", "loader", "probe", "scenario", "callgrind"]),
    ("loadline-record", &["scenario", "growth", "callgrind"]),
    ("loadline-measure", &["record", "scenario", "growth", "callgrind"]),
    ("loadline-verdict", &["record", "scenario", "growth"]),
    ("loadline-report", &["verdict", "record", "scenario", "growth"]),
    ("loadline", &["measure", "verdict", "report", "record", "scenario", "growth"]),
    ("xtask", &["loadline"]),
];

/// Crates that only the program itself may use.
const OF_THE_PROGRAM: [&str; 4] = ["clap", "clap_complete", "anyhow", "xtask"];

fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root());
    serde_json::from_slice(&cargo.output().unwrap().stdout).unwrap()
}

#[test]
fn crates_use_only_those_below_them() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ALLOWED.iter().map(|(name, _)| *name).collect(), "a crate has no layer");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let (_, allowed) = ALLOWED.iter().find(|(own, _)| *own == name).unwrap();
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let normal = dependencies.filter(|one| one["kind"].is_null());
        for dependency in normal.map(|one| one["name"].as_str().unwrap()) {
            let short = dependency.strip_prefix("loadline-").unwrap_or(dependency);
            let is_allowed = !names.contains(dependency) || allowed.contains(&short);
            assert!(is_allowed, "{name} must not use {dependency}");
            let is_of_program = OF_THE_PROGRAM.contains(&dependency);
            assert!(!is_of_program || name == "loadline", "only loadline may use {dependency}");
        }
    }
}

/// What makes `verdict` impure, or `report` more than a writer of texts.
#[test]
fn the_pure_crates_ask_for_no_file_clock_or_process() {
    const EFFECTS: [&str; 8] = [
        "std::fs",
        "std::process",
        "std::net",
        "SystemTime::now",
        "Instant::now",
        "time::now",
        "File::",
        "println!",
    ];
    for name in ["verdict", "report"] {
        for (path, text) in sources(&root().join("crates").join(name).join("src")) {
            let shipped = text.split("#[cfg(test)]").next().unwrap();
            for line in shipped.lines().filter(|line| !line.trim_start().starts_with("//")) {
                let effect = EFFECTS.iter().find(|effect| line.contains(**effect));
                assert!(effect.is_none(), "{}: {line}", path.display());
            }
        }
    }
}

/// Every Rust file below a folder, with its text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// The paths that start with `crate`, `self` or `super` in a file, tests left out.
#[derive(Default)]
struct Paths(Vec<Vec<String>>);

impl Paths {
    fn tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                let prefix = [prefix, &[path.ident.to_string()]].concat();
                self.tree(&prefix, &path.tree);
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.tree(prefix, item));
            }
            syn::UseTree::Name(name) => self.0.push([prefix, &[name.ident.to_string()]].concat()),
            syn::UseTree::Rename(name) => self.0.push([prefix, &[name.ident.to_string()]].concat()),
            syn::UseTree::Glob(_) => self.0.push(prefix.to_vec()),
        }
    }
}

impl Paths {
    /// Those of one file. What a module passes on to its users by `pub use` is no need of its own.
    fn of(text: &str) -> Paths {
        let mut paths = Paths::default();
        for item in syn::parse_file(text).unwrap().items {
            if let syn::Item::Use(item) = item
                && matches!(item.vis, syn::Visibility::Inherited)
            {
                paths.tree(&[], &item.tree);
            }
        }
        let shipped = text.split("#[cfg(test)]").next().unwrap();
        let mut is_inside_module = false;
        for line in shipped.lines().filter(|line| !line.trim_start().starts_with("//")) {
            // There `super` is the file itself.
            is_inside_module = match line {
                "}" => false,
                line => {
                    is_inside_module
                        || (line.contains("mod ") && line.ends_with(" {") && !line.starts_with(' '))
                }
            };
            if is_inside_module && line.contains("super::") {
                continue;
            }
            for start in ["crate::", "super::"] {
                let is_whole =
                    |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == ':');
                for (at, _) in line.match_indices(start).filter(|(at, _)| is_whole(*at)) {
                    let is_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                    let end =
                        line[at..].find(|c| !is_of_path(c)).map_or(line.len(), |end| at + end);
                    let path = line[at..end].split("::").filter(|part| !part.is_empty());
                    if !line.trim_start().starts_with("pub use ") {
                        paths.0.push(path.map(str::to_owned).collect());
                    }
                }
            }
        }
        paths
    }
}

/// The modules of a crate, each with those that it uses.
fn uses(folder: &Path) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let name = |path: &Path| -> Vec<String> {
        let inner = path.strip_prefix(folder).unwrap().with_extension("");
        let mut name: Vec<String> =
            inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        name.pop_if(|last| last == "mod" || last == "lib");
        name
    };
    let all = sources(folder);
    let modules: BTreeSet<Vec<String>> = all.iter().map(|(path, _)| name(path)).collect();
    let mut uses = BTreeMap::new();
    for (path, text) in &all {
        let own = name(path);
        let paths = Paths::of(text);
        let mut used = BTreeSet::new();
        for path in paths.0 {
            let absolute = match path.first().map(String::as_str) {
                Some("crate") => path[1..].to_vec(),
                Some("self") => [&own, &path[1..]].concat(),
                Some("super") => {
                    let n_up = path.iter().take_while(|part| *part == "super").count();
                    let kept = own.len().saturating_sub(n_up);
                    [&own[..kept], &path[n_up..]].concat()
                }
                _ => continue,
            };
            let longest = (1..=absolute.len()).rev().map(|n| absolute[..n].to_vec());
            let module = longest.into_iter().find(|module| modules.contains(module));
            used.extend(module.filter(|module| *module != own));
        }
        uses.insert(own, used);
    }
    uses
}

/// A module that reaches itself by what it uses.
fn cycle(uses: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Option<Vec<String>> {
    uses.keys().find_map(|start| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(one) = open.pop() {
            for used in uses.get(one).into_iter().flatten() {
                if used == start {
                    return Some(vec![start.join("::"), one.join("::")]);
                }
                if seen.insert(used) {
                    open.push(used);
                }
            }
        }
        None
    })
}

#[test]
fn files_of_a_crate_form_no_cycle() {
    let mut folders = vec![root().join("xtask/src")];
    let crates = fs::read_dir(root().join("crates")).unwrap();
    folders.extend(crates.map(|entry| entry.unwrap().path().join("src")));
    assert!(folders.len() >= 15);
    for folder in folders {
        let found = cycle(&uses(&folder));
        assert_eq!(found, None, "{}: these two use each other", folder.display());
    }
}

#[test]
fn a_cycle_is_found() {
    let name = |text: &str| vec![text.to_owned()];
    let mut uses = BTreeMap::from([
        (name("a"), BTreeSet::from([name("b")])),
        (name("b"), BTreeSet::from([name("c")])),
        (name("c"), BTreeSet::new()),
    ]);
    assert_eq!(cycle(&uses), None);
    uses.insert(name("c"), BTreeSet::from([name("a")]));
    assert!(cycle(&uses).is_some());
}
