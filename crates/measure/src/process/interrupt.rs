//! Ctrl-C and termination: one flag, and the children that have to end with us.

use loadline_record::{Context, Error, Exit, Result};
use std::collections::BTreeMap;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whether a signal has come, whatever listens for it.
static HEARD: AtomicBool = AtomicBool::new(false);

/// Whether a signal has asked this program to end. A command that had nothing left to stop has gone
/// on to its end all the same.
pub fn was_heard() -> bool {
    HEARD.load(Ordering::SeqCst)
}

/// Whether somebody asked this program to end, shared with the signal's thread.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: AtomicBool,
    next: AtomicU64,
    children: Mutex<BTreeMap<Ward, Charge>>,
}

/// A child in charge, by a number of our own: the system's may be another's once it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ward(u64);

/// A child in charge.
#[derive(Debug)]
struct Charge {
    child: Child,
    /// It has ended and was waited for, so its number may be another's by now.
    has_ended: bool,
}

impl Interrupt {
    /// Begins to listen for Ctrl-C, SIGTERM and SIGHUP.
    ///
    /// # Errors
    /// When the system refuses the handler.
    pub fn listen() -> Result<Interrupt> {
        let interrupt = Interrupt::default();
        let heard = interrupt.clone();
        ctrlc::set_handler(move || heard.signal()).context("cannot listen for Ctrl-C")?;
        Ok(interrupt)
    }

    /// The first signal asks the program to end, the second one ends it.
    fn signal(&self) {
        HEARD.store(true, Ordering::SeqCst);
        let is_second = self.was_asked();
        self.interrupt();
        if is_second {
            std::process::exit(Exit::Interrupted.code().into());
        }
    }

    /// Asks the program to end, and ends the children in charge.
    pub fn interrupt(&self) {
        self.state.asked.store(true, Ordering::SeqCst);
        self.children().values_mut().for_each(Charge::end);
    }

    /// Takes charge of `child`, which leads a process group of its own: both are killed when the
    /// interrupt comes, or at [`Interrupt::kill`]. Returns what it is asked for by.
    pub fn guard(&self, child: Child) -> Ward {
        let ward = Ward(self.state.next.fetch_add(1, Ordering::SeqCst));
        self.children().insert(ward, Charge { child, has_ended: false });
        if self.was_asked() {
            self.kill(ward);
        }
        ward
    }

    /// Gives the child back to be waited for.
    pub fn release(&self, ward: Ward) -> Option<Child> {
        self.children().remove(&ward).map(|charge| charge.child)
    }

    /// Waits for a child in charge to end by itself, until `deadline`; it stays in charge.
    pub fn has_ended_by(&self, ward: Ward, deadline: Instant) -> bool {
        loop {
            if self.children().get_mut(&ward).is_none_or(Charge::is_over) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends a child in charge, and all it has started.
    pub fn kill(&self, ward: Ward) {
        if let Some(charge) = self.children().get_mut(&ward) {
            charge.end();
        }
    }

    /// Whether the program has been asked to end.
    pub fn was_asked(&self) -> bool {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// An error that ends the command when the program has been asked to.
    pub fn check(&self) -> Result<()> {
        if self.was_asked() {
            return Err(Error::new(Exit::Interrupted, "interrupted"));
        }
        Ok(())
    }

    fn children(&self) -> std::sync::MutexGuard<'_, BTreeMap<Ward, Charge>> {
        self.state.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Charge {
    /// Ends it, and all it has started.
    fn end(&mut self) {
        if !self.has_ended {
            end_group_of(&self.child);
            // It may have ended by itself; then there is nothing to do.
            let _ = self.child.kill();
        }
    }

    /// Whether it has ended by itself.
    fn is_over(&mut self) -> bool {
        self.has_ended |= !matches!(self.child.try_wait(), Ok(None));
        self.has_ended
    }
}

/// Ends the process group that `child`, not yet waited for, leads: a command measured by the runner
/// ends with the runner, and so does what the command has started.
#[cfg(unix)]
#[allow(unsafe_code)]
fn end_group_of(child: &Child) {
    let Ok(group) = libc::pid_t::try_from(child.id()) else { return };
    // SAFETY: killpg takes two numbers and touches no memory. Until it is waited for, the number is
    // the child's and no other group's.
    let _ = unsafe { libc::killpg(group, libc::SIGKILL) };
}

/// Groups are not known on this platform.
#[cfg(not(unix))]
fn end_group_of(_child: &Child) {}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_that_is_taken_charge_of_later_is_ended_as_well() {
        use std::os::unix::process::CommandExt;
        let interrupt = Interrupt::default();
        interrupt.interrupt();
        let child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let ward = interrupt.guard(child);
        let status = interrupt.release(ward).unwrap().wait().unwrap();
        assert!(!status.success());
    }
}
