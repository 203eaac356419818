//! The order in which modules are loaded and dropped: [`LoadOrder`], and its [`Schedule`] for N modules.
//!
//! This module only computes indices. `loadline-workload` loads the modules.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// The order in which loaded modules are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnloadOrder {
    /// Last in, first out.
    NewestFirst,
    /// First in, first out.
    OldestFirst,
    /// In random order, decided by the run's seed.
    Random,
}

/// How long modules stay loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadedAtOnce {
    /// All N are loaded before the first is dropped.
    All,
    /// A window of this many modules. Once it is full, a drop follows each load.
    Window(NonZeroUsize),
    /// Groups of this many modules. Each group is loaded, then dropped, before the next group.
    Batches(NonZeroUsize),
    /// This many groups, whose size therefore grows with N.
    NBatches(NonZeroUsize),
}

impl LoadedAtOnce {
    /// The number of modules that a thread loads before it drops all of them. `modules` is the thread's
    /// share. `None` if modules are not dropped in groups.
    fn batch(self, modules: usize) -> Option<usize> {
        match self {
            LoadedAtOnce::Batches(size) => Some(size.get()),
            LoadedAtOnce::NBatches(batches) => Some(modules.div_ceil(batches.get())),
            LoadedAtOnce::All | LoadedAtOnce::Window(_) => None,
        }
    }
}

/// The operation that is repeated while modules are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// A native backtrace in the host.
    Unwind,
    /// A native backtrace in a host function that the newest module calls.
    Backtrace,
    /// A call of the newest module that traps. Its error keeps a native backtrace.
    Trap,
    /// A panic in the host, which is caught a few frames up.
    Panic,
    /// Instantiating the next module, with a host function made for it, in one store that holds all
    /// instances.
    Instantiate,
}

/// An operation that is repeated after the last load, before any module is dropped at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Operation {
    /// The operation.
    pub kind: OperationKind,
    /// The operation is done once for every `every` modules: with N modules loaded, N / `every` times.
    pub every: NonZeroUsize,
}

/// The thread that drops the modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnloadThread {
    /// The thread that is responsible for the module at that time.
    Same,
    /// One further thread, to which the loading threads hand modules while they go on loading.
    Other,
}

/// The order in which N modules are loaded, unwound through and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LoadOrder {
    /// How long modules stay loaded.
    pub loaded_at_once: LoadedAtOnce,
    /// The order in which modules are dropped.
    pub order: UnloadOrder,
    /// The number of native unwinds in the host before the first drop.
    pub unwinds_before_unload: usize,
    /// A thread takes one native unwind in the host after every so many of its loads.
    pub unwind_every: Option<NonZeroUsize>,
    /// The number of threads that load. Each has its own share of the modules.
    pub threads: NonZeroUsize,
    /// The thread that drops the modules.
    pub unload_thread: UnloadThread,
    /// The operation that each loading thread repeats with its share once all modules are loaded. `None` is
    /// left out of the JSON, so that runners of older sources understand the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
}

/// One step of a schedule. Modules are named by their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Load module i.
    Load(usize),
    /// Drop module i.
    Unload(usize),
    /// Take a native backtrace in the host.
    Unwind,
    /// Wait until all loading threads have reached this step.
    Meet,
    /// Take a native backtrace in a host function that module i calls.
    Backtrace(usize),
    /// Call module i, which traps.
    Trap(usize),
    /// Panic, and catch the panic.
    Panic,
    /// Instantiate module i in the thread's one store.
    Instantiate(usize),
}

/// Every step of a load order over N modules: the steps of each loading thread, then the steps after all of
/// them have ended. Every module is loaded once and later unloaded once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The steps of each loading thread.
    pub threads: Vec<Vec<Step>>,
    /// The steps after the last loading thread has ended.
    pub finish: Vec<Step>,
    /// The thread that executes each [`Step::Unload`].
    pub unload_thread: UnloadThread,
}

