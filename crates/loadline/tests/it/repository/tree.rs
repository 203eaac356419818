//! The tree tests itself: what its files promise one another.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use loadline_scenario::{Scenario, Suite};

fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of the TOML files in a folder, without their ending.
fn names(folder: &str) -> BTreeSet<String> {
    let paths = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let toml = paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
    toml.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_scenario_can_be_measured() {
    let scenarios = names("xtask/scenarios");
    assert!(!scenarios.is_empty());
    for name in scenarios {
        let scenario = Scenario::parse(&name, &read(&format!("xtask/scenarios/{name}.toml")));
        let scenario = scenario.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(scenario.question.ends_with('?'), "{name}: {}", scenario.question);
    }
}

/// That each can be read, and is as the program writes it, is tested next to `Baselines`.
#[test]
fn every_scenario_of_the_default_suite_has_a_baseline_and_nothing_else_has() {
    let mut baselines = names("baselines");
    // How much costs jitter on some machine is no scenario's.
    baselines.retain(|name| name != "calibration");
    let scenarios = names("xtask/scenarios");
    let strangers: Vec<&String> = baselines.difference(&scenarios).collect();
    assert_eq!(strangers, Vec::<&String>::new(), "baselines of no scenario");
    for name in scenarios.difference(&baselines) {
        let scenario = Scenario::parse(name, &read(&format!("xtask/scenarios/{name}.toml")));
        assert_eq!(scenario.unwrap().suite, Suite::Complete, "{name} has no baseline");
    }
}

/// Each can be asked for together with its kind, and has something that must hold next to it.
#[test]
fn every_scenario_has_a_group_and_a_control() {
    let scenarios = names("xtask/scenarios");
    for name in &scenarios {
        let scenario = Scenario::parse(name, &read(&format!("xtask/scenarios/{name}.toml")));
        let scenario = scenario.unwrap();
        assert!(scenario.control.is_some(), "{name} has no control");
        let group = scenario.group.unwrap_or_else(|| panic!("{name} has no group"));
        assert!(!scenarios.contains(&group), "{group} names a group and a scenario");
    }
}

#[test]
fn the_readme_names_the_two_commands() {
    let readme = read("README.md");
    for command in ["cargo xtask regress", "cargo test --workspace"] {
        assert!(readme.contains(command), "README.md does not name {command}");
    }
}

/// A newcomer reads the whole page.
#[test]
fn the_readme_has_at_most_120_lines() {
    assert!(read("README.md").lines().count() <= 120);
}

/// One enum defines the exit codes, and one page explains them to people who script against them.
#[test]
fn the_page_on_results_names_every_exit_code() {
    let page = read("docs/reference/results.md");
    for code in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "125", "128", "130"] {
        assert!(page.contains(&format!("| {code} |")), "the page does not name exit code {code}");
    }
}

/// The places in `text` that a link leads to: `](PLACE)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(place, _)| place)
}

/// As GitHub makes it of a heading: letters and digits in lower case, a dash for each blank.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut all = Vec::new();
    files(&root(), &mut all);
    all.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    assert!(all.contains(&root().join("docs/README.md")), "{all:?}");
    for path in &all {
        let text = fs::read_to_string(path).unwrap();
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            assert!(target.exists(), "{} links to {link}, which is not there", path.display());
            if !heading.is_empty() {
                let target = fs::read_to_string(target).unwrap();
                let mut headings = target.lines().filter(|line| line.starts_with('#'));
                let is_there = headings.any(|line| anchor(line.trim_matches('#')) == heading);
                assert!(is_there, "{} links to {link}: no such heading", path.display());
            }
        }
    }
}

/// The index is for readers on GitHub, the summary for those of the book.
#[test]
fn every_page_is_in_the_index_and_in_the_summary() {
    let lists = ["docs/README.md", "docs/SUMMARY.md"].map(|path| (path, read(path)));
    let mut pages = Vec::new();
    files(&root().join("docs"), &mut pages);
    for path in pages {
        let name = path.strip_prefix(root().join("docs")).unwrap().display().to_string();
        if !name.ends_with(".md") || ["README.md", "SUMMARY.md"].contains(&name.as_str()) {
            continue;
        }
        for (list, text) in &lists {
            assert!(text.contains(&format!("]({name})")), "{list} does not list {name}");
        }
    }
}

