//! What the tests of several crates share. A test that cannot prove anything on a machine records that, and a test
//! that counts runs in a process of its own.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

// Makes Cargo rebuild this crate for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");

/// Records that the running test is skipped, and why. Takes what `format!` takes.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => { $crate::record(&format!($($reason)*)) };
}

/// Prints `reason`, and appends it as one line to the file of this program's tests in `target/skipped`. `.ci/run`
/// prints the lines of all files at its end.
///
/// # Panics
/// When the line cannot be written, because a skipped test must not pass unnoticed.
pub fn record(reason: &str) {
    println!("skipped: {reason}");
    let thread = std::thread::current();
    append(&place().expect("a test has a program"), thread.name().unwrap_or("a test"), reason);
}

/// Appends one line to `file`, and makes its folder.
fn append(file: &Path, test: &str, reason: &str) {
    let folder = file.parent().expect("the file is in a folder");
    fs::create_dir_all(folder).expect("the target folder can be written");
    let file = fs::OpenOptions::new().create(true).append(true).open(file);
    let line = format!("{test}: {}\n", reason.replace('\n', " "));
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the disk takes a line");
}

/// The file for this program's skipped tests. A program of tests lies in `target/PROFILE/deps`, and Cargo adds a
/// digest to its name.
fn place() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let target = program.ancestors().nth(3)?;
    let name = program.file_stem()?.to_string_lossy().into_owned();
    let name = name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name);
    Some(target.join("skipped").join(name))
}

const CHILD: &str = "LOADLINE_TEST_CHILD";

/// Runs a test of this program in a separate process, so that other tests do not change what it counts, and prints
/// what it printed. Returns true in that process.
///
/// # Panics
/// When the test fails there, or when no test of this name has run.
pub fn alone(test: &str) -> bool {
    if is_child() {
        return true;
    }
    let output = this_test(test).output().expect("the program of the tests starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = text(&output.stdout);
    println!("{printed}");
    let has_run = output.status.success() && printed.contains("1 passed");
    assert!(has_run, "{printed}{}", text(&output.stderr));
    false
}

/// Returns the command that runs a test in a separate process, where [`is_child`] is true.
///
/// # Panics
/// When this program's file is unknown.
pub fn this_test(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("a test has a program"));
    command.args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"]);
    command.env(CHILD, "1");
    command
}

/// Returns whether this process was started by [`this_test`].
pub fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_skipped_test_leaves_a_line() {
        let place = place().expect("a test has a program");
        assert!(place.ends_with("skipped/loadline_testing"), "{}", place.display());
        let file = place.with_file_name("of-this-test").join("lines");
        append(&file, "a_test", "no\nvalgrind");
        append(&file, "another", "no perf");
        let text = fs::read_to_string(&file).expect("the lines were written");
        fs::remove_dir_all(file.parent().expect("its folder")).expect("it can be removed");
        assert_eq!(text, "a_test: no valgrind\nanother: no perf\n");
    }
}
