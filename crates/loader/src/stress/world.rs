//! [`World`]: the modules, files and engines of the test. [`Open`]: what its threads share.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use wasmtime::{Config, Engine, Instance, Trap};

use crate::pack::{self, Pack, PackOptions};
use crate::{
    Artifact, ArtifactStore, Budget, Eviction, LoadObserver, LoadRecord, Loaded, Loader,
    LoaderOptions, Origin, StoreOptions, UnloadRecord, UnwindPolicy, compile,
};

pub(super) const MODULES: usize = 48;
/// Each pack has this many modules. Packs overlap.
pub(super) const PACKED: usize = 24;
pub(super) const PACKS: usize = 3;

/// What does not change during the test.
pub(super) struct World {
    home: tempfile::TempDir,
    /// The last pack in memory that processes can share.
    shared: Option<OwnedFd>,
    pub(super) wasm: Vec<Vec<u8>>,
    pub(super) artifacts: Vec<Artifact>,
    pub(super) engines: [Engine; 2],
}

/// What the threads share and change.
pub(super) struct Open {
    pub(super) packs: [RwLock<Arc<Pack>>; PACKS],
    pub(super) loaders: [Loader; 3],
    pub(super) store: ArtifactStore,
    events: Arc<Events>,
    pub(super) n_operations: AtomicU64,
    pub(super) n_calls: AtomicU64,
    pub(super) n_refused: AtomicU64,
    pub(super) n_opened: AtomicU64,
}

#[derive(Debug, Default)]
struct Events {
    loaded: AtomicU64,
    shared: AtomicU64,
    copied: AtomicU64,
    unloaded: AtomicU64,
    evicted: AtomicU64,
}

impl LoadObserver for Events {
    fn loaded(&self, record: &LoadRecord<'_>) {
        let count = if record.is_shared { &self.shared } else { &self.loaded };
        count.fetch_add(1, Ordering::Relaxed);
        let is_copy = !record.is_shared && record.origin == Origin::PackCopy;
        self.copied.fetch_add(u64::from(is_copy), Ordering::Relaxed);
    }

    fn unloaded(&self, _: &UnloadRecord) {
        self.unloaded.fetch_add(1, Ordering::Relaxed);
    }

    fn evicted(&self, _: &Eviction) {
        self.evicted.fetch_add(1, Ordering::Relaxed);
    }
}

fn wasm(index: usize) -> Vec<u8> {
    let data = "\\2a".repeat(if index.is_multiple_of(3) { 1 + index * 60 } else { 0 });
    let more: String = (0..index % 7 * 4)
        .map(|n| format!("(func (export \"{n}\") (result i64) (i64.const {n}))"))
        .collect();
    let text = format!(
        r#"(module (memory (export "memory") 1) (data (i32.const 8) "{data}")
             (func (export "xor") (param i32) (result i32)
               (i32.xor (i32.add (local.get 0) (i32.const 7)) (i32.const {index})))
             (func (export "divide") (param i32) (result i32)
               (i32.div_u (i32.const {index}) (local.get 0)))
             {more})"#
    );
    wat::parse_str(text).unwrap()
}

impl World {
    pub(super) fn new() -> World {
        let engine = || {
            let mut config = Config::new();
            pack::configure(&mut config);
            // Otherwise each instance takes gigabytes of address space.
            config.memory_reservation(1 << 20).memory_guard_size(1 << 16);
            Engine::new(&config).unwrap()
        };
        let engines = [engine(), engine()];
        let wasm: Vec<Vec<u8>> = (0..MODULES).map(wasm).collect();
        let artifacts: Vec<Artifact> =
            wasm.iter().map(|wasm| compile::bytes(&engines[0], wasm).unwrap()).collect();
        let home = tempfile::tempdir().unwrap();
        let mut world = World { home, shared: None, wasm, artifacts, engines };
        for pack in 0..PACKS {
            let named = (0..PACKED).map(|slot| {
                let index = World::index(pack, slot);
                (index.to_string(), &world.artifacts[index])
            });
            Pack::build(world.pack(pack), None, named).unwrap();
        }
        world.shared = Some(Pack::share(world.pack(PACKS - 1), PackOptions::new()).unwrap());
        world
    }

    /// Returns the number of the module that a pack has at a place.
    pub(super) fn index(pack: usize, slot: usize) -> usize {
        (pack * 12 + slot) % MODULES
    }

    fn pack(&self, pack: usize) -> PathBuf {
        self.home.path().join(format!("{pack}.pack"))
    }

    /// Opens a pack. The second is always lazy. The third is lazy or shared.
    pub(super) fn open_pack(&self, pack: usize, is_lazy: bool) -> Pack {
        let options = PackOptions::new();
        match (pack, &self.shared) {
            (0, _) => Pack::open(self.pack(pack), options).unwrap(),
            (2, Some(memory)) if !is_lazy => Pack::open_shared(memory, options).unwrap(),
            _ => Pack::open(self.pack(pack), options.lazy()).unwrap(),
        }
    }

    pub(super) fn open(&self) -> Open {
        #[cfg(feature = "native-unwind")]
        let _ = crate::native_unwind::enable();
        let events = Arc::new(Events::default());
        let options = || LoaderOptions::new().observer(events.clone());
        let budget = Budget { modules: 20, bytes: 1 << 20 };
        let loaders = [
            Loader::new(&self.engines[0], options().budget(budget)),
            Loader::new(&self.engines[0], options().policy(UnwindPolicy::Keep)),
            Loader::new(&self.engines[1], options()),
        ];
        let store = self.home.path().join("store");
        // Half of the modules fit.
        let bytes =
            self.artifacts.iter().map(|artifact| artifact.contents().bytes as u64).sum::<u64>();
        let options = StoreOptions::new().max_bytes(bytes / 2).unsynced().observer(events.clone());
        let packs = std::array::from_fn(|pack| RwLock::new(Arc::new(self.open_pack(pack, true))));
        let store = ArtifactStore::open(store, options).unwrap();
        let [n_operations, n_calls, n_refused, n_opened] = Default::default();
        Open { packs, loaders, store, events, n_operations, n_calls, n_refused, n_opened }
    }

