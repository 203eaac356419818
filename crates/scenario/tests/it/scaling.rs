//! Scenarios that are measured on several threads.

use std::collections::BTreeMap;

use loadline_scenario::{Collector, Scenario};

use crate::example::EXAMPLE;

const SCALING: &str = r#"
[scaling]
threads = 2
series = "load/wall-time"
[[scaling.known]]
unwinders = ["libgcc-list"]
when = { tables = "keep" }
reason = "one lock for the whole process"
link = "https://github.com/bytecodealliance/wasmtime/issues/10084"
expires = "wasmtime 52"
"#;

fn text() -> String {
    let observe = "observe = [\"unload/instructions\"]";
    let observed = EXAMPLE.replace(observe, "observe = [\"load/wall-time\"]");
    format!("{observed}{SCALING}")
}

fn with(changes: &[(&str, &str)]) -> Scenario {
    let changes = changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Scenario::parse_with("example", &text(), &changes).expect("a scenario")
}

#[test]
fn on_several_threads_it_is_measured_by_the_clock_alone() {
    let one = with(&[]);
    let changes = one.changes_of_several().expect("it is on one thread");
    assert_eq!(changes, BTreeMap::from([("threads".to_owned(), "2".to_owned())]));
    assert!(one.collectors().len() > 1);
    let two = with(&[("threads", "2")]);
    assert_eq!((two.scales(), two.collectors()), (None, vec![Collector::Clock]));
    assert_eq!(two.full_name(), "example:threads=2");
}

#[test]
fn contention_is_known_by_unwinder_and_fields() {
    assert!(with(&[]).known_contention("libgcc-list").is_some());
    assert!(with(&[("threads", "2")]).known_contention("libgcc-list").is_some());
    assert!(with(&[]).known_contention("llvm").is_none());
    assert!(with(&[("tables", "strip")]).known_contention("libgcc-list").is_none());
}

#[test]
fn what_cannot_be_judged_is_refused() {
    for (from, to, expected) in [
        ("threads = 2", "threads = 1", "not within 2 to 256"),
        ("threads = 2", "threads = 0", "nonzero"),
        ("series = \"load/wall-time\"", "series = \"load/page-faults\"", "not a time"),
        ("series = \"load/wall-time\"", "series = \"call/wall-time\"", "not a time"),
        ("control = { set = { tables = \"strip\" } }", "", "needs a control"),
        (
            "judge = [\"load/page-faults\", \"unload/task-clock\"]",
            "judge = [\"load/allocations\"]",
            "by the clock in judge",
        ),
        (
            "unwinders = [\"libgcc-list\"]\nwhen = { tables = \"keep\" }\nreason = \"one",
            "unwinders = [\"libgc\"]\nreason = \"one",
            "unknown unwinder",
        ),
    ] {
        assert!(text().contains(from), "the example has no {from}");
        let error = Scenario::parse("example", &text().replace(from, to));
        let error = error.expect_err("the change makes it no scenario").to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
}
