//! A run under valgrind's callgrind, which needs to know where each measured stretch begins and ends.
//!
//! Callgrind counts the work of a process between two dumps, so the names of the dumps assign counts to
//! phases. An [`Observer`] is notified of a step when the step is over. The [`Schedule`] tells beforehand
//! whether the next step continues the same phase. A dump is made only if it does not. Nothing is counted
//! before the first step.
//!
//! `read` and `deserialize` alternate with every module, and a dump takes some milliseconds. So both are one
//! stretch here, named after the phase that contains them: `load`.
//!
//! A stretch ends with a few instructions of the observer itself, the same for every step.

use std::ffi::CStr;
use std::num::NonZeroUsize;
use std::vec::IntoIter;

use loadline_callgrind::client as valgrind;
use loadline_scenario::{Measure, Phase, Proof, Schedule, Step, UnloadThread, Workload};
use loadline_workload::{Event, Observer, Role};

use super::samples::Measured;
use super::{known_work, modules};
use crate::error::Error;
use crate::registration::bench;

/// The names of the dumps, which are the names of the phases, in the form that callgrind takes.
const NAMES: [(Phase, &CStr); 11] = [
    (Phase::Load, c"load"),
    (Phase::Call, c"call"),
    (Phase::Unwind, c"unwind"),
    (Phase::Backtrace, c"backtrace"),
    (Phase::Trap, c"trap"),
    (Phase::Panic, c"panic"),
    (Phase::Instantiate, c"instantiate"),
    (Phase::Register, c"register"),
    (Phase::Deregister, c"deregister"),
    (Phase::Unload, c"unload"),
    (Phase::Work, c"work"),
];

/// Does one run. The counts are in callgrind's files, not among the samples.
///
/// # Errors
/// If this process does not run under callgrind. For a command, which callgrind does not see. The errors of
/// any run.
pub fn measure(request: &Measure) -> Result<Measured, Error> {
    if !valgrind::is_callgrind() {
        return Err(Error::NotUnderCallgrind);
    }
    let proof = match &request.workload {
        Workload::Command(_) => return Err(Error::CommandUnderCallgrind),
        Workload::SelfCheck(known) => {
            let work = |work: &mut dyn FnMut()| count(Phase::Work, work);
            let units = known_work::work(known, request.modules, work)?;
            Proof { known_work: units, ..Proof::default() }
        }
        Workload::Registration(registration) => {
            bench::run(request, registration, |phase, work| count(phase, work))?
        }
        Workload::Modules(workload) => {
            let call_every = workload.are_called().then_some(workload.call_every);
            let watcher = |schedule: &Schedule, role| Watcher::new(schedule, role, call_every);
            let mut driven = modules::drive(request, workload, watcher)?;
            let watchers = std::mem::take(&mut driven.observers);
            finish(watchers.into_iter().map(|(_, watcher)| watcher))?;
            modules::proof(&driven)
        }
    };
    Ok(Measured { proof, samples: Vec::new() })
}

/// Counts `work` as one stretch of a phase.
///
/// # Errors
/// If callgrind does not accept a request.
fn count(phase: Phase, work: impl FnOnce()) -> Result<(), Error> {
    let begun = valgrind::start_instrumentation() && valgrind::zero();
    work();
    let dumped = begun && dump(phase);
    if dumped && valgrind::stop_instrumentation() { Ok(()) } else { Err(Error::NotUnderCallgrind) }
}

/// Ends the counting, after the last step.
///
/// # Errors
/// If a thread did other steps than its schedule has. The dumps then have the wrong names.
fn finish(watchers: impl IntoIterator<Item = Watcher>) -> Result<(), Error> {
    valgrind::stop_instrumentation();
    let went_as_foreseen = watchers.into_iter().all(|watcher| watcher.is_at_the_end());
    if went_as_foreseen { Ok(()) } else { Err(Error::Unforeseen) }
}

fn dump(phase: Phase) -> bool {
    let name = NAMES.iter().find(|(named, _)| *named == phase);
    name.is_some_and(|(_, name)| valgrind::dump(name))
}

/// Consecutive steps of one phase on one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    phase: Phase,
    n_steps: usize,
}

/// Names the stretches of one thread. All its data is created before the first step.
struct Watcher {
    current: Option<Stretch>,
    following: IntoIter<Stretch>,
    has_gone_astray: bool,
}

impl Watcher {
    /// Creates the watcher for the thread with this role. `call_every` is the option of the run.
    fn new(schedule: &Schedule, role: Role, call_every: Option<NonZeroUsize>) -> Watcher {
        let mut following = stretches(schedule, role, call_every).into_iter();
        let current = following.next();
        Watcher { current, following, has_gone_astray: false }
    }

    fn is_at_the_end(&self) -> bool {
        self.current.is_none() && !self.has_gone_astray
    }
}

impl Observer for Watcher {
    fn step(&mut self, event: Event) {
        let phase = match event.phase {
            // A module is loaded when it is deserialized.
            Phase::Read => return,
            Phase::Deserialize => Phase::Load,
            phase => phase,
        };
        let Some(stretch) = self.current.as_mut().filter(|stretch| stretch.phase == phase) else {
            self.has_gone_astray = true;
            return;
        };
        stretch.n_steps -= 1;
        if stretch.n_steps == 0 {
            self.has_gone_astray |= !dump(phase);
            self.current = self.following.next();
        }
    }

