//! Unchanged code measured against itself: what is stored, what is judged, and what is refused.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, TINY};

/// A session that was blind judges nothing; it says so.
const BLIND: Option<i32> = Some(6);

#[test]
fn what_unchanged_code_jitters_by_is_stored_and_judged_by() {
    let project = Project::new();
    let said = project.run(&["calibrate"]);
    if said.code == BLIND {
        assert!(!project.path("baselines/calibration.toml").exists());
        return println!("skipped: a session that was blind teaches nothing");
    }
    assert_eq!(said.code, Some(0), "{}", said.refusal());
    assert!(said.stdout.contains("false alarms: 0 of 2 series"), "{}", said.stdout);
    let written = project.read("baselines/calibration.toml");
    let table: toml::Table = written.parse().unwrap();
    let calibration = &table["calibration"].as_array().unwrap()[0];
    let share = |key: &str| calibration[key].as_float().unwrap();
    assert!(share("tau_count") >= 0.003 && share("tau_time") >= 0.01, "{written}");

    let said = project.run(&["regress", "--aa"]);
    assert!([Some(0), BLIND].contains(&said.code), "{}", said.refusal());
    assert_eq!(project.read("baselines/calibration.toml"), written, "regress has changed it");

    project.write("baselines/calibration.toml", "format = 1\ncalibration = 3\n");
    let said = project.run(&["regress"]);
    assert_eq!(said.code, Some(2), "{}", said.refusal());
    assert!(said.stderr.contains("cannot use ROOT/baselines/calibration.toml"), "{}", said.stderr);
}

#[test]
fn a_scenario_cannot_take_the_calibrations_name() {
    let project = Project::new();
    project.write("xtask/scenarios/calibration.toml", TINY);
    let said = project.run(&["regress"]);
    assert_eq!(said.code, Some(2), "{}", said.refusal());
    assert!(said.stderr.contains("no scenario may be called calibration"), "{}", said.stderr);
}
