//! What a scenario file says, and what is refused.

use loadline_scenario::{Collector, Metric, Phase, Scenario, SeriesName, Unwinder};

use crate::example::{EXAMPLE, with};

fn replaced(from: &str, to: &str) -> String {
    assert!(EXAMPLE.contains(from), "the example has no {from}");
    let error = Scenario::parse("example", &EXAMPLE.replace(from, to));
    error.expect_err("the change makes it no scenario").to_string()
}

#[test]
fn the_example_reads() {
    let scenario = Scenario::parse("example", EXAMPLE).expect("a scenario");
    assert_eq!(scenario.sizes, [64, 128, 256, 512, 1024, 2048, 4096]);
    assert_eq!(scenario.repetitions, 5);
    assert_eq!(scenario.full_name(), "example");
    assert_eq!(
        scenario.metrics_by(Collector::Clock),
        [Metric::PageFaults, Metric::Instructions, Metric::TaskClock]
    );
}

#[test]
fn what_is_counted_exactly_need_not_be_named() {
    let scenario = Scenario::parse("example", EXAMPLE).expect("a scenario");
    let entries = SeriesName::new(Phase::Unload, Metric::FdesDeregistered);
    let left_over = SeriesName::new(Phase::Unload, Metric::LiveBytes);
    assert!(scenario.judge.contains(&entries) && scenario.observe.contains(&left_over));
    assert_eq!(scenario.collectors(), [Collector::Clock, Collector::Count, Collector::Callgrind]);
    let named = EXAMPLE.replace("\"unload/instructions\"", &format!("\"{entries}\""));
    let scenario = Scenario::parse("example", &named).expect("a scenario");
    assert!(!scenario.judge.contains(&entries), "it is shown only, as the file says");
    let none = EXAMPLE.replace("format = 2", "format = 2\ncount_with = []");
    let scenario = Scenario::parse("example", &none).expect("a scenario");
    assert_eq!(scenario.collectors(), [Collector::Clock]);
    assert!(replaced("format = 2", "format = 2\ncount_with = [\"clock\"]").contains("not exact"));
}

#[test]
fn the_instructions_of_a_command_need_not_be_named() {
    let parse = |lines: &str| {
        let text = format!(
            "format = 2\nquestion = \"?\"\nexpectation = \"\"\ncommand = [\"host\", \"{{n}}\"]\n\
             judge = [\"load/task-clock\", \"total/task-clock\"]\nsizes = [8, 16, 32, 64, 128]\n{lines}"
        );
        Scenario::parse("host", &text)
    };
    let names =
        |series: &[SeriesName]| series.iter().map(SeriesName::to_string).collect::<Vec<_>>();
    let whole = parse("").unwrap();
    let named = ["load/task-clock", "total/task-clock", "run/callgrind-instructions"];
    assert_eq!(names(&whole.judge), named);
    assert_eq!(names(&whole.observe), ["load/page-faults", "run/peak-resident-bytes"]);
    assert!(whole.sizes_by(Collector::Callgrind).is_empty(), "a session chooses the sizes");
    let phases = parse("acknowledge = true\n").unwrap();
    assert_eq!(
        names(&phases.judge)[2..],
        ["run/callgrind-instructions", "load/callgrind-instructions"]
    );
    let none = parse("count_with = []\n").unwrap();
    assert_eq!(names(&none.judge), named[..2]);
    let refused = |lines: &str| parse(lines).unwrap_err().to_string();
    assert!(refused("count_with = [\"count\"]\n").contains("counts no operations of a command"));
    let peak = "observe = [\"load/peak-resident-bytes\"]\n";
    assert!(refused(peak).contains("a command has one peak, run/peak-resident-bytes"));
}

#[test]
fn what_n_is_decides_what_is_counted() {
    let larger = EXAMPLE.replace("format = 2", "format = 2\nn_counts = \"functions\"\ncount = 16");
    let scenario = Scenario::parse("example", &larger).expect("a scenario");
    let counts = |metric| scenario.judge.contains(&SeriesName::new(Phase::Load, metric));
    assert!(counts(Metric::Allocations) && !counts(Metric::MappingsMade));
    assert_eq!(scenario.unit(), "function");
}

