//! Measures until sure: series that stay undecided get more rounds, or a larger N where rounds do not
//! help, as far as the budget reaches. Judges nothing itself.

use loadline_record::Result;
use std::collections::HashSet;
use std::time::Duration;

use loadline_growth::{Doubt, Remedy, Rule, Sight, Verdict};
use loadline_scenario::{Means, MetricKind};

use crate::measure::Measurement;
use crate::out;
use loadline_record::rounds::Measured;
use loadline_verdict::judged::{Against, Ground, Judged, Outcome};
use loadline_verdict::outcome::Report;

/// Rounds after which more of them are not worth their time.
const MOST_ROUNDS: usize = 20;

/// Rungs that may be added above a ladder, each twice the one below.
const MOST_LARGER: usize = 2;

/// What would help to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Twice the rounds, up to 20.
    MoreRounds,
    /// One more rung, twice the largest; at most two.
    LargerN,
}

/// A step that only helps if all of these scenarios take it: a scenario and its control, say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    titles: Vec<String>,
    step: Step,
}

/// Measures what is planned, then what is wished for while `judge` finds series undecided and
/// `budget` is not spent; returns the last state with its report.
///
/// # Errors
/// When a run cannot be saved, artifacts cannot be made, or the program is interrupted.
pub fn measure_until_sure(
    measurement: &mut Measurement<'_>,
    judge: impl Fn(&Measured) -> Report,
    budget: Duration,
) -> Result<(Measured, Report)> {
    measurement.run()?;
    loop {
        let report = judge(&measurement.measured());
        let granted = grant(measurement, &wishes(&report), budget);
        if granted.titles.is_empty() {
            if let Some(sentence) = granted.refused {
                out::note(sentence);
            }
            // Once more: now it says which larger N the machine does not hold.
            return Ok((measurement.measured(), report));
        }
        let (_, runs) = measurement.n_runs();
        out::note(format_args!(
            "not decided yet: {runs} more runs for {}",
            granted.titles.join(", ")
        ));
        measurement.prepare_larger()?;
        measurement.run()?;
    }
}

/// What came of wishes.
#[derive(Default)]
struct Granted {
    /// The scenarios that are measured further.
    titles: Vec<String>,
    /// What was not granted for want of time, one sentence.
    refused: Option<String>,
}

/// Grants wishes in their order, as far as the time they take is expected to fit into `budget`.
fn grant(measurement: &mut Measurement<'_>, wishes: &[Wish], budget: Duration) -> Granted {
    let mut planned = measurement.measuring();
    let mut taken: HashSet<(String, Step)> = HashSet::new();
    let mut granted = Granted::default();
    let mut missing = Duration::ZERO;
    let mut without = Vec::new();
    for wish in wishes {
        let is_open = |title: &&String| !taken.contains(&((*title).clone(), wish.step));
        let open: Vec<&String> = wish.titles.iter().filter(is_open).collect();
        let can_all = match wish.step {
            // A control that has its rounds already needs none.
            Step::MoreRounds => open.iter().any(|t| measurement.may_have_rounds(t, MOST_ROUNDS)),
            Step::LargerN => open.iter().all(|t| measurement.may_grow(t, MOST_LARGER)),
        };
        if open.is_empty() || !can_all {
            continue;
        }
        let time: Duration =
            open.iter().map(|t| measurement.time_for(t, wish.step, MOST_ROUNDS)).sum();
        if planned + time > budget {
            missing += time;
            without.push(wish.titles[0].clone());
            continue;
        }
        planned += time;
        for title in open {
            measurement.take_step(title, wish.step, MOST_ROUNDS);
            taken.insert((title.clone(), wish.step));
            granted.titles.push(title.clone());
        }
    }
    granted.titles.sort();
    granted.titles.dedup();
    without.sort();
    without.dedup();
    if !without.is_empty() && granted.titles.is_empty() {
        let (names, enough) = (without.join(", "), (planned + missing).as_secs() + 1);
        granted.refused = Some(format!(
            "the budget of {} s is spent: {names} would be measured further with --budget {enough}",
            budget.as_secs()
        ));
    }
    granted
}

