//! Tells the runner the Wasmtime version and the profile that it is built with. Only Cargo's lock file has
//! the full version; the Wasmtime crate does not show it. The profile matters because a program installed
//! with `--debug` is equally optimised, but is another program.

use std::path::Path;

fn main() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let text = std::fs::read_to_string(&lock).unwrap_or_default();
    let mut lines = text.lines().skip_while(|line| *line != "name = \"wasmtime\"").skip(1);
    let version = lines.next().and_then(|line| line.strip_prefix("version = \""));
    let version =
        version.map_or("unknown (no Cargo.lock)", |version| version.trim_end_matches('"'));
    println!("cargo::rustc-env=LOADLINE_WASMTIME={version}");
    let profile = std::env::var("PROFILE").unwrap_or_else(|_| "unknown".to_owned());
    println!("cargo::rustc-env=LOADLINE_PROFILE={profile}");
}
