//! A scenario that the tests change.

use loadline_scenario::{Scenario, ScenarioError};

pub const EXAMPLE: &str = r#"
format = 2
question = "Does dropping the oldest module first stay linear in N?"
expectation = "Quadratic while libgcc keeps its objects in a list."
load_order = "unload-oldest-first"
judge = ["load/page-faults", "unload/task-clock"]
observe = ["unload/instructions"]
sizes = { from = 64, to = 4096, factor = 2 }
control = { set = { tables = "strip" } }
artifact = { functions = 4, type_sharing = "own" }

[[known_issue]]
series = ["unload/task-clock"]
unwinders = ["libgcc-list"]
when = { tables = "keep" }
class = "quadratic"
reason = "deregistration walks a list"
link = "https://github.com/bytecodealliance/wasmtime/issues/10084"
expires = "wasmtime 52"
"#;

pub fn with(changes: &[(&str, &str)]) -> Result<Scenario, ScenarioError> {
    let changes = changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Scenario::parse_with("example", EXAMPLE, &changes)
}