/// What Cargo says about this workspace.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {errors}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_program_does_not_link_wasmtime() {
    let tree = cargo(&["tree", "--locked", "-p", "loadline", "-e", "normal", "--prefix", "none"]);
    assert!(tree.contains("loadline-growth "), "{tree}");
    let heavy = tree.lines().filter(|line| {
        ["wasmtime", "cranelift", "loadline-loader", "loadline-runner"]
            .iter()
            .any(|name| line.starts_with(name))
    });
    assert_eq!(heavy.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// Cargo takes what another clone has built in the same target folder for this one's, where it is
/// younger than the sources. A variable that differs has it build a crate again, if the crate reads it.
#[test]
fn every_crate_is_built_again_for_another_clone() {
    assert!(
        read(".cargo/config.toml").contains("LOADLINE_CLONE = { value = \".\", relative = true")
    );
    let metadata = cargo(&["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    let metadata: serde_json::Value = metadata.parse().unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let targets = packages.iter().flat_map(|package| package["targets"].as_array().unwrap());
    let is_program = |target: &&serde_json::Value| {
        let kind = target["kind"][0].as_str().unwrap();
        kind == "lib" || kind == "bin"
    };
    let roots: Vec<&str> =
        targets.filter(is_program).map(|target| target["src_path"].as_str().unwrap()).collect();
    assert!(roots.len() >= 7, "{roots:?}");
    for root in roots {
        let text = fs::read_to_string(root).unwrap();
        assert!(text.contains("option_env!(\"LOADLINE_CLONE\")"), "{root} does not read it");
    }
}

/// Wasmtime and all it is built from, with features, as Cargo builds them for `selection`.
fn below_wasmtime(selection: &[&str]) -> BTreeSet<String> {
    // With a target named, what runs at build time is listed apart from what is linked.
    let shape = ["--target", "host-tuple", "--prefix", "depth", "--no-dedupe", "-f", "{p} {f}"];
    let tree = cargo(&[&["tree", "--locked"], selection, &shape[..]].concat());
    let mut below = BTreeSet::new();
    let mut depth_of_wasmtime = None;
    for line in tree.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())) {
        let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (depth, package) = (line[..digits].parse::<usize>().unwrap(), &line[digits..]);
        if depth_of_wasmtime.is_some_and(|wasmtime| depth <= wasmtime) {
            depth_of_wasmtime = None;
        }
        if package.starts_with("wasmtime v") {
            depth_of_wasmtime.get_or_insert(depth);
        }
        if depth_of_wasmtime.is_some() {
            below.insert(package.to_owned());
        }
    }
    below
}

/// Otherwise `cargo test --workspace` and `cargo xtask regress` each compile Wasmtime for minutes.
#[test]
fn the_runner_alone_is_built_with_the_wasmtime_of_the_workspace() {
    is_built_once(&["-p", "loadline-runner", "-e", "normal,build"]);
}

/// Otherwise the tests of what is behind the loader's features compile another.
#[test]
fn the_loader_is_tested_with_the_wasmtime_of_the_workspace() {
    let features = "native-unwind,metrics,tracing";
    is_built_once(&["-p", "loadline-loader", "-e", "normal,build,dev", "--features", features]);
}

fn is_built_once(selection: &[&str]) {
    let alone = below_wasmtime(selection);
    let together = below_wasmtime(&["--workspace", "-e", "normal,build,dev"]);
    assert!(alone.iter().any(|package| package.starts_with("cranelift-codegen ")), "{alone:?}");
    let (only_alone, only_together) = (&alone - &together, &together - &alone);
    assert!(
        only_alone.is_empty() && only_together.is_empty(),
        "Wasmtime is compiled twice: {selection:?} has {only_alone:#?} where the workspace has \
         {only_together:#?}; let it or loadline-scenario ask for the same features"
    );
}

/// Of `wasmtime feature "std"` the name, where one of our manifests asks for it.
fn features_asked_for() -> BTreeSet<String> {
    let tree = cargo(&[
        "tree",
        "--locked",
        "-p",
        "loadline-runner",
        "-e",
        "normal,features",
        "-i",
        "wasmtime",
        "--prefix",
        "depth",
        "--depth",
        "2",
        "--no-dedupe",
    ]);
    let mut features = BTreeSet::new();
    let mut feature = None;
    for line in tree.lines() {
        if let Some(name) = line.strip_prefix("1wasmtime feature ") {
            feature = Some(name.trim_matches('"').to_owned());
        } else if line.starts_with("2loadline-") {
            features.extend(feature.clone());
        }
    }
    features
}

/// The runner says of itself which features its Wasmtime has; Cargo does not tell it.
#[test]
fn the_runner_names_the_features_of_its_wasmtime() {
    let source = read("crates/runner/src/environment.rs");
    let (_, list) = source.split_once("const WASMTIME_FEATURES").unwrap();
    let (list, _) = list.split_once(';').and_then(|(_, rest)| rest.split_once(';')).unwrap();
    let named: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let asked_for = features_asked_for();
    assert!(named.iter().eq(asked_for.iter()), "{named:?} are named, {asked_for:?} asked for");
}

/// Every file of the tree but what Git and Cargo make.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Cargo tags what it makes, but not a folder that was there before.
        let is_made = path.ends_with(".git")
            || path.join("CACHEDIR.TAG").exists()
            || path == root().join("target");
        if path.is_dir() && !is_made {
            files(&path, found);
        } else if path.is_file() && !is_made {
            found.push(path);
        }
    }
}

