//! One made-up regression in every form of a report: the facts are the same in all, and each form is
//! what its own validator says it has to be.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::made::{Made, baseline};
use crate::common::regressed::{CALLS, LINEAR, QUADRATIC, SCENARIO, WALL, project};
use crate::common::{Project, Said};
use serde_json::Value;

const FORMS: [&str; 7] = ["text", "json", "junit", "github", "summary", "comment", "html"];

/// The report in one form. A failed run outweighs a regression.
fn report(project: &Project, form: &str) -> String {
    let said = project.run(&["report", "session", "-v", "--format", form]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(1), ""), "{form}");
    said.stdout
}

/// Escaped characters are compared as a reader sees them.
fn as_read(form: &str, text: &str) -> String {
    match form {
        "json" => text.replace("\\n", "\n").replace("\\\"", "\""),
        "junit" => text.replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&"),
        "github" => text.replace("%25", "%").replace("%0A", "\n"),
        "summary" | "comment" => text.replace('\\', ""),
        "html" => text.replace("&quot;", "\"").replace("&lt;", "<"),
        _ => text.to_owned(),
    }
}

#[test]
fn one_regression_has_the_same_facts_in_every_form() {
    let project = project();
    let json: Value = serde_json::from_str(&report(&project, "json")).unwrap();
    let scenario = &json["scenarios"][0];
    let series = scenario["series"].as_array().unwrap();
    let clock = series.iter().find(|series| series["name"] == "unload/task-clock").unwrap();
    assert_eq!(clock["verdict"], "regressed", "{clock}");
    assert_eq!(clock["place"]["file"], "baselines/oldest-first.toml");
    let baseline = project.read("baselines/oldest-first.toml");
    let line = clock["place"]["line"].as_u64().unwrap() as usize;
    assert_eq!(baseline.lines().nth(line - 1), Some("name = \"unload/task-clock\""));
    let exponent = |end: &str| format!("{:.2}", clock["exponent"][end].as_f64().unwrap());
    let top = clock["costs"].as_array().unwrap().last().unwrap();
    let milliseconds = |value: &Value| value.as_f64().unwrap() / 1e6;
    let facts = [
        "oldest-first".to_owned(),
        "unload/task-clock".to_owned(),
        "REGRESSED".to_owned(),
        exponent("value"),
        format!("{} … {}", exponent("low"), exponent("high")),
        // All N modules now, and by the baseline.
        format!("{:.0} ms", milliseconds(&top["cost"])),
        format!("{:.1} ms", milliseconds(&top["other_cost"])),
        "__deregister_frame_info_bases".to_owned(),
        "4.00·N² + 33.0·N".to_owned(),
        "keeps registered tables in a list".to_owned(),
        // What stays undecided, with its reason.
        "growth of 20 % at the largest N is neither shown nor excluded".to_owned(),
        "to decide it: measure every size 10 times".to_owned(),
    ];
    for form in FORMS.iter().filter(|form| **form != "json") {
        let text = as_read(form, &report(&project, form));
        for fact in &facts {
            assert!(text.contains(fact), "{form} does not say {fact:?}:\n{text}");
        }
    }
    let fact =
        "oldest-first unload: was linear, now N^1.8. 183 ms instead of 37.2 ms at N = 4096 (×4.9).";
    for form in ["text", "junit", "github", "summary", "comment"] {
        let text = as_read(form, &report(&project, form));
        assert!(text.contains(fact), "{form} does not say {fact:?}:\n{text}");
    }
}

/// The forms that people read elsewhere than on a terminal.
#[test]
fn the_forms_for_people_read_like_these() {
    let project = project();
    for (form, file) in
        [("summary", "summary.md"), ("junit", "junit.xml"), ("github", "annotations.txt")]
    {
        let text = report(&project, form);
        expect_test::expect_file![format!("../../golden/forms/{file}")].assert_eq(&text);
    }
}

