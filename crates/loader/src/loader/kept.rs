//! [`Kept`]: the modules that a loader keeps for later requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::options::Budget;
use super::shared::Shared;
use crate::locks::Mutex;

/// The modules that a loader keeps, in the order of their last use.
pub(super) struct Kept {
    budget: Budget,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_use: BTreeMap<u64, Arc<Shared>>,
    bytes: u64,
    /// The number of uses so far.
    n_uses: u64,
}

/// The most modules that one load looks at to find modules without leases. Otherwise, each load of a program
/// that holds more leases than the budget allows would look at all of them.
const LOOKED_AT_BY_A_LOAD: usize = 32;

impl Kept {
    pub(super) fn new(budget: Budget) -> Kept {
        Kept { budget, state: Mutex::default() }
    }

    /// Keeps a module that is used now. Returns the modules that exceed the budget, which the caller must
    /// drop without holding a lock.
    pub(super) fn used(&self, module: &Arc<Shared>) -> Vec<Arc<Shared>> {
        let mut state = self.state.lock();
        state.put(Arc::clone(module));
        state.take(LOOKED_AT_BY_A_LOAD, |state| state.exceeds(self.budget))
    }

    /// Returns an eighth of the modules, least recently used first.
    pub(super) fn some(&self) -> Vec<Arc<Shared>> {
        let mut state = self.state.lock();
        let n = state.by_use.len();
        state.take(n, |state| state.by_use.len() > n - n.div_ceil(8))
    }

    /// Returns the modules that exceed another budget, least recently used first.
    pub(super) fn beyond(&self, budget: Budget) -> Vec<Arc<Shared>> {
        let mut state = self.state.lock();
        let n = state.by_use.len();
        state.take(n, |state| state.exceeds(budget))
    }
}

impl State {
    fn exceeds(&self, budget: Budget) -> bool {
        self.by_use.len() as u64 > budget.modules || self.bytes > budget.bytes
    }

    fn put(&mut self, module: Arc<Shared>) {
        if self.by_use.remove(&module.last_use.load(Ordering::Relaxed)).is_none() {
            self.bytes += module.contents.bytes as u64;
        }
        self.n_uses += 1;
        module.last_use.store(self.n_uses, Ordering::Relaxed);
        self.by_use.insert(self.n_uses, module);
    }

    /// Takes out modules without leases while `is_too_much`. Looks at most at `most` modules. A module with
    /// leases is in use, so it moves to the end.
    fn take(&mut self, most: usize, is_too_much: impl Fn(&State) -> bool) -> Vec<Arc<Shared>> {
        let mut taken = Vec::new();
        for _ in 0..most {
            if !is_too_much(self) {
                break;
            }
            let Some((_, module)) = self.by_use.pop_first() else { break };
            self.bytes -= module.contents.bytes as u64;
            if Arc::strong_count(&module) > 1 {
                self.put(module);
            } else {
                taken.push(module);
            }
        }
        taken
    }
}
