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
            KnownState::Seen | KnownState::Undecided => still_accepted(expires, reason, link),
            KnownState::Steeper => {
                let expires = expiry(expires);
                format!("more than the known issue accepts ({expires}): {reason} ({link})")
            }
            KnownState::NoLongerSeen => {
                format!("known issue no longer seen: remove the entry ({reason}, {link})")
            }
            KnownState::Expired => no_longer_accepted(expires, link, environment),
        }
    }
}

/// Says when a known issue expires: `expires with wasmtime 52`, or `expires on 2027-06-30`.
pub fn expiry(expires: &str) -> String {
    let is_day = expires.starts_with(|first: char| first.is_ascii_digit());
    format!("expires {} {expires}", if is_day { "on" } else { "with" })
}

/// Names the versions that can make a known issue expire.
fn versions(environment: &Environment) -> String {
    let Environment { wasmtime, unwinder_family, unwinder_version, .. } = environment;
    format!("wasmtime {wasmtime}, {unwinder_family} {unwinder_version}")
}

/// Describes a known issue that has not expired.
pub fn still_accepted(expires: &str, reason: &str, link: &str) -> String {
    format!("known issue, accepted; {}: {reason} ({link})", expiry(expires))
}

/// Describes a known issue that has expired.
pub fn no_longer_accepted(expires: &str, link: &str, environment: &Environment) -> String {
    let now = versions(environment);
    format!(
        "known issue, {}, which has passed ({now}): look at {link}, then fix it or set a later expires in the scenario",
        expiry(expires)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_version_or_a_day() {
        assert_eq!(expiry("wasmtime 52"), "expires with wasmtime 52");
        assert_eq!(expiry("2027-06-30"), "expires on 2027-06-30");
    }
}
