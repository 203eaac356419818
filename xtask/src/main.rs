//! Verb → file, exit code; nothing else.

mod aa;
mod across;
mod adaptive;
mod against;
mod another_wasmtime;
mod baseline;
mod baseline_file;
mod bench;
mod calibration_file;
mod called;
mod catalogue;
mod check;
mod cli;
mod comparison;
mod diff;
mod diff_side;
mod diff_text;
mod exit;
mod explain;
mod fetch;
mod figures;
mod files;
mod forecast;
mod found;
mod history;
mod init;
mod installed;
mod interrupt;
mod judge;
mod judgement;
mod law;
mod limits;
mod list;
mod lock;
mod measure;
mod measured;
mod merge;
mod moved;
mod out;
mod pace;
mod past;
mod pilot;
mod profile_file;
mod progress;
mod project;
mod project_file;
mod proof;
mod recipe;
mod regress;
mod report;
mod resume;
mod runner;
mod sameness;
mod scaling;
mod selection;
mod session;
mod shard;
mod shell;
mod side_by_side;
mod symbols;
mod teeth;
mod told_apart;
mod trees;
mod unwinders;
mod yard;

use std::process::ExitCode;

use crate::cli::{Cli, Verb};
use crate::exit::{Ended, Exit};

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not mistakes.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Clean };
            cli::print(&error);
            return exit.into();
        }
    };
    let result = match &cli.verb {
        Verb::Regress(arguments) => regress::run(arguments),
        Verb::Baseline(arguments) => baseline::run(arguments),
        Verb::Calibrate(arguments) => aa::run(arguments),
        Verb::Explain(arguments) => explain::run(arguments),
        Verb::Report(arguments) => regress::again(arguments),
        Verb::Merge(arguments) => merge::run(arguments),
        Verb::List(arguments) => list::run(arguments),
        Verb::History(arguments) => history::run(arguments),
        Verb::Diff(arguments) => diff::run(arguments),
        Verb::Judge(arguments) => judge::run(arguments),
        Verb::Fetch(arguments) => fetch::run(arguments),
        Verb::Check(arguments) => check::run(arguments),
        Verb::Init(arguments) => init::run(arguments),
        Verb::Completions(arguments) => shell::completions(arguments),
        Verb::Man(arguments) => shell::man(arguments),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {}", called::by_name(&format!("{error:#}")));
            Ended::exit_of(&error).into()
        }
    }
}
