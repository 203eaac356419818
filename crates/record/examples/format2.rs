//! Rewrites files of format 1 in place: scenarios, baselines, calibrations, and the folders of sessions.
//! `cargo run -p loadline-record --example format2 -- FILE|FOLDER…`

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use loadline_record::format1::{Kind, in_format_2};

fn main() -> ExitCode {
    for name in env::args().skip(1) {
        if let Err(error) = rewrite(Path::new(&name)) {
            eprintln!("error: cannot rewrite {name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn rewrite(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        rewrite_as(Kind::Session, &path.join("session.json"))?;
        return rewrite_as(Kind::Session, &path.join("runs.jsonl"));
    }
    let text = fs::read_to_string(path)?;
    let kind = if text.contains("\n[[baseline]]") {
        Kind::Baseline
    } else if text.contains("\n[[calibration]]") {
        Kind::Calibration
    } else {
        Kind::Scenario
    };
    rewrite_as(kind, path)
}

fn rewrite_as(kind: Kind, path: &Path) -> io::Result<()> {
    fs::write(path, in_format_2(kind, &fs::read_to_string(path)?))
}
