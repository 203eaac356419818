//! Sends requests to the runner like `cargo xtask`: one request, one process, one answer.

// Each test program uses only a part of this module.
#![allow(dead_code)]

mod forbidden;

use std::io::Write;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};

use loadline_scenario::{
    Absent, Collector, Corpus, Engines, Exhaust, Exhausted, Generated, Limit, LoadFrom, LoadOrder,
    Measure, Message, Metric, Modules, NCounts, Phase, Prepare, Profiler, Proof, Reading, Request,
    Sample, Scope, Tables, UnloadOrder, Workload,
};

/// A runner with its own cache.
pub struct Runner {
    cache: tempfile::TempDir,
}

/// The conditions under which a runner is started.
#[derive(Clone, Copy)]
pub struct Started<'a> {
    runner: &'a Runner,
    unwinder: Option<&'a str>,
    /// The system calls that the kernel must refuse to the runner.
    forbidden: &'static [libc::c_long],
    /// The error that the kernel returns for them.
    errno: i32,
    /// Whether the runner runs under a seccomp filter with a listener.
    is_listened_to: bool,
}

/// The answer of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub proof: Proof,
    pub samples: Vec<Sample>,
    modules: usize,
}

pub fn not_zero(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

pub fn generated() -> Corpus {
    Corpus::Generated(Generated::default())
}

/// Returns a workload that loads from bytes with tables kept, calls one in 16 modules, and drops the oldest
/// first.
pub fn modules(corpus: Corpus) -> Modules {
    Modules {
        corpus,
        tables: Tables::Keep,
        load_from: LoadFrom::Bytes,
        load_order: LoadOrder::hold_all(UnloadOrder::OldestFirst),
        call_every: not_zero(16),
        n_counts: NCounts::Modules,
        count: not_zero(1),
        engines: Engines::One,
        profiler: Profiler::None,
    }
}

impl Runner {
    pub fn new() -> Runner {
        Runner { cache: tempfile::tempdir().unwrap() }
    }

    pub fn prepare(&self, workload: &Workload, modules: usize) {
        if let Workload::Registration(registration) = workload {
            let cache = self.cache.path().to_owned();
            let request = Request::PrepareTables { functions: registration.functions, cache };
            self.as_usual().ask(&request).unwrap();
        }
        let Workload::Modules(Modules { corpus, tables, .. }) = workload else { return };
        let (corpus, cache) = (corpus.clone(), self.cache.path().to_owned());
        let request =
            Prepare { corpus, tables: *tables, modules, cache, collector: Collector::Clock };
        self.as_usual().ask(&Request::Prepare(request)).unwrap();
    }

    pub fn exhaust(
        &self,
        workload: Modules,
        limit: Limit,
        lowered: Option<u64>,
        artifacts: usize,
        most: usize,
    ) -> Result<Exhausted, String> {
        let cache = self.cache.path().to_owned();
        let request = Exhaust { workload, limit, lowered, artifacts, most, cache };
        let messages = self.as_usual().ask(&Request::Exhaust(request))?;
        match messages.as_slice() {
            [Message::Exhausted(met)] => Ok(met.clone()),
            other => panic!("{other:?}"),
        }
    }

    /// Returns the total number of entries in the unwind tables of the first `modules` artifacts, according
    /// to the only manifest in the cache.
    pub fn fdes(&self, modules: usize) -> u64 {
        let folders = self.cache.path().read_dir().unwrap();
        let manifests: Vec<_> =
            folders.map(|folder| folder.unwrap().path().join("manifest.json")).collect();
        let [manifest] = manifests.as_slice() else { panic!("{manifests:?}") };
        let text = std::fs::read_to_string(manifest).unwrap();
        let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        rows[..modules].iter().map(|row| row["fdes"].as_u64().unwrap()).sum()
    }

    fn as_usual(&self) -> Started<'_> {
        let errno = libc::EPERM;
        Started { runner: self, unwinder: None, forbidden: &[], errno, is_listened_to: false }
    }

    pub fn preloading<'a>(&'a self, unwinder: Option<&'a str>) -> Started<'a> {
        Started { unwinder, ..self.as_usual() }
    }

    pub fn forbidding(&self, forbidden: &'static [libc::c_long]) -> Started<'_> {
        Started { forbidden, ..self.as_usual() }
    }

    pub fn refusing(&self, forbidden: &'static [libc::c_long], errno: i32) -> Started<'_> {
        Started { forbidden, errno, ..self.as_usual() }
    }

    pub fn listened_to(&self) -> Started<'_> {
        Started { is_listened_to: true, ..self.as_usual() }
    }

    pub fn measure(&self, workload: &Workload, modules: usize, metrics: &[Metric]) -> Answer {
        self.as_usual().measure(workload, modules, metrics)
    }

    pub fn measure_by(
        &self,
        collector: Collector,
        workload: &Workload,
        modules: usize,
        metrics: &[Metric],
    ) -> Result<Answer, String> {
        self.as_usual().measure_by(collector, workload, modules, metrics)
    }
}

impl Started<'_> {
    /// Does a run in which operations are counted.
    pub fn measure(&self, workload: &Workload, modules: usize, metrics: &[Metric]) -> Answer {
        self.measure_by(Collector::Count, workload, modules, metrics).unwrap()
    }

    pub fn measure_by(
        &self,
        collector: Collector,
        workload: &Workload,
        modules: usize,
        metrics: &[Metric],
    ) -> Result<Answer, String> {
        let (workload, metrics) = (workload.clone(), metrics.to_vec());
        let cache = self.runner.cache.path().to_owned();
        let processors = Vec::new();
        let request = Measure {
            workload,
            modules,
            seed: 1,
            metrics,
            cache,
            collector,
            processors,
            dumps: None,
        };
        let mut answer = Answer { proof: Proof::default(), samples: Vec::new(), modules };
        for message in self.ask(&Request::Measure(request))? {
            match message {
                Message::Proof(proof) => answer.proof = proof,
                Message::Sample(sample) => answer.samples.push(sample),
                other => panic!("{other:?}"),
            }
        }
        Ok(answer)
    }

    /// Returns the metrics that cannot be counted, according to a description of the machine.
    pub fn absent(&self, metrics: &[Metric]) -> Vec<Absent> {
        let (metrics, processors) = (metrics.to_vec(), Vec::new());
        let messages = self.ask(&Request::Describe { metrics, processors }).unwrap();
        let absent = messages.into_iter().filter_map(|message| match message {
            Message::Absent(absent) => Some(absent),
            _ => None,
        });
        absent.collect()
    }

    /// Returns every message but the last, which must be `Done`.
    fn ask(&self, request: &Request) -> Result<Vec<Message>, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadline-runner"));
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(unwinder) = self.unwinder {
            command.env("LD_PRELOAD", unwinder);
        }
        if !self.forbidden.is_empty() {
            forbidden::forbid(&mut command, self.forbidden, self.errno);
        }
        if self.is_listened_to {
            forbidden::listen_to(&mut command);
        }
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&serde_json::to_vec(request).unwrap()).unwrap();
        let output = child.wait_with_output().unwrap();
        let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
        let mut messages: Vec<Message> =
            lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        match messages.pop() {
            Some(Message::Done) => Ok(messages),
            Some(Message::Failed { error }) => Err(error),
            other => panic!("{other:?}, {output:?}"),
        }
    }
}

