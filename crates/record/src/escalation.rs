//! The further measurements that can decide an undecided series.

/// A further measurement that may decide an undecided series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Doubles the repetitions, up to 20.
    MoreRepetitions,
    /// Adds one size, twice the largest; a scenario gets at most two.
    LargerN,
}

/// A step that only helps if all of these scenarios take it, for example a scenario and its control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The full names of the scenarios that have to take the step.
    pub full_names: Vec<String>,
    /// The step.
    pub step: Step,
}
