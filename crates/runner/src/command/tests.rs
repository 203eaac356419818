//! Tests with commands that behave correctly, and with others.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use loadline_scenario::{Collector, Workload};
use tempfile::TempDir;

use super::*;

const METRICS: [Metric; 4] =
    [Metric::PageFaults, Metric::TaskClock, Metric::WallTime, Metric::Reported];

/// A shell script as a command, in a new folder.
struct Script {
    folder: TempDir,
    command: Command,
}

impl Script {
    fn new(script: &str) -> Script {
        let folder = TempDir::new().unwrap();
        let command = Command {
            arguments: ["sh", "-c", script, "sh", "{n}"].map(str::to_owned).to_vec(),
            directory: folder.path().to_owned(),
            environment: BTreeMap::from([("SIZE".to_owned(), "N={n}".to_owned())]),
            inherit: Vec::new(),
            exit_code: 0,
            check: None,
            acknowledge: false,
        };
        Script { folder, command }
    }

    fn with(mut self, change: impl FnOnce(&mut Command)) -> Script {
        change(&mut self.command);
        self
    }

    fn run(&self) -> Result<Measured, String> {
        let request = Measure {
            workload: Workload::Command(self.command.clone()),
            modules: 64,
            seed: 0,
            metrics: METRICS.to_vec(),
            cache: PathBuf::new(),
            collector: Collector::Clock,
            processors: Vec::new(),
            dumps: None,
        };
        measure(&request, &self.command).map_err(|error| error.to_string())
    }

    fn error(&self) -> String {
        self.run().expect_err("a failed run")
    }
}

fn reading(measured: &Measured, phase: Phase, metric: Metric) -> Option<Reading> {
    let is_it = |s: &&loadline_scenario::Sample| s.phase == phase && s.metric == metric;
    measured.samples.iter().find(is_it).map(|sample| sample.reading)
}

fn value(measured: &Measured, phase: Phase, metric: Metric) -> Option<f64> {
    reading(measured, phase, metric).and_then(Reading::value)
}

#[test]
fn without_phase_lines_all_is_run() {
    let script = "echo noise; echo loadline:metric=frames:3:count; \
                  echo loadline:metric=frames:4:count; echo loadline:check=$1 $SIZE $(pwd)";
    let script = Script::new(script);
    let measured = script.run().unwrap();
    let folder = script.folder.path().canonicalize().unwrap();
    let said = measured.proof.command.as_ref().unwrap().check.as_deref();
    assert_eq!(said, Some(format!("64 N=64 {}", folder.display()).as_str()));
    assert_eq!(value(&measured, Phase::Run, Metric::Reported), Some(7.0));
    assert!(value(&measured, Phase::Run, Metric::WallTime).is_some());
    assert_eq!(value(&measured, Phase::Load, Metric::WallTime), None);
}

/// The shell works in the phases that it reports, by itself and with children. Each child takes dozens of
/// page faults. With an answer to every line, the borders are exact.
#[test]
fn work_belongs_to_the_phase_it_is_done_in() {
    let work = "i=0; while [ $i -lt 5 ]; do sh -c :; i=$((i+1)); done";
    let script = format!(
        "mark() {{ echo loadline:phase=$1; [ \"$LOADLINE_ACK\" ] && read answer; }}; {work}; \
         mark load; {work}; {work}; mark unload; mark none; {work}"
    );
    let measured = Script::new(&script).with(|c| c.acknowledge = true).run().unwrap();
    let of = |phase, metric| {
        let value = value(&measured, phase, metric);
        value.unwrap_or_else(|| panic!("no {metric}: {:?}", measured.samples))
    };
    let [load, unload] = [Phase::Load, Phase::Unload].map(|p| of(p, Metric::PageFaults));
    assert!(load > 5.0 * unload, "{load} page faults in load, {unload} in unload");
    for metric in [Metric::PageFaults, Metric::TaskClock] {
        let parts = of(Phase::Load, metric) + of(Phase::Unload, metric);
        assert_eq!(of(Phase::Total, metric), parts, "{metric}");
        assert_eq!(value(&measured, Phase::Run, metric), None, "{metric}");
    }
}

