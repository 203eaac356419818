//! Words of format 1: each gets an error that names the new word.

use crate::common::made::{Cost, Made, baseline, environment};
use crate::common::{Project, TINY};

const CALLS: (&str, Cost) = ("load/unwind-tables-registered", Cost::linear(1.0, 0.0));

/// What `arguments` are refused with, exit code included.
fn refused(project: &Project, arguments: &[&str], code: i32) -> String {
    let said = project.run(arguments);
    assert_eq!(said.code, Some(code), "{}{}", said.stdout, said.stderr);
    said.stderr
}

#[test]
fn an_old_word_is_answered_with_the_new_one() {
    let set = refused(&Project::new(), &["regress", "--set", "ladder.to=4"], 2);
    assert!(set.contains("unknown field `ladder`, it is called `sizes` now"), "{set}");
    let set = refused(&Project::new(), &["regress", "--set", "processes=4"], 2);
    assert!(set.contains("unknown field `processes`, it is called `repetitions` now"), "{set}");
    let set = refused(&Project::new(), &["regress", "--set", "horizon=4"], 2);
    assert!(set.contains("unknown field `horizon`, it is called `extrapolate_to` now"), "{set}");
    let variant = refused(&Project::new(), &["regress", "tiny:activity=unwind"], 2);
    assert!(
        variant.contains("unknown field `activity`, it is called `operation` now"),
        "{variant}"
    );
    let with = |from: &str, to: &str| {
        let project = Project::empty();
        project.write("xtask/scenarios/tiny.toml", TINY.replace(from, to));
        refused(&project, &["regress", "tiny"], 2)
    };
    let field = with("load_order =", "lifecycle =");
    assert!(field.contains("unknown field `lifecycle`, it is called `load_order` now"), "{field}");
    let metric = with("load/unwind-tables-registered", "load/frames-registered");
    let expected =
        "unknown metric \"frames-registered\" (it is called unwind-tables-registered now)";
    assert!(metric.contains(expected), "{metric}");
}

#[test]
fn a_file_of_format_1_is_answered_with_its_old_words() {
    let project = Project::empty();
    let old = TINY.replace("format = 2", "format = 1").replace("sizes =", "ladder =");
    project.write("xtask/scenarios/tiny.toml", old);
    let scenario = refused(&project, &["regress", "tiny"], 2);
    let expected = "format 1 is older than format 2, which this version reads (ladder is now sizes; write format = 2)";
    assert!(scenario.contains(expected), "{scenario}");

    let project = Project::new();
    let old = baseline(&environment(), &[CALLS]).replace("format = 2", "format = 1");
    project.write("baselines/tiny.toml", old.replace("samples = [", "rounds = ["));
    let said = refused(&project, &["regress"], 2);
    assert!(said.contains("format 1 is older than format 2"), "{said}");

    let header = Made::new().header().replace("\"format\":2", "\"format\":1");
    project.write("session/session.json", header.replace("\"sizes\"", "\"ladder\""));
    project.write("session/runs.jsonl", "");
    let said = refused(&project, &["report", "session"], 2);
    assert!(said.contains("format 1 is older than format 2"), "{said}");
}

/// `history` reads what older commits wrote.
#[cfg(unix)]
#[test]
fn the_past_is_read_in_old_words() {
    use super::history::{commit, committed, git};
    let project = Project::bare();
    let scenario = committed("xtask/scenarios/load-bytes.toml");
    project.write("xtask/scenarios/load-bytes.toml", scenario);
    git(&project, &["init", "--quiet"]);
    let baseline = committed("baselines/load-bytes.toml");
    let old = [
        ("format = 2", "format = 1"),
        ("\nsizes = ", "\nladder = "),
        ("\nsamples = [", "\nrounds = ["),
        ("\nscaling_exponent", "\ntail_exponent"),
        ("load/live-bytes", "load/alive-bytes"),
    ];
    let old = old.iter().fold(baseline.clone(), |text, (new, old)| {
        assert!(text.contains(new), "{new}");
        text.replace(new, old)
    });
    commit(&project, &old, "in old words");
    commit(&project, &baseline, "in new words");
    let said = project.run(&["history", "load-bytes", "--series", "load/live-bytes"]);
    assert_eq!(said.code, Some(0), "{}", said.refusal());
    assert!(said.stdout.contains("in old words"), "{}", said.stdout);
    assert!(!said.stdout.contains("not read"), "{}", said.stdout);
}
