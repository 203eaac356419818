//! The report as GitHub's Markdown: the summary of a job, and the comment on a pull request.

use crate::forms::text::{not_counted, self_checks, verdict};
use crate::session::fact::{fact, function_fact};
use crate::session::model::{Facts, ScenarioFacts, SeriesFacts, Word};
use crate::session::words::{cause_lines, exponent_text, figures, new_functions, to_act};
use loadline_scenario::units::amount;

/// An invisible line in the comment. A later run finds the comment by it and replaces the comment.
pub const MARKER: &str = "<!-- loadline-report -->";

/// The longest comment that GitHub accepts, in characters.
const LONGEST_COMMENT: usize = 65_536;

/// Renders the summary of a job.
pub fn summary(facts: &Facts) -> String {
    let mut text = overview(facts);
    sections(facts).for_each(|section| text.push_str(&section));
    text.push_str(&everything(facts));
    text.push_str(&ending(facts));
    text
}

/// Renders the body of a comment. Sections that do not fit are left out, and the comment says so.
pub fn comment(facts: &Facts) -> String {
    let (overview, ending) = (overview(facts), ending(facts));
    let left_out = "\n*The job's summary has what does not fit into this comment.*\n";
    let mut text = format!("{MARKER}\n{overview}");
    let fixed = left_out.chars().count() + ending.chars().count();
    let mut room = LONGEST_COMMENT.saturating_sub(text.chars().count() + fixed);
    let mut is_whole = true;
    for section in sections(facts).chain([everything(facts)]) {
        let length = section.chars().count();
        is_whole &= length <= room;
        if length <= room {
            room -= length;
            text.push_str(&section);
        }
    }
    if !is_whole {
        text.push_str(left_out);
    }
    text.push_str(&ending);
    // Only an overview of thousands of scenarios is too long without any section.
    text.chars().take(LONGEST_COMMENT).collect()
}

fn overview(facts: &Facts) -> String {
    let sign = match facts.result.exit_code {
        0 if facts.judged().any(|(_, series)| series.verdict.is_open()) => "⚠️",
        0 => "✅",
        4 | 5 => "⚠️",
        _ => "❌",
    };
    let mut text = format!("## {sign} Loadline: {}\n\n", escape(&facts.result.headline));
    let taken = facts.taken().map(|taken| format!("; measured in {taken}")).unwrap_or_default();
    let (counts, exit) = (facts.counts(), facts.result.exit_code);
    text.push_str(&format!("{}{taken} (exit code {exit})", escape(&counts)));
    if let Some(build) = &facts.against {
        text.push_str(&format!(", compared with {}", escape(&build.name)));
    }
    text.push_str(&format!("\n\n{}\n", escape(&facts.environment_line())));
    let rows: Vec<_> =
        facts.most_telling_first().filter(|(_, s)| needs_a_look(s.verdict)).collect();
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&table(&rows));
    }
    // The headline has the first of them.
    for failure in facts.failures.iter().skip(1) {
        text.push_str(&format!("\n- failed: {}", escape(failure)));
    }
    if facts.failures.len() > 1 {
        text.push('\n');
    }
    text
}

fn needs_a_look(word: Word) -> bool {
    word.is_red() || word.is_open() || word == Word::Improved
}

fn table(rows: &[(&ScenarioFacts, &SeriesFacts)]) -> String {
    let mut text = "| scenario | series | verdict | scaling exponent (1 = linear, 2 = quadratic) | was | at the largest N |\n|---|---|---|--:|--:|--:|\n".to_owned();
    for (scenario, series) in rows {
        let was = series.other_exponent.map(|was| format!("{:.2} … {:.2}", was.low, was.high));
        let cost = series.costs.last().map(|size| {
            let cost = amount(size.cost, series.unit);
            let other = size.other_cost.map(|other| amount(other, series.unit));
            let other = other.map(|other| format!(", {} {other}", series.other_name()));
            format!("{cost}{}", other.unwrap_or_default())
        });
        let dash = || "–".to_owned();
        let exponent = match &series.speed_up {
            _ if series.costs.is_empty() => dash(),
            Some(speed_up) => format!("× {}", exponent_text(Some(speed_up), false)),
            None => exponent_text(series.exponent.as_ref(), series.is_flat()),
        };
        let word = escape(&verdict(series));
        let word = if series.verdict.is_red() { format!("**{word}**") } else { word };
        text.push_str(&format!(
            "| {} | {} | {word} | {exponent} | {} | {} |\n",
            escape(&scenario.full_name),
            escape(&series.name.to_string()),
            was.unwrap_or_else(dash),
            cost.unwrap_or_else(dash),
        ));
    }
    text
}

