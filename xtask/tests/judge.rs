//! `cargo xtask judge`: the growth rules for anybody's numbers, as another program uses them.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use common::Project;
use expect_test::{Expect, expect};
use serde_json::Value;

/// One file of the open corpus of made-up measurements, with the reference's verdicts beside it.
fn corpus(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/growth/tests/corpus");
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// The answers of `judge --json` to `questions`.
fn answers(questions: &Value, flags: &[&str]) -> BTreeMap<String, Value> {
    let project = Project::empty();
    project.write("questions.json", questions.to_string());
    let said = project.run(&[&["judge", "questions.json", "--json"], flags].concat());
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&said.stdout).unwrap()
}

/// What `judge` says about the CSV `text`.
fn check(text: &str, flags: &[&str], expected: &Expect) {
    let project = Project::empty();
    project.write("series.csv", text);
    let said = project.run(&[&["judge", "series.csv"], flags].concat());
    expected.assert_eq(&said.refusal());
}

/// Rows of `rounds` readings at each N, without noise.
fn csv(cost: impl Fn(u64) -> u64, rounds: usize) -> String {
    let mut text = "n,y\n".to_owned();
    for _ in 0..rounds {
        for n in [16, 32, 64, 128, 256, 512, 1024] {
            writeln!(text, "{n},{}", cost(n)).unwrap();
        }
    }
    text
}

fn linear(n: u64) -> u64 {
    900 + 33 * n
}

fn quadratic(n: u64) -> u64 {
    900 + 33 * n + n * n / 4
}

#[test]
fn verdicts_on_the_corpus_are_the_references() {
    let reference = corpus("expected.json");
    for (name, size) in [("curves.json", 150), ("pairs.json", 80)] {
        let questions = corpus(name);
        let answers = answers(&questions, &[]);
        assert_eq!(answers.len(), size, "{name}");
        let ids = questions.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap());
        let others = ids.filter(|id| answers[*id]["verdict"] != reference[*id]["verdict"]);
        let others: Vec<&str> = others.collect();
        // One curve's tie is decided by rounding (crates/growth/tests/open_corpus.rs).
        assert!(others.len() <= 1, "{name}: {others:?}");
    }
}

#[test]
fn a_suite_calls_no_more_worse_than_each_alone() {
    let pairs = corpus("pairs.json");
    let (alone, together) = (answers(&pairs, &[]), answers(&pairs, &["--suite"]));
    let is_worse = |answer: &Value| answer["verdict"] == "worse";
    for (id, answer) in &together {
        let (p, raw) = (answer["p"].as_f64().unwrap(), alone[id]["p"].as_f64().unwrap());
        assert!(p >= raw, "{id}: {p} is less than {raw}");
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
            "lo": 2.0,
            "p": 0.0,
            "share": 1.0,
            "verdict": "superlinear"
          },
          "narrow": {
            "exponent": null,
            "hi": null,
            "lo": null,
            "p": null,
            "share": null,
            "verdict": "inconclusive",
            "why": "2 sizes are too few, at least 5 are needed"
          },
          "pair": {
            "exponent": 0.0,
            "hi": 0.1,
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
         series  exponent  95 % interval  growing share  p        verdict
         series  1.89      1.88 … 1.91    88 %           1.7e-24  superlinear
    "#]],
    );
    check(
        &csv(quadratic, 3),
        &gate,
        &expect![[r#"
        exit 3
         series  exponent  95 % interval  growing share  p        verdict
         series  1.89      1.88 … 1.91    88 %           1.7e-24  superlinear
    "#]],
    );
    check(
        &csv(linear, 3),
        &gate,
        &expect![[r#"
        exit 0
         series  exponent  95 % interval  growing share  p      verdict
         series  1.00      1.00 … 1.02    0 %            1.0e0  ok
    "#]],
    );
    check(
        &csv(linear, 2),
        &gate,
        &expect![[r#"
        exit 0
         series  exponent  95 % interval  growing share  p  verdict
         series  –         –              –              –  inconclusive: 2 rounds are too few, at least 3 are needed (1 if the metric is exact)
    "#]],
    );
}

#[test]
fn standard_input_is_a_file_too() {
    let project = Project::empty();
    for text in [csv(linear, 3), r#"{"id": "-", "kind": "time", "n": [1], "y": [[1]]}"#.to_owned()]
    {
        let mut command = project.xtask(&["judge", "-", "--json"]);
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
         series  exponent  95 % interval  growing share  p        verdict
         a       1.00      1.00 … 1.02    0 %            1.0e0    ok
         b       1.89      1.88 … 1.91    88 %           1.7e-24  superlinear
    "#]]
    .assert_eq(&said.refusal());
}
