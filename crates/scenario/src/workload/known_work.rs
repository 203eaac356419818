//! [`KnownWork`]: work of known growth, for the self-check of a session.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

/// Work of known growth, measured in the phase `work`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownWork {
    /// The resource that the work uses.
    pub work: KnownWorkKind,
    /// The share of the cost at `largest` that grows with N², in percent, at most 99. This share comes on top of
    /// the part that grows with N, which does not depend on it.
    pub quadratic_percent: u8,
    /// The N at which the quadratic share is reached.
    pub largest: NonZeroUsize,
}

/// The resource that the work of a self-check uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownWorkKind {
    /// Instructions and the time they take.
    Cpu,
    /// Fresh pages, each touched once.
    Pages,
    /// Allocations, each freed at once; one unit is one allocation.
    Allocations,
}

impl KnownWork {
    /// The units of work at N = `modules`: `N + q/(1 − q)·N²/largest`, times 1,000 units per module, rounded
    /// down. Here q is the quadratic share at `largest`. Work with growth is never cheaper than work without,
    /// because a curve that is steeper but not more expensive is no regression.
    pub fn units(&self, modules: usize) -> u64 {
        const UNITS_PER_MODULE: u128 = 1_000;
        let (n, largest) = (modules as u128, self.largest.get() as u128);
        let percent = u128::from(self.quadratic_percent.min(99));
        let linear = n * UNITS_PER_MODULE;
        let quadratic = percent * n * n * UNITS_PER_MODULE / ((100 - percent) * largest);
        u64::try_from(linear + quadratic).unwrap_or(u64::MAX)
    }
}