    fn idle(&mut self) {
        // This begins to count before the first step of any thread. Later calls change nothing.
        valgrind::start_instrumentation();
        valgrind::zero();
    }
}

/// Returns the stretches of a thread, in the order in which its observer is notified.
fn stretches(schedule: &Schedule, role: Role, call_every: Option<NonZeroUsize>) -> Vec<Stretch> {
    let finish = schedule.finish.as_slice();
    let steps: Vec<&Step> = match role {
        Role::Loading(0) if schedule.threads.len() == 1 => {
            schedule.threads[0].iter().chain(finish).collect()
        }
        Role::Loading(thread) => schedule.threads.get(thread).into_iter().flatten().collect(),
        Role::Finishing => finish.iter().collect(),
        Role::Unloading => {
            let all = schedule.threads.iter().flatten().chain(finish);
            // The thread may wait before each unload, and the time of waiting must not count.
            let unloads = all.filter(|step| matches!(step, Step::Unload(_)));
            return unloads.map(|_| Stretch { phase: Phase::Unload, n_steps: 1 }).collect();
        }
    };
    let mut stretches = Vec::new();
    let mut may_continue = false;
    let mut add = |phase: Phase, may_continue: bool| match stretches.last_mut() {
        Some(Stretch { phase: last, n_steps }) if *last == phase && may_continue => *n_steps += 1,
        _ => stretches.push(Stretch { phase, n_steps: 1 }),
    };
    for step in steps {
        match *step {
            Step::Load(index) => {
                add(Phase::Load, may_continue);
                if call_every.is_some_and(|every| index.is_multiple_of(every.get())) {
                    add(Phase::Call, true);
                }
            }
            Step::Unwind => add(Phase::Unwind, may_continue),
            Step::Backtrace(_) => add(Phase::Backtrace, may_continue),
            Step::Trap(_) => add(Phase::Trap, may_continue),
            Step::Panic => add(Phase::Panic, may_continue),
            Step::Instantiate(_) => add(Phase::Instantiate, may_continue),
            // Waiting is not a step either.
            Step::Meet => {
                may_continue = false;
                continue;
            }
            Step::Unload(_) if schedule.unload_thread == UnloadThread::Same => {
                add(Phase::Unload, may_continue);
            }
            // Handing over is not a step.
            Step::Unload(_) => {
                may_continue = false;
                continue;
            }
        }
        may_continue = true;
    }
    stretches
}

#[cfg(test)]
mod tests {
    use loadline_scenario::{LoadOrder, UnloadOrder};

    use super::*;

    fn text(schedule: &Schedule, role: Role, call_every: Option<usize>) -> String {
        let call_every = call_every.and_then(NonZeroUsize::new);
        let stretches = stretches(schedule, role, call_every);
        let text = stretches.iter().map(|stretch| format!("{}*{}", stretch.phase, stretch.n_steps));
        text.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn dumps_are_named_as_phases_are() {
        for (phase, name) in NAMES {
            assert_eq!(name.to_str(), Ok(phase.name()));
        }
    }

    #[test]
    fn a_dump_is_made_where_the_phase_changes() {
        let hold = LoadOrder::hold_all(UnloadOrder::OldestFirst);
        let schedule = hold.schedule(5, 1);
        assert_eq!(text(&schedule, Role::Loading(0), None), "load*5 unload*5");
        let called = "load*1 call*1 load*2 call*1 load*2 call*1 unload*5";
        assert_eq!(text(&schedule, Role::Loading(0), Some(2)), called);
        let unwinds = LoadOrder { unwinds_before_unload: 2, ..hold };
        let expected = "load*5 unwind*2 unload*5";
        assert_eq!(text(&unwinds.schedule(5, 1), Role::Loading(0), None), expected);
    }

    #[test]
    fn each_thread_has_its_own() {
        let hold = LoadOrder::hold_all(UnloadOrder::OldestFirst);
        let threads = NonZeroUsize::new(2).expect("2 is not 0");
        let schedule = LoadOrder { threads, ..hold }.schedule(5, 1);
        assert_eq!(text(&schedule, Role::Loading(0), None), "load*3");
        assert_eq!(text(&schedule, Role::Loading(1), None), "load*2");
        assert_eq!(text(&schedule, Role::Finishing, None), "unload*5");
    }

    #[test]
    fn what_another_thread_drops_is_counted_there() {
        let mut schedule = LoadOrder::hold_all(UnloadOrder::OldestFirst).schedule(3, 1);
        schedule.unload_thread = UnloadThread::Other;
        schedule.threads[0].insert(1, Step::Unload(0));
        schedule.finish.remove(0);
        assert_eq!(text(&schedule, Role::Loading(0), None), "load*1 load*2");
        assert_eq!(text(&schedule, Role::Unloading, None), "unload*1 unload*1 unload*1");
    }
}
