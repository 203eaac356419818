//! Runs the example programs.
#![cfg(all(unix, feature = "compile"))]
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// Returns the output of an example. Returns `None` and prints the reason if Cargo has not built it.
fn output(example: &str, arguments: &[&str]) -> Option<String> {
    output_after("", example, arguments)
}

/// Does the same as [`output`] after a command of the shell, for example one that sets a limit.
fn output_after(command: &str, example: &str, arguments: &[&str]) -> Option<String> {
    let test = std::env::current_exe().unwrap();
    let built = test.parent()?.parent()?.join("examples").join(example);
    if !built.exists() {
        loadline_testing::skip!("{} was not built with this test", built.display());
        return None;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{command}\nexec \"$0\" \"$@\"")]).arg(built).args(arguments);
    let output = shell.env_remove("PACK_KEY").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn plugins_are_reloaded_and_a_broken_one_is_not() {
    let Some(text) = output("plugin_host", &[]) else { return };
    let answers: Vec<&str> = text.lines().filter(|line| line.contains("answer")).collect();
    let line = |answer| format!("adder.wat: answer(1) = {answer}");
    assert_eq!(answers, [line(2), line(21), line(21)]);
}

#[test]
fn tenants_come_and_go() {
    let Some(text) = output("tenants", &["30", "5", "300"]) else { return };
    assert!(text.starts_with("300 requests to 30 tenants"), "{text}");
}

#[test]
fn a_pack_is_built() {
    let Some(text) = output("build_pack", &[]) else { return };
    assert!(text.starts_with("double: 1 functions"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn workers_share_a_pack() {
    let Some(text) = output("workers", &["3", "10"]) else { return };
    assert_eq!(text, "3 workers loaded 10 tenants from one copy of the pack\n");
}

#[test]
fn an_async_host_answers() {
    let Some(text) = output("async_host", &[]) else { return };
    assert_eq!(text, "answers: [0, 1, 2, 3]\n");
}

#[test]
fn plugins_are_replaced_while_requests_are_served() {
    let Some(text) = output("hot_reload", &["200", "4000"]) else { return };
    assert_eq!(text, "4000 requests to 200 plugins, 3 reloads, 0 failed\n");
}

/// The budget would keep 150 plugins, each with a descriptor.
#[test]
fn plugins_are_replaced_with_few_descriptors() {
    let few = output_after("ulimit -n 128", "hot_reload", &["200", "4000"]);
    let Some(text) = few else { return };
    assert_eq!(text, "4000 requests to 200 plugins, 3 reloads, 0 failed\n");
}
