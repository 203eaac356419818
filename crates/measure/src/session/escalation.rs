//! Measures further while series are undecided. They get more repetitions, or a larger N where repetitions do
//! not help, as far as the budget allows. This module judges nothing itself.

use loadline_record::Result;
use loadline_record::escalation::{Step, Wish};
use std::collections::HashSet;
use std::time::Duration;

use crate::out;
use crate::session::measurement::Measurement;
use loadline_record::measured::Measured;

/// The number of repetitions after which more are not worth their time.
const MOST_REPETITIONS: usize = 20;

/// The number of sizes that may be added above the largest, each twice the size before.
const MOST_LARGER: usize = 2;

/// Measures the plan, then what `decide` wishes for, until it has no wish or `budget` is spent. Returns the
/// measurements with their last judgement.
///
/// # Errors
/// When a run cannot be saved, artifacts cannot be made, or the program is interrupted.
pub fn measure_until_sure<T>(
    measurement: &mut Measurement<'_>,
    decide: impl Fn(&Measured) -> (T, Vec<Wish>),
    budget: Duration,
) -> Result<(Measured, T)> {
    measurement.run()?;
    loop {
        let (judged, wishes) = decide(&measurement.measured());
        let granted = grant(measurement, &wishes, budget);
        if granted.full_names.is_empty() {
            if let Some(sentence) = granted.refused {
                out::note(sentence);
            }
            // Read the measurements again: they now name the larger sizes that the machine does not hold.
            return Ok((measurement.measured(), judged));
        }
        let (_, runs) = measurement.n_runs();
        out::note(format_args!(
            "not decided yet: {runs} more runs for {}",
            granted.full_names.join(", ")
        ));
        measurement.prepare_larger()?;
        measurement.run()?;
    }
}

/// The answer to the wishes.
#[derive(Default)]
struct Granted {
    /// The full names of the scenarios that are measured further.
    full_names: Vec<String>,
    /// Says in one sentence which wishes were refused for lack of time.
    refused: Option<String>,
}

/// Grants wishes in their order, while their expected time fits into `budget`.
fn grant(measurement: &mut Measurement<'_>, wishes: &[Wish], budget: Duration) -> Granted {
    let mut planned = measurement.measuring();
    let mut taken: HashSet<(String, Step)> = HashSet::new();
    let mut granted = Granted::default();
    let mut missing = Duration::ZERO;
    let mut without = Vec::new();
    for wish in wishes {
        let is_open = |full_name: &&String| !taken.contains(&((*full_name).clone(), wish.step));
        let open: Vec<&String> = wish.full_names.iter().filter(is_open).collect();
        let can_all = match wish.step {
            // A control that already has its repetitions needs no more.
            Step::MoreRepetitions => {
                open.iter().any(|t| measurement.may_have_repetitions(t, MOST_REPETITIONS))
            }
            Step::LargerN => open.iter().all(|t| measurement.may_grow(t, MOST_LARGER)),
        };
        if open.is_empty() || !can_all {
            continue;
        }
        let time: Duration =
            open.iter().map(|t| measurement.time_for(t, wish.step, MOST_REPETITIONS)).sum();
        if planned + time > budget {
            missing += time;
            without.push(wish.full_names[0].clone());
            continue;
        }
        planned += time;
        for full_name in open {
            measurement.take_step(full_name, wish.step, MOST_REPETITIONS);
            taken.insert((full_name.clone(), wish.step));
            granted.full_names.push(full_name.clone());
        }
    }
    granted.full_names.sort();
    granted.full_names.dedup();
    without.sort();
    without.dedup();
    if !without.is_empty() && granted.full_names.is_empty() {
        let (names, enough) = (without.join(", "), (planned + missing).as_secs() + 1);
        granted.refused = Some(format!(
            "the budget of {} s is spent: {names} would be measured further with --budget {enough}",
            budget.as_secs()
        ));
    }
    granted
}
