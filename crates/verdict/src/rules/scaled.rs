//! The verdict on whether threads gain what they should, for one scenario.

use loadline_growth::{Estimate, ScalingJudgement, Verdict};

/// The verdict on whether threads gain what they should.
#[derive(Debug)]
pub struct Scaled {
    /// The verdict, one of five words.
    pub verdict: Verdict,
    /// The finding of the scaling rule.
    pub judgement: ScalingJudgement,
    /// The time of all threads together, by N.
    pub costs: Vec<(u64, f64)>,
    /// The time of one thread alone, by N.
    pub alone: Vec<(u64, f64)>,
    /// The scenarios that the verdict rests on: on several threads, on one thread, and the control on each.
    pub full_names: [String; 4],
}

impl Scaled {
    /// Describes the finding in a sentence; returns `None` if there is no evidence.
    pub fn sentence(&self) -> Option<String> {
        let evidence = self.judgement.evidence?;
        Some(format!(
            "at N = {} {} threads are {} as fast as one, and {} in the control {}",
            evidence.size,
            evidence.threads,
            times(evidence.speed_up),
            times(evidence.control_speed_up),
            self.full_names[2]
        ))
    }
}

/// Formats a speed-up with its interval.
pub(crate) fn times(e: Estimate) -> String {
    format!("{:.2} times (95 %: {:.2} … {:.2})", e.value, e.interval.low, e.interval.high)
}
