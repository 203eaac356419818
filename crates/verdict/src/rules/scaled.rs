//! Whether threads gain what they should: the finding of one scenario.

use loadline_growth::{Estimate, ScalingJudgement, Verdict};

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

impl Scaled {
    /// What was found, as a sentence; `None` where there was nothing to find it from.
    pub fn sentence(&self) -> Option<String> {
        let evidence = self.judgement.evidence?;
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

/// How many times as fast, with the interval.
pub(crate) fn times(e: Estimate) -> String {
    format!("{:.2} times (95 %: {:.2} … {:.2})", e.value, e.interval.low, e.interval.high)
}
