//! The installed program.

use std::process::ExitCode;

// Has Cargo build this again for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");

fn main() -> ExitCode {
    loadline::main()
}
