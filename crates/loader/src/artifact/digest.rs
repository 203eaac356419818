//! The [`Digest`] of an artifact: how bytes that come back from disk are recognised.

use std::fmt;

/// The BLAKE3 digest of an artifact that can be trusted.
///
/// A value of this type is a promise that bytes with this digest are an artifact, so safe code
/// obtains one from an [`Artifact`](crate::Artifact) only. One that was written down comes back by
/// [`Digest::recorded`], where someone vouches for the place it was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub(crate) [u8; 32]);

impl Digest {
    /// The digest's bytes, to be written down. Its `Display` is the same in hexadecimal.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The digest of bytes that may be anything: to be compared, not to be handed out.
    pub(crate) fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}
