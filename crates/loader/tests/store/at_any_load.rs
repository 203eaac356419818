//! Slow tests that measure nothing, so other programs may run at the same time.

use loadline_loader::Key;

use super::damage::survives_corruption;
use super::processes::survives_kills;

#[test]
#[ignore = "slow: damages entries for a minute"]
fn none_of_ten_thousand_corruptions_reaches_wasmtime() {
    survives_corruption(5_000, None);
    survives_corruption(5_000, Some(Key::new([5; 32])));
}

#[test]
#[ignore = "slow: kills writers for a minute"]
fn four_hundred_killed_writers_leave_no_torn_entry() {
    survives_kills(400);
}
