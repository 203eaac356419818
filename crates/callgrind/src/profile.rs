//! [`Profile`]: costs per function and calls between functions, added up over dumps.

use std::collections::{BTreeMap, HashMap};

use crate::names::Function;

/// The costs per function and the calls between functions, of one dump or of several dumps added up.
///
/// **Own cost** is the cost of a function's instructions, including inlined ones. callgrind names the source
/// file of inlined instructions, and [`Cost::files`](crate::Cost::files) lists the costs by file. The inlined
/// function itself is unknown if the debug information has only lines.
///
/// **Inclusive cost** is the own cost and that of everything called. It is a sum over calls that have
/// returned: a function that was still running at the time of the dump lacks its last call. If functions call
/// each other in a cycle, or one calls itself, callgrind counts the cost below once for each level. Sums over
/// such calls are too large. So a cycle has one inclusive cost for all its members: their own costs, and what
/// they call outside. For one function that calls itself this is exact. For the members of a larger cycle it
/// is an upper bound.
///
/// **A function may have several instances,** if it is generic. Their own costs are added up,
/// and so are their inclusive costs. If one instance calls another, the sum is an upper bound as well.
/// [`Cost::is_recursive`](crate::Cost::is_recursive) marks every cost that may only be an upper bound.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    events: Vec<String>,
    totals: Vec<u64>,
    pub(crate) instances: Vec<Instance>,
    /// The number of each instance, by its object, then by its name as the file writes it.
    numbers: HashMap<String, HashMap<String, usize>>,
    pub(crate) calls: BTreeMap<(usize, usize), Calls>,
}

/// The own cost of one instance of a function.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    /// The name as the file writes it, which distinguishes the instances of one function.
    name: String,
    pub(crate) function: Function,
    /// The own cost by source file, one entry per event.
    pub(crate) own: BTreeMap<String, Vec<u64>>,
}

/// All calls from one function to another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    pub(crate) count: u64,
    /// The inclusive cost of these calls, one entry per event.
    pub(crate) inclusive: Vec<u64>,
}

/// The reason why two profiles cannot be added up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The profiles counted different events.
    #[error("cannot add profiles of different events: {} and {}", .0.join(" "), .1.join(" "))]
    Events(Vec<String>, Vec<String>),
    /// The sum is more than 64 bits hold.
    #[error("the sum of the costs is larger than 2^64")]
    Overflow,
}

/// A sum exceeds 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

impl Profile {
    /// An empty profile of these events.
    pub(crate) fn of_events(events: Vec<String>) -> Profile {
        Profile { totals: vec![0; events.len()], events, ..Profile::default() }
    }

    /// The events that were counted, by callgrind's short names. `Ir`, instructions read, comes first.
    pub fn events(&self) -> &[String] {
        &self.events
    }

    /// The sum of all functions' own costs, one entry per event.
    pub fn totals(&self) -> &[u64] {
        &self.totals
    }

    /// The total number of instructions, from the event `Ir`. `None` if it was not counted.
    pub fn instructions(&self) -> Option<u64> {
        let event = self.events.iter().position(|event| event == "Ir")?;
        self.totals.get(event).copied()
    }

    /// Adds the counts of `other`.
    ///
    /// # Errors
    /// When `other` counted other events, or a sum overflows. Then this profile must not be used any more.
    pub fn add(&mut self, other: &Profile) -> Result<(), Mismatch> {
        if self.events != other.events {
            return Err(Mismatch::Events(self.events.clone(), other.events.clone()));
        }
        let number = |instance: &Instance| self.number(&instance.function.object, &instance.name);
        let numbers: Vec<usize> = other.instances.iter().map(number).collect();
        for (instance, number) in other.instances.iter().zip(&numbers) {
            for (file, cost) in &instance.own {
                self.add_own(*number, file, cost).map_err(|Overflow| Mismatch::Overflow)?;
            }
        }
        for ((caller, callee), calls) in &other.calls {
            let (caller, callee) = (numbers[*caller], numbers[*callee]);
            let added = self.add_calls(caller, callee, calls.count, &calls.inclusive);
            added.map_err(|Overflow| Mismatch::Overflow)?;
        }
        Ok(())
    }

    /// The number of a function, under which its costs are added. `name` is the name as the file writes it.
    pub(crate) fn number(&mut self, object: &str, name: &str) -> usize {
        // For code without an object only the address is known, and it differs each time.
        let name = if object == Function::UNKNOWN && name.starts_with("0x") {
            Function::UNKNOWN
        } else {
            name
        };
        if let Some(number) = self.numbers.get(object).and_then(|names| names.get(name)) {
            return *number;
        }
        let number = self.instances.len();
        let (name, function) = (name.to_owned(), Function::new(object, name));
        self.numbers.entry(object.to_owned()).or_default().insert(name.clone(), number);
        self.instances.push(Instance { name, function, own: BTreeMap::new() });
        number
    }

    /// Adds own costs of a function. `cost` has at most one entry per event; missing entries are 0.
    pub(crate) fn add_own(
        &mut self,
        number: usize,
        file: &str,
        cost: &[u64],
    ) -> Result<(), Overflow> {
        let files = &mut self.instances[number].own;
        if !files.contains_key(file) {
            files.insert(file.to_owned(), vec![0; self.events.len()]);
        }
        let own = files.get_mut(file).expect("it was inserted where it was missing");
        add(own, cost)?;
        add(&mut self.totals, cost)
    }

    /// Adds calls from one function to another.
    pub(crate) fn add_calls(
        &mut self,
        caller: usize,
        callee: usize,
        count: u64,
        inclusive: &[u64],
    ) -> Result<(), Overflow> {
        let n_events = self.events.len();
        let calls = self.calls.entry((caller, callee)).or_default();
        calls.inclusive.resize(n_events, 0);
        calls.count = calls.count.checked_add(count).ok_or(Overflow)?;
        add(&mut calls.inclusive, inclusive)
    }
}

impl Instance {
    pub(crate) fn own_cost(&self, event: usize) -> u64 {
        // The sum cannot overflow, because it is part of the total.
        self.own.values().filter_map(|cost| cost.get(event)).sum()
    }
}

fn add(sum: &mut [u64], cost: &[u64]) -> Result<(), Overflow> {
    for (sum, cost) in sum.iter_mut().zip(cost) {
        *sum = sum.checked_add(*cost).ok_or(Overflow)?;
    }
    Ok(())
}
