//! The programs of docs/findings.md: that they run and print what the page shows. Times are not looked
//! at, since they are the machine's; what is counted is.

use std::process::Command;

/// The rows that an example prints under its heading, each in its words.
fn rows(example: &str, largest: &str) -> Vec<Vec<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "-q", "-p", "loadline-runner", "--example", example, "--", largest]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    text.lines().skip(1).map(words).collect()
}

/// Kind and N of each row.
fn sizes(rows: &[Vec<String>]) -> Vec<(&str, usize)> {
    rows.iter().map(|row| (row[0].as_str(), row[1].parse().unwrap())).collect()
}

#[test]
#[ignore = "slow: builds and runs three examples"]
fn the_programs_of_the_findings_run() {
    let both = |n: [usize; 3]| {
        ["shared", "own"].into_iter().flat_map(move |kind| n.map(|n| (kind, n))).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&rows("type_registry", "4")), both([1, 2, 4]));
    assert_eq!(sizes(&rows("store_trampolines", "4")), both([1, 2, 4]));
    if !cfg!(unix) {
        return loadline_testing::skip!("perf maps are written on Unix alone");
    }
    let rows = rows("component_profiler", "16");
    let lines = |row: &Vec<String>| row[3].parse::<usize>().unwrap();
    let (without, with) = rows.split_at(4);
    assert!(without.iter().all(|row| lines(row) == 0), "{without:?}");
    // Each of K modules has all functions of the image registered: 20 a module, as many trampolines, and
    // one of the image's own.
    for (row, (_, k)) in with.iter().zip(sizes(with)) {
        assert_eq!(lines(row), 40 * k * k + k, "{row:?}");
    }
}
