//! The [`Worker`] of one thread of a load order, which loads, calls, unwinds and drops modules. It notifies
//! its [`Observer`] after each step.
//!
//! Within a step, this code allocates nothing that the step itself would not allocate. The only exception is
//! the buffer for reading artifacts, which grows to the largest artifact.

use std::borrow::Cow;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::sync::{Mutex, MutexGuard, PoisonError};

use loadline_loader::wasmtime::Engine;
use loadline_loader::{Loaded, UnwindPolicy};
use loadline_scenario::{Engines, LoadFrom, Phase, Step, Tables};

use super::observer::{Event, Observer, Role};
use super::operation::{self, Guest, Tenancy};
use super::options::{Options, Proof};
use super::threads::Meeting;
use crate::backtrace;
use crate::call::Call;
use crate::corpus::source::Source;
use crate::engine;
use crate::error::Error;
use crate::generate::module::WASM_FRAMES;

/// The data that all threads share.
pub(super) struct Run<'a, S> {
    engine: &'a Engine,
    pub(super) sources: &'a [S],
    load_from: LoadFrom,
    tables: Tables,
    engines: Engines,
    /// The meeting point of the loading threads.
    pub(super) meeting: Meeting,
    /// The call for each module of the sample.
    calls: Vec<Option<Call>>,
    /// The loaded module of each index. No two threads use the same slot at the same time.
    slots: Vec<Mutex<Option<Loaded>>>,
    pub(super) is_stopped: AtomicBool,
}

impl<'a, S: Source> Run<'a, S> {
    pub(super) fn prepare(
        engine: &'a Engine,
        sources: &'a [S],
        options: &Options<'_>,
    ) -> Result<Run<'a, S>, Error> {
        let Options { load_from, tables, calls, engines } = *options;
        let call = |index: usize| {
            let calls = calls.filter(|calls| index.is_multiple_of(calls.every.get()))?;
            Some((calls.call)(index))
        };
        let run = Run {
            engine,
            sources,
            load_from,
            tables,
            engines,
            meeting: Meeting::default(),
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

    /// Returns whether the artifact still has tables that the policy forbids. The tables of Windows artifacts
    /// stay under any policy; they have no FDEs.
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
            // The error names the file itself.
            Error::Loader(loadline_loader::Error::Read { .. }) => None,
            _ => self.sources[index].path(),
        };
        let name = path.map(|path| path.display().to_string());
        Error::Module { phase, index, name, source: Box::new(source) }
    }
}

/// A module that is handed to the thread that will drop it.
pub(super) type HandedOver = (usize, Loaded);

/// The result of one thread.
pub(super) struct Ended<O> {
    pub(super) role: Role,
    pub(super) observer: O,
    pub(super) proof: Proof,
    pub(super) result: Result<(), Error>,
}

/// The state of one thread while it does its steps.
pub(super) struct Worker<'a, S, O> {
    run: &'a Run<'a, S>,
    role: Role,
    observer: O,
    /// Whether the thread has done something that belongs to no phase since the observer was last notified.
    was_idle: bool,
    proof: Proof,
    n_read: usize,
    /// The instance that traps or takes backtraces, created before the first such step.
    guest: Option<Guest>,
    /// The store that keeps instances, created before the first of them.
    tenancy: Option<Tenancy>,
    /// The channel to the thread that drops modules, if this thread does not.
    handover: Option<SyncSender<HandedOver>>,
    /// Memory for the artifact that is being read.
    buffer: Vec<u8>,
}

