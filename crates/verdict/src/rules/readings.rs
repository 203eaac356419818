//! Finds the series of a session that the rules judge, and restricts two series to their common sizes.

use loadline_growth::Series;
use loadline_record::measured::{Measured, MeasuredScenario, Repetitions};
use loadline_scenario::{Absence, Scenario, SeriesName};

/// Why a series cannot be judged at all.
#[derive(Debug, Clone, Copy)]
pub enum NoSeries {
    /// Nothing counts the series here.
    Absent(Absence),
    /// Runs of the scenario failed.
    RunsFailed,
}

/// Finds the results of the control of `scenario` in the same session.
pub(crate) fn control<'a>(
    scenario: &Scenario,
    session: &'a Measured,
) -> Option<&'a MeasuredScenario> {
    let full_name = scenario.control_full_name()?;
    session.scenarios.iter().find(|m| m.scenario.full_name() == full_name)
}

/// Returns the series `name` of the control of `scenario`, if the same session measured it.
pub fn control_series(scenario: &Scenario, name: SeriesName, session: &Measured) -> Option<Series> {
    workload(control(scenario, session)?, name).ok()
}

/// Returns the series `name` of one scenario.
///
/// # Errors
/// Returns why there is no series: runs failed, or the metric was not counted.
pub fn workload(measured: &MeasuredScenario, name: SeriesName) -> Result<Series, NoSeries> {
    if !measured.failures.is_empty() {
        return Err(NoSeries::RunsFailed);
    }
    match measured.series.get(&name) {
        Some(Repetitions::Complete(_)) => measured.complete(name).ok_or(NoSeries::RunsFailed),
        Some(Repetitions::Missing(absence)) => Err(NoSeries::Absent(*absence)),
        None => Err(NoSeries::Absent(Absence::NotMeasured)),
    }
}

/// Restricts both series to the sizes that both have.
pub fn on_common_sizes(new: &Series, old: &Series) -> (Series, Series) {
    let is_common = |size| new.sizes().contains(&size) && old.sizes().contains(&size);
    // Without a common size no series can be built. The rule then reports that the sizes differ.
    let on = |series: &Series| series.at_sizes(is_common).unwrap_or_else(|_| series.clone());
    (on(new), on(old))
}

/// Returns the cost at each N: the median of its repetitions.
pub fn medians(series: &Series) -> Vec<(u64, f64)> {
    let median = |costs: &Vec<f64>| {
        let mut sorted = costs.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        }
    };
    series.sizes().iter().copied().zip(series.costs().iter().map(median)).collect()
}
