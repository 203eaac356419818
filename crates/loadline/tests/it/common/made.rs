//! Sessions and baselines with made-up readings: the files that `regress` and `baseline` would have
//! written, had a machine cost exactly this.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use loadline_scenario::{
    Absence, Absent, Environment, Metric, Proof, Random, Reading, Sample, Scope, SeriesName,
};
use serde_json::json;

/// The sizes of all made-up scenarios.
pub const SIZES: [usize; 7] = [64, 128, 256, 512, 1024, 2048, 4096];

/// The repetitions of all made-up scenarios.
pub const REPETITIONS: usize = 5;

/// The cost of N modules, and by how much a reading of it typically differs.
#[derive(Clone, Copy)]
pub struct Cost {
    pub per_module: f64,
    /// The share of the cost at the top size that grows with N to the power of `power`.
    pub quadratic: f64,
    pub power: i32,
    pub noise: f64,
}

/// A session in the making.
pub struct Made {
    pub environment: Environment,
    absent: Vec<Absent>,
    /// What another build was called, where one was measured in turn.
    pub against: Option<&'static str>,
    planned: Vec<serde_json::Value>,
    runs: Vec<serde_json::Value>,
}

impl Cost {
    pub const fn linear(per_module: f64, noise: f64) -> Cost {
        Cost { per_module, quadratic: 0.0, power: 2, noise }
    }

    pub const fn quadratic(per_module: f64, share: f64, noise: f64) -> Cost {
        Cost { per_module, quadratic: share, power: 2, noise }
    }

    pub const fn cubic(per_module: f64, share: f64, noise: f64) -> Cost {
        Cost { per_module, quadratic: share, power: 3, noise }
    }

    /// The reading at `modules` in one repetition of one series, always the same.
    fn reading(&self, full_name: &str, name: SeriesName, modules: usize, repetition: usize) -> u64 {
        let text = format!("{full_name} {name} {modules} {repetition}");
        let seed = text.bytes().fold(0, |seed: u64, byte| seed * 131 % (1 << 48) + u64::from(byte));
        let mut random = Random::new(seed);
        // The sum of twelve uniform numbers has variance 1.
        let uniform = |random: &mut Random| random.below(1 << 32) as f64 / (1_u64 << 32) as f64;
        let normal = (0..12).map(|_| uniform(&mut random)).sum::<f64>() - 6.0;
        let n = modules as f64;
        let top = SIZES[SIZES.len() - 1] as f64;
        let linear = self.per_module * n;
        let shape = (n / top).powi(self.power - 1);
        let grown = linear * self.quadratic / (1.0 - self.quadratic) * shape;
        ((linear + grown) * (1.0 + self.noise * normal)).round() as u64
    }
}

impl Made {
    /// A session of no scenario yet, that sees the growth of its self-checks.
    pub fn new() -> Made {
        Made::with_self_check(0.20)
    }

    /// A session in which `share` of the cost of the self-check with 20 % growth really grows.
    pub fn with_self_check(share: f64) -> Made {
        let mut made = Made::without_self_check();
        let cpu = |share| [("work/task-clock", Cost::quadratic(200_000.0, share, 0.004))];
        let pages = |share| {
            [
                ("work/page-faults", Cost::quadratic(40.0, share, 0.0)),
                ("work/resident-bytes", Cost::quadratic(40.0 * 4096.0, share, 0.0)),
            ]
        };
        made.scenario("self-check-cpu-linear", &cpu(0.0));
        made.scenario("self-check-cpu-linear-again", &cpu(0.0));
        made.scenario("self-check-cpu-quadratic", &cpu(share));
        made.scenario("self-check-pages-linear", &pages(0.0));
        made.scenario("self-check-pages-quadratic", &pages(share));
        made
    }