impl Answer {
    /// Returns the reading of the whole process with all modules.
    pub fn reading(&self, phase: Phase, metric: Metric) -> Reading {
        self.at(self.modules, phase, metric)
    }

    /// Returns the reading of the whole process with all modules, which must be a count.
    pub fn exact(&self, phase: Phase, metric: Metric) -> u64 {
        match self.reading(phase, metric) {
            Reading::Exact(count) => count,
            other => panic!("{phase}/{metric}: {other:?}"),
        }
    }

    /// Returns the only reading of the whole process at a population.
    pub fn at(&self, modules: usize, phase: Phase, metric: Metric) -> Reading {
        let is_it = |s: &&Sample| {
            (s.modules, s.phase, s.metric, s.scope) == (modules, phase, metric, Scope::Process)
        };
        let found: Vec<&Sample> = self.samples.iter().filter(is_it).collect();
        let [sample] = found.as_slice() else { panic!("{phase}/{metric} at {modules}: {found:?}") };
        sample.reading
    }

    /// Returns the counts of each thread.
    pub fn of_threads(&self, phase: Phase, metric: Metric) -> Vec<u64> {
        let is_it = |s: &&Sample| {
            (s.phase, s.metric) == (phase, metric) && matches!(s.scope, Scope::Thread(_))
        };
        let counts = self.samples.iter().filter(is_it).map(|sample| sample.reading.value());
        counts.map(|count| count.unwrap() as u64).collect()
    }
}
