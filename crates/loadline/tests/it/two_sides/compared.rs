//! `regress --against REV` and `diff REV` in a user's repository: what is compared, and how each
//! verdict ends.
//!
//! What is judged here are counts that a script says, and the session's check of itself is made up
//! (see `Installed::sure`), so every verdict is the same on every machine.

#![cfg(unix)]
use std::fs;
use std::path::PathBuf;

use crate::common::installed::Installed;
use crate::common::{HOST, HOST_SCENARIO, Said};

const SETTINGS: &str = "format = 1\nscenarios = \"perf\"\noutput = \"out\"\nbudget_seconds = 0\n";

const LINEAR: &str = "12 * $1";
const QUADRATIC: &str = "12 * $1 + $1 * $1";

/// A repository with a host program that takes so many steps.
fn repository(steps: &str) -> Installed {
    let installed = Installed::sure();
    installed.write("loadline.toml", SETTINGS);
    installed.write("perf/host.toml", HOST_SCENARIO);
    installed.write(".gitignore", "/out\n");
    installed.write("host.sh", &host(steps));
    installed
}

fn host(steps: &str) -> String {
    HOST.replace("STEPS", steps)
}

fn ends(said: &Said, code: i32) {
    assert_eq!(said.code, Some(code), "{}", said.refusal());
}

/// The newest session: its header, and every run's scenario and side.
fn session(installed: &Installed) -> (serde_json::Value, Vec<(String, String)>) {
    let sessions = fs::read_dir(installed.path("out/regress")).unwrap();
    let newest: PathBuf = sessions.map(|entry| entry.unwrap().path()).max().unwrap();
    let text = |name: &str| fs::read_to_string(newest.join(name)).unwrap();
    let runs = text("runs.jsonl");
    let runs = runs.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let of = |run: &serde_json::Value, key: &str| run[key].as_str().unwrap_or("now").to_owned();
    let runs = runs.map(|run| (of(&run, "scenario"), of(&run, "side"))).collect();
    (serde_json::from_str(&text("session.json")).unwrap(), runs)
}

fn n_sessions(installed: &Installed) -> usize {
    fs::read_dir(installed.path("out/regress")).map_or(0, Iterator::count)
}

/// Two commits, no baseline. Counts that grow on both sides hold, which only a comparison can say:
/// by their own curve they are superlinear.
#[test]
fn a_commands_other_revision_is_measured() {
    let installed = repository(LINEAR);
    installed.commit("linear");
    installed.write("host.sh", &host(QUADRATIC));
    installed.commit("quadratic");
    let worse = installed.loadline(&["regress", "--against", "HEAD~1"]);
    ends(&worse, 3);
    assert!(worse.stdout.contains("REGRESSED"), "{}", worse.stdout);
    assert!(!worse.stdout.contains("cargo xtask"), "{}", worse.stdout);
    let (header, runs) = session(&installed);
    assert!(header["against"]["name"].as_str().unwrap().starts_with("HEAD~1 ("), "{header}");
    for side in ["now", "before"] {
        let n_runs = runs.iter().filter(|(title, of)| title == "host" && of == side).count();
        assert_eq!(n_runs, 15, "{runs:?}");
    }
    installed.write("host.sh", &format!("{}# the same\n", host(QUADRATIC)));
    let same_growth = installed.loadline(&["regress", "-v", "--against", "HEAD"]);
    ends(&same_growth, 0);
    assert!(same_growth.stdout.contains("load/reported"), "{}", same_growth.stdout);
    installed.write("host.sh", &host(LINEAR));
    let better = installed.loadline(&["regress", "--against", "HEAD"]);
    ends(&better, 0);
    assert!(better.stdout.contains("improved"), "{}", better.stdout);
    let compared = installed.loadline(&["diff", "HEAD"]);
    ends(&compared, 0);
    assert!(compared.stdout.contains("load/reported"), "{}", compared.refusal());
}

