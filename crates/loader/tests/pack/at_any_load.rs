//! Slow tests that measure nothing, so other programs may run at the same time.

use super::refused::survives_damage;

#[test]
#[ignore = "slow: damages packs (seconds)"]
fn two_thousand_corruptions_of_packs_are_found() {
    survives_damage(1_000);
}
