//! The list under `benchmarks`, which Google Benchmark and pytest-benchmark both write.

mod entry;
mod google;
mod pytest;

use loadline_record::{Result, ensure};
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use self::entry::Entry;
use super::found::Found;
use super::points::{Point, grouped};

/// The readings of the list, by benchmark and parameters.
#[derive(Default)]
pub struct Benchmarks {
    points: Vec<Point>,
    /// The unit of each family whose benchmarks state one.
    units: BTreeMap<String, String>,
    is_pytest: bool,
    n_aggregates: usize,
    notes: Vec<String>,
}

impl Benchmarks {
    fn add(&mut self, entry: Entry) -> Result<(), String> {
        if entry.stats.is_some() {
            self.is_pytest = true;
            self.points.push(pytest::point(entry)?);
            return Ok(());
        }
        if google::is_aggregate(&entry) {
            self.n_aggregates += 1;
            return Ok(());
        }
        if entry.error_occurred == Some(true) {
            self.notes.push(format!("{:?} is left out: it ended with an error", entry.name));
            return Ok(());
        }
        let unit = entry.time_unit.clone().unwrap_or_else(|| "ns".to_owned());
        let point = google::point(entry)?;
        let known = self.units.entry(point.family.clone()).or_insert_with(|| unit.clone());
        if *known != unit {
            return Err(format!("{:?} is measured in {known} and in {unit}", point.family));
        }
        match self.points.last_mut() {
            Some(last) if last.family == point.family && last.parameters == point.parameters => {
                last.readings.extend(point.readings);
            }
            _ => self.points.push(point),
        }
        Ok(())
    }

    /// Returns the series, in the units of the file.
    ///
    /// # Errors
    /// When no benchmark was measured over sizes, or its times do not form a series.
    pub fn into_found(self) -> Result<Found> {
        ensure!(
            !self.points.is_empty() || self.n_aggregates == 0,
            "it contains aggregates only: run the benchmark with --benchmark_repetitions=10 and without \
             --benchmark_report_aggregates_only"
        );
        let how = if self.is_pytest { pytest::MORE_ROUNDS } else { google::MORE_ROUNDS };
        let (groups, mut notes) = grouped(self.points);
        notes.extend(self.notes);
        ensure!(
            !groups.is_empty(),
            "no benchmark in it has a size{}",
            notes.first().map(|note| format!(" ({note})")).unwrap_or_default()
        );
        let series = groups.into_iter().map(|group| group.times(how));
        let series = series.collect::<Result<_>>()?;
        Ok(Found { series, notes, states_itself: true })
    }
}

impl<'de> Deserialize<'de> for Benchmarks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Benchmarks, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Benchmarks;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of benchmarks")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Benchmarks, A::Error> {
                let mut benchmarks = Benchmarks::default();
                while let Some(entry) = seq.next_element()? {
                    benchmarks.add(entry).map_err(A::Error::custom)?;
                }
                Ok(benchmarks)
            }
        }
        deserializer.deserialize_seq(List)
    }
}