/// The command that the report prints, as a user pastes it, compares with the same revision again.
#[test]
fn the_pasted_command_keeps_the_other_revision() {
    let installed = repository(LINEAR);
    installed.commit("linear");
    installed.write("host.sh", &host(QUADRATIC));
    installed.commit("quadratic");
    let worse = installed.loadline(&["regress", "--against", "HEAD~1"]);
    ends(&worse, 3);
    let (first, _) = session(&installed);
    let next = worse.stdout.lines().rev().find_map(|line| line.strip_prefix("next: ")).unwrap();
    let mut shell = installed.command("sh");
    shell.args(["-c", &format!("PATH=\"$BIN:$PATH\"; {next}")]);
    let again = shell.env("BIN", installed.project.path("bin")).output().unwrap();
    let again = installed.project.said(again);
    ends(&again, 3);
    let (second, runs) = session(&installed);
    assert_eq!(n_sessions(&installed), 2);
    assert_eq!(first["against"]["name"], second["against"]["name"]);
    assert_eq!(first["seed"], second["seed"]);
    assert!(runs.iter().any(|(title, side)| title == "host" && side == "before"), "{runs:?}");
    let last = again.stdout.lines().last();
    assert_eq!(last, worse.stdout.lines().last(), "{}", again.stdout);
}

/// A commit that only touches documentation needs no measuring; one that touches a file that no program
/// names, but a script may read, does.
#[test]
fn both_sides_may_run_the_same_program() {
    let installed = repository(LINEAR);
    installed.write("host.sh", ". ./steps.sh\nsteps $1\n");
    let steps = |steps: &str| format!("steps() {{\n{}}}\n", host(steps));
    installed.write("steps.sh", &steps(LINEAR));
    installed.commit("linear");
    installed.write("README.md", "# What this is\n");
    for arguments in [["regress", "--against", "HEAD"].as_slice(), &["diff", "HEAD"]] {
        let same = installed.loadline(arguments);
        ends(&same, 0);
        assert_eq!(same.stdout, "both sides run the same program: host\n", "{}", same.stderr);
    }
    assert_eq!(n_sessions(&installed), 0);
    let report =
        ["regress", "--against", "HEAD", "--format", "json", "--output", "out/report.json"];
    ends(&installed.loadline(&report), 0);
    let report: serde_json::Value =
        serde_json::from_str(&installed.read("out/report.json")).unwrap();
    assert_eq!(report["result"]["exit_code"], 0, "{report}");
    assert_eq!(report["remarks"][0], "both sides run the same program: host");
    installed.write("steps.sh", &steps(QUADRATIC));
    ends(&installed.loadline(&["regress", "--against", "HEAD"]), 3);
}

/// Each side is built once, where it lies, by its own `loadline.toml`, and started as its own
/// scenario file says; all of it below the root of the repository.
#[test]
fn each_side_has_its_own_build_and_its_own_command() {
    let installed = repository(LINEAR);
    let in_part = |name: &str, build: &str, steps: &str| {
        let settings = format!("{SETTINGS}build = [\"sh\", \"{build}\"]\n");
        installed.write("part/loadline.toml", &settings);
        let scenario = HOST_SCENARIO.replace("host.sh", &format!("made/{name}"));
        installed.write("part/perf/host.toml", &scenario);
        let make = format!(
            "mkdir -p made && cp {name}.in made/{name} && pwd >> {}\n",
            installed.path("builds").display()
        );
        installed.write(&format!("part/{build}"), &make);
        installed.write(&format!("part/{name}.in"), &host(steps));
    };
    installed.write(".gitignore", "/builds\nout\nmade\n");
    in_part("old.sh", "make-old.sh", LINEAR);
    installed.commit("linear");
    installed.git(&["rm", "--quiet", "part/old.sh.in", "part/make-old.sh"]);
    in_part("new.sh", "make-new.sh", QUADRATIC);
    installed.commit("renamed, and quadratic");
    let worse = installed.loadline(&["regress", "--root", "part", "--against", "HEAD~1"]);
    ends(&worse, 3);
    let builds = installed.read("builds");
    let builds: Vec<&str> = builds.lines().collect();
    let [first, second] = builds.as_slice() else { panic!("{builds:?}") };
    assert!(first.ends_with("/repository/part"), "{builds:?}");
    assert!(second.ends_with("/part") && first != second, "{builds:?}");
    fs::remove_file(installed.path("builds")).unwrap();
    ends(&installed.loadline(&["regress", "--root", "part"]), 3);
    assert_eq!(installed.read("builds").lines().count(), 1);
}

