//! Ctrl-C and termination: one flag, and the child that has to end with us.

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::exit::{Exit, ended};

/// Whether somebody asked this program to end, shared with the signal's thread.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: AtomicBool,
    child: Mutex<Option<Child>>,
}

impl Interrupt {
    /// Begins to listen for Ctrl-C, SIGTERM and SIGHUP.
    ///
    /// # Errors
    /// When the system refuses the handler.
    pub fn listen() -> anyhow::Result<Interrupt> {
        let interrupt = Interrupt::default();
        let heard = interrupt.clone();
        ctrlc::set_handler(move || heard.interrupt()).context("cannot listen for Ctrl-C")?;
        Ok(interrupt)
    }

    /// Asks the program to end, and ends the child in charge.
    pub fn interrupt(&self) {
        self.state.asked.store(true, Ordering::SeqCst);
        self.kill();
    }

    /// Takes charge of `child`: it is killed when the interrupt comes, or at [`Interrupt::kill`].
    pub fn guard(&self, child: Child) {
        *self.child() = Some(child);
        if self.was_asked() {
            self.kill();
        }
    }

    /// Gives the child back to be waited for.
    pub fn release(&self) -> Option<Child> {
        self.child().take()
    }

    /// Waits for the child in charge to end by itself, until `deadline`; it stays in charge.
    pub fn has_ended_by(&self, deadline: Instant) -> bool {
        loop {
            let ended = self.child().as_mut().map(Child::try_wait);
            if !matches!(ended, Some(Ok(None))) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends the child in charge, if there is one.
    pub fn kill(&self) {
        if let Some(child) = self.child().as_mut() {
            // It may have ended by itself; then there is nothing to do.
            let _ = child.kill();
        }
    }

    /// Whether the program has been asked to end.
    pub fn was_asked(&self) -> bool {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// An error that ends the command when the program has been asked to.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.was_asked() {
            return Err(ended(Exit::Interrupted, "interrupted"));
        }
        Ok(())
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.state.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
