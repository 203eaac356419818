//! Rewrites files of format 1 in the words of format 2, and refuses files of other formats. `history` reads
//! old baselines this way. Readings stay as they are, byte for byte.

use loadline_scenario::renamed::{FIELDS, METRICS, new_name};
use serde::Deserialize;

use crate::{Result, ensure};

/// The kinds of files that have words of format 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A scenario.
    Scenario,
    /// The baselines of a scenario.
    Baseline,
    /// The calibrations of a repository.
    Calibration,
    /// The header or the runs of a session.
    Session,
}

impl Kind {
    /// The fields of this kind of file that have another name, besides those of scenarios.
    const fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Kind::Scenario => &[],
            Kind::Baseline => &[
                ("tail_exponent", "scaling_exponent"),
                ("tail_interval", "scaling_interval"),
                ("symbol", "function"),
                ("rounds", "samples"),
            ],
            Kind::Calibration => &[("rounds", "repetitions")],
            Kind::Session => &[
                ("ladders", "sizes"),
                ("means", "collector"),
                ("action", "kind"),
                ("subject", "workload"),
                ("residency", "loaded_at_once"),
                ("round", "repetition"),
            ],
        }
    }

    fn new_field(self, old: &str) -> Option<&'static str> {
        new_name(self.fields(), old).or_else(|| new_name(&FIELDS, old))
    }
}

/// Rewrites `text`, a file of this `kind` in format 1, in the words of format 2. A text of another format
/// stays as it is.
pub fn in_format_2(kind: Kind, text: &str) -> String {
    let (old, new) = match kind {
        Kind::Session => ("\"format\": 1,", "\"format\": 2,"),
        _ => ("format = 1", "format = 2"),
    };
    // The runs of a session name no format.
    let is_old = text.lines().any(|line| line.trim_start().starts_with(old));
    if !is_old && kind != Kind::Session {
        return text.to_owned();
    }
    let mut rewritten = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_in_word) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_in_word(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        let field = || kind.new_field(word).filter(|_| is_field(kind, word, after));
        rewritten.push_str(before);
        rewritten.push_str(new_name(&METRICS, word).or_else(field).unwrap_or(word));
        rest = after;
    }
    rewritten.push_str(rest);
    rewritten.replacen(old, new, 1)
}

fn is_in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Whether `word` names a field, judged by the text after it: `ladder = `, `ladder.to = `, `"ladder.to" = `,
/// `known_growth]]`, and in JSON `"ladder":`.
fn is_field(kind: Kind, word: &str, after: &str) -> bool {
    if after.starts_with("]]") {
        return true;
    }
    let after = match after.strip_prefix('.') {
        Some(inner) => inner.trim_start_matches(is_in_word),
        None => after,
    };
    let unquoted = after.strip_prefix('"').unwrap_or(after);
    if unquoted.trim_start_matches(' ').starts_with('=') {
        return true;
    }
    let value = after.strip_prefix("\":").filter(|_| kind == Kind::Session);
    // A reading is also called exact. It is a number, and a setting is a text.
    value.is_some_and(|value| word != "exact" || value.trim_start_matches(' ').starts_with('"'))
}

/// The part of every file that has not changed between formats.
#[derive(Deserialize)]
pub(crate) struct FormatOnly {
    format: u32,
}

impl FormatOnly {
    /// Refuses every format but `expected`. `remedy` says what helps if the file is older.
    pub(crate) fn check(&self, expected: u32, remedy: &str) -> Result<()> {
        let found = self.format;
        ensure!(
            found >= expected,
            "format {found} is older than format {expected}, which this version reads ({remedy})"
        );
        ensure!(
            found == expected,
            "format {found} is not known to this version, which reads format {expected} (update loadline)"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests;
