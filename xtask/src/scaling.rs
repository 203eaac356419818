//! Whether threads gain what they should: each scenario that is to scale, on several threads and on one,
//! beside its control on as many, all of one session. Gives one more row to a report.

use std::collections::BTreeMap;

use loadline_growth::{
    Estimate, ScalingJudgement, ScalingOptions, ScalingVerdict, Series, Tau, Verdict, Work,
    judge_scaling,
};
use loadline_scenario::{Environment, KnownContention, Scenario, SeriesName, Variant};

use crate::baseline_file::has_expired;
use crate::judgement::{Judged, LOOKS, Outcome, control_title, is_control, medians};
use crate::measured::Measured;

/// What came of the question whether threads gain what they should.
#[derive(Debug)]
pub struct Scaled {
    /// One of five words.
    pub verdict: Verdict,
    /// The finding.
    pub judgement: ScalingJudgement,
    /// What all threads together take, and what one alone does, by N.
    pub costs: Vec<(u64, f64)>,
    /// The same on one thread.
    pub alone: Vec<(u64, f64)>,
    /// The scenarios it rests on: on several threads, on one, and the control on each.
    pub titles: [String; 4],
}

/// Every scenario of `measured` that is to scale and was measured for it; `tau` is the floor of times.
pub fn judge(measured: &Measured, tau: Option<Tau>) -> Vec<Judged> {
    let asked = measured.scenarios.iter().map(|m| &m.scenario);
    asked.filter_map(|scenario| row(scenario, measured, tau)).collect()
}

/// The changes that make `scenario` the same on several threads. A control is measured on them behind
/// what it controls, not by itself.
pub fn changes_of_several(scenario: &Scenario) -> Option<BTreeMap<String, String>> {
    scenario.changes_of_several().filter(|_| !is_control(scenario))
}

/// The titles of what is measured on several threads because of `scenario`: itself, and its control.
pub fn on_threads(scenario: &Scenario) -> Option<[String; 2]> {
    let variant = Variant(changes_of_several(scenario)?);
    let several = Scenario { variant, ..scenario.clone() };
    Some([several.title(), control_title(&several)?])
}

fn row(scenario: &Scenario, measured: &Measured, tau: Option<Tau>) -> Option<Judged> {
    let scaling = scenario.scales()?;
    let [several, control] = on_threads(scenario)?;
    let titles = [several.clone(), scenario.title(), control, control_title(scenario)?];
    let find = |title: &str| measured.scenarios.iter().find(|m| m.scenario.title() == title);
    // Where one of them is not part of the session, nothing was asked.
    if titles.iter().any(|title| find(title).is_none()) {
        return None;
    }
    let name = scaling.series;
    let mut notes = Vec::new();
    let all: Option<Vec<Series>> = titles.iter().map(|title| find(title)?.complete(name)).collect();
    let outcome = match all.as_deref() {
        Some([shared, alone, control_shared, control_alone]) => {
            let options = ScalingOptions { threads: scaling.threads.get(), looks: LOOKS, tau };
            let control = Work { alone: control_alone, shared: control_shared };
            let judgement = judge_scaling(Work { alone, shared }, control, &options);
            let known = scenario.known_contention(&measured.environment.unwinder_family);
            Outcome::Scaled(Box::new(Scaled {
                verdict: meaning(&judgement, known, &measured.environment, &mut notes),
                judgement,
                costs: medians(shared),
                alone: medians(alone),
                titles,
            }))
        }
        _ => why_none(&titles, name, measured),
    };
    let means = scenario.means_of(name.metric);
    Some(Judged { scenario: several, name, means, outcome, notes, has_no_baseline: false })
}

/// Why one of the four has no series: its runs failed, or nobody counts it here.
fn why_none(titles: &[String], name: SeriesName, measured: &Measured) -> Outcome {
    let of = |title: &String| measured.scenarios.iter().find(|m| m.scenario.title() == *title);
    let absence = titles.iter().filter_map(of).find_map(|m| m.absence(name));
    absence.map_or(Outcome::Failed, Outcome::NotJudged)
}

/// The verdict, once what is known and accepted is taken into account.
fn meaning(
    judgement: &ScalingJudgement,
    known: Option<&KnownContention>,
    environment: &Environment,
    notes: &mut Vec<String>,
) -> Verdict {
    match (judgement.verdict, known) {
        (ScalingVerdict::Scales, _) => Verdict::Holds,
        (ScalingVerdict::Inconclusive(doubt), _) => Verdict::Inconclusive(doubt),
        (ScalingVerdict::Lost, None) => Verdict::Regressed,
        (ScalingVerdict::Lost, Some(KnownContention { until, reason, link, .. })) => {
            if has_expired(until, environment) {
                notes.push(format!(
                    "known and accepted until {until}, which has come: look at {link}, then mend it or state a later end in the scenario"
                ));
                return Verdict::Regressed;
            }
            notes.push(format!("known and accepted until {until}: {reason} ({link})"));
            Verdict::Holds
        }
    }
}

impl Scaled {
    /// What was found, as a sentence; `None` where there was nothing to find it from.
    pub fn sentence(&self) -> Option<String> {
        let evidence = self.judgement.evidence?;
        let times = |e: Estimate| {
            format!("{:.2} times (95 %: {:.2} … {:.2})", e.value, e.interval.low, e.interval.high)
        };
        Some(format!(
            "at N = {} {} threads are {} as fast as one, and {} in the control {}",
            evidence.size,
            evidence.threads,
            times(evidence.speed_up),
            times(evidence.control_speed_up),
            self.titles[2]
        ))
    }
}
