//! The facts of a known issue: growth that a scenario accepts until the entry expires.

use loadline_verdict::functions::Standing;
use loadline_verdict::known_issue::{KnownIssue, KnownState};
use serde::Serialize;

/// A known issue of a series or of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownIssueFacts {
    /// What the session says about the issue.
    pub status: KnownStatus,
    /// The mechanism.
    pub reason: String,
    /// The link to the report of the issue.
    pub link: String,
    /// The date, or the version of a component, from which the growth is no longer accepted.
    pub expires: String,
}

/// What a session says about a known issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownStatus {
    /// The growth is present, as it was accepted.
    Seen,
    /// The growth is present, and steeper than the accepted growth.
    Steeper,
    /// The growth is no longer present, so the entry is no longer needed.
    NoLongerSeen,
    /// The session cannot tell.
    Undecided,
    /// The known issue has expired, so the growth is no longer accepted.
    Expired,
}

impl KnownIssueFacts {
    /// Builds the facts of the known issue of a series.
    pub fn of(known: &KnownIssue) -> KnownIssueFacts {
        let KnownIssue { state, reason, link, expires } = known.clone();
        let status = match state {
            KnownState::Seen => KnownStatus::Seen,
            KnownState::Steeper => KnownStatus::Steeper,
            KnownState::NoLongerSeen => KnownStatus::NoLongerSeen,
            KnownState::Undecided => KnownStatus::Undecided,
            KnownState::Expired => KnownStatus::Expired,
        };
        KnownIssueFacts { status, reason, link, expires }
    }

    /// Builds the facts of the known issue that accepts a function's growth.
    pub fn of_standing(standing: &Standing) -> Option<KnownIssueFacts> {
        let Standing::Known { reason, link, expires } = standing.clone() else { return None };
        Some(KnownIssueFacts { status: KnownStatus::Seen, reason, link, expires })
    }
}
