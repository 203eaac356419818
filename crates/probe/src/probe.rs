//! [`Probe`]: splits the time of a thread into phases and counts events in each phase.

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::Instant;

use crate::event::Event;
use crate::phase::Phase;
use crate::platform::{Counters, cores_covered};
use crate::reading::Absence;
use crate::tally::{Cores, Mark, Marks, SLOTS, Tally};
use crate::totals::Totals;

/// Counters on one thread, or on the programs that it starts, which are read at the borders of phases.
///
/// A probe from [`Probe::open`] counts only the thread that opened it. A probe from [`Probe::of_programs`]
/// counts only the programs that this thread starts. Each thread opens its own probe and calls
/// [`lap`](Probe::lap) on it, because a thread clock reads the thread that calls it. Afterwards the probe may
/// be moved to another thread that reads its [`Totals`], so a probe is `Send` but not `Sync`.
///
/// A constant part of the cost of a lap falls into the stretch that it ends, and the rest into the next
/// stretch (`benches/lap.rs` measures the sum). The cost is proportional to the number of laps. So it shifts
/// a cost per module, but never changes how that cost grows.
pub struct Probe<P> {
    /// The requested events, without repetition, in the order of [`Event::ALL`].
    asked: Vec<Event>,
    /// The requested events that can be counted.
    open: Vec<Event>,
    /// The reasons why the others cannot be counted.
    absences: [Option<Absence>; SLOTS],
    counters: Counters,
    cores: [Cores; SLOTS],
    /// The start of [`Event::WallTime`], if it was requested.
    epoch: Option<Instant>,
    started: bool,
    last: Marks,
    now: Marks,
    /// The counts of each phase, by its index.
    tallies: Vec<[Tally; SLOTS]>,
    /// The number of stretches of each phase, by its index.
    laps: Vec<u64>,
    /// `perf_event_open(2)` takes a `pid` of 0 for the calling *thread*, and thread clocks read that thread
    /// too.
    of_this_thread: PhantomData<Cell<()>>,
    phases: PhantomData<fn(P)>,
}

impl<P: Phase> Probe<P> {
    /// Opens counters for `events` on the calling thread, and for nothing else. If only wall time is
    /// requested, this makes no system call.
    ///
    /// This function never fails. An event that cannot be counted has its [`Absence`] in [`availability`] and
    /// in every [`Totals`].
    ///
    /// At the first use in a process, each counter must pass a self-test on work whose count is known. All
    /// self-tests together take 1 to 3 ms, most of it for a migration to another CPU and back. The first
    /// event on an idle machine costs another 10 to 15 ms, in which the kernel patches its scheduler
    /// (`account_event` in kernel/events/core.c).
    ///
    /// [`availability`]: Probe::availability
    pub fn open(events: &[Event]) -> Probe<P> {
        Probe::opened_by(events, Counters::open)
    }

    /// Opens counters for `events` on the programs that the calling thread starts from now on, including all
    /// their threads and children.
    ///
    /// Nothing else is counted: not the thread itself, and not a child before it becomes another program. A
    /// reading is the sum over all programs, including programs that have ended.
    ///
    /// Wall time is that of the calling thread. Everything else is as in [`Probe::open`], except the cost of
    /// a lap. Each lap costs one `read(2)` per event, because the kernel does not let groups be inherited. It
    /// costs more reads while a program is leaving its CPU.
    pub fn of_programs(events: &[Event]) -> Probe<P> {
        Probe::opened_by(events, Counters::open_programs)
    }

    fn opened_by(
        events: &[Event],
        open: impl FnOnce(&[Event], &mut [Option<Absence>; SLOTS]) -> Counters,
    ) -> Probe<P> {
        let asked: Vec<Event> =
            Event::ALL.into_iter().filter(|event| events.contains(event)).collect();
        let mut absences = [None; SLOTS];
        let counters = open(&asked, &mut absences);
        let cores = cores_covered(&asked);
        let open =
            asked.iter().copied().filter(|&event| absences[event as usize].is_none()).collect();
        Probe {
            epoch: asked.contains(&Event::WallTime).then(Instant::now),
            asked,
            open,
            absences,
            counters,
            cores,
            started: false,
            last: [Mark::default(); SLOTS],
            now: [Mark::default(); SLOTS],
            tallies: vec![[Tally::default(); SLOTS]; P::COUNT],
            laps: vec![0; P::COUNT],
            of_this_thread: PhantomData,
            phases: PhantomData,
        }
    }

    /// Returns the requested events, each with `Ok` or the reason why it cannot be counted, in the order of
    /// [`Event::ALL`].
    pub fn availability(&self) -> impl Iterator<Item = (Event, Result<(), Absence>)> + '_ {
        self.asked.iter().map(|&event| match self.absences[event as usize] {
            None => (event, Ok(())),
            Some(absence) => (event, Err(absence)),
        })
    }

    /// Starts the counters and sets the first border. A second call only sets a border.
    pub fn start(&mut self) {
        if !self.started {
            self.counters.enable(&mut self.absences);
            self.started = true;
            // Read once without effect. The one-time cost of the first read (symbols bound, pages of the
            // stack touched) then falls before the first phase.
            self.read();
        }
        self.lap(None);
    }

    /// Ends the stretch since the last border and adds its counts to `phase`. With `None`, the counts belong
    /// to no phase.
    ///
    /// A lap costs one `read(2)` per kernel group, and `clock_gettime` in the vDSO for wall time. There is at
    /// most one group for software events, and one for hardware events if the CPU holds them all. A lap
    /// allocates nothing. If the probe was not started, this starts it.
    #[inline]
    pub fn lap(&mut self, phase: Option<P>) {
        if !self.started {
            return self.start();
        }
        self.read();
        if let Some(phase) = phase {
            let tallies = &mut self.tallies[phase.index()];
            for &event in &self.open {
                let slot = event as usize;
                tallies[slot].add(self.last[slot], self.now[slot]);
            }
            self.laps[phase.index()] += 1;
        }
        self.last = self.now;
    }

    /// Runs `f` as one stretch of `phase`. It calls [`lap`](Probe::lap) with `None`, runs `f`, and calls
    /// `lap` with `phase`. If `f` panics, the stretch ends there and belongs to no phase.
    pub fn measure<R>(&mut self, phase: P, f: impl FnOnce() -> R) -> R {
        self.lap(None);
        let mut stretch = Stretch { probe: self, phase: None };
        let result = f();
        stretch.phase = Some(phase);
        drop(stretch);
        result
    }

    /// Returns the counts of all stretches of `phase` so far, on this thread. This makes no system call and
    /// no allocation. Multiplexed counts are scaled by the enabled and running times of this phase only.
    pub fn totals(&self, phase: P) -> Totals {
        let mut totals = Totals::of_laps(self.laps[phase.index()]);
        for &event in &self.asked {
            let slot = event as usize;
            let tally = &self.tallies[phase.index()][slot];
            totals.insert(event, tally, self.absences[slot], self.cores[slot]);
        }
        totals
    }

    #[inline]
    fn read(&mut self) {
        self.counters.read(&mut self.now, &mut self.absences);
        if let Some(epoch) = self.epoch {
            self.now[Event::WallTime as usize] = Mark::of_clock(epoch.elapsed().as_nanos() as u64);
        }
    }
}

/// A stretch that ends when this value is dropped, even in a panic.
struct Stretch<'a, P: Phase> {
    probe: &'a mut Probe<P>,
    phase: Option<P>,
}

impl<P: Phase> Drop for Stretch<'_, P> {
    fn drop(&mut self) {
        self.probe.lap(self.phase);
    }
}
