//! Judges whether threads gain what they should. Each scenario that is to scale runs on several threads and
//! on one, with its control on as many, in one session. Gives a report one more row per scenario.

use loadline_growth::{
    Doubt, ScalingJudgement, ScalingOptions, ScalingVerdict, Series, Tau, Verdict, Work,
    judge_scaling,
};
use loadline_scenario::{KnownContention, Scenario, SeriesName};

use crate::judged::{Judged, Outcome};
use crate::rules::known::Present;
use crate::rules::known_issue::{KnownIssue, KnownState};
use crate::rules::readings::{NoSeries, medians, on_common_sizes, workload};
use crate::rules::reference::LOOKS;
use crate::rules::scaled::{Scaled, times};
use loadline_record::measured::{Measured, MeasuredBefore};

/// Judges every scenario of `measured` that is to scale and was measured for it. `tau` is the structural
/// floor of times.
pub fn judge(measured: &Measured, tau: Option<Tau>) -> Vec<Judged> {
    let asked = measured.scenarios.iter().map(|m| &m.scenario);
    asked.filter_map(|scenario| row(scenario, measured, tau)).collect()
}

fn row(scenario: &Scenario, measured: &Measured, tau: Option<Tau>) -> Option<Judged> {
    let scaling = scenario.scales()?;
    let [several, control] = scenario.full_names_on_threads()?;
    let full_names =
        [several.clone(), scenario.full_name(), control, scenario.control_full_name()?];
    let find = |full_name: &String| {
        measured.scenarios.iter().find(|m| m.scenario.full_name() == *full_name)
    };
    // If one of the four scenarios is not part of the session, there is nothing to judge.
    let [Some(shared), Some(alone), Some(control_shared), Some(control_alone)] =
        full_names.each_ref().map(find)
    else {
        return None;
    };
    let (name, threads) = (scaling.series, scaling.threads.get());
    let options = ScalingOptions { threads, looks: LOOKS, tau };
    let judged = |one, other| Ok(Both::of(workload(one, name)?, workload(other, name)?));
    let found = judged(alone, shared).and_then(|work| {
        let control = judged(control_alone, control_shared)?;
        Ok((judge_scaling(work.work(), control.work(), &options), work))
    });
    // In a comparison with another build, known contention does not matter.
    let known = scenario.known_contention(&measured.environment.unwinder_family);
    let known = known.filter(|_| measured.before.is_none());
    let mut notes = Vec::new();
    let (outcome, known) = match found {
        Err(why) => (NoSeries::into(why), None),
        Ok((judgement, work)) => {
            let (verdict, state) = match &measured.before {
                None => meaning(&judgement, known, &Present::of(measured)),
                Some(before) => {
                    let theirs = theirs(before, &full_names, name);
                    let judge = |other: Both| judge_scaling(work.work(), other.work(), &options);
                    let other = theirs.map(judge);
                    let sentence = |other| other_sentence(other, &before.build.name);
                    notes.extend(other.as_ref().and_then(sentence));
                    (since(judgement.verdict, other.map(|other| other.verdict)), None)
                }
            };
            let scaled = Scaled {
                verdict,
                judgement,
                costs: medians(&work.shared),
                alone: medians(&work.alone),
                full_names,
            };
            let known = known.zip(state).map(|(known, state)| issue(known, state));
            (Outcome::Scaled(Box::new(scaled)), known)
        }
    };
    // A known issue that is no longer seen is reported later, with the place of its entry.
    let is_told = |known: &&KnownIssue| known.state != KnownState::NoLongerSeen;
    notes.extend(known.iter().filter(is_told).map(|known| known.sentence(&measured.environment)));
    Some(Judged {
        scenario: several,
        name,
        collector: scenario.collector_of(name.metric),
        outcome,
        notes,
        has_no_baseline: false,
        known,
    })
}

/// Returns the times of the other build, on one thread and on several. Returns `None` if its runs failed or
/// nothing counts the times.
fn theirs(before: &MeasuredBefore, full_names: &[String; 4], name: SeriesName) -> Option<Both> {
    let of = |full_name: &String| {
        let one = before.scenarios.iter().find(|m| m.scenario.full_name() == *full_name)?;
        workload(one, name).ok()
    };
    Some(Both::of(of(&full_names[1])?, of(&full_names[0])?))
}

/// Returns the verdict if another build was measured as well. A loss against the control is red only if
/// threads gained more in the other build.
fn since(own: ScalingVerdict, against_other: Option<ScalingVerdict>) -> Verdict {
    match (own, against_other) {
        (ScalingVerdict::Scales, _) => Verdict::Holds,
        (ScalingVerdict::Inconclusive(doubt), _) => Verdict::Inconclusive(doubt),
        (ScalingVerdict::Lost, Some(ScalingVerdict::Lost)) => Verdict::Regressed,
        (ScalingVerdict::Lost, Some(ScalingVerdict::Inconclusive(doubt)))
            if doubt != Doubt::ControlGainsNothing =>
        {
            Verdict::Inconclusive(doubt)
        }
        // In the other build threads gain as little, or nothing.
        (ScalingVerdict::Lost, Some(_)) => Verdict::Holds,
        (ScalingVerdict::Lost, None) => Verdict::Inconclusive(Doubt::ScalingImprecise),
    }
}

/// Describes what threads gain in the other build, which is called `name`.
fn other_sentence(against_other: &ScalingJudgement, name: &str) -> Option<String> {
    let evidence = against_other.evidence?;
    let (threads, times) = (evidence.threads, times(evidence.control_speed_up));
    Some(format!("by {name} {threads} threads are {times} as fast as one"))
}

fn issue(known: &KnownContention, state: KnownState) -> KnownIssue {
    let KnownContention { reason, link, expires, .. } = known.clone();
    KnownIssue { state, reason, link, expires }
}

/// The times of one thread and of several threads, at the sizes that both have. A larger N that was added to
/// confirm growth has no times on several threads.
struct Both {
    alone: Series,
    shared: Series,
}

impl Both {
    fn of(alone: Series, shared: Series) -> Both {
        let (alone, shared) = on_common_sizes(&alone, &shared);
        Both { alone, shared }
    }

    fn work(&self) -> Work<'_> {
        Work { alone: &self.alone, shared: &self.shared }
    }
}

/// Returns the verdict with the known issue applied, and what the session says about the issue.
fn meaning(
    judgement: &ScalingJudgement,
    known: Option<&KnownContention>,
    present: &Present<'_>,
) -> (Verdict, Option<KnownState>) {
    let has_expired = known.is_some_and(|known| present.is_after(&known.expires));
    let (verdict, state) = match judgement.verdict {
        _ if has_expired && judgement.verdict == ScalingVerdict::Lost => {
            (Verdict::Regressed, KnownState::Expired)
        }
        ScalingVerdict::Scales => (Verdict::Holds, KnownState::NoLongerSeen),
        ScalingVerdict::Inconclusive(doubt) => {
            (Verdict::Inconclusive(doubt), KnownState::Undecided)
        }
        ScalingVerdict::Lost if known.is_some() => (Verdict::Holds, KnownState::Seen),
        ScalingVerdict::Lost => (Verdict::Regressed, KnownState::Undecided),
    };
    (verdict, known.map(|_| state))
}
