//! Judges whether threads help: how much faster several threads do the same work than one thread. The work is
//! compared with a control that does other work in the same way.
//!
//! Two CPUs of a shared machine seldom do twice the work, so a speed-up by itself is never judged. The
//! control, measured in the same repetitions, shows how much threads can gain on this machine.

use super::curve::SHARE_OF_INTEREST;
use super::doubt::Doubt;
use crate::input::design::DesignFlaw;
use crate::input::series::Series;
use crate::input::summary::Summary;
use crate::input::tau::Tau;
use crate::numeric::estimate::{Estimate, Interval};
use crate::numeric::student::{quantile_above, upper_tail};

/// The same work done by one thread, and by several that share it.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The time that one thread takes for all of the work.
    pub alone: &'a Series,
    /// The time that several threads take, added up over the threads.
    pub shared: &'a Series,
}

/// The options of the scaling rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScalingOptions {
    /// The number of threads that share the work; at least 2.
    pub threads: usize,
    /// How often the same question is asked at most while repetitions are added. p is multiplied by this
    /// number. 0 counts as 1.
    pub looks: u32,
    /// The structural floor of all four series; `None` means the kind's default.
    pub tau: Option<Tau>,
}

/// The verdict of the scaling rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScalingVerdict {
    /// A loss of 20 % or more of the control's gain is excluded.
    Scales,
    /// The work loses 20 % or more of the control's gain.
    Lost,
    /// A loss is neither shown nor excluded, or the control gains nothing, so that nothing could be lost.
    Inconclusive(Doubt),
}

/// A verdict on scaling with its evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScalingJudgement {
    /// The verdict.
    pub verdict: ScalingVerdict,
    /// The figures behind the verdict; `None` only if the design allows none.
    pub evidence: Option<ScalingEvidence>,
}

/// The figures behind a verdict on scaling, all at the largest N. Intervals have 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScalingEvidence {
    /// The number of threads that shared the work.
    pub threads: usize,
    /// The largest N.
    pub size: u64,
    /// How many times as fast the threads are as one thread. 1 means no gain, and the number of threads is
    /// ideal. Below 1 the threads hinder each other.
    pub speed_up: Estimate,
    /// The speed-up of the control.
    pub control_speed_up: Estimate,
    /// The speed-up divided by the control's: 1 if nothing is lost.
    pub kept: Estimate,
    /// The p of such a loss if less than 20 % is lost, times the number of looks.
    pub p: f64,
}

/// The largest p that still shows a loss.
const LOSS_LEVEL: f64 = 0.001;
/// The smallest share of the control's speed-up that the work has to keep.
const LEAST_KEPT: f64 = 1.0 - SHARE_OF_INTEREST;

/// Judges how `work` scales compared with `control`. Both must have been measured at the same N.
///
/// Let m be the robust mean of ln(cost) of a series at the largest N and u its uncertainty (see [`Summary`]).
/// The speed-up is threads · e^(m_alone − m_shared). The kept share is e^D with D = (m_alone − m_shared) −
/// (m_alone − m_shared of the control). u_D² is the sum of the four u². Student's t has the least ν₀ of the
/// four.
///
/// * control's speed-up not above 1.25 (one-sided 95 %): [`Doubt::ControlGainsNothing`];
/// * p of D against ln 0.8, times the looks, ≤ 0.001: [`ScalingVerdict::Lost`];
/// * D − t₀.₉₅·u_D > ln 0.8: [`ScalingVerdict::Scales`].
#[must_use]
pub fn judge_scaling(
    work: Work<'_>,
    control: Work<'_>,
    options: &ScalingOptions,
) -> ScalingJudgement {
    let evidence = Gain::of(work, options)
        .and_then(|gain| Gain::of(control, options).map(|control| (gain, control)));
    let (gain, control_gain) = match evidence {
        Ok((gain, control_gain)) if gain.size == control_gain.size => (gain, control_gain),
        Ok(_) => return ScalingJudgement::impossible(DesignFlaw::SizesDiffer),
        Err(flaw) => return ScalingJudgement::impossible(flaw),
    };
    let freedom = gain.freedom.min(control_gain.freedom);
    let kept = Gain {
        log: gain.log - control_gain.log,
        error: gain.error.hypot(control_gain.error),
        freedom,
        size: gain.size,
    };
    let t = (LEAST_KEPT.ln() - kept.log) / kept.error;
    let p = (upper_tail(t, freedom) * f64::from(options.looks.max(1))).min(1.0);
    let speed_up = |gain: &Gain| gain.times(options.threads as f64);
    let evidence = ScalingEvidence {
        threads: options.threads,
        size: gain.size,
        speed_up: speed_up(&gain),
        control_speed_up: speed_up(&control_gain),
        kept: kept.times(1.0),
        p,
    };
    let least_gain = (1.0 / LEAST_KEPT).ln() - (options.threads as f64).ln();
    let verdict = if control_gain.lower_bound() <= least_gain {
        ScalingVerdict::Inconclusive(Doubt::ControlGainsNothing)
    } else if p <= LOSS_LEVEL {
        ScalingVerdict::Lost
    } else if kept.lower_bound() > LEAST_KEPT.ln() {
        ScalingVerdict::Scales
    } else {
        ScalingVerdict::Inconclusive(Doubt::ScalingImprecise)
    };
    ScalingJudgement { verdict, evidence: Some(evidence) }
}

impl ScalingJudgement {
    fn impossible(flaw: DesignFlaw) -> ScalingJudgement {
        let verdict = ScalingVerdict::Inconclusive(Doubt::Design(flaw));
        ScalingJudgement { verdict, evidence: None }
    }
}

