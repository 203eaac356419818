#![allow(clippy::unwrap_used)]

use super::*;

fn baseline(reason: &str) -> Baseline {
    let name = "unload/task-clock".parse().unwrap();
    let repetitions = [(64, vec![81_250.125, 0.1 + 0.2, 1e300]), (128, vec![0.0, 5e-324, 7.0])];
    let series = series(name, &repetitions).unwrap();
    let tail = Some([1.87, 1.81, 1.93]);
    let changes = [("tables".to_owned(), "strip".to_owned())];
    Baseline {
        key: Key {
            variant: Variant(changes.into()),
            unwinder: "none".to_owned(),
            wasmtime: "48".to_owned(),
            arch: "x86_64".to_owned(),
            modules: Some("0123456789abcdef".to_owned()),
        },
        reason: reason.to_owned(),
        sizes: vec![64, 128],
        noise_floor: Floor([(Metric::TaskClock, 1250.0), (Metric::PageFaults, 0.0)].into()),
        date: "2026-01-01".to_owned(),
        seed: 7,
        environment: crate::fixtures::environment(),
        functions: vec![AcceptedFunction {
            phase: Phase::Unload,
            object: "libgcc_s.so.1".to_owned(),
            function: "search <of \"a\" list>".to_owned(),
            series: Series::new(Kind::Count, vec![8, 16], vec![vec![520.0], vec![1552.0]])
                .unwrap()
                .exact(true),
        }],
        series: vec![Accepted { name, series, tail }],
    }
}

#[test]
fn what_is_written_reads_back_to_the_last_bit() {
    for reason in ["first capture", "a \"quoted\" \\ reason", "two\nlines", "\u{7}"] {
        let baselines = Baselines { all: vec![baseline(reason)] };
        let text = baselines.text();
        let again = Baselines::parse(&text).unwrap_or_else(|error| panic!("{error:#}\n{text}"));
        assert_eq!(again.all[0].reason, reason);
        assert_eq!(again.all[0].series[0].series, baselines.all[0].series[0].series);
        assert_eq!(again.all[0].key, baselines.all[0].key);
        assert_eq!(again.text(), text);
    }
}

#[test]
fn a_baseline_takes_the_place_of_the_one_with_its_key() {
    let mut other = baseline("other key");
    other.key.variant = Variant::default();
    let mut baselines = Baselines { all: vec![baseline("old"), other.clone()] };
    baselines.put(baseline("new"));
    let reasons = baselines.all.iter().map(|baseline| baseline.reason.as_str());
    assert_eq!(reasons.collect::<Vec<_>>(), ["other key", "new"]);
    assert_eq!(baselines.find(&other.key).unwrap().reason, "other key");
}

#[test]
fn a_baseline_is_none_of_other_modules() {
    let text = "format = 2\nquestion = \"?\"\nexpectation = \"\"\nload_order = \"hold-all\"\nmodules = [\"*.wasm\"]\njudge = [\"load/task-clock\"]\nsizes = { from = 8, to = 128, factor = 2 }";
    let scenario = Scenario::parse("mine", text).unwrap();
    let environment = crate::fixtures::environment();
    let key = |digest: &str| {
        let digest = Some(digest.to_owned());
        Key::of(&Scenario { digest, ..scenario.clone() }, &environment)
    };
    let differences = key("aaaa").differences(&key("bbbb"));
    assert_eq!(differences, ["modules aaaa here, bbbb there"]);
    assert_eq!(key("aaaa"), key("aaaa"));
    assert!(key("aaaa").to_string().ends_with(", modules aaaa"));
}