    /// Calls a module, and checks its result, its data and a trap.
    pub(super) fn call(
        &self,
        engine: usize,
        loaded: &Loaded,
        index: usize,
        argument: u32,
    ) -> InUse {
        let Loaded::Module(module) = loaded else { panic!("a module") };
        let mut store = wasmtime::Store::new(&self.engines[engine], ());
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        let xor = instance.get_typed_func::<u32, u32>(&mut store, "xor").unwrap();
        let found = xor.call(&mut store, argument).unwrap();
        assert_eq!(found, argument.wrapping_add(7) ^ index as u32, "module {index}");
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let last = if index.is_multiple_of(3) { 8 + index * 60 } else { 0 };
        assert_eq!(memory.data(&store)[last], if last == 0 { 0 } else { 42 }, "module {index}");
        let divide = instance.get_typed_func::<u32, u32>(&mut store, "divide").unwrap();
        let trap = divide.call(&mut store, 0).unwrap_err();
        assert_eq!(trap.downcast_ref::<Trap>(), Some(&Trap::IntegerDivisionByZero));
        InUse { store, instance, index }
    }
}

/// An instance, which keeps its module.
pub(super) struct InUse {
    store: wasmtime::Store<()>,
    instance: Instance,
    index: usize,
}

impl InUse {
    /// Calls a module that may have no lease any more.
    pub(super) fn call(&mut self) {
        let xor = self.instance.get_typed_func::<u32, u32>(&mut self.store, "xor").unwrap();
        assert_eq!(xor.call(&mut self.store, 1).unwrap(), 8 ^ self.index as u32);
    }
}

impl Open {
    /// Closes everything, and checks that nothing is left.
    pub(super) fn close(self, world: &World) {
        for loader in &self.loaders {
            loader.trim(Budget { modules: 0, bytes: 0 });
            loader.flush();
            assert_eq!(loader.population(), crate::Population::default());
        }
        let Events { loaded, unloaded, .. } = &*self.events;
        let [loaded, unloaded] = [loaded, unloaded].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(loaded, unloaded, "modules are left");
        for pack in self.packs {
            let pack = pack.into_inner().unwrap();
            assert_eq!(pack.n_live(), 0);
            let (published, withdrawn) = pack.counts();
            assert_eq!(published, withdrawn);
            pack.close().unwrap();
        }
        pack::sweep();
        // The store is sound.
        assert_eq!(self.store.verify().unwrap().set_aside.len(), 0);
        for (index, wasm) in world.wasm.iter().enumerate() {
            world.call(0, &self.store.load(&world.engines[0], wasm).unwrap(), index, 3);
        }
        assert_eq!(self.store.counts().set_aside, 0);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(!maps.contains("loadline-pack"), "memory of a pack is left");
        drop(self.loaders);
        // The threads that unload end in the background.
        while std::fs::read_dir("/proc/self/task").unwrap().any(|task| {
            let name =
                task.ok().and_then(|task| std::fs::read_to_string(task.path().join("comm")).ok());
            name.is_some_and(|name| name.starts_with("loadline-unload"))
        }) {
            std::thread::yield_now();
        }
    }
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut open = f.debug_struct("Open");
        open.field("n_calls", &self.n_calls).field("n_refused", &self.n_refused);
        open.field("n_opened", &self.n_opened).field("events", &self.events);
        open.field("store", &self.store.counts()).finish()
    }
}

/// What this process uses.
#[derive(Debug)]
pub(super) struct InProcess {
    pub(super) descriptors: usize,
    pub(super) mappings: usize,
    /// The number of mappings with code.
    pub(super) executable: usize,
    /// The memory that is used, in KB.
    pub(super) rss_kb: usize,
}

pub(super) fn in_process() -> InProcess {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    InProcess {
        descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        mappings: maps.lines().count(),
        executable: maps.lines().filter(|line| line.contains(" r-x")).count(),
        rss_kb: rss.trim().trim_end_matches(" kB").parse().unwrap(),
    }
}

/// CPU time since the start of the machine, in ticks.
pub(super) struct CpuTicks {
    /// The time that this process used.
    own: u64,
    /// The time that all programs used.
    used: u64,
    /// The time of all CPUs.
    all: u64,
}

pub(super) fn cpu_ticks() -> CpuTicks {
    let numbers = |text: &str| -> Vec<u64> {
        text.split_whitespace().map(|word| word.parse().unwrap_or(0)).collect()
    };
    let machine = std::fs::read_to_string("/proc/stat").unwrap();
    let process = std::fs::read_to_string("/proc/self/stat").unwrap();
    // User, nice, system, idle, waiting for disks, two kinds of interrupts, and other virtual machines.
    let machine = numbers(machine.lines().next().unwrap().trim_start_matches("cpu"));
    let process = numbers(process.rsplit_once(')').unwrap().1);
    let all = machine[..8].iter().sum();
    CpuTicks { own: process[11] + process[12], used: all - machine[3] - machine[4], all }
}

impl CpuTicks {
    /// Returns the share of the CPU time that other programs took, from this time to another.
    pub(super) fn share_of_others(&self, later: &CpuTicks) -> f64 {
        let own = later.own - self.own;
        (later.used - self.used).saturating_sub(own) as f64 / (later.all - self.all).max(1) as f64
    }
}
