//! [`Profile`]: costs per function and the calls between functions, as they are added up.

use std::collections::{BTreeMap, HashMap};

use crate::names::Symbol;

/// Costs per symbol, and the calls between functions, of one dump or of several added up.
///
/// **Own cost** is what a function's instructions cost, inlined ones included: callgrind names the
/// file they come from, and [`Cost::files`](crate::Cost::files) has them apart, but whose function they were is not
/// known where the debug information has lines alone.
///
/// **Inclusive cost** is own cost and that of everything called, as sums over calls that returned:
/// a function that was still running when the dump was made lacks its last call. Where functions
/// call each other in a circle, or one calls itself, callgrind counts what is below once for each
/// level, so that sums over calls say too much. Such a circle has one inclusive cost, that of the
/// circle as a whole: the own cost of all its members, and what they call outside. For one function
/// that calls itself this is exact, for the members of a larger circle it is the most it can be.
///
/// **A symbol may be several functions:** the instances of a generic one. Their own costs are added
/// up, and so are their inclusive costs; where one instance is called on behalf of another, the sum
/// is again the most it can be. [`Cost::is_recursive`](crate::Cost::is_recursive) is set wherever there is such doubt.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    events: Vec<String>,
    totals: Vec<u64>,
    pub(crate) functions: Vec<Function>,
    /// By object, then by name as it is in the file.
    numbers: HashMap<String, HashMap<String, usize>>,
    pub(crate) calls: BTreeMap<(usize, usize), Calls>,
}

/// What one function has cost by itself.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    /// The name as it is in the file, which tells instances of one symbol apart.
    name: String,
    pub(crate) symbol: Symbol,
    /// By the file the instructions come from; an entry an event.
    pub(crate) own: BTreeMap<String, Vec<u64>>,
}

/// All calls from one function to another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    pub(crate) count: u64,
    /// An entry an event.
    pub(crate) inclusive: Vec<u64>,
}

/// Why two profiles are not added up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// They counted other things.
    #[error("cannot add up profiles of different events: {} and {}", .0.join(" "), .1.join(" "))]
    Events(Vec<String>, Vec<String>),
    /// The sum is more than 64 bits hold.
    #[error("the sum of the costs is larger than 2^64")]
    Overflow,
}

/// A sum that 64 bits do not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

impl Profile {
    /// Nothing counted yet, in these events.
    pub(crate) fn of_events(events: Vec<String>) -> Profile {
        Profile { totals: vec![0; events.len()], events, ..Profile::default() }
    }

    /// What was counted, by callgrind's short names; `Ir`, instructions read, comes first.
    pub fn events(&self) -> &[String] {
        &self.events
    }

    /// The sum of all symbols' own costs, an entry an event.
    pub fn totals(&self) -> &[u64] {
        &self.totals
    }

    /// Instructions: the total of the event `Ir`; none where it was not counted.
    pub fn instructions(&self) -> Option<u64> {
        let event = self.events.iter().position(|event| event == "Ir")?;
        self.totals.get(event).copied()
    }

    /// Adds what `other` counted.
    ///
    /// # Errors
    /// When it counted other events, or the sum does not fit. Then this profile is of no use.
    pub fn add(&mut self, other: &Profile) -> Result<(), Mismatch> {
        if self.events != other.events {
            return Err(Mismatch::Events(self.events.clone(), other.events.clone()));
        }
        let number = |function: &Function| self.number(&function.symbol.object, &function.name);
        let numbers: Vec<usize> = other.functions.iter().map(number).collect();
        for (function, number) in other.functions.iter().zip(&numbers) {
            for (file, cost) in &function.own {
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

    /// The number under which costs of a function are added, by its name as it is in the file.
    pub(crate) fn number(&mut self, object: &str, name: &str) -> usize {
        // Of code in no object only the address is known, and that is another one each time.
        let name = if object == Symbol::UNKNOWN && name.starts_with("0x") {
            Symbol::UNKNOWN
        } else {
            name
        };
        if let Some(number) = self.numbers.get(object).and_then(|names| names.get(name)) {
            return *number;
        }
        let number = self.functions.len();
        let (name, symbol) = (name.to_owned(), Symbol::new(object, name));
        self.numbers.entry(object.to_owned()).or_default().insert(name.clone(), number);
        self.functions.push(Function { name, symbol, own: BTreeMap::new() });
        number
    }

    /// Adds instructions of a function; `cost` has at most an entry an event, and 0 for the rest.
    pub(crate) fn add_own(
        &mut self,
        number: usize,
        file: &str,
        cost: &[u64],
    ) -> Result<(), Overflow> {
        let files = &mut self.functions[number].own;
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

impl Function {
    pub(crate) fn own_cost(&self, event: usize) -> u64 {
        // Within the total, which was found to fit.
        self.own.values().filter_map(|cost| cost.get(event)).sum()
    }
}

fn add(sum: &mut [u64], cost: &[u64]) -> Result<(), Overflow> {
    for (sum, cost) in sum.iter_mut().zip(cost) {
        *sum = sum.checked_add(*cost).ok_or(Overflow)?;
    }
    Ok(())
}