/// A clone has no neighbours, and lies elsewhere.
#[test]
fn no_file_points_out_of_the_tree() {
    let root = root();
    let mut places = vec![["..", "shared"].join("/"), root.display().to_string()];
    places.extend(root.parent().map(|parent| format!("{}/", parent.display())));
    places.extend(std::env::var("CARGO_HOME").ok().filter(|home| home.len() > 1));
    // A folder like / would be found everywhere.
    places.retain(|place| place.trim_matches('/').len() > 2);
    let mut all = Vec::new();
    files(&root, &mut all);
    assert!(all.iter().any(|path| path.ends_with("xtask/Cargo.toml")));
    for path in all {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        for place in &places {
            assert!(!is_named(&text, place), "{} names {place}", path.display());
        }
    }
}

/// In another repository, a path of a page of this one leads nowhere. So texts name addresses, and each
/// address leads to a file.
#[test]
fn texts_for_other_repositories_name_pages_that_exist() {
    const PREFIX: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/");
    let mut sources = Vec::new();
    for folder in ["crates/loadline/src", "crates/measure/src", "crates/report/src", ".github"] {
        files(&root().join(folder), &mut sources);
    }
    sources.push(root().join("action.yml"));
    let mut n_found = 0;
    for path in sources {
        // In Rust, the first part of the address comes from Cargo.
        let text = fs::read_to_string(&path).unwrap().replace("\"/blob/main/", PREFIX);
        for after in text.split(PREFIX).skip(1) {
            let page = after.split([')', '"', ' ', '\\', '\n', '#']).next().unwrap();
            assert!(root().join(page).is_file(), "{} names {page}", path.display());
            n_found += 1;
        }
        let is_code = |line: &&str| !line.trim_start().starts_with(['/', '#']);
        let bare = text
            .lines()
            .filter(is_code)
            .find(|line| ["(docs/", " docs/"].iter().any(|path| line.contains(path)));
        assert_eq!(bare, None, "{} names a page without its address", path.display());
    }
    assert!(n_found >= 4, "{n_found} addresses");
}

/// Whether the absolute path `place` stands in `text`, not as the end of another path.
fn is_named(text: &str, place: &str) -> bool {
    let is_inner = |c: char| c.is_alphanumeric() || "_-.*}".contains(c);
    text.match_indices(place).any(|(at, _)| !text[..at].ends_with(is_inner))
}
