//! The facts of one judged session, in sentences that every form of the report shows.

pub mod advice;
pub mod ending;
pub mod evidence;
pub mod fact;
pub mod facts;
pub mod model;
pub mod next;
pub mod places;
pub mod series;
pub mod words;
