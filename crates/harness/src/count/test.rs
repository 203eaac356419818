//! Which test is running, and how another process runs the same one.

use std::any::type_name;
use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};
use std::{env, thread};

/// One call of `assert_scaling` in one test.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Test {
    /// The arguments with which this program runs the test alone, on one thread.
    pub(crate) arguments: Vec<OsString>,
    /// How many calls the same test has made before.
    pub(crate) ordinal: usize,
}

impl Test {
    /// The test that calls `assert_scaling` with a closure of type `F` now.
    pub(crate) fn current<F>() -> Test {
        static CALLS: Mutex<Option<HashMap<Vec<OsString>, usize>>> = Mutex::new(None);
        let thread = thread::current();
        let own: Vec<OsString> = env::args_os().skip(1).collect();
        let has_one_thread = own.iter().any(|argument| {
            argument.to_str().is_some_and(|argument| argument.starts_with("--test-threads"))
        }) || env::var_os("RUST_TEST_THREADS").is_some()
            || thread::available_parallelism().is_ok_and(|n| n.get() == 1);
        let arguments = arguments(thread.name(), type_name::<F>(), has_one_thread, own);
        let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = calls.get_or_insert_default().entry(arguments.clone()).or_default();
        *calls += 1;
        Test { arguments, ordinal: *calls - 1 }
    }
}

/// The arguments for a run of the same test alone.
///
/// libtest names each test's thread after the test. With one test thread it runs tests on the main
/// thread; then the path of the closure names the test. A program with a `main` of its own, such as a doc
/// test, runs with the arguments it already has.
fn arguments(
    thread: Option<&str>,
    closure: &str,
    has_one_thread: bool,
    own: Vec<OsString>,
) -> Vec<OsString> {
    let of_closure = function_of(closure).split_once("::").map(|(_, path)| path);
    let is_alone = own.iter().any(|argument| argument == "--exact");
    let name = match (thread, of_closure) {
        (Some("main"), _) if is_alone || !has_one_thread => return own,
        (Some("main") | None, None) => return own,
        (Some("main") | None, Some(path)) if path == "main" || path.ends_with("::main") => {
            return own;
        }
        (Some("main") | None, Some(path)) => path,
        (Some(name), _) => name,
    };
    let options = ["--exact", "--test-threads=1", "--include-ignored", "--nocapture"];
    std::iter::once(name).chain(options).map(OsString::from).collect()
}

/// The path of the function that a closure stands in: `crate::tests::name` of
/// `crate::tests::name::{{closure}}`.
fn function_of(closure: &str) -> &str {
    closure.split_once("::{{closure}}").map_or(closure, |(function, _)| function)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(thread: Option<&str>, closure: &str, own: &[&str]) -> String {
        let has_one_thread = own.contains(&"--test-threads=1");
        let own = own.iter().map(OsString::from).collect();
        let arguments = arguments(thread, closure, has_one_thread, own);
        let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        texts.join(" ")
    }

    #[test]
    fn a_test_is_found_by_its_thread_or_its_closure() {
        let options = "--exact --test-threads=1 --include-ignored --nocapture";
        let closure = "parser::tests::linear::{{closure}}";
        let of_libtest = format!("tests::linear {options}");
        assert_eq!(shown(Some("tests::linear"), closure, &["lin"]), of_libtest);
        assert_eq!(shown(Some("main"), closure, &["--test-threads=1"]), of_libtest);
        // A thread that the test has started.
        assert_eq!(shown(None, "parser::tests::linear::{{closure}}::{{closure}}", &[]), of_libtest);
        // A closure from a helper says nothing; the thread does.
        let helper = "parser::helper<parser::X>::{{closure}}";
        assert_eq!(shown(Some("tests::linear"), helper, &[]), of_libtest);
    }

    #[test]
    fn a_program_of_its_own_keeps_its_arguments() {
        assert_eq!(shown(Some("main"), "rates::trial::{{closure}}", &["a", "b"]), "a b");
        let merged = "doctest_bundle_2024::__doctest_0::main::{{closure}}";
        assert_eq!(shown(Some("main"), merged, &["--test-threads=1"]), "--test-threads=1");
        // One test by its exact name, as nextest starts it.
        let exact = ["tests::linear", "--exact", "--test-threads=1"];
        assert_eq!(shown(Some("main"), "x::y::{{closure}}", &exact), exact.join(" "));
    }

    #[test]
    fn each_call_of_one_test_has_a_number() {
        let first = Test::current::<()>();
        let second = Test::current::<()>();
        assert_eq!((first.ordinal, second.ordinal), (0, 1));
        assert_eq!(first.arguments, second.arguments);
        assert!(
            first.arguments[0].to_string_lossy().ends_with("each_call_of_one_test_has_a_number")
        );
    }
}