/// The logarithm of a ratio of times, with its standard error.
struct Gain {
    log: f64,
    error: f64,
    freedom: f64,
    size: u64,
}

impl Gain {
    /// ln(alone / shared) at the largest N.
    fn of(Work { alone, shared }: Work<'_>, options: &ScalingOptions) -> Result<Gain, DesignFlaw> {
        let tau = options.tau.unwrap_or(alone.kind().default_tau());
        let size = alone.top_size();
        let (alone, shared) = Summary::of_pair(alone, shared, tau)?;
        Ok(Gain {
            log: alone.top_log_cost() - shared.top_log_cost(),
            error: alone.top_uncertainty().hypot(shared.top_uncertainty()),
            freedom: alone.freedom.min(shared.freedom),
            size,
        })
    }

    /// Returns the ratio itself, times `factor`.
    fn times(&self, factor: f64) -> Estimate {
        let margin = quantile_above(0.025, self.freedom) * self.error;
        let at = |log: f64| factor * log.exp();
        let interval = Interval { low: at(self.log - margin), high: at(self.log + margin) };
        Estimate { value: at(self.log), interval }
    }

    /// Returns the lower bound of the logarithm, with a 5 % probability of lying below it.
    fn lower_bound(&self) -> f64 {
        self.log - quantile_above(0.05, self.freedom) * self.error
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::input::series::Kind;

    const SIZES: [u64; 7] = [32, 64, 128, 256, 512, 1024, 2048];

    /// Times of five repetitions: `per_item` ns each, with noise of a few per cent. The noise differs between
    /// sizes and between `stream`s.
    fn times(per_item: f64, noise: f64, stream: usize) -> Series {
        let jitter = [0.3, -1.0, 0.8, -0.2, 1.1, -0.7, 0.1, 0.5, -0.9, 0.4, -0.4];
        let cost = |place: usize, repetition: usize| {
            let place = (7 * place + 3 * repetition + 5 * stream) % jitter.len();
            1.0 + noise * jitter[place]
        };
        let rows = SIZES.iter().enumerate().map(|(place, &n)| {
            (0..5).map(|repetition| per_item * n as f64 * cost(place, repetition)).collect()
        });
        Series::new(Kind::Time, SIZES.to_vec(), rows.collect()).unwrap().interleaved(true)
    }

    /// Judges speed-ups on two threads, of the work and of the control.
    fn judged(speed_up: f64, control: f64, noise: f64) -> ScalingJudgement {
        let alone = times(900.0, noise, 0);
        let shared = times(900.0 * 2.0 / speed_up, noise, 1);
        let control_alone = times(100.0, noise, 2);
        let control_shared = times(100.0 * 2.0 / control, noise, 3);
        let options = ScalingOptions { threads: 2, looks: 3, tau: None };
        judge_scaling(
            Work { alone: &alone, shared: &shared },
            Work { alone: &control_alone, shared: &control_shared },
            &options,
        )
    }

    #[test]
    fn speed_ups_and_what_is_kept_of_them() {
        use ScalingVerdict::{Inconclusive, Lost, Scales};
        let no_gain = Inconclusive(Doubt::ControlGainsNothing);
        let imprecise = Inconclusive(Doubt::ScalingImprecise);
        let cases = [
            // (subject, control, noise, verdict)
            (1.95, 1.95, 0.02, Scales),
            (1.0, 1.95, 0.02, Lost),
            (0.7, 1.95, 0.02, Lost),
            // A global lock on a machine whose second CPU is half busy.
            (1.0, 1.5, 0.02, Lost),
            // A machine with one CPU has almost no gain that could be lost.
            (1.0, 1.02, 0.02, no_gain),
            (0.5, 1.1, 0.02, no_gain),
            (1.5, 1.95, 0.2, imprecise),
            // The work gains more than its control.
            (1.95, 1.4, 0.02, Scales),
        ];
        for (subject, control, noise, expected) in cases {
            let found = judged(subject, control, noise);
            assert_eq!(found.verdict, expected, "{subject} next to {control}: {found:?}");
        }
    }

    #[test]
    fn estimates_hold_what_was_put_in() {
        let evidence = judged(1.2, 1.8, 0.02).evidence.unwrap();
        let is_within = |estimate: Estimate, truth: f64| {
            estimate.interval.low <= truth && truth <= estimate.interval.high
        };
        assert_eq!((evidence.threads, evidence.size), (2, 2048));
        assert!(is_within(evidence.speed_up, 1.2), "{evidence:?}");
        assert!(is_within(evidence.control_speed_up, 1.8), "{evidence:?}");
        assert!(is_within(evidence.kept, 1.2 / 1.8), "{evidence:?}");
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let (one, other) = (times(1.0, 0.01, 0), times(1.0, 0.01, 1));
        let short = Series::new(Kind::Time, SIZES[1..].to_vec(), other.costs()[1..].to_vec());
        let (short, options) = (short.unwrap(), ScalingOptions { threads: 2, looks: 1, tau: None });
        let sizes_differ = ScalingVerdict::Inconclusive(Doubt::Design(DesignFlaw::SizesDiffer));
        let work = Work { alone: &one, shared: &other };
        let uneven = Work { alone: &one, shared: &short };
        let verdict = judge_scaling(work, uneven, &options).verdict;
        assert_eq!(verdict, sizes_differ);
        let half = Series::new(Kind::Time, SIZES[..6].to_vec(), other.costs()[..6].to_vec());
        let half = half.unwrap();
        let lower = Work { alone: &half, shared: &half };
        let verdict = judge_scaling(work, lower, &options).verdict;
        assert_eq!(verdict, sizes_differ);
    }
}
