//! Sessions in parts, and what may be judged as one.

#![cfg(unix)]
use std::fs;
use std::path::{Path, PathBuf};

use crate::durable::{Project, Said, alone};
use serde_json::Value;

fn merge(project: &Project, sessions: &[&Path]) -> Said {
    let mut arguments = vec!["merge"];
    arguments.extend(sessions.iter().map(|path| path.to_str().unwrap()));
    project.run(&arguments)
}

/// A copy of `session` with another header.
fn altered(session: &Path, alter: impl FnOnce(&mut Value)) -> PathBuf {
    static COPIES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = COPIES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let copy = session.with_file_name(format!("copy-{number}"));
    fs::create_dir(&copy).unwrap();
    fs::copy(session.join("runs.jsonl"), copy.join("runs.jsonl")).unwrap();
    let header = fs::read_to_string(session.join("session.json")).unwrap();
    let mut header = serde_json::from_str(&header).unwrap();
    alter(&mut header);
    fs::write(copy.join("session.json"), header.to_string()).unwrap();
    copy
}

#[test]
fn parts_amount_to_the_whole_and_only_parts_of_one_suite_do() {
    let _turn = alone();
    let project = Project::new();
    let whole = project.run(&["regress", "--budget", "0"]);
    let part = |shard: &str| {
        let said = project.run(&["regress", "--budget", "0", "--shard", shard]);
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        let next =
            format!("next: cargo xtask merge SESSION… (those of all 2 shards; this is {shard})");
        assert_eq!(said.stdout.lines().last(), Some(next.as_str()), "{}", said.stdout);
        said
    };
    let (first, second) = (part("1/2"), part("2/2"));
    let [one, two] = [&first, &second].map(Said::session);
    let merged = merge(&project, &[&two, &one]);
    assert_eq!((whole.code, merged.code), (Some(0), Some(0)), "{}{}", merged.stdout, merged.stderr);
    // Of several scenarios one line each, where all holds; of one alone its series.
    assert_eq!(merged.verdicts(), whole.verdicts());
    assert_eq!(
        [first.verdicts(), second.verdicts()].concat(),
        [
            "one load/unwind-tables-registered pass (against its expectation)",
            "one unload/unwind-tables-deregistered pass (against its expectation)",
            "two load/unwind-tables-registered pass (against its expectation)",
            "two unload/unwind-tables-deregistered pass (against its expectation)",
        ]
    );

    assert_parts_of_one_suite_alone_are_merged(&project, &whole.session(), &one, &two);
    assert_edited_scenarios_are_refused(&project, &one, &two);

    let elsewhere = altered(&two, |header| header["environment"]["cpu"] = "Minix".into());
    let merged = merge(&project, &[&one, &elsewhere]);
    assert_eq!(merged.code, Some(0), "{}{}", merged.stdout, merged.stderr);
    let is_said = |line: &str| {
        line.starts_with("shard 2/2 has another machine: the CPU: ") && line.ends_with(" | Minix")
    };
    assert!(merged.stdout.lines().any(is_said), "{}", merged.stdout);

    let nothing = project.run(&["regress", "--shard", "3/3"]);
    assert_eq!(nothing.code, Some(7), "{}", nothing.stderr);
    let usage = project.run(&["regress", "--shard", "3/2"]);
    assert_eq!(usage.code, Some(2), "{}", usage.stderr);
    assert_several_unwinders_are_refused(&project);
}

fn assert_parts_of_one_suite_alone_are_merged(
    project: &Project,
    undivided: &Path,
    one: &Path,
    two: &Path,
) {
    let refused = |sessions: &[&Path], expected: &str| {
        let Said { code, stderr, .. } = merge(project, sessions);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.starts_with(&format!("error: cannot merge: {expected}")), "{stderr}");
    };
    refused(&[one], "shard 2/2 is missing, and with it two");
    refused(&[one, two, one], "shard 1/2 is there twice, as ");
    let text = format!("{} is not a part: it was measured without --shard", undivided.display());
    refused(&[undivided], &text);
    refused(
        &[one, &altered(two, |header| header["seed"] = 7.into())],
        "shards 1/2 and 2/2 have different seeds, 1 and 7",
    );
    let suite = |header: &mut Value| {
        header["asked"]["part"]["suite"][0]["repetitions"] = 4.into();
    };
    refused(&[one, &altered(two, suite)], "shards 1/2 and 2/2 are parts of different plans");
    for (field, name) in [
        ("wasmtime", "wasmtime"),
        ("wasmtime_features", "wasmtime's features"),
        ("unwinder_family", "the unwinder's family"),
        ("unwinder_version", "the unwinder's version"),
        ("arch", "the architecture"),
        ("build", "the build"),
        ("loadline", "loadline"),
    ] {
        let other = altered(two, |header| header["environment"][field] = "Minix".into());
        let differs = format!("shards 1/2 and 2/2 differ in what decides growth: {name}: ");
        refused(&[one, &other], &differs);
    }
}

/// A session answers the question that its scenario asked when it was measured.
fn assert_edited_scenarios_are_refused(project: &Project, one: &Path, two: &Path) {
    let path = project.path("xtask/scenarios/two.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("functions = 2", "functions = 3")).unwrap();
    let edited = merge(project, &[one, two]);
    assert_eq!(edited.code, Some(2), "{}{}", edited.stdout, edited.stderr);
    let expected = "the scenario two was edited since it was measured (check out the commit it was measured at, or measure again)";
    assert!(edited.stderr.contains(expected), "{}", edited.stderr);
    assert_eq!(edited.stdout, "");
    fs::write(&path, &text).unwrap();
}

/// A part is measured in one session, and so under one unwinder.
fn assert_several_unwinders_are_refused(project: &Project) {
    let path = project.path("xtask/scenarios/two.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(project.path("library.so"), "").unwrap();
    let own = format!("unwinder = {:?}\n{text}", project.path("library.so"));
    fs::write(&path, own).unwrap();
    let several = project.run(&["regress", "--shard", "1/2"]);
    assert_eq!(several.code, Some(2), "{}", several.stderr);
    let expected =
        "cannot measure shard 1/2: its scenarios are measured under several unwinders, host and ";
    assert!(several.stderr.contains(expected), "{}", several.stderr);
    assert!(several.stderr.contains("(name scenarios of one unwinder)"), "{}", several.stderr);
}
