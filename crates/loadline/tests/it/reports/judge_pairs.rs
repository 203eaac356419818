//! Pairs that were not measured in interleaved order, and what that costs.

use super::judge::{answers, check, linear, quadratic};
use expect_test::expect;
use serde_json::Value;

fn pair(new: fn(u64) -> u64, is_interleaved: bool) -> String {
    let sizes = [16, 32, 64, 128, 256, 512, 1024_u64];
    let rows = |cost: fn(u64) -> u64| sizes.map(|n| [cost(n); 3]);
    let (base, new) = (rows(linear), rows(new));
    serde_json::json!({"id": "a", "kind": "time", "n": sizes, "base": base, "new": new,
        "interleaved": is_interleaved})
    .to_string()
}

#[test]
fn a_pair_that_was_not_interleaved_is_judged_with_a_warning() {
    check(
        &pair(quadratic, true),
        &["--gate"],
        &expect![[r#"
            exit 3
             series  scaling exponent (95 %)  growth share (95 %)  p        verdict
             a       –                        E 91 % (89 … 93 %)   1.9e-22  worse
            growth share E of a pair: the part of the new cost at the largest N that the base's growth does not explain
        "#]],
    );
    check(
        &pair(quadratic, false),
        &["--gate"],
        &expect![[r#"
            exit 3
             series  scaling exponent (95 %)  growth share (95 %)  p        verdict
             a       –                        E 91 % (89 … 93 %)   1.9e-22  worse
            growth share E of a pair: the part of the new cost at the largest N that the base's growth does not explain
            note: a: not interleaved: if the machine becomes slower while it measures size after size, this looks like growth. In simulation, slowing by 30 % made 100 % of unchanged pairs worse at 1 % noise, and 17 % at 5 %. With interleaved repetitions it was 0.3 % at most. Measure every size of both sides once per repetition, and state "interleaved": true
        "#]],
    );
}

/// Nearly normal noise of mean 0 and deviation 1, the same each time.
fn noise(state: &mut u64) -> f64 {
    let mut uniform = || {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    (0..12).map(|_| uniform()).sum::<f64>() - 6.0
}

/// Share of 1,000 unchanged pairs that are called worse, when the machine slows by 30 % over the time
/// in which the new side is measured.
fn called_worse(is_interleaved: bool, deviation: f64) -> f64 {
    const REPETITIONS: usize = 10;
    let sizes: Vec<u64> = (0..9).map(|i| 16 << i).collect();
    let n_runs = sizes.len() * REPETITIONS;
    let mut state = 1;
    let mut side = |slowing: f64| -> Vec<Vec<f64>> {
        let mut cost = |place: usize, repetition: usize| {
            let run = if is_interleaved {
                repetition * sizes.len() + place
            } else {
                place * REPETITIONS + repetition
            };
            let pace = 1.0 + slowing * run as f64 / n_runs as f64;
            (5000.0 + 100.0 * sizes[place] as f64) * pace * (1.0 + deviation * noise(&mut state))
        };
        (0..sizes.len())
            .map(|place| (0..REPETITIONS).map(|repetition| cost(place, repetition)).collect())
            .collect()
    };
    let pairs: Vec<Value> = (0..1000)
        .map(|id| {
            serde_json::json!({"id": id.to_string(), "kind": "time", "n": sizes,
                "interleaved": is_interleaved, "base": side(0.0), "new": side(0.3)})
        })
        .collect();
    let answers = answers(&pairs.into(), &[]);
    let n_worse = answers.values().filter(|answer| answer["verdict"] == "worse").count();
    let share = n_worse as f64 / answers.len() as f64;
    println!("interleaved: {is_interleaved}, noise {deviation}: {:.1} % worse", share * 100.0);
    share
}

#[test]
fn a_machine_that_slows_down_is_growth_unless_sizes_are_interleaved() {
    assert!(called_worse(false, 0.01) > 0.99);
    assert!(called_worse(false, 0.05) > 0.1);
    assert!(called_worse(false, 0.15) > 0.005);
    for deviation in [0.01, 0.05, 0.15] {
        assert!(called_worse(true, deviation) < 0.005);
    }
}
