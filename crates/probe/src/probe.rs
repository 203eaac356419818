//! [`Probe`]: which stretch of a thread's time belongs to which phase, and what was counted in it.

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::Instant;

use loadline_scenario::metric::{Absence, Metric, Phase};

use crate::platform::{Counters, cores_covered};
use crate::tally::{Cores, Mark, Marks, PHASES, SLOTS, Tally};
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
pub struct Probe {
    /// Metrics asked for, without repetition, in the order of [`Metric::ALL`].
    asked: Vec<Metric>,
    /// Of those, the ones that can be counted.
    open: Vec<Metric>,
    /// Why the others cannot.
    absences: [Option<Absence>; SLOTS],
    counters: Counters,
    /// The cores that each counter covers.
    cores: [Cores; SLOTS],
    /// Where [`Metric::WallTime`] begins, if it was asked for.
    epoch: Option<Instant>,
    started: bool,
    last: Marks,
    now: Marks,
    tallies: [[Tally; SLOTS]; PHASES],
    laps: [u64; PHASES],
    /// A `pid` of 0 means the calling *thread* to `perf_event_open(2)`; so do thread clocks.
    of_this_thread: PhantomData<Cell<()>>,
}

impl Probe {
    /// What a probe knows how to count, in the order of [`Metric::ALL`]. The others come from those
    /// who cause them: registrations from the loader, resident bytes from the runner.
    pub const METRICS: [Metric; 12] = [
        Metric::PageFaults,
        Metric::Instructions,
        Metric::Cycles,
        Metric::CacheReferences,
        Metric::CacheMisses,
        Metric::Branches,
        Metric::BranchMisses,
        Metric::DtlbMisses,
        Metric::TaskClock,
        Metric::ContextSwitches,
        Metric::CpuMigrations,
        Metric::WallTime,
    ];

    /// Opens counters for `metrics` on the calling thread, and nothing else: asked for wall time
    /// alone, it makes no system call.
    ///
    /// Never fails. What cannot be counted has its [`Absence`] in [`availability`] and in every
    /// [`Totals`]; metrics outside [`METRICS`](Probe::METRICS) are left out of both.
    ///
    /// The first time in a process, each counter must prove itself on work whose count is known:
    /// 1 to 3 ms for all of them together, of which a migration there and back takes most. The
    /// first event on an idle machine costs 10 to 15 ms besides, for which the kernel patches its
    /// scheduler (`account_event` in kernel/events/core.c).
    ///
    /// [`availability`]: Probe::availability
    pub fn open(metrics: &[Metric]) -> Probe {
        Probe::opened_by(metrics, Counters::open)
    }

    /// Opens counters for `metrics` on the programs that the calling thread starts from now on, on
    /// all their threads and children, and on nothing else: what the thread does itself, and what
    /// a child does before it becomes another program, is not counted. A reading is the sum over
    /// all of them, those that have ended included.
    ///
    /// Wall time is that of the calling thread. As [`Probe::open`] otherwise; each lap costs one
    /// `read(2)` a metric, since the kernel does not let groups be inherited, and more while a program
    /// is just leaving its processor.
    pub fn of_programs(metrics: &[Metric]) -> Probe {
        Probe::opened_by(metrics, Counters::open_programs)
    }

    fn opened_by(
        metrics: &[Metric],
        open: impl FnOnce(&[Metric], &mut [Option<Absence>; SLOTS]) -> Counters,
    ) -> Probe {
        let asked: Vec<Metric> =
            Probe::METRICS.into_iter().filter(|metric| metrics.contains(metric)).collect();
        let mut absences = [None; SLOTS];
        let counters = open(&asked, &mut absences);
        let cores = cores_covered(&asked);
        let open =
            asked.iter().copied().filter(|&metric| absences[metric as usize].is_none()).collect();
        Probe {
            epoch: asked.contains(&Metric::WallTime).then(Instant::now),
            asked,
            open,
            absences,
            counters,
            cores,
            started: false,
            last: [Mark::default(); SLOTS],
            now: [Mark::default(); SLOTS],
            tallies: [[Tally::default(); SLOTS]; PHASES],
            laps: [0; PHASES],
            of_this_thread: PhantomData,
        }
    }

    /// The metrics asked for, each open or with the reason why not, in the order of
    /// [`Metric::ALL`].
    pub fn availability(&self) -> impl Iterator<Item = (Metric, Result<(), Absence>)> + '_ {
        self.asked.iter().map(|&metric| match self.absences[metric as usize] {
            None => (metric, Ok(())),
            Some(absence) => (metric, Err(absence)),
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
    pub fn lap(&mut self, phase: Option<Phase>) {
        if !self.started {
            return self.start();
        }
        self.read();
        if let Some(phase) = phase {
            let tallies = &mut self.tallies[phase as usize];
            for &metric in &self.open {
                let slot = metric as usize;
                tallies[slot].add(self.last[slot], self.now[slot]);
            }
            self.laps[phase as usize] += 1;
        }
        self.last = self.now;
    }

    /// Runs `f` as one stretch of `phase`: a [`lap`](Probe::lap) to nobody, `f`, a lap to `phase`.
    /// If `f` panics, the stretch ends there and belongs to no phase.
    pub fn measure<R>(&mut self, phase: Phase, f: impl FnOnce() -> R) -> R {
        self.lap(None);
        let mut stretch = Stretch { probe: self, phase: None };
        let result = f();
        stretch.phase = Some(phase);
        drop(stretch);
        result
    }

    /// What was counted in all stretches of `phase` so far, on this thread. No system call, no
    /// allocation; scaling is by the enabled and running times of this phase alone.
    pub fn totals(&self, phase: Phase) -> Totals {
        let mut totals = Totals::of_laps(self.laps[phase as usize]);
        for &metric in &self.asked {
            let slot = metric as usize;
            let tally = &self.tallies[phase as usize][slot];
            totals.insert(metric, tally, self.absences[slot], self.cores[slot]);
        }
        totals
    }

    #[inline]
    fn read(&mut self) {
        self.counters.read(&mut self.now, &mut self.absences);
        if let Some(epoch) = self.epoch {
            self.now[Metric::WallTime as usize] = Mark::of_clock(epoch.elapsed().as_nanos() as u64);
        }
    }
}

/// A stretch that ends when this is dropped, in a panic too.
struct Stretch<'a> {
    probe: &'a mut Probe,
    /// The phase that the stretch is added to.
    phase: Option<Phase>,
}

impl Drop for Stretch<'_> {
    fn drop(&mut self) {
        self.probe.lap(self.phase);
    }
}
