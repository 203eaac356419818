//! Conversion of points in time, as seconds since 1970-01-01 UTC, to text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the current time in seconds since 1970-01-01 UTC.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Formats seconds since 1970 as a date in UTC, like `2026-11-23`.
pub fn date(seconds: u64) -> String {
    rfc3339(seconds)[..10].to_owned()
}

/// Formats seconds since 1970 as a timestamp in UTC, like `2026-11-23T05-01-33`.
pub(crate) fn timestamp(seconds: u64) -> String {
    rfc3339(seconds)[..19].replace(':', "-")
}

/// Formats seconds since 1970 like `2026-11-23T05:01:33Z`.
pub fn rfc3339(seconds: u64) -> String {
    // The format ends with the year 9999. A later time is shown as the last second of that year.
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
