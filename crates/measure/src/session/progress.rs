//! The progress of a long job: a bar with the remaining time on a terminal, plain lines elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::out;

/// The time between two lines in a log, which needs no more.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// The progress of one job on standard error, in units of the job.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: u64,
    done: Cell<u64>,
    started: Instant,
    said: Cell<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins a job of `total` units, called `what`.
    pub fn new(what: &'static str, total: u64) -> Progress {
        let is_shown = std::io::stderr().is_terminal() && !out::is_quiet();
        let bar = is_shown.then(|| {
            let style = ProgressStyle::with_template(
                "{prefix} [{bar:30}] {percent:>3} %  {eta} left  {wide_msg}",
            );
            let style = style.expect("the template is a constant and was tried");
            ProgressBar::new(total).with_style(style).with_prefix(what)
        });
        let now = Instant::now();
        Progress { what, total, done: Cell::new(0), started: now, said: Cell::new(now), bar }
    }

    /// Adds `units` finished units; `now` names the finished work.
    pub fn add(&self, units: u64, now: &str) {
        self.done.set(self.done.get() + units);
        if let Some(bar) = &self.bar {
            bar.set_message(now.to_owned());
            bar.inc(units);
            return;
        }
        if self.said.get().elapsed() < BETWEEN_LINES {
            return;
        }
        self.said.set(Instant::now());
        let seconds = self.started.elapsed().as_secs_f64();
        let share = self.done.get().min(self.total) as f64 / self.total.max(1) as f64;
        let left = if share > 0.0 { seconds * (1.0 - share) / share } else { f64::INFINITY };
        let percent = share * 100.0;
        out::note(format_args!(
            "{}: {percent:.0} % after {seconds:.0} s, about {left:.0} s left",
            self.what
        ));
    }

    /// Ends the job and removes its bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
