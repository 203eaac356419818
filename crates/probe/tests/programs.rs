//! Tests counters for the programs that a thread starts. The test starts itself and touches pages there.

#![cfg(target_os = "linux")]
// Mapping fresh pages is unsafe.
#![allow(unsafe_code)]

mod common;

use std::process::{Command, Stdio};

use common::Phase;
use loadline_probe::{Absence, Event, Probe, Reading};

/// The number of pages that the program touches, in a separate thread.
const PAGES: &str = "LOADLINE_TEST_PAGES";

/// Whether the program lets its child touch the pages.
const BY_CHILD: &str = "LOADLINE_TEST_BY_CHILD";

fn touch(n_pages: usize) {
    const PAGE: usize = 65536; // A multiple of every page size we know.
    let n_bytes = (n_pages * PAGE).max(PAGE);
    // SAFETY: new mappings overlap nothing; the advice concerns the one just made.
    let start = unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let start = libc::mmap(std::ptr::null_mut(), n_bytes, protection, flags, -1, 0);
        assert_ne!(start, libc::MAP_FAILED);
        libc::madvise(start, n_bytes, libc::MADV_NOHUGEPAGE);
        start.cast::<u8>()
    };
    for page in 0..n_pages {
        // SAFETY: within the mapping, which is writable and stays until the process ends.
        unsafe { start.add(page * PAGE).write_volatile(1) };
    }
}

/// Starts this program again, to run only [`child`].
fn program(n_pages: usize, by_child: bool) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "child", "--test-threads=1"]);
    command.env(PAGES, n_pages.to_string()).stdout(Stdio::null());
    if by_child {
        command.env(BY_CHILD, "1");
    } else {
        command.env_remove(BY_CHILD);
    }
    command
}

fn run(n_pages: usize, by_child: bool) {
    let status = program(n_pages, by_child).status().expect("it starts");
    assert!(status.success(), "{status}");
}

/// This is not a test. The started program runs it; without the variable it does nothing.
#[test]
fn child() {
    let Some(n_pages) = std::env::var(PAGES).ok().and_then(|n| n.parse().ok()) else { return };
    if std::env::var_os(BY_CHILD).is_some() {
        run(n_pages, false);
    } else {
        std::thread::spawn(move || touch(n_pages)).join().expect("it touches pages");
    }
}

/// Returns the faults of programs that `work` starts.
fn faults(work: impl FnOnce()) -> Option<u64> {
    let mut probe = Probe::of_programs(&[Event::PageFaults]);
    probe.start();
    probe.measure(Phase::Work, work);
    match probe.totals(Phase::Work).reading(Event::PageFaults) {
        Some(Reading::Exact(count)) => Some(count),
        Some(Reading::Unavailable(absence)) => {
            loadline_testing::skip!("page faults are {absence}; {}", absence.remedy());
            None
        }
        other => panic!("neither exact nor unavailable: {other:?}"),
    }
}

#[test]
fn threads_and_children_are_counted_and_the_starter_is_not() {
    const MORE: usize = 4000;
    for by_child in [false, true] {
        let (Some(none), Some(some)) = (
            faults(|| run(0, by_child)),
            faults(|| {
                run(MORE, by_child);
                touch(2 * MORE);
            }),
        ) else {
            return;
        };
        let more = some.saturating_sub(none);
        let expected = MORE as u64 - 50..=MORE as u64 + 200;
        assert!(expected.contains(&more), "{none}, then {some} faults; by a child: {by_child}");
    }
}

#[test]
fn a_living_program_is_read_at_every_lap() {
    let mut probe = Probe::of_programs(&[Event::TaskClock, Event::WallTime]);
    probe.start();
    let shell = Command::new("sh").args(["-c", "while :; do :; done"]).spawn();
    let Ok(mut shell) = shell else {
        loadline_testing::skip!("there is no sh");
        return;
    };
    // Even on a busy machine, the shell gets the CPU at some time.
    let clock = |probe: &Probe<Phase>, phase| probe.totals(phase).reading(Event::TaskClock);
    let began = std::time::Instant::now();
    loop {
        probe.lap(Some(Phase::Load));
        match clock(&probe, Phase::Load) {
            Some(Reading::Exact(1_000_000..)) => break,
            Some(Reading::Unavailable(Absence::NotMeasured | Absence::TooShort))
            | Some(Reading::Exact(_)) => {}
            Some(Reading::Unavailable(absence)) => {
                shell.kill().expect("it can be ended");
                return loadline_testing::skip!("{absence}");
            }
            other => panic!("neither exact nor unavailable: {other:?}"),
        }
        assert!(began.elapsed().as_secs() < 60, "a shell that computes has no CPU time");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    shell.kill().expect("it can be ended");
    shell.wait().expect("it has ended");
    probe.lap(Some(Phase::Unload));
    probe.lap(Some(Phase::Work));
    // No program runs any more, so there is no count, which is different from a count of zero.
    let work = clock(&probe, Phase::Work);
    assert!(matches!(work, Some(Reading::Unavailable(_))), "{work:?}");
}

#[test]
fn nothing_is_counted_without_a_program() {
    let mut probe = Probe::of_programs(&[Event::PageFaults]);
    probe.start();
    probe.measure(Phase::Work, || touch(100));
    let [(_, availability)] = probe.availability().collect::<Vec<_>>()[..] else {
        panic!("one event was asked for")
    };
    let expected = availability.err().unwrap_or(Absence::TooShort);
    let reading = probe.totals(Phase::Work).reading(Event::PageFaults);
    assert_eq!(reading, Some(Reading::Unavailable(expected)));
}
