//! From measured costs to a verdict in words. Pure: no clock, no process.

use std::fmt::Write;

use loadline_callgrind::Version;
use loadline_growth::{
    CurveJudgement, CurveOptions, CurveVerdict, Estimate, Expect, Formula, Kind, Series,
    judge_curve,
};

use crate::clock::Clock;
use crate::count::{Counted, Function};
use crate::sizes::grouped;

/// How a cost may grow with N.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scaling {
    /// At most like N. N log N passes as well: over the usual range of sizes, the two cannot be
    /// distinguished reliably.
    Linear,
    /// At most like N².
    Quadratic,
}

impl Scaling {
    fn expect(self) -> Expect {
        match self {
            Scaling::Linear => Expect::LinearLog,
            Scaling::Quadratic => Expect::Quadratic,
        }
    }

    fn adverb(self) -> &'static str {
        match self {
            Scaling::Linear => "linearly",
            Scaling::Quadratic => "quadratically",
        }
    }
}

/// What a cost was measured by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Way {
    /// The processor's counter of instructions.
    Perf,
    /// Instructions counted by callgrind of this valgrind.
    Callgrind(Version),
    /// The CPU time of the thread.
    CpuTime,
}

impl Way {
    fn sentence(self) -> String {
        match self {
            Way::Perf => "Instructions were counted by perf.".to_owned(),
            Way::Callgrind(version) => {
                format!("Instructions were counted by callgrind (valgrind {version}).")
            }
            Way::CpuTime => format!(
                "This was measured by {}, which shows gross growth only: a cost that more than triples \
                 with each of the last two doublings of N. Smaller growth would not be seen.",
                Clock::Thread.name()
            ),
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Way::Perf | Way::Callgrind(_) => "instructions",
            Way::CpuTime => "ns",
        }
    }
}

/// One cost at several sizes.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) way: Way,
    pub(crate) series: Series,
    /// Each function's own cost at the same sizes, where it is known.
    pub(crate) functions: Vec<Function>,
}

impl Measured {
    /// `counted` at `sizes`.
    pub(crate) fn counts(way: Way, sizes: &[usize], counted: Counted) -> Measured {
        Measured { way, series: exact(sizes, &counted.counts), functions: counted.functions }
    }

    /// CPU times in nanoseconds, a row for each size.
    pub(crate) fn times(sizes: &[usize], costs: Vec<Vec<f64>>) -> Measured {
        let series = Series::new(Kind::Time, as_u64(sizes), costs);
        let series = series.expect("sizes rise and clocks do not go back").interleaved(true);
        Measured { way: Way::CpuTime, series, functions: Vec::new() }
    }
}

fn as_u64(sizes: &[usize]) -> Vec<u64> {
    sizes.iter().map(|n| *n as u64).collect()
}

fn exact(sizes: &[usize], counts: &[u64]) -> Series {
    let costs = counts.iter().map(|count| vec![*count as f64]).collect();
    let series = Series::new(Kind::Count, as_u64(sizes), costs);
    series.expect("sizes rise and counts are not negative").exact(true)
}

/// What is said of a measured cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No growth beyond what is allowed was shown.
    Pass,
    /// The cost grows faster than is allowed.
    Fail,
    /// Times suggest gross growth, and more readings decide.
    Unsure,
}

/// Judges `measured`: the outcome, and what to print about it.
pub(crate) fn judge(measured: &Measured, allowed: Scaling) -> (Outcome, String) {
    let options = CurveOptions { expect: allowed.expect(), tau: None };
    let judged = judge_curve(&measured.series, &options);
    let is_fast = judged.verdict == CurveVerdict::Superlinear;
    let outcome = match measured.way {
        Way::Perf | Way::Callgrind(_) if is_fast && !judged.needs_confirmation() => Outcome::Fail,
        Way::Perf | Way::Callgrind(_) => Outcome::Pass,
        Way::CpuTime if judged.is_gross() => Outcome::Fail,
        Way::CpuTime if may_be_gross(&judged, allowed) => Outcome::Unsure,
        Way::CpuTime => Outcome::Pass,
    };
    let text = match outcome {
        Outcome::Fail => failure(measured, allowed, &judged),
        Outcome::Pass | Outcome::Unsure => pass(measured, allowed, &judged),
    };
    (outcome, text)
}

/// Whether more readings could turn the verdict on times into gross growth.
fn may_be_gross(judged: &CurveJudgement, allowed: Scaling) -> bool {
    let exponent = judged.evidence.as_ref().and_then(|evidence| evidence.tail_exponent);
    let gross = match allowed {
        Scaling::Linear => 1.6,
        Scaling::Quadratic => 2.6,
    };
    exponent.is_some_and(|exponent| exponent.value >= gross)
}

