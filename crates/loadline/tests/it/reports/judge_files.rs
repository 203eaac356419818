//! What `cargo xtask judge` reads: rows however they are separated, its own JSON, and the files of
//! other tools. Those under `judge/` were made by the tools themselves and cut to what a test needs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Project, Said};
use expect_test::{Expect, expect};
use serde_json::{Value, json};

fn made(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge").join(name)
}

/// What `judge` says about `text` in a file called `name`.
fn said(name: &str, text: impl AsRef<[u8]>, flags: &[&str]) -> Said {
    let project = Project::empty();
    project.write(name, text);
    project.run(&[&["judge", name], flags].concat())
}

/// Series and verdict, one a line, and what was noted on the way.
fn verdicts(said: &Said) -> String {
    let answers: BTreeMap<String, Value> = serde_json::from_str(&said.stdout).unwrap();
    let line = |(id, answer): (String, Value)| {
        let notes = answer["notes"].as_array().map_or(String::new(), |notes| {
            notes.iter().map(|note| format!("  {}\n", note.as_str().unwrap())).collect()
        });
        format!("{id}: {}\n{notes}", answer["verdict"].as_str().unwrap())
    };
    format!("{}{}", answers.into_iter().map(line).collect::<String>(), said.stderr)
}

fn check_file(name: &str, expected: &Expect) {
    let project = Project::empty();
    fs::copy(made(name), project.path(name)).unwrap();
    let said = project.run(&["judge", name, "--format", "json"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    expected.assert_eq(&verdicts(&said));
}

/// Three repetitions of a quadratic over nine sizes.
fn rows(separator: &str) -> String {
    let sizes = (0..9).map(|i| 16_u64 << i);
    let row = |n: u64| format!("{n}{separator}{}\n", 900 + 33 * n + n * n / 4);
    sizes.map(row).collect::<String>().repeat(3)
}

#[test]
fn rows_are_read_however_they_are_separated() {
    let expected = said("a.csv", rows(","), &["--format", "json"]).refusal();
    assert!(expected.contains("superlinear"), "{expected}");
    for separator in [";", "\t", " ", "  \t ", " ; ", ", "] {
        for header in ["", "n,y\n", "n;cost in ns\n", "size of list\ttime\n", "# n y\n\n\n"] {
            for name in ["a.csv", "a.json", "a"] {
                let text = format!("\n{header}{}", rows(separator));
                assert_eq!(
                    said(name, text, &["--format", "json"]).refusal(),
                    expected,
                    "{separator:?}"
                );
            }
        }
    }
}

#[test]
fn sizes_are_whole_numbers_however_they_are_written() {
    let expected = said("a.csv", rows(","), &["--format", "json"]).refusal();
    let with_sizes = |write: fn(u64) -> String| {
        let row = |row: &str| {
            let (n, cost) = row.split_once(',').unwrap();
            format!("{},{cost}\n", write(n.parse().unwrap()))
        };
        rows(",").lines().map(row).collect::<String>()
    };
    for write in [|n| format!("{n}.0"), |n| format!("{n:e}"), |n| format!("{:.18e}", n as f64)] {
        assert_eq!(said("a.csv", with_sizes(write), &["--format", "json"]).refusal(), expected);
    }
    let series = |n: &str| format!(r#"{{"id": "a", "kind": "count", "n": {n}, "y": [[1], [2]]}}"#);
    let whole = said("a.json", series("[1, 100]"), &["--format", "json"]).refusal();
    assert_eq!(said("a.json", series("[1.0, 1e2]"), &["--format", "json"]).refusal(), whole);
}

#[test]
fn a_wrong_row_names_line_and_separator() {
    let cases = [
        ("", "16;3,5\n"),
        ("", "n\ty\n16\t1\n32\tmany\n"),
        ("\n\n", "16.5 1\n"),
        ("", "64,100,1\n"),
        ("", "64\n"),
        ("", "1e999,100\n"),
        ("", "-16,100\n"),
        ("", "\u{1b}[31m,100\n16,\u{1b}[31m\n"),
    ];
    let answers = cases.map(|(blank, rows)| said("a.csv", format!("{blank}{rows}"), &[]).refusal());
    expect![[r#"
        exit 2
        error: cannot judge a.csv: line 1: "3,5" is not a cost (fields are separated by semicolons)
        exit 2
        error: cannot judge a.csv: line 3: "many" is not a cost (fields are separated by tabs)
        exit 2
        error: cannot judge a.csv: line 3: "16.5" is not a whole number (fields are separated by blanks)
        exit 2
        error: cannot judge a.csv: line 1: 3 fields, not n and cost (fields are separated by commas)
        exit 2
        error: cannot judge a.csv: line 1: 1 fields, not n and cost (fields are separated by blanks)
        exit 2
        error: cannot judge a.csv: line 1: "1e999" is not a whole number (fields are separated by commas)
        exit 2
        error: cannot judge a.csv: line 1: "-16" is not a whole number (fields are separated by commas)
        exit 2
        error: cannot judge a.csv: line 1: "\u{1b}[31m" is not a whole number (fields are separated by commas)
    "#]].assert_eq(&answers.join(""));
}

#[test]
fn json_may_start_with_a_byte_order_mark() {
    let series = json!({"id": "a", "kind": "count", "n": [1, 2], "y": [[1], [2]]}).to_string();
    let expected = said("a.json", &series, &[]).refusal();
    assert_eq!(said("a.json", format!("\u{feff}{series}"), &[]).refusal(), expected);
    assert_eq!(said("a.json", format!("\u{feff}\r\n [{series}]\n"), &[]).refusal(), expected);
}

#[test]
fn what_is_no_form_that_is_read() {
    let series = r#"{"id": "a", "kind": "count", "n": [1, 2], "y": [[1], [2]]}"#;
    let twice = format!("{series}\n{series}\n");
    let nested = "[".repeat(100_000);
    let wide: Vec<u64> = (1..=200_000).collect();
    let wide = json!({"id": "a", "kind": "count", "n": wide, "y": vec![[1]; 200_000]}).to_string();
    let utf_16: Vec<u8> = series.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&str, &[u8]); 14] = [
        ("ndjson", twice.as_bytes()),
        ("nested", nested.as_bytes()),
        ("many sizes", wide.as_bytes()),
        ("UTF-16", &utf_16),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\xff"),
        ("carriage returns", b"16,1\r32,2\r64,3\r"),
        ("blank", b" \n\n"),
        ("string", b"\"n\""),
        ("numbers", b"[1, 2]"),
        ("other keys", br#"{"commit_hash": "", "results": {"a": []}, "version": 2}"#),
        ("aggregates", br#"{"context": {}, "benchmarks": [{"name": "a/16_mean", "run_type": "aggregate", "cpu_time": 1}]}"#),
        ("no rounds", br#"{"benchmarks": [{"name": "a[1]", "params": {"n": 1}, "stats": {"mean": 1}}]}"#),
        ("no scan", br#"{"results": [{"command": "a", "times": [1, 2]}]}"#),
        ("a sample", br#"{"sampling_mode": "Flat", "iters": [1.0], "times": [1.0]}"#),
    ];
    let answers = cases.map(|(case, text)| format!("{case}: {}", said("a", text, &[]).refusal()));
    expect![[r#"
        ndjson: exit 2
        error: cannot judge a: trailing characters at line 2 column 1
        nested: exit 2
        error: cannot judge a: invalid type: sequence, expected an object at line 1 column 2
        many sizes: exit 0
         series  scaling exponent (95 %)  growth share (95 %)  p  verdict
         a       –                        –                    –  inconclusive: 200000 sizes are too many, at most 500 are judged
        scaling exponent: 1 = linear, 2 = quadratic
        growth share of a curve: the part of the cost at the largest N that grows faster than N log N
        UTF-16: exit 2
        error: cannot judge a: key must be a string at line 1 column 2
        gzip: exit 2
        error: cannot judge a: line 1: stream did not contain valid UTF-8
        carriage returns: exit 2
        error: cannot judge a: line 1: 4 fields, not n and cost (fields are separated by commas)
        blank: exit 2
        error: cannot judge a: it is empty
        string: exit 2
        error: cannot judge a: it is neither rows of n and cost nor JSON
        numbers: exit 2
        error: cannot judge a: invalid type: integer `1`, expected an object at line 1 column 3
        other keys: exit 2
        error: cannot judge a: invalid type: map, expected the list of results that hyperfine writes (recipes for other tools: https://github.com/loadline/loadline/blob/main/docs/howto/judge-other-numbers.md) at line 1 column 33
        aggregates: exit 2
        error: cannot judge a: it contains aggregates only: run the benchmark with --benchmark_repetitions=10 and without --benchmark_report_aggregates_only
        no rounds: exit 2
        error: cannot judge a: "a[1]" has statistics, but no rounds: write the file with --benchmark-json, or with --benchmark-save-data at line 1 column 75
        no scan: exit 2
        error: cannot judge a: hyperfine measured no command over several sizes: use --parameter-scan or --parameter-list
        a sample: exit 2
        error: cannot judge a: its keys (sampling_mode, iters, times) match no form that Loadline reads: a series has id, kind, n and y; Google Benchmark and pytest-benchmark have benchmarks, hyperfine has results; for criterion name the folder, such as target/criterion
    "#]].assert_eq(&answers.join(""));
}

#[cfg(unix)]
#[test]
fn what_is_no_file() {
    let project = Project::empty();
    std::os::unix::fs::symlink("nowhere", project.path("link")).unwrap();
    let answers = ["link", "/dev/null"].map(|path| project.run(&["judge", path]).refusal());
    expect![[r#"
        exit 2
        error: cannot judge link: No such file or directory (os error 2)
        exit 2
        error: cannot judge /dev/null: it is empty
    "#]]
    .assert_eq(&answers.join(""));
}

#[test]
fn an_unknown_key_is_refused_and_the_nearest_named() {
    let with = |keys: &str| {
        let series = format!(r#"[{{"id": "a", {keys}, "kind": "count", "n": [1], "y": [[1]]}}]"#);
        said("a.json", series, &[]).refusal()
    };
    let answers = [
        r#""interleavd": true"#,
        r#""Exact": true"#,
        r#""rounds": 3"#,
        r#""design": {"interleavd": true}"#,
        r#""exact": true, "exact": false"#,
        r#""quantum": 0"#,
        r#""quantum": -4096"#,
    ]
    .map(with);
    expect![[r#"
        exit 2
        error: cannot judge a.json: series "a": unknown key "interleavd" (did you mean "interleaved"?)
        exit 2
        error: cannot judge a.json: series "a": unknown key "Exact" (did you mean "exact"?)
        exit 2
        error: cannot judge a.json: series "a": unknown key "rounds" (known are id, kind, n, y, base, new, interleaved, exact, quantum, design)
        exit 2
        error: cannot judge a.json: series "a": unknown key "interleavd" of its design (did you mean "interleaved"?)
        exit 2
        error: cannot judge a.json: the key "exact" is there twice at line 1 column 36
        exit 0
         series  scaling exponent (95 %)  growth share (95 %)  p  verdict
         a       –                        –                    –  inconclusive: 1 size is too few, at least 5 are needed
        scaling exponent: 1 = linear, 2 = quadratic
        growth share of a curve: the part of the cost at the largest N that grows faster than N log N
        exit 2
        error: cannot judge a.json: series "a": its quantum is -4096: the step in which a count rises must be 0 or more
    "#]].assert_eq(&answers.join(""));
    let remarks = r#""truth": {"label": "not"}, "unit": "ns", "design": {"k": 1}, "comment": 1"#;
    assert!(with(remarks).starts_with("exit 0\n"));
}

#[test]
fn sizes_may_have_unequal_numbers_of_readings() {
    let text = format!("{}16,1500\n16,1400\n32,2000\n", rows(","));
    let few = said("a.csv", &text, &["--format", "json"]);
    let more = said("a.csv", text, &["--format", "json", "--interleaved"]);
    expect![[r#"
        a: superlinear
        a: superlinear
          the sizes have 3 to 5 readings: the first 3 of each are used
    "#]]
    .assert_eq(&format!("{}{}", verdicts(&few), verdicts(&more)));
}

#[test]
fn files_of_one_name_are_called_by_their_paths() {
    let project = Project::empty();
    project.write("mon/load.csv", rows(","));
    project.write("tue/load.csv", rows(" "));
    project.write("other.csv", rows(";"));
    let series = json!({"id": "unload", "kind": "count", "n": [1], "y": [[1]]}).to_string();
    project.write("mon/all.json", &series);
    project.write("tue/all.json", &series);
    let all = ["mon/load.csv", "tue/load.csv", "other.csv", "mon/all.json", "tue/all.json"];
    let said = project.run(&[&["judge", "--format", "json"], all.as_slice()].concat());
    expect![[r#"
        mon/all.json: unload: inconclusive
        mon/load.csv: superlinear
        other: superlinear
        tue/all.json: unload: inconclusive
        tue/load.csv: superlinear
    "#]]
    .assert_eq(&verdicts(&said));
    let said = project.run(&["judge", "mon/load.csv", "other.csv", "mon/load.csv"]);
    expect![[r#"
        exit 2
        error: cannot judge mon/load.csv: the id "load" is there twice
    "#]]
    .assert_eq(&said.refusal());
}

#[test]
fn names_cannot_command_the_terminal() {
    let id = "a\u{1b}]0;title\u{7}\u{0}\u{9b}31m";
    let series = json!({"id": id, "kind": "time", "n": [1], "base": [[1]], "new": [[1]]});
    let shown = said("a.json", series.to_string(), &[]);
    assert_eq!(shown.code, Some(0));
    let is_harmless = |char: char| char == '\n' || !char.is_control();
    assert!(shown.stdout.chars().all(is_harmless), "{:?}", shown.stdout);
    assert!(shown.stdout.contains(r"a\u{1b}]0;title\u{7}\u{0}\u{9b}31m"), "{}", shown.stdout);
    // Nor can what is wrong with it.
    let wrong = said("a.json", series.to_string().replace("[[1]]", "[[-1]]"), &[]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.chars().all(is_harmless), "{:?}", wrong.stderr);
    let answers: BTreeMap<String, Value> =
        serde_json::from_str(&said("a.json", series.to_string(), &["--format", "json"]).stdout)
            .unwrap();
    assert!(answers.contains_key(id));
}

#[test]
fn google_benchmark_is_read() {
    check_file(
        "google.json",
        &expect![[r#"
            BM_EraseFront/real_time[width=1]: superlinear
            BM_EraseFront/real_time[width=2]: superlinear
              advice only, no failed gate: caches also raise the time per item, so a curve of times fails a gate only where each of its last two doublings costs over three times as much. To gate on less growth, compare with a base
            BM_Sum: inconclusive
            note: google.json: "BM_NoSize" is left out: none of its parameters is a size
        "#]],
    );
}

#[test]
fn hyperfine_is_read() {
    check_file(
        "hyperfine.json",
        &expect![[r#"
        hyperfine: awk 'BEGIN { for (i = 0; i < {n} * {n} / 10; i++) x += i }': inconclusive
        hyperfine: seq {n}000: inconclusive
    "#]],
    );
}

#[test]
fn pytest_benchmark_is_read() {
    check_file(
        "pytest.json",
        &expect![[r#"
            test_lists.py::test_pop[end=back]: inconclusive
            test_lists.py::test_pop[end=front]: superlinear
              advice only, no failed gate: caches also raise the time per item, so a curve of times fails a gate only where each of its last two doublings costs over three times as much. To gate on less growth, compare with a base
            test_lists.py::test_sum: inconclusive
            note: pytest.json: "test_lists.py::test_alone" is left out: none of its parameters is a size
        "#]],
    );
}

#[test]
fn criterion_is_read() {
    let project = Project::empty();
    let judged = |folder: &str| {
        let folder = made("criterion").join(folder);
        let said = project.run(&["judge", folder.to_str().unwrap(), "--format", "json"]);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        verdicts(&said).replace(env!("CARGO_MANIFEST_DIR"), "xtask")
    };
    expect![[r#"
        queue/remove-front: superlinear
          advice only, no failed gate: caches also raise the time per item, so a curve of times fails a gate only where each of its last two doublings costs over three times as much. To gate on less growth, compare with a base
        sum: inconclusive
        note: xtask/tests/judge/criterion/: "queue/alone" is left out: none of its parameters is a size
    "#]].assert_eq(&judged(""));
    expect![[r#"
        queue/remove-front: superlinear
          advice only, no failed gate: caches also raise the time per item, so a curve of times fails a gate only where each of its last two doublings costs over three times as much. To gate on less growth, compare with a base
    "#]]
    .assert_eq(&judged("queue/remove-front"));
}

/// A million readings of each size. Address space is limited as Linux does it.
#[cfg(target_os = "linux")]
mod bounded {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::{Project, Said, verdicts};

    /// What `judge -` says about the parts, each so many times, in 300 MB of address space.
    fn in_little_memory(parts: &[(String, usize)]) -> Said {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v 300000 && exec \"$0\" judge - --format json"]);
        command.arg(env!("CARGO_BIN_EXE_loadline"));
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for (part, times) in parts {
            for _ in 0..*times {
                stdin.write_all(part.as_bytes()).unwrap();
            }
        }
        drop(stdin);
        Project::bare().said(child.wait_with_output().unwrap())
    }

    const SIZES: [u64; 5] = [16, 32, 64, 128, 256];

    /// A thousand readings at N = `n`: a thousandth of what is judged.
    fn thousand(n: u64) -> impl Iterator<Item = String> {
        (0..1000).map(move |round| (100 * n + (round * 7919) % 97).to_string())
    }

    /// A million readings of each size as JSON, between `start` and `end` of each list.
    fn million(start: impl Fn(u64) -> String, end: &str) -> Vec<(String, usize)> {
        let row = |n: u64| thousand(n).collect::<Vec<_>>().join(",");
        let list = |n: u64| {
            let comma = if n == SIZES[0] { "" } else { "," };
            let first = format!("{comma}{}{}", start(n), row(n));
            [(first, 1), (format!(",{}", row(n)), 999), (end.to_owned(), 1)]
        };
        SIZES.iter().flat_map(|n| list(*n)).collect()
    }

    fn check_in_little_memory(parts: &[(String, usize)]) {
        let said = in_little_memory(parts);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert_eq!(verdicts(&said), "-: ok\n");
    }

    /// All distances between them would be 4 TB for each size.
    #[test]
    fn a_million_readings_of_each_size_fit_into_little_memory() {
        let rows = |n: &u64| thousand(*n).map(|cost| format!("{n},{cost}\n")).collect::<String>();
        check_in_little_memory(&[(SIZES.iter().map(rows).collect(), 1000)]);
    }

    #[test]
    #[ignore = "slow: reads ten million numbers"]
    fn a_million_readings_of_each_size_in_json_fit_into_little_memory() {
        let series = format!("{{\"id\":\"-\",\"kind\":\"time\",\"n\":{SIZES:?},\"y\":[");
        let lists = million(|_| "[".to_owned(), "]");
        check_in_little_memory(&[vec![(series, 1)], lists, vec![("]}".to_owned(), 1)]].concat());

        // pytest-benchmark measures that often by default.
        let test = |n| format!("{{\"name\":\"-\",\"params\":{{\"n\":{n}}},\"stats\":{{\"data\":[");
        let (start, end) = (("{\"benchmarks\":[".to_owned(), 1), ("]}".to_owned(), 1));
        check_in_little_memory(&[vec![start], million(test, "]}}"), vec![end]].concat());
    }
}
