//! The gate as a whole: a clone of this repository gets a commit that adds work to the load phase, and
//! `regress --against` says what that does to growth.
//!
//! Slow, since two runners are built (Wasmtime is not compiled again):
//! `cargo test --package loadline --test it regressing -- --ignored --nocapture`.
//! `LOADLINE_TRIES` sets how often each is tried, 1 by default.
//!
//! Operations and instructions are counted exactly, so each try has one right outcome on any machine.

#![cfg(target_os = "linux")]
use std::fs;
use std::process::Command;

use crate::common::clone::Clone;
use serde_json::Value;

/// The largest N of the scenarios.
const TOP: usize = 128;

/// A clone with a commit whose loads do what a file says.
struct Repository {
    clone: Clone,
    /// The commit of this repository.
    original: String,
    /// The one after it, which adds work.
    working: String,
}

impl Repository {
    fn new() -> Repository {
        let clone = Clone::new();
        let original = clone.git(&["rev-parse", "HEAD"]);
        let path = |file: &str| clone.sources().join("crates/workload/src").join(file);
        let work = clone.path("work").display().to_string();
        let added =
            include_str!("regressing/added_work.rs").replace("\"WORK\"", &format!("{work:?}"));
        fs::write(path("added_work.rs"), added).unwrap();
        for (file, before, added) in [
            ("lib.rs", "mod call;\n", "mod added_work;\n"),
            (
                "drive/worker.rs",
                "        let mut slot = self.run.slot(index)?;\n",
                "        crate::added_work::at_load(self.proof.loaded + 1);\n",
            ),
        ] {
            let text = fs::read_to_string(path(file)).unwrap();
            assert_eq!(text.matches(before).count(), 1, "{file} has another {before:?}");
            fs::write(path(file), text.replace(before, &format!("{added}{before}"))).unwrap();
        }
        let manifest = clone.sources().join("crates/workload/Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let added = "[target.'cfg(unix)'.dependencies]\nlibc.workspace = true\n";
        fs::write(manifest, format!("{text}\n{added}")).unwrap();
        clone.git(&["add", "--all"]);
        clone.git(&["commit", "--quiet", "--message", "workload: added work"]);
        let working = clone.git(&["rev-parse", "HEAD"]);
        Repository { clone, original, working }
    }

    /// What loads of the working commit do from here on.
    fn write_work(&self, work: &str) {
        fs::write(self.clone.path("work"), work).unwrap();
    }

    /// What `regress` says of `now`, against `before`.
    fn regress(&self, now: &str, before: &str, asked: &Asked<'_>) -> Judged {
        self.clone.git(&["checkout", "--quiet", now]);
        let report = self.clone.path("report.json");
        let sizes = format!("{{ from = 2, to = {TOP}, factor = 2 }}");
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_loadline"));
        xtask.args(["regress", asked.scenario, "--against", before, "--budget", asked.budget]);
        xtask.arg("--sources").arg(self.clone.sources());
        xtask.args(["--format", "json", "--output"]).arg(&report);
        for (field, value) in [
            ("judge", asked.judge),
            ("count_with", asked.count_with),
            ("observe", "[]"),
            ("sizes", &sizes),
            ("callgrind_sizes", &sizes),
        ] {
            xtask.args(["--set", &format!("{field}={value}")]);
        }
        let output = xtask.output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = said(&output.stdout) + &said(&output.stderr);
        let report = fs::read_to_string(report).unwrap_or_else(|_| panic!("{said}"));
        Judged { code: output.status.code(), said, report: report.parse().unwrap() }
    }
}

/// What is asked of `regress`.
struct Asked<'a> {
    scenario: &'a str,
    judge: &'a str,
    count_with: &'a str,
    budget: &'a str,
}

/// What came of it.
struct Judged {
    code: Option<i32>,
    said: String,
    report: Value,
}

impl Judged {
    fn row(&self, series: &str) -> &Value {
        let scenarios = self.report["scenarios"].as_array().unwrap();
        let mut rows = scenarios.iter().flat_map(|one| one["series"].as_array().unwrap());
        rows.find(|row| row["name"] == series).unwrap_or_else(|| panic!("{}", self.said))
    }

    /// The cost at the largest N.
    fn top(&self, series: &str) -> f64 {
        let sizes = self.row(series)["costs"].as_array().unwrap();
        sizes.last().unwrap()["cost"].as_f64().unwrap()
    }

    fn assert(&self, case: &str, code: i32, series: &str, verdict: &str) {
        let found = self.row(series)["verdict"].as_str().unwrap();
        println!("{case}: exit {:?}, {series} {found}", self.code);
        assert_eq!((self.code, found), (Some(code), verdict), "{case}: {}", self.said);
    }
}