/// A revision from before there were scenarios is measured by those of today.
#[test]
fn a_revision_without_scenarios_is_measured_by_todays() {
    let installed = repository(LINEAR);
    for file in ["loadline.toml", "perf/host.toml"] {
        fs::remove_file(installed.path(file)).unwrap();
    }
    installed.commit("a host alone");
    installed.write("loadline.toml", SETTINGS);
    installed.write("perf/host.toml", HOST_SCENARIO);
    installed.write("host.sh", &host(QUADRATIC));
    let worse = installed.loadline(&["regress", "--against", "HEAD"]);
    ends(&worse, 3);
    assert!(worse.stderr.contains("measured with today's scenario file"), "{}", worse.stderr);
}

/// What cannot be built or started is no verdict, and is said once.
#[test]
fn a_side_that_fails_is_said_once() {
    let cases: [(&str, &str, &str); 3] = [
        ("build", "echo no compiler >&2; exit 9", "failed (exit status: 9)"),
        ("start", "rm host.sh", "at N = 64 it fails there: the command ended with exit code"),
        ("work", "echo 'echo it broke >&2; exit 7' > host.sh", "it broke"),
    ];
    for (what, deed, expected) in cases {
        let installed = repository(LINEAR);
        let settings = format!("{SETTINGS}build = [\"sh\", \"build.sh\"]\n");
        installed.write("loadline.toml", &settings);
        installed.write("build.sh", &format!("{deed}\n"));
        installed.commit("broken");
        installed.write("build.sh", "true\n");
        for (bisect, code) in [(None, 1), (Some("--bisect"), 125)] {
            let mut arguments = vec!["regress", "--against", "HEAD"];
            arguments.extend(bisect);
            let said = installed.loadline(&arguments);
            ends(&said, code);
            assert_eq!(said.stderr.matches(expected).count(), 1, "{what}: {}", said.stderr);
            assert!(said.stderr.contains("HEAD ("), "{what}: {}", said.stderr);
            assert_eq!(said.stdout, "", "{what}");
        }
        assert_eq!(n_sessions(&installed), 0, "{what}");
    }
}

/// Every verdict as a bisection hears it.
#[test]
fn a_bisection_skips_whatever_gave_no_verdict() {
    let installed = repository(LINEAR);
    installed.commit("linear");
    // Costs that leap up and down with N are of no shape at all.
    let leaping = "case $1 in 64|256|1024) s=$(($1 * 90));; *) s=$(($1 * 10));; esac\necho loadline:phase=load\necho loadline:metric=steps:$s:count\n";
    let cases = [
        ("regressed", host(QUADRATIC), 3),
        ("holds", host("13 * $1"), 0),
        ("improved", host("12 * $1 - $1 * $1 / 200"), 0),
        ("undecided", leaping.to_owned(), 125),
        ("failed", "exit 7\n".to_owned(), 125),
    ];
    for (what, host, code) in &cases {
        installed.write("host.sh", host);
        let said = installed.loadline(&["regress", "--against", "HEAD", "--bisect"]);
        assert_eq!(said.code, Some(*code), "{what}: {}", said.refusal());
    }
    installed.write("host.sh", &host(QUADRATIC));
    installed.project.write("bin/without-growth", "");
    let blind = ["regress", "--against", "HEAD", "--bisect"];
    ends(&installed.loadline(&blind), 125);
    ends(&installed.loadline(&blind[..3]), 6);
    fs::remove_file(installed.project.path("bin/without-growth")).unwrap();
    // Neither a baseline nor a control, and no other build.
    let time = HOST_SCENARIO.replace("load/reported", "load/task-clock");
    installed.write("perf/host.toml", &time);
    ends(&installed.loadline(&["regress", "--bisect"]), 125);
    for mistake in ["nothing", "host:sizes=x"] {
        let said = installed.loadline(&["regress", mistake, "--against", "HEAD", "--bisect"]);
        ends(&said, 128);
    }
    ends(&installed.loadline(&["regress", "--against", "gone", "--bisect"]), 128);
    ends(&installed.loadline(&["regress", "--bisect", "--agianst", "HEAD"]), 128);
}