#[test]
fn a_case_fails_is_skipped_or_is_an_error_as_its_series_is() {
    let project = project();
    let junit = report(&project, "junit");
    let counts = |text: &str| junit.matches(text).count();
    // Clock, instructions counted by callgrind, and the function behind them.
    assert_eq!(counts("<failure "), 3, "{junit}");
    assert_eq!(counts("type=\"inconclusive\""), 1, "{junit}");
    // Loading was not counted.
    assert_eq!(counts("<skipped"), 2, "{junit}");
    // Both series of the scenario that failed, and its run.
    assert_eq!(counts("<error "), 3, "{junit}");
    assert!(!junit.contains('\u{1b}'), "no XML can hold it");
}

/// The schema that Jenkins has of what it reads.
#[test]
fn junit_is_as_its_schema_has_it() {
    let project = project();
    project.write("junit.xml", report(&project, "junit"));
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas/junit-10.xsd");
    let mut xmllint = Command::new("xmllint");
    xmllint.args(["--noout", "--nonet", "--schema"]).arg(schema).arg(project.path("junit.xml"));
    match xmllint.output() {
        Err(error) => loadline_testing::skip!("xmllint (libxml2-utils) cannot be started: {error}"),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}\n{}", project.read("junit.xml"));
        }
    }
}

#[test]
fn annotations_are_one_line_each_and_no_word_is_a_command() {
    let project = project();
    let text = report(&project, "github");
    let levels: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    // Two series and a function regressed, both series of another failed, with its run; one is open.
    assert_eq!(levels.iter().filter(|level| **level == "::error").count(), 6, "{text}");
    assert_eq!(levels.iter().filter(|level| **level == "::warning").count(), 1, "{text}");
    assert_eq!(levels.len(), 7, "{text}");
}

#[test]
fn a_comment_is_found_again_and_fits() {
    let project = project();
    let (summary, comment) = (report(&project, "summary"), report(&project, "comment"));
    assert!(comment.starts_with("<!-- loadline-report -->\n"), "{comment}");
    assert_eq!(comment.split_once('\n').unwrap().1, summary);
    assert!(!comment.contains("@everyone") && !comment.contains("<b>"), "{comment}");

    // Of very many scenarios some are left out, and that is said.
    let mut made = Made::new();
    for place in 0..60 {
        let title = format!("oldest-first-{place}");
        let text = SCENARIO.replace("[\"callgrind\"]", "[]");
        project.write(&format!("xtask/scenarios/{title}.toml"), text);
        let accepted = baseline(&made.environment, &[CALLS, LINEAR]);
        project.write(&format!("baselines/{title}.toml"), accepted);
        made.scenario(&title, &[CALLS, QUADRATIC, WALL]);
    }
    made.save(&project.path("many"));
    let form = |form| project.run(&["report", "many", "--format", form]).stdout;
    let comment = form("comment");
    let length = comment.chars().count();
    assert!(length <= 65_536 && length > 50_000, "{length}");
    assert!(comment.contains("The job's summary has what does not fit"), "{comment}");
    assert!(form("summary").chars().count() > 65_536);
    // Everything stands in the page, which any browser opens at once.
    let page = form("html");
    assert!(page.contains("oldest-first-59") && page.len() < 3_000_000, "{}", page.len());
}

