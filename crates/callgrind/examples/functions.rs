//! What a run under callgrind has cost, by phase and function, with the way to the costliest one.
//!
//! `cargo run -p loadline-callgrind --example functions FOLDER`, where the folder holds what callgrind
//! wrote of a program that names its dumps.

use std::path::Path;
use std::process::ExitCode;

use loadline_callgrind::{FolderError, profiles};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: functions FOLDER");
        return ExitCode::from(2);
    };
    match print(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn print(folder: &Path) -> Result<(), FolderError> {
    for (phase, profile) in profiles(folder)? {
        println!("{phase}: {} {:?}", profile.events().join(" "), profile.totals());
        let costs = profile.costs(0);
        for cost in costs.iter().take(8) {
            let bound = if cost.is_recursive { "at most " } else { "" };
            let (own, inclusive, calls) = (cost.own, cost.inclusive, cost.calls);
            println!("{own:>14} {}  {bound}{inclusive} inclusive, {calls} calls", cost.function);
        }
        if let Some(first) = costs.first() {
            println!("    the way to {}:", first.function.name);
            for step in profile.path_to(first.function, 0) {
                println!("{:>14} {}, {} calls", step.cost, step.function, step.calls);
            }
        }
    }
    Ok(())
}
