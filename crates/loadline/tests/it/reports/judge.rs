//! `cargo xtask judge`: the growth rules for anybody's numbers, as another program uses them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::common::Project;
use expect_test::{Expect, expect};
use serde_json::Value;

/// One file of the open corpus of made-up measurements, with the reference's verdicts next to it.
fn corpus(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/growth/tests/corpus");
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// A file next to this one that was made for it.
fn made(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge").join(name)
}

/// The answers of `judge --format json` to `questions`.
pub fn answers(questions: &Value, flags: &[&str]) -> BTreeMap<String, Value> {
    let project = Project::empty();
    project.write("questions.json", questions.to_string());
    let said = project.run(&[&["judge", "questions.json", "--format", "json"], flags].concat());
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&said.stdout).unwrap()
}

/// What `judge` says about the CSV `text`.
pub fn check(text: &str, flags: &[&str], expected: &Expect) {
    let project = Project::empty();
    project.write("series.csv", text);
    let said = project.run(&[&["judge", "series.csv"], flags].concat());
    expected.assert_eq(&said.refusal());
}

/// Rows of `repetitions` readings at each N, without noise.
fn csv(cost: impl Fn(u64) -> u64, repetitions: usize) -> String {
    let mut text = "n,y\n".to_owned();
    for _ in 0..repetitions {
        for n in [16, 32, 64, 128, 256, 512, 1024] {
            writeln!(text, "{n},{}", cost(n)).unwrap();
        }
    }
    text
}

pub fn linear(n: u64) -> u64 {
    900 + 33 * n
}

pub fn quadratic(n: u64) -> u64 {
    900 + 33 * n + n * n / 4
}

#[test]
fn verdicts_on_the_corpus_are_the_references() {
    let reference = corpus("expected.json");
    for (name, size) in [("curves.json", 214), ("pairs.json", 169)] {
        let questions = corpus(name);
        let answers = answers(&questions, &[]);
        assert_eq!(answers.len(), size, "{name}");
        let ids = questions.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap());
        let others = ids.filter(|id| answers[*id]["verdict"] != reference[*id]["verdict"]);
        let others: Vec<&str> = others.collect();
        // One curve's tie is decided by rounding (crates/growth/tests/it/open_corpus.rs).
        assert!(others.len() <= 1, "{name}: {others:?}");
    }
}

#[test]
fn a_suite_calls_no_more_worse_than_each_alone() {
    let pairs = corpus("pairs.json");
    let (alone, together) = (answers(&pairs, &[]), answers(&pairs, &["--suite"]));
    let is_worse = |answer: &Value| answer["verdict"] == "worse";
    for (id, answer) in &together {
        // Where no rule can be asked, and where both sides are the same, there is no p.
        let (p, raw) = (answer["p"].as_f64(), alone[id]["p"].as_f64());
        assert!(p >= raw, "{id}: {p:?} is less than {raw:?}");
        assert!(!is_worse(answer) || is_worse(&alone[id]), "{id}");
    }
    assert!(together.values().any(is_worse), "nothing is worse");
}

