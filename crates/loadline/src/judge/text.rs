//! The answers as text for people.

use std::fmt::Write;

use comfy_table::{Table, presets};

use super::answer::{Answer, IntervalOf};
use loadline_report::trimmed;

/// The number of names that a note lists before it counts the rest.
const NAMES_SHOWN: usize = 3;

/// A table with a row for each answer, an explanation of its columns, and the notes.
pub fn text(ids: &[&str], answers: &[Answer]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["series", "scaling exponent (95 %)", "growth share (95 %)", "p", "verdict"]);
    for (id, answer) in ids.iter().zip(answers) {
        let why = answer.why.as_ref().map(|why| format!(": {why}"));
        table.add_row([
            escaped(id),
            exponent(answer),
            share(answer),
            answer.p.map_or_else(dash, |p| format!("{p:.1e}")),
            format!("{}{}", answer.verdict, why.unwrap_or_default()),
        ]);
    }
    let mut text = trimmed(&table.to_string());
    text.push_str(&legend(answers));
    text.push_str(&notes(ids, answers));
    text
}

fn dash() -> String {
    "–".to_owned()
}

fn exponent(answer: &Answer) -> String {
    match (answer.interval_of, answer.exponent, answer.lo, answer.hi) {
        (IntervalOf::ScalingExponent, Some(exponent), Some(low), Some(high)) => {
            format!("{exponent:.2} ({low:.2} … {high:.2})")
        }
        _ => dash(),
    }
}

fn share(answer: &Answer) -> String {
    let percent = |share: f64| format!("{:.0}", share * 100.0);
    match (answer.interval_of, answer.share, answer.lo, answer.hi) {
        (IntervalOf::GrowthShare, Some(share), Some(low), Some(high)) => {
            format!("E {} % ({} … {} %)", percent(share), percent(low), percent(high))
        }
        (_, Some(share), ..) => format!("{} %", percent(share)),
        _ => dash(),
    }
}

fn legend(answers: &[Answer]) -> String {
    let mut legend = String::new();
    let has = |of: IntervalOf| answers.iter().any(|answer| answer.interval_of == of);
    if has(IntervalOf::ScalingExponent) {
        legend.push_str(
            "scaling exponent: 1 = linear, 2 = quadratic\n\
             growth share of a curve: the part of the cost at the largest N that grows faster than N log N\n",
        );
    }
    if has(IntervalOf::GrowthShare) {
        legend.push_str(
            "growth share E of a pair: the part of the new cost at the largest N that the base's growth \
             does not explain\n",
        );
    }
    legend
}

/// Each note once, with the series it is about.
fn notes(ids: &[&str], answers: &[Answer]) -> String {
    let mut notes: Vec<(&str, Vec<String>)> = Vec::new();
    for (id, answer) in ids.iter().zip(answers) {
        for note in &answer.notes {
            match notes.iter_mut().find(|(known, _)| known == note) {
                Some((_, names)) => names.push(escaped(id)),
                None => notes.push((note, vec![escaped(id)])),
            }
        }
    }
    let mut text = String::new();
    for (note, mut names) in notes {
        let n_more = names.len().saturating_sub(NAMES_SHOWN);
        names.truncate(NAMES_SHOWN);
        let names = names.join(", ");
        let more = if n_more > 0 { format!(" and {n_more} more") } else { String::new() };
        let _ = writeln!(text, "note: {names}{more}: {note}");
    }
    text
}

/// Makes characters visible that would move the cursor, colour the terminal or reverse the line.
pub fn escaped(text: &str) -> String {
    let is_shown = |char: char| {
        !char.is_control()
            && !matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if is_shown(char) {
            escaped.push(char);
        } else {
            escaped.extend(char.escape_default());
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_reach_the_terminal_without_what_it_would_obey() {
        assert_eq!(escaped("a\u{1b}[31m\0b\u{9b}c\n"), r"a\u{1b}[31m\u{0}b\u{9b}c\n");
        assert_eq!(escaped("x\u{202e}y"), r"x\u{202e}y");
        assert_eq!(escaped("Zähler (3 %) \"ä\""), "Zähler (3 %) \"ä\"");
    }
}