/// Several reports at once, next to the one on the terminal; a session that is red writes them, too.
#[test]
fn reports_are_written_where_they_are_asked_for() {
    let project = project();
    let said =
        project.run(&["report", "session", "-v", "--format", "json", "--output", "new/a.json"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert_eq!(said.stdout, report(&project, "text"));
    assert_eq!(
        project.read("new/a.json"),
        report(&project, "json").replace("ROOT", &project.root().display().to_string())
    );
    for (wrong, why) in [
        (&["--format=html5"][..], "invalid value 'html5'"),
        (&["--output=a", "--output=b"], "--output b has no --format of its own"),
        (&["--report", "json=x"], "error: --report is now --format FORMAT --output FILE\n"),
        (&["--json"], "error: --json is now --format json\n"),
        (&["--unwinders", "all"], "error: --unwinders is now --unwinder NAME"),
    ] {
        let said = project.run(&[&["merge", "session"], wrong].concat());
        assert_eq!(said.code, Some(2), "{wrong:?}: {}", said.stderr);
        assert!(said.stderr.contains(why), "{wrong:?}: {}", said.stderr);
    }
}

/// Colours and rows for all series are the user's choice.
#[test]
fn the_text_is_as_the_terminal_wants_it() {
    let project = project();
    let said = |flags: &[&str]| project.run(&[&["report", "session"], flags].concat()).stdout;
    let plain = said(&[]);
    assert!(!plain.contains("\u{1b}[1;31m"), "{plain}");
    assert_eq!(said(&["--color", "never"]), plain);
    assert!(said(&["--color", "always"]).contains("\u{1b}[1;31mREGRESSED\u{1b}[0m"));
    assert!(!plain.contains("unload/unwind-tables-deregistered"), "{plain}");
    assert!(said(&["-v"]).contains("unload/unwind-tables-deregistered"));
}

/// The whole path from a part of a suite: merged, printed, annotated, and summarized.
#[test]
fn a_merged_suite_reports_to_a_job() {
    let project = project();
    let header = project.read("session/session.json");
    let mut header: Value = serde_json::from_str(&header).unwrap();
    let planned: Vec<Value> = header["scenarios"].as_array().unwrap()[5..].to_vec();
    header["asked"] = serde_json::json!({"unwinder": "host", "processors": [], "baseline": null,
        "budget": 1, "strict": false, "require_baseline": false,
        "part": {"shard": {"index": 1, "count": 1}, "suite": planned}});
    project.write("session/session.json", header.to_string());
    let text = ["merge", "session", "--format", "text", "--format", "github"];
    let summary = ["--format", "summary", "--output", "summary.md"];
    let json = ["--format", "json", "--output", "a/b.json"];
    let Said { code, stdout, stderr } = project.run(&[&text[..], &summary, &json].concat());
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(stdout.contains("REGRESSED") && stdout.contains("\n::error file="), "{stdout}");
    let summary = project.read("summary.md");
    assert!(summary.starts_with("## ❌ Loadline: "), "{summary}");
    let json: Value = serde_json::from_str(&project.read("a/b.json")).unwrap();
    let functions = json["scenarios"][0]["functions"].as_array().unwrap();
    assert!(functions.iter().any(|one| one["function"] == "__deregister_frame_info_bases"));
}

/// What of `value` is not as `schema` has it. The keywords are those that the schema of reports uses.
fn faults(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |holds: bool, rule: &str| {
        if !holds {
            faults.push(format!("{place}: {rule}"));
        }
    };
    for (keyword, rule) in schema.as_object().unwrap() {
        let holds_for = |schema: &Value| self::faults(root, schema, value, place).is_empty();
        match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => {}
            "const" => check(value == rule, "const"),
            "enum" => check(rule.as_array().unwrap().contains(value), "enum"),
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                let found = self::faults(root, root.pointer(pointer).unwrap(), value, place);
                check(found.is_empty(), &found.join("; "));
            }
            "anyOf" => check(rule.as_array().unwrap().iter().any(holds_for), "anyOf"),
            "oneOf" => {
                let n = rule.as_array().unwrap().iter().filter(|one| holds_for(one)).count();
                check(n == 1, "oneOf");
            }
            "type" => {
                let names = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                check(names.iter().any(|name| is_of_type(value, name)), "type");
            }
            // These limit numbers and arrays, and nothing else that a value may be.
            "minimum" | "minItems" => {
                let limit = rule.as_f64().unwrap();
                check(size(keyword, value).is_none_or(|size| size >= limit), keyword);
            }
            "maximum" | "maxItems" => {
                let limit = rule.as_f64().unwrap();
                check(size(keyword, value).is_none_or(|size| size <= limit), keyword);
            }
            "required" => {
                let is_there = |key: &Value| value.get(key.as_str().unwrap()).is_some();
                check(rule.as_array().unwrap().iter().all(is_there), "required");
            }
            "items" | "prefixItems" | "properties" | "additionalProperties" => {
                let found = faults_inside(root, schema, keyword, value, place);
                check(found.is_empty(), &found.join("; "));
            }
            "format" => {
                assert_eq!(rule, "date-time");
                check(value.as_str().is_some_and(is_date_time), "format");
            }
            // The only pattern that the schema has.
            "pattern" => {
                assert_eq!(rule, "^[a-z]+/[a-z-]+$");
                check(value.as_str().is_some_and(is_series_name), "pattern");
            }
            other => panic!("{place}: this test does not know the keyword {other}"),
        }
    }
    faults
}

