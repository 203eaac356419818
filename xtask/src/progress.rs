//! How far a long job is: a bar with the remaining time on a terminal, plain lines elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of one job, in units of its own; on standard error.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: u64,
    done: Cell<u64>,
    tenths_said: Cell<u64>,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A job of `total` units, called `what`.
    pub fn new(what: &'static str, total: u64) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{prefix} [{bar:30}] {percent:>3} %  {eta} left  {wide_msg}",
            );
            let style = style.expect("the template is a constant and was tried");
            ProgressBar::new(total).with_style(style).with_prefix(what)
        });
        let (done, tenths_said) = (Cell::new(0), Cell::new(0));
        Progress { what, total, done, tenths_said, started: Instant::now(), bar }
    }

    /// `units` more are done; `now` says what of.
    pub fn add(&self, units: u64, now: &str) {
        self.done.set(self.done.get() + units);
        if let Some(bar) = &self.bar {
            bar.set_message(now.to_owned());
            bar.inc(units);
            return;
        }
        let tenths = self.done.get() * 10 / self.total.max(1);
        if tenths > self.tenths_said.replace(tenths) {
            let seconds = self.started.elapsed().as_secs_f64();
            let left = seconds * (10 - tenths.min(10)) as f64 / tenths as f64;
            eprintln!(
                "{}: {} % after {seconds:.0} s, about {left:.0} s left",
                self.what,
                tenths * 10
            );
        }
    }

    /// The job has ended; its bar goes away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
