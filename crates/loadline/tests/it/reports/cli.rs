//! What bad input gets: an exit code, and a message that says what was attempted, what is wrong
//! there, and what to do. The answers stand in `refusals/`; `UPDATE_EXPECT=1 cargo test -p loadline
//! --test it cli` writes them again.

// The messages quote paths and the words of the operating system.
#![cfg(unix)]
use std::fmt::Write as _;

use crate::common::made::{Cost, Made, baseline};
use crate::common::{Project, Said, TINY};
use expect_test::expect_file;

/// Results that cannot be written are a notice; a reader that has seen enough is none.
#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_takes_nothing() {
    let project = Project::empty();
    project.write("a.csv", "64,100\n");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let said = project.said(project.xtask(&["judge", "a.csv"]).stdout(full).output().unwrap());
    let message = "cannot write to standard output: No space left on device (os error 28) (the exit code is still right)\n";
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), message));

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let said = project.said(project.xtask(&["judge", "a.csv"]).stdout(writer).output().unwrap());
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
}

/// Two clones that share one target folder share this program: it works in the one whose Cargo has
/// started it.
#[test]
fn the_workspace_is_the_one_whose_cargo_starts_the_program() {
    let clone = Project::empty();
    clone.write("crates/runner/Cargo.toml", "");
    clone.write("xtask/Cargo.toml", "");
    clone.write("xtask/scenarios/theirs.toml", TINY);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_loadline"));
    command.args(["regress", "their"]).current_dir(std::env::temp_dir());
    command.env("CARGO_MANIFEST_DIR", clone.path("xtask"));
    let said = clone.said(command.output().unwrap());
    let message = "error: there is no scenario \"their\" (did you mean theirs?)\n";
    assert_eq!((said.code, said.stderr.as_str()), (Some(2), message));
    // Cargo starts the programs of other repositories as well.
    command.env("CARGO_MANIFEST_DIR", clone.path("crates/runner"));
    let ours = clone.said(command.output().unwrap());
    assert!(!ours.stderr.contains("theirs"), "{}", ours.stderr);
}

