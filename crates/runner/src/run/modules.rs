//! Loads and drops modules as the scenario defines, with an observer.

use loadline_scenario::{
    Corpus, LoadFrom, LoadOrder, Measure, Modules, Profiler, Proof, Schedule, UnloadThread,
};
use loadline_workload as workload;
#[cfg(unix)]
use loadline_workload::corpus::PackedCorpus;
use loadline_workload::corpus::{Cache, StoredCorpus};
use loadline_workload::loader::unwinder;
use loadline_workload::{Calls, Driven, Observer, Options, Role, engine, generate};

use super::perf_map::PerfMapped;
use crate::counting::frames;
use crate::error::Error;

/// Returns whether one thread does everything, so that its population is that of the process.
pub fn is_alone(load_order: &LoadOrder) -> bool {
    load_order.threads.get() == 1 && load_order.unload_thread == UnloadThread::Same
}

/// Drives the modules through their load order. `observe` creates an observer for each thread.
pub fn drive<O: Observer + Send>(
    request: &Measure,
    workload: &Modules,
    observe: impl Fn(&Schedule, Role) -> O + Sync,
) -> Result<Driven<O>, Error> {
    let cache = Cache::of(&request.cache, &workload.corpus, workload.tables, request.collector)?;
    let artifacts = cache.artifacts(request.modules)?;
    let schedule = workload.load_order.schedule(request.modules, request.seed);
    let call;
    let calls = match &workload.corpus {
        Corpus::Generated(axes) if workload.are_called() => {
            call = |index| generate::call(axes, index);
            Some(Calls { every: workload.call_every, call: &call })
        }
        Corpus::Generated(_) | Corpus::Files(_) => None,
    };
    let Modules { load_from, tables, engines, .. } = *workload;
    let options = Options { load_from, tables, calls, engines };
    frames::resolve();
    let observe = |role| observe(&schedule, role);
    match (workload.profiler, load_from) {
        (Profiler::PerfMap, _) => {
            let mapped = PerfMapped::new(&request.cache)?;
            Ok(workload::drive(&mapped.engine, &artifacts, &schedule, &options, observe)?)
        }
        (Profiler::None, LoadFrom::Bytes | LoadFrom::File) => {
            Ok(workload::drive(&engine::loading()?, &artifacts, &schedule, &options, observe)?)
        }
        (Profiler::None, LoadFrom::Store) => {
            let corpus = StoredCorpus::make(&artifacts, &request.cache)?;
            Ok(workload::drive(
                &engine::loading()?,
                &corpus.sources(),
                &schedule,
                &options,
                observe,
            )?)
        }
        #[cfg(unix)]
        (Profiler::None, LoadFrom::Pack) => {
            let corpus = PackedCorpus::make(&artifacts, &request.cache, workload.tables)?;
            let driven =
                workload::drive(corpus.engine(), &corpus.sources(), &schedule, &options, observe)?;
            corpus.close()?;
            Ok(driven)
        }
        #[cfg(not(unix))]
        (Profiler::None, LoadFrom::Pack) => Err(loadline_workload::Error::NoPacks.into()),
    }
}

/// Returns the counts with which a finished load order proves its work.
pub fn proof<O>(driven: &Driven<O>) -> Proof {
    let frames = frames::counts();
    Proof {
        loaded: driven.proof.loaded,
        called: driven.proof.called,
        unwound: driven.proof.unwound,
        acted: driven.proof.acted,
        released: driven.proof.released,
        registered: frames.map(|frames| frames.registered),
        deregistered: frames.map(|frames| frames.deregistered),
        known_work: 0,
        command: None,
        unwinder_path: unwinder::active_path(),
    }
}
