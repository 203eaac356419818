//! How an entry of `known_issue` changes a verdict.

use loadline_growth::{
    CurveOptions, CurveVerdict, Expect, Judgement, Kind, Rule, Series, Tau, Verdict, judge_curve,
};
use loadline_scenario::{Environment, Expiry, KnownGrowth};

use crate::judged::Against;
use crate::rules::known_issue::KnownState;
use loadline_record::measured::Measured;

/// When and where a session is judged. This decides which known issues have expired.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a> {
    /// The machine and the build.
    pub environment: &'a Environment,
    /// The day, in UTC: `2026-11-23`.
    pub today: &'a str,
}

impl<'a> Present<'a> {
    /// Returns the environment of `measured` and the day it is judged.
    pub fn of(measured: &'a Measured) -> Present<'a> {
        Present { environment: &measured.environment, today: &measured.today }
    }

    /// Whether a known issue with this expiry has expired.
    pub fn is_after(&self, expires: &str) -> bool {
        // An expiry that cannot be read accepts nothing.
        Expiry::parse(expires).is_none_or(|expiry| expiry.has_ended(self.environment, self.today))
    }
}

/// The entry of a scenario that applies to a series, and whether the entry has expired.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The entry.
    pub known: &'a KnownGrowth,
    /// Whether the entry has expired.
    pub has_expired: bool,
}

impl<'a> Entry<'a> {
    /// Creates the entry for `known`, and checks in `present` whether it has expired.
    pub fn of(known: &'a KnownGrowth, present: &Present<'_>) -> Entry<'a> {
        Entry { known, has_expired: present.is_after(&known.expires) }
    }

    /// Returns the verdict with this entry applied, and what the session says about the issue. `found` is the
    /// rules' verdict on `series`, judged against `against`.
    pub fn apply(
        &self,
        found: Verdict,
        judgement: &Judgement,
        series: &Series,
        against: &Against,
        tau: Option<Tau>,
    ) -> (Verdict, KnownState) {
        let own = curve(series, Expect::LinearLog, tau);
        if self.has_expired {
            // Against any other reference, the growth is red even without this check.
            let is_there = *against == Against::Baseline && own != CurveVerdict::Ok;
            let was_there = judgement.baseline_curve.as_ref();
            let was_there = was_there.is_some_and(|curve| curve.verdict != CurveVerdict::Ok);
            let verdict = if is_there && was_there { Verdict::Regressed } else { found };
            return (verdict, KnownState::Expired);
        }
        match against {
            Against::Build(_) => (found, KnownState::Undecided),
            Against::Baseline => match (found, own) {
                (Verdict::Regressed, _) => (found, KnownState::Steeper),
                (Verdict::Holds | Verdict::Improved, CurveVerdict::Ok) => {
                    let was_ok = judgement.baseline_curve.as_ref();
                    let was_ok = was_ok.is_some_and(|curve| curve.verdict == CurveVerdict::Ok);
                    // If the baseline does not show the growth, the growth may show only at another N.
                    let state =
                        if was_ok { KnownState::Undecided } else { KnownState::NoLongerSeen };
                    (found, state)
                }
                (Verdict::Holds, CurveVerdict::Superlinear) => (found, KnownState::Seen),
                _ => (found, KnownState::Undecided),
            },
            Against::Control(_) | Against::Expectation | Against::Nothing => {
                self.apply_without_baseline(found, judgement, series, own, tau)
            }
        }
    }

    /// Applies the entry if no baseline of this machine says how steep the accepted growth was.
    fn apply_without_baseline(
        &self,
        found: Verdict,
        judgement: &Judgement,
        series: &Series,
        own: CurveVerdict,
        tau: Option<Tau>,
    ) -> (Verdict, KnownState) {
        // For counts the rule has already checked this.
        if series.kind() == Kind::Time && is_steeper_than_quadratic(series, tau) {
            return (Verdict::Regressed, KnownState::Steeper);
        }
        match (found, own) {
            // The control is linear, so the growth beyond it is the known growth.
            (Verdict::Regressed, _)
                if judgement.decided_by == Rule::Pair || series.kind() == Kind::Time =>
            {
                (Verdict::Holds, KnownState::Seen)
            }
            (Verdict::Regressed, _) => (found, KnownState::Steeper),
            (Verdict::Holds | Verdict::Improved | Verdict::NoBaseline, CurveVerdict::Ok) => {
                (found, KnownState::NoLongerSeen)
            }
            (Verdict::Holds | Verdict::NoBaseline, CurveVerdict::Superlinear) => {
                (Verdict::Holds, KnownState::Seen)
            }
            _ => (found, KnownState::Undecided),
        }
    }
}

/// Judges `series` by the curve rule, with the growth `expect` allowed.
pub fn curve(series: &Series, expect: Expect, tau: Option<Tau>) -> CurveVerdict {
    let options = CurveOptions { expect, tau };
    judge_curve(series, &options).verdict
}

/// Whether `series` surely grows faster than N². Where a cache ends, N² looks steeper. So a time must be that
/// steep at each of its last two doublings.
pub fn is_steeper_than_quadratic(series: &Series, tau: Option<Tau>) -> bool {
    let options = CurveOptions { expect: Expect::Quadratic, tau };
    let judged = judge_curve(series, &options);
    let is_sure = || match series.kind() {
        Kind::Count => !judged.needs_confirmation(),
        Kind::Time => judged.is_gross(),
    };
    judged.verdict == CurveVerdict::Superlinear && is_sure()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_expired(environment: &Environment, expires: &str) -> bool {
        Present { environment, today: "2026-11-23" }.is_after(expires)
    }

    #[test]
    fn an_acceptance_ends_with_the_version_it_names() {
        let cases = [("48.0.8", false), ("51.9.9", false), ("52.0.0", true), ("unknown", true)];
        for (version, is_over) in cases {
            let wasmtime = version.to_owned();
            let environment = Environment { wasmtime, ..loadline_record::fixtures::environment() };
            assert_eq!(has_expired(&environment, "wasmtime 52"), is_over, "{version}");
        }
        let environment = Environment {
            unwinder_family: "libgcc-list".to_owned(),
            unwinder_version: "12.2.0".to_owned(),
            ..loadline_record::fixtures::environment()
        };
        let cases = [
            ("libgcc 13", false),
            ("libgcc 12.3", false),
            ("libgcc 12.2", true),
            // This machine has no such unwinder, so a version of it says nothing.
            ("llvm 1", false),
            ("2026-01-01", true),
            ("9999-01-01", false),
            ("some day", true),
        ];
        for (expires, has_ended) in cases {
            assert_eq!(has_expired(&environment, expires), has_ended, "{expires}");
        }
    }
}
