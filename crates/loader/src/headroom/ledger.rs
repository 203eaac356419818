//! [`Ledger`]: admits loads while there is headroom.

use super::resource::{Amounts, RESOURCES, Resource, Usage, platform};
use crate::error::Error;
use crate::locks::Mutex;

/// Admits loads, and counts the used resources rarely. After each count of a resource, the ledger admits
/// loads for up to a quarter of the free amount before it counts again. Counting takes longer the more
/// mappings there are, so the ledger must not count once per fixed number of loads. It counts some twenty
/// times on the way to the limit, however far away the limit is.
///
/// No lock is held while a thread counts. Other threads are admitted meanwhile if there is credit for them,
/// and otherwise count, too.
#[derive(Debug)]
pub(crate) struct Ledger {
    reserve: Amounts,
    credits: Mutex<[Credit; RESOURCES.len()]>,
}

/// The amount of one resource that is given out without counting.
#[derive(Debug, Clone, Copy, Default)]
struct Credit {
    left: u64,
    n_counts: u64,
}

impl Ledger {
    pub(crate) fn new(reserve: Amounts) -> Ledger {
        Ledger { reserve, credits: Mutex::default() }
    }

    /// Takes `need` out of the credit. If the credit is too small, counts again.
    pub(crate) fn admit(&self, need: Amounts) -> Result<(), Error> {
        self.admit_with(&RESOURCES, need, platform::usage)
    }

    /// Does the same as [`Ledger::admit`] for one resource, and leaves the others.
    #[cfg(unix)]
    pub(crate) fn admit_only(&self, resource: Resource, need: Amounts) -> Result<(), Error> {
        self.admit_with(&[resource], need, platform::usage)
    }

    fn admit_with(
        &self,
        resources: &[Resource],
        need: Amounts,
        mut count: impl FnMut(Resource) -> Option<Usage>,
    ) -> Result<(), Error> {
        let mut credits = self.credits.lock();
        loop {
            let is_short =
                |resource: &&Resource| credits[**resource as usize].left < need.of(**resource);
            let Some(&resource) = resources.iter().find(is_short) else { break };
            let n_counts = credits[resource as usize].n_counts;
            drop(credits);
            let left = self.fresh_credit(count(resource), resource, need)?;
            credits = self.credits.lock();
            let credit = &mut credits[resource as usize];
            // If another thread has counted meanwhile, its credit may be used already, and this count does
            // not know of that.
            if credit.n_counts == n_counts {
                *credit = Credit { left, n_counts: n_counts + 1 };
            }
        }
        for resource in resources {
            credits[*resource as usize].left -= need.of(*resource);
        }
        Ok(())
    }

    fn fresh_credit(
        &self,
        usage: Option<Usage>,
        resource: Resource,
        need: Amounts,
    ) -> Result<u64, Error> {
        let needed = need.of(resource);
        // The resource has no limit now, but may get one later.
        let Some(usage) = usage else { return Ok(needed.saturating_mul(1000)) };
        let reserve = self.reserve.of(resource).saturating_add(lump(resource));
        let left = usage.left().saturating_sub(reserve);
        if left < needed {
            let Usage { limit, used } = usage;
            return Err(Error::Headroom { resource, limit, used, needed, reserve });
        }
        Ok((left / 4).min(most_at_once(resource)).max(needed))
    }
}

/// Returns the amount that even a small allocation may take at once. The allocator of glibc takes 64 MiB of
/// address space per arena, and for a moment twice as much (glibc 2.36 `malloc/arena.c`, `new_heap`).
fn lump(resource: Resource) -> u64 {
    match resource {
        Resource::AddressSpace => 128 << 20,
        _ => 0,
    }
}

/// Returns the largest credit between two counts. The credit for bytes is small, because counting bytes is
/// fast and the bytes that a load takes are an estimate.
fn most_at_once(resource: Resource) -> u64 {
    match resource {
        Resource::Mappings | Resource::Descriptors => u64::MAX,
        Resource::AddressSpace | Resource::Memory => 32 << 20,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headroom::resource::RESERVE;

    #[test]
    fn a_quarter_is_given_out_between_counts() {
        let reserve = Amounts { mappings: 100, ..Amounts::default() };
        let ledger = Ledger::new(reserve);
        let need = Amounts { mappings: 2, descriptors: 1, bytes: 0 };
        let (mut n_counts, mut n_others, mut used) = (0, 0, 0);
        loop {
            let admitted = ledger.admit_with(&RESOURCES, need, |resource| {
                if resource != Resource::Mappings {
                    n_others += 1;
                    return None;
                }
                n_counts += 1;
                Some(Usage { limit: 100_000, used })
            });
            match admitted {
                Ok(()) => used += 2,
                Err(Error::Headroom { resource, limit, needed, reserve, .. }) => {
                    assert_eq!((resource, limit), (Resource::Mappings, 100_000));
                    assert_eq!((needed, reserve), (2, 100));
                    break;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(used, 99_900);
        assert!(n_counts < 50, "{n_counts} counts");
        assert_eq!(n_others, 50, "each resource is counted by itself");
        // The ledger sees amounts that other parts of the program have freed.
        let roomy = |_| Some(Usage { limit: 1000, used: 10 });
        ledger.admit_with(&RESOURCES, need, roomy).expect("there is room");
    }

    #[test]
    fn a_reserve_of_everything_admits_nothing() {
        let ledger = Ledger::new(Amounts { bytes: u64::MAX, ..Amounts::default() });
        let need = Amounts { bytes: 1, ..Amounts::default() };
        let admitted =
            ledger.admit_with(&RESOURCES, need, |_| Some(Usage { limit: 1 << 40, used: 0 }));
        assert!(matches!(admitted, Err(Error::Headroom { reserve: u64::MAX, .. })), "{admitted:?}");
    }

    #[test]
    fn what_is_not_known_is_not_limited() {
        let ledger = Ledger::new(RESERVE);
        let need = Amounts { mappings: 1 << 40, descriptors: 1 << 40, bytes: 1 << 40 };
        ledger.admit_with(&RESOURCES, need, |_| None).expect("nothing is known");
    }

    #[test]
    fn no_thread_waits_while_another_counts() {
        let ledger = Ledger::new(Amounts::default());
        let need = |mappings| Amounts { mappings, ..Amounts::default() };
        let usage = |limit| move |_| Some(Usage { limit, used: 0 });
        // This leaves a credit of 9.
        ledger.admit_with(&RESOURCES, need(1), usage(40)).expect("there is room");
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let mut n_counts = 0;
            ledger
                .admit_with(&RESOURCES, need(10), |_| {
                    n_counts += 1;
                    if n_counts > 1 {
                        return Some(Usage { limit: 0, used: 0 });
                    }
                    scope.spawn(|| {
                        let uncounted = |_| panic!("there is credit");
                        ledger.admit_with(&RESOURCES, need(9), uncounted).expect("there is credit");
                        ledger.admit_with(&RESOURCES, need(5), usage(80)).expect("there is room");
                        tell.send(()).expect("the other thread waits");
                    });
                    let patience = std::time::Duration::from_secs(60);
                    told.recv_timeout(patience).expect("the other thread does not wait");
                    Some(Usage { limit: 4000, used: 0 })
                })
                .expect("the other thread has left a credit of 15");
            assert_eq!(n_counts, 1);
        });
        // The count of 4000 was older than the other thread's, so it was not used.
        assert_eq!(ledger.credits.lock()[Resource::Mappings as usize].left, 5);
    }
}
