//! The [`Digest`] of an artifact, which identifies bytes that are read back from disk.

use std::fmt;

/// The BLAKE3 digest of an artifact that can be trusted.
///
/// Only an artifact has a digest of this type, so safe code gets a `Digest` only from an
/// [`Artifact`](crate::Artifact). [`Digest::recorded`] turns saved bytes back into a `Digest`. That function
/// is `unsafe`: the caller must guarantee that the place of the saved bytes can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub(crate) [u8; 32]);

impl Digest {
    /// Returns the bytes of the digest, for saving. `Display` prints the same bytes in hexadecimal.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Computes the digest of arbitrary bytes. Use the result only for comparison, and never return it to
    /// callers.
    pub(crate) fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}