impl LoadOrder {
    /// Loads everything on one thread, then drops it on the same thread in `order`.
    pub const fn hold_all(order: UnloadOrder) -> LoadOrder {
        LoadOrder {
            loaded_at_once: LoadedAtOnce::All,
            order,
            unwinds_before_unload: 0,
            unwind_every: None,
            threads: NonZeroUsize::MIN,
            unload_thread: UnloadThread::Same,
            operation: None,
        }
    }

    /// The steps for `modules` modules. `seed` decides only a random order.
    pub fn schedule(&self, modules: usize, seed: u64) -> Schedule {
        let mut random = Random::new(seed);
        let mut left_over = VecDeque::new();
        let threads = self.shares(modules).map(|share| {
            let mut plan = ThreadPlan::new(self, &mut random, share.len());
            share.for_each(|module| plan.load(module));
            plan.act();
            plan.end(&mut left_over)
        });
        let threads: Vec<Vec<Step>> = threads.collect();
        let unloaded = threads.iter().flatten().any(|s| matches!(s, Step::Unload(_)));
        let unwinds = if unloaded { 0 } else { self.unwinds_before_unload };
        let mut finish = vec![Step::Unwind; unwinds];
        left_over.make_contiguous().sort_unstable();
        while let Some(module) = take(&mut left_over, self.order, &mut random) {
            finish.push(Step::Unload(module));
        }
        Schedule { threads, finish, unload_thread: self.unload_thread }
    }

    /// The modules of each loading thread. Each thread takes every `threads`-th module, so that all threads
    /// end together.
    fn shares(&self, modules: usize) -> impl Iterator<Item = impl ExactSizeIterator<Item = usize>> {
        let threads = self.threads.get();
        (0..threads).map(move |thread| (thread..modules).step_by(threads))
    }
}

impl Schedule {
    /// The number of native unwinds in the schedule.
    pub fn n_unwinds(&self) -> usize {
        self.steps().filter(|step| matches!(step, Step::Unwind)).count()
    }

    /// The number of backtraces, traps, panics and instantiations in the schedule.
    pub fn n_operations(&self) -> usize {
        let is_operation = |step: &&Step| match step {
            Step::Backtrace(_) | Step::Trap(_) | Step::Panic | Step::Instantiate(_) => true,
            Step::Load(_) | Step::Unload(_) | Step::Unwind | Step::Meet => false,
        };
        self.steps().filter(is_operation).count()
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.threads.iter().flatten().chain(&self.finish)
    }
}

/// The steps of one loading thread, while the schedule is made.
struct ThreadPlan<'a> {
    load_order: &'a LoadOrder,
    random: &'a mut Random,
    steps: Vec<Step>,
    loaded: VecDeque<usize>,
    /// The number of modules that are loaded before they are dropped together.
    batch: Option<usize>,
    n_loads: usize,
    has_unloaded: bool,
}

