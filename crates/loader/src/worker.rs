//! What one thread of a lifecycle does: [`Worker`] walks steps, loads, calls, unwinds and drops, and
//! tells its [`Observer`] after each.
//!
//! Nothing is allocated here within a step that the step would not allocate by itself, but for the
//! buffer that artifacts are read into: it grows to the largest of them.

use std::borrow::Cow;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::sync::{Mutex, MutexGuard, PoisonError};

use loadline_scenario::{LoadFrom, Phase, Step, Tables};
use wasmtime::Engine;

use crate::artifact::{Loaded, Source};
use crate::call::Call;
use crate::drive::{Options, Proof};
use crate::error::Error;
use crate::observer::{Event, Observer, Role};
use crate::unwind;

/// What all threads share.
pub(crate) struct Run<'a, S> {
    engine: &'a Engine,
    pub(crate) sources: &'a [S],
    load_from: LoadFrom,
    tables: Tables,
    /// The call for each module of the sample.
    calls: Vec<Option<Call>>,
    /// Where each module is while it is loaded. No two threads want the same slot at a time.
    slots: Vec<Mutex<Option<Loaded>>>,
    pub(crate) is_stopped: AtomicBool,
}

impl<'a, S: Source> Run<'a, S> {
    pub(crate) fn prepare(
        engine: &'a Engine,
        sources: &'a [S],
        options: &Options<'_>,
    ) -> Result<Run<'a, S>, Error> {
        let Options { load_from, tables, calls } = *options;
        let call = |index: usize| {
            let calls = calls.filter(|calls| index.is_multiple_of(calls.every.get()))?;
            Some((calls.call)(index))
        };
        let run = Run {
            engine,
            sources,
            load_from,
            tables,
            calls: (0..sources.len()).map(call).collect(),
            slots: sources.iter().map(|_| Mutex::new(None)).collect(),
            is_stopped: AtomicBool::new(false),
        };
        if matches!(load_from, LoadFrom::File | LoadFrom::Pack) {
            run.refuse_what_cannot_be_mapped()?;
        }
        Ok(run)
    }

    fn refuse_what_cannot_be_mapped(&self) -> Result<(), Error> {
        for (index, source) in self.sources.iter().enumerate() {
            let reason = if source.path().is_none() {
                Error::NotInFile
            } else if self.must_be_stripped(source) {
                Error::TablesInFile
            } else {
                continue;
            };
            return Err(self.failed(Phase::Deserialize, index, reason));
        }
        Ok(())
    }

    /// Whether the artifact, as it is, has tables that the policy forbids. Those of Windows
    /// artifacts, which hold no FDEs, stay under any policy.
    fn must_be_stripped(&self, source: &S) -> bool {
        self.tables == Tables::Strip && source.contents().fdes > 0
    }

    fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    fn source(&self, index: usize) -> Result<&'a S, Error> {
        self.sources.get(index).ok_or(Error::Schedule { index, problem: "there is no such module" })
    }

    fn slot(&self, index: usize) -> Result<MutexGuard<'_, Option<Loaded>>, Error> {
        let slot = self.slots.get(index);
        let slot = slot.ok_or(Error::Schedule { index, problem: "there is no such module" })?;
        Ok(slot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn failed(&self, phase: Phase, index: usize, source: Error) -> Error {
        let path = match &source {
            Error::Read { .. } => None, // It names the file itself.
            _ => self.sources[index].path(),
        };
        let name = path.map(|path| path.display().to_string());
        Error::Module { phase, index, name, source: Box::new(source) }
    }
}

/// A module on its way to the thread that will drop it.
pub(crate) type HandedOver = (usize, Loaded);

/// What one thread leaves behind.
pub(crate) struct Ended<O> {
    pub(crate) role: Role,
    pub(crate) observer: O,
    pub(crate) proof: Proof,
    pub(crate) result: Result<(), Error>,
}

/// What one thread has while it walks its steps.
pub(crate) struct Worker<'a, S, O> {
    run: &'a Run<'a, S>,
    role: Role,
    observer: O,
    /// Whether something that belongs to no phase was done since the observer was last told.
    was_idle: bool,
    proof: Proof,
    n_read: usize,
    /// The way to the thread that drops modules, if this one does not.
    handover: Option<SyncSender<HandedOver>>,
    /// Memory for the artifact that is being read.
    buffer: Vec<u8>,
}

