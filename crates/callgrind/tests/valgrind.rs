//! What the valgrind of this machine writes.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

use loadline_callgrind::{Part, Parts, Version, find_valgrind};

/// valgrind, or nothing with the reason printed.
fn valgrind() -> Option<PathBuf> {
    let found = find_valgrind(&std::env::var_os("PATH").unwrap_or_default());
    if found.is_none() {
        println!("skipped: valgrind is not installed");
    }
    found
}

/// What callgrind writes about a program that exists everywhere, with more options.
fn count(valgrind: &Path, options: &[&str]) -> Vec<Part> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out");
    let mut command = Command::new(valgrind);
    command.args(["--tool=callgrind", "--quiet", "--vgdb=no"]).args(options);
    command.arg(format!("--callgrind-out-file={}", file.display()));
    let output = command.args(["/bin/sh", "-c", "echo $((6 * 7))"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"42\n");
    let parts = Parts::of(BufReader::new(File::open(file).unwrap()));
    parts.collect::<Result<_, _>>().unwrap()
}

#[test]
fn its_version_is_read() {
    let Some(valgrind) = valgrind() else { return };
    let output = Command::new(valgrind).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(Version::parse(&text).is_some(), "{text}");
}

#[test]
fn every_cost_it_writes_is_found() {
    let Some(valgrind) = valgrind() else { return };
    let everything =
        ["--dump-instr=yes", "--collect-jumps=yes", "--cache-sim=yes", "--branch-sim=yes"];
    let uncompressed = ["--compress-strings=no", "--compress-pos=no"];
    let recursive = ["--separate-recs=3", "--separate-callers=2", "--demangle=no"];
    for options in [&[][..], &everything[..], &uncompressed[..], &recursive[..]] {
        let parts = count(&valgrind, options);
        assert_eq!(parts.len(), 1, "{options:?}");
        let part = &parts[0];
        assert!(part.is_whole(), "{options:?}: {:?} {:?}", part.stated, part.profile.totals());
        let instructions = part.profile.instructions().unwrap();
        assert!(instructions > 10_000, "{options:?}: {instructions}");
        let costs = part.profile.costs(0);
        assert_eq!(costs.iter().map(|cost| cost.own).sum::<u64>(), instructions);
        assert!(costs.iter().all(|cost| cost.own <= cost.inclusive), "{options:?}");
        assert!(costs.iter().all(|cost| cost.inclusive <= instructions), "{options:?}");
    }
}

/// A dump after every part of the program that runs, all in one file.
#[test]
fn parts_in_one_file_are_found() {
    let Some(valgrind) = valgrind() else { return };
    let parts = count(&valgrind, &["--combine-dumps=yes", "--dump-every-bb=20000"]);
    assert!(parts.len() > 1, "{}", parts.len());
    assert!(parts.iter().all(Part::is_whole));
    let numbers: Vec<Option<u64>> = parts.iter().map(|part| part.number).collect();
    assert_eq!(numbers, (1..=parts.len() as u64).map(Some).collect::<Vec<_>>());
}
