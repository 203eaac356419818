//! The program: reads the arguments and returns the exit code.
//!
//! `verbs` has one file per verb. The crates below this one contain what a verb measures, judges and prints.

mod called;
mod changes;
mod cli;
mod committed;
mod completions;
mod conclude;
mod judge;
mod outputs;
mod saved;
mod screen;
mod verbs;

use loadline_measure::out;
use loadline_measure::process::interrupt;
use loadline_record::Exit;
use std::process::ExitCode;

use crate::cli::{Cli, Verb};
use crate::verbs::{
    baseline, calibrate, diff, explain, fetch, history, init, list, merge, regress, report,
    sessions,
};

/// Runs the command line. The exit code says how the command ended.
pub fn main() -> ExitCode {
    called::say_name();
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not mistakes.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Clean };
            let is_bisecting = std::env::args_os().any(|word| word == "--bisect");
            cli::print(&error);
            return if is_bisecting { exit.for_bisect() } else { exit }.into();
        }
    };
    cli.screen.apply();
    let result = match &cli.verb {
        Verb::Regress(arguments) => regress::run(arguments),
        Verb::Baseline(arguments) => baseline::run(arguments),
        Verb::Calibrate(arguments) => calibrate::run(arguments),
        Verb::Explain(arguments) => explain::run(arguments),
        Verb::Report(arguments) => report::run(arguments),
        Verb::Merge(arguments) => merge::run(arguments),
        Verb::List(arguments) => list::run(arguments),
        Verb::History(arguments) => history::run(arguments),
        Verb::Diff(arguments) => diff::run(arguments),
        Verb::Judge(arguments) => judge::run(arguments),
        Verb::Fetch(arguments) => fetch::run(arguments),
        Verb::Init(arguments) => init::run(arguments),
        Verb::Sessions(arguments) => sessions::run(arguments),
        Verb::Completions(arguments) => completions::run(arguments),
    };
    let exit = match result {
        Ok(exit) => exit,
        Err(error) => {
            out::error(format_args!("error: {error:#}"));
            error.exit()
        }
    };
    // Ctrl-C decides the exit code too if nothing was left to stop, or if the end of a child looked like a
    // failure.
    let interrupted = interrupt::was_heard().then_some(Exit::Interrupted);
    Exit::of(&[exit, interrupted.unwrap_or(exit)]).into()
}

// Makes Cargo rebuild this crate for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
