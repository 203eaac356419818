//! Lines of text: wrapped between words, cut to one line, and lists that fit into the room that is left.

use loadline_record::PROGRAM;

/// Words that stay on the line of the word before them.
const UNITS: [&str; 12] = ["=", "…", "%", "≈", "s", "ms", "µs", "ns", "bytes", "KB", "MB", "GB"];

/// Words that stay on the line of the word after them.
const BEFORE: [&str; 6] = ["=", "…", "≈", "N", "×", "−"];

/// A list of items with one line each.
pub struct List {
    /// The heading, without the number of items.
    pub heading: String,
    /// The items.
    pub items: Vec<String>,
}

/// Wraps `line` between words. The lines after the first are indented a little further.
pub fn wrapped(line: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width.filter(|width| line.chars().count() > *width) else {
        return vec![line.to_owned()];
    };
    let indent = line.len() - line.trim_start().len();
    let mut lines = vec![" ".repeat(indent)];
    let (mut used, mut is_empty) = (indent, true);
    for group in groups(line) {
        let length = group.chars().count();
        if !is_empty && used + 1 + length > width {
            lines.push(" ".repeat(indent + 2));
            (used, is_empty) = (indent + 2, true);
        }
        if let Some(last) = lines.last_mut() {
            last.push_str(if is_empty { "" } else { " " });
            last.push_str(&group);
        }
        used += length + usize::from(!is_empty);
        is_empty = false;
    }
    lines
}

/// Joins words that stay together, such as a number and its unit.
fn groups(line: &str) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    let mut before = "";
    for word in line.split_whitespace() {
        let plain = |word: &str| word.trim_matches([',', '.', ';', ':', '(', ')']).to_owned();
        let is_glued =
            UNITS.contains(&plain(word).as_str()) || BEFORE.contains(&plain(before).as_str());
        match groups.last_mut().filter(|_| is_glued) {
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => groups.push(word.to_owned()),
        }
        before = word;
    }
    groups
}

/// Wraps a command so that a shell reads its lines as one; other text is wrapped between words.
pub fn wrapped_command(label: &str, command: &str, width: Option<usize>) -> Vec<String> {
    let line = format!("{label}{command}");
    let is_command = command.starts_with(&PROGRAM.to_string());
    // Quoted words may contain spaces, at which the command must not be divided.
    if !is_command || command.contains('\'') {
        return wrapped(&line, width);
    }
    let mut lines = wrapped(&line, width.map(|width| width.saturating_sub(2)));
    let last = lines.len() - 1;
    lines[..last].iter_mut().for_each(|line| line.push_str(" \\"));
    lines
}

/// Cuts `line` to the width, with `…` where something is missing.
pub fn cut(line: &str, width: Option<usize>) -> String {
    match width.filter(|width| line.chars().count() > *width) {
        Some(width) => line.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        None => line.to_owned(),
    }
}

/// Renders lists in at most `room` lines. Every list gets its heading and one item first; then they share the
/// rest in turn. A heading says how many items are not shown.
pub fn fitted(lists: Vec<List>, room: usize, width: Option<usize>) -> Vec<String> {
    let mut lists: Vec<List> = lists.into_iter().filter(|list| !list.items.is_empty()).collect();
    lists.truncate(room / 2);
    let mut shown = vec![1; lists.len()];
    let mut left = room.saturating_sub(2 * lists.len());
    while left > 0 {
        let is_cut = |(place, list): (usize, &List)| shown[place] < list.items.len();
        let Some(place) = (0..lists.len())
            .filter(|place| is_cut((*place, &lists[*place])))
            .min_by_key(|place| shown[*place])
        else {
            break;
        };
        shown[place] += 1;
        left -= 1;
    }
    let mut lines = Vec::new();
    for (list, shown) in lists.iter().zip(shown) {
        let hidden = list.items.len() - shown;
        let more = if hidden > 0 { format!(" ({hidden} more: -v)") } else { String::new() };
        lines.push(cut(&format!("{}{more}:", list.heading), width));
        lines.extend(list.items.iter().take(shown).map(|item| cut(&format!("  {item}"), width)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wrap_between_words_and_keep_figures_together() {
        let line = "  a sentence about the cost of 216 ms instead of 53.9 ms at N = 4096 (×4.0).";
        let lines = wrapped(line, Some(40));
        assert_eq!(
            lines,
            [
                "  a sentence about the cost of 216 ms",
                "    instead of 53.9 ms at N = 4096",
                "    (×4.0)."
            ]
        );
        assert_eq!(wrapped(line, None), [line]);
        for width in 60..=200 {
            assert!(
                wrapped(&line.repeat(5), Some(width)).iter().all(|l| l.chars().count() <= width)
            );
        }
    }

    #[test]
    fn a_wrapped_command_is_one_command() {
        let command = format!("{PROGRAM} regress {}", "--set repetitions=10 ".repeat(5));
        let lines = wrapped_command("next: ", command.trim(), Some(60));
        assert!(lines.len() > 1 && lines[0].ends_with(" \\"), "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= 60), "{lines:?}");
        assert!(!lines[lines.len() - 1].ends_with('\\'), "{lines:?}");
    }

    #[test]
    fn lists_share_the_room_and_say_what_they_leave_out() {
        let list = |heading: &str, count: usize| List {
            heading: heading.to_owned(),
            items: (0..count).map(|place| format!("{heading}{place}")).collect(),
        };
        let lists = || vec![list("a", 5), list("b", 0), list("c", 2)];
        let all = fitted(lists(), 99, None);
        assert_eq!(all, ["a:", "  a0", "  a1", "  a2", "  a3", "  a4", "c:", "  c0", "  c1"]);
        let some = fitted(lists(), 6, None);
        assert_eq!(some, ["a (3 more: -v):", "  a0", "  a1", "c:", "  c0", "  c1"]);
        assert_eq!(fitted(lists(), 2, None), ["a (4 more: -v):", "  a0"]);
    }
}
