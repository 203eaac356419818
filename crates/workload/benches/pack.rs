//! Compares packs with `Module::deserialize` on the same artifacts:
//!
//! ```text
//! cargo bench --profile dev -p loadline-workload --bench pack -- --bench
//! cargo bench --profile dev -p loadline-workload --bench pack -- --bench --modules 100000
//! ```
//!
//! The `dev` profile optimises all measured code, and shares its Wasmtime with the tests. Every measurement
//! runs in a new process, which first loads and unloads everything once. The variants take turns. The
//! benchmark prints the median of the rounds per module, and the ratios of the medians. For loading and
//! unloading, it measures the CPU time of the single thread that does them, so that other programs on the
//! machine matter less. For opening, which uses all CPUs, it measures wall time. The artifacts are generated,
//! some 20 KB each, and stripped. 1,000 of them differ in their functions, and all of them differ in their
//! bytes.
//!
//! Unloading means dropping the modules, oldest first, without freeing the vector that held them. Freeing a
//! block of that length makes glibc merge every small block that was freed before. That would add 2 µs to
//! each module in all variants.
#![allow(clippy::unwrap_used, unsafe_code)]

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(not(unix))]
fn main() {
    println!("skipped: packs are for Unix");
}

#[cfg(unix)]
mod unix {
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use loadline_scenario::{Collector, Generated};
    use loadline_workload::corpus::Workshop;
    use loadline_workload::generate;
    use loadline_workload::loader::pack::{self, Digests, Pack, PackOptions, PackWriter};
    use loadline_workload::loader::wasmtime::{Config, Engine};
    use loadline_workload::loader::{Artifact, Loaded, UnwindPolicy};

    const DISTINCT: usize = 1000;
    const ROUNDS: usize = 7;
    /// Every module whose index is a multiple of this number is called.
    const SAMPLE: usize = 251;
    const PACK: &str = "bench.pack";
    const WAYS: [&str; 3] =
        ["Module::deserialize", "pack, digests at open", "pack, digests at load"];

