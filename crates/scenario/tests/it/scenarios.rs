//! What a scenario file says, and what is refused.

use loadline_scenario::{Means, Metric, Phase, Scenario, SeriesName, Unwinder};

use crate::example::{EXAMPLE, with};

fn replaced(from: &str, to: &str) -> String {
    assert!(EXAMPLE.contains(from), "the example has no {from}");
    let error = Scenario::parse("example", &EXAMPLE.replace(from, to));
    error.expect_err("the change makes it no scenario").to_string()
}

#[test]
fn the_example_reads() {
    let scenario = Scenario::parse("example", EXAMPLE).expect("a scenario");
    assert_eq!(scenario.ladder, [64, 128, 256, 512, 1024, 2048, 4096]);
    assert_eq!(scenario.processes, 5);
    assert_eq!(scenario.title(), "example");
    assert_eq!(
        scenario.metrics_by(Means::Clock),
        [Metric::PageFaults, Metric::Instructions, Metric::TaskClock]
    );
}

#[test]
fn what_is_counted_exactly_need_not_be_named() {
    let scenario = Scenario::parse("example", EXAMPLE).expect("a scenario");
    let entries = SeriesName::new(Phase::Unload, Metric::FrameEntriesDeregistered);
    let left_over = SeriesName::new(Phase::Unload, Metric::AliveBytes);
    assert!(scenario.judge.contains(&entries) && scenario.observe.contains(&left_over));
    assert_eq!(scenario.means(), [Means::Clock, Means::Count, Means::Callgrind]);
    let named = EXAMPLE.replace("\"unload/instructions\"", &format!("\"{entries}\""));
    let scenario = Scenario::parse("example", &named).expect("a scenario");
    assert!(!scenario.judge.contains(&entries), "it is shown only, as the file says");
    let none = EXAMPLE.replace("format = 1", "format = 1\nexact = []");
    let scenario = Scenario::parse("example", &none).expect("a scenario");
    assert_eq!(scenario.means(), [Means::Clock]);
    assert!(replaced("format = 1", "format = 1\nexact = [\"clock\"]").contains("not exact"));
}

#[test]
fn the_instructions_of_a_command_need_not_be_named() {
    let parse = |lines: &str| {
        let text = format!(
            "format = 1\nquestion = \"?\"\nexpectation = \"\"\ncommand = [\"host\", \"{{n}}\"]\n\
             judge = [\"load/task-clock\", \"total/task-clock\"]\nladder = [8, 16, 32, 64, 128]\n{lines}"
        );
        Scenario::parse("host", &text)
    };
    let names =
        |series: &[SeriesName]| series.iter().map(SeriesName::to_string).collect::<Vec<_>>();
    let whole = parse("").unwrap();
    let named = ["load/task-clock", "total/task-clock", "run/callgrind-instructions"];
    assert_eq!(names(&whole.judge), named);
    assert_eq!(names(&whole.observe), ["load/page-faults", "run/peak-resident-bytes"]);
    assert!(whole.ladder_by(Means::Callgrind).is_empty(), "a session chooses the sizes");
    let phases = parse("acknowledge = true\n").unwrap();
    assert_eq!(
        names(&phases.judge)[2..],
        ["run/callgrind-instructions", "load/callgrind-instructions"]
    );
    let none = parse("exact = []\n").unwrap();
    assert_eq!(names(&none.judge), named[..2]);
    let refused = |lines: &str| parse(lines).unwrap_err().to_string();
    assert!(refused("exact = [\"count\"]\n").contains("counts no operations of a command"));
    let peak = "observe = [\"load/peak-resident-bytes\"]\n";
    assert!(refused(peak).contains("a command has one peak, run/peak-resident-bytes"));
}

#[test]
fn what_n_is_decides_what_is_counted() {
    let larger = EXAMPLE.replace("format = 1", "format = 1\naxis = \"functions\"\ncount = 16");
    let scenario = Scenario::parse("example", &larger).expect("a scenario");
    let counts = |metric| scenario.judge.contains(&SeriesName::new(Phase::Load, metric));
    assert!(counts(Metric::Allocations) && !counts(Metric::MappingsMade));
    assert_eq!(scenario.unit(), "function");
}

