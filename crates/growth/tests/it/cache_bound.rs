//! Programs whose cost per item rises only because their data leave one cache after the other: the
//! curve rule may take that for growth, and it must never be gross, which is red by itself.
//!
//! `cargo test --release -p loadline-growth --test it cache_bound -- --ignored --nocapture`

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::time::Instant;

use loadline_growth::{CurveOptions, Kind, Series, judge_curve};

/// Numbers without an order, the same every time.
fn numbers(n: usize) -> impl Iterator<Item = u64> {
    let step = |x: &u64| {
        let mut x = *x;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        Some(x)
    };
    std::iter::successors(Some(0x9e37_79b9_7f4a_7c15), step).take(n)
}

/// A cycle through all of 0..n in no order (Sattolo's algorithm).
fn cycle(n: usize) -> Vec<u32> {
    let mut next: Vec<u32> = (0..u32::try_from(n).unwrap()).collect();
    for (i, number) in (1..n).rev().zip(numbers(n)) {
        next.swap(i, (number % i as u64) as usize);
    }
    next
}

/// Makes the data of `n` items; what it returns works on them, and is what is measured.
type Program = (&'static str, u32, fn(usize) -> Box<dyn Fn()>);

const PROGRAMS: [Program; 4] = [
    ("pointer chasing", 24, |n| {
        let next = cycle(n);
        Box::new(move || {
            black_box((0..n).fold(0, |at: u32, _| next[at as usize]));
        })
    }),
    ("hash map", 20, |n| {
        Box::new(move || {
            let map: HashMap<u64, u64> = numbers(n).map(|x| (x, x)).collect();
            black_box(numbers(n).filter(|x| map.contains_key(x)).count());
        })
    }),
    ("B-tree", 20, |n| {
        Box::new(move || {
            let map: BTreeMap<u64, u64> = numbers(n).map(|x| (x, x)).collect();
            black_box(numbers(n).filter(|x| map.contains_key(x)).count());
        })
    }),
    ("sort", 21, |n| {
        Box::new(move || {
            let mut all: Vec<u64> = numbers(n).collect();
            all.sort_unstable();
            black_box(&all);
        })
    }),
];

/// From 64 KB of data, which an L2 cache holds, to what none holds.
const SMALLEST: u32 = 13;
const REPETITIONS: usize = 5;

#[test]
#[ignore = "slow: a minute of measuring, optimised"]
fn no_cache_makes_growth_gross() {
    for (name, largest, program) in PROGRAMS {
        let sizes: Vec<usize> = (SMALLEST..=largest).map(|power| 1 << power).collect();
        let mut costs = vec![Vec::new(); sizes.len()];
        let works: Vec<_> = sizes.iter().map(|n| program(*n)).collect();
        for _ in 0..REPETITIONS {
            for (work, costs) in works.iter().zip(&mut costs) {
                let start = Instant::now();
                work();
                costs.push(start.elapsed().as_nanos() as f64);
            }
        }
        // Whatever cache ends at the top: the curve is cut at every size from the seventh on.
        let (mut steepest, mut fastest) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        for end in 7..=sizes.len() {
            let sizes = sizes[..end].iter().map(|n| *n as u64).collect();
            let series = Series::new(Kind::Time, sizes, costs[..end].to_vec()).unwrap();
            let judged = judge_curve(&series.interleaved(true), &CurveOptions::default());
            let evidence = judged.evidence.unwrap();
            steepest = steepest.max(evidence.steepness.unwrap());
            fastest = fastest.max(exponent_of_fastest(&costs[..end]));
            assert!(!evidence.is_gross, "{name} up to N = {}: {evidence:?}", 1 << (12 + end));
        }
        println!(
            "{name}: steepness at most {steepest:.2} by the rule, {fastest:.2} by the fastest readings; gross from 1.6 on"
        );
    }
}

/// The smaller exponent of the last two doublings, by the fastest reading of each size: what is left
/// where other programs disturb, and no bound.
fn exponent_of_fastest(costs: &[Vec<f64>]) -> f64 {
    let fastest = |row: &Vec<f64>| row.iter().copied().fold(f64::INFINITY, f64::min);
    let top: Vec<f64> = costs[costs.len() - 3..].iter().map(fastest).collect();
    (top[1] / top[0]).log2().min((top[2] / top[1]).log2())
}
