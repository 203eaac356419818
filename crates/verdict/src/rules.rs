//! The questions that the rules answer about a series, and how known issues change the answers.

pub mod known;
pub mod known_issue;
pub mod question;
pub mod readings;
pub mod reference;
pub mod scaled;
pub mod scaling;
