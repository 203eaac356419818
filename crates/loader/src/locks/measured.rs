//! Locks that measure, in the unit tests of this crate, how long threads wait for them.
//!
//! A wait is counted without run-queue delay, which is the time in which a thread could run but all CPUs were
//! busy (`/proc/self/task/TID/schedstat`, second number). Three delays are subtracted:
//! - the delay of the waiting thread;
//! - the delays of the threads that had the lock meanwhile, or that got it first;
//! - for a condition, the delays of the threads that did the work ([`Mutex::work`]).
//!
//! If such a thread itself waited for other threads without CPU, their delays count as its own. A holder's
//! whole delay is subtracted, even the part before the wait began. So the time of each hold is counted too,
//! less only the delay of its holder.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::FileExt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{self, PoisonError};
use std::time::{Duration, Instant};

/// What was measured since [`start`].
#[derive(Debug)]
pub(crate) struct Figures {
    /// The number of times that a thread could not have a lock at once, or waited for a condition.
    pub(crate) n_waits: AtomicU64,
    pub(crate) n_holds: AtomicU64,
    /// The longest wait for a lock.
    pub(crate) lock: Longest,
    /// The longest wait for a condition.
    pub(crate) condition: Longest,
    /// The longest wait for the lock of a file in a store.
    pub(crate) file: Longest,
    /// The longest time for which a thread had a lock in memory.
    pub(crate) hold: Longest,
    /// The longest wait of any kind, with run-queue delay.
    pub(crate) with_delay: Longest,
}

/// The longest of several times, and the line of code that it is from.
pub(crate) struct Longest(sync::Mutex<(u64, Option<&'static Location<'static>>)>);

impl Longest {
    const fn new() -> Longest {
        Longest(sync::Mutex::new((0, None)))
    }

    fn add(&self, ns: u64, place: &'static Location<'static>) {
        let mut longest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ns > longest.0 {
            *longest = (ns, Some(place));
        }
    }

    pub(crate) fn ns(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

impl fmt::Debug for Longest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ns, place) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write!(f, "{:?}", Duration::from_nanos(ns))?;
        place.map_or(Ok(()), |place| write!(f, " at {}:{}", place.file(), place.line()))
    }
}

pub(crate) static FIGURES: Figures = Figures {
    n_waits: AtomicU64::new(0),
    n_holds: AtomicU64::new(0),
    lock: Longest::new(),
    condition: Longest::new(),
    file: Longest::new(),
    hold: Longest::new(),
    with_delay: Longest::new(),
};

static IS_ON: AtomicBool = AtomicBool::new(false);

/// Measures from now on. Only a process with a single test should do this.
pub(crate) fn start() {
    // Each thread that measures has a descriptor. This thread opens its own now.
    lost_ns();
    IS_ON.store(true, Ordering::Relaxed);
}

fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

thread_local! {
    static SCHEDSTAT: OnceCell<Option<File>> = const { OnceCell::new() };
    /// The run-queue delay of other threads, for which this thread had to wait.
    static OF_OTHERS: Cell<u64> = const { Cell::new(0) };
}

/// Returns the run-queue delay of this thread so far, and that of the threads that it waited for.
pub(super) fn lost_ns() -> u64 {
    let own = SCHEDSTAT.try_with(|file| {
        let open = || File::open("/proc/thread-self/schedstat").ok();
        let mut text = [0; 80];
        let n = file.get_or_init(open).as_ref()?.read_at(&mut text, 0).ok()?;
        std::str::from_utf8(&text[..n]).ok()?.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    let others = OF_OTHERS.try_with(Cell::get).unwrap_or(0);
    own.ok().flatten().unwrap_or(0) + others
}

/// The delays of the threads that had a lock, or did the work that others wait for.
#[derive(Debug, Default)]
struct Delays(AtomicU64);

/// Time in which a thread has a lock, or does work that others wait for.
pub(crate) struct Hold<'a> {
    delays: &'a Delays,
    is_lock: bool,
    began: Option<(Instant, u64)>,
    place: &'static Location<'static>,
}

/// Time in which a thread waits.
struct Wait<'a> {
    delays: &'a Delays,
    before: u64,
    began: Instant,
    lost: u64,
    place: &'static Location<'static>,
}

impl Delays {
    #[track_caller]
    fn hold(&self, is_lock: bool) -> Hold<'_> {
        let began = is_on().then(|| (Instant::now(), lost_ns()));
        Hold { delays: self, is_lock, began, place: Location::caller() }
    }

    /// Begins to wait, if waits are measured.
    #[track_caller]
    fn wait(&self) -> Option<Wait<'_>> {
        let place = Location::caller();
        is_on().then(|| {
            let (before, lost) = (self.0.load(Ordering::Relaxed), lost_ns());
            Wait { delays: self, before, began: Instant::now(), lost, place }
        })
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let Some((began, lost)) = self.began else { return };
        let (took, lost) = (nanos(began), lost_ns().saturating_sub(lost));
        self.delays.0.fetch_add(lost, Ordering::Relaxed);
        FIGURES.n_holds.fetch_add(1, Ordering::Relaxed);
        if self.is_lock {
            FIGURES.hold.add(took.saturating_sub(lost), self.place);
        }
    }
}