#[test]
fn counts_belong_to_the_phase_they_are_said_in() {
    let script = "echo loadline:phase=load; echo loadline:metric=frames:$1:count; \
                  echo loadline:phase=unload; echo loadline:metric=gone:2:count; \
                  echo loadline:phase=load; echo loadline:metric=frames:1:count";
    let measured = Script::new(script).run().unwrap();
    assert_eq!(value(&measured, Phase::Load, Metric::Reported), Some(65.0));
    assert_eq!(value(&measured, Phase::Unload, Metric::Reported), Some(2.0));
    assert_eq!(value(&measured, Phase::Total, Metric::Reported), Some(67.0));
    assert_eq!(value(&measured, Phase::Call, Metric::Reported), None);
}

#[test]
fn another_exit_code_can_be_the_right_one() {
    let measured = Script::new("exit 3").with(|c| c.exit_code = 3).run().unwrap();
    assert_eq!(measured.proof.command.unwrap().exit_code, 3);
    let checked = Script::new("echo loadline:check=64.").with(|c| c.check = Some("{n}.".into()));
    assert!(checked.run().is_ok());
}

#[test]
fn what_a_command_does_wrong_is_said() {
    let cases = [
        (
            "echo it broke >&2; exit 3",
            "exit code 3 instead of 0; the end of its standard error: it broke",
        ),
        ("kill -9 $$", "was ended by signal: 9"),
        ("echo loadline:phase=lod; sleep 1", "unknown phase \"lod\""),
        (
            "echo loadline:metric=a:1:count; echo loadline:metric=b:1:count",
            "printed a and b in one phase",
        ),
        ("echo loadline:metric=a:1:count; echo loadline:phase=load", "printed a outside a phase"),
        ("echo loadline:phase=none; echo loadline:metric=a:1:count", "printed a outside a phase"),
        ("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done >&2; exit 1", "line 2999"),
    ];
    for (script, expected) in cases {
        let error = Script::new(script).error();
        assert!(error.starts_with("the command "), "{error}");
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        assert!(error.len() < 4 * 1024 + 500, "{} bytes", error.len());
    }
    let check = |script| Script::new(script).with(|c| c.check = Some("{n}".into())).error();
    assert!(check("true").contains("printed no line loadline:check=64"));
    assert!(check("echo loadline:check=6").contains("loadline:check=6 instead of 64"));
}

#[test]
fn a_command_that_cannot_be_started_is_named() {
    let gone = Script::new("").with(|c| c.arguments = vec!["no-such-program".into()]).error();
    assert!(gone.contains("cannot start \"no-such-program\": No such file"), "{gone}");
    let file = Script::new("").with(|c| c.arguments = vec!["./plain".into()]);
    std::fs::write(file.folder.path().join("plain"), "text").unwrap();
    assert!(file.error().contains("cannot start \"./plain\": Permission denied"));
    let nowhere = Script::new("").with(|c| c.directory = c.directory.join("nowhere")).error();
    assert!(nowhere.contains("nowhere: no such folder"), "{nowhere}");
}

/// A run that waited for the child would not end before the test's own limit.
#[test]
fn a_child_that_keeps_the_output_open_is_not_waited_for() {
    let script = "(exec 2>&-; exec sleep 600) & echo $! > child; echo loadline:check=$1";
    let script = Script::new(script);
    let measured = script.run().unwrap();
    let child = std::fs::read_to_string(script.folder.path().join("child")).unwrap();
    assert!(std::process::Command::new("kill").arg(child.trim()).status().unwrap().success());
    assert_eq!(measured.proof.command.unwrap().check.as_deref(), Some("64"));
}

#[test]
fn a_line_without_an_end_is_not_for_us() {
    let long = "printf %0100000d 0; echo loadline:phase=nonsense; echo loadline:check=ok";
    let measured = Script::new(long).run().unwrap();
    assert_eq!(measured.proof.command.unwrap().check.as_deref(), Some("ok"));
}
