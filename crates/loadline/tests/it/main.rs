//! The tests of the program, in one binary: it is linked once.

#![allow(clippy::unwrap_used)]

mod common;
mod durable;
mod live;
mod reports;
mod repository;
mod two_sides;