/// At old commits the scenario, its group, the folder or the settings may be missing, or be of a format
/// that this version does not read. Those commits are skipped; a name that no commit has is a mistake.
#[test]
fn a_bisection_skips_commits_without_the_scenario() {
    let installed = repository(LINEAR);
    let grouped = HOST_SCENARIO.replace("command", "group = \"mine\"\ncommand");
    installed.write("perf/host.toml", &grouped);
    installed.commit("with the scenario");
    let bisected = |name: &str, code| {
        let said = installed.loadline(&["regress", name, "--against", "HEAD", "--bisect"]);
        ends(&said, code);
        assert_eq!(said.stdout, "");
    };
    for (what, before) in [("another format", "format = 9\n"), ("a control", "")] {
        let text = format!("{}\ncontrol = {{ scenario = \"gone\" }}\n", grouped);
        let text = if before.is_empty() { text } else { text.replace("format = 2\n", before) };
        println!("{what}");
        installed.write("perf/host.toml", &text);
        bisected("host", 125);
    }
    fs::remove_file(installed.path("perf/host.toml")).unwrap();
    let other = HOST_SCENARIO.replace("linear?", "flat?");
    installed.write("perf/other.toml", &other);
    for (name, code) in [("host", 125), ("mine", 125), ("hots", 128), ("min", 128)] {
        bisected(name, code);
    }
    ends(&installed.loadline(&["regress", "host", "--against", "HEAD"]), 2);
    fs::remove_dir_all(installed.path("perf")).unwrap();
    bisected("host", 125);
    fs::remove_file(installed.path("loadline.toml")).unwrap();
    bisected("host", 125);
}

/// What threads gain is measured by both sides, and judged.
#[test]
fn threads_are_measured_by_both_sides() {
    let installed = repository(LINEAR);
    fs::remove_file(installed.path("perf/host.toml")).unwrap();
    let scenario = "format = 2\nquestion = \"Do threads gain?\"\nexpectation = \"They do.\"\n\
        load_order = \"hold-all\"\ncount_with = []\nmodules = [\"module.wat\"]\n\
        judge = [\"load/unwind-tables-registered\"]\nobserve = [\"load/wall-time\"]\nrepetitions = 3\n\
        sizes = [1, 2, 4, 8, 16]\ncontrol = { set = { tables = \"strip\" } }\n\
        [scaling]\nthreads = 2\nseries = \"load/wall-time\"\n";
    installed.write("perf/threads.toml", scenario);
    let module = |functions: usize| format!("(module {})", "(func)".repeat(functions));
    installed.write("module.wat", &module(1));
    installed.commit("one function");
    installed.write("module.wat", &module(2));
    let report = "out/report.json";
    let said = installed.loadline(&[
        "regress",
        "--against",
        "HEAD",
        "--format",
        "json",
        "--output",
        report,
    ]);
    // Times are those of a busy machine.
    assert!(matches!(said.code, Some(0 | 3)), "{}", said.refusal());
    let (_, runs) = session(&installed);
    for side in ["now", "before"] {
        for title in ["threads:threads=2", "threads:tables=strip,threads=2"] {
            let n_runs = runs.iter().filter(|run| *run == &(title.into(), side.into())).count();
            assert_eq!(n_runs, 15, "{title} {side}");
        }
    }
    let report: serde_json::Value = installed.read(report).parse().unwrap();
    assert!(report.to_string().contains("\"kind\":\"one-thread\""), "{report}");
}