impl<'a> ThreadPlan<'a> {
    fn new(load_order: &'a LoadOrder, random: &'a mut Random, n_modules: usize) -> ThreadPlan<'a> {
        let (steps, loaded) = (Vec::new(), VecDeque::new());
        let batch = load_order.loaded_at_once.batch(n_modules);
        ThreadPlan { load_order, random, steps, loaded, batch, n_loads: 0, has_unloaded: false }
    }

    fn load(&mut self, module: usize) {
        self.steps.push(Step::Load(module));
        self.loaded.push_back(module);
        self.n_loads += 1;
        if self.load_order.unwind_every.is_some_and(|every| self.n_loads % every == 0) {
            self.steps.push(Step::Unwind);
        }
        match self.load_order.loaded_at_once {
            LoadedAtOnce::Window(window) => self.unload_down_to(window.get() - 1),
            _ if self.batch == Some(self.loaded.len()) => self.unload_down_to(0),
            LoadedAtOnce::All | LoadedAtOnce::Batches(_) | LoadedAtOnce::NBatches(_) => {}
        }
    }

    /// Adds the operations on the modules that are still loaded.
    fn act(&mut self) {
        let Some(Operation { kind, every }) = self.load_order.operation else { return };
        if self.load_order.threads.get() > 1 {
            self.steps.push(Step::Meet);
        }
        let Some(newest) = self.loaded.back().copied() else { return };
        let asked = self.loaded.iter().step_by(every.get());
        self.steps.extend(asked.map(|&module| match kind {
            OperationKind::Unwind => Step::Unwind,
            OperationKind::Backtrace => Step::Backtrace(newest),
            OperationKind::Trap => Step::Trap(newest),
            OperationKind::Panic => Step::Panic,
            OperationKind::Instantiate => Step::Instantiate(module),
        }));
    }

    fn unload_down_to(&mut self, loaded: usize) {
        while self.loaded.len() > loaded {
            if !self.has_unloaded {
                self.has_unloaded = true;
                let unwinds = self.load_order.unwinds_before_unload;
                self.steps.extend(std::iter::repeat_n(Step::Unwind, unwinds));
            }
            let module = take(&mut self.loaded, self.load_order.order, self.random);
            self.steps.extend(module.map(Step::Unload));
        }
    }

    fn end(self, left_over: &mut VecDeque<usize>) -> Vec<Step> {
        left_over.extend(self.loaded);
        self.steps
    }
}

/// Removes the next module to drop from `loaded`, in which the oldest comes first.
fn take(loaded: &mut VecDeque<usize>, order: UnloadOrder, random: &mut Random) -> Option<usize> {
    match order {
        UnloadOrder::NewestFirst => loaded.pop_back(),
        UnloadOrder::OldestFirst => loaded.pop_front(),
        UnloadOrder::Random => {
            let index = random.below(loaded.len() as u64) as usize;
            loaded.swap_remove_back(index)
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Load(module) => write!(f, "+{module}"),
            Step::Unload(module) => write!(f, "-{module}"),
            Step::Unwind => f.write_str("!"),
            Step::Meet => f.write_str("="),
            Step::Backtrace(module) => write!(f, "^{module}"),
            Step::Trap(module) => write!(f, "x{module}"),
            Step::Panic => f.write_str("p"),
            Step::Instantiate(module) => write!(f, "i{module}"),
        }
    }
}

