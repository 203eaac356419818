//! Points in time as seconds since 1970-01-01 UTC, and how they are written.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 UTC.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// `2026-11-23` of seconds since 1970, in UTC.
pub fn date(seconds: u64) -> String {
    rfc3339(seconds)[..10].to_owned()
}

/// `2026-11-23T05-01-33` of seconds since 1970, in UTC.
pub(crate) fn timestamp(seconds: u64) -> String {
    rfc3339(seconds)[..19].replace(':', "-")
}

/// `2026-11-23T05:01:33Z` of seconds since 1970.
pub fn rfc3339(seconds: u64) -> String {
    // The format ends with the year 9999; a clock beyond it is shown as its last second.
    let since = Duration::from_secs(seconds.min(253_402_300_799));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil_ones() {
        assert_eq!(timestamp(0), "1970-01-01T00-00-00");
        assert_eq!(timestamp(951_782_400 + 3_661), "2000-02-29T01-01-01");
        assert_eq!(date(1_795_392_000), "2026-11-23");
    }
}
