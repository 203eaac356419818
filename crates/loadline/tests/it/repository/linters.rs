//! The linters of the workflows.

use std::path::PathBuf;
use std::process::Command;

use super::workflows::{paths, workflows, workspace};

/// Runs a linter where it is installed: `.ci/run` puts both there.
fn finds_nothing(linter: &str, arguments: &[&str], files: impl Iterator<Item = PathBuf>) {
    let own = workspace().join("target/tools/bin").join(linter);
    let program = if own.is_file() { own } else { linter.into() };
    let mut program = Command::new(program);
    match program.args(arguments).args(files).current_dir(workspace()).output() {
        Err(error) => loadline_testing::skip!("cannot start {linter}: {error}"),
        Ok(output) => assert!(output.status.success(), "{output:?}"),
    }
}

/// The rules of GitHub; it knows workflows only.
#[test]
fn actionlint_finds_nothing_in_the_workflows() {
    finds_nothing("actionlint", &[], workflows());
}

/// What makes a workflow unsafe.
#[test]
fn zizmor_finds_nothing_in_workflows_and_actions() {
    let arguments = ["--offline", "--no-progress", "--config", ".github/zizmor.yml"];
    finds_nothing("zizmor", &arguments, paths().into_iter());
}