    /// A session without a self-check.
    pub fn without_self_check() -> Made {
        Made {
            environment: environment(),
            absent: Vec::new(),
            against: None,
            planned: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// The self-check of what callgrind counts.
    pub fn check_callgrind(&mut self) -> &mut Made {
        for (full_name, share) in
            [("self-check-callgrind-linear", 0.0), ("self-check-callgrind-quadratic", 0.2)]
        {
            self.planned.push(json!({"scenario": full_name, "sizes": CALLGRIND, "callgrind_sizes": CALLGRIND, "repetitions": REPETITIONS}));
            let top = CALLGRIND[CALLGRIND.len() - 1] as f64;
            for (n, repetition) in CALLGRIND.iter().map(|n| (*n, 0)).chain([(64, 1)]) {
                let linear = 1e5 * n as f64;
                let own = (linear * (1.0 + share / (1.0 - share) * n as f64 / top)) as u64;
                self.runs.push(counted(full_name, n, repetition, "work", own));
            }
        }
        self
    }

    /// Nothing here can count `metric`.
    pub fn absent(&mut self, metric: Metric, absence: Absence) -> &mut Made {
        self.absent.push(Absent::everywhere(metric, absence));
        self
    }

    /// All runs of the scenario `full_name`.
    pub fn scenario(&mut self, full_name: &str, series: &[(&str, Cost)]) -> &mut Made {
        self.planned.push(json!({"scenario": full_name, "sizes": SIZES, "callgrind_sizes": CALLGRIND, "repetitions": REPETITIONS}));
        self.runs_by("now", full_name, series)
    }

    /// All runs of the scenario `full_name` as the other build carried them out.
    pub fn before(&mut self, full_name: &str, series: &[(&str, Cost)]) -> &mut Made {
        self.runs_by("before", full_name, series)
    }

    fn runs_by(&mut self, side: &str, full_name: &str, series: &[(&str, Cost)]) -> &mut Made {
        // The other build's noise is its own.
        let seed = if side == "now" { full_name.to_owned() } else { format!("{full_name} {side}") };
        for repetition in 0..REPETITIONS {
            for modules in SIZES {
                let sample = |(name, cost): &(&str, Cost)| {
                    let name: SeriesName = name.parse().unwrap();
                    let count = cost.reading(&seed, name, modules, repetition);
                    Sample {
                        phase: name.phase,
                        metric: name.metric,
                        scope: Scope::Process,
                        modules,
                        reading: Reading::Exact(count),
                    }
                };
                let samples: Vec<Sample> = series.iter().map(sample).collect();
                let finished = json!({"proof": Proof::default(), "samples": samples});
                let run = json!({
                    "scenario": full_name, "modules": modules, "repetition": repetition, "side": side,
                    "outcome": {"finished": finished},
                });
                self.runs.push(run);
            }
        }
        self
    }

    /// At N up to `largest` the phases of `full_name` are over before `metric` is read.
    pub fn too_short(&mut self, full_name: &str, metric: Metric, largest: u64) -> &mut Made {
        for run in self.runs.iter_mut().filter(|run| run["scenario"] == full_name) {
            let is_short = run["modules"].as_u64() <= Some(largest);
            let samples = &mut run["outcome"]["finished"]["samples"];
            for sample in samples.as_array_mut().unwrap().iter_mut().filter(|_| is_short) {
                if sample["metric"] == metric.to_string() {
                    sample["reading"] = json!({"unavailable": "too-short"});
                }
            }
        }
        self
    }

    /// The last run of the last scenario came to nothing.
    pub fn fail_last(&mut self, error: &str) -> &mut Made {
        self.runs.last_mut().unwrap()["outcome"] = json!({"failed": {"error": error}});
        self
    }

    /// Every run of the scenario `full_name` came to nothing; `{n}` in `error` is its N.
    pub fn fail_all(&mut self, full_name: &str, error: &str) -> &mut Made {
        for run in self.runs.iter_mut().filter(|run| run["scenario"] == full_name) {
            let error = error.replace("{n}", &run["modules"].to_string());
            run["outcome"] = json!({"failed": {"error": error}});
        }
        self
    }

    /// Every run takes so many seconds.
    pub fn takes(&mut self, seconds: f64) -> &mut Made {
        self.runs.iter_mut().for_each(|run| run["seconds"] = json!(seconds));
        self
    }

    /// The text of `session.json`.
    pub fn header(&self) -> String {
        let mut header = json!({
            "format": 2, "started": 0, "seed": 1, "scenarios": self.planned,
            "environment": self.environment, "absent": self.absent,
        });
        if let Some(name) = self.against {
            header["against"] = json!({
                "name": format!("{name} (0123456789)"), "argument": format!("--against {name}"),
                "environment": self.environment, "absent": self.absent,
            });
        }
        header.to_string()
    }

    /// The text of `runs.jsonl`.
    pub fn runs(&self) -> String {
        self.runs.iter().map(|run| format!("{run}\n")).collect()
    }

    /// Writes the session's files into `folder`.
    pub fn save(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("session.json"), self.header()).unwrap();
        fs::write(folder.join("runs.jsonl"), self.runs()).unwrap();
    }
}

/// The sizes of runs under callgrind.
const CALLGRIND: [u64; 7] = [8, 16, 32, 64, 128, 256, 512];

/// A run under callgrind that executed `total` instructions in `phase`.
fn counted(
    full_name: &str,
    n: u64,
    repetition: usize,
    phase: &str,
    total: u64,
) -> serde_json::Value {
    let sample = json!({"phase": phase, "metric": "callgrind-instructions",
        "scope": "process", "modules": n, "reading": {"exact": total}});
    let proof = serde_json::to_value(Proof::default()).unwrap();
    json!({"scenario": full_name, "modules": n, "repetition": repetition, "collector": "callgrind",
        "outcome": {"finished": {"proof": proof, "samples": [sample]}}})
}

/// The instructions of one function, over N.
pub type Function = (&'static str, &'static str, fn(u64) -> u64);

/// Runs under callgrind with these costs in `unload`, next to what a session holds already.
pub fn profile(session: &Path, full_name: &str, place: usize, functions: &[Function]) {
    let folder = session.join("profiles");
    fs::create_dir_all(&folder).unwrap();
    let mut runs = fs::read_to_string(session.join("runs.jsonl")).unwrap();
    for (n, repetition) in CALLGRIND.iter().map(|n| (*n, 0)).chain([(64, 1)]) {
        let function = |(object, function, own): &Function| {
            json!({"object": object, "function": function, "own": own(n), "inclusive": own(n),
                "calls": n, "path": ["main"]})
        };
        let is_there = |(_, _, own): &&Function| own(n) > 0;
        let unload: Vec<serde_json::Value> =
            functions.iter().filter(is_there).map(function).collect();
        let total: u64 = functions.iter().map(|(_, _, own)| own(n)).sum();
        let name = format!("{place}-{n}-{repetition}.json");
        fs::write(folder.join(&name), json!({"phases": {"unload": unload}}).to_string()).unwrap();
        let mut run = counted(full_name, n, repetition, "unload", total);
        run["profile"] = json!(name);
        writeln!(runs, "{run}").unwrap();
    }
    fs::write(session.join("runs.jsonl"), runs).unwrap();
}

/// The text of a baseline file for a scenario as written, measured in `environment`.
pub fn baseline(environment: &Environment, series: &[(&str, Cost)]) -> String {
    let Environment { arch, .. } = environment;
    let (unwinder, wasmtime) = (environment.unwinder(), environment.wasmtime_major());
    let described = toml::to_string(environment).unwrap();
    let mut text = format!(
        "format = 2\n\n[[baseline]]\nreason = \"made up\"\ndate = \"2026-01-01\"\nseed = 1\n\
         sizes = {SIZES:?}\nnoise_floor = {{}}\n\n\
         [baseline.key]\nvariant = {{}}\nunwinder = \"{unwinder}\"\nwasmtime = \"{wasmtime}\"\n\
         arch = \"{arch}\"\n\n[baseline.environment]\n{described}"
    );
    for (name, cost) in series {
        let name: SeriesName = name.parse().unwrap();
        let unit = name.metric.unit();
        write!(text, "\n[[baseline.series]]\nname = \"{name}\"\nunit = \"{unit}\"\n").unwrap();
        writeln!(text, "interleaved = true\nsamples = [").unwrap();
        for modules in SIZES {
            let reading =
                |repetition| cost.reading("baseline", name, modules, repetition).to_string();
            let readings: Vec<String> = (0..REPETITIONS).map(reading).collect();
            writeln!(text, "  [{modules}, {}],", readings.join(", ")).unwrap();
        }
        text.push_str("]\n");
    }
    text
}

/// A machine that does not exist.
pub fn environment() -> Environment {
    let text = |text: &str| text.to_owned();
    Environment {
        loadline: text("0.1.0"),
        wasmtime: text("48.0.8"),
        wasmtime_features: text("component-model cranelift runtime std"),
        cranelift: text("0.135.8"),
        isa: text("x86_64-unknown-linux-gnu"),
        isa_flags: text("opt_level=none"),
        build: text("linux-gnu optimised"),
        unwinder_family: text("libgcc-list"),
        unwinder_version: text("12.2.0"),
        unwinder_path: text("/lib/libgcc_s.so.1"),
        libc: text("glibc 2.36"),
        kernel: text("linux 6.1"),
        arch: text("x86_64"),
        cpu: text("Model A"),
        caches: text("L1d 32K, L2 1024K, L3 32768K"),
        processors: text("2"),
        affinity: text("0-1"),
        allocator: text("glibc.malloc.mxfast=0"),
        valgrind: text("3.19.0"),
        started_with: text("arguments: loadline-runner; environment: GLIBC_TUNABLES"),
        perf_event_paranoid: text("2"),
        address_randomisation: text("off"),
        max_map_count: text("65530"),
        descriptor_limit: text("20000"),
        memory_bytes: text("8000000000"),
    }
}