/// Writes `+0 +1 ! -1 -0`. ` | ` separates loading threads, and the finish follows ` || `.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |steps: &[Step]| -> String {
            steps.iter().map(Step::to_string).collect::<Vec<_>>().join(" ")
        };
        let threads: Vec<String> = self.threads.iter().map(|steps| line(steps)).collect();
        write!(f, "{} || {}", threads.join(" | "), line(&self.finish))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use expect_test::{Expect, expect};

    use super::*;

    fn at_least_one(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).expect("tests ask for at least one")
    }

    fn check(load_order: LoadOrder, modules: usize, expected: Expect) {
        expected.assert_eq(&load_order.schedule(modules, 7).to_string());
    }

    #[test]
    fn held_modules_leave_in_the_order_asked() {
        let load_order = LoadOrder::hold_all;
        check(load_order(UnloadOrder::OldestFirst), 3, expect!["+0 +1 +2 || -0 -1 -2"]);
        check(load_order(UnloadOrder::NewestFirst), 3, expect!["+0 +1 +2 || -2 -1 -0"]);
        check(load_order(UnloadOrder::Random), 4, expect!["+0 +1 +2 +3 || -1 -0 -3 -2"]);
    }

    #[test]
    fn unwinds_come_before_the_first_drop_and_between_loads() {
        let hold = LoadOrder::hold_all(UnloadOrder::NewestFirst);
        let before = LoadOrder { unwinds_before_unload: 2, ..hold };
        check(before, 2, expect!["+0 +1 || ! ! -1 -0"]);
        let every = LoadOrder { unwind_every: Some(at_least_one(2)), ..hold };
        check(every, 3, expect!["+0 +1 ! +2 || -2 -1 -0"]);
    }

    #[test]
    fn a_window_and_batches_bound_the_residents() {
        let oldest = LoadOrder::hold_all(UnloadOrder::OldestFirst);
        let window = LoadOrder { loaded_at_once: LoadedAtOnce::Window(at_least_one(2)), ..oldest };
        check(window, 4, expect!["+0 +1 -0 +2 -1 +3 -2 || -3"]);
        let batches =
            LoadOrder { loaded_at_once: LoadedAtOnce::Batches(at_least_one(2)), ..oldest };
        check(batches, 5, expect!["+0 +1 -0 -1 +2 +3 -2 -3 +4 || -4"]);
    }

    #[test]
    fn so_many_batches_grow_with_the_modules() {
        let oldest = LoadOrder::hold_all(UnloadOrder::OldestFirst);
        let two = LoadOrder { loaded_at_once: LoadedAtOnce::NBatches(at_least_one(2)), ..oldest };
        check(two, 4, expect!["+0 +1 -0 -1 +2 +3 -2 -3 || "]);
        check(two, 5, expect!["+0 +1 +2 -0 -1 -2 +3 +4 || -3 -4"]);
        check(two, 1, expect!["+0 -0 || "]);
    }

    #[test]
    fn residents_are_used_once_all_are_there() {
        let oldest = LoadOrder::hold_all(UnloadOrder::OldestFirst);
        let with = |kind, every| {
            let operation = Some(Operation { kind, every: at_least_one(every) });
            LoadOrder { operation, ..oldest }
        };
        check(with(OperationKind::Unwind, 1), 2, expect!["+0 +1 ! ! || -0 -1"]);
        check(with(OperationKind::Backtrace, 2), 3, expect!["+0 +1 +2 ^2 ^2 || -0 -1 -2"]);
        check(with(OperationKind::Trap, 3), 3, expect!["+0 +1 +2 x2 || -0 -1 -2"]);
        check(with(OperationKind::Instantiate, 1), 2, expect!["+0 +1 i0 i1 || -0 -1"]);
        let two = LoadOrder { threads: at_least_one(2), ..with(OperationKind::Panic, 1) };
        check(two, 3, expect!["+0 +2 = p p | +1 = p || -0 -1 -2"]);
        assert_eq!(two.schedule(3, 7).n_operations(), 3);
    }

    #[test]
    fn threads_share_the_modules() {
        let oldest = LoadOrder::hold_all(UnloadOrder::OldestFirst);
        let two = LoadOrder { threads: at_least_one(2), ..oldest };
        check(two, 5, expect!["+0 +2 +4 | +1 +3 || -0 -1 -2 -3 -4"]);
    }

    #[test]
    fn every_module_comes_once_and_goes_once() {
        for loaded_at_once in [
            LoadedAtOnce::All,
            LoadedAtOnce::Window(at_least_one(3)),
            LoadedAtOnce::Batches(at_least_one(4)),
        ] {
            for order in [UnloadOrder::NewestFirst, UnloadOrder::OldestFirst, UnloadOrder::Random] {
                let threads = at_least_one(3);
                let load_order =
                    LoadOrder { loaded_at_once, threads, ..LoadOrder::hold_all(order) };
                let schedule = load_order.schedule(17, 1);
                let steps: Vec<Step> =
                    schedule.threads.into_iter().flatten().chain(schedule.finish).collect();
                let loads: BTreeSet<usize> = steps
                    .iter()
                    .filter_map(|s| if let Step::Load(i) = s { Some(*i) } else { None })
                    .collect();
                let unloads: BTreeSet<usize> = steps
                    .iter()
                    .filter_map(|s| if let Step::Unload(i) = s { Some(*i) } else { None })
                    .collect();
                assert_eq!(loads.len(), 17);
                assert_eq!(loads, unloads);
                assert_eq!(steps.len(), 34);
            }
        }
    }
}