fn pass(measured: &Measured, allowed: Scaling, judged: &CurveJudgement) -> String {
    let top = grouped(measured.series.top_size());
    let adverb = allowed.adverb();
    let mut text = match (measured.way, judged.verdict) {
        (Way::CpuTime, _) => format!("no gross growth up to N = {top}"),
        (_, CurveVerdict::Ok) => format!("the cost grows at most {adverb} up to N = {top}"),
        (_, CurveVerdict::Superlinear) => format!(
            "undecided: up to N = {top} the cost grows faster than {adverb}, or its cost per item rises \
             once; sizes up to twice as large would decide"
        ),
        (_, CurveVerdict::Inconclusive(doubt)) => format!("undecided up to N = {top}: {doubt}"),
    };
    let exponent = judged.evidence.as_ref().and_then(|evidence| evidence.tail_exponent);
    let _ = write!(text, " ({}). {}", exponent_text(exponent), measured.way.sentence());
    text
}

fn exponent_text(exponent: Option<Estimate>) -> String {
    let legend = "1 = linear, 2 = quadratic";
    match exponent {
        Some(exponent) => format!("scaling exponent {:.2}; {legend}", exponent.value),
        None => format!("scaling exponent 0; {legend}"),
    }
}

fn failure(measured: &Measured, allowed: Scaling, judged: &CurveJudgement) -> String {
    let mut text = format!("the cost grows faster than {} with N", allowed.adverb());
    let unit = measured.way.unit();
    let _ = write!(text, "\n{:>12}  {unit:>16}  {:>12}", "N", "per item");
    for (n, costs) in measured.series.sizes().iter().zip(measured.series.costs()) {
        let cost = median(costs);
        let whole = cost.round() as u64;
        let per_item = cost / *n as f64;
        let _ = write!(text, "\n{:>12}  {:>16}  {per_item:>12.1}", grouped(*n), grouped(whole));
    }
    if let Some(evidence) = &judged.evidence {
        let top = grouped(measured.series.top_size());
        let share = 100.0 * evidence.share;
        let exponent = exponent_text(evidence.tail_exponent);
        let _ = write!(text, "\n{share:.0} % of the cost at N = {top} grows faster ({exponent}).");
    }
    for culprit in culprits(measured, allowed) {
        let _ = write!(text, "\n{culprit}");
    }
    let _ = write!(text, "\n{}", measured.way.sentence());
    text
}

