//! Whether threads gain what they should: each scenario that is to scale, on several threads and on one,
//! beside its control on as many, all of one session. Gives one more row to a report.

use loadline_growth::{
    Estimate, ScalingJudgement, ScalingOptions, ScalingVerdict, Series, Tau, Verdict, Work,
    judge_scaling,
};
use loadline_scenario::{Environment, KnownContention, Scenario};

use crate::judgement::{Judged, LOOKS, NoSeries, Outcome, medians, on_common_sizes, subject};
use crate::known::{KnownIssue, KnownSight};
use loadline_record::baseline::has_expired;
use loadline_record::rounds::Measured;

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

fn row(scenario: &Scenario, measured: &Measured, tau: Option<Tau>) -> Option<Judged> {
    let scaling = scenario.scales()?;
    let [several, control] = scenario.titles_on_threads()?;
    let titles = [several.clone(), scenario.title(), control, scenario.control_title()?];
    let find = |title: &String| measured.scenarios.iter().find(|m| m.scenario.title() == *title);
    // Where one of them is not part of the session, nothing was asked.
    let [Some(shared), Some(alone), Some(control_shared), Some(control_alone)] =
        titles.each_ref().map(find)
    else {
        return None;
    };
    let name = scaling.series;
    let judged = |one, other| Ok(Both::of(subject(one, name)?, subject(other, name)?));
    let found = judged(alone, shared).and_then(|work| {
        let control = judged(control_alone, control_shared)?;
        let options = ScalingOptions { threads: scaling.threads.get(), looks: LOOKS, tau };
        Ok((judge_scaling(work.work(), control.work(), &options), work))
    });
    let environment = &measured.environment;
    let known = scenario.known_contention(&environment.unwinder_family);
    let (outcome, known) = match found {
        Err(why) => (NoSeries::into(why), None),
        Ok((judgement, work)) => {
            let (verdict, sight) = meaning(&judgement, known, environment);
            let scaled = Scaled {
                verdict,
                judgement,
                costs: medians(&work.shared),
                alone: medians(&work.alone),
                titles,
            };
            let known = known.zip(sight).map(|(known, sight)| issue(known, sight));
            (Outcome::Scaled(Box::new(scaled)), known)
        }
    };
    // What is gone is told with its place.
    let is_told = |known: &&KnownIssue| known.sight != KnownSight::NoLongerSeen;
    let notes = known.iter().filter(is_told).map(|known| known.sentence(environment)).collect();
    let means = scenario.means_of(name.metric);
    Some(Judged { scenario: several, name, means, outcome, notes, has_no_baseline: false, known })
}

fn issue(known: &KnownContention, sight: KnownSight) -> KnownIssue {
    let KnownContention { reason, link, until, .. } = known.clone();
    KnownIssue { sight, reason, link, until }
}

/// The times of one thread, and of several, at the sizes that both have: a larger N that was added for
/// growth's sake is not there on several.
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

/// The verdict, once what is known and accepted is taken into account, and what the session says
/// about it.
fn meaning(
    judgement: &ScalingJudgement,
    known: Option<&KnownContention>,
    environment: &Environment,
) -> (Verdict, Option<KnownSight>) {
    let has_expired = known.is_some_and(|known| has_expired(&known.until, environment));
    let (verdict, sight) = match judgement.verdict {
        _ if has_expired && judgement.verdict == ScalingVerdict::Lost => {
            (Verdict::Regressed, KnownSight::Expired)
        }
        ScalingVerdict::Scales => (Verdict::Holds, KnownSight::NoLongerSeen),
        ScalingVerdict::Inconclusive(doubt) => {
            (Verdict::Inconclusive(doubt), KnownSight::Undecided)
        }
        ScalingVerdict::Lost if known.is_some() => (Verdict::Holds, KnownSight::Seen),
        ScalingVerdict::Lost => (Verdict::Regressed, KnownSight::Undecided),
    };
    (verdict, known.map(|_| sight))
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
