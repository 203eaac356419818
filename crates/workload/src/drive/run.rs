//! Drives modules through a [`Schedule`], and decides which thread does which of its steps.
//!
//! The schedule already decides when each module is loaded and unloaded. The shared data of the threads
//! (slots, calls, the channel between them) is created before the first step. `worker.rs` implements the
//! steps.

use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, Scope};

use loadline_loader::wasmtime::Engine;
use loadline_scenario::{Schedule, UnloadThread};

use super::observer::{Observer, Role};
use super::options::{Options, Proof};
use super::threads::{Gate, Handle};
use super::worker::{Ended, HandedOver, Run, Worker};
use crate::corpus::source::Source;
use crate::error::Error;

/// The result of a load order that was driven to its end.
#[derive(Debug)]
pub struct Driven<O> {
    /// The work of all threads together.
    pub proof: Proof,
    /// The observer of each thread, by role.
    pub observers: Vec<(Role, O)>,
}

/// Drives modules through a load order. Module `i` is made from `sources[i]`.
///
/// If there is one loading thread, it is the calling thread itself. Several loading threads are started and
/// begin together, and the calling thread then does the steps after the last load. `observe` creates the
/// observer of each thread, on that thread, before the first step of any thread.
///
/// Modules that are handed to another thread for unloading go through a channel with room for all of them.
/// Handing over belongs to no phase of the loading thread.
///
/// # Errors
///
/// The error of a failed step, as [`Error::Module`] if it concerns a module, or of a thread that panicked or
/// could not be started. The other threads then stop after their current step. Everything that is loaded is
/// dropped before this function returns.
///
/// [`Error::TablesInFile`] and [`Error::NotInFile`] are returned before the first step.
///
/// # Panics
///
/// If `observe` or an observer panics on the calling thread.
pub fn drive<S: Source, O: Observer + Send>(
    engine: &Engine,
    sources: &[S],
    schedule: &Schedule,
    options: &Options<'_>,
    observe: impl Fn(Role) -> O + Sync,
) -> Result<Driven<O>, Error> {
    let run = Run::prepare(engine, sources, options)?;
    let gate = Gate::default();
    let crew = Crew { run: &run, gate: &gate, observe: &observe };
    let ended = thread::scope(|scope| crew.work(scope, schedule))?;
    let mut driven = Driven { proof: Proof::default(), observers: Vec::with_capacity(ended.len()) };
    for Ended { role, observer, proof, result } in ended {
        result?;
        driven.proof.add(proof);
        driven.observers.push((role, observer));
    }
    Ok(driven)
}

/// Starts the threads and gives them their work.
struct Crew<'env, S, F> {
    run: &'env Run<'env, S>,
    gate: &'env Gate,
    observe: &'env F,
}

impl<'env, S: Source, F> Crew<'env, S, F> {
    fn work<'scope, O>(
        &self,
        scope: &'scope Scope<'scope, 'env>,
        schedule: &'env Schedule,
    ) -> Result<Vec<Ended<O>>, Error>
    where
        O: Observer + Send + 'env,
        F: Fn(Role) -> O + Sync,
    {
        // Threads wait at the gate. If this thread fails or panics before all have arrived, the keeper
        // releases them without work.
        let keeper = self.gate.keeper();
        let mut handover = None;
        let mut unloading = None;
        if schedule.unload_thread == UnloadThread::Other {
            let (to, from) = mpsc::sync_channel(self.run.sources.len());
            let unload = move |worker: &mut Worker<'env, S, O>| worker.unload_from(&from);
            unloading = Some(self.start(scope, Role::Unloading, None, unload)?);
            handover = Some(to);
        }
        let n_unloading = usize::from(unloading.is_some());
        let mut ended = Vec::new();
        if let [steps] = schedule.threads.as_slice() {
            let mut worker = self.worker(Role::Loading(0), handover);
            keeper.open(n_unloading);
            let result = worker.walk(steps).and_then(|()| worker.walk(&schedule.finish));
            ended.push(worker.end(result));
        } else {
            self.run.meeting.expect(schedule.threads.len());
            let mut loading = Vec::new();
            for (thread, steps) in schedule.threads.iter().enumerate() {
                let load = move |worker: &mut Worker<'env, S, O>| worker.walk(steps);
                loading.push(self.start(scope, Role::Loading(thread), handover.clone(), load)?);
            }
            keeper.open(loading.len() + n_unloading);
            for handle in loading {
                ended.push(handle.join()?);
            }
            let mut worker = self.worker(Role::Finishing, handover);
            let result = worker.walk(&schedule.finish);
            ended.push(worker.end(result));
        }
        // The last sender was dropped, so the unloading thread ends when it has dropped its modules.
        if let Some(handle) = unloading {
            ended.push(handle.join()?);
        }
        Ok(ended)
    }

    /// Starts a thread that creates its observer, waits until all threads have done so, and then calls
    /// `work`.
    fn start<'scope, O>(
        &self,
        scope: &'scope Scope<'scope, 'env>,
        role: Role,
        handover: Option<SyncSender<HandedOver>>,
        work: impl FnOnce(&mut Worker<'env, S, O>) -> Result<(), Error> + Send + 'env,
    ) -> Result<Handle<'scope, Ended<O>>, Error>
    where
        O: Observer + Send + 'env,
        F: Fn(Role) -> O + Sync,
    {
        let Crew { run, gate, observe } = *self;
        let prepare = move || Worker::new(run, role, observe(role), handover);
        let work = move |mut worker: Worker<'env, S, O>, may_begin: bool| {
            let result = if may_begin { work(&mut worker) } else { Ok(()) };
            worker.end(result)
        };
        Handle::spawn(scope, role, gate, &run.is_stopped, prepare, work)
    }

    /// Creates a worker for the calling thread.
    fn worker<O: Observer>(
        &self,
        role: Role,
        handover: Option<SyncSender<HandedOver>>,
    ) -> Worker<'env, S, O>
    where
        F: Fn(Role) -> O,
    {
        Worker::new(self.run, role, (self.observe)(role), handover)
    }
}
