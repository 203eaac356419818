//! [`Worker`]: one thread of the test, which does random operations.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::world::{InUse, MODULES, Open, PACKED, PACKS, World};
use crate::pack::{self, Pack, StillLoaded};
use crate::{Budget, Error, Lease, Loaded, StoreKey, UnwindPolicy};

pub(super) struct Worker<'a> {
    world: &'a World,
    open: &'a Open,
    random: Rng,
    /// Leases, with the engine and the number of the module.
    leases: Vec<(Lease, usize, usize)>,
    instances: Vec<InUse>,
    direct: Vec<Loaded>,
}

/// The most leases and the most instances that a thread keeps.
const MOST_KEPT: usize = 12;

impl<'a> Worker<'a> {
    pub(super) fn new(world: &'a World, open: &'a Open, seed: u64) -> Worker<'a> {
        let random = Rng::with_seed(seed);
        Worker { world, open, random, leases: vec![], instances: vec![], direct: vec![] }
    }

    pub(super) fn work(mut self, end: Instant) {
        while Instant::now() < end {
            self.step();
            self.open.n_operations.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn step(&mut self) {
        match self.random.u32(..1000) {
            0..350 => self.load_packed(),
            350..450 => self.load_from_bytes(),
            450..550 => self.load_from_store(),
            550..600 => self.load_directly(),
            600..780 => self.drop_some(),
            780..900 => self.call_again(),
            900..930 => self.clone_lease(),
            930..960 => self.flush(),
            960..980 => self.reopen(),
            980..990 => self.tend_store(),
            _ => self.look(),
        }
    }

    fn pack(&mut self) -> (usize, Arc<Pack>) {
        let pack = self.random.usize(..PACKS);
        (pack, Arc::clone(&self.open.packs[pack].read().unwrap()))
    }

    fn engine_of(loader: usize) -> usize {
        loader / 2
    }

    /// Loads from a pack, which another thread may close meanwhile.
    fn load_packed(&mut self) {
        let (number, pack) = self.pack();
        let (loader, slot) = (self.random.usize(..3), self.random.usize(..PACKED));
        let index = World::index(number, slot);
        match self.open.loaders[loader].load_packed(&pack, &index.to_string()) {
            Ok(lease) => self.use_lease(lease, Worker::engine_of(loader), index),
            Err(Error::Closed { .. }) => self.count(&self.open.n_refused),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn load_from_bytes(&mut self) {
        let (loader, index) = (self.random.usize(..3), self.random.usize(..MODULES));
        let lease = self.open.loaders[loader].load(&self.world.artifacts[index]).unwrap();
        self.use_lease(lease, Worker::engine_of(loader), index);
    }

    fn load_from_store(&mut self) {
        let (loader, index) = (self.random.usize(..3), self.random.usize(..MODULES));
        let (world, open) = (self.world, self.open);
        if self.random.bool() {
            let lease = open.loaders[loader].load_wasm(&open.store, &world.wasm[index]).unwrap();
            return self.use_lease(lease, Worker::engine_of(loader), index);
        }
        let engine = &world.engines[Worker::engine_of(loader)];
        let key = StoreKey::of(engine, &world.wasm[index], UnwindPolicy::Strip);
        if let Some(lease) = open.loaders[loader].load_key(&open.store, &key).unwrap() {
            self.use_lease(lease, Worker::engine_of(loader), index);
        }
    }

    fn load_directly(&mut self) {
        let (number, pack) = self.pack();
        let slot = self.random.usize(..PACKED);
        let index = World::index(number, slot);
        match pack.load(&self.world.engines[0], &index.to_string()) {
            Ok(loaded) => {
                self.count(&self.open.n_calls);
                drop(self.world.call(0, &loaded, index, self.random.u32(..)));
                if self.direct.len() < 2 {
                    self.direct.push(loaded);
                }
            }
            Err(Error::Loaded { .. } | Error::Closed { .. }) => self.count(&self.open.n_refused),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn use_lease(&mut self, lease: Lease, engine: usize, index: usize) {
        self.count(&self.open.n_calls);
        let instance = self.world.call(engine, &lease, index, self.random.u32(..));
        // An instance may outlive its lease, and a lease its instance.
        if self.random.u8(..4) == 0 && self.instances.len() < MOST_KEPT {
            self.instances.push(instance);
        }
        if self.random.bool() && self.leases.len() < MOST_KEPT {
            self.leases.push((lease, engine, index));
        }
    }

    fn drop_some(&mut self) {
        let all = self.random.u8(..20) == 0;
        let keep = |random: &mut Rng| !all && random.u8(..3) != 0;
        self.leases.retain(|_| keep(&mut self.random));
        self.instances.retain(|_| keep(&mut self.random));
        self.direct.retain(|_| keep(&mut self.random));
    }

    fn call_again(&mut self) {
        self.instances.iter_mut().for_each(InUse::call);
        if let Some((lease, engine, index)) = self.random.choice(&self.leases) {
            self.open.n_calls.fetch_add(1, Ordering::Relaxed);
            drop(self.world.call(*engine, lease, *index, 5));
        }
    }

    fn clone_lease(&mut self) {
        if let Some((lease, engine, index)) = self.random.choice(&self.leases)
            && self.leases.len() < MOST_KEPT
        {
            self.leases.push((lease.clone(), *engine, *index));
        }
    }

    fn flush(&mut self) {
        let loader = &self.open.loaders[self.random.usize(..3)];
        match self.random.u8(..4) {
            0 => loader.flush(),
            1 => loader.trim(Budget { modules: self.random.u64(..20), bytes: u64::MAX }),
            2 => pack::sweep(),
            _ => drop(loader.flush_for(Duration::from_millis(self.random.u64(..20)))),
        }
    }

    /// Opens a pack again, and closes the one that was opened before. A pack in use is dropped instead.
    fn reopen(&mut self) {
        let pack = self.random.usize(..PACKS);
        let new = Arc::new(self.world.open_pack(pack, self.random.bool()));
        self.count(&self.open.n_opened);
        let old = std::mem::replace(&mut *self.open.packs[pack].write().unwrap(), new);
        if self.random.bool() {
            match old.close() {
                Ok(()) | Err(StillLoaded { .. }) => {}
            }
        }
    }

    fn tend_store(&mut self) {
        let store = &self.open.store;
        let wasm = &self.world.wasm[self.random.usize(..MODULES)];
        match self.random.u8(..8) {
            0 => assert_eq!(store.verify().unwrap().set_aside.len(), 0),
            1 => drop(store.gc().unwrap()),
            _ => {
                let key = StoreKey::of(&self.world.engines[0], wasm, UnwindPolicy::Strip);
                store.remove(&key).unwrap();
            }
        }
    }

    /// Reads all counts.
    fn look(&mut self) {
        let (_, pack) = self.pack();
        assert!(pack.n_live() <= PACKED);
        let (published, withdrawn) = pack.counts();
        assert!(published + PACKED as u64 >= withdrawn);
        for loader in &self.open.loaders {
            assert!(loader.population().modules < 1000);
        }
    }

    fn count(&self, count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}
