//! How often the rules are right, on series whose growth is known: one row per kind of series, with
//! the share of series that each verdict gets. Seeds are fixed, so the figures repeat.
//!
//! `cargo run -p loadline-growth --example rates`

use loadline_growth::{
    CurveOptions, CurveVerdict, Kind, PairOptions, PairVerdict, Series, judge_curve, judge_pair,
};

/// Series per kind and noise.
const N_SERIES: u64 = 1000;
/// Nine sizes that double, in ten interleaved repetitions.
const SIZES: [u64; 9] = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096];
const REPETITIONS: usize = 10;
/// Standard deviations of one reading. One reading in twenty is disturbed besides.
const NOISES: [f64; 3] = [0.01, 0.05, 0.15];

/// A cost as a function of x = N/Nmax, about 1 at the top.
type Cost = fn(f64) -> f64;

/// Numbers that look random and are the same every time: SplitMix64 (Steele, Lea and Flood, "Fast
/// splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: the sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

fn series(random: &mut Random, noise: f64, cost: Cost) -> Series {
    let rows = SIZES.iter().map(|&n| {
        let cost = 1e7 * cost(n as f64 / 4096.0);
        let reading = |_| {
            let disturbed =
                if random.next() < 0.05 { 1.0 + 3.0 * random.next() * noise } else { 1.0 };
            cost * (noise * random.normal()).exp() * disturbed
        };
        (0..REPETITIONS).map(reading).collect()
    });
    let series = Series::new(Kind::Time, SIZES.to_vec(), rows.collect());
    series.expect("costs are finite and sizes rise").interleaved(true)
}

/// log₂ N, 1 at the top.
fn log(x: f64) -> f64 {
    (x * 4096.0).log2() / 12.0
}

/// Twice as much per item from `start`, a share of Nmax, on: a cache that is too small.
fn bent(x: f64, start: f64) -> f64 {
    x + (x - start).max(0.0)
}

const CURVES: [(&str, Cost); 14] = [
    ("constant", |_| 1.0),
    ("N", |x| x),
    ("N with 30 % setup", |x| 0.3 + 0.7 * x),
    ("√N", f64::sqrt),
    ("N log N", |x| x * log(x)),
    ("N log N − N", |x| x * (log(x) - 1.0 / 12.0)),
    ("N, twice per item from Nmax/8 on", |x| bent(x, 0.125)),
    ("N, twice per item from Nmax/4 on", |x| bent(x, 0.25)),
    ("N and 20 % N²", |x| 0.8 * x + 0.2 * x * x),
    ("N and 40 % N²", |x| 0.6 * x + 0.4 * x * x),
    ("N^1.5", |x| x.powf(1.5)),
    ("N²", |x| x * x),
    ("N⁴", |x| x.powi(4)),
    ("2^N at the top", |x| 0.01 + (16.0 * (x - 1.0)).exp2()),
];

const PAIRS: [(&str, Cost, Cost); 14] = [
    ("N unchanged", |x| x, |x| x),
    ("N² unchanged", |x| x * x, |x| x * x),
    ("N log N unchanged", |x| x * log(x), |x| x * log(x)),
    ("N, ×1.5 everywhere", |x| x, |x| 1.5 * x),
    ("half of the setup removed", |x| 1.0 + 0.2 * x, |x| 0.5 + 0.2 * x),
    ("linear part halved, N² unchanged", |x| x + 0.3 * x * x, |x| 0.5 * x + 0.3 * x * x),
    ("N² to N", |x| x * x, |x| x),
    ("N to N and 20 % N²", |x| x, |x| x + 0.25 * x * x),
    ("N to N and 40 % N²", |x| x, |x| x + 0.67 * x * x),
    ("N to N^1.5", |x| x, |x| 4.0 * x.powf(1.5)),
    ("N to N³", |x| x, |x| 65_536.0 * x * x * x),
    ("constant to N²", |_| 1.0, |x| 1.0 + 100.0 * x * x),
    ("two largest sizes ×3", |x| x, |x| if x > 0.4 { 3.0 * x } else { x }),
    ("largest size ×10", |x| x, |x| if x > 0.9 { 10.0 * x } else { x }),
];

/// Growth found, none, undecided: percent of all series.
fn row(name: &str, verdict: impl Fn(&mut Random, f64) -> Option<bool>) {
    print!("{name:<36}");
    for (place, noise) in NOISES.into_iter().enumerate() {
        let (mut found, mut none) = (0, 0);
        for seed in 0..N_SERIES {
            match verdict(&mut Random(seed * 1_000_003 + place as u64), noise) {
                Some(true) => found += 1,
                Some(false) => none += 1,
                None => {}
            }
        }
        let percent = |n: u64| 100.0 * n as f64 / N_SERIES as f64;
        let open = N_SERIES - found - none;
        print!("  {:>5.1} {:>5.1} {:>5.1}", percent(found), percent(none), percent(open));
    }
    println!();
}

fn head(title: &str, found: &str) {
    println!("{title}; {N_SERIES} series each; {found} / ok / undecided in %");
    print!("{:<36}", "");
    for noise in NOISES {
        print!("  {:>17}", format!("{:.0} % noise", noise * 100.0));
    }
    println!();
}

fn main() {
    head("time, judged by itself", "superlinear");
    for (name, cost) in CURVES {
        row(name, |random, noise| {
            match judge_curve(&series(random, noise, cost), &CurveOptions::default()).verdict {
                CurveVerdict::Superlinear => Some(true),
                CurveVerdict::Ok => Some(false),
                CurveVerdict::Inconclusive(_) => None,
            }
        });
    }
    println!();
    head("time, judged against a baseline", "worse");
    for (name, old, new) in PAIRS {
        row(name, |random, noise| {
            let (old, new) = (series(random, noise, old), series(random, noise, new));
            match judge_pair(&new, &old, &PairOptions::default()).verdict {
                PairVerdict::Worse => Some(true),
                PairVerdict::Ok => Some(false),
                PairVerdict::Inconclusive(_) => None,
            }
        });
    }
}
