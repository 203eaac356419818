#![allow(clippy::unwrap_used)]

use loadline_scenario::{Scenario, Workload};

use super::*;
use crate::baseline::Baselines;
use crate::calibration::Calibrations;
use crate::header::{Header, RunRecord};
use crate::session;

const SCENARIO: &str = r#"format = 1
question = "Is a ladder of residents linear, until there are many?"
expectation = """
It is, at any axis: ladder, activity."""
lifecycle = "hold-all"
activity = "unwind"
activity_every = 4
exact = ["count"]
judge = ["load/frames-registered", "load/task-clock"]
observe = ["unload/alive-bytes"]
processes = 3
ladder = { from = 64, to = 1024, factor = 2 }
callgrind_ladder = [8, 16, 32, 64, 128]
control = { set = { activity_every = "8", "ladder.to" = "2048" } }

[[known_growth]]
series = ["unwind/task-clock"]
unwinders = ["any"]
when = { activity = "unwind" }
class = "quadratic"
reason = "a list, until it is a tree"
link = "https://example.org/1"
until = "wasmtime 52"
"#;

const NEW_SCENARIO: &str = r#"format = 2
question = "Is a ladder of residents linear, until there are many?"
expectation = """
It is, at any axis: ladder, activity."""
load_order = "hold-all"
operation = "unwind"
operation_every = 4
count_with = ["count"]
judge = ["load/unwind-tables-registered", "load/task-clock"]
observe = ["unload/live-bytes"]
repetitions = 3
sizes = { from = 64, to = 1024, factor = 2 }
callgrind_sizes = [8, 16, 32, 64, 128]
control = { set = { operation_every = "8", "sizes.to" = "2048" } }

[[known_issue]]
series = ["unwind/task-clock"]
unwinders = ["any"]
when = { operation = "unwind" }
class = "quadratic"
reason = "a list, until it is a tree"
link = "https://example.org/1"
expires = "wasmtime 52"
"#;

#[test]
fn a_scenario_keeps_its_texts_and_gets_new_fields() {
    assert_eq!(in_format_2(Kind::Scenario, SCENARIO), NEW_SCENARIO);
    assert_eq!(in_format_2(Kind::Scenario, NEW_SCENARIO), NEW_SCENARIO);
    Scenario::parse("example", NEW_SCENARIO).unwrap();
    let refused = Scenario::parse("example", SCENARIO).unwrap_err().to_string();
    for word in ["lifecycle is now load_order", "ladder is now sizes", "until is now expires"] {
        assert!(refused.contains(word), "{refused}");
    }
    assert!(refused.contains("frames-registered is now unwind-tables-registered"), "{refused}");
}

/// A baseline as format 1 wrote it: real readings of `unload-oldest-first`, cut to a few sizes.
const BASELINE: &str = include_str!("baseline.toml");

#[test]
fn every_reading_of_a_baseline_stays_byte_for_byte_equal() {
    let new = in_format_2(Kind::Baseline, BASELINE);
    let readings = |text: &str| -> Vec<String> {
        let is_reading = |line: &&str| line.starts_with("  [") || line.starts_with("own = ");
        text.lines().filter(is_reading).map(str::to_owned).collect()
    };
    assert_eq!(readings(&new), readings(BASELINE));
    assert!(readings(&new).len() > 20);
    let values = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.split_once(" = ")?.1.to_owned())).collect()
    };
    let changed: Vec<_> = values(BASELINE).into_iter().zip(values(&new)).collect();
    let changed: Vec<_> = changed.iter().filter(|(old, new)| old != new).collect();
    let names = ["\"load/fdes-registered\"", "\"load/live-bytes\""];
    assert_eq!(changed.len(), 1 + names.len(), "{changed:?}");
    assert!(changed[1..].iter().zip(names).all(|((_, new), name)| new == name), "{changed:?}");
    // The program writes the file in the same way.
    assert_eq!(Baselines::parse(&new).unwrap().text(), new.replace("cargo xtask", "loadline"));
    assert_eq!(in_format_2(Kind::Baseline, &new), new);
    let refused = Baselines::parse(BASELINE).unwrap_err().to_string();
    assert!(refused.starts_with("format 1 is older than format 2"), "{refused}");
}

#[test]
fn a_calibration_is_rewritten() {
    let old = "# Jitter.\nformat = 1\n\n[[calibration]]\ncpu = \"A\"\ncaches = \"?\"\ntau_count = 0.003\ntau_time = 0.026\nn_series = 55\nn_false_alarms = 0\nrounds = 10\ndate = \"2026-11-23\"\nloadline = \"0.1.0\"\n";
    let new = in_format_2(Kind::Calibration, old);
    let expected = old.replace("format = 1", "format = 2").replace("rounds", "repetitions");
    assert_eq!(new, expected);
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("calibration.toml"), old).unwrap();
    let refused = Calibrations::read(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("format 1 is older"), "{refused}");
    std::fs::write(folder.path().join("calibration.toml"), new).unwrap();
    let read = Calibrations::read(folder.path()).unwrap();
    assert!(format!("{read:?}").contains("repetitions: 10"), "{read:?}");
}

/// A session keeps its readings and its workload, and the names of its variants follow.
#[test]
fn a_session_is_rewritten() {
    let header = include_str!("session.json");
    let runs = include_str!("runs.jsonl");
    let folder = tempfile::TempDir::new().unwrap();
    let write = |header: &str, runs: &str| {
        std::fs::write(folder.path().join("session.json"), header).unwrap();
        std::fs::write(folder.path().join("runs.jsonl"), runs).unwrap();
    };
    write(header, runs);
    let refused = format!("{:#}", session::read(folder.path()).unwrap_err());
    assert!(refused.contains("format 1 is older than format 2"), "{refused}");
    let new = in_format_2(Kind::Session, runs);
    write(&in_format_2(Kind::Session, header), &new);
    let (header, records): (Header, Vec<RunRecord>) = session::read(folder.path()).unwrap();
    let planned = &header.scenarios[0];
    assert_eq!(planned.scenario, "native:operation_every=8");
    assert_eq!(
        (planned.sizes.len(), planned.callgrind_sizes.len(), planned.repetitions),
        (3, 2, 5)
    );
    assert_eq!(planned.settings["count_with"], "[]");
    assert_eq!(planned.settings["sizes.to"], "256");
    let Some(Workload::Modules(modules)) = &planned.workload else { panic!("{planned:?}") };
    assert_eq!(modules.load_order.operation.unwrap().every.get(), 8);
    let reading = |text: &str| -> Vec<String> {
        text.split("\"reading\":")
            .skip(1)
            .map(|rest| rest[..rest.find('}').unwrap()].to_owned())
            .collect()
    };
    assert_eq!(reading(&new), reading(runs));
    assert_eq!(reading(&new).len(), 3);
    assert_eq!(records.len(), 2);
}
