//! The measured data, condensed into the numbers that every rule starts from.

pub(crate) mod calibrate;
pub(crate) mod design;
pub(crate) mod readings;
pub(crate) mod series;
pub(crate) mod summary;
pub(crate) mod tau;
