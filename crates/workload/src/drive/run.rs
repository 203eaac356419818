//! Drives modules through a [`Schedule`]: which thread walks which of its steps.
//!
//! Decides nothing: which module comes and goes when is laid out in the schedule beforehand. What
//! the threads share (slots, calls, the channel between them) is made before the first step. What a
//! step is stands in `worker.rs`.

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

/// A load order that went through to its end.
#[derive(Debug)]
pub struct Driven<O> {
    /// What was done, on all threads together.
    pub proof: Proof,
    /// The observer of each thread, by role.
    pub observers: Vec<(Role, O)>,
}

/// Takes modules through a load order: module `i` is made of `sources[i]`.
///
/// One loading thread is the calling thread itself. Several are started for the purpose and begin
/// together; what follows the last load is then done on the calling thread. `observe` makes each
/// thread's observer, on that thread, before the first step of any.
///
/// Modules that are handed to another thread for unloading travel through a channel with room for
/// all of them. Handing over belongs to no phase of the loading thread.
///
/// # Errors
///
/// A step that failed, as [`Error::Module`] where a module is concerned; or a thread that panicked
/// or could not be started. The other threads then stop after the step they are at, and everything
/// that is loaded is dropped before this returns.
///
/// [`Error::TablesInFile`] and [`Error::NotInFile`] come before the first step.
///
/// # Panics
///
/// Where `observe` or an observer panics on the calling thread.
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

/// Puts threads to work.
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
        // Threads wait at the gate; should this one fail or panic before all have arrived, they are
        // sent home.
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
        // The last sender is gone, so the unloading thread ends when it has dropped what it has.
        if let Some(handle) = unloading {
            ended.push(handle.join()?);
        }
        Ok(ended)
    }

    /// Starts a thread that makes its observer, waits until all threads have, and goes to `work`.
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

    /// Makes a worker of the calling thread.
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
