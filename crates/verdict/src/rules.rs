//! What the rules are asked about a series, and what known issues make of their answers.

pub mod known;
pub mod known_issue;
pub mod question;
pub mod readings;
pub mod reference;
pub mod scaled;
pub mod scaling;
