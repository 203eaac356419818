//! The installed program.

use std::process::ExitCode;

// Makes Cargo rebuild this crate for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");

fn main() -> ExitCode {
    loadline::main()
}
