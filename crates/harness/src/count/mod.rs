//! Instructions of a closure at several sizes: counted by perf, or by valgrind's callgrind.

pub(crate) mod callgrind;
mod counted;
mod perf;
mod test;

pub(crate) use counted::{Counted, Function};
pub(crate) use perf::count as by_perf;
pub(crate) use test::Test;
