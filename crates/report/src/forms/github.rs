//! The report as GitHub workflow commands: one annotation for each finding that is not green.

use crate::session::fact::{fact, function_fact};
use crate::session::model::{Facts, Place, Word};
use crate::session::words::{cause_lines, lines, new_functions};

/// Renders the report, one line per annotation.
pub fn render(facts: &Facts) -> String {
    let mut commands = Vec::new();
    if facts.result.is_self_check_failed {
        let checks =
            facts.self_checks.iter().map(|check| format!("{}: {}", check.metric, check.sentence));
        let checks: Vec<String> = checks.collect();
        commands.push(command(
            "error",
            None,
            "Loadline: the self-check failed",
            &checks.join("\n"),
        ));
    }
    for (scenario, series) in facts.most_telling_first() {
        let level = match series.verdict {
            Word::Regressed | Word::Failed => "error",
            Word::Inconclusive | Word::NoBaseline | Word::NotGated => "warning",
            Word::Improved => "notice",
            Word::Holds | Word::NotJudged | Word::Control | Word::Observed => continue,
        };
        let text = std::iter::once(fact(scenario, series)).chain(lines(scenario, series));
        let text: Vec<String> = text.collect();
        let title = format!("{} {}", scenario.full_name, series.name);
        commands.push(command(level, Some(&series.place), &title, &text.join("\n")));
    }
    for scenario in &facts.scenarios {
        for function in new_functions(scenario) {
            let place = Place { file: scenario.file.clone(), line: 1 };
            let title = format!("{} {}", scenario.full_name, function.phase);
            let text = [vec![function_fact(scenario, function)], cause_lines(function)].concat();
            let text = text.join("\n");
            commands.push(command("error", Some(&place), &title, &text));
        }
    }
    commands.extend(facts.failures.iter().map(|f| command("error", None, "a run failed", f)));
    commands.iter().map(|line| format!("{line}\n")).collect()
}

/// Formats a workflow command: `::error file=…,line=…,title=…::message`.
fn command(level: &str, place: Option<&Place>, title: &str, message: &str) -> String {
    let place = place.map(|place| format!("file={},line={},", property(&place.file), place.line));
    let place = place.unwrap_or_default();
    format!("::{level} {place}title={}::{}", property(title), data(message))
}

/// Escapes the text of a command. A percent sign or a line end would otherwise end the text.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property. A colon or a comma would otherwise end the property too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_command_before_its_end() {
        let place = Place { file: "a,b:c.toml".to_owned(), line: 7 };
        assert_eq!(
            command("error", Some(&place), "100 %: x, y", "50 %\r\n::warning::z"),
            "::error file=a%2Cb%3Ac.toml,line=7,title=100 %25%3A x%2C y::50 %25%0D%0A::warning::z"
        );
    }
}
