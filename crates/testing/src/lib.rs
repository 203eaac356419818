//! What the tests of several crates share: a test that cannot prove anything on a machine records that.

use std::env;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

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
    let test = thread.name().unwrap_or("a test");
    let (folder, program) = place().expect("a test has a program");
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let file = folder.join(program);
    let mut file = fs::OpenOptions::new().create(true).append(true).open(file);
    let file = file.as_mut().expect("the target folder can be written");
    let reason = reason.replace('\n', " ");
    file.write_all(format!("{test}: {reason}\n").as_bytes()).expect("the disk takes a line");
}

/// The folder of skipped tests, and the name of this program, without the digest that Cargo adds. A program of
/// tests lies in `target/PROFILE/deps`.
fn place() -> Option<(PathBuf, String)> {
    let program = env::current_exe().ok()?;
    let target = program.ancestors().nth(3)?;
    let name = program.file_stem()?.to_string_lossy().into_owned();
    let name = name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name).to_owned();
    Some((target.join("skipped"), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_test_leaves_a_line() {
        let (folder, program) = place().expect("a test has a program");
        skip!("{} of\n{}", 1, 2);
        let text = fs::read_to_string(folder.join(program)).expect("the line was written");
        let name = "tests::a_skipped_test_leaves_a_line";
        assert!(text.lines().any(|line| line == format!("{name}: 1 of 2")), "{text}");
    }
}
