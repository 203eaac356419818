//! Compares packs with `Module::deserialize` and `Module::deserialize_file` on the same artifacts:
//!
//! ```text
//! cargo bench --profile dev -p loadline-workload --bench pack -- --bench
//! cargo bench --profile dev -p loadline-workload --bench pack -- --bench --modules 100000
//! ```
//!
//! The `dev` profile optimises all measured code, and shares its Wasmtime with the tests. Every measurement
//! runs in a new process, and the variants take turns. The benchmark prints medians of the rounds per module,
//! and ratios of the medians. All times are CPU times, so that other programs on the machine matter less:
//! those of the single thread that loads and, for opening, those of all threads.
//! - First pass: opening, and then the first instance of each module. Nothing was loaded before. For
//!   `Module::deserialize`, opening means to read the files. The page cache is warm.
//! - Load and unload: in a second pass. Unloading means dropping the modules, oldest first, without freeing the
//!   vector that held them. Freeing a block of that length makes glibc merge every small block that was freed
//!   before. That would add 2 µs to each module in all variants.
//! - First instance: in a third pass. It means to load a module, to make an instance of it in a new store, to
//!   call a function, and to drop the store. The modules stay loaded.
//! - Next instance: the same without loading.
//!
//! The artifacts are generated and stripped, some 20 KB each without their data. 1,000 of them differ in their
//! functions, and all of them differ in their bytes. Each has its own file. The function that is called reads
//! one word of the data.
#![allow(clippy::unwrap_used, unsafe_code)]

