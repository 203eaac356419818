//! Formats the figures behind a verdict as sentences in the reader's units, once for all forms of a report.
//! Converts units and computes nothing else.

use std::fmt::Write as _;

use loadline_growth::{Estimate, Judgement, Rule, Verdict};
use loadline_scenario::{MetricKind, SeriesName};

use crate::session::advice::Advice;
use loadline_scenario::units::amount;
use loadline_verdict::judged::{Against, Ground};

/// A judged series, as input for its sentences.
pub struct Case<'a> {
    pub name: SeriesName,
    /// The noun for one of the items that N counts.
    pub one: &'a str,
    pub verdict: Verdict,
    pub ground: Ground,
    pub judgement: &'a Judgement,
    pub against: &'a Against,
    /// The cost at each N, and the cost of the other side.
    pub costs: &'a [(u64, f64)],
    pub other_costs: &'a [(u64, f64)],
    /// Advice on how to decide the series, if it is undecided.
    pub settle: Option<&'a Advice>,
}

/// The sentences that explain a verdict to a reader.
pub struct Evidence {
    /// The sentences, in order.
    pub sentences: Vec<String>,
    /// The sentence that a reader needs first, if there is one.
    pub consequence: Option<String>,
}

impl Case<'_> {
    /// Builds all sentences. A series that passes has none.
    pub fn evidence(&self) -> Evidence {
        if self.verdict == Verdict::Holds {
            return Evidence { sentences: Vec::new(), consequence: None };
        }
        // A series that a known issue makes red need not cost more than the other side.
        let is_more = self.verdict == Verdict::Regressed && self.ground != Ground::KnownIssue;
        let instead = self.instead().filter(|_| is_more);
        let next = self.next_module().filter(|_| is_more);
        let consequence = instead.clone().or_else(|| next.clone());
        let growth = self.growth().filter(|_| self.ground == Ground::Rule);
        let mut sentences: Vec<String> = growth.into_iter().collect();
        if self.ground == Ground::Gross {
            sentences.push(
                "each of the last two doublings of N costs at least three times as much: this alone makes the series red, because no control and no baseline can be compared with it"
                    .to_owned(),
            );
        }
        sentences.extend(instead);
        sentences.extend(next);
        sentences.extend(self.superlinear());
        if !self.costs.is_empty() {
            sentences.push(format!("per {}: {}", self.one, self.per_one()));
        }
        if let Verdict::Inconclusive(doubt) = self.verdict {
            sentences.push(doubt.to_string());
            if let Some(share) = self.judgement.smallest_detectable {
                sentences.push(format!("would have seen a share of {:.0} %", share * 100.0));
            }
        }
        if self.verdict != Verdict::Regressed {
            sentences.extend(self.settle.map(|advice| format!("to decide it: {}", advice.line())));
        }
        Evidence { sentences, consequence }
    }

    fn unit(&self) -> &'static str {
        self.name.metric.unit()
    }

    /// Returns the share of growth, if the pair rule decided.
    fn growth_estimate(&self) -> Option<Estimate> {
        let pair = self.judgement.pair.as_ref()?.evidence.as_ref()?;
        (self.judgement.decided_by == Rule::Pair).then_some(pair.growth)
    }

    fn growth(&self) -> Option<String> {
        let share = self.growth_estimate()?;
        let pair = self.judgement.pair.as_ref()?.evidence.as_ref()?;
        let compared = match self.against {
            Against::Control(full_name) => {
                format!("than {full_name}, measured in the same session")
            }
            Against::Build(name) => format!("than with {name}, measured in turn with it"),
            _ => "than the baseline".to_owned(),
        };
        let top = self.costs.last().map_or(0, |(n, _)| *n);
        Some(if self.verdict == Verdict::Improved {
            let (more, whose) = (-share.value * 100.0, compared.trim_start_matches("than "));
            format!("at N = {top}, with the growth of {whose} it would cost {more:.0} % more")
        } else if let Some(excess) = pair.gross_excess() {
            let times = 1.0 / (1.0 - excess.min(0.99));
            format!(
                "at N = {top} it costs more than {times:.1} times what it would if it grew no faster {compared}"
            )
        } else {
            format!(
                "at N = {top}, {:.0} % of the cost (95 %: {:.0} … {:.0} %) grows faster {compared}, by {}; {}",
                share.value * 100.0,
                share.interval.low * 100.0,
                share.interval.high * 100.0,
                pair.growth_name(),
                probability(pair.p, self.judgement.holm_p),
            )
        })
    }

    /// Describes the cost at the largest N, compared with the other side.
    fn instead(&self) -> Option<String> {
        let (n, cost) = self.costs.last()?;
        let (_, other) = self.other_costs.iter().find(|(other, _)| other == n)?;
        let (cost, other) = (amount(*cost, self.unit()), amount(*other, self.unit()));
        let whose = match self.against {
            Against::Control(full_name) => format!(" in {full_name}"),
            _ => String::new(),
        };
        Some(format!("at N = {n} it costs {cost} instead of {other}{whose}"))
    }

    /// Describes the cost of one more module at the largest N. Compares it with the other side, or with the
    /// smallest N if the other side is unknown.
    fn next_module(&self) -> Option<String> {
        let top = self.costs.last()?.0;
        let now = next_module(self.costs, self.costs.len().checked_sub(1)?)?;
        let (instead, from) = match self.other_costs.len().checked_sub(1).filter(|last| *last > 0) {
            Some(place) => (next_module(self.other_costs, place)?, String::new()),
            None => (next_module(self.costs, 1)?, format!(" at N = {}", self.costs[0].0)),
        };
        let (now, instead) = (amount(now, self.unit()), amount(instead, self.unit()));
        let one = self.one;
        Some(format!("the next {one} at N = {top} costs {now} instead of {instead}{from}"))
    }

    fn superlinear(&self) -> Option<String> {
        let curve = self.judgement.curve.evidence.as_ref()?;
        let crossover = curve.crossover.filter(|_| curve.share >= loadline_growth::MIN_SHARE)?;
        let is_time = self.name.metric.kind() == MetricKind::Time;
        let weight = if is_time { "; the curve of a time by itself decides nothing" } else { "" };
        Some(format!(
            "superlinear share {:.0} % at the largest N; if quadratic it overtakes the rest at N ≈ {crossover:.0}{weight}",
            curve.share * 100.0
        ))
    }

    /// Formats the cost per item at the smallest, a middle and the largest N.
    fn per_one(&self) -> String {
        let picked = [0, self.costs.len() / 2, self.costs.len() - 1];
        let mut shown = String::new();
        for (place, index) in picked.into_iter().enumerate() {
            let (n, cost) = self.costs[index];
            let separator = if place == 0 { "" } else { ", " };
            let each = amount(cost / n as f64, self.unit());
            // Writing to a String cannot fail.
            let _ = write!(shown, "{separator}{each} at N = {n}");
        }
        shown
    }

    /// Describes a change of cost that is not growth: it is shown, but not gated.
    pub fn constant_change(&self) -> Option<String> {
        let is_compared = matches!(self.against, Against::Baseline | Against::Build(_));
        // If the cost grows as well, a reader cannot see a constant factor in the costs.
        if !is_compared || self.verdict != Verdict::Holds {
            return None;
        }
        let factor = self.judgement.pair.as_ref()?.evidence.as_ref()?.constant_factor;
        let differs = factor.interval.low > 1.10 || factor.interval.high < 1.0 / 1.10;
        differs.then(|| {
            format!(
                "×{:.2} at every N (95 %: {:.2} … {:.2}), growth not counted; not gated",
                factor.value, factor.interval.low, factor.interval.high
            )
        })
    }
}

/// Formats a p-value, and its value adjusted for all series judged together.
fn probability(p: f64, adjusted: Option<f64>) -> String {
    let shown = |p: f64| match p {
        p if p < 0.0001 => "p < 0.0001".to_owned(),
        p if p < 0.095 => format!("p = {p:.4}"),
        p => format!("p = {p:.1}"),
    };
    match adjusted.filter(|adjusted| shown(*adjusted) != shown(p)) {
        Some(adjusted) => format!("{}, and {} among all series", shown(p), shown(adjusted)),
        None => shown(p),
    }
}

/// Returns the cost of one more module between the size before `place` and the size at `place`.
pub fn next_module(costs: &[(u64, f64)], place: usize) -> Option<f64> {
    let [(n, cost), (more, higher)] = costs.get(place.checked_sub(1)?..=place)? else {
        return None;
    };
    Some((higher - cost).max(0.0) / (more - n) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tiny_probability_is_only_bounded() {
        assert_eq!(probability(7.6e-22, None), "p < 0.0001");
        assert_eq!(probability(0.0123, Some(0.4)), "p = 0.0123, and p = 0.4 among all series");
        assert_eq!(probability(1e-9, Some(1e-8)), "p < 0.0001");
    }
}
