//! The past of a scenario: what git's log of its baseline says.

#![cfg(unix)]
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::Project;

pub fn committed(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

pub fn git(project: &Project, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main"]);
    let output = git.args(arguments).current_dir(project.root()).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
}

pub fn commit(project: &Project, baseline: &str, message: &str) {
    project.write("baselines/load-bytes.toml", baseline);
    git(project, &["add", "."]);
    git(project, &["commit", "--quiet", "--message", message]);
}

/// `baseline` with twice as many allocations.
fn more_expensive(baseline: &str) -> String {
    let mut is_ours = false;
    let lines = baseline.lines().map(|line| {
        if line.starts_with("name = ") {
            is_ours = line == "name = \"load/allocations\"";
        }
        match line.strip_prefix("  [").and_then(|row| row.strip_suffix("],")?.split_once(", ")) {
            Some((n, cost)) if is_ours => {
                format!("  [{n}, {}],\n", 2.0 * cost.parse::<f64>().unwrap())
            }
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}

#[test]
fn a_step_stands_at_the_commit_that_changed_the_baseline() {
    let project = Project::bare();
    let scenario = committed("xtask/scenarios/load-bytes.toml");
    project.write("xtask/scenarios/load-bytes.toml", scenario);
    git(&project, &["init", "--quiet"]);
    let nothing = project.run(&["history", "load-bytes"]);
    assert_eq!(nothing.code, Some(7), "{}", nothing.refusal());
    let baseline = committed("baselines/load-bytes.toml");
    assert_ne!(more_expensive(&baseline), baseline);
    commit(&project, &baseline, "as it was");
    commit(&project, "format = 1\n", "by mistake");
    commit(&project, &more_expensive(&baseline), "twice the allocations");
    let said = project.run(&["history", "load-bytes"]);
    assert_eq!(said.code, Some(0), "{}", said.refusal());
    let mut lines = said.stdout.lines();
    let answer = lines.next().unwrap();
    assert!(answer.starts_with("load-bytes: 1 step on "), "{answer}");
    assert!(answer.ends_with(" twice the allocations)"), "{answer}");
    let lines: Vec<&str> = lines.collect();
    let row = |of: &str| lines.iter().find(|line| line.contains(of)).unwrap().to_string();
    assert!(row("twice the allocations").ends_with("more"), "{}", said.stdout);
    assert!(!row("as it was").contains("more"), "{}", said.stdout);
    assert!(row("not read: ").contains("missing field `baseline`"), "{}", said.stdout);
    assert!(row("steady: load/fdes-registered ").contains(" per module at N = "));
    let other = project.run(&["history", "load-bytes", "--series", "unload/wall-time"]);
    assert_eq!(other.code, Some(2));
    let json =
        project.run(&["history", "load-bytes", "--format", "json", "--series", "load/allocations"]);
    let told: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(told["series"][0]["points"][1]["change"], "more");
    assert_eq!(
        told["series"][0]["points"][1]["origin"]["commit"]["subject"],
        "twice the allocations"
    );
}
