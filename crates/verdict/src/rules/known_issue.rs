//! A known issue (growth that a scenario accepts until it expires), and what a session says about it.

use loadline_scenario::{Environment, KnownGrowth};

/// A known issue of one series, and whether the session sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIssue {
    /// What the session says about it.
    pub state: KnownState,
    /// The mechanism.
    pub reason: String,
    /// The link to the report of the issue.
    pub link: String,
    /// When the known issue expires.
    pub expires: String,
}

/// What a session says about a known issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownState {
    /// The growth is present, as it was accepted.
    Seen,
    /// The growth is present, and steeper than the accepted growth.
    Steeper,
    /// The growth is no longer present, so the entry is no longer needed.
    NoLongerSeen,
    /// This session cannot tell.
    Undecided,
    /// The known issue has expired, so the growth is no longer accepted.
    Expired,
}

impl KnownIssue {
    /// Creates the known issue that `known` describes, as the session sees it.
    pub fn of(known: &KnownGrowth, state: KnownState) -> KnownIssue {
        let KnownGrowth { reason, link, expires, .. } = known.clone();
        KnownIssue { state, reason, link, expires }
    }

    /// Describes the issue in a sentence for a reader in `environment`.
    pub fn sentence(&self, environment: &Environment) -> String {
        let KnownIssue { state, reason, link, expires } = self;
        match state {
            KnownState::Seen | KnownState::Undecided => known_until(expires, reason, link),
            KnownState::Steeper => {
                format!("more than the known issue accepts until {expires}: {reason} ({link})")
            }
            KnownState::NoLongerSeen => {
                format!("known issue no longer seen: remove the entry ({reason}, {link})")
            }
            KnownState::Expired => known_no_longer(expires, link, environment),
        }
    }
}

/// Names the versions that can make a known issue expire.
fn versions(environment: &Environment) -> String {
    let Environment { wasmtime, unwinder_family, unwinder_version, .. } = environment;
    format!("wasmtime {wasmtime}, {unwinder_family} {unwinder_version}")
}

/// Describes a known issue that has not expired.
pub fn known_until(expires: &str, reason: &str, link: &str) -> String {
    format!("known issue, accepted until {expires}: {reason} ({link})")
}

/// Describes a known issue that has expired.
pub fn known_no_longer(expires: &str, link: &str, environment: &Environment) -> String {
    let now = versions(environment);
    format!(
        "known issue, accepted until {expires}, which has passed ({now}): look at {link}, then fix it or set a later expires in the scenario"
    )
}