/// What would help to decide what `report` leaves open, in the order of its rows; first of all the
/// teeth, without which nothing else counts.
fn wishes(report: &Report) -> Vec<Wish> {
    let unsure = report.teeth.iter().filter(|teeth| teeth.sight == Sight::Unsure);
    let teeth = unsure.map(|teeth| Wish {
        titles: teeth.scenarios.iter().map(|title| (*title).to_owned()).collect(),
        step: Step::MoreRounds,
    });
    teeth.chain(report.rows.iter().filter_map(wish)).collect()
}

fn wish(row: &Judged) -> Option<Wish> {
    if let Outcome::Scaled(scaled) = &row.outcome {
        let is_imprecise = scaled.verdict == Verdict::Inconclusive(Doubt::ScalingImprecise);
        let wish = || Wish { titles: scaled.titles.to_vec(), step: Step::MoreRounds };
        return is_imprecise.then(wish);
    }
    let Outcome::Verdict { verdict, ground, judgement, against, may_widen, n_larger, .. } =
        &row.outcome
    else {
        return None;
    };
    // A time that grows is looked at once more where growth would be larger, and a step in cost
    // would not.
    let is_to_confirm = *verdict == Verdict::Regressed
        && (judgement.decided_by == Rule::Pair || *ground == Ground::Gross)
        && row.name.metric.kind() == MetricKind::Time
        && *n_larger == 0;
    // With nothing to compare with, no data decide anything but that.
    let remedy = judgement.remedy.filter(|_| *against != Against::Nothing);
    let step = match remedy {
        Some(Remedy::Rounds { .. }) => Step::MoreRounds,
        Some(Remedy::LargerSize { .. }) if *may_widen => Step::LargerN,
        None if is_to_confirm && *may_widen => Step::LargerN,
        _ => return None,
    };
    // Rounds and rungs are added to runs by the clock; counting runs follow those to a larger N.
    let helps = match row.means {
        Means::Clock => true,
        Means::Count => step == Step::LargerN,
        Means::Callgrind => false,
    };
    if !helps {
        return None;
    }
    let mut titles = vec![row.scenario.clone()];
    if let Against::Control(control) = against {
        titles.push(control.clone());
    }
    Some(Wish { titles, step })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use loadline_growth::{JudgeOptions, Kind, Series, judge};
    use loadline_scenario::{Metric, Phase, SeriesName};

    use super::*;

    /// Judged from noise alone, with a control beside it.
    fn undecided(metric: Metric, means: Means) -> Judged {
        let sizes: Vec<u64> = (0..7).map(|k| 64 << k).collect();
        let noise = [0.5, 1.6, 0.8, 1.9, 1.1, 0.6, 1.4];
        let round = |n: u64, round: usize| n as f64 * noise[(n.ilog2() as usize + 3 * round) % 7];
        let costs = sizes.iter().map(|&n| (0..5).map(|j| round(n, j)).collect()).collect();
        let series = Series::new(Kind::Count, sizes, costs).unwrap();
        let judgement = judge(&series, Some(&series), &JudgeOptions::default());
        assert!(matches!(judgement.remedy, Some(Remedy::Rounds { .. })), "{judgement:?}");
        Judged {
            scenario: "a".to_owned(),
            name: SeriesName::new(Phase::Load, metric),
            means,
            outcome: Outcome::Verdict {
                verdict: judgement.verdict,
                ground: Ground::Rule,
                judgement: Box::new(judgement),
                costs: Vec::new(),
                against: Against::Control("b".to_owned()),
                other_tail: None,
                other_costs: Vec::new(),
                n_larger: 0,
                may_widen: true,
            },
            notes: Vec::new(),
            has_no_baseline: false,
            known: None,
        }
    }

    #[test]
    fn rounds_by_the_clock_are_added_where_they_say_more() {
        let titles = vec!["a".to_owned(), "b".to_owned()];
        let by_clock = wish(&undecided(Metric::PageFaults, Means::Clock));
        assert_eq!(by_clock, Some(Wish { titles, step: Step::MoreRounds }));
        assert_eq!(wish(&undecided(Metric::MappingsAlive, Means::Count)), None);
        assert_eq!(wish(&undecided(Metric::CallgrindInstructions, Means::Callgrind)), None);
    }
}
