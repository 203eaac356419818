//! The page about the command line is what the program itself prints as help.
//! `UPDATE_DOCS=1 cargo test -p loadline --test it command_line` writes the page again.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

const HEAD: &str = "\
# Which commands and options are there?

This page is for you if you look for a command or an option. It shows the help that the program prints. In a clone of Loadline, type `cargo xtask` instead
of `loadline`. [Results and exit codes](results.md) explains what the commands answer.

`cargo xtask ci` exists in a clone only: it runs this repository's own tests, and `cargo xtask ci --slow` the slow ones.
";

#[test]
fn the_page_on_the_command_line_is_what_the_program_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/command-line.md");
    let mut page = HEAD.to_owned();
    add(&mut page, &[]);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, page).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == committed,
        "the help differs from docs/reference/command-line.md; write the page again: \
         UPDATE_DOCS=1 cargo test -p loadline --test it command_line"
    );
}

/// Adds the help of a command and of the commands below it.
fn add(page: &mut String, command: &[&str]) {
    let help = help(command);
    let title = [&["loadline"], command].concat().join(" ");
    // Writing to a String cannot fail.
    let _ = write!(page, "\n## {title}\n```text\n{}\n```\n", help.trim_end());
    let Some((_, verbs)) = help.split_once("Commands:\n") else { return };
    for line in verbs.lines().take_while(|line| !line.is_empty()) {
        // Further lines of a description are indented deeper.
        let verb = line.strip_prefix("  ").unwrap().split(' ').next().unwrap();
        if !verb.is_empty() && verb != "help" {
            add(page, &[command, &[verb]].concat());
        }
    }
}

fn help(command: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_loadline"));
    program.args(command).arg("--help").env_remove("COLUMNS").env("NO_COLOR", "1");
    let output = program.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    // A program that lies in the workspace calls itself `cargo xtask`.
    String::from_utf8(output.stdout).unwrap().replace("cargo xtask", "loadline")
}
