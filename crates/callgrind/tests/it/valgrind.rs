//! What the valgrind of this machine writes.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

use loadline_callgrind::{Part, Parts, Version, WHOLE, command_options, find_valgrind, programs};

/// valgrind, or nothing with the reason printed.
fn valgrind() -> Option<PathBuf> {
    let found = find_valgrind(&std::env::var_os("PATH").unwrap_or_default());
    if found.is_none() {
        loadline_testing::skip!("valgrind is not installed");
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

/// What a script and all that it starts have counted.
fn count_script(valgrind: &Path, script: &str) -> Result<u64, String> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(valgrind);
    command.args(command_options(folder.path(), None)).args(["/bin/sh", "-c", script]);
    assert!(command.output().unwrap().status.success());
    let profiles = programs(folder.path()).map_err(|error| error.to_string())?;
    Ok(profiles[WHOLE].instructions().unwrap())
}

/// A subshell is forked and not executed: it does not count what its parent had counted once more.
#[test]
fn programs_that_a_program_starts_are_counted_once() {
    let Some(valgrind) = valgrind() else { return };
    let subshells = |n: usize| {
        let script = format!("for i in {}; do (a=1; a=2); done", "1 ".repeat(n));
        count_script(&valgrind, &script).unwrap() as f64
    };
    let (one, nine, seventeen) = (subshells(1), subshells(9), subshells(17));
    let growth = (seventeen - nine) / (nine - one);
    assert!((0.95..1.05).contains(&growth), "{one} {nine} {seventeen}");
    let with_another = count_script(&valgrind, "/bin/true; exit 0").unwrap();
    let alone = count_script(&valgrind, "true; exit 0").unwrap();
    assert!(with_another > alone + 50_000, "{with_another} {alone}");
}

#[test]
fn a_count_that_was_lost_is_an_error() {
    let Some(valgrind) = valgrind() else { return };
    let killed = count_script(&valgrind, "sleep 600 & sleep 1; kill -9 $!; exit 0");
    assert!(killed.unwrap_err().starts_with("a process was killed before callgrind could write"));
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
