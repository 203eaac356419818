//! `--quick`: keeps exact counts and the self-check, at five sizes up to 4,096.

use loadline_record::{Error, Exit, Result};
use loadline_scenario::Scenario;

/// The largest size that is measured.
const LARGEST: usize = 4096;

/// Keeps what is counted exactly of `scenarios`, at few sizes. Sentences about the rest go to `left_out`.
///
/// # Errors
/// When no scenario counts anything exactly.
pub fn reduced(scenarios: Vec<Scenario>, left_out: &mut Vec<String>) -> Result<Vec<Scenario>> {
    let (mut kept, mut by_clock, mut cut) = (Vec::new(), Vec::new(), Vec::new());
    for scenario in scenarios {
        let full_name = scenario.full_name();
        match scenario.counted_exactly() {
            Some(mut exact) => {
                if exact.sizes.last().is_some_and(|n| *n > LARGEST) {
                    cut.push(full_name);
                }
                exact.sizes = few(&exact.sizes);
                exact.callgrind_sizes = few(&exact.callgrind_sizes);
                kept.push(exact);
            }
            None => by_clock.push(full_name),
        }
    }
    if kept.is_empty() {
        let text = format!(
            "--quick counts exactly, and these scenarios judge the clock only: {} (leave out --quick)",
            by_clock.join(", ")
        );
        return Err(Error::new(Exit::NothingSelected, text));
    }
    left_out.push("--quick: left out all series by the clock, and all but five sizes".to_owned());
    if !cut.is_empty() {
        left_out.push(format!("--quick: left out sizes above {LARGEST} of {}", cut.join(", ")));
    }
    if !by_clock.is_empty() {
        let all = by_clock.join(", ");
        left_out.push(format!("--quick: left out {all}, judged by the clock only"));
    }
    Ok(kept)
}

/// Says which controls are not measured, because `needs` does not ask for them.
pub fn name_controls(
    scenarios: &[Scenario],
    needs: impl Fn(&Scenario) -> bool,
    left_out: &mut Vec<String>,
) {
    let without = scenarios.iter().filter(|scenario| !needs(scenario));
    let controls: Vec<String> = without.filter_map(Scenario::control_full_name).collect();
    if !controls.is_empty() {
        left_out.push(format!(
            "--quick: left out the controls of scenarios with a baseline: {}",
            controls.join(", ")
        ));
    }
}

/// Five of `sizes` up to the largest allowed one, spread evenly. All of them if there are fewer.
fn few(sizes: &[usize]) -> Vec<usize> {
    let fitting = sizes.iter().filter(|size| **size <= LARGEST).count();
    // Without enough small sizes, the smallest ones have to do.
    let sizes = &sizes[..fitting.max(loadline_scenario::scenario::FEWEST_SIZES).min(sizes.len())];
    let last = sizes.len().saturating_sub(1);
    let mut places: Vec<usize> = (0..5).map(|step| step * last / 4).collect();
    places.dedup();
    places.into_iter().filter_map(|place| sizes.get(place).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_sizes_are_spread_evenly() {
        let doubling: Vec<usize> = (6..=14).map(|power| 1 << power).collect();
        assert_eq!(few(&doubling), [64, 128, 512, 1024, 4096]);
        assert_eq!(few(&[8, 16, 32, 64, 128, 256, 512]), [8, 16, 64, 128, 512]);
        assert_eq!(few(&[1, 2, 4, 8]), [1, 2, 4, 8]);
        let large = [2048, 4096, 8192, 16_384, 32_768, 65_536];
        assert_eq!(few(&large), large[..5]);
    }
}
