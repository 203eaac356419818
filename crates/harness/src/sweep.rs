//! [`run`]: one run for Loadline, or a sweep over sizes with a table for people.

use std::env;
use std::ffi::OsString;
use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use loadline_growth::{CurveOptions, Kind, Series, judge_curve};

use crate::clock::Clock;
use crate::phases::{ACKNOWLEDGED, Phases};
use crate::sizes::{grouped, sizes};

/// Set for the runs of a sweep, which then print what each phase has cost.
const SWEEP: &str = "LOADLINE_HARNESS_SWEEP";
/// How those lines begin: `loadline-harness:load=NANOSECONDS`.
const COST: &str = "loadline-harness:";

/// The sizes of a sweep that names none.
const DEFAULT_SIZES: std::ops::RangeInclusive<usize> = 64..=4096;
/// Runs of each size.
const REPETITIONS: usize = 5;
/// After this time the first repetition leaves out the larger sizes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Sizes below which no exponent can be estimated.
const FEWEST_SIZES: usize = 5;

/// Runs a program whose cost depends on N.
///
/// The program's first argument decides, and all further arguments are the program's own:
///
/// - **A number** is N. `body` runs once, and each phase is marked for Loadline by a line on standard
///   output. Where Loadline acknowledges markers, the program waits for the answer. Under valgrind's
///   callgrind, each phase becomes a dump with the phase's name.
/// - **A range** such as `64..=4096`, or no argument, is a sweep. The program starts itself for each
///   size, five times in turn, and prints a table of CPU times with the scaling exponent of each phase.
///   Sizes that would take too long are left out, and the output says so.
///
/// ```no_run
/// loadline_harness::run(|n, phases| {
///     let squares = phases.measure("load", || (0..n).map(|i| i * i).collect::<Vec<_>>());
///     phases.measure("unload", || drop(squares));
/// });
/// ```
///
/// A panic in `body` is a failed run. Any other first argument, and a sweep with a failed run, end
/// the program with an error message and exit code 2 or 1.
pub fn run(body: impl FnOnce(usize, &mut Phases)) {
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next();
    let request = match Request::of(first) {
        Ok(request) => request,
        Err(problem) => fail(2, &problem),
    };
    match request {
        Request::One(n) => run_once(n, body),
        Request::Sweep(sizes) => match sweep(sizes, &arguments.collect::<Vec<_>>()) {
            Ok(table) => print!("{table}"),
            Err(problem) => fail(1, &problem),
        },
    }
}

fn fail(code: i32, problem: &str) -> ! {
    eprintln!("error: {problem}");
    std::process::exit(code)
}

/// What the first argument asks for.
#[derive(Debug, PartialEq)]
enum Request {
    One(usize),
    Sweep(Vec<usize>),
}

impl Request {
    fn of(argument: Option<OsString>) -> Result<Request, String> {
        let Some(argument) = argument else {
            return match env::var_os(ACKNOWLEDGED) {
                None => sizes(&DEFAULT_SIZES).map(Request::Sweep),
                Some(_) => Err("no N: the scenario's command has to end in \"{n}\"".to_owned()),
            };
        };
        let text = argument.to_string_lossy();
        if let Ok(n) = text.parse() {
            return Ok(Request::One(n));
        }
        let range = text.split_once("..=").and_then(|(from, to)| {
            let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
            Some(from..=to)
        });
        match range {
            Some(range) => sizes(&range).map(Request::Sweep),
            None => Err(format!(
                "cannot run with {text:?}: give N, as in 1024, or the sizes of a sweep, as in 64..=4096"
            )),
        }
    }
}

fn run_once(n: usize, body: impl FnOnce(usize, &mut Phases)) {
    let mut phases = Phases::new();
    let start = Clock::Process.now();
    body(n, &mut phases);
    let spent = Clock::Process.now().saturating_sub(start);
    if env::var_os(SWEEP).is_none() {
        return;
    }
    let cost = |name: &str, spent: Duration| println!("\n{COST}{name}={}", spent.as_nanos());
    phases.times().iter().for_each(|(name, spent)| cost(name, *spent));
    if phases.times().is_empty() {
        cost("run", spent);
    }
}

