//! A scenario and a machine for tests of this crate and of those above it.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its fixture has to end")]

use loadline_scenario::{Environment, Scenario};

const SCENARIO: &str = r#"
format = 2
question = "Does every run do what it was asked for?"
expectation = "It does."
load_order = "unload-oldest-first"
unwinds_before_unload = 2
judge = ["unload/task-clock"]
sizes = [64, 128, 256, 512, 1024]
"#;

/// A scenario with its tables kept or stripped.
pub fn scenario(tables: &str) -> Scenario {
    let changes = std::collections::BTreeMap::from([("tables".to_owned(), tables.to_owned())]);
    Scenario::parse_with("honest", SCENARIO, &changes).unwrap()
}

/// A machine whose every field reads `?`.
pub fn environment() -> Environment {
    let fields = "loadline wasmtime wasmtime_features cranelift isa isa_flags build \
        unwinder_family unwinder_version unwinder_path libc kernel arch cpu caches processors affinity allocator started_with valgrind \
        perf_event_paranoid address_randomisation max_map_count descriptor_limit memory_bytes";
    let fields = fields.split_whitespace().map(|name| (name.to_owned(), "?".into()));
    serde_json::from_value(serde_json::Value::Object(fields.collect())).unwrap()
}