#[test]
fn what_no_run_could_do_is_refused() {
    let shared = "artifact = { functions = 4, host_function = \"shared-type\" }";
    let with = |line: &str| replaced("format = 1", &format!("format = 1\n{line}"));
    let cases = [
        (with("activity = \"trap\""), "host_function = \"shared-type\""),
        (with("activity = \"instantiate\""), "an artifact.host_function"),
        (with("activity = \"dance\""), "activity"),
        (with("activity_every = 4"), "none is named"),
        (with("limit = \"patience\""), "limit"),
        (with("axis = \"functions\"\nlimit = \"mappings\""), "not by larger ones"),
        (with("count = 4"), "is N itself"),
        (with("batches = 4"), "belongs to lifecycle"),
        (with("group = \"No Group\""), "small letters"),
        (with("suite = \"some\""), "suite"),
        (with("axis = \"core-modules\"\nactivity = \"trap\""), "shared-type"),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
    let host = EXAMPLE.replace("artifact = { functions = 4, type_sharing = \"own\" }", shared);
    let trapping = host.replace("format = 1", "format = 1\nactivity = \"trap\"");
    assert!(Scenario::parse("example", &trapping).is_ok());
    let components = host.replace("format = 1", "format = 1\naxis = \"core-modules\"");
    let error = Scenario::parse("example", &components).expect_err("components import nothing");
    assert!(error.to_string().contains("not for components"), "{error}");
    let churning = trapping.replace("\"unload-oldest-first\"", "\"churn\"\nresidents = 4");
    let error = Scenario::parse("example", &churning).expect_err("not all are resident");
    assert!(error.to_string().contains("resident at some time"), "{error}");
    let files = EXAMPLE
        .replace("artifact = { functions = 4, type_sharing = \"own\" }", "modules = [\"a.wasm\"]")
        .replace("format = 1", "format = 1\naxis = \"functions\"");
    let error = Scenario::parse("example", &files).expect_err("files are as they are");
    assert!(error.to_string().contains("needs generated modules"), "{error}");
}

#[test]
fn an_unwinder_can_be_named_and_makes_no_variant() {
    let session = Scenario::parse("example", EXAMPLE).expect("a scenario");
    assert_eq!(session.unwinder, None);
    let named = EXAMPLE.replace("format = 1", "format = 1\nunwinder = \"llvm\"");
    let named = Scenario::parse("example", &named).expect("a scenario");
    assert_eq!(named.unwinder, Some(Unwinder::Llvm));
    // What is measured stays the same; the key of its baseline has the unwinder by itself.
    let set = with(&[("unwinder", "/lib/libgcc_s.so.1")]).expect("it can be set");
    assert!(set.variant.is_as_written());
    assert_eq!(set.unwinder, Some(Unwinder::Library("/lib/libgcc_s.so.1".into())));
    let message = replaced("format = 1", "format = 1\nunwinder = \"\"");
    assert!(message.contains("host, llvm, or the path of a library"), "{message}");
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        (replaced("format = 1", "format = 2"), "format 2 is not known"),
        (replaced("question", "qestion"), "qestion"),
        (replaced("unload/task-clock", "unload/task-clok"), "unknown metric \"task-clok\""),
        (replaced("load/page-faults", "load/wall-time"), "move it to observe"),
        (replaced("from = 64", "from = 0"), "loads nothing"),
        (replaced("from = 64", "from = 2048"), "too few"),
        (replaced("{ from = 64, to = 4096, factor = 2 }", "[1, 2, 4, 3, 9]"), "must rise"),
        (replaced("{ from = 64, to = 4096, factor = 2 }", "[nan, 1]"), "ladder"),
        (replaced("factor = 2", "factor = 1"), "does not rise"),
        (replaced("functions = 4", "functions = 0"), "nonzero"),
        (
            replaced("lifecycle = \"unload-oldest-first\"", "lifecycle = \"churn\""),
            "needs a window",
        ),
        (replaced("https://", "ftp://"), "link"),
        (replaced("wasmtime 52", "next year"), "until"),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
    assert!(Scenario::parse("empty", "").is_err());
    let half = &EXAMPLE[..EXAMPLE.len() / 2];
    assert!(Scenario::parse("truncated", half).is_err());
}