/// CPU times of one phase in nanoseconds: a row for each size, a reading for each repetition.
#[derive(Debug, PartialEq)]
struct Phase {
    name: String,
    costs: Vec<Vec<f64>>,
}

/// Runs this program at each size, and returns the table.
fn sweep(mut sizes: Vec<usize>, arguments: &[OsString]) -> Result<String, String> {
    let start = Instant::now();
    let mut phases: Vec<Phase> = Vec::new();
    let mut left_out = Vec::new();
    for repetition in 0..REPETITIONS {
        for i in 0..sizes.len() {
            if repetition == 0 && i >= FEWEST_SIZES && start.elapsed() > PATIENCE {
                left_out = sizes.split_off(i);
                break;
            }
            add(&mut phases, i, cost_lines(&run_self(sizes[i], arguments)?));
        }
    }
    // A phase that one size lacks has no curve.
    phases.retain(|phase| {
        phase.costs.len() == sizes.len() && phase.costs.iter().all(|row| row.len() == REPETITIONS)
    });
    Ok(table(&sizes, &phases, &left_out))
}

/// Starts this program with `n`; returns what it printed.
fn run_self(n: usize, arguments: &[OsString]) -> Result<String, String> {
    let failed = |problem: String| format!("the run with N = {n} failed: {problem}");
    let program = env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.arg(n.to_string()).args(arguments);
    command.env(SWEEP, "1").env_remove(ACKNOWLEDGED);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The costs that a run has printed, in nanoseconds.
fn cost_lines(said: &str) -> Vec<(&str, f64)> {
    let costs = said.lines().filter_map(|line| line.strip_prefix(COST)?.split_once('='));
    costs.filter_map(|(name, cost)| Some((name, cost.parse().ok()?))).collect()
}

fn add(phases: &mut Vec<Phase>, size: usize, costs: Vec<(&str, f64)>) {
    for (name, cost) in costs {
        let known = phases.iter().position(|phase| phase.name == name);
        let place = known.unwrap_or_else(|| {
            phases.push(Phase { name: name.to_owned(), costs: Vec::new() });
            phases.len() - 1
        });
        let rows = &mut phases[place].costs;
        if rows.len() <= size {
            rows.resize(size + 1, Vec::new());
        }
        rows[size].push(cost);
    }
}

fn table(sizes: &[usize], phases: &[Phase], left_out: &[usize]) -> String {
    let mut rows = vec![vec!["N".to_owned()]];
    rows[0].extend(phases.iter().map(|phase| phase.name.clone()));
    for (i, n) in sizes.iter().enumerate() {
        let costs = phases.iter().map(|phase| duration(median(&phase.costs[i])));
        rows.push(std::iter::once(grouped(*n as u64)).chain(costs).collect());
    }
    let mut last = vec!["scaling exponent".to_owned()];
    last.extend(phases.iter().map(|phase| exponent(sizes, &phase.costs)));
    rows.push(last);
    let mut text = aligned(&rows);
    let _ = write!(
        text,
        "\nScaling exponent (1 = linear, 2 = quadratic), with its 95 % interval, of the largest sizes.\n\
         {}: median of {REPETITIONS} runs of each size, each run in a new process.\n",
        capitalised(Clock::Process.name()),
    );
    if let (Some(first), Some(last)) = (left_out.first(), left_out.last()) {
        let (first, last) = (grouped(*first as u64), grouped(*last as u64));
        let sizes = if first == last { first } else { format!("{first} to {last}") };
        let patience = PATIENCE.as_secs();
        let _ = writeln!(text, "N = {sizes} was left out: the smaller sizes took {patience} s.");
    }
    text
}

fn capitalised(text: &str) -> String {
    text[..1].to_uppercase() + &text[1..]
}

fn median(readings: &[f64]) -> f64 {
    let mut sorted = readings.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Three significant digits in a unit that people read.
fn duration(ns: f64) -> String {
    let (value, unit) = match ns {
        1e9.. => (ns / 1e9, "s"),
        1e6.. => (ns / 1e6, "ms"),
        1e3.. => (ns / 1e3, "µs"),
        _ => (ns, "ns"),
    };
    match value {
        100.0.. => format!("{value:.0} {unit}"),
        10.0.. => format!("{value:.1} {unit}"),
        _ => format!("{value:.2} {unit}"),
    }
}

/// `1.98 (1.93 … 2.03)`, or why there is none.
fn exponent(sizes: &[usize], costs: &[Vec<f64>]) -> String {
    let sizes = sizes.iter().map(|n| *n as u64).collect();
    let series = Series::new(Kind::Time, sizes, costs.to_vec());
    let Ok(series) = series else { return "too short".to_owned() };
    let judged = judge_curve(&series.interleaved(true), &CurveOptions::default());
    match judged.evidence.map(|evidence| evidence.tail_exponent) {
        Some(Some(exponent)) => {
            let interval = exponent.interval;
            format!("{:.2} ({:.2} … {:.2})", exponent.value, interval.low, interval.high)
        }
        Some(None) => "0 (flat)".to_owned(),
        None => "not known".to_owned(),
    }
}

/// Columns of equal width, the first to the left and the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..rows[0].len()).filter_map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(text, "{cell:width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(argument: &str) -> Result<Request, String> {
        Request::of(Some(argument.into()))
    }

    #[test]
    fn the_first_argument_decides() {
        assert_eq!(request("1024"), Ok(Request::One(1024)));
        assert_eq!(request("0"), Ok(Request::One(0)));
        let sweep = vec![8, 16, 32, 64, 128];
        assert_eq!(request("8..=128"), Ok(Request::Sweep(sweep)));
        let default = Request::of(None).expect("a sweep");
        assert_eq!(default, Request::Sweep(vec![64, 128, 256, 512, 1024, 2048, 4096]));
        assert!(request("--help").expect_err("no size").contains("64..=4096"));
        assert!(request("8..=16").expect_err("too narrow").contains("eight times"));
    }

    #[test]
    fn costs_are_found_among_other_lines() {
        let said = "loadline-harness:load=12\nhello\nloadline-harness:x=y\n";
        assert_eq!(cost_lines(said), [("load", 12.0)]);
        let mut phases = Vec::new();
        add(&mut phases, 0, vec![("load", 1.0)]);
        add(&mut phases, 1, vec![("load", 2.0), ("unload", 3.0)]);
        let load = Phase { name: "load".to_owned(), costs: vec![vec![1.0], vec![2.0]] };
        let unload = Phase { name: "unload".to_owned(), costs: vec![vec![], vec![3.0]] };
        assert_eq!(phases, [load, unload]);
    }

    #[test]
    fn the_table_shows_each_phase_with_its_exponent() {
        let sizes = [64, 128, 256, 512, 1024, 2048, 4096];
        let costs = |cost: fn(f64) -> f64| {
            sizes.iter().map(|&n| vec![cost(n as f64); REPETITIONS]).collect::<Vec<_>>()
        };
        let phase = |name: &str, cost| Phase { name: name.to_owned(), costs: costs(cost) };
        let phases = [
            phase("load", |n| 3_000.0 + 25.0 * n),
            phase("unload", |n| 0.4 * n * n),
            phase("call", |_| 70.0),
        ];
        let table = table(&sizes, &phases, &[8192, 16_384]);
        assert_eq!(
            table,
            "\
N                               load              unload      call
64                           4.60 µs             1.64 µs   70.0 ns
128                          6.20 µs             6.55 µs   70.0 ns
256                          9.40 µs             26.2 µs   70.0 ns
512                          15.8 µs              105 µs   70.0 ns
1,024                        28.6 µs              419 µs   70.0 ns
2,048                        54.2 µs             1.68 ms   70.0 ns
4,096                         105 µs             6.71 ms   70.0 ns
scaling exponent  1.00 (0.98 … 1.02)  2.00 (1.99 … 2.01)  0 (flat)

Scaling exponent (1 = linear, 2 = quadratic), with its 95 % interval, of the largest sizes.
CPU time: median of 5 runs of each size, each run in a new process.
N = 8,192 to 16,384 was left out: the smaller sizes took 10 s.
"
        );
    }
}
