#![allow(clippy::unwrap_used)]

use loadline_scenario::Metric;
use tempfile::TempDir;

use super::*;

/// Another program in the runner's place.
struct Fake {
    folder: TempDir,
    runner: Runner,
}

impl Fake {
    /// A program that writes down its process id and then runs the shell script.
    fn new(script: &str) -> Fake {
        let folder = TempDir::new().unwrap();
        let program = folder.path().join("runner");
        let pid = folder.path().join("pid");
        let script = format!("#!/bin/sh\necho $$ > {}\n{script}\n", pid.display());
        // Another process writes the file, because a file that this process has open for writing cannot be
        // started.
        let mut shell = Command::new("sh");
        shell.args(["-c", "cat > \"$0\" && chmod +x \"$0\""]).arg(&program);
        let mut shell = shell.stdin(Stdio::piped()).spawn().unwrap();
        shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success());
        let interrupt = Interrupt::default();
        Fake {
            folder,
            runner: Runner {
                program,
                preload: None,
                processors: Vec::new(),
                valgrind: None,
                interrupt,
                is_installed: false,
            },
        }
    }

    fn ask(&self, timeout: Duration) -> Result<usize, RunFailure> {
        // The request is longer than a pipe holds.
        let request =
            Request::Describe { metrics: vec![Metric::PageFaults; 20_000], processors: Vec::new() };
        let mut messages = 0;
        let answer = self.runner.ask(&request, timeout, |_| messages += 1);
        assert!(!self.is_alive(), "the process has outlived its answer");
        answer.map(|()| messages)
    }

    fn is_alive(&self) -> bool {
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).unwrap_or_default();
        let mut kill = Command::new("kill");
        let kill = kill.args(["-0", pid.trim()]).stderr(Stdio::null());
        !pid.is_empty() && kill.status().unwrap().success()
    }
}

/// Long enough for a program that ends by itself. Any other program is killed after this time.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);

const PROGRESS: &str = r#"{"progress":{"done":1,"total":2}}"#;

#[test]
fn every_message_before_the_last_word_is_received() {
    let answer = format!("'{PROGRESS}' '{PROGRESS}' '\"done\"'");
    let fake = Fake::new(&format!("cat > /dev/null; printf '%s\\n' {answer}"));
    assert_eq!(fake.ask(LONG), Ok(2));
}

#[test]
fn a_runner_that_ends_early_is_reported_with_its_last_words() {
    let cases = [
        ("echo it broke >&2; exit 3", "the runner ended early (exit status: 3): it broke"),
        ("kill -9 $$", "the runner ended early (signal 9) without a message"),
        ("exit 0", "the runner ended early (exit status: 0) without a message"),
        ("echo '\"done\"'; exit 1", "the runner ended early (exit status: 1) without a message"),
        ("echo '{\"failed\":{\"error\":\"no room\"}}'; exit 1", "no room"),
    ];
    for (script, expected) in cases {
        let failure = Fake::new(script).ask(LONG).unwrap_err();
        assert_eq!(failure.to_string(), expected, "{script}");
    }
}

#[test]
fn a_runner_that_does_not_end_is_ended() {
    let scripts = [
        "exec sleep 600".to_owned(),
        "exec sleep 600 >&-".to_owned(),
        "echo '\"done\"'; exec sleep 600".to_owned(),
        format!("while :; do echo '{PROGRESS}'; done"),
    ];
    for script in scripts {
        let answer = Fake::new(&script).ask(SHORT);
        assert_eq!(answer, Err(RunFailure::TimedOut(SHORT)), "{script}");
    }
}

/// Messages that wait in the queue do not extend the deadline.
#[test]
fn a_flood_of_messages_does_not_outlive_the_deadline() {
    let (sender, lines) = mpsc::sync_channel(64);
    (0..64).for_each(|_| sender.send(PROGRESS.to_owned()).unwrap());
    let mut messages = 0;
    let last = read_answer(&lines, Instant::now(), &mut |_| messages += 1);
    assert!(matches!(last, Last::TimedOut));
    assert_eq!(messages, 0);
}

#[test]
fn what_is_no_message_ends_the_run() {
    let endless = format!("while :; do printf {}; done", "x".repeat(4096));
    for script in ["echo Segmentation fault; exec sleep 600", "echo '{}'", &endless] {
        let answer = Fake::new(script).ask(LONG);
        assert!(matches!(answer, Err(RunFailure::Garbled(_))), "{script}: {answer:?}");
    }
}

#[test]
fn standard_error_is_kept_to_its_end() {
    let noise = "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i + 1)); done >&2; exit 1";
    let Err(RunFailure::Crashed { stderr, .. }) = Fake::new(noise).ask(LONG) else {
        panic!("it has not crashed");
    };
    assert!(stderr.ends_with("line 4998\nline 4999\n"), "{stderr}");
    assert!(stderr.len() <= STDERR_KEPT);
}

#[test]
fn an_interrupt_ends_the_run_and_begins_no_other() {
    let fake = Fake::new("exec sleep 600");
    let (runner, interrupt) = (fake.runner.clone(), fake.runner.interrupt.clone());
    let asked = std::thread::spawn(move || {
        let request = Request::Describe { metrics: Vec::new(), processors: Vec::new() };
        runner.ask(&request, LONG, |_| {})
    });
    while !fake.is_alive() {
        std::thread::sleep(Duration::from_millis(5));
    }
    interrupt.interrupt();
    assert_eq!(asked.join().unwrap(), Err(RunFailure::Interrupted));
    assert_eq!(fake.ask(LONG), Err(RunFailure::Interrupted));
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let fake = Fake::new("");
    let runner = Runner { program: fake.folder.path().join("gone"), ..fake.runner.clone() };
    let request = Request::Describe { metrics: Vec::new(), processors: Vec::new() };
    let answer = runner.ask(&request, LONG, |_| {}).unwrap_err();
    assert!(answer.to_string().starts_with("cannot start "), "{answer}");
}
