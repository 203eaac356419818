//! The short text: a green session has at most 15 lines and a red one at most 25, at every width of a terminal,
//! however many scenarios there are.

use std::process::Command;

use crate::common::Project;
use crate::common::made::{Cost, Function, Made, baseline, profile};
use crate::common::regressed::{CALLS, FREE, LINEAR, NOISY, QUADRATIC, SCENARIO, SEARCH};

/// What accepts the growth of a scenario until an expiry.
fn known_issue(expires: &str) -> String {
    format!(
        r#"
[[known_issue]]
series = ["unload/task-clock"]
unwinders = ["libgcc-list"]
class = "quadratic"
reason = "the list of objects is searched from its newest end, which takes long"
link = "https://github.com/bytecodealliance/wasmtime/issues/10084"
expires = "{expires}"
"#
    )
}

/// A suite of 40 scenarios: most pass, some have known issues, and some are undecided.
fn suite(made: &mut Made, project: &Project) {
    for place in 0..40 {
        let title = format!("scenario-with-a-long-name-{place}");
        let (series, issue) = match place {
            0..5 => (NOISY, String::new()),
            5..15 => (QUADRATIC, known_issue("wasmtime 52")),
            15..20 => (QUADRATIC, known_issue(&format!("wasmtime {}", 50 + place))),
            _ => (LINEAR, String::new()),
        };
        let text = SCENARIO.replace("[\"callgrind\"]", "[]") + &issue;
        project.write(&format!("xtask/scenarios/{title}.toml"), text);
        let accepted = if issue.is_empty() { LINEAR } else { QUADRATIC };
        let accepted = baseline(&made.environment, &[CALLS, accepted]);
        project.write(&format!("baselines/{title}.toml"), accepted);
        made.scenario(&title, &[CALLS, series]);
    }
}

/// The report at a terminal of this many columns.
fn report(project: &Project, width: usize, flags: &[&str]) -> String {
    let mut command = project.xtask(&[&["report", "session", "--root", "."], flags].concat());
    project.said(command.env("COLUMNS", width.to_string()).output().unwrap()).stdout
}

/// Checks that `text` has at most `most` lines, none of them longer than `width`, and no line twice.
fn check(text: &str, most: usize, width: usize) {
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() <= most, "{} lines:\n{text}", lines.len());
    for (place, line) in lines.iter().enumerate() {
        let is_long = line.chars().count() > width;
        assert!(!is_long, "{width} columns: {line}\n{text}");
        assert!(line.is_empty() || !lines[..place].contains(line), "twice: {line}\n{text}");
    }
}

#[test]
fn a_green_suite_fits_into_15_lines() {
    let project = Project::empty();
    let mut made = Made::new();
    suite(&mut made, &project);
    made.save(&project.path("session"));
    for width in [60, 80, 120, 200] {
        check(&report(&project, width, &[]), 15, width);
    }
    let text = report(&project, 80, &[]);
    expect_test::expect_file!["../../golden/suite-green/report.txt"].assert_eq(&text);
    // The rows of all series are one flag away.
    let every = report(&project, 200, &["-v"]);
    assert_eq!(every.matches("unload/unwind-tables-deregistered ").count(), 40, "{every}");
}

#[test]
fn a_red_suite_fits_into_25_lines() {
    let project = Project::empty();
    let mut made = Made::new();
    suite(&mut made, &project);
    let regressed = |made: &mut Made, title: &str, counted: &str, series: (&str, Cost)| {
        let text = SCENARIO.replace("[\"callgrind\"]", counted);
        project.write(&format!("xtask/scenarios/{title}.toml"), text);
        let accepted = baseline(&made.environment, &[CALLS, LINEAR]);
        project.write(&format!("baselines/{title}.toml"), accepted);
        made.scenario(title, &[CALLS, series]);
    };
    regressed(&mut made, "my-program", "[\"callgrind\"]", QUADRATIC);
    for place in 0..9 {
        let steeper = ("unload/task-clock", Cost::quadratic(9_000.0, 0.7, 0.02));
        regressed(&mut made, &format!("other-{place}"), "[]", steeper);
    }
    made.check_callgrind();
    made.takes(0.25);
    project.write("host.py", "for module in modules:\n    close(module)\n");
    let git = |arguments: &[&str]| -> String {
        let own = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"];
        let mut git = Command::new("git");
        git.args(own).args(arguments).current_dir(project.root());
        git.env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z");
        git.env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z");
        let output = git.output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "first capture"]);
    project.write("host.py", "for module in modules:\n    close(search(module))\n");
    git(&["commit", "--quiet", "--all", "--message", "search before closing"]);

    let session = project.path("session");
    made.save(&session);
    let functions: [Function; 2] = [SEARCH, FREE];
    profile(&session, "my-program", 0, &functions);
    for width in [60, 80, 120, 200] {
        check(&report(&project, width, &[]), 25, width);
    }
    let hashes = git(&["log", "--format=%h"]);
    let hide = |text: String, hash: &str| text.replace(hash, &"0".repeat(hash.len()));
    let text = hashes.lines().fold(report(&project, 80, &[]), hide);
    expect_test::expect_file!["../../golden/suite-red/report.txt"].assert_eq(&text);
}

/// The total still hides the growth of a function, so the function is the fact.
#[test]
fn a_function_that_grows_alone_is_the_fact() {
    let project = Project::empty();
    let mut made = Made::new();
    project.write("xtask/scenarios/my-program.toml", SCENARIO);
    project.write("baselines/my-program.toml", baseline(&made.environment, &[CALLS, LINEAR]));
    made.scenario("my-program", &[CALLS, LINEAR]).check_callgrind();
    let session = project.path("session");
    made.save(&session);
    let functions: [Function; 2] = [SEARCH, ("libc.so.6", "_int_free", |n| 60_000 * n + 120)];
    profile(&session, "my-program", 0, &functions);
    let text = report(&project, 80, &[]);
    check(&text, 25, 80);
    expect_test::expect_file!["../../golden/function-red/report.txt"].assert_eq(&text);
}
