//! What a judgement costs. The curve and the pair of the open corpus that take the median time are
//! found first, then measured: at most 0.1 ms each, interval included.

use std::{fs, hint::black_box, path::Path, time::Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use loadline_growth::{
    Case, CurveOptions, JudgeOptions, Kind, PairOptions, Series, judge_curve, judge_pair,
    judge_suite,
};
use serde_json::Value;

fn corpus(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let text = fs::read_to_string(path).expect("the corpus is part of the repository");
    serde_json::from_str(&text).expect("the corpus is JSON")
}

fn series(row: &Value, side: &str) -> Series {
    let kind = if row["kind"] == "count" { Kind::Count } else { Kind::Time };
    let numbers = |values: &Value| -> Vec<f64> {
        values.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
    };
    let sizes = numbers(&row["n"]).into_iter().map(|n| n as u64).collect();
    let costs = row[side].as_array().into_iter().flatten().map(numbers).collect();
    let is_interleaved = row["design"]["interleaved"] == true;
    let series = Series::new(kind, sizes, costs).expect("the corpus holds valid series");
    let is_exact = series.repetitions() == 1;
    series.interleaved(is_interleaved).exact(is_exact)
}

/// The item that takes the median time, by the best of five tries each.
fn median_by_time<T>(items: Vec<T>, judge: impl Fn(&T)) -> T {
    let time = |item: &T| {
        let try_once = |_| {
            let start = Instant::now();
            judge(item);
            start.elapsed()
        };
        (0..5).map(try_once).min().unwrap_or_default()
    };
    let mut timed: Vec<_> = items.into_iter().map(|item| (time(&item), item)).collect();
    timed.sort_by_key(|(time, _)| *time);
    let middle = timed.len() / 2;
    timed.swap_remove(middle).1
}

fn judgements(criterion: &mut Criterion) {
    let options = CurveOptions::default();
    let curves = corpus("curves.json").iter().map(|row| series(row, "y")).collect();
    let curve = median_by_time(curves, |curve| drop(judge_curve(curve, &options)));
    criterion.bench_function("curve at the corpus median", |bencher| {
        bencher.iter(|| judge_curve(black_box(&curve), &options));
    });
    let options = PairOptions::default();
    let rows = corpus("pairs.json");
    let pairs = rows.iter().map(|row| (series(row, "new"), series(row, "base"))).collect();
    let (new, old) = median_by_time(pairs, |(new, old)| drop(judge_pair(new, old, &options)));
    criterion.bench_function("pair at the corpus median", |bencher| {
        bencher.iter(|| judge_pair(black_box(&new), black_box(&old), &options));
    });
    let case = Case { new: &new, old: Some(&old), options: JudgeOptions::default() };
    criterion.bench_function("suite of 20, each with its curves and both directions", |bencher| {
        bencher.iter(|| judge_suite(black_box(&[case; 20])));
    });
}

criterion_group!(benches, judgements);
criterion_main!(benches);
