//! What a session would measure, the quick one, scenarios by glob, and what sessions leave behind.

use std::fs;
use std::path::PathBuf;

use crate::common::Project;

/// The folders of saved sessions.
fn sessions(project: &Project) -> Vec<PathBuf> {
    let entries = fs::read_dir(project.path("target/regress")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_plan_is_printed_and_nothing_is_measured() {
    let project = Project::new();
    let said = project.run(&["regress", "t*", "--dry-run", "--set", "repetitions=2"]);
    assert_eq!(said.code, Some(0), "{}", said.refusal());
    let row = said.stdout.lines().find(|line| line.starts_with(" tiny ")).unwrap();
    assert!(row.contains("1 … 16 (5 sizes)") && row.contains("  2  "), "{row}");
    assert!(said.stdout.contains("nothing was measured"), "{}", said.stdout);
    assert_eq!(sessions(&project), Vec::<PathBuf>::new());
    let none = project.run(&["regress", "x*"]);
    assert_eq!(none.code, Some(7), "{}", none.refusal());
    assert!(none.stderr.contains("no scenario matches \"x*\""), "{}", none.stderr);
}

/// Times are left out, and a saved session is judged by the same series again.
#[test]
fn a_quick_session_counts_and_says_what_it_left_out() {
    let project = Project::new();
    let counts = ["--set", "count_with=[\"count\"]"];
    let said = project.run(&[&["regress", "--quick", "--quiet"][..], &counts].concat());
    assert_eq!(said.code, Some(0), "{}", said.refusal());
    assert!(!said.stderr.contains("plan: "), "{}", said.stderr);
    let left_out = "--quick: left out all series by the clock, and all but five sizes\n";
    assert!(said.stdout.contains(left_out), "{}", said.stdout);
    assert!(!said.stdout.contains("task-clock"), "{}", said.stdout);
    let session = sessions(&project).pop().unwrap();
    let session = session.to_str().unwrap();
    let again = project.run(&["report", session]);
    let root = project.root().display().to_string();
    let named = |text: &str| text.replace(&root, "ROOT").replace("/runs.jsonl", "");
    assert_eq!(named(&again.stdout), named(&said.stdout));
    // Undecided counts get no larger sizes.
    assert!(!said.stdout.contains("\n     32  "), "{}", said.stdout);

    let refused = project.run(&["regress", "--quick"]);
    assert_eq!(refused.code, Some(7), "{}", refused.refusal());
    assert!(refused.stderr.contains("judge the clock only: tiny"), "{}", refused.stderr);

    let listed = project.run(&["sessions", "list"]);
    assert!(
        listed.stdout.contains("finished") && listed.stdout.contains("tiny"),
        "{}",
        listed.stdout
    );
    let kept = project.run(&["sessions", "prune"]);
    assert!(kept.stdout.starts_with("0 folders, "), "{}", kept.stdout);
    let removed = project.run(&["sessions", "prune", "--older-than", "0"]);
    assert!(removed.stdout.contains("removed target/regress/"), "{}", removed.stdout);
    assert_eq!(sessions(&project), Vec::<PathBuf>::new());
}

/// A session removes what is older than the project wants to keep, and nothing else.
#[test]
fn old_sessions_are_removed_by_the_next_one() {
    let project = Project::new();
    let counts = ["regress", "--quick", "--set", "count_with=[\"count\"]"];
    assert_eq!(project.run(&counts).code, Some(0));
    let first = sessions(&project).pop().unwrap();
    // Files that no session wrote are the user's.
    fs::create_dir(project.path("target/regress/notes")).unwrap();
    let age = |days: u32| {
        let mut touch = std::process::Command::new("touch");
        touch.args(["-d", &format!("{days} days ago")]);
        let files = ["session.json", "runs.jsonl"].map(|name| first.join(name));
        assert!(
            touch.args(files).arg(project.path("target/regress/notes")).status().unwrap().success()
        );
    };
    age(29);
    project.run(&counts);
    assert!(first.exists());
    age(31);
    let said = project.run(&counts);
    assert!(said.stderr.contains("removed 1 folder of sessions"), "{}", said.stderr);
    assert!(!first.exists() && project.path("target/regress/notes").exists());
    assert_eq!(sessions(&project).len(), 3);
}