/// A control is measured by both sides as well.
#[test]
fn a_control_keeps_working() {
    let installed = repository(LINEAR);
    let control = "environment = { MODE = \"all\" }\ncontrol = { set = { \"environment.MODE\" = \"none\" } }\n";
    installed.write("perf/host.toml", &format!("{HOST_SCENARIO}{control}"));
    installed.commit("linear");
    let only_all = "12 * $1 + $1 * $1 * $([ $MODE = all ] && echo 1 || echo 0)";
    installed.write("host.sh", &host(only_all));
    let worse = installed.loadline(&["regress", "--against", "HEAD"]);
    ends(&worse, 3);
    let (_, runs) = session(&installed);
    for side in ["now", "before"] {
        for title in ["host", "host:environment.MODE=none"] {
            assert!(runs.contains(&(title.to_owned(), side.to_owned())), "{title} {side}");
        }
    }
}

/// A session of two builds without runs of the other one judges nothing.
#[test]
fn a_comparison_without_the_other_side_is_an_error() {
    let installed = repository(LINEAR);
    installed.commit("linear");
    installed.write("host.sh", &host("13 * $1"));
    ends(&installed.loadline(&["regress", "--against", "HEAD"]), 0);
    let sessions = fs::read_dir(installed.path("out/regress")).unwrap();
    let session = sessions.map(|entry| entry.unwrap().path()).max().unwrap();
    let runs = fs::read_to_string(session.join("runs.jsonl")).unwrap();
    let own = runs.lines().filter(|line| !line.contains("\"side\":\"before\""));
    let own: String = own.map(|line| format!("{line}\n")).collect();
    assert!(own.len() < runs.len());
    fs::write(session.join("runs.jsonl"), own).unwrap();
    let said = installed.loadline(&["report", session.to_str().unwrap()]);
    ends(&said, 1);
    assert!(said.stdout.contains("0 of 15 runs were measured"), "{}", said.stdout);
}

/// What a compiler makes is compared by what it made: a comment changes nothing, and the source that
/// was changed all the same is named.
#[test]
fn a_change_without_effect_on_the_program_is_named() {
    let installed = repository(LINEAR);
    let program = |steps: &str| {
        format!(
            "#include <stdio.h>\n#include <stdlib.h>\nint main(int c, char **v) {{\n  long n = atol(v[c - 1]);\n  printf(\"loadline:phase=load\\nloadline:metric=steps:%ld:count\\n\", {steps});\n  return 0;\n}}\n"
        )
    };
    installed.write(
        "loadline.toml",
        &format!("{SETTINGS}build = [\"cc\", \"-o\", \"host\", \"host.c\"]\n"),
    );
    let scenario = HOST_SCENARIO.replace("\"sh\", \"host.sh\"", "\"./host\"");
    installed.write("perf/host.toml", &scenario);
    installed.write(".gitignore", "/out\n/host\n");
    installed.write("host.c", &program("12 * n"));
    installed.commit("linear");
    installed.write("host.c", &format!("// The host.\n{}", program("12 * n")));
    let same = installed.loadline(&["regress", "--against", "HEAD"]);
    ends(&same, 0);
    let expected = "both sides run the same program: host\nwarning: the build made the same programs although its inputs were changed: host.c\n";
    assert_eq!(same.stdout, expected, "{}", same.stderr);
    installed.write("host.c", &program("12 * n + n * n"));
    ends(&installed.loadline(&["regress", "--against", "HEAD"]), 3);
    // A build that writes outside of the repository leaves one program for both sides.
    let shared = installed.project.path("shared");
    installed.write(
        "loadline.toml",
        &format!("{SETTINGS}build = [\"cc\", \"-o\", \"{}\", \"host.c\"]\n", shared.display()),
    );
    let scenario =
        HOST_SCENARIO.replace("\"sh\", \"host.sh\"", &format!("\"{}\"", shared.display()));
    installed.write("perf/host.toml", &scenario);
    installed.commit("elsewhere, and quadratic");
    installed.write("host.c", &program("12 * n"));
    let replaced = installed.loadline(&["regress", "--against", "HEAD"]);
    ends(&replaced, 1);
    assert!(replaced.stderr.contains("replaced files of this side"), "{}", replaced.stderr);
}
