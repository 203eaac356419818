//! Wrappers of the standard library's locks that ignore poison.

use std::fs::File;
use std::io;
use std::sync::{self, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex(sync::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns `None` if another thread has the lock.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(sync::TryLockError::WouldBlock) => None,
        }
    }

    #[cfg(unix)]
    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks work that other threads wait for with a [`Condvar`] of this lock, until the result is dropped.
    #[inline]
    pub(crate) fn work(&self) -> Unmeasured {
        Unmeasured
    }
}

#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct RwLock<T>(sync::RwLock<T>);

#[cfg(unix)]
impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> RwLock<T> {
        RwLock(sync::RwLock::new(value))
    }

    #[inline]
    pub(crate) fn read(&self) -> sync::RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(crate) fn write(&self) -> sync::RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(sync::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Condvar {
        Condvar(sync::Condvar::new())
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    /// Waits for work. A thread that has nothing to do waits like this for any time.
    pub(crate) fn wait_idle<'a, T>(
        &self,
        _: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
    ) -> MutexGuard<'a, T> {
        self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while a condition holds, at most for a time.
    pub(crate) fn wait_while<'a, T>(
        &self,
        _: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        time: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        let waited = self.0.wait_timeout_while(guard, time, condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Time that is not measured.
pub(crate) struct Unmeasured;

/// The time in which a file is locked.
pub(crate) type FileHold = Unmeasured;

/// Locks a file, and waits until no other thread or process has it locked. `number` tells files apart, so
/// that tests can measure the waits for each.
#[inline]
pub(crate) fn lock_file(file: &File, _number: u8) -> io::Result<FileHold> {
    file.lock().map(|()| Unmeasured)
}
