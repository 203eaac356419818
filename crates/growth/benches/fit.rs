//! What a judgement costs: below 1 ms a curve with its interval, below 0.2 ms a pair.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use loadline_growth::{
    Case, CurveOptions, CurveVerdict, JudgeOptions, Kind, PairOptions, Series, judge_curve,
    judge_pair, judge_suite,
};

/// Nine sizes in ten interleaved rounds.
fn series(kind: Kind, noise: f64, seed: u64, cost: impl Fn(f64) -> f64) -> Series {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    let sizes: Vec<u64> = (0..9).map(|i| 16 << i).collect();
    let costs = sizes
        .iter()
        .map(|&n| (0..10).map(|_| cost(n as f64) * (1.0 + noise * next())).collect())
        .collect();
    Series::new(kind, sizes, costs).expect("sizes rise, costs are positive").interleaved(true)
}

fn linear(n: f64) -> f64 {
    5000.0 + 100.0 * n
}

fn quadratic(n: f64) -> f64 {
    linear(n) + 0.05 * n * n
}

fn judgements(criterion: &mut Criterion) {
    let curve = CurveOptions::default();
    for (name, kind) in [("count", Kind::Count), ("time", Kind::Time)] {
        let ok = series(kind, 0.05, 1, linear);
        criterion.bench_function(&format!("curve/{name}/linear"), |bencher| {
            bencher.iter(|| judge_curve(black_box(&ok), &curve));
        });
        let grown = series(kind, 0.05, 2, quadratic);
        criterion.bench_function(&format!("curve/{name}/quadratic"), |bencher| {
            bencher.iter(|| judge_curve(black_box(&grown), &curve));
        });
        // The smallest detectable share is looked for only where nothing was decided.
        let open = series(kind, 2.0, 3, |n| linear(n) + 0.02 * n * n);
        assert!(matches!(judge_curve(&open, &curve).verdict, CurveVerdict::Inconclusive(_)));
        criterion.bench_function(&format!("curve/{name}/inconclusive"), |bencher| {
            bencher.iter(|| judge_curve(black_box(&open), &curve));
        });
    }
    let (new, old) = (series(Kind::Time, 0.05, 4, quadratic), series(Kind::Time, 0.05, 5, linear));
    criterion.bench_function("pair/time", |bencher| {
        bencher.iter(|| judge_pair(black_box(&new), black_box(&old), &PairOptions::default()));
    });
    let case = Case { new: &new, old: Some(&old), options: JudgeOptions::default() };
    criterion.bench_function("suite of 20", |bencher| {
        bencher.iter(|| judge_suite(black_box(&[case; 20])));
    });
}

criterion_group!(benches, judgements);
criterion_main!(benches);
