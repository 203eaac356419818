//! [`Phases`]: marks the stretches of one run for whatever measures it from outside.

use std::ffi::CString;
use std::io::{self, Write};
use std::time::Duration;

use loadline_callgrind::client;

use crate::clock::Clock;

/// Loadline sets this variable when it answers each marker line.
pub(crate) const ACKNOWLEDGED: &str = "LOADLINE_ACK";

/// The phases of one run: which stretch of the program belongs to which phase.
#[derive(Debug)]
pub struct Phases {
    is_acknowledged: bool,
    is_under_callgrind: bool,
    /// CPU time by phase, in the order of their first stretch.
    times: Vec<(String, Duration)>,
}

impl Phases {
    pub(crate) fn new() -> Phases {
        Phases {
            is_acknowledged: std::env::var_os(ACKNOWLEDGED).is_some(),
            is_under_callgrind: client::is_running(),
            times: Vec::new(),
        }
    }

    /// Does `work` as a stretch of the phase `name`. Several stretches of one phase are added up; work
    /// between two stretches belongs to no phase.
    ///
    /// Loadline knows the phases `read`, `deserialize`, `load`, `call`, `unwind`, `unload` and `work`,
    /// and fails a run that names another one. Without Loadline any name will do.
    ///
    /// Each stretch costs two lines on standard output, so mark long stretches rather than single items.
    ///
    /// # Panics
    /// When `name` is empty, is `none`, or has other characters than small letters, digits and `-`.
    pub fn measure<T>(&mut self, name: &str, work: impl FnOnce() -> T) -> T {
        let stretch = self.begin(name);
        let value = work();
        self.end(name, stretch);
        value
    }

    fn begin(&self, name: &str) -> Stretch {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(
            !name.is_empty() && name != "none" && name.chars().all(is_plain),
            "a phase cannot be named {name:?} (small letters, digits and - make a name)"
        );
        let dump = CString::new(name).expect("the characters were checked above");
        // Before the marker, so that Loadline sees that this program asks for its dumps itself.
        self.dump_no_phase();
        self.mark(name);
        self.dump_no_phase();
        Stretch { dump, start: Clock::Process.now() }
    }

    /// Has callgrind write down what belongs to no phase, but to the whole program.
    fn dump_no_phase(&self) {
        if self.is_under_callgrind {
            client::start_instrumentation();
            client::dump(c"none");
        }
    }

    fn end(&mut self, name: &str, stretch: Stretch) {
        let spent = Clock::Process.now().saturating_sub(stretch.start);
        if self.is_under_callgrind {
            client::dump(&stretch.dump);
        }
        match self.times.iter_mut().find(|(known, _)| known == name) {
            Some((_, time)) => *time += spent,
            None => self.times.push((name.to_owned(), spent)),
        }
        self.mark("none");
    }

    /// Prints a marker line, and waits until Loadline has read its counters.
    fn mark(&self, phase: &str) {
        let mut stdout = io::stdout().lock();
        // The line break before it ends whatever the program has printed without one. A closed
        // standard output is no reason to stop the program's own work.
        let _ = write!(stdout, "\nloadline:phase={phase}\n").and_then(|()| stdout.flush());
        if self.is_acknowledged {
            let _ = io::stdin().read_line(&mut String::new());
        }
    }

    /// CPU time by phase, in the order of their first stretch.
    pub(crate) fn times(&self) -> &[(String, Duration)] {
        &self.times
    }
}

/// A stretch that has begun.
struct Stretch {
    dump: CString,
    start: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phases() -> Phases {
        Phases { is_acknowledged: false, is_under_callgrind: false, times: Vec::new() }
    }

    #[test]
    fn stretches_of_one_phase_are_added_up() {
        let mut phases = phases();
        let sum = phases.measure("load", || 1) + phases.measure("unload", || 2);
        assert_eq!(sum + phases.measure("load", || 3), 6);
        let names: Vec<&str> = phases.times().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["load", "unload"]);
    }

    #[test]
    #[should_panic(expected = "a phase cannot be named \"Load it\"")]
    fn a_name_that_breaks_the_line_is_refused() {
        phases().measure("Load it", || ());
    }

    #[test]
    #[should_panic(expected = "a phase cannot be named \"none\"")]
    fn none_is_no_phase() {
        phases().measure("none", || ());
    }
}