/// One line for each scenario, one for each reason that counters are missing, and one scenario in full
/// where it is named.
#[test]
fn a_list_has_one_line_for_each_scenario() {
    let project = Project::new();
    let control = "group = \"load\"\nsuite = \"complete\"\ncontrol = { scenario = \"tiny\" }\n";
    project.write("xtask/scenarios/controlled.toml", TINY.to_owned() + control);
    let listed = project.run(&["list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.refusal());
    let (machine, scenarios) = listed.stdout.split_once("\n\n").unwrap();
    let question = "Does a tiny corpus load and unload in linear time?";
    let expected = format!(
        "scenarios of the default suite:\n\
         \x20 tiny              no baseline       {question}\n\n\
         scenarios that regress measures by name, by group or with --complete:\n\
         \x20 controlled  load  no baseline       {question}\n\n\
         cargo xtask list NAME shows a scenario or a group in full\n"
    );
    assert_eq!(scenarios, expected);
    let reasons: Vec<&str> = machine.lines().filter_map(|line| line.split("; ").nth(1)).collect();
    let distinct: std::collections::BTreeSet<&&str> = reasons.iter().collect();
    assert_eq!(reasons.len(), distinct.len(), "{machine}");

    let tiny = format!(
        "tiny\n    {question}\n    N 1…16, 5 sizes × 3 repetitions\n    \
         judges load/unwind-tables-registered, unload/unwind-tables-deregistered\n    shows unload/task-clock\n    \
         baseline: none; counts are judged against the expectation, times against the control\n"
    );
    assert_eq!(project.run(&["list", "tiny"]).stdout, tiny);
    let controlled = tiny.replace("tiny\n", "controlled   (group load, with --complete)\n");
    assert_eq!(project.run(&["list", "load"]).stdout, format!("{controlled}\n{tiny}"));
    let unknown = project.run(&["list", "tinny"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.refusal());
    assert!(unknown.stderr.contains("did you mean tiny?"), "{}", unknown.stderr);
}

/// What was asked and answered, one case after the other.
struct Refusals(String);

impl Refusals {
    fn of(cases: impl IntoIterator<Item = (String, Said)>) -> Refusals {
        let mut text = String::new();
        for (case, said) in cases {
            let code = said.code.unwrap();
            let (stdout, stderr) = (without_progress(&said.stdout), without_progress(&said.stderr));
            write!(text, "## {case}\nexit {code}\n{stdout}{stderr}\n").unwrap();
        }
        Refusals(text)
    }

    fn check(&self, name: &str) {
        expect_file![format!("../../refusals/{name}.txt")]
            .assert_eq(&format!("{}\n", self.0.trim_end()));
    }
}

/// Cargo says how long it built the runner.
fn without_progress(text: &str) -> String {
    let is_said = |line: &&str| !line.trim_start().starts_with("Finished");
    text.lines().filter(is_said).map(|line| format!("{line}\n")).collect()
}

/// Runs each command, given without `cargo xtask` and separated by blanks.
fn commands(project: &Project, commands: &[&str]) -> Refusals {
    Refusals::of(commands.iter().map(|command| {
        let arguments: Vec<&str> = command.split(' ').collect();
        (format!("cargo xtask {command}"), project.run(&arguments))
    }))
}

/// A change of the first `from` in a sound file, with its name for the reader.
fn changed(sound: &str, (from, to): &(&str, &str)) -> (String, Vec<u8>) {
    assert!(sound.contains(from), "the file has no {from}");
    (format!("{from:?} → {to:?}"), sound.replacen(from, to, 1).into_bytes())
}

/// Damages every file can suffer.
fn damaged(sound: &str) -> Vec<(String, Vec<u8>)> {
    let half = sound.as_bytes()[..sound.len() / 2].to_vec();
    let cases = [("empty", Vec::new()), ("truncated", half), ("not text", vec![0xff, 0xfe])];
    cases.map(|(case, bytes)| (case.to_owned(), bytes)).into()
}

const CALLS: (&str, Cost) = ("load/unwind-tables-registered", Cost::linear(1.0, 0.0));
const CLOCK: (&str, Cost) = ("unload/task-clock", Cost::linear(9_000.0, 0.02));

#[test]
fn the_command_line() {
    let asked = ["regres", "regress --sett repetitions=3", "regress --seed x"];
    let incomplete = ["baseline", "report", "judge"];
    commands(&Project::new(), &[asked, incomplete].concat()).check("command-line");
}

#[test]
fn a_selection() {
    let asked = [
        "regress tinny",
        "regress nothing-of-the-kind",
        "regress tiny:strip",
        "regress ../scenarios/tiny",
        "regress --set tables",
        "regress --set tabels=strip",
        "regress --set tables=sometimes",
        "regress --set repetitions=0",
        "regress --set sizes.to=4",
        "regress --unwinder nowhere.so",
        "regress --unwinder xtask",
        "regress --baseline tinny",
        "regress --baseline tiny",
        "regress --baseline other.toml",
        "baseline --reason= tiny",
    ];
    commands(&Project::new(), &asked).check("selection");
}

#[test]
fn a_root() {
    let asked = [
        "regress",
        "baseline --reason first",
        "list",
        "regress --root nowhere",
        "regress --root xtask",
    ];
    commands(&Project::empty(), &asked).check("root");
}

#[test]
fn a_scenario_file() {
    // A time among what is judged.
    let timed = TINY.replace("unload/task-clock", "unload/wall-time");
    let timed = timed.replace("unload/unwind-tables-deregistered", "unload/task-clock");
    let changes = [
        ("format = 2", "format = 3"),
        ("format = 2", "format = 3\nanswer = 42"),
        ("question", "qestion"),
        ("unload/task-clock", "unload/task-clok"),
        ("unload/task-clock", "unlod/task-clock"),
        ("unload/task-clock", "task-clock"),
        ("unload/task-clock", "load/unwind-tables-registered"),
        ("unload/task-clock", "unload/wall-time"),
        ("hold-all", "hold-some"),
        ("[1, 2, 4, 8, 16]", "[0, 2, 4, 8, 16]"),
        ("[1, 2, 4, 8, 16]", "[1, 2, 8, 4, 16]"),
        ("[1, 2, 4, 8, 16]", "[1, 2, 4, 8]"),
        ("[1, 2, 4, 8, 16]", "[nan, 2, 4, 8, 16]"),
        ("[1, 2, 4, 8, 16]", "{ from = 16, to = 1, factor = 2 }"),
        ("[1, 2, 4, 8, 16]", "{ from = 1, to = 16, factor = 1 }"),
        ("repetitions = 3", "repetitions = nan"),
        ("repetitions = 3", "repetitions = 101"),
        ("repetitions = 3", "timeout_seconds = 0"),
        ("repetitions = 3", "control = { scenario = \"others\" }"),
        ("functions = 2", "functions = 0"),
    ];
    let files = damaged(&timed).into_iter().chain(changes.iter().map(|c| changed(&timed, c)));
    let cases = files.map(|(case, bytes)| {
        let project = Project::empty();
        project.write("xtask/scenarios/tiny.toml", bytes);
        (case, project.run(&["regress", "tiny"]))
    });
    Refusals::of(cases).check("scenario-file");
}

#[test]
fn a_baseline_file() {
    let sound = baseline(&crate::common::made::environment(), &[CALLS, CLOCK]);
    let (head, one) = sound.split_once("\n\n").unwrap();
    let whole = [
        ("without a baseline", "format = 2\nbaseline = []\n".to_owned()),
        ("two of one key", format!("{head}\n\n{one}\n{one}")),
    ];
    let changes = [
        ("format = 2", "format = 3"),
        ("seed = 1", "seed = 1\nsed = 2"),
        ("seed = 1\n", ""),
        ("cpu = \"Model A\"\n", ""),
        ("[64, 64, ", "[64, nan, "),
        ("[64, 64, ", "[64, -1, "),
        ("[64, 64, ", "[64, "),
        ("[64, 64, ", "[0, 64, "),
        ("[64, 64, ", "[64.5, 64, "),
        ("[64, 64, ", "[512, 64, "),
        ("unit = \"count\"", "unit = \"ns\""),
        ("load/unwind-tables-registered", "load/frames"),
        ("samples = [", "scaling_exponent = 1.0\nsamples = ["),
    ];
    let whole = whole.map(|(case, text)| (case.to_owned(), text.into_bytes()));
    let changed = changes.iter().map(|change| changed(&sound, change));
    let cases = damaged(&sound).into_iter().chain(whole).chain(changed).map(|(case, bytes)| {
        let project = Project::new();
        project.write("baselines/tiny.toml", bytes);
        (case, project.run(&["regress"]))
    });
    Refusals::of(cases).check("baseline-file");
}

#[test]
fn a_session() {
    let made = session();
    let (header, runs) = (made.header(), made.runs());
    let cases = [
        ("empty header", String::new(), None),
        ("truncated header", header[..header.len() / 2].to_owned(), None),
        ("newer header", header.replace("\"format\":2", "\"format\":3"), None),
        ("no runs", header.clone(), None),
        ("damaged runs", header.clone(), Some(runs.replacen('{', "", 1))),
        ("unknown scenario", header.replace("\"tiny\"", "\"tinny\""), Some(runs)),
    ];
    let cases = cases.map(|(case, header, runs)| {
        let project = Project::new();
        project.write("session/session.json", header);
        if let Some(runs) = runs {
            project.write("session/runs.jsonl", runs);
        }
        (case.to_owned(), project.run(&["report", "session"]))
    });
    let project = Project::empty();
    let nowhere = ("nowhere".to_owned(), project.run(&["report", "nowhere"]));
    let folder = ("another folder".to_owned(), project.run(&["report", "xtask"]));
    Refusals::of([nowhere, folder].into_iter().chain(cases)).check("session");
}

fn session() -> Made {
    let mut made = Made::new();
    made.scenario("tiny", &[CALLS, CLOCK]);
    made
}

/// Killed while it wrote: the whole lines count, and what is missing is a failure. So is a run that
/// answered in part, and a repetition too many.
#[test]
fn a_half_written_session() {
    let made = session();
    let runs = made.runs();
    let last = runs.lines().last().unwrap();
    let mute = last.replace("\"metric\":\"task-clock\"", "\"metric\":\"cycles\"");
    let cases = [
        ("torn in its last line", runs[..runs.len() - 9].to_owned()),
        ("without a run", String::new()),
        ("without a reading", runs.replace(last, &mute)),
        ("with a run too many", format!("{runs}{last}\n")),
    ];
    let cases = cases.map(|(case, runs)| {
        let project = Project::new();
        project.write("session/session.json", made.header());
        project.write("session/runs.jsonl", runs);
        (case.to_owned(), project.run(&["report", "session"]))
    });
    Refusals::of(cases).check("half-written-session");
}

#[test]
fn numbers_to_judge() {
    let files: [(&str, &[u8]); 12] = [
        ("empty.json", b""),
        ("none.json", b"[]"),
        ("corrupt.json", b"[{\"id\": \"a\", "),
        ("words.json", b"no numbers here"),
        ("bytes.csv", b"\xff\xfe"),
        ("header.csv", b"n,y\n"),
        ("words.csv", b"n,y\n64,100\n128,many\n"),
        ("fields.csv", b"64,100,1\n"),
        ("nan.csv", b"64,100\n128,NaN\n"),
        ("zero.csv", b"0,100\n128,200\n"),
        ("negative.csv", b"64,100\n128,-200\n"),
        ("repetitions.csv", b"64,100\n64,101\n128,200\n"),
    ];
    let project = Project::empty();
    let cases = files.map(|(name, bytes)| {
        project.write(name, bytes);
        (name.to_owned(), project.run(&["judge", name]))
    });
    Refusals::of(cases).check("numbers");
}

#[test]
fn series_to_judge() {
    let sound = r#"{"id": "a", "kind": "count", "n": [1, 2], "y": [[1], [2]]}"#;
    let twice = format!("{sound}, {sound}");
    let changes = [
        (sound, twice.as_str()),
        ("\"id\": \"a\", ", ""),
        ("count", "bytes"),
        ("[[1], [2]]", "[[NaN], [2]]"),
        ("[[1], [2]]", "[[Infinity], [2]]"),
        ("[[1], [2]]", "[[null], [2]]"),
        ("[[1], [2]]", "[[\"1\"], [2]]"),
        ("[[1], [2]]", "[[1e999], [2]]"),
        ("[[1], [2]]", "[[-1], [2]]"),
        ("[[1], [2]]", "[[1], [2, 3]]"),
        ("[[1], [2]]", "[[1]]"),
        ("[[1], [2]]", "[[], []]"),
        ("[1, 2]", "[0, 2]"),
        ("[1, 2]", "[2, 1]"),
        ("[1, 2]", "[1, 1]"),
        ("[1, 2]", "[-1, 2]"),
        ("[1, 2]", "[1.5, 2]"),
        ("[1, 2]", "[\"1\", 2]"),
        ("\"y\"", "\"base\""),
        ("\"y\"", "\"z\""),
        ("\"y\"", "\"base\": [[1], [2]], \"y\""),
    ];
    let cases = changes.iter().map(|change| {
        let (case, series) = changed(sound, change);
        let project = Project::empty();
        project.write("series.json", [b"[".as_slice(), &series, b"]"].concat());
        (case, project.run(&["judge", "series.json"]))
    });
    Refusals::of(cases).check("series");
}

#[test]
fn files_to_judge() {
    let project = Project::empty();
    project.write("a.csv", "64,100\n");
    let asked = ["judge nowhere.json", "judge xtask", "judge a.csv a.csv", "judge -"];
    commands(&project, &asked).check("files");
}
