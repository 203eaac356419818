//! The further measurements that would help to decide the undecided series of a session.

use loadline_growth::{CheckOutcome, Doubt, Remedy, Rule, Verdict};
use loadline_record::escalation::{Step, Wish};
use loadline_scenario::{Collector, MetricKind};

use crate::judged::{Against, Ground, Judged, Outcome};
use crate::outcome::Report;

/// Lists the steps that would help to decide the undecided series of `report`, in the order of its rows.
/// Self-checks come first, because without them no verdict counts.
pub fn wishes(report: &Report) -> Vec<Wish> {
    let unsure = report.self_checks.iter().filter(|check| check.outcome == CheckOutcome::Undecided);
    let checks = unsure.map(|check| Wish {
        full_names: check.scenarios.iter().map(|full_name| (*full_name).to_owned()).collect(),
        step: Step::MoreRepetitions,
    });
    checks.chain(report.rows.iter().filter_map(wish)).collect()
}

fn wish(row: &Judged) -> Option<Wish> {
    if let Outcome::Scaled(scaled) = &row.outcome {
        let is_imprecise = scaled.verdict == Verdict::Inconclusive(Doubt::ScalingImprecise);
        let wish = || Wish { full_names: scaled.full_names.to_vec(), step: Step::MoreRepetitions };
        return is_imprecise.then(wish);
    }
    let Outcome::Verdict { verdict, ground, judgement, against, may_widen, n_larger, .. } =
        &row.outcome
    else {
        return None;
    };
    // A growing time is measured once more at a larger N. Growth would be larger there, but a step in cost
    // would not.
    let is_to_confirm = *verdict == Verdict::Regressed
        && (judgement.decided_by == Rule::Pair || *ground == Ground::Gross)
        && row.name.metric.kind() == MetricKind::Time
        && *n_larger == 0;
    // Without anything to compare with, more data cannot decide the series.
    let remedy = judgement.remedy.filter(|_| *against != Against::Nothing);
    let step = match remedy {
        Some(Remedy::Repetitions { .. }) => Step::MoreRepetitions,
        Some(Remedy::LargerSize { .. }) if *may_widen => Step::LargerN,
        None if is_to_confirm && *may_widen => Step::LargerN,
        _ => return None,
    };
    // The session adds repetitions and sizes to runs by the clock. Counting runs get only the larger sizes.
    let helps = match row.collector {
        Collector::Clock => true,
        Collector::Count => step == Step::LargerN,
        Collector::Callgrind => false,
    };
    if !helps {
        return None;
    }
    let mut full_names = vec![row.scenario.clone()];
    if let Against::Control(control) = against {
        full_names.push(control.clone());
    }
    Some(Wish { full_names, step })
}
#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use loadline_growth::{JudgeOptions, Kind, Series, judge};
    use loadline_scenario::{Metric, Phase, SeriesName};

    use super::*;

    /// An undecided series of noise, compared with a control.
    fn undecided(metric: Metric, collector: Collector) -> Judged {
        let sizes: Vec<u64> = (0..7).map(|k| 64 << k).collect();
        let noise = [0.5, 1.6, 0.8, 1.9, 1.1, 0.6, 1.4];
        let repetition =
            |n: u64, repetition: usize| n as f64 * noise[(n.ilog2() as usize + 3 * repetition) % 7];
        let costs = sizes.iter().map(|&n| (0..5).map(|j| repetition(n, j)).collect()).collect();
        let series = Series::new(Kind::Count, sizes, costs).unwrap();
        let judgement = judge(&series, Some(&series), &JudgeOptions::default());
        assert!(matches!(judgement.remedy, Some(Remedy::Repetitions { .. })), "{judgement:?}");
        Judged {
            scenario: "a".to_owned(),
            name: SeriesName::new(Phase::Load, metric),
            collector,
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
    fn repetitions_by_the_clock_are_added_where_they_say_more() {
        let full_names = vec!["a".to_owned(), "b".to_owned()];
        let by_clock = wish(&undecided(Metric::PageFaults, Collector::Clock));
        assert_eq!(by_clock, Some(Wish { full_names, step: Step::MoreRepetitions }));
        assert_eq!(wish(&undecided(Metric::MappingsLive, Collector::Count)), None);
        assert_eq!(wish(&undecided(Metric::CallgrindInstructions, Collector::Callgrind)), None);
    }
}
