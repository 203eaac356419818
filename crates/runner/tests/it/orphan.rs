//! Tests a runner whose starting process has ended.

use std::io::Read;
use std::process::{Command, Stdio};

#[test]
fn it_ends_without_waiting_for_a_request() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadline-runner"));
    command.stdin(Stdio::piped()).stdout(writer).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Keep the standard input open, as another process might. The runner gets no request and no end of input.
    let stdin = child.stdin.take();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(
        said,
        "the program that started this runner has ended, so no program reads the answer\n"
    );
    assert!(!child.wait().unwrap().success());
    drop(stdin);
}