    pub fn main() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words[..] {
            ["--measure", way, modules, home] => {
                measure(way, modules.parse().unwrap(), Path::new(home));
            }
            [.., "--modules", modules] | [.., "--modules", modules, "--bench"] => {
                compare(modules.parse().unwrap());
            }
            [.., "--bench"] => compare(16_384),
            _ => {} // `cargo test` starts benches, too.
        }
    }

    fn compare(modules: usize) {
        let home = tempfile::tempdir().unwrap();
        let artifacts = build(home.path(), modules);
        // Beyond the limit of mappings, `Module::deserialize` cannot be measured for comparison.
        let (ways, rounds) = if modules <= 30_000 { (&WAYS[..], ROUNDS) } else { (&WAYS[1..], 1) };
        let mut rows = vec![Vec::new(); ways.len()];
        for _ in 0..rounds {
            for (way, row) in ways.iter().zip(&mut rows) {
                row.push(Readings::of(way, modules, home.path()));
            }
        }
        println!("{modules} modules of {artifacts} bytes on average, {rounds} rounds");
        println!(
            "{:<24}{:>18}{:>18}{:>10}{:>10}",
            "µs a module", "load", "unload", "open", "mappings"
        );
        let bare = (ways[0] == WAYS[0]).then(|| [1, 2].map(|column| median(&rows[0], column)));
        for (way, row) in ways.iter().zip(&rows) {
            let [open, load, unload] = [0, 1, 2].map(|column| median(row, column));
            let each = |seconds: f64| seconds * 1e6 / modules as f64;
            let mappings = row[0].mappings.map_or("unknown".to_owned(), |count| count.to_string());
            let faster = bare.map_or([const { String::new() }; 2], |[bare_load, bare_unload]| {
                [bare_load / load, bare_unload / unload].map(|ratio| format!(" ({ratio:.2} x)"))
            });
            let [load, unload] = [load, unload].map(|seconds| format!("{:.2}", each(seconds)));
            println!(
                "{way:<24}{:>18}{:>18}{:>10.2}{mappings:>10}",
                load + &faster[0],
                unload + &faster[1],
                each(open),
            );
        }
    }

    /// Makes the artifacts and the pack, and returns the average length.
    fn build(home: &Path, modules: usize) -> usize {
        let workshop = Workshop::generating(Generated::default(), Collector::Clock).unwrap();
        let distinct = (0..DISTINCT.min(modules)).map(|index| {
            let mut artifact = workshop.artifact(index).unwrap();
            artifact.apply(UnwindPolicy::Strip).unwrap();
            artifact.save_unsynced(home.join(format!("{index}.cwasm"))).unwrap();
            artifact
        });
        let distinct: Vec<Artifact> = distinct.collect();
        let mut writer = PackWriter::create(home.join(PACK), None).unwrap();
        for (index, artifact) in numbered(&distinct, modules).enumerate() {
            writer.add(format!("module {index:06}"), &artifact).unwrap();
        }
        writer.finish().unwrap();
        distinct.iter().map(|artifact| artifact.bytes().len()).sum::<usize>() / distinct.len()
    }

    /// Returns `modules` artifacts, which repeat those of `distinct` with different numbers.
    fn numbered(distinct: &[Artifact], modules: usize) -> impl Iterator<Item = Artifact> {
        (0..modules).map(|index| {
            let mut artifact = distinct[index % distinct.len()].clone();
            artifact.number(index as u64);
            artifact
        })
    }

    /// The output of one process: the seconds, and the number of its mappings with everything loaded.
    #[derive(Clone)]
    struct Readings {
        seconds: [f64; 3],
        mappings: Option<usize>,
    }

    impl Readings {
        fn of(way: &str, modules: usize, home: &Path) -> Readings {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let output = command.args(["--measure", way, &modules.to_string()]).arg(home).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8(output.stdout).unwrap();
            let mut numbers = text.split_whitespace();
            let seconds = [(); 3].map(|()| numbers.next().unwrap().parse().unwrap());
            Readings { seconds, mappings: numbers.next().unwrap().parse().ok() }
        }
    }

    fn median(rounds: &[Readings], column: usize) -> f64 {
        let mut seconds: Vec<f64> = rounds.iter().map(|round| round.seconds[column]).collect();
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    }

    fn measure(way: &str, modules: usize, home: &Path) {
        let digests = match way {
            "pack, digests at open" => Some(Digests::AtOpen),
            "pack, digests at load" => Some(Digests::AtLoad),
            _ => None,
        };
        let (open, load, unload, mappings) = match digests {
            Some(digests) => from_pack(modules, &home.join(PACK), digests),
            None => from_bytes(modules, home),
        };
        let mappings = mappings.map_or("unknown".to_owned(), |mappings| mappings.to_string());
        let [open, load, unload] = [open, load, unload].map(|time| time.as_secs_f64());
        println!("{open} {load} {unload} {mappings}");
    }

    type Measured = (Duration, Duration, Duration, Option<usize>);

    fn from_bytes(modules: usize, home: &Path) -> Measured {
        let engine = Engine::new(&Config::new()).unwrap();
        let distinct = (0..DISTINCT.min(modules)).map(|index| {
            let bytes = std::fs::read(home.join(format!("{index}.cwasm"))).unwrap();
            // SAFETY: the parent process has just written the file, in a new folder.
            unsafe { Artifact::trusted(bytes) }.unwrap()
        });
        let distinct: Vec<Artifact> = distinct.collect();
        let artifacts: Vec<Artifact> = numbered(&distinct, modules).collect();
        let load = |index: usize| artifacts[index].load(&engine).unwrap();
        let (load, unload, mappings) = load_and_unload(modules, &engine, load);
        (Duration::ZERO, load, unload, mappings)
    }

    fn from_pack(modules: usize, path: &Path, digests: Digests) -> Measured {
        let mut config = Config::new();
        pack::configure(&mut config);
        let engine = Engine::new(&config).unwrap();
        let began = Instant::now();
        let pack = Pack::open(path, PackOptions::new().digests(digests)).unwrap();
        let open = began.elapsed();
        let load = |index| pack.load_at(&engine, index).unwrap();
        let (load, unload, mappings) = load_and_unload(modules, &engine, load);
        pack.close().unwrap();
        (open, load, unload, mappings)
    }

    fn load_and_unload(
        modules: usize,
        engine: &Engine,
        load: impl Fn(usize) -> Loaded,
    ) -> (Duration, Duration, Option<usize>) {
        drop((0..modules).map(&load).collect::<Vec<Loaded>>());
        let began = processor_time();
        let mut loaded: Vec<Loaded> = (0..modules).map(load).collect();
        let load = processor_time() - began;
        let maps = std::fs::read_to_string("/proc/self/maps").ok();
        for (index, loaded) in loaded.iter().enumerate().step_by(SAMPLE) {
            let call = generate::call(&Generated::default(), index % DISTINCT.min(modules));
            call.check(engine, loaded).unwrap();
        }
        let began = processor_time();
        loaded.drain(..).for_each(drop);
        (load, processor_time() - began, maps.map(|maps| maps.lines().count()))
    }

    /// Returns the CPU time of this thread.
    fn processor_time() -> Duration {
        // SAFETY: for plain data all zeros is a value.
        let mut time: libc::timespec = unsafe { std::mem::zeroed() };
        // SAFETY: every thread has this clock, and the call writes to `time` only.
        let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
        assert_eq!(result, 0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}
