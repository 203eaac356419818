//! Runs the programs of docs/findings.md, and checks that they print the counts on that page. Times are not
//! checked, because they depend on the machine.

use std::process::Command;

/// Returns the rows that an example prints under its heading, each split into words.
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

/// Returns the kind and N of each row.
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
    // Each of K modules registers all functions of the image: 20 per module, as many trampolines, and one
    // function of the image itself.
    for (row, (_, k)) in with.iter().zip(sizes(with)) {
        assert_eq!(lines(row), 40 * k * k + k, "{row:?}");
    }
}
