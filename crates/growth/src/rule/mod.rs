//! The rules that turn measurements into verdicts.

pub(crate) mod curve;
pub(crate) mod doubt;
pub(crate) mod hidden_growth;
pub(crate) mod pair;
pub(crate) mod scaling;
pub(crate) mod self_check;
pub(crate) mod verdict;