#[test]
fn what_no_run_could_do_is_refused() {
    let shared = "artifact = { functions = 4, host_function = \"shared-type\" }";
    let with = |line: &str| replaced("format = 2", &format!("format = 2\n{line}"));
    let cases = [
        (with("operation = \"trap\""), "host_function = \"shared-type\""),
        (with("operation = \"instantiate\""), "an artifact.host_function"),
        (with("operation = \"dance\""), "operation"),
        (with("operation_every = 4"), "none is named"),
        (with("limit = \"patience\""), "limit"),
        (with("n_counts = \"functions\"\nlimit = \"mappings\""), "an N that counts modules"),
        (with("count = 4"), "is N itself"),
        (with("batches = 4"), "belongs to load_order"),
        (with("group = \"No Group\""), "lowercase letters"),
        (with("suite = \"some\""), "suite"),
        (with("n_counts = \"core-modules\"\noperation = \"trap\""), "shared-type"),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
    let host = EXAMPLE.replace("artifact = { functions = 4, type_sharing = \"own\" }", shared);
    let trapping = host.replace("format = 2", "format = 2\noperation = \"trap\"");
    assert!(Scenario::parse("example", &trapping).is_ok());
    let components = host.replace("format = 2", "format = 2\nn_counts = \"core-modules\"");
    let error = Scenario::parse("example", &components).expect_err("components import nothing");
    assert!(error.to_string().contains("not for components"), "{error}");
    let churning = trapping.replace("\"unload-oldest-first\"", "\"churn\"\nloaded_modules = 4");
    let error = Scenario::parse("example", &churning).expect_err("not all are loaded");
    assert!(error.to_string().contains("loaded at some time"), "{error}");
    let files = EXAMPLE
        .replace("artifact = { functions = 4, type_sharing = \"own\" }", "modules = [\"a.wasm\"]")
        .replace("format = 2", "format = 2\nn_counts = \"functions\"");
    let error = Scenario::parse("example", &files).expect_err("files are as they are");
    assert!(error.to_string().contains("needs generated modules"), "{error}");
}

#[test]
fn an_unwinder_can_be_named_and_makes_no_variant() {
    let session = Scenario::parse("example", EXAMPLE).expect("a scenario");
    assert_eq!(session.unwinder, None);
    let named = EXAMPLE.replace("format = 2", "format = 2\nunwinder = \"llvm\"");
    let named = Scenario::parse("example", &named).expect("a scenario");
    assert_eq!(named.unwinder, Some(Unwinder::Llvm));
    // What is measured stays the same; the key of its baseline has the unwinder by itself.
    let set = with(&[("unwinder", "/lib/libgcc_s.so.1")]).expect("it can be set");
    assert!(set.variant.is_as_written());
    assert_eq!(set.unwinder, Some(Unwinder::Library("/lib/libgcc_s.so.1".into())));
    let message = replaced("format = 2", "format = 2\nunwinder = \"\"");
    assert!(message.contains("host, llvm, or the path of a library"), "{message}");
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        (replaced("format = 2", "format = 3"), "format 3 is not known"),
        (replaced("question", "qestion"), "qestion"),
        (replaced("unload/task-clock", "unload/task-clok"), "unknown metric \"task-clok\""),
        (replaced("load/page-faults", "load/wall-time"), "move it to observe"),
        (replaced("from = 64", "from = 0"), "loads nothing"),
        (replaced("from = 64", "from = 2048"), "too few"),
        (replaced("{ from = 64, to = 4096, factor = 2 }", "[1, 2, 4, 3, 9]"), "must be larger"),
        (replaced("{ from = 64, to = 4096, factor = 2 }", "[nan, 1]"), "sizes"),
        (replaced("factor = 2", "factor = 1"), "does not rise"),
        (replaced("functions = 4", "functions = 0"), "nonzero"),
        (
            replaced("load_order = \"unload-oldest-first\"", "load_order = \"churn\""),
            "needs a window",
        ),
        (replaced("https://", "ftp://"), "link"),
        (replaced("wasmtime 52", "next year"), "expires"),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
    assert!(Scenario::parse("empty", "").is_err());
    let half = &EXAMPLE[..EXAMPLE.len() / 2];
    assert!(Scenario::parse("truncated", half).is_err());
}