/// Lists one section for each series that needs attention, and one for the new functions of each scenario.
fn sections(facts: &Facts) -> impl Iterator<Item = String> {
    let series = facts.most_telling_first().filter(|(_, series)| needs_a_look(series.verdict));
    let functions = facts.scenarios.iter().filter_map(function_section);
    series.map(|(scenario, series)| section(scenario, series)).chain(functions)
}

fn section(scenario: &ScenarioFacts, series: &SeriesFacts) -> String {
    let mut text = format!("\n### {}\n\n", escape(&fact(scenario, series)));
    let list = |items: Vec<String>| -> String {
        items.iter().map(|item| format!("- {}\n", escape(item))).collect()
    };
    text.push_str(&list(to_act(scenario, series)));
    text.push_str(&format!("\nAgain: {}\n", code(&scenario.command)));
    text.push_str(&costs(series));
    let figures = list(figures(scenario, series));
    text.push_str(&format!("\n<details><summary>Figures</summary>\n\n{figures}\n</details>\n"));
    text
}

fn costs(series: &SeriesFacts) -> String {
    let Some(first) = series.costs.first() else { return String::new() };
    let has_other = series.costs.iter().any(|size| size.other_cost.is_some());
    let shown = |cost: Option<f64>| cost.map_or_else(|| "–".to_owned(), |c| amount(c, series.unit));
    let other = if has_other { format!(" {} |", series.other_name()) } else { String::new() };
    let rule = if has_other { "--:|" } else { "" };
    let one = &series.one;
    let mut text =
        format!("\n| N | now |{other} one {one} | the next {one} |\n|--:|--:|{rule}--:|--:|\n");
    for size in &series.costs {
        let other =
            if has_other { format!(" {} |", shown(size.other_cost)) } else { String::new() };
        let next = if size.n == first.n { "–".to_owned() } else { shown(size.next_module) };
        text.push_str(&format!(
            "| {} | {} |{other} {} | {next} |\n",
            size.n,
            shown(Some(size.cost)),
            shown(Some(size.per_module)),
        ));
    }
    text
}

fn function_section(scenario: &ScenarioFacts) -> Option<String> {
    let lines =
        |function| [vec![function_fact(scenario, function)], cause_lines(function)].concat();
    let mut lines = new_functions(scenario).flat_map(lines).peekable();
    lines.peek()?;
    let items: String = lines.map(|line| format!("- {}\n", escape(&line))).collect();
    Some(format!("\n### {}: functions with new growth\n\n{items}", escape(&scenario.full_name)))
}

/// Renders every judged series, folded.
fn everything(facts: &Facts) -> String {
    let rows: Vec<_> = facts.judged().collect();
    if rows.is_empty() {
        return String::new();
    }
    let count = rows.len();
    format!(
        "\n<details><summary>All {count} judged series</summary>\n\n{}\n</details>\n",
        table(&rows)
    )
}

fn ending(facts: &Facts) -> String {
    let mut text = String::new();
    if !facts.remarks.is_empty() {
        let items: String =
            facts.remarks.iter().map(|remark| format!("- {}\n", escape(remark))).collect();
        text.push_str(&format!("\n<details><summary>Remarks</summary>\n\n{items}\n</details>\n"));
    }
    for line in not_counted(facts).into_iter().chain(self_checks(facts)) {
        text.push_str(&format!("\n- {}", escape(&line)));
    }
    text.push_str(&format!("\n\nNext: {}\n", escape(&facts.result.next)));
    text
}

/// Escapes text so that GitHub sees no markup, no mention of people and no reference in it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '@' => escaped.push_str("&#64;"),
            '#' => escaped.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\n' | '\r' => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

/// Renders a span of code, even if the code has backticks in it.
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{}{space}{fence}", text.replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(escape("a|b <c> @d #1 __e"), "a\\|b &lt;c&gt; &#64;d &#35;1 \\_\\_e");
        assert_eq!(code("x y"), "`x y`");
        assert_eq!(code("x `y`"), "`` x `y` ``");
    }
}
