//! Goes to where a limit of the system ends the loading of modules, and comes back.
//!
//! Nothing is measured here: what is looked at is where that is, and that it ends with an error value.

use loadline_scenario::{Collector, Exhaust, Exhausted, Limit, LoadFrom, Tables};
use loadline_workload::corpus::Cache;
use loadline_workload::engine;
use loadline_workload::loader::{self, Artifact, ArtifactFile, Loaded, UnwindPolicy};

use crate::counting::live;
use crate::error::{Error, chain};
use crate::process;

/// Loads modules, the artifacts in turn, until one cannot be; drops them, the newest first; and loads
/// one more.
///
/// # Errors
/// Where not a single module can be loaded, before or afterwards, or the limit is not met.
pub fn exhaust(request: &Exhaust) -> Result<Exhausted, Error> {
    let Exhaust { workload, limit, lowered, .. } = request;
    if let Some(lowered) = lowered {
        process::lower(*limit, *lowered)?;
    }
    // The allocator's own mappings would meet the limit first, and it ends the process then.
    process::keep_heap_in_one_mapping();
    let cache = Cache::of(&request.cache, &workload.corpus, workload.tables, Collector::Clock)?;
    let artifacts = cache.artifacts(request.artifacts)?;
    let engine = engine::loading()?;
    let load = |index: usize, buffer: Vec<u8>| -> Result<(Loaded, Vec<u8>), loader::Error> {
        let source = &artifacts[index % artifacts.len()];
        if workload.load_from == LoadFrom::File {
            return Ok((source.map(&engine)?, buffer));
        }
        let artifact = read(source, buffer, workload.tables)?;
        let loaded = artifact.load(&engine)?;
        Ok((loaded, artifact.into_bytes()))
    };
    let mut loaded = Vec::with_capacity(request.most);
    let mut buffer = Vec::new();
    let mut kept = Kept::new();
    let in_use = in_use(*limit).ok_or(Error::LimitUnknown { limit: *limit })?;
    let ended = loop {
        if loaded.len() == request.most {
            return Err(Error::LimitNotMet { limit: *limit, modules: request.most });
        }
        kept.give_out_if_needed();
        match load(loaded.len(), std::mem::take(&mut buffer)) {
            Ok((module, emptied)) => {
                loaded.push(module);
                buffer = emptied;
            }
            Err(error) => break chain(&error),
        }
    };
    let modules = loaded.len();
    while let Some(newest) = loaded.pop() {
        drop(newest);
    }
    // The process goes on.
    load(0, buffer)?;
    Ok(Exhausted { in_use, modules, ended })
}

/// Heap for the last modules. Where there is no address space left, the allocator may be refused more
/// heap before the loader is refused a mapping, and Rust ends the process for want of memory.
struct Kept(Option<Vec<u8>>);

impl Kept {
    /// More than the modules take that still fit when the heap cannot grow by [`Kept::ONE_LOAD`].
    const BYTES: usize = 16 << 20;
    /// More heap than one load takes.
    const ONE_LOAD: usize = 4 << 20;

    fn new() -> Kept {
        let mut kept = Vec::new();
        Kept(kept.try_reserve_exact(Kept::BYTES).is_ok().then_some(kept))
    }

    /// Before a load: sees to it that the heap has room for it, from here if from nowhere else.
    fn give_out_if_needed(&mut self) {
        if self.0.is_some() && Vec::<u8>::new().try_reserve_exact(Kept::ONE_LOAD).is_err() {
            self.0 = None;
        }
    }
}

fn read(source: &ArtifactFile, buffer: Vec<u8>, tables: Tables) -> Result<Artifact, loader::Error> {
    let mut artifact = source.read(buffer)?;
    if tables == Tables::Strip && artifact.contents().has_tables {
        artifact.apply(UnwindPolicy::Strip)?;
    }
    Ok(artifact)
}

/// How much of the limited thing the process has now.
fn in_use(limit: Limit) -> Option<u64> {
    match limit {
        Limit::Mappings => live::mappings(),
        Limit::Descriptors => live::descriptors(),
        Limit::AddressSpace => live::mapped_bytes(),
    }
}
