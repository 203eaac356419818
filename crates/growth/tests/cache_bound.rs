//! Programs whose cost per item rises only because their data leave one cache after the other: the
//! curve rule may take that for growth, and it must never be gross, which is red by itself.
//!
//! `cargo test --release -p loadline-growth --test cache_bound -- --ignored --nocapture`

#![allow(clippy::unwrap_used)]

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

/// The nanoseconds that `n` items take; what they need beforehand is not counted.
type Program = (&'static str, u32, fn(usize) -> u128);

const PROGRAMS: [Program; 4] = [
    ("pointer chasing", 25, |n| {
        let next = cycle(n);
        let start = Instant::now();
        let mut at = 0;
        for _ in 0..n {
            at = next[at as usize];
        }
        black_box(at);
        start.elapsed().as_nanos()
    }),
    ("hash map", 21, |n| {
        let start = Instant::now();
        let map: HashMap<u64, u64> = numbers(n).map(|x| (x, x)).collect();
        black_box(
            numbers(n).filter_map(|x| map.get(&x)).fold(0, |sum: u64, x| sum.wrapping_add(*x)),
        );
        start.elapsed().as_nanos()
    }),
    ("B-tree", 21, |n| {
        let start = Instant::now();
        let map: BTreeMap<u64, u64> = numbers(n).map(|x| (x, x)).collect();
        black_box(
            numbers(n).filter_map(|x| map.get(&x)).fold(0, |sum: u64, x| sum.wrapping_add(*x)),
        );
        start.elapsed().as_nanos()
    }),
    ("sort", 23, |n| {
        let mut all: Vec<u64> = numbers(n).collect();
        let start = Instant::now();
        all.sort_unstable();
        black_box(&all);
        start.elapsed().as_nanos()
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
        for _ in 0..REPETITIONS {
            for (&n, costs) in sizes.iter().zip(&mut costs) {
                costs.push(program(n) as f64);
            }
        }
        // Whatever cache ends at the top: the curve is cut at every size from the seventh on.
        let mut steepest = f64::NEG_INFINITY;
        for end in 7..=sizes.len() {
            let sizes = sizes[..end].iter().map(|n| *n as u64).collect();
            let series = Series::new(Kind::Time, sizes, costs[..end].to_vec()).unwrap();
            let judged = judge_curve(&series.interleaved(true), &CurveOptions::default());
            let evidence = judged.evidence.unwrap();
            steepest = steepest.max(evidence.steepness.unwrap());
            assert!(!evidence.is_gross, "{name} up to N = {}: {evidence:?}", 1 << (12 + end));
        }
        println!("{name}: steepness at most {steepest:.2}, gross from 1.6 on");
    }
}
