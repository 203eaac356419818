//! Handles Ctrl-C and termination signals: one flag, and the children that have to end with this program.

use loadline_record::{Context, Error, Exit, Result};
use std::collections::BTreeMap;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whether a signal has arrived. It belongs to the process, not to one [`Interrupt`].
static HEARD: AtomicBool = AtomicBool::new(false);

/// Whether a signal has asked this program to end. A command that had nothing left to stop may have finished
/// normally all the same.
pub fn was_heard() -> bool {
    HEARD.load(Ordering::SeqCst)
}

/// The request to end this program. The signal's thread shares it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: AtomicBool,
    next: AtomicU64,
    children: Mutex<BTreeMap<ChildId, SupervisedChild>>,
}

/// The number of a supervised child. It is Loadline's own number, because the system may reuse a process id
/// once the child has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChildId(u64);

/// A supervised child.
#[derive(Debug)]
struct SupervisedChild {
    child: Child,
    /// The child has ended and was waited for, so the system may have reused its process id.
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

    /// The first signal asks the program to end. The second signal ends it at once.
    fn signal(&self) {
        HEARD.store(true, Ordering::SeqCst);
        let is_second = self.was_asked();
        self.interrupt();
        if is_second {
            std::process::exit(Exit::Interrupted.code().into());
        }
    }

    /// Asks the program to end, and ends all supervised children.
    pub fn interrupt(&self) {
        self.state.asked.store(true, Ordering::SeqCst);
        self.children().values_mut().for_each(SupervisedChild::end);
    }

    /// Supervises `child`, which leads a process group of its own. An interrupt or [`Interrupt::kill`] kills
    /// the child and its group. Returns the child's number.
    pub fn guard(&self, child: Child) -> ChildId {
        let child_id = ChildId(self.state.next.fetch_add(1, Ordering::SeqCst));
        self.children().insert(child_id, SupervisedChild { child, has_ended: false });
        if self.was_asked() {
            self.kill(child_id);
        }
        child_id
    }

    /// Stops supervising the child and returns it, so that the caller can wait for it.
    pub fn release(&self, child_id: ChildId) -> Option<Child> {
        self.children().remove(&child_id).map(|supervised| supervised.child)
    }

    /// Waits until `deadline` for a supervised child to end by itself. Returns whether it has ended. The
    /// child stays supervised.
    pub fn has_ended_by(&self, child_id: ChildId, deadline: Instant) -> bool {
        loop {
            if self.children().get_mut(&child_id).is_none_or(SupervisedChild::is_over) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends a supervised child and everything it has started.
    pub fn kill(&self, child_id: ChildId) {
        if let Some(supervised) = self.children().get_mut(&child_id) {
            supervised.end();
        }
    }

    /// Whether the program has been asked to end.
    pub fn was_asked(&self) -> bool {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// Checks that the user has not asked the program to end.
    ///
    /// # Errors
    /// When the program has been asked to end.
    pub fn check(&self) -> Result<()> {
        if self.was_asked() {
            return Err(Error::new(Exit::Interrupted, "interrupted"));
        }
        Ok(())
    }

    fn children(&self) -> std::sync::MutexGuard<'_, BTreeMap<ChildId, SupervisedChild>> {
        self.state.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SupervisedChild {
    /// Ends the child and everything it has started.
    fn end(&mut self) {
        if !self.has_ended {
            end_group_of(&self.child);
            // The child may have ended by itself; then there is nothing to do.
            let _ = self.child.kill();
        }
    }

    /// Whether the child has ended by itself.
    fn is_over(&mut self) -> bool {
        self.has_ended |= !matches!(self.child.try_wait(), Ok(None));
        self.has_ended
    }
}

/// Ends the process group that `child` leads. The caller has not waited for `child` yet. A measured command,
/// and whatever it started, ends together with the runner.
#[cfg(unix)]
fn end_group_of(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process_group};

    // Until the child is waited for, the number belongs to the child's group and to no other.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

/// This platform has no process groups.
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
        let child_id = interrupt.guard(child);
        let status = interrupt.release(child_id).unwrap().wait().unwrap();
        assert!(!status.success());
    }
}
