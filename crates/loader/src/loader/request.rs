//! [`Request`]: what is known of a load before the artifact is read.

use std::time::Instant;

use crate::store::key::StoreKey;
use crate::watch::Origin;

/// A load that was asked for.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) origin: Origin,
    /// `None` if the module is not shared.
    pub(super) identity: Option<Identity>,
    pub(super) began: Instant,
}

/// Two artifacts with the same identity become one module. The identity is known before the artifact is read
/// from a store or a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    Digest([u8; 32]),
    Key(StoreKey),
    #[cfg(unix)]
    Image(crate::pack::opened::ImageId),
}
