//! The program: arguments in, exit code out.
//!
//! One file per verb, in `verbs`. What a verb measures, judges and prints is in the crates below this one.

mod called;
mod cli;
mod committed;
mod conclude;
mod judge;
mod outputs;
mod saved;
mod verbs;

use loadline_measure::out;
use loadline_measure::process::interrupt;
use loadline_record::Exit;
use std::process::ExitCode;

use crate::cli::{Cli, Verb};
use crate::verbs::{
    baseline, calibrate, completions, diff, explain, fetch, history, init, list, merge, regress,
    report,
};

/// Does what the command line asks for; the exit code says how it ended.
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
        Verb::Completions(arguments) => completions::run(arguments),
    };
    let exit = match result {
        Ok(exit) => exit,
        Err(error) => {
            out::note(format_args!("error: {error:#}"));
            error.exit()
        }
    };
    // Also where the command had nothing left to stop, or took the end of a child for a failure.
    let interrupted = interrupt::was_heard().then_some(Exit::Interrupted);
    Exit::of(&[exit, interrupted.unwrap_or(exit)]).into()
}

// Has Cargo build this again for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