fn tries() -> usize {
    std::env::var("LOADLINE_TRIES").map_or(1, |tries| tries.parse().unwrap())
}

const ALLOCATIONS: &str = "load/allocations";
const INSTRUCTIONS: &str = "load/callgrind-instructions";
const MAPPINGS: &str = "load/mappings-made";

#[test]
#[ignore = "slow: builds two runners and measures dozens of sessions"]
fn added_growth_is_red_and_removed_setup_is_not() {
    let repository = Repository::new();
    let Repository { original, working, .. } = &repository;
    let counted = Asked {
        scenario: "load-bytes",
        judge: "[\"load/allocations\"]",
        count_with: "[\"count\"]",
        budget: "3600",
    };
    let profiled = Asked {
        judge: "[\"load/allocations\", \"load/callgrind-instructions\"]",
        count_with: "[\"count\", \"callgrind\"]",
        ..counted
    };
    let packed = Asked { scenario: "load-pack", judge: "[\"load/mappings-made\"]", ..counted };

    // A commit whose loads do nothing more. Identical programs would not be measured.
    repository.write_work("");
    let first = repository.regress(working, original, &profiled);
    first.assert("nothing added, with instructions", 0, INSTRUCTIONS, "holds");
    let [allocations, instructions] = [ALLOCATIONS, INSTRUCTIONS].map(|series| first.top(series));
    let constant = repository.regress(working, original, &packed);
    constant.assert("nothing added, in a pack", 0, MAPPINGS, "holds");
    let sizes = constant.row(MAPPINGS)["costs"].as_array().unwrap();
    assert!(sizes.iter().all(|size| size["cost"] == sizes[0]["cost"]), "{sizes:?}");

    for _ in 0..tries() {
        let unchanged = repository.regress(working, original, &counted);
        unchanged.assert("nothing added", 0, ALLOCATIONS, "holds");
    }
    let third = allocations / TOP as f64 / 3.0;
    repository.write_work(&format!("allocations {third} 0 1 999\n"));
    let all_loads = repository.regress(working, original, &counted);
    all_loads.assert("a third more at every load", 0, ALLOCATIONS, "holds");
    assert!(all_loads.said.contains("at every N"), "{}", all_loads.said);
    for _ in 0..tries() {
        assert_added_growth_is_red(
            &repository,
            &counted,
            &profiled,
            &packed,
            allocations,
            instructions,
        );
    }
    for _ in 0..tries() {
        repository.write_work("mappings 500 0 1 1\nallocations 100000 0 1 1\n");
        let removed = repository.regress(original, working, &counted);
        removed.assert("setup removed", 0, ALLOCATIONS, "holds");
    }
}

/// Adds four kinds of growth, one after the other. Without them, loading `TOP` modules costs so many
/// `allocations` and `instructions`.
fn assert_added_growth_is_red(
    repository: &Repository,
    counted: &Asked,
    profiled: &Asked,
    packed: &Asked,
    allocations: f64,
    instructions: f64,
) {
    let Repository { original, working, .. } = repository;
    repository.write_work("allocations 100 2 1 999\n");
    let cubic = repository.regress(working, original, counted);
    cubic.assert("N to N³", 3, ALLOCATIONS, "regressed");

    repository.write_work("mappings 2 1 1 999\n");
    let quadratic = repository.regress(working, original, packed);
    quadratic.assert("constant to N²", 3, MAPPINGS, "regressed");

    // The largest N alone cannot tell a step from growth. So larger ones are measured, too.
    repository.write_work(&format!("allocations {} 0 {TOP} {TOP}\n", 50.0 * allocations));
    let cliff = repository.regress(working, original, counted);
    cliff.assert("a cliff", 3, ALLOCATIONS, "regressed");
    let largest = cliff.row(ALLOCATIONS)["costs"].as_array().unwrap().last().unwrap();
    assert!(largest["n"].as_u64() >= Some(2 * TOP as u64), "{}", cliff.said);

    // A load that costs 1 gets i / (2·TOP) more: together a quarter of what TOP loads cost.
    let each = |top: f64| top / TOP as f64 / (2 * TOP) as f64;
    repository.write_work(&format!(
        "allocations {} 1 1 999\ninstructions {} 1 1 999\n",
        each(allocations),
        each(instructions)
    ));
    let fifth = repository.regress(working, original, profiled);
    fifth.assert("a fifth grows with N²", 3, ALLOCATIONS, "regressed");
    fifth.assert("a fifth grows with N²", 3, INSTRUCTIONS, "regressed");
}