impl Wait<'_> {
    /// Ends the wait. The wait for work is not counted, but the delay of the waiting thread is.
    fn end(self, longest: Option<&Longest>) {
        let (took, own) = (nanos(self.began), lost_ns().saturating_sub(self.lost));
        let others = self.delays.0.fetch_add(own, Ordering::Relaxed).saturating_sub(self.before);
        let Some(longest) = longest else { return };
        let rest = took.saturating_sub(own);
        let _ = OF_OTHERS.try_with(|sum| sum.set(sum.get() + others.min(rest)));
        FIGURES.n_waits.fetch_add(1, Ordering::Relaxed);
        FIGURES.with_delay.add(took, self.place);
        longest.add(rest.saturating_sub(others), self.place);
    }
}

fn nanos(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T> {
    inner: sync::Mutex<T>,
    delays: Delays,
}

/// A guard that ends the hold before it unlocks.
pub(crate) struct Guard<'a, G> {
    hold: Hold<'a>,
    guard: G,
}

pub(crate) type MutexGuard<'a, T> = Guard<'a, sync::MutexGuard<'a, T>>;

impl<G: Deref> Deref for Guard<'_, G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for Guard<'_, G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

/// Returns `None` if the lock is taken.
fn free<G>(tried: sync::TryLockResult<G>) -> Option<G> {
    match tried {
        Ok(guard) => Some(guard),
        Err(sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(sync::TryLockError::WouldBlock) => None,
    }
}

#[track_caller]
fn locked<'a, G>(
    delays: &'a Delays,
    tried: sync::TryLockResult<G>,
    lock: impl FnOnce() -> sync::LockResult<G>,
) -> Guard<'a, G> {
    let guard = match free(tried) {
        Some(guard) => guard,
        None => {
            let wait = delays.wait();
            let guard = lock().unwrap_or_else(PoisonError::into_inner);
            wait.into_iter().for_each(|wait| wait.end(Some(&FIGURES.lock)));
            guard
        }
    };
    Guard { hold: delays.hold(true), guard }
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex { inner: sync::Mutex::new(value), delays: Delays(AtomicU64::new(0)) }
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        locked(&self.delays, self.inner.try_lock(), || self.inner.lock())
    }

    #[track_caller]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let guard = free(self.inner.try_lock())?;
        Some(Guard { hold: self.delays.hold(true), guard })
    }

    pub(crate) fn into_inner(self) -> T {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks work that other threads wait for with a [`Condvar`] of this lock, until the result is dropped.
    #[track_caller]
    pub(crate) fn work(&self) -> Hold<'_> {
        self.delays.hold(false)
    }
}

#[derive(Debug)]
pub(crate) struct RwLock<T> {
    inner: sync::RwLock<T>,
    delays: Delays,
}

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> RwLock<T> {
        RwLock { inner: sync::RwLock::new(value), delays: Delays(AtomicU64::new(0)) }
    }

    #[track_caller]
    pub(crate) fn read(&self) -> Guard<'_, sync::RwLockReadGuard<'_, T>> {
        locked(&self.delays, self.inner.try_read(), || self.inner.read())
    }

    #[track_caller]
    pub(crate) fn write(&self) -> Guard<'_, sync::RwLockWriteGuard<'_, T>> {
        locked(&self.delays, self.inner.try_write(), || self.inner.write())
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner)
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

    #[track_caller]
    pub(crate) fn wait_idle<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
    ) -> MutexGuard<'a, T> {
        waited(mutex, guard, None, |guard| {
            self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
        })
    }

    #[track_caller]
    pub(crate) fn wait_while<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        time: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        waited(mutex, guard, Some(&FIGURES.condition), |guard| {
            let waited = self.0.wait_timeout_while(guard, time, condition);
            waited.unwrap_or_else(PoisonError::into_inner).0
        })
    }
}

#[track_caller]
fn waited<'a, T>(
    mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    longest: Option<&Longest>,
    wait: impl FnOnce(sync::MutexGuard<'a, T>) -> sync::MutexGuard<'a, T>,
) -> MutexGuard<'a, T> {
    let Guard { hold, guard } = guard;
    drop(hold);
    let waiting = mutex.delays.wait();
    let guard = wait(guard);
    waiting.into_iter().for_each(|waiting| waiting.end(longest));
    Guard { hold: mutex.delays.hold(true), guard }
}

/// The time in which a file is locked. Other processes do not tell their delays.
pub(crate) type FileHold = Hold<'static>;

static FILES: [Delays; 256] = [const { Delays(AtomicU64::new(0)) }; 256];

#[track_caller]
pub(crate) fn lock_file(file: &File, number: u8) -> io::Result<FileHold> {
    let delays = &FILES[usize::from(number)];
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
        Err(std::fs::TryLockError::WouldBlock) => {
            let wait = delays.wait();
            file.lock()?;
            wait.into_iter().for_each(|wait| wait.end(Some(&FIGURES.file)));
        }
    }
    Ok(delays.hold(false))
}
