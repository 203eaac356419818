//! The release of Wasmtime that this program links, in the form that stores and packs save it.
//!
//! Wasmtime itself compares at most the major version, and nothing if `Config::module_version` says so.
//! Machine code of another release, even another patch release, may rely on another layout of Wasmtime's
//! data. Running such code would be unsound.

use crate::error::Error;

/// The full version of Wasmtime in this program. Wasmtime requires exactly the same release of
/// `wasmtime-environ`.
pub(crate) const RELEASE: &str = wasmtime_environ::VERSION;

/// The length in bytes of a saved version.
pub(crate) const FIELD_BYTES: usize = 32;

const _: () = assert!(RELEASE.len() <= FIELD_BYTES, "a version is longer than its field");

/// Pads a version with zeros at the end. A version that is too long is truncated.
pub(crate) const fn field(version: &str) -> [u8; FIELD_BYTES] {
    let (version, mut field, mut at) = (version.as_bytes(), [0; FIELD_BYTES], 0);
    while at < version.len() && at < FIELD_BYTES {
        field[at] = version[at];
        at += 1;
    }
    field
}

/// Checks that the data was written by a program with this release of Wasmtime.
pub(crate) fn check(found: &[u8; FIELD_BYTES]) -> Result<(), Error> {
    if *found == field(RELEASE) {
        return Ok(());
    }
    let found = found.split(|byte| *byte == 0).next().unwrap_or_default();
    let found = String::from_utf8_lossy(found).into_owned();
    Err(Error::OtherRelease { found, expected: RELEASE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_version_is_the_same_release() {
        check(&field(RELEASE)).expect("it is this release");
        let longer = format!("{RELEASE}1");
        for other in [&longer, "", "48", "48.0.7", &"9".repeat(40)] {
            let error = check(&field(other)).expect_err("it is another release");
            assert!(matches!(error, Error::OtherRelease { .. }), "{error:?}");
        }
        let text = check(&field("48.0.7")).expect_err("it is another release").to_string();
        assert!(text.contains("Wasmtime 48.0.7") && text.contains(RELEASE), "{text}");
    }
}
