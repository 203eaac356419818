//! What threads gain, with real child processes whose times are made up.

#![cfg(unix)]
use crate::common::imposter::Imposter;
use crate::common::{Project, TINY};
use serde_json::Value;

/// The tiny scenario, which panics as often as it has modules, on one thread and on two.
fn panicking() -> String {
    let scaling = r#"
control = { set = { tables = "strip" } }

[scaling]
threads = 2
series = "panic/wall-time"
"#;
    let operation = "count_with = []\noperation = \"panic\"";
    let observed = TINY.replace("\"unload/task-clock\"", "\"panic/wall-time\"");
    format!("{}{scaling}", observed.replace("count_with = []", operation))
}

#[test]
fn threads_are_measured_and_judged_beside_those_of_the_control() {
    // Two threads take as long together as one, and gain a factor of two. Where they wait for each
    // other, they take twice as long together, and gain nothing.
    for (nanoseconds, speed_up, code) in [
        ("9000 * n", 2.0, 0),
        (r#"9000 * n * (request ~ /"threads":2/ && request ~ /"tables":"keep"/ ? 2 : 1)"#, 1.0, 3),
    ] {
        let imposter = Imposter::with_clock(&panicking(), nanoseconds);
        let said = imposter.run(&[
            "regress",
            "-v",
            "--budget",
            "0",
            "--format",
            "json",
            "--output",
            "report.json",
        ]);
        assert_eq!(said.code, Some(code), "{}{}", said.stdout, said.stderr);

        let report: Value = serde_json::from_str(&imposter.project.read("report.json")).unwrap();
        let scenarios = report["scenarios"].as_array().unwrap();
        let titles: Vec<&str> =
            scenarios.iter().map(|s| s["full_name"].as_str().unwrap()).collect();
        let expected =
            ["tiny", "tiny:tables=strip", "tiny:threads=2", "tiny:tables=strip,threads=2"];
        assert_eq!(titles, expected);
        let of_two = scenarios[2]["series"].as_array().unwrap();
        let of_threads: Vec<&Value> =
            of_two.iter().filter(|series| series["name"] == "panic/wall-time").collect();
        let [row] = of_threads[..] else { panic!("not one row in {of_two:?}") };
        assert_eq!(row["against"]["kind"], "one-thread");
        assert_eq!(row["against"]["name"], "tiny");
        let gained = |of: &str| row[of]["value"].as_f64().unwrap();
        assert!((gained("speed_up") - speed_up).abs() < 1e-6, "{row}");
        assert!((gained("control_speed_up") - 2.0).abs() < 1e-6, "{row}");
        // Every panic was caught on the thread it belongs to; without the proof a run is no point.
        assert!(report["failures"].as_array().unwrap().is_empty(), "{}", report["failures"]);
    }
}

/// The variant by itself asks nothing of one thread.
#[test]
fn on_threads_alone_nothing_is_compared() {
    let project = Project::new();
    project.write("xtask/scenarios/tiny.toml", panicking());
    let arguments = [
        "regress",
        "-v",
        "tiny:threads=2",
        "--budget",
        "0",
        "--format",
        "json",
        "--output",
        "report.json",
    ];
    let said = project.run(&arguments);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let report = project.read("report.json");
    assert!(!report.contains("one-thread"), "{report}");
    let listed = project.run(&["list", "tiny"]);
    let line = "    scales panic/wall-time with 2 threads as its control does";
    assert_eq!(
        listed.stdout.lines().filter(|listed| *listed == line).count(),
        1,
        "{}",
        listed.stdout
    );
    let unknown = project.run(&["regress", "-v", "tiny", "--set", "scaling.threads=1"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("not within 2 to 256"), "{}", unknown.stderr);
}