/// Other programs read it: the keys and their types are an interface.
#[test]
fn the_shape_of_the_answers() {
    let questions: Value = serde_json::from_str(
        r#"[
        {"id": "grows", "kind": "count", "exact": true, "n": [16, 32, 64, 128, 256, 512],
         "y": [[256], [1024], [4096], [16384], [65536], [262144]]},
        {"id": "narrow", "kind": "time", "n": [1, 2], "y": [[5, 5, 5], [9, 9, 9]]},
        {"id": "pair", "kind": "time", "n": [16, 32, 64, 128, 256], "interleaved": true,
         "base": [[16, 16, 16], [32, 32, 32], [64, 64, 64], [128, 128, 128], [256, 256, 256]],
         "new": [[32, 32, 32], [64, 64, 64], [128, 128, 128], [256, 256, 256], [512, 512, 512]]}
        ]"#,
    )
    .unwrap();
    let mut answers = answers(&questions, &[]);
    let rounded = |value: &mut Value| {
        if let Some(number) = value.as_f64() {
            *value = format!("{number:.1}").parse::<f64>().unwrap().into();
        }
    };
    for answer in answers.values_mut() {
        answer.as_object_mut().unwrap().values_mut().for_each(rounded);
    }
    expect![[r#"
        {
          "grows": {
            "exponent": 2.0,
            "hi": 2.0,
            "interval_of": "scaling-exponent",
            "lo": 2.0,
            "p": 0.0,
            "share": 1.0,
            "verdict": "superlinear"
          },
          "narrow": {
            "exponent": null,
            "hi": null,
            "interval_of": "scaling-exponent",
            "lo": null,
            "p": null,
            "share": null,
            "verdict": "inconclusive",
            "why": "2 sizes are too few, at least 5 are needed"
          },
          "pair": {
            "exponent": 0.0,
            "hi": 0.1,
            "interval_of": "growth-share",
            "lo": -0.1,
            "p": 0.5,
            "share": 0.0,
            "verdict": "ok"
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&answers).unwrap());
}

#[test]
fn csv_is_read_with_or_without_a_header() {
    let text = csv(linear, 3);
    let without = text.strip_prefix("n,y\n").unwrap().to_owned();
    let blanks = format!("# a comment\n{}", text.replace(',', " , "));
    let quoted = |row: &str| format!("\"{}\"\r\n", row.replace(',', "\",\""));
    let from_a_spreadsheet = format!("\u{feff}{}", text.lines().map(quoted).collect::<String>());
    let answer = |text: String| {
        let project = Project::empty();
        project.write("series.csv", text);
        project.run(&["judge", "series.csv", "--kind", "count"]).refusal()
    };
    let expected = answer(text);
    assert!(expected.starts_with("exit 0\n"), "{expected}");
    assert_eq!(answer(without), expected);
    assert_eq!(answer(blanks), expected);
    assert_eq!(answer(from_a_spreadsheet), expected);
}

#[test]
fn a_gate_fails_on_growth_alone() {
    let count = ["--kind", "count"];
    let gate = ["--kind", "count", "--gate"];
    check(
        &csv(quadratic, 3),
        &count,
        &expect![[r#"
            exit 0
             series  scaling exponent (95 %)  growth share (95 %)  p        verdict
             series  1.89 (1.87 … 1.91)       88 %                 3.5e-24  superlinear
            scaling exponent: 1 = linear, 2 = quadratic
            growth share of a curve: the part of the cost at the largest N that grows faster than N log N
        "#]],
    );
    check(
        &csv(quadratic, 3),
        &gate,
        &expect![[r#"
            exit 3
             series  scaling exponent (95 %)  growth share (95 %)  p        verdict
             series  1.89 (1.87 … 1.91)       88 %                 3.5e-24  superlinear
            scaling exponent: 1 = linear, 2 = quadratic
            growth share of a curve: the part of the cost at the largest N that grows faster than N log N
        "#]],
    );
    check(
        &csv(linear, 3),
        &gate,
        &expect![[r#"
            exit 0
             series  scaling exponent (95 %)  growth share (95 %)  p      verdict
             series  1.00 (0.99 … 1.01)       0 %                  1.0e0  ok
            scaling exponent: 1 = linear, 2 = quadratic
            growth share of a curve: the part of the cost at the largest N that grows faster than N log N
        "#]],
    );
    check(
        &csv(linear, 2),
        &gate,
        &expect![[r#"
            exit 0
             series  scaling exponent (95 %)  growth share (95 %)  p  verdict
             series  –                        –                    –  inconclusive: 2 repetitions are too few, at least 3 are needed (1 if the metric is exact)
            scaling exponent: 1 = linear, 2 = quadratic
            growth share of a curve: the part of the cost at the largest N that grows faster than N log N
        "#]],
    );
}

#[test]
fn standard_input_is_a_file_too() {
    let project = Project::empty();
    for text in [csv(linear, 3), r#"{"id": "-", "kind": "time", "n": [1], "y": [[1]]}"#.to_owned()]
    {
        let mut command = project.xtask(&["judge", "-", "--format", "json"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let said = project.said(child.wait_with_output().unwrap());
        assert_eq!(said.code, Some(0));
        let answers: BTreeMap<String, Value> = serde_json::from_str(&said.stdout).unwrap();
        assert!(answers["-"]["verdict"].is_string(), "{text}");
    }
}

#[test]
fn several_files_are_judged_together() {
    let project = Project::empty();
    project.write("a.csv", csv(linear, 3));
    project.write("b.csv", csv(quadratic, 3));
    let said = project.run(&["judge", "a.csv", "b.csv", "--kind", "count", "--gate"]);
    expect![[r#"
        exit 3
         series  scaling exponent (95 %)  growth share (95 %)  p        verdict
         a       1.00 (0.99 … 1.01)       0 %                  1.0e0    ok
         b       1.89 (1.87 … 1.91)       88 %                 3.5e-24  superlinear
        scaling exponent: 1 = linear, 2 = quadratic
        growth share of a curve: the part of the cost at the largest N that grows faster than N log N
    "#]]
    .assert_eq(&said.refusal());
}

/// What has been judged wrongly before: growth behind zeros, N log N less its linear part, speed-ups,
/// powers between the model's. Each says what it has to be called.
#[test]
fn each_series_that_was_judged_wrongly_before_is_judged_as_it_says() {
    let text = std::fs::read_to_string(made("severity.json")).unwrap();
    let questions: Value = serde_json::from_str(&text).unwrap();
    let answers = answers(&questions, &[]);
    for question in questions.as_array().unwrap() {
        let id = question["id"].as_str().unwrap();
        assert_eq!(answers[id]["verdict"], question["truth"], "{id}");
    }
}

/// A linear loop whose machine lowers its clock in long runs.
fn throttled(n: u64) -> u64 {
    match n {
        ..2048 => 1000 * n,
        2048 => 2_218_667,
        _ => 5_120_000,
    }
}

#[test]
fn times_by_themselves_fail_no_gate() {
    let mut text = String::new();
    for n in [16, 32, 64, 128, 256, 512, 1024, 2048, 4096] {
        text.push_str(&format!("{n},{}\n", throttled(n)).repeat(3));
    }
    check(
        &text,
        &["--gate"],
        &expect![[r#"
            exit 0
             series  scaling exponent (95 %)  growth share (95 %)  p       verdict
             series  1.28 (1.18 … 1.38)       22 %                 6.9e-8  superlinear
            scaling exponent: 1 = linear, 2 = quadratic
            growth share of a curve: the part of the cost at the largest N that grows faster than N log N
            note: series: advice only, no failed gate: caches also raise the time per item, so a curve of times fails a gate only where each of its last two doublings costs over three times as much. To gate on less growth, compare with a base
        "#]],
    );
    check(
        &text,
        &["--gate", "--strict"],
        &expect![[r#"
            exit 4
             series  scaling exponent (95 %)  growth share (95 %)  p       verdict
             series  1.28 (1.18 … 1.38)       22 %                 6.9e-8  superlinear
            scaling exponent: 1 = linear, 2 = quadratic
            growth share of a curve: the part of the cost at the largest N that grows faster than N log N
            note: series: advice only, no failed gate: caches also raise the time per item, so a curve of times fails a gate only where each of its last two doublings costs over three times as much. To gate on less growth, compare with a base
        "#]],
    );
}

#[test]
fn strict_hears_of_whatever_is_not_ok_and_no_failed_gate() {
    let code = |text: &str, flags: &str| {
        let project = Project::empty();
        project.write("series.csv", text);
        let flags: Vec<&str> =
            ["judge", "series.csv"].into_iter().chain(flags.split(' ')).collect();
        project.run(&flags).code.unwrap()
    };
    let (good, bad, open) = (csv(linear, 3), csv(quadratic, 3), csv(linear, 2));
    assert_eq!(code(&good, "--kind count --strict"), 0);
    assert_eq!(code(&bad, "--kind count --strict"), 4);
    assert_eq!(code(&bad, "--kind count --strict --gate"), 3);
    assert_eq!(code(&open, "--kind count --gate"), 0);
    assert_eq!(code(&open, "--kind count --strict --gate"), 4);
}

#[test]
fn exact_rows_need_one_reading_of_each_size() {
    let text = csv(quadratic, 1);
    check(
        &text,
        &["--kind", "count", "--gate", "--strict"],
        &expect![[r#"
            exit 4
             series  scaling exponent (95 %)  growth share (95 %)  p  verdict
             series  –                        –                    –  inconclusive: 1 repetition is too few, at least 3 are needed (1 if the metric is exact)
            scaling exponent: 1 = linear, 2 = quadratic
            growth share of a curve: the part of the cost at the largest N that grows faster than N log N
        "#]],
    );
    check(
        &text,
        &["--kind", "count", "--gate", "--exact"],
        &expect![[r#"
            exit 3
             series  scaling exponent (95 %)  growth share (95 %)  p        verdict
             series  1.89 (1.87 … 1.91)       88 %                 3.7e-56  superlinear
            scaling exponent: 1 = linear, 2 = quadratic
            growth share of a curve: the part of the cost at the largest N that grows faster than N log N
        "#]],
    );
}

/// Without a statement, a count that was read once is exact. A statement decides.
#[test]
fn json_may_state_that_a_count_read_once_is_not_exact() {
    let series = |id: &str, exact: Option<bool>| {
        let sizes = [16, 32, 64, 128, 256, 512, 1024_u64];
        let mut series = serde_json::json!({"id": id, "kind": "count", "n": sizes,
            "y": sizes.map(|n| [quadratic(n)])});
        if let Some(exact) = exact {
            series["exact"] = exact.into();
        }
        series
    };
    let questions =
        [series("unstated", None), series("yes", Some(true)), series("no", Some(false))];
    let answers = answers(&Value::from(questions.to_vec()), &[]);
    let verdicts = ["unstated", "yes", "no"].map(|id| answers[id]["verdict"].clone());
    assert_eq!(verdicts, ["superlinear", "superlinear", "inconclusive"]);
}

#[test]
fn flags_about_rows_are_not_ignored_in_silence() {
    let project = Project::empty();
    project.write("a.json", r#"{"id": "a", "kind": "time", "n": [1], "y": [[1]]}"#);
    let said = project.run(&["judge", "a.json", "--kind", "count", "--format", "json"]);
    assert_eq!(said.code, Some(0));
    expect![[r#"
        note: --kind, --interleaved and --exact are about rows of n and cost; these files state that themselves
    "#]].assert_eq(&said.stderr);
}

/// Bytes of whole pages bend like growth where N is small.
#[test]
fn a_quantum_says_in_what_steps_an_exact_count_rises() {
    let pages = |bytes: u64| bytes.div_ceil(4096) * 4096;
    let sizes: Vec<u64> = (0..9).map(|i| 16 << i).collect();
    let rows = |cost: fn(u64) -> u64| sizes.iter().map(|n| [pages(cost(*n))]).collect::<Vec<_>>();
    let (base, new) = (rows(|n| 100 * n), rows(|n| 130 * n));
    let pair = |id: &str, quantum: f64| {
        serde_json::json!({"id": id, "kind": "count", "exact": true, "quantum": quantum,
            "n": sizes, "base": base, "new": new})
    };
    let questions = serde_json::json!([pair("bytes", 1.0), pair("pages", 4096.0)]);
    let answers = answers(&questions, &[]);
    assert_eq!(answers["bytes"]["verdict"], "inconclusive");
    assert_eq!(answers["pages"]["verdict"], "ok");
}
