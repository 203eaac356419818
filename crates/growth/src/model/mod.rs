//! Models of cost over N, and how they are fitted.

pub(crate) mod fit;
pub(crate) mod formula;
pub(crate) mod pair_model;
pub(crate) mod shape;
pub(crate) mod tail;
