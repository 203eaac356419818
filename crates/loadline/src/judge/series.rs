//! The result of every reader: named series, with notes about how they were read.

use loadline_record::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use loadline_growth::{Kind, Series};
use serde::de::{Error as DeError, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// One series with the name under which it is reported.
pub struct Named {
    pub id: String,
    pub question: Question,
    /// What the reader left out, and what a reader of the verdict should know.
    pub notes: Vec<String>,
}

/// The question about one series.
pub enum Question {
    /// Is its growth superlinear?
    Curve(Series),
    /// Does `new` grow faster than `base`?
    Pair { base: Series, new: Series },
}

impl Question {
    /// The series that is judged. Of a pair it is the new one.
    pub fn judged(&self) -> &Series {
        match self {
            Question::Curve(series) | Question::Pair { new: series, .. } => series,
        }
    }
}

/// How a series was measured.
#[derive(Debug, Clone, Copy)]
pub struct Design {
    pub kind: Kind,
    pub interleaved: bool,
    pub exact: bool,
    /// The step in which an exact count rises.
    pub quantum: f64,
}

impl Design {
    /// The design of times from a tool that measures size after size.
    pub const TIME_IN_SEQUENCE: Design =
        Design { kind: Kind::Time, interleaved: false, exact: false, quantum: 1.0 };

    /// Returns the checked series of `rows[i]`, the readings at `sizes[i]`. Also returns a note about
    /// readings that were left out.
    ///
    /// # Errors
    /// When the readings do not form a series.
    pub fn series(
        self,
        sizes: Vec<u64>,
        mut rows: Vec<Vec<f64>>,
    ) -> Result<(Series, Option<String>)> {
        // A repetition that visited only some sizes says nothing about the machine.
        let note = if self.interleaved { cut_to_common(&mut rows) } else { None };
        let series = Series::new(self.kind, sizes, rows)?;
        let series = series.interleaved(self.interleaved).exact(self.exact).quantum(self.quantum);
        Ok((series, note))
    }

    /// Returns a single curve, named `id`.
    ///
    /// # Errors
    /// When the readings do not form a series.
    pub fn curve(self, id: String, readings: Readings) -> Result<Named> {
        let (sizes, rows) = readings.0.into_iter().unzip();
        let (series, note) = self.series(sizes, rows).with_context(|| format!("series {id:?}"))?;
        Ok(Named { id, question: Question::Curve(series), notes: note.into_iter().collect() })
    }
}

/// Keeps only the repetitions that visited all sizes. A later check refuses a size without a reading.
fn cut_to_common(rows: &mut [Vec<f64>]) -> Option<String> {
    let fewest = rows.iter().map(Vec::len).min().unwrap_or(0);
    let most = rows.iter().map(Vec::len).max().unwrap_or(0);
    if fewest == 0 || fewest == most {
        return None;
    }
    rows.iter_mut().for_each(|row| row.truncate(fewest));
    Some(format!("the sizes have {fewest} to {most} readings: the first {fewest} of each are used"))
}

/// Readings by size, in the order in which they were read.
#[derive(Debug, Default)]
pub struct Readings(BTreeMap<u64, Vec<f64>>);

impl Readings {
    pub fn push(&mut self, size: u64, cost: f64) {
        self.0.entry(size).or_default().push(cost);
    }

    pub fn extend(&mut self, size: u64, costs: Vec<f64>) {
        let row = self.0.entry(size).or_default();
        if row.is_empty() {
            *row = costs;
        } else {
            row.extend(costs);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of readings at the size that has the fewest.
    pub fn fewest(&self) -> usize {
        self.0.values().map(Vec::len).min().unwrap_or(0)
    }
}

/// Reads a whole number from text: 16, or 16.0 and 1e3 as other programs write it.
pub fn size_from_text(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| text.parse().ok().and_then(size_from_float))
}

/// Accepts a whole number that is small enough for the float to mean only that number.
fn size_from_float(value: f64) -> Option<u64> {
    const EXACT_UP_TO: f64 = 9_007_199_254_740_992.0;
    ((0.0..=EXACT_UP_TO).contains(&value) && value.fract() == 0.0).then_some(value as u64)
}

/// A value of N in JSON.
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Size;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number from 0 up")
            }
            fn visit_u64<E: DeError>(self, value: u64) -> Result<Size, E> {
                Ok(Size(value))
            }
            fn visit_f64<E: DeError>(self, value: f64) -> Result<Size, E> {
                let wrong = || E::invalid_value(Unexpected::Float(value), &self);
                size_from_float(value).map(Size).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// Gives every series a name of its own. If two files name a series alike, the path of its file is added.
///
/// # Errors
/// When one file names two series alike, or is given twice.
pub fn with_distinct_names(files: Vec<(String, Vec<Named>)>) -> Result<Vec<Named>> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for named in files.iter().flat_map(|(_, named)| named) {
        *times.entry(named.id.clone()).or_default() += 1;
    }
    let mut known = BTreeSet::new();
    let mut all = Vec::new();
    for (path, series) in files {
        for mut named in series {
            let own = named.id.clone();
            if times[&own] > 1 {
                let stem = Path::new(&path).file_stem();
                let is_stem = stem.is_some_and(|stem| stem.to_string_lossy() == own);
                named.id = if is_stem { path.clone() } else { format!("{path}: {own}") };
            }
            let is_new = known.insert(named.id.clone());
            ensure!(is_new, "cannot judge {path}: the id {own:?} is there twice");
            all.push(named);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_however_they_are_written() {
        let cases = [
            ("16", Some(16)),
            ("16.0", Some(16)),
            ("1e3", Some(1000)),
            ("1.000000000000000000e+02", Some(100)),
            ("18446744073709551615", Some(u64::MAX)),
            ("9007199254740992.0", Some(1 << 53)),
            ("16.5", None),
            ("-16", None),
            ("-16.0", None),
            ("1e300", None),
            ("NaN", None),
            ("inf", None),
            ("", None),
        ];
        for (text, size) in cases {
            assert_eq!(size_from_text(text), size, "{text}");
        }
    }
}
