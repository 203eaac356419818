//! Rows of N and cost: CSV, or rows separated by semicolons, tabs or blanks.

use loadline_record::{Context, Result, bail, ensure};
use std::fmt;
use std::io::BufRead;

use loadline_growth::Kind;

use super::super::series::{Design, Readings, size_from_text};
use super::found::Found;
use crate::cli::{Judge, JudgeKind};

/// The separator between the fields of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    Char(char),
    Blanks,
}

impl Separator {
    /// The separator that `row` uses.
    fn of(row: &str) -> Separator {
        let char = [';', '\t', ','].into_iter().find(|char| row.contains(*char));
        char.map_or(Separator::Blanks, Separator::Char)
    }

    /// The first two fields, and the number of fields. Some programs put quotes around numbers, which are
    /// removed.
    fn fields(self, row: &str) -> ([&str; 2], usize) {
        fn first_two<'a>(fields: impl Iterator<Item = &'a str>) -> ([&'a str; 2], usize) {
            let (mut two, mut n_fields) = ([""; 2], 0);
            for field in fields {
                if let Some(place) = two.get_mut(n_fields) {
                    *place = field.trim().trim_matches('"');
                }
                n_fields += 1;
            }
            (two, n_fields)
        }
        match self {
            Separator::Char(char) => first_two(row.split(char)),
            Separator::Blanks => first_two(row.split_whitespace()),
        }
    }
}

impl fmt::Display for Separator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Separator::Char(';') => "semicolons",
            Separator::Char('\t') => "tabs",
            Separator::Char(_) => "commas",
            Separator::Blanks => "blanks",
        })
    }
}

/// Reads rows. Rows with the same N are repetitions, in their order. A first row without numbers is a header.
/// `line` is the number of the first line of `input`. Only the readings are kept.
pub fn read(
    mut input: impl BufRead,
    mut line: usize,
    name: &str,
    arguments: &Judge,
) -> Result<Found> {
    let mut readings = Readings::default();
    let mut separator = None;
    let mut is_first = true;
    let mut text = String::new();
    while input.read_line(&mut text).with_context(|| format!("line {line}"))? > 0 {
        let row = text.trim();
        if !row.is_empty() && !row.starts_with('#') {
            let by = separator.unwrap_or_else(|| Separator::of(row));
            match reading(row, by) {
                Ok((size, cost)) => {
                    readings.push(size, cost);
                    separator = Some(by);
                }
                Err(_) if is_first && is_header(row) => {}
                Err(error) => bail!("line {line}: {error} (fields are separated by {by})"),
            }
            is_first = false;
        }
        text.clear();
        line += 1;
    }
    ensure!(!readings.is_empty(), "it is neither rows of n and cost nor JSON");
    let kind = match arguments.kind {
        Some(JudgeKind::Count) => Kind::Count,
        Some(JudgeKind::Time) | None => Kind::Time,
    };
    let design =
        Design { kind, interleaved: arguments.interleaved, exact: arguments.exact, quantum: 1.0 };
    let series = vec![design.curve(name.to_owned(), readings)?];
    Ok(Found { series, notes: Vec::new(), states_itself: false })
}

fn reading(row: &str, separator: Separator) -> Result<(u64, f64)> {
    let ([n, cost], n_fields) = separator.fields(row);
    ensure!(n_fields == 2, "{n_fields} fields, not n and cost");
    let size = size_from_text(n).with_context(|| format!("{n:?} is not a whole number"))?;
    let cost = cost.parse().with_context(|| format!("{cost:?} is not a cost"));
    Ok((size, cost?))
}

/// Whether no field of `row` is a number under any separator.
fn is_header(row: &str) -> bool {
    !row.split([';', '\t', ',', ' ', '"']).any(|field| field.parse::<f64>().is_ok())
}