#[cfg(target_os = "linux")]
mod common;

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: packs are measured on Linux");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::Path;
    use std::process::Stdio;
    use std::time::Duration;

    use loadline_workload::loader::Loaded;
    use loadline_workload::loader::pack::{self, Digests, Pack, PackOptions};
    use loadline_workload::loader::wasmtime::{Config, Engine, Module};

    use crate::common::{DISTINCT, PACK, build, call, cpu_time, in_new_process, medians};

    const BYTES: &str = "Module::deserialize";
    const FILES: &str = "Module::deserialize_file";
    const AT_LOAD: &str = "pack, digests at load";
    const LAZY: &str = "pack, lazy";
    const WAYS: [&str; 5] = [BYTES, FILES, "pack, digests at open", AT_LOAD, LAZY];
    const NO_COW: &str = "pack, memory_init_cow(false)";
    const NO_COW_PACK: &str = "no-cow.pack";
    /// The amounts of data in KiB.
    const DATA: [usize; 6] = [1, 4, 8, 16, 48, 128];

    pub fn main() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words[..] {
            ["--measure", way, modules, kib, home] => {
                measure(way, modules.parse().unwrap(), kib.parse().unwrap(), Path::new(home));
            }
            [.., "--modules", modules] | [.., "--modules", modules, "--bench"] => {
                without_data(modules.parse().unwrap());
            }
            [.., "--bench"] => {
                without_data(16_384);
                DATA.into_iter().for_each(with_data);
            }
            _ => {} // `cargo test` starts benches, too.
        }
    }

    fn without_data(modules: usize) {
        // Beyond the limits of mappings and descriptors, only packs can be measured.
        match modules <= 18_000 {
            true => compare(&WAYS, None, modules, 0),
            false => compare(&WAYS[2..4], Some(1), modules, 0),
        }
    }

    fn with_data(kib: usize) {
        compare(&[&WAYS[..4], &[NO_COW]].concat(), None, DISTINCT, kib);
    }

    fn compare(ways: &[&str], rounds: Option<usize>, modules: usize, kib: usize) {
        let home = tempfile::tempdir().unwrap();
        let files = if ways.contains(&FILES) { modules } else { 0 };
        let bytes = build(&home.path().join(PACK), modules, files, kib, true);
        if ways.contains(&NO_COW) {
            build(&home.path().join(NO_COW_PACK), modules, 0, kib, false);
        }
        let rows = medians(ways, rounds, |way| {
            let arguments = ["--measure", way, &modules.to_string(), &kib.to_string()];
            in_new_process(&arguments, home.path(), Stdio::null())
        });
        println!("\n{modules} modules of {bytes} bytes on average, {kib} KiB of data");
        println!(
            "{:<30}{:>16}{:>16}{:>16}{:>16}{:>16}{:>10}{:>10}",
            "µs per module",
            "load",
            "unload",
            "first instance",
            "next instance",
            "first pass",
            "open",
            "mappings"
        );
        for (way, row) in ways.iter().zip(&rows) {
            print!("{way:<30}");
            for (time, first) in row[..5].iter().zip(&rows[0]) {
                print!("{:>16}", format!("{time:.2} ({:.2} x)", first / time));
            }
            println!("{:>10.2}{:>10}", row[5], row[6]);
        }
    }

    fn measure(way: &str, modules: usize, kib: usize, home: &Path) {
        let mut config = Config::new();
        config.memory_init_cow(way != NO_COW);
        let file = |index: usize| home.join(format!("{index}.cwasm"));
        let began = cpu_time(libc::CLOCK_PROCESS_CPUTIME_ID);
        let open = || cpu_time(libc::CLOCK_PROCESS_CPUTIME_ID) - began;
        if way == BYTES {
            let files: Vec<Vec<u8>> =
                (0..modules).map(|index| fs::read(file(index)).unwrap()).collect();
            let (open, engine) = (open(), Engine::new(&config).unwrap());
            // SAFETY: the parent process has just written the files, in a new folder.
            let load = |index: usize| unsafe { Module::deserialize(&engine, &files[index]) };
            passes(modules, kib, &engine, open, |index| Loaded::Module(load(index).unwrap()));
        } else if way == FILES {
            let engine = Engine::new(&config).unwrap();
            // SAFETY: as above.
            let load = |index| unsafe { Module::deserialize_file(&engine, file(index)) };
            let load = |index| Loaded::Module(load(index).unwrap());
            passes(modules, kib, &engine, Duration::ZERO, load);
        } else {
            let options = PackOptions::new();
            let options = match way {
                AT_LOAD => options.digests(Digests::AtLoad),
                LAZY => options.lazy(),
                _ => options,
            };
            let path = home.join(if way == NO_COW { NO_COW_PACK } else { PACK });
            let pack = Pack::open(path, options).unwrap();
            let open = open();
            pack::configure(&mut config);
            let engine = Engine::new(&config).unwrap();
            passes(modules, kib, &engine, open, |index| pack.load_at(&engine, index).unwrap());
            pack.close().unwrap();
        }
    }

    fn passes(
        modules: usize,
        kib: usize,
        engine: &Engine,
        open: Duration,
        load: impl Fn(usize) -> Loaded,
    ) {
        let calls: Vec<_> = (0..modules).map(|index| call(index, kib)).collect();
        let first = |index: usize| {
            let loaded = load(index);
            calls[index].check(engine, &loaded).unwrap();
            loaded
        };
        // The vector is allocated before the time is taken, because glibc then merges the freed blocks.
        let pass = |load: &dyn Fn(usize) -> Loaded| {
            let mut loaded = Vec::with_capacity(modules);
            (timed(|| loaded.extend((0..modules).map(load))), loaded)
        };
        let (first_pass, loaded) = pass(&first);
        drop(loaded);
        let (load, mut loaded) = pass(&load);
        let mappings = fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        let unload = timed(|| loaded.drain(..).for_each(drop));
        let (first_instance, loaded) = pass(&first);
        let next_instance = timed(|| {
            calls
                .iter()
                .zip(&loaded)
                .for_each(|(call, loaded)| call.check(engine, loaded).unwrap());
        });
        for time in [load, unload, first_instance, next_instance, open + first_pass, open] {
            println!("{}", time.as_secs_f64() * 1e6 / modules as f64);
        }
        println!("{mappings}");
    }

    fn timed(work: impl FnOnce()) -> Duration {
        let began = cpu_time(libc::CLOCK_THREAD_CPUTIME_ID);
        work();
        cpu_time(libc::CLOCK_THREAD_CPUTIME_ID) - began
    }
}
