//! Measures what comes before the first module of a pack, and what a pack takes in memory:
//!
//! ```text
//! cargo bench --profile dev -p loadline-workload --bench opening -- --bench
//! cargo bench --profile dev -p loadline-workload --bench opening -- --bench --modules 4000
//! ```
//!
//! The artifacts are those of the bench `pack`, and the page cache is warm. Every measurement runs in a new
//! process, and the variants take turns. The benchmark prints medians of seven rounds.
//! - First module: the wall time and the CPU time to open a pack and load one module of it. The CPU time is
//!   that of all threads. Other programs on the machine matter less for it.
//! - First load: the CPU time per module to load 1,000 modules once, each for the first time in the process.
//! - Memory: what worker processes take together, after each of them has loaded some modules. It is the
//!   allocated blocks of the shared memory, and of each process `Pss − Pss_Shmem` and `VmPTE`.
#![allow(clippy::unwrap_used, unsafe_code)]

#[cfg(target_os = "linux")]
mod common;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: lazy and shared packs are for Linux");
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::hint::black_box;
    use std::io::{BufRead, BufReader, Write};
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use loadline_workload::loader::Loaded;
    use loadline_workload::loader::pack::{self, Digests, Pack, PackOptions};
    use loadline_workload::loader::wasmtime::{Config, Engine, Module};

    use crate::common::{DISTINCT, PACK, build, call, cpu_time, in_new_process, medians};

    const WORKERS: usize = 20;
    const OPENED: [&str; 4] = ["eager", "eager, digests at load", "lazy", "shared"];
    const FILES: &str = "file and deserialize";

    pub fn main() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words[..] {
            ["--first", way, home] => first_module(way, Path::new(home)),
            ["--loads", way, home] => first_loads(way, Path::new(home)),
            ["--worker", modules] => worker(modules.parse().unwrap()),
            [.., "--modules", modules] | [.., "--modules", modules, "--bench"] => {
                compare(modules.parse().unwrap());
            }
            [.., "--bench"] => compare(32_000),
            _ => {} // `cargo test` starts benches, too.
        }
    }

    fn compare(modules: usize) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(PACK);
        build(&path, modules, DISTINCT, 0, true);
        let memory = Pack::share(&path, PackOptions::new()).unwrap();
        let mebibytes = fs::metadata(&path).unwrap().len() >> 20;
        println!("a pack of {modules} modules, {mebibytes} MiB");
        let medians = |measurement: &str, ways: &[&str]| {
            medians(ways, None, |way| {
                let memory = Stdio::from(memory.try_clone().unwrap());
                in_new_process(&[measurement, way], home.path(), memory)
            })
        };
        for (way, times) in OPENED.iter().zip(medians("--first", &OPENED)) {
            let [wall, cpu] = [times[0] * 1e3, times[1] * 1e3];
            println!("first module, {way:<24}{wall:>10.2} ms, CPU {cpu:.2} ms");
        }
        let ways = [FILES, "lazy", "shared"];
        let times: Vec<f64> = medians("--loads", &ways).iter().map(|times| times[1]).collect();
        for (way, seconds) in ways.iter().zip(&times) {
            let (each, ratio) = (seconds * 1e6 / DISTINCT.min(modules) as f64, seconds / times[0]);
            println!("first load, {way:<26}{each:>10.2} µs ({ratio:.2} x)");
        }
        for loaded in [100, 1000, modules] {
            let [one, all] = [1, WORKERS].map(|workers| kibibytes(workers, loaded, &memory));
            println!(
                "memory, {loaded} modules each{:>12} MiB, {WORKERS} workers {} MiB ({:.3} x)",
                one >> 10,
                all >> 10,
                all as f64 / one as f64
            );
        }
    }

    fn engine() -> Engine {
        let mut config = Config::new();
        pack::configure(&mut config);
        Engine::new(&config).unwrap()
    }

    fn open(way: &str, home: &Path) -> Pack {
        let (path, options) = (home.join(PACK), PackOptions::new());
        match way {
            "shared" => Pack::open_shared(std::io::stdin(), options),
            "lazy" => Pack::open(path, options.lazy()),
            "eager" => Pack::open(path, options),
            _ => Pack::open(path, options.digests(Digests::AtLoad)),
        }
        .unwrap()
    }

    fn first_module(way: &str, home: &Path) {
        let engine = engine();
        let clock = Clock::start(libc::CLOCK_PROCESS_CPUTIME_ID);
        let pack = open(way, home);
        let index = pack.entries().len() / 2;
        let loaded = pack.load_at(&engine, index).unwrap();
        let took = clock.seconds();
        call(index, 0).check(&engine, &loaded).unwrap();
        println!("{} {}", took[0], took[1]);
    }

    /// Loads each distinct artifact once. One module was loaded before, so that Wasmtime's one-time setup is
    /// not measured.
    fn first_loads(way: &str, home: &Path) {
        let engine = engine();
        let pack = (way != FILES).then(|| open(way, home));
        let modules = pack.as_ref().map_or(DISTINCT, |pack| pack.entries().len());
        let load = |index: usize| match &pack {
            // Different images, all over the pack.
            Some(pack) => pack.load_at(&engine, index * (modules / DISTINCT).max(1)).unwrap(),
            None => {
                let bytes = fs::read(home.join(format!("{index}.cwasm"))).unwrap();
                // SAFETY: the parent process has just written the file, in a new folder.
                Loaded::Module(unsafe { Module::deserialize(&engine, bytes) }.unwrap())
            }
        };
        let total = DISTINCT.min(modules);
        let early = load(total - 1);
        let clock = Clock::start(libc::CLOCK_THREAD_CPUTIME_ID);
        let mut loaded: Vec<Loaded> = (0..total - 1).map(load).collect();
        let took = clock.seconds().map(|seconds| seconds * total as f64 / (total - 1) as f64);
        loaded.push(early);
        println!("{} {}", took[0], took[1]);
        black_box(loaded);
    }

    /// Loads modules of the shared pack, and stays until the parent process ends it.
    fn worker(modules: usize) {
        let engine = engine();
        let pack = Pack::open_shared(std::io::stdin(), PackOptions::new()).unwrap();
        let total = pack.entries().len();
        let (modules, step) = (modules.min(total), (total / modules).max(1));
        let load = |index: usize| pack.load_at(&engine, index * step).unwrap();
        let loaded: Vec<Loaded> = (0..modules).map(load).collect();
        call(0, 0).check(&engine, &loaded[0]).unwrap();
        println!("ready");
        std::io::stdout().flush().unwrap();
        loop {
            std::thread::park();
        }
    }

    /// Returns the memory of the workers together, each with `modules` loaded modules.
    fn kibibytes(workers: usize, modules: usize, memory: &OwnedFd) -> u64 {
        let start = |_| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--worker", &modules.to_string()]).stdout(Stdio::piped());
            command.stdin(Stdio::from(memory.try_clone().unwrap())).spawn().unwrap()
        };
        let mut started: Vec<Child> = (0..workers).map(start).collect();
        for worker in &mut started {
            let mut line = String::new();
            BufReader::new(worker.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
        }
        let shared = fs::File::from(memory.try_clone().unwrap()).metadata().unwrap().blocks() / 2;
        let own: u64 = started.iter().map(|worker| own_kibibytes(worker.id())).sum();
        for worker in &mut started {
            worker.kill().unwrap();
            worker.wait().unwrap();
        }
        shared + own
    }

    fn own_kibibytes(process: u32) -> u64 {
        let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap();
        let field = |text: &str, name: &str| -> u64 {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let rollup = read("smaps_rollup");
        let own = field(&rollup, "Pss:") - field(&rollup, "Pss_Shmem:");
        own + field(&read("status"), "VmPTE:")
    }

    /// Measures wall time, and the CPU time of this thread or of the whole process.
    struct Clock {
        began: Instant,
        cpu: libc::clockid_t,
        cpu_began: Duration,
    }

    impl Clock {
        fn start(cpu: libc::clockid_t) -> Clock {
            Clock { began: Instant::now(), cpu, cpu_began: cpu_time(cpu) }
        }

        fn seconds(&self) -> [f64; 2] {
            let cpu = cpu_time(self.cpu) - self.cpu_began;
            [self.began.elapsed(), cpu].map(|time| time.as_secs_f64())
        }
    }
}
