//! Unchanged code measured against itself: what is stored, what is judged, and what is refused.

#![cfg(unix)]
use crate::common::imposter::Imposter;
use crate::common::{Project, TINY};

#[test]
fn what_unchanged_code_jitters_by_is_stored_and_judged_by() {
    let timed = TINY
        .replace(
            "\"load/unwind-tables-registered\", \"unload/unwind-tables-deregistered\"",
            "\"unload/task-clock\"",
        )
        .replace("observe = [\"unload/task-clock\"]", "observe = []");
    // Every time is the same in both measurements, so the floors stay at their defaults.
    let imposter = Imposter::with_clock(&timed, "9000 * n");
    let project = &imposter.project;
    let said = imposter.run(&["calibrate"]);
    assert_eq!(said.code, Some(0), "{}", said.refusal());
    assert!(said.stdout.contains("false alarms: 0 of 1 series"), "{}", said.stdout);
    let written = project.read("baselines/calibration.toml");
    let table: toml::Table = written.parse().unwrap();
    let calibration = &table["calibration"].as_array().unwrap()[0];
    let share = |key: &str| calibration[key].as_float().unwrap();
    assert_eq!((share("tau_count"), share("tau_time")), (0.003, 0.01), "{written}");

    let counts = "judge=[\"load/unwind-tables-registered\"]";
    let said = imposter.run(&["calibrate", "--check", "--set", counts]);
    assert_eq!(said.code, Some(0), "{}", said.refusal());
    assert_eq!(project.read("baselines/calibration.toml"), written, "regress has changed it");

    project.write("baselines/calibration.toml", "format = 2\ncalibration = 3\n");
    let said = imposter.run(&["regress", "-v"]);
    assert_eq!(said.code, Some(2), "{}", said.refusal());
    assert!(said.stderr.contains("cannot use ROOT/baselines/calibration.toml"), "{}", said.stderr);
}

#[test]
fn a_scenario_cannot_take_the_calibrations_name() {
    let project = Project::new();
    project.write("xtask/scenarios/calibration.toml", TINY);
    let said = project.run(&["regress", "-v"]);
    assert_eq!(said.code, Some(2), "{}", said.refusal());
    assert!(said.stderr.contains("a scenario cannot be called calibration"), "{}", said.stderr);
}
