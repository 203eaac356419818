//! A made-up session in which unloading regressed by a known culprit, next to what stays undecided and
//! what failed.

use super::Project;
use super::made::{Cost, Function, Made, baseline, profile};

pub const SCENARIO: &str = r#"format = 2
question = "Does dropping the oldest module first stay linear in N?"
expectation = "Linear."
load_order = "unload-oldest-first"
count_with = ["callgrind"]
judge = ["unload/unwind-tables-deregistered", "unload/task-clock"]
observe = ["unload/wall-time"]
sizes = { from = 64, to = 4096, factor = 2 }
"#;

/// A scenario that stays undecided, and one whose run fails with words made to break a format.
pub const TITLES: [&str; 3] = ["oldest-first", "undecided", "failing"];
pub const HOSTILE: &str =
    "</script><b>&\"'`|\u{1b}[31m ]]> <!-- @everyone #1 %0A::error::x\n::warning::y \u{fffe}";

pub const CALLS: (&str, Cost) = ("unload/unwind-tables-deregistered", Cost::linear(1.0, 0.0));
pub const LINEAR: (&str, Cost) = ("unload/task-clock", Cost::linear(9_000.0, 0.02));
pub const NOISY: (&str, Cost) = ("unload/task-clock", Cost::linear(9_000.0, 0.3));
pub const QUADRATIC: (&str, Cost) = ("unload/task-clock", Cost::quadratic(9_000.0, 0.8, 0.02));
pub const WALL: (&str, Cost) = ("unload/wall-time", Cost::quadratic(9_500.0, 0.8, 0.05));
pub const SEARCH: Function =
    ("libgcc_s.so.1", "__deregister_frame_info_bases", |n| 4 * n * n + 33 * n);
pub const FREE: Function = ("libc.so.6", "_int_free", |n| 4_567 * n + 120);

/// A session in which unloading regressed by a known culprit, next to what stays open and what failed.
pub fn project() -> Project {
    let project = Project::empty();
    let mut made = Made::new();
    for title in TITLES {
        let counted = if title == "oldest-first" { "[\"callgrind\"]" } else { "[]" };
        let text = SCENARIO.replace("[\"callgrind\"]", counted);
        project.write(&format!("xtask/scenarios/{title}.toml"), text);
        let accepted = baseline(&made.environment, &[CALLS, LINEAR]);
        project.write(&format!("baselines/{title}.toml"), accepted);
    }
    made.scenario("oldest-first", &[CALLS, QUADRATIC, WALL]);
    made.scenario("undecided", &[CALLS, NOISY, WALL]);
    made.scenario("failing", &[CALLS, LINEAR, WALL]).fail_last(HOSTILE);
    made.check_callgrind().takes(0.25);
    let session = project.path("session");
    made.save(&session);
    profile(&session, "oldest-first", 0, &[SEARCH, FREE]);
    project
}
