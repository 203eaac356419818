//! The installed program.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadline::main()
}
