//! What more to measure where a session cannot decide.

/// What would help to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Twice the rounds, up to 20.
    MoreRounds,
    /// One more rung, twice the largest; at most two.
    LargerN,
}

/// A step that only helps if all of these scenarios take it: a scenario and its control, say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The scenarios that have to take it.
    pub titles: Vec<String>,
    /// The step.
    pub step: Step,
}
