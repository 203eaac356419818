//! [`Probe`]: which stretch of a thread's time belongs to which phase, and what was counted in it.

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::Instant;

use crate::event::Event;
use crate::phase::Phase;
use crate::platform::{Counters, cores_covered};
use crate::reading::Absence;
use crate::tally::{Cores, Mark, Marks, SLOTS, Tally};
use crate::totals::Totals;

/// Counters on one thread, or on the programs it starts, read at the borders of phases.
///
/// It counts the thread that opened it and nobody else, or with [`Probe::of_programs`] all but it. Each thread opens its own and laps it there
/// (a thread clock would answer for whoever asks); afterwards it may be moved to whoever reads its
/// [`Totals`], hence `Send` but not `Sync`.
///
/// Of the cost of [`lap`](Probe::lap) itself a constant part falls into the stretch it ends and the
/// rest into the next (`benches/lap.rs` has the sum): proportional to the number of laps, so it
/// shifts a cost per module and never bends its growth.
pub struct Probe<P> {
    /// Events asked for, without repetition, in the order of [`Event::ALL`].
    asked: Vec<Event>,
    /// Of those, the ones that can be counted.
    open: Vec<Event>,
    /// Why the others cannot.
    absences: [Option<Absence>; SLOTS],
    counters: Counters,
    /// The cores that each counter covers.
    cores: [Cores; SLOTS],
    /// Where [`Event::WallTime`] begins, if it was asked for.
    epoch: Option<Instant>,
    started: bool,
    last: Marks,
    now: Marks,
    /// What was counted in each phase, by its index.
    tallies: Vec<[Tally; SLOTS]>,
    /// How many stretches each phase had, by its index.
    laps: Vec<u64>,
    /// A `pid` of 0 means the calling *thread* to `perf_event_open(2)`; so do thread clocks.
    of_this_thread: PhantomData<Cell<()>>,
    phases: PhantomData<fn(P)>,
}

impl<P: Phase> Probe<P> {
    /// Opens counters for `events` on the calling thread, and nothing else: asked for wall time
    /// alone, it makes no system call.
    ///
    /// Never fails. What cannot be counted has its [`Absence`] in [`availability`] and in every
    /// [`Totals`].
    ///
    /// The first time in a process, each counter must prove itself on work whose count is known:
    /// 1 to 3 ms for all of them together, of which a migration there and back takes most. The
    /// first event on an idle machine costs 10 to 15 ms besides, for which the kernel patches its
    /// scheduler (`account_event` in kernel/events/core.c).
    ///
    /// [`availability`]: Probe::availability
    pub fn open(events: &[Event]) -> Probe<P> {
        Probe::opened_by(events, Counters::open)
    }

    /// Opens counters for `events` on the programs that the calling thread starts from now on, on
    /// all their threads and children, and on nothing else: what the thread does itself, and what
    /// a child does before it becomes another program, is not counted. A reading is the sum over
    /// all of them, those that have ended included.
    ///
    /// Wall time is that of the calling thread. As [`Probe::open`] otherwise; each lap costs one
    /// `read(2)` a event, since the kernel does not let groups be inherited, and more while a program
    /// is just leaving its processor.
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

    /// The events asked for, each open or with the reason why not, in the order of
    /// [`Event::ALL`].
    pub fn availability(&self) -> impl Iterator<Item = (Event, Result<(), Absence>)> + '_ {
        self.asked.iter().map(|&event| match self.absences[event as usize] {
            None => (event, Ok(())),
            Some(absence) => (event, Err(absence)),
        })
    }

    /// Lets the counters run and sets the first border. Called again, it only sets a border.
    pub fn start(&mut self) {
        if !self.started {
            self.counters.enable(&mut self.absences);
            self.started = true;
            // Once without effect: what the first reading alone costs (symbols bound, pages of the
            // stack touched) falls before the first phase.
            self.read();
        }
        self.lap(None);
    }

    /// Ends the stretch since the last border and adds its counts to `phase`; `None`: to nobody.
    ///
    /// One `read(2)` a kernel group (at most one for software events; for hardware events one if
    /// the processor holds them all), `clock_gettime` in the vDSO for wall time. No allocation. On
    /// a probe that was not started, it starts it.
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

    /// Runs `f` as one stretch of `phase`: a [`lap`](Probe::lap) to nobody, `f`, a lap to `phase`.
    /// If `f` panics, the stretch ends there and belongs to no phase.
    pub fn measure<R>(&mut self, phase: P, f: impl FnOnce() -> R) -> R {
        self.lap(None);
        let mut stretch = Stretch { probe: self, phase: None };
        let result = f();
        stretch.phase = Some(phase);
        drop(stretch);
        result
    }

    /// What was counted in all stretches of `phase` so far, on this thread. No system call, no
    /// allocation; scaling is by the enabled and running times of this phase alone.
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

/// A stretch that ends when this is dropped, in a panic too.
struct Stretch<'a, P: Phase> {
    probe: &'a mut Probe<P>,
    /// The phase that the stretch is added to.
    phase: Option<P>,
}

impl<P: Phase> Drop for Stretch<'_, P> {
    fn drop(&mut self) {
        self.probe.lap(self.phase);
    }
}
