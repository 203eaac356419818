//! [`Registration`]: unwind tables that are registered and deregistered directly.
//!
//! No module is loaded and Wasmtime is not used, so the unwinder alone is measured. N is the number of
//! tables.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::workload::load_order::UnloadOrder;

/// Registering N unwind tables one after the other, and then deregistering them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The number of functions, and so of FDEs, per table.
    #[serde(default = "eight")]
    pub functions: NonZeroUsize,
    /// The order in which tables are deregistered.
    pub order: UnloadOrder,
    /// The address of the code that a table describes, compared with the table before.
    #[serde(default)]
    pub addresses: AddressOrder,
    /// The argument of one call of the unwinder.
    #[serde(default)]
    pub calls: RegistrationCalls,
    /// The number of native backtraces between the last registration and the first deregistration.
    #[serde(default)]
    pub unwinds: usize,
}

const fn eight() -> NonZeroUsize {
    const { NonZeroUsize::new(8).expect("eight is not zero") }
}

/// The order of the code addresses of successive tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressOrder {
    /// Each table's code lies above the code of the table before.
    #[default]
    Rising,
    /// Each table's code lies below the code of the table before, as the kernel places mappings.
    Falling,
    /// The run's seed decides the addresses.
    Random,
}

/// The argument of one call of the unwinder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistrationCalls {
    /// The usual argument of Wasmtime 48: a whole table, or each FDE for LLVM's libunwind.
    #[default]
    Usual,
    /// A whole table, also for LLVM's libunwind where it has a function for that.
    Table,
    /// One FDE. For libgcc, which accepts only tables, the FDE gets a table of its own.
    Entry,
    /// No call. Each table is read instead, which shows the cost without the unwinder.
    None,
}

impl Registration {
    /// Whether calls pass single FDEs to an unwinder of this family.
    pub fn is_by_entry(&self, unwinder_family: &str) -> bool {
        match self.calls {
            RegistrationCalls::Entry => true,
            RegistrationCalls::Usual => unwinder_family == "llvm",
            RegistrationCalls::Table | RegistrationCalls::None => false,
        }
    }

    /// The number of calls that register `tables` tables with an unwinder of this family.
    pub fn n_calls(&self, tables: usize, unwinder_family: &str) -> u64 {
        let tables = tables as u64;
        match self.calls {
            RegistrationCalls::None => 0,
            _ if self.is_by_entry(unwinder_family) => tables * self.functions.get() as u64,
            _ => tables,
        }
    }

    /// The position of each table's code among all addresses in rising order. `seed` decides a random order.
    pub fn places(&self, tables: usize, seed: u64) -> Vec<usize> {
        let mut places: Vec<usize> = (0..tables).collect();
        match self.addresses {
            AddressOrder::Rising => {}
            AddressOrder::Falling => places.reverse(),
            AddressOrder::Random => Random::new(seed).shuffle(&mut places),
        }
        places
    }

    /// The tables in the order in which they are deregistered. `seed` decides a random order.
    pub fn leaving(&self, tables: usize, seed: u64) -> Vec<usize> {
        let mut leaving: Vec<usize> = (0..tables).collect();
        match self.order {
            UnloadOrder::OldestFirst => {}
            UnloadOrder::NewestFirst => leaving.reverse(),
            // Uses another random stream than the addresses do.
            UnloadOrder::Random => Random::new(!seed).shuffle(&mut leaving),
        }
        leaving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(text: &str) -> Registration {
        toml::from_str(text).expect("a registration")
    }

    #[test]
    fn orders_are_those_of_their_names() {
        let one = registration("order = \"newest-first\"\naddresses = \"falling\"");
        assert_eq!((one.places(3, 1), one.leaving(3, 1)), (vec![2, 1, 0], vec![2, 1, 0]));
        let one = registration("order = \"oldest-first\"");
        assert_eq!((one.places(3, 1), one.leaving(3, 1)), (vec![0, 1, 2], vec![0, 1, 2]));
        let one = registration("order = \"random\"\naddresses = \"random\"");
        let (places, leaving) = (one.places(99, 1), one.leaving(99, 1));
        assert_ne!(places, leaving);
        assert_eq!((&places, &leaving), (&one.places(99, 1), &one.leaving(99, 1)));
        for mut all in [places, leaving] {
            all.sort_unstable();
            assert!(all.into_iter().eq(0..99));
        }
    }

    #[test]
    fn a_call_is_for_what_the_unwinder_takes() {
        let calls = |text: &str, family| registration(text).n_calls(10, family);
        let usual = "order = \"random\"\nfunctions = 3";
        assert_eq!((calls(usual, "libgcc-list"), calls(usual, "llvm")), (10, 30));
        let entry = "order = \"random\"\nfunctions = 3\ncalls = \"entry\"";
        assert_eq!((calls(entry, "libgcc-tree"), calls(entry, "llvm")), (30, 30));
        let table = "order = \"random\"\nfunctions = 3\ncalls = \"table\"";
        assert_eq!((calls(table, "libgcc-list"), calls(table, "llvm")), (10, 10));
        let none = "order = \"random\"\ncalls = \"none\"";
        assert_eq!((calls(none, "libgcc-list"), calls(none, "llvm")), (0, 0));
    }
}
