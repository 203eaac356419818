//! The forms of a report, one file per form.

pub mod chart;
pub mod github;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod plot;
pub mod text;