fn median(costs: &[f64]) -> f64 {
    let mut sorted = costs.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Functions named in a failure.
const MOST_CULPRITS: usize = 3;

/// The functions whose own cost grows faster than is allowed, the most expensive first.
fn culprits(measured: &Measured, allowed: Scaling) -> Vec<String> {
    let sizes = measured.series.sizes();
    let top_cost = measured.series.costs().last().map_or(0.0, |costs| median(costs));
    let options = CurveOptions { expect: allowed.expect(), tau: None };
    let mut found = Vec::new();
    for Function { name, counts, called_for } in &measured.functions {
        let share = counts.last().map_or(0.0, |count| *count as f64 / top_cost);
        if share < 0.01 {
            continue;
        }
        let costs = counts.iter().map(|count| vec![*count as f64]).collect();
        let Ok(series) = Series::new(Kind::Count, sizes.to_vec(), costs) else { continue };
        let series = series.exact(true);
        if judge_curve(&series, &options).verdict != CurveVerdict::Superlinear {
            continue;
        }
        let Some(formula) = Formula::of(&series) else { continue };
        let caller = called_for.as_ref().map(|caller| format!(" (called for {caller})"));
        let caller = caller.unwrap_or_default();
        let percent = 100.0 * share;
        found.push((
            share,
            format!(
                "function {name}{caller}: {formula} instructions, {percent:.0} % of all at the largest N"
            ),
        ));
    }
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found.into_iter().take(MOST_CULPRITS).map(|(_, text)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [usize; 7] = [64, 128, 256, 512, 1024, 2048, 4096];

    type Case = (fn(f64) -> f64, Scaling, Outcome);

    fn counts(cost: fn(f64) -> f64) -> Vec<u64> {
        SIZES.iter().map(|n| cost(*n as f64).round() as u64).collect()
    }

    fn counted(cost: fn(f64) -> f64) -> Measured {
        let counted = Counted { counts: counts(cost), functions: Vec::new() };
        Measured::counts(Way::Perf, &SIZES, counted)
    }

    fn timed(cost: fn(f64) -> f64) -> Measured {
        let noise = [1.0, 1.02, 0.97, 1.1, 0.99, 1.03, 1.0, 0.98, 1.05, 1.01];
        let row = |n: &usize| noise.iter().map(|noise| noise * cost(*n as f64)).collect();
        Measured::times(&SIZES, SIZES.iter().map(row).collect())
    }

    #[test]
    fn counts_decide_small_shares() {
        let table: [Case; 8] = [
            (|n| 900.0 + 33.0 * n, Scaling::Linear, Outcome::Pass),
            (|n| 900.0 + 3.0 * n * n.log2(), Scaling::Linear, Outcome::Pass),
            (|_| 900.0, Scaling::Linear, Outcome::Pass),
            (|n| 33.0 * (0.8 * n + 0.2 * n * n / 4096.0), Scaling::Linear, Outcome::Fail),
            (|n| 900.0 + 0.5 * n * n, Scaling::Linear, Outcome::Fail),
            (|n| 900.0 + 0.5 * n * n, Scaling::Quadratic, Outcome::Pass),
            (|n| n * (0.8 * n + 0.2 * n * n / 4096.0), Scaling::Quadratic, Outcome::Fail),
            (|n| n * n * n, Scaling::Quadratic, Outcome::Fail),
        ];
        for (i, (cost, allowed, expected)) in table.into_iter().enumerate() {
            let (outcome, text) = judge(&counted(cost), allowed);
            assert_eq!(outcome, expected, "{i}: {text}");
        }
    }

    #[test]
    fn times_decide_gross_growth_only() {
        let table: [Case; 6] = [
            (|n| 900.0 + 33.0 * n, Scaling::Linear, Outcome::Pass),
            (|n| 33.0 * (0.8 * n + 0.2 * n * n / 4096.0), Scaling::Linear, Outcome::Pass),
            (|n| n.powf(1.4), Scaling::Linear, Outcome::Pass),
            (|n| n * n, Scaling::Linear, Outcome::Fail),
            (|n| n * n, Scaling::Quadratic, Outcome::Pass),
            (|n| n * n * n, Scaling::Quadratic, Outcome::Fail),
        ];
        for (i, (cost, allowed, expected)) in table.into_iter().enumerate() {
            let (outcome, text) = judge(&timed(cost), allowed);
            assert_eq!(outcome, expected, "{i}: {text}");
        }
    }

    #[test]
    fn a_failure_names_the_function_and_shows_the_costs() {
        let function = |name: &str, cost, called_for: Option<&str>| Function {
            name: name.to_owned(),
            counts: counts(cost),
            called_for: called_for.map(str::to_owned),
        };
        let functions = vec![
            function("memmove", |n| 2.0 * n * n, Some("parser::find")),
            function("parser::push", |n| 40.0 * n, None),
        ];
        let counted = Counted { counts: counts(|n| 2.0 * n * n + 40.0 * n), functions };
        let way = Way::Callgrind(Version { major: 3, minor: 19, patch: 0 });
        let (outcome, text) = judge(&Measured::counts(way, &SIZES, counted), Scaling::Linear);
        assert_eq!(outcome, Outcome::Fail);
        assert_eq!(
            text,
            "\
the cost grows faster than linearly with N
           N      instructions      per item
          64            10,752         168.0
         128            37,888         296.0
         256           141,312         552.0
         512           544,768        1064.0
       1,024         2,138,112        2088.0
       2,048         8,470,528        4136.0
       4,096        33,718,272        8232.0
100 % of the cost at N = 4,096 grows faster (scaling exponent 1.99; 1 = linear, 2 = quadratic).
function memmove (called for parser::find): 2.00·N² instructions, 100 % of all at the largest N
Instructions were counted by callgrind (valgrind 3.19.0)."
        );
    }

    #[test]
    fn a_pass_names_the_way_and_what_it_would_not_see() {
        let (_, text) = judge(&counted(|n| 900.0 + 33.0 * n), Scaling::Linear);
        assert_eq!(
            text,
            "the cost grows at most linearly up to N = 4,096 (scaling exponent 1.00; 1 = linear, \
             2 = quadratic). Instructions were counted by perf."
        );
        let (_, text) = judge(&timed(|n| 33.0 * n), Scaling::Linear);
        assert!(text.starts_with("no gross growth up to N = 4,096"), "{text}");
        assert!(text.ends_with("Smaller growth would not be seen."), "{text}");
    }
}
