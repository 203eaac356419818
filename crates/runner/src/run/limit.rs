//! Loads modules until a limit of the operating system is reached, and then continues.
//!
//! Nothing is measured here. The result is how many modules fit, and that the last load ends with an error
//! value.

use loadline_scenario::{Collector, Exhaust, Exhausted, Limit, LoadFrom, Tables};
use loadline_workload::corpus::Cache;
use loadline_workload::engine;
use loadline_workload::loader::{self, Artifact, ArtifactFile, Loaded, UnwindPolicy};

use crate::counting::live;
use crate::error::{Error, chain};
use crate::process;

/// Loads modules, using the artifacts in turn, until a load fails. Then it drops them, newest first, and
/// loads one more.
///
/// # Errors
/// If not a single module can be loaded, before or afterwards. If the limit is not reached.
pub fn exhaust(request: &Exhaust) -> Result<Exhausted, Error> {
    let Exhaust { workload, limit, lowered, .. } = request;
    if let Some(lowered) = lowered {
        process::lower(*limit, *lowered)?;
    }
    // Otherwise the allocator's own mappings would reach the limit first, and the allocator would end the
    // process.
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
    // The process must still work.
    load(0, buffer)?;
    Ok(Exhausted { in_use, modules, ended })
}

/// A heap reserve for the last modules. Without free address space, the allocator may fail to grow the heap
/// before the loader fails to map memory. Rust then ends the process for lack of memory.
struct Kept(Option<Vec<u8>>);

impl Kept {
    /// More bytes than all modules need that still fit when the heap cannot grow by [`Kept::ONE_LOAD`].
    const BYTES: usize = 16 << 20;
    /// More heap than one load needs.
    const ONE_LOAD: usize = 4 << 20;

    fn new() -> Kept {
        let mut kept = Vec::new();
        Kept(kept.try_reserve_exact(Kept::BYTES).is_ok().then_some(kept))
    }

    /// Makes sure before a load that the heap has room for it, if necessary by freeing this reserve.
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

/// Returns how much of the limited resource the process uses now.
fn in_use(limit: Limit) -> Option<u64> {
    match limit {
        Limit::Mappings => live::mappings(),
        Limit::Descriptors => live::descriptors(),
        Limit::AddressSpace => live::mapped_bytes(),
    }
}
