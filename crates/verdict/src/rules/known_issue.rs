//! A known issue: growth that a scenario accepts until it expires, and what a session says about it.

use loadline_scenario::{Environment, KnownGrowth};

/// A known issue of one series, and whether the session sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIssue {
    /// What the session says about it.
    pub sight: KnownSight,
    /// The mechanism.
    pub reason: String,
    /// Where it is reported.
    pub link: String,
    /// When its acceptance ends.
    pub until: String,
}

/// What a session says about a known issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownSight {
    /// The growth is there, as it was accepted.
    Seen,
    /// The growth is there, and steeper than what was accepted.
    Steeper,
    /// The growth is gone: the entry accepts nothing any more.
    NoLongerSeen,
    /// This session cannot tell.
    Undecided,
    /// The growth is no longer accepted: the end of the entry has come.
    Expired,
}

impl KnownIssue {
    /// The issue that `known` describes, as the session sees it.
    pub fn of(known: &KnownGrowth, sight: KnownSight) -> KnownIssue {
        let KnownGrowth { reason, link, until, .. } = known.clone();
        KnownIssue { sight, reason, link, until }
    }

    /// What to tell a reader in `environment`.
    pub fn sentence(&self, environment: &Environment) -> String {
        let KnownIssue { sight, reason, link, until } = self;
        match sight {
            KnownSight::Seen | KnownSight::Undecided => known_until(until, reason, link),
            KnownSight::Steeper => {
                format!("more than the known issue accepts until {until}: {reason} ({link})")
            }
            KnownSight::NoLongerSeen => {
                format!("known issue no longer seen: remove the entry ({reason}, {link})")
            }
            KnownSight::Expired => known_no_longer(until, link, environment),
        }
    }
}

/// The versions that can end an acceptance.
fn versions(environment: &Environment) -> String {
    let Environment { wasmtime, unwinder_family, unwinder_version, .. } = environment;
    format!("wasmtime {wasmtime}, {unwinder_family} {unwinder_version}")
}

/// What a reader is told of what a scenario knows.
pub fn known_until(until: &str, reason: &str, link: &str) -> String {
    format!("known issue, accepted until {until}: {reason} ({link})")
}

/// What a reader is told of what a scenario knew, once its end has come.
pub fn known_no_longer(until: &str, link: &str, environment: &Environment) -> String {
    let now = versions(environment);
    format!(
        "known issue, accepted until {until}, which has passed ({now}): look at {link}, then fix it or state a later end in the scenario"
    )
}