impl<'a, S: Source, O: Observer> Worker<'a, S, O> {
    pub(crate) fn new(
        run: &'a Run<'a, S>,
        role: Role,
        observer: O,
        handover: Option<SyncSender<HandedOver>>,
    ) -> Worker<'a, S, O> {
        let proof = Proof::default();
        Worker {
            run,
            role,
            observer,
            was_idle: true,
            proof,
            n_read: 0,
            handover,
            buffer: Vec::new(),
        }
    }

    pub(crate) fn walk(&mut self, steps: &[Step]) -> Result<(), Error> {
        let result = steps.iter().try_for_each(|step| {
            if self.run.is_stopped() {
                return Ok(());
            }
            if mem::take(&mut self.was_idle) {
                self.observer.idle();
            }
            match *step {
                Step::Load(index) => self.load(index),
                Step::Unload(index) => self.unload(index),
                Step::Unwind => self.unwind(),
            }
        });
        if result.is_err() {
            self.run.stop();
        }
        result
    }

    fn load(&mut self, index: usize) -> Result<(), Error> {
        let source = self.run.source(index)?;
        let loaded = match self.run.load_from {
            LoadFrom::Bytes | LoadFrom::Store => self.load_bytes(source, index)?,
            LoadFrom::File | LoadFrom::Pack => {
                let loaded = source.map(self.run.engine);
                loaded.map_err(|error| self.run.failed(Phase::Deserialize, index, error))?
            }
        };
        // Within the stretch of `deserialize`: a module that is called stays in its slot too.
        let mut slot = self.run.slot(index)?;
        if slot.is_some() {
            return Err(Error::Schedule { index, problem: "it is loaded already" });
        }
        let loaded = slot.insert(loaded);
        self.proof.loaded += 1;
        self.observer.step(Event {
            phase: Phase::Deserialize,
            module: Some(index),
            progress: self.proof.loaded,
        });
        if let Some(call) = &self.run.calls[index] {
            let called = loaded.call(self.run.engine, call);
            called.map_err(|error| self.run.failed(Phase::Call, index, error))?;
            self.proof.called += 1;
            self.observer.step(Event {
                phase: Phase::Call,
                module: Some(index),
                progress: self.proof.called,
            });
        }
        Ok(())
    }

    fn load_bytes(&mut self, source: &S, index: usize) -> Result<Loaded, Error> {
        let run = self.run;
        let read = |error| run.failed(Phase::Read, index, error);
        let mut artifact = source.read(mem::take(&mut self.buffer)).map_err(read)?;
        if run.must_be_stripped(source) {
            artifact.to_mut().apply(Tables::Strip).map_err(read)?;
        }
        self.n_read += 1;
        self.observer.step(Event {
            phase: Phase::Read,
            module: Some(index),
            progress: self.n_read,
        });
        let loaded = artifact.load(run.engine);
        if let Cow::Owned(artifact) = artifact {
            self.buffer = artifact.into_bytes();
        }
        loaded.map_err(|error| run.failed(Phase::Deserialize, index, error))
    }

    fn unload(&mut self, index: usize) -> Result<(), Error> {
        let loaded = self.run.slot(index)?.take();
        let loaded = loaded.ok_or(Error::Schedule { index, problem: "it is not loaded" })?;
        match &self.handover {
            None => self.release(index, loaded),
            Some(handover) => {
                self.was_idle = true;
                if handover.send((index, loaded)).is_err() {
                    // The other thread panicked; whoever joins it says so.
                    self.run.stop();
                }
            }
        }
        Ok(())
    }

    fn release(&mut self, index: usize, loaded: Loaded) {
        drop(loaded);
        self.proof.released += 1;
        self.observer.step(Event {
            phase: Phase::Unload,
            module: Some(index),
            progress: self.proof.released,
        });
    }

    fn unwind(&mut self) -> Result<(), Error> {
        if unwind::frames() == 0 {
            return Err(Error::NoFrames);
        }
        self.proof.unwound += 1;
        self.observer.step(Event {
            phase: Phase::Unwind,
            module: None,
            progress: self.proof.unwound,
        });
        Ok(())
    }

    /// Drops what other threads hand over, until none is left that could.
    pub(crate) fn unload_from(&mut self, modules: &Receiver<HandedOver>) -> Result<(), Error> {
        loop {
            let handed_over = modules.try_recv().or_else(|empty| match empty {
                TryRecvError::Empty => {
                    self.was_idle = true;
                    modules.recv()
                }
                TryRecvError::Disconnected => Err(mpsc::RecvError),
            });
            let Ok((index, loaded)) = handed_over else { return Ok(()) };
            if mem::take(&mut self.was_idle) {
                self.observer.idle();
            }
            self.release(index, loaded);
        }
    }

    pub(crate) fn end(self, result: Result<(), Error>) -> Ended<O> {
        Ended { role: self.role, observer: self.observer, proof: self.proof, result }
    }
}
