//! `cargo xtask judge`: the growth rules for anybody's numbers, as another program uses them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::common::Project;
use expect_test::{Expect, expect};
use serde_json::Value;

/// One file of the open corpus of made-up measurements, with the reference's verdicts beside it.
fn corpus(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/growth/tests/corpus");
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// A file beside this one that was made for it.
fn made(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge").join(name)
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
    for (name, size) in [("curves.json", 214), ("pairs.json", 169)] {
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
             series  –                        –                    –  inconclusive: 2 rounds are too few, at least 3 are needed (1 if the metric is exact)
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
            note: series: advice, not a failed gate: caches make the true time per item rise as well, so a curve of times fails a gate only where its last two doublings each cost over three times as much; compare with a base to gate
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
            note: series: advice, not a failed gate: caches make the true time per item rise as well, so a curve of times fails a gate only where its last two doublings each cost over three times as much; compare with a base to gate
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
         series  –                        –                    –  inconclusive: 1 rounds are too few, at least 3 are needed (1 if the metric is exact)
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

/// Whoever states nothing takes a count that was read once for exact; what is stated holds.
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
    let said = project.run(&["judge", "a.json", "--kind", "count", "--json"]);
    assert_eq!(said.code, Some(0));
    expect![[r#"
        note: --kind, --interleaved and --exact are about rows of n and cost; these files state that themselves
    "#]].assert_eq(&said.stderr);
}

fn pair(new: fn(u64) -> u64, is_interleaved: bool) -> String {
    let sizes = [16, 32, 64, 128, 256, 512, 1024_u64];
    let rows = |cost: fn(u64) -> u64| sizes.map(|n| [cost(n); 3]);
    let (base, new) = (rows(linear), rows(new));
    serde_json::json!({"id": "a", "kind": "time", "n": sizes, "base": base, "new": new,
        "interleaved": is_interleaved})
    .to_string()
}

#[test]
fn a_pair_that_was_not_interleaved_is_judged_with_a_warning() {
    check(
        &pair(quadratic, true),
        &["--gate"],
        &expect![[r#"
            exit 3
             series  scaling exponent (95 %)  growth share (95 %)  p        verdict
             a       –                        E 91 % (89 … 93 %)   1.9e-22  worse
            growth share E of a pair: the part of the new cost at the largest N that the base's growth does not explain
        "#]],
    );
    check(
        &pair(quadratic, false),
        &["--gate"],
        &expect![[r#"
            exit 3
             series  scaling exponent (95 %)  growth share (95 %)  p        verdict
             a       –                        E 91 % (89 … 93 %)   1.9e-22  worse
            growth share E of a pair: the part of the new cost at the largest N that the base's growth does not explain
            note: a: not interleaved: a machine that becomes slower while it measures size after size looks like growth; in simulation, slowing by 30 % made 100 % of unchanged pairs worse at 1 % noise, and 17 % at 5 %; interleaved, 0.3 % at most. Measure every size of both sides once in each round, and state "interleaved": true
        "#]],
    );
}

/// Nearly normal noise of mean 0 and deviation 1, the same each time.
fn noise(state: &mut u64) -> f64 {
    let mut uniform = || {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    (0..12).map(|_| uniform()).sum::<f64>() - 6.0
}

/// Share of 1,000 unchanged pairs that are called worse, when the machine slows by 30 % over the time
/// in which the new side is measured.
fn called_worse(is_interleaved: bool, deviation: f64) -> f64 {
    const ROUNDS: usize = 10;
    let sizes: Vec<u64> = (0..9).map(|i| 16 << i).collect();
    let n_runs = sizes.len() * ROUNDS;
    let mut state = 1;
    let mut side = |slowing: f64| -> Vec<Vec<f64>> {
        let mut cost = |place: usize, round: usize| {
            let run =
                if is_interleaved { round * sizes.len() + place } else { place * ROUNDS + round };
            let pace = 1.0 + slowing * run as f64 / n_runs as f64;
            (5000.0 + 100.0 * sizes[place] as f64) * pace * (1.0 + deviation * noise(&mut state))
        };
        (0..sizes.len())
            .map(|place| (0..ROUNDS).map(|round| cost(place, round)).collect())
            .collect()
    };
    let pairs: Vec<Value> = (0..1000)
        .map(|id| {
            serde_json::json!({"id": id.to_string(), "kind": "time", "n": sizes,
                "interleaved": is_interleaved, "base": side(0.0), "new": side(0.3)})
        })
        .collect();
    let answers = answers(&pairs.into(), &[]);
    let n_worse = answers.values().filter(|answer| answer["verdict"] == "worse").count();
    let share = n_worse as f64 / answers.len() as f64;
    println!("interleaved: {is_interleaved}, noise {deviation}: {:.1} % worse", share * 100.0);
    share
}

#[test]
fn a_machine_that_slows_down_is_growth_unless_sizes_are_interleaved() {
    assert!(called_worse(false, 0.01) > 0.99);
    assert!(called_worse(false, 0.05) > 0.1);
    assert!(called_worse(false, 0.15) > 0.005);
    for deviation in [0.01, 0.05, 0.15] {
        assert!(called_worse(true, deviation) < 0.005);
    }
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