impl<'a, S: Source, O: Observer> Worker<'a, S, O> {
    pub(super) fn new(
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
            guest: None,
            tenancy: None,
            handover,
            buffer: Vec::new(),
        }
    }

    pub(super) fn walk(&mut self, steps: &[Step]) -> Result<(), Error> {
        let result = steps.iter().try_for_each(|step| {
            if self.run.is_stopped() {
                return Ok(());
            }
            self.get_ready(*step)?;
            if mem::take(&mut self.was_idle) {
                self.observer.idle();
            }
            match *step {
                Step::Load(index) => self.load(index),
                Step::Unload(index) => self.unload(index),
                Step::Unwind => self.unwind(),
                Step::Meet => {
                    self.run.meeting.attend(&self.run.is_stopped);
                    self.was_idle = true;
                    Ok(())
                }
                Step::Backtrace(index) => {
                    self.act(Phase::Backtrace, Some(index), |worker| worker.backtrace())
                }
                Step::Trap(index) => self.act(Phase::Trap, Some(index), |worker| {
                    worker.guest.as_mut().map_or(Err(Error::NoHostFunction), Guest::trap)
                }),
                Step::Panic => self.act(Phase::Panic, None, |_| operation::panic()),
                Step::Instantiate(index) => {
                    self.act(Phase::Instantiate, Some(index), |worker| worker.instantiate(index))
                }
            }
        });
        if result.is_err() {
            self.run.stop();
        }
        result
    }

    /// Creates what a step needs but does not measure, and drops what must not exist during the step.
    fn get_ready(&mut self, step: Step) -> Result<(), Error> {
        match step {
            Step::Backtrace(index) | Step::Trap(index) if self.guest.is_none() => {
                let guest = self.of_resident(index, Guest::of);
                let failed = |error| self.run.failed(Phase::Instantiate, index, error);
                self.guest = Some(guest.map_err(failed)?);
            }
            Step::Instantiate(_) if self.tenancy.is_none() => {
                self.tenancy = Some(Tenancy::new(self.run.engine));
            }
            // A store keeps its instances, and the instances keep their modules.
            Step::Unload(_) if self.guest.is_some() || self.tenancy.is_some() => {
                (self.guest, self.tenancy) = (None, None);
            }
            _ => return Ok(()),
        }
        self.was_idle = true;
        Ok(())
    }

    /// Calls `with` for a loaded module.
    fn of_resident<T>(
        &self,
        index: usize,
        with: impl FnOnce(&Loaded) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let slot = self.run.slot(index)?;
        let loaded = slot.as_ref();
        with(loaded.ok_or(Error::Schedule { index, problem: "it is not loaded" })?)
    }

    /// Does a step other than loading, unwinding and unloading.
    fn act(
        &mut self,
        phase: Phase,
        module: Option<usize>,
        action: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        action(self).map_err(|error| match module {
            Some(index) => self.run.failed(phase, index, error),
            None => error,
        })?;
        self.proof.acted += 1;
        self.observer.step(Event { phase, module, progress: self.proof.acted });
        Ok(())
    }

    fn backtrace(&mut self) -> Result<(), Error> {
        let found = self.guest.as_mut().map_or(Err(Error::NoHostFunction), Guest::backtrace)?;
        let least = WASM_FRAMES as usize;
        // Registered tables must be usable. Without them, the frames end at wasm.
        if self.run.tables == Tables::Keep && found <= least {
            return Err(Error::FewFrames { found, least });
        }
        Ok(())
    }

    fn instantiate(&mut self, index: usize) -> Result<(), Error> {
        let Some(mut tenancy) = self.tenancy.take() else { return Err(Error::NoHostFunction) };
        self.of_resident(index, |loaded| tenancy.instantiate(loaded))?;
        self.tenancy = Some(tenancy);
        Ok(())
    }

    fn load(&mut self, index: usize) -> Result<(), Error> {
        let source = self.run.source(index)?;
        let own;
        let engine = match self.run.engines {
            Engines::One => self.run.engine,
            Engines::Each => {
                own = engine::loading()?;
                &own
            }
        };
        let loaded = match self.run.load_from {
            LoadFrom::Bytes | LoadFrom::Store => self.load_bytes(engine, source, index)?,
            LoadFrom::File | LoadFrom::Pack => {
                let loaded = source.map(engine);
                loaded.map_err(|error| self.run.failed(Phase::Deserialize, index, error))?
            }
        };
        // This belongs to the stretch of `deserialize`. A module that is called also stays in its slot.
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
            call.check(engine, loaded)
                .map_err(|error| self.run.failed(Phase::Call, index, error))?;
            self.proof.called += 1;
            self.observer.step(Event {
                phase: Phase::Call,
                module: Some(index),
                progress: self.proof.called,
            });
        }
        Ok(())
    }

    fn load_bytes(&mut self, engine: &Engine, source: &S, index: usize) -> Result<Loaded, Error> {
        let run = self.run;
        let read = |error| run.failed(Phase::Read, index, error);
        let mut artifact = source.read(mem::take(&mut self.buffer)).map_err(read)?;
        if run.must_be_stripped(source) {
            artifact.to_mut().apply(UnwindPolicy::Strip).map_err(|error| read(error.into()))?;
        }
        self.n_read += 1;
        self.observer.step(Event {
            phase: Phase::Read,
            module: Some(index),
            progress: self.n_read,
        });
        let loaded = artifact.load(engine);
        if let Cow::Owned(artifact) = artifact {
            self.buffer = artifact.into_bytes();
        }
        loaded.map_err(|error| run.failed(Phase::Deserialize, index, error.into()))
    }

    fn unload(&mut self, index: usize) -> Result<(), Error> {
        let loaded = self.run.slot(index)?.take();
        let loaded = loaded.ok_or(Error::Schedule { index, problem: "it is not loaded" })?;
        match &self.handover {
            None => self.release(index, loaded),
            Some(handover) => {
                self.was_idle = true;
                if handover.send((index, loaded)).is_err() {
                    // The other thread panicked. The thread that joins it reports the panic.
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
        if backtrace::frames() == 0 {
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

    /// Drops the modules that other threads hand over, until no thread can hand over more.
    pub(super) fn unload_from(&mut self, modules: &Receiver<HandedOver>) -> Result<(), Error> {
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

    pub(super) fn end(self, result: Result<(), Error>) -> Ended<O> {
        Ended { role: self.role, observer: self.observer, proof: self.proof, result }
    }
}
