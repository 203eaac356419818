//! How often `assert_scaling` is right on code whose scaling is known.
//!
//! `cargo run -p loadline-harness --example assertion_rates -- counts 200` counts instructions, and
//! `-- time 1000` hides valgrind from the trials. Linear work gets so many trials, and other work a tenth.
//! A third argument names one kind of work. Each trial is a process of its own. The exit code is 1
//! where a trial was wrong.

use std::collections::HashMap;
use std::env;
use std::hint::black_box;
use std::process::{Command, ExitCode, Stdio};

use loadline_harness::{Scaling, assert_scaling};

/// The largest N.
const TOP: usize = 4096;

/// Work with a name, and how it scales.
type Kind = (&'static str, Growth, fn(usize) -> usize);

#[derive(PartialEq)]
enum Growth {
    Linear,
    /// A fifth of the cost at the largest N is quadratic.
    Fifth,
    Quadratic,
}

const KINDS: [Kind; 7] = [
    ("arithmetic", Growth::Linear, arithmetic),
    ("vec", Growth::Linear, vec),
    ("hash-map", Growth::Linear, hash_map),
    ("arithmetic-and-a-fifth", Growth::Fifth, |n| arithmetic(n) + pairs(n, 1)),
    ("vec-and-a-fifth", Growth::Fifth, |n| vec(n) + pairs(n, 1)),
    ("hash-map-and-a-fifth", Growth::Fifth, |n| hash_map(n) + pairs(n, 17)),
    ("quadratic", Growth::Quadratic, |n| (0..n).map(|_| arithmetic(n) % 7).sum()),
];

fn arithmetic(n: usize) -> usize {
    (0..n).fold(1, |sum, i| (black_box(sum) * 31 + i) % 65_537)
}

fn vec(n: usize) -> usize {
    let mut numbers = Vec::new();
    for i in 0..n {
        numbers.push(black_box(i));
    }
    numbers.len()
}

fn hash_map(n: usize) -> usize {
    (0..n).map(|i| (black_box(i), i)).collect::<HashMap<usize, usize>>().len()
}

/// Arithmetic that grows with N². At the largest N it is a quarter of N steps times `step`, and so a fifth
/// of the whole cost: without optimisation, a step of `vec` costs as much as one of `arithmetic`, and a
/// step of `hash_map` as much as 17.
fn pairs(n: usize, step: usize) -> usize {
    arithmetic(step * n * n / (4 * TOP))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["trial", name] => trial(name),
        [way @ ("counts" | "time"), trials] => series(way, trials, None),
        [way @ ("counts" | "time"), trials, name] => series(way, trials, Some(name)),
        _ => {
            eprintln!("usage: assertion_rates counts|time TRIALS [KIND]");
            ExitCode::from(2)
        }
    }
}

fn trial(name: &str) -> ExitCode {
    let kind = KINDS.iter().find(|(known, ..)| *known == name);
    let (_, _, work) = kind.expect("one of the kinds");
    assert_scaling(Scaling::Linear, 64..=TOP, work);
    ExitCode::SUCCESS
}

/// How the trials of one kind have ended.
#[derive(Default)]
struct Ends {
    passed: usize,
    undecided: usize,
    failed: usize,
    /// Ended without a verdict, or by another way than was asked for.
    broken: usize,
}

fn series(way: &str, trials: &str, only: Option<&str>) -> ExitCode {
    let trials: usize = trials.parse().expect("a number of trials");
    let mut is_right = true;
    println!("{:24} {:>7} {:>10} {:>7} {:>7}", way, "passed", "undecided", "failed", "broken");
    for (name, growth, _) in &KINDS {
        // Time alone is not meant to see a fifth.
        let is_asked = only.is_none_or(|only| only == *name);
        if !is_asked || (way == "time" && *growth == Growth::Fifth) {
            continue;
        }
        let trials = if *growth == Growth::Linear { trials } else { trials.div_ceil(10) };
        let mut ends = Ends::default();
        (0..trials).for_each(|_| ends.add(way, name));
        let Ends { passed, undecided, failed, broken } = ends;
        println!("{name:24} {passed:>7} {undecided:>10} {failed:>7} {broken:>7}");
        let right = if *growth == Growth::Linear { passed + undecided } else { failed };
        is_right &= right == trials;
    }
    if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Ends {
    fn add(&mut self, way: &str, name: &str) {
        let program = env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.args(["trial", name]).stdin(Stdio::null()).env("RUST_BACKTRACE", "0");
        if way == "time" {
            command.env("PATH", "");
        }
        let output = command.output().expect("this program starts");
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let is_right_way = (way == "time") == said.contains("thread CPU time");
        let end = match (output.status.success(), is_right_way) {
            (_, false) => &mut self.broken,
            (true, _) if said.contains("undecided") => &mut self.undecided,
            (true, _) => &mut self.passed,
            (false, _) if said.contains("grows faster than linearly") => &mut self.failed,
            (false, _) => &mut self.broken,
        };
        *end += 1;
        if env::var_os("SHOW").is_some() {
            println!("{said}");
        }
    }
}