/// What of the items or properties of `value` is not as the rules under `keyword` have it.
fn faults_inside(
    root: &Value,
    schema: &Value,
    keyword: &str,
    value: &Value,
    place: &str,
) -> Vec<String> {
    let rule = &schema[keyword];
    let items = value.as_array().into_iter().flatten();
    let properties = value.as_object().into_iter().flatten();
    let known = schema.get("properties").and_then(Value::as_object);
    match keyword {
        "items" => items
            .enumerate()
            .flat_map(|(index, item)| faults(root, rule, item, &format!("{place}[{index}]")))
            .collect(),
        "prefixItems" => (rule.as_array().unwrap().iter().zip(items))
            .flat_map(|(rule, item)| faults(root, rule, item, place))
            .collect(),
        "properties" => properties
            .filter_map(|(key, one)| Some((key, rule.get(key)?, one)))
            .flat_map(|(key, rule, one)| faults(root, rule, one, &format!("{place}.{key}")))
            .collect(),
        _ => properties
            .filter(|(key, _)| !known.is_some_and(|known| known.contains_key(*key)))
            .flat_map(|(key, one)| match rule {
                Value::Bool(true) => Vec::new(),
                Value::Bool(false) => vec![format!("{place}: additionalProperties: {key}")],
                rule => faults(root, rule, one, place),
            })
            .collect(),
    }
}

fn is_of_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("type {other}"),
    }
}

/// What `minItems` and `maxItems` limit: the length of an array. `minimum` and `maximum` limit a number.
fn size(keyword: &str, value: &Value) -> Option<f64> {
    if keyword.ends_with("Items") {
        value.as_array().map(|items| items.len() as f64)
    } else {
        value.as_f64()
    }
}

fn is_date_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00Z"
}

fn is_series_name(text: &str) -> bool {
    let is_of = |text: &str, also: char| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == also)
    };
    text.split_once('/').is_some_and(|(phase, name)| is_of(phase, 'a') && is_of(name, '-'))
}

#[test]
fn json_is_as_its_schema_has_it() {
    let project = project();
    let mut blind = Made::with_self_check(0.0);
    blind.scenario("oldest-first", &[CALLS, QUADRATIC, WALL]);
    blind.save(&project.path("blind"));
    let mut turned = Made::new();
    turned.against = Some("main");
    turned
        .scenario("undecided", &[CALLS, QUADRATIC, WALL])
        .before("undecided", &[CALLS, LINEAR, WALL]);
    turned.save(&project.path("turned"));
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report.schema.json");
    let schema: Value = serde_json::from_slice(&fs::read(schema).unwrap()).unwrap();
    for session in ["session", "blind", "turned"] {
        let said = project.run(&["report", session, "--format", "json"]);
        assert_eq!(said.stderr, "", "{session}");
        let mut document: Value = serde_json::from_str(&said.stdout).unwrap();
        let found = faults(&schema, &schema, &document, "report");
        assert!(found.is_empty(), "{session}: {found:#?}");
        document["scenarios"][0]["nonsense"] = Value::Null;
        assert_eq!(faults(&schema, &schema, &document, "report").len(), 1, "{session}");
    }
}
