//! The files of a starting point.

use std::fmt::Write as _;

use super::detect::{Host, Repository};
use super::found::Program;

/// The workflow for CI. It is the same for every repository, since the settings are in `loadline.toml`.
pub const WORKFLOW: &str = include_str!("workflow.yml");

/// The path of the workflow.
pub const WORKFLOW_PATH: &str = ".github/workflows/loadline.yml";

/// The folder of scenarios.
pub const SCENARIOS: &str = "loadline/scenarios";

/// The smallest size of a first scenario.
pub const SMALLEST: usize = 64;

/// The largest size of a first scenario, unless the program is too slow for it.
pub const LARGEST: usize = 4096;

/// The folder for sessions: inside Cargo's folder if there is one.
pub fn output(repository: &Repository) -> &'static str {
    if repository.has_cargo { "target/loadline" } else { ".loadline" }
}

/// The text of `loadline.toml`.
pub fn project(repository: &Repository) -> String {
    let build = match &repository.host {
        Host::Program(Program { build, .. }) if !build.is_empty() => {
            format!("build = {} # Loadline runs it before it measures\n", list(build))
        }
        _ => "# build = [\"make\"]         # the command that makes your programs\n".to_owned(),
    };
    format!(
        "format = 1
scenarios = \"{SCENARIOS}\" # one question per file
baselines = \"loadline/baselines\" # what you accept; `loadline baseline` writes it, you review it
output = \"{}\" # sessions and artifacts; Loadline can make them again
{build}# budget_seconds = 120     # the time for measuring undecided series further
# keep_days = 30           # the days after which Loadline removes sessions and artifacts; 0 keeps them
",
        output(repository)
    )
}

fn list(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", "))
}

/// The name and the text of the first scenario, with sizes up to `largest`.
pub fn scenario(host: &Host, largest: usize) -> (&'static str, String) {
    match host {
        Host::Program(program) => ("my-program", of_program(program, largest)),
        Host::Modules(modules) => ("unload-modules", of_modules(modules, largest)),
    }
}

fn of_program(program: &Program, largest: usize) -> String {
    let Program { command, environment, marks, has_wasmtime, .. } = program;
    let phases = program.phases();
    let series = |metric: &str| -> Vec<String> {
        phases.iter().map(|phase| format!("{phase}/{metric}")).collect()
    };
    let judge = series("task-clock");
    let observe: Vec<String> = [series("page-faults"), series("wall-time")].concat();
    let unit = if *has_wasmtime { "module" } else { "item" };
    let mut text = format!(
        "format = 2
question = \"Does the cost of our program stay linear in N?\"
expectation = \"Linear.\"
# Loadline starts this program once for each size, with the size in the place of {{n}}.
command = {}
",
        list(command)
    );
    // Writing to a String cannot fail.
    if !environment.is_empty() {
        let all = environment.iter().map(|(name, value)| format!("{name} = {value:?}"));
        let _ = writeln!(text, "environment = {{ {} }}", all.collect::<Vec<_>>().join(", "));
    }
    let _ = write!(
        text,
        "inherit = [\"PATH\", \"HOME\"]
unit = \"{unit}\" # the noun for one of N in reports
"
    );
    if marks.phases.is_empty() {
        text.push_str(concat!(
            "# The program marks no phases, so the whole run is judged. How to mark them:\n# ",
            env!("CARGO_PKG_REPOSITORY"),
            "/blob/main/docs/howto/your-program.md\n",
        ));
    } else if marks.is_acknowledged {
        text.push_str("acknowledge = true # the program waits while Loadline reads its counters\n");
    }
    let _ = write!(
        text,
        "# Where valgrind is installed, Loadline judges the instructions as well.
judge = {}
observe = {}
repetitions = 5
sizes = {{ from = {SMALLEST}, to = {largest}, factor = 2 }}
# A variant without the pitfall, to compare times with:
# control = {{ set = {{ \"environment.NAME\" = \"VALUE\" }} }}
",
        list(&judge),
        list(&observe)
    );
    text
}

fn of_modules(modules: &[String], largest: usize) -> String {
    let modules: Vec<String> = modules.iter().map(|module| format!("    {module:?},\n")).collect();
    format!(
        "format = 2
question = \"Does unloading these modules, the oldest first, stay linear in N?\"
expectation = \"Linear, except for the known issues below.\"
load_order = \"unload-oldest-first\"
modules = [
{}]
judge = [\"load/task-clock\", \"unload/task-clock\"]
observe = [\"load/page-faults\", \"load/resident-bytes\", \"unload/wall-time\"]
repetitions = 5
sizes = {{ from = {SMALLEST}, to = {largest}, factor = 2 }}
# The control must scale linearly: the same modules without unwind tables.
control = {{ set = {{ tables = \"strip\" }} }}

[[known_issue]]
series = [\"unload/task-clock\", \"unload/callgrind-instructions\"]
unwinders = [\"libgcc-list\"]
when = {{ tables = \"keep\" }}
class = \"quadratic\"
reason = \"libgcc up to 12 searches a list of all unwind tables for each table that it deregisters\"
link = \"https://github.com/bytecodealliance/wasmtime/issues/10084\"
expires = \"wasmtime 52\"

[[known_issue]]
series = [\"unload/task-clock\", \"unload/callgrind-instructions\"]
unwinders = [\"llvm\"]
when = {{ tables = \"keep\" }}
class = \"quadratic\"
reason = \"LLVM's libunwind scans an array of all functions for each deregistration\"
link = \"https://github.com/bytecodealliance/wasmtime/issues/14304\"
expires = \"wasmtime 52\"
",
        modules.concat()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use loadline_record::layout;
    use loadline_scenario::{Phase, Scenario};

    use super::*;
    use crate::verbs::init::marks::Marks;

    /// Loadline can read the files that it writes for each kind of repository.
    #[test]
    fn every_starting_point_can_be_read() {
        let plain = Program { command: vec!["./x".into(), "{n}".into()], ..Program::default() };
        let marked = Program {
            command: plain.command.clone(),
            build: vec!["make".into()],
            environment: vec![("PYTHONHASHSEED", "0")],
            marks: Marks { phases: vec![Phase::Load, Phase::Unload], is_acknowledged: true },
            has_wasmtime: true,
            ..Program::default()
        };
        let hosts = [
            (Host::Program(plain), "item"),
            (Host::Program(marked), "module"),
            (Host::Modules(vec!["plugins/a.wasm".into()]), "module"),
        ];
        for (host, unit) in hosts {
            let (name, text) = scenario(&host, LARGEST);
            let parsed = Scenario::parse_with(name, &text, &BTreeMap::new());
            let parsed = parsed.unwrap_or_else(|error| panic!("{host:?}: {error}"));
            assert_eq!(parsed.unit(), unit);
            let folder = tempfile::TempDir::new().unwrap();
            let has_build = matches!(&host, Host::Program(program) if !program.build.is_empty());
            let repository = Repository { has_cargo: true, host };
            fs::write(folder.path().join(layout::NAME), project(&repository)).unwrap();
            let layout = layout::Layout::read(folder.path()).unwrap().unwrap();
            assert_eq!(layout.scenarios, Path::new(SCENARIOS));
            assert_eq!(!layout.build.is_empty(), has_build);
        }
    }
}
