//! What a counter tells: instructions at each size, of the whole and of its functions.

/// Counts per size, of which the smallest is taken: what a run adds to the least count (a hash table with
/// an unlucky seed, memory that had to be asked for) is not growth.
pub(crate) const COUNTS: usize = 3;

/// Instructions at each size.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Counted {
    /// The smallest count of each size.
    pub(crate) counts: Vec<u64>,
    /// The functions of the runs with these counts; none where the counter does not tell functions.
    pub(crate) functions: Vec<Function>,
}

/// The instructions of one function itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The instructions at each size.
    pub(crate) counts: Vec<u64>,
    /// For a function of the standard library or of C: the function outside of these that it is
    /// called for.
    pub(crate) called_for: Option<String>,
}
