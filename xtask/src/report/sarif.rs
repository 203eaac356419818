//! The report as SARIF 2.1.0, for code scanning: one result for each thing that is not green.
//!
//! The types below are the part of the format that is written here. The crates made for it would have
//! Wasmtime compiled a second time: they ask shared dependencies for other features than it does.
//! A test holds the result against the published schema.

use loadline_record::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::model::{Facts, Place, ScenarioFacts, SeriesFacts, SymbolFacts, Word};
use super::words::{culprit_lines, headline, lines, new_symbols};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What a result is about: an identifier that stays, its name, what it says, and where to read on.
struct Rule {
    id: &'static str,
    name: &'static str,
    level: &'static str,
    text: &'static str,
    help: &'static str,
}

const REGRESSED: Rule = Rule {
    id: "loadline/growth-regressed",
    name: "GrowthRegressed",
    level: "error",
    text: "The cost of loading or unloading grows faster with the number of modules than is accepted.",
    help: "Look at the culprit and its remedy. The command `baseline --reason TEXT` accepts growth that is meant.",
};
const SYMBOL: Rule = Rule {
    id: "loadline/growing-symbol",
    name: "GrowingSymbol",
    level: "error",
    text: "A symbol's own cost grows beyond linear, and nobody knew of it.",
    help: "The command `explain SCENARIO` shows who calls it.",
};
const FAILED: Rule = Rule {
    id: "loadline/run-failed",
    name: "RunFailed",
    level: "error",
    text: "A run came to nothing, so its scenario is not judged.",
    help: "Look at the failed run, then measure anew.",
};
const OPEN: Rule = Rule {
    id: "loadline/growth-inconclusive",
    name: "GrowthInconclusive",
    level: "warning",
    text: "Growth is neither shown nor excluded.",
    help: "More rounds or a larger N settle it; the message says which.",
};
const IMPROVED: Rule = Rule {
    id: "loadline/growth-improved",
    name: "GrowthImproved",
    level: "note",
    text: "Growth is less than what is accepted.",
    help: "The command `baseline --reason TEXT` accepts it, so that it stays.",
};
const BLIND: Rule = Rule {
    id: "loadline/session-blind",
    name: "SessionBlind",
    level: "error",
    text: "Growth planted in the session was not judged right, so it gives no verdict.",
    help: "Repeat on a quieter machine.",
};
const RULES: [&Rule; 6] = [&REGRESSED, &SYMBOL, &FAILED, &OPEN, &IMPROVED, &BLIND];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Value>,
    partial_fingerprints: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    properties: Value,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

/// The whole document.
///
/// # Errors
/// When a fact cannot be written, which none is made to cause.
pub fn render(facts: &Facts) -> Result<String> {
    let rules = RULES.map(|rule| {
        json!({
            "id": rule.id,
            "name": rule.name,
            "shortDescription": {"text": rule.text},
            "help": {"text": rule.help},
            "defaultConfiguration": {"level": rule.level},
        })
    });
    let is_success = !matches!(facts.result.exit_code, 1 | 6);
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "Loadline",
                "version": facts.loadline,
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            "automationDetails": {"id": "loadline/"},
            "invocations": [{
                "executionSuccessful": is_success,
                "exitCode": facts.result.exit_code,
                "exitCodeDescription": facts.result.status,
                "startTimeUtc": facts.session.started,
            }],
            "columnKind": "unicodeCodePoints",
            "results": findings(facts)?,
            "properties": {"summary": facts.result.summary, "next": facts.result.next},
        }],
    });
    let mut text =
        serde_json::to_string_pretty(&document).context("cannot write the report as SARIF")?;
    text.push('\n');
    Ok(text)
}

fn findings(facts: &Facts) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if facts.result.is_blind {
        let teeth = facts.teeth.iter().map(|tooth| format!("{}: {}", tooth.metric, tooth.sentence));
        let text = teeth.collect::<Vec<_>>().join("\n");
        findings.push(finding(&BLIND, text, None, "session", Value::Null));
    }
    for (scenario, series) in facts.judged() {
        let rule = match series.verdict {
            Word::Regressed => &REGRESSED,
            Word::Failed => &FAILED,
            Word::Inconclusive | Word::NoBaseline | Word::NotGated => &OPEN,
            Word::Improved => &IMPROVED,
            Word::Holds | Word::NotJudged | Word::Control | Word::Observed => continue,
        };
        findings.push(of_series(rule, scenario, series)?);
    }
    for scenario in &facts.scenarios {
        for symbol in new_symbols(scenario) {
            findings.push(of_symbol(scenario, symbol)?);
        }
    }
    for failure in &facts.failures {
        // A round's number is another next time; the scenario it is of is not.
        let title = failure.split(": ").next().unwrap_or_default();
        let scenario = facts.scenarios.iter().find(|scenario| scenario.title == title);
        let place = scenario.map(|scenario| Place { file: scenario.file.clone(), line: 1 });
        findings.push(finding(&FAILED, failure.clone(), place.as_ref(), title, Value::Null));
    }
    Ok(findings)
}

fn of_series(
    rule: &'static Rule,
    scenario: &ScenarioFacts,
    series: &SeriesFacts,
) -> Result<Finding> {
    let text = std::iter::once(headline(scenario, series)).chain(lines(scenario, series));
    let text = text.chain([format!("again: {}", scenario.command)]).collect::<Vec<_>>();
    let about = format!("{} {}", scenario.title, series.name);
    let mut facts = serde_json::to_value(series).context("cannot write a series")?;
    facts["scenario"] = json!(scenario.title);
    facts["culprit"] =
        json!(scenario.culprit(&series.name.phase.to_string()).map(|symbol| &symbol.function));
    Ok(finding(rule, text.join("\n"), Some(&series.place), &about, facts))
}

fn of_symbol(scenario: &ScenarioFacts, symbol: &SymbolFacts) -> Result<Finding> {
    let place = Place { file: scenario.file.clone(), line: 1 };
    let SymbolFacts { phase, object, function, .. } = symbol;
    let about = format!("{} {phase} {object} {function}", scenario.title);
    let facts = serde_json::to_value(symbol).context("cannot write a symbol")?;
    let text = format!("{} {phase}: {}", scenario.title, culprit_lines(symbol).join("\n"));
    Ok(finding(&SYMBOL, text, Some(&place), &about, facts))
}

/// One result. `about` tells it from others of its rule, and is the same in every session.
fn finding(
    rule: &'static Rule,
    text: String,
    place: Option<&Place>,
    about: &str,
    properties: Value,
) -> Finding {
    let location = |place: &Place| {
        json!({"physicalLocation": {
            "artifactLocation": {"uri": uri(&place.file), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": place.line},
        }})
    };
    let fingerprint = blake3::hash(format!("{} {about}", rule.id).as_bytes()).to_hex();
    Finding {
        rule_id: rule.id,
        rule_index: RULES.iter().position(|known| known.id == rule.id).unwrap_or(0),
        level: rule.level,
        message: Message { text },
        locations: place.map(location).into_iter().collect(),
        partial_fingerprints: json!({"loadline/v1": fingerprint[..32]}),
        properties,
    }
}

/// A path as a relative reference: what has a meaning of its own there is written by its number.
fn uri(path: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    path.bytes().map(byte).collect()
}
