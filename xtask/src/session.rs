//! What one session measured, saved run by run before anything is made of it.
//!
//! A session is a folder: `session.json` says what was planned and where, `runs.jsonl` has one line
//! a run, written as soon as the run has ended. A run that failed may stand there again, carried out
//! anew: the last line of a run counts.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use loadline_scenario::{Absent, Environment, Means, Metric, Proof, Sample, Scenario, Subject};
use serde::{Deserialize, Serialize};

use crate::accept::Acceptance;
use crate::again::Again;
use crate::forecast::Forecast;
use crate::pilot::Floor;
use crate::profile_file::{self, SavedProfile};
use crate::replace::{make_folder, options, replace, sync_folder};
use crate::runner::Surroundings;
use crate::shard::Shard;

/// The format of the two files.
const FORMAT: u32 = 1;

/// What was planned, and on which machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    /// The format of the session's files.
    pub format: u32,
    /// Seconds since 1970-01-01 UTC.
    pub started: u64,
    /// What decided the order of runs.
    pub seed: u64,
    /// The scenarios by title, with their rungs and rounds.
    pub scenarios: Vec<Planned>,
    /// The machine and the build.
    pub environment: Environment,
    /// The metrics that cannot be counted there.
    pub absent: Vec<Absent>,
    /// Rungs that the machine's limits left out, one sentence each.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Where limits of the system end scenarios.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forecasts: Vec<Forecast>,
    /// How `regress` was asked; a session with another build has none and cannot be taken up.
    #[serde(default)]
    pub asked: Option<Asked>,
    /// The flags that ask `regress` for the same.
    #[serde(default)]
    pub again: Again,
    /// How `baseline` was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// The measured program, by a digest.
    #[serde(default)]
    pub runner: Option<String>,
    /// When every run was there and judged, in seconds since 1970-01-01 UTC.
    #[serde(default)]
    pub finished: Option<u64>,
    /// The other build that was measured in turn with this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
}

/// The build that a session's runs are compared with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Against {
    /// What people call it: `HEAD~1 (66a3cd8)`, `wasmtime 48.0.7`.
    pub name: String,
    /// The argument that asks for it again.
    pub argument: String,
    /// What it was built with.
    pub environment: Environment,
    /// The metrics that it cannot count.
    pub absent: Vec<Absent>,
}

/// Which of a session's builds a run belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Hash)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The one that is judged.
    #[default]
    Now,
    /// The one it is compared with.
    Before,
}

impl Side {
    /// Whether it is the judged one, as in every session with one build only.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_now(&self) -> bool {
        *self == Side::Now
    }
}

/// How `regress` was asked: what decides its verdicts beside the runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// What the measured processes ran under.
    #[serde(flatten)]
    pub surroundings: Surroundings,
    /// The baseline insisted on.
    pub baseline: Option<String>,
    /// Seconds within which undecided series get more rounds.
    pub budget: u64,
    /// What the exit code tells of what stays undecided.
    pub strict: bool,
    /// What it tells of missing baselines.
    pub require_baseline: bool,
    /// Which part of which suite this is, where it is one.
    pub part: Option<Part>,
}

/// How `baseline` was asked, and what it decided before its rounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Capture {
    /// What the measured processes ran under.
    #[serde(flatten)]
    pub surroundings: Surroundings,
    /// Why the baselines are written.
    pub reason: String,
    /// What accepts superlinear growth, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<Acceptance>,
    /// What an empty phase read.
    pub floor: Floor,
    /// The rungs of every session to come, by the scenario's title.
    pub ladders: BTreeMap<String, Vec<usize>>,
}

/// A part of a suite.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    /// Which part.
    pub shard: Shard,
    /// The scenarios of all parts in their order, without controls, as their files plan them.
    pub suite: Vec<Planned>,
}

/// One scenario of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The scenario's title.
    pub scenario: String,
    /// What was changed of how it is measured and judged, field and value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Its rungs.
    pub ladder: Vec<usize>,
    /// How many of them, the largest, were added while it was measured.
    #[serde(default)]
    pub n_larger: usize,
    /// Its rungs under callgrind; empty in sessions that did not say, which have the scenario's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callgrind_ladder: Vec<usize>,
    /// The rounds of runs by means that count exactly, where one does not say the same as another.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inexact: BTreeMap<Means, usize>,
    /// Its rounds; raised before undecided series get more.
    pub processes: usize,
    /// What a run did.
    #[serde(default)]
    pub subject: Option<Subject>,
    /// What the files held that it names, by a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What was counted.
    #[serde(default)]
    pub metrics: Option<Vec<Metric>>,
}

impl Planned {
    /// What is planned of `scenario`.
    pub fn of(scenario: &Scenario) -> Planned {
        Planned {
            scenario: scenario.title(),
            settings: scenario.settings.clone(),
            ladder: scenario.ladder.clone(),
            n_larger: 0,
            callgrind_ladder: scenario.callgrind_ladder.clone(),
            inexact: BTreeMap::new(),
            processes: scenario.processes,
            subject: Some(scenario.subject.clone()),
            digest: scenario.digest.clone(),
            metrics: Some(scenario.metrics()),
        }
    }
}

/// One run, as it ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    /// The scenario's title.
    pub scenario: String,
    /// N.
    pub modules: usize,
    /// The round, from 0.
    pub round: usize,
    /// Which build.
    #[serde(default, skip_serializing_if = "Side::is_now")]
    pub side: Side,
    /// What watched it.
    #[serde(default, skip_serializing_if = "Means::is_clock")]
    pub means: Means,
    /// The file with its costs by symbol, in the session's folder of profiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took, its process included.
    #[serde(default)]
    pub seconds: f64,
}

impl RunRecord {
    /// Whether it came to nothing.
    pub fn has_failed(&self) -> bool {
        self.samples().is_none()
    }

    /// What it read, where it came to anything.
    pub fn samples(&self) -> Option<&[Sample]> {
        match &self.outcome {
            Outcome::Finished { samples, .. } => Some(samples),
            Outcome::Failed { .. } => None,
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It proved its work and gave these readings.
    Finished {
        /// The counts that prove the work.
        proof: Proof,
        /// The readings.
        samples: Vec<Sample>,
    },
    /// It did not.
    Failed {
        /// Why.
        error: String,
    },
}

/// A session's folder while it is written.
#[derive(Debug)]
pub struct Session {
    folder: PathBuf,
    runs: File,
}

impl Session {
    /// Makes a new folder under `sessions` and saves the header there.
    ///
    /// # Errors
    /// When the folder or a file cannot be written.
    pub fn create(sessions: &Path, header: &Header) -> anyhow::Result<Session> {
        let started = timestamp(header.started);
        let folder = sessions.join(format!("{started}-{}", std::process::id()));
        let shown = folder.display().to_string();
        make_folder(&folder).with_context(|| format!("cannot make folder {shown}"))?;
        let path = folder.join("runs.jsonl");
        let runs = options().create_new(true).append(true).open(&path);
        let runs = runs.with_context(|| format!("cannot make {}", path.display()))?;
        keep_others_away(&runs, &path)?;
        let session = Session { folder, runs };
        // Last: where there is a header, there is a session.
        session.save_header(header)?;
        sync_folder(sessions);
        Ok(session)
    }

    /// Opens the session in `folder` to go on with it. What was being written when it was killed is
    /// cut off; every whole line is kept.
    ///
    /// # Errors
    /// When a file is missing or damaged, or another process writes the session.
    pub fn reopen(folder: &Path) -> anyhow::Result<(Session, Header, Vec<RunRecord>)> {
        let path = folder.join("runs.jsonl");
        let shown = path.display();
        let runs = File::options().append(true).open(&path);
        let runs = runs.with_context(|| format!("cannot open {shown}"))?;
        keep_others_away(&runs, &path)?;
        let (header, records) = read(folder)?;
        let text = fs::read(&path).with_context(|| format!("cannot read {shown}"))?;
        let whole = whole_lines(&text).len();
        if whole < text.len() {
            let cut = runs.set_len(whole as u64).and_then(|()| runs.sync_data());
            cut.with_context(|| format!("cannot cut the torn last line off {shown}"))?;
        }
        Ok((Session { folder: folder.to_owned(), runs }, header, records))
    }

    /// Saves what is planned.
    ///
    /// # Errors
    /// When the file cannot be written; the one that was there is intact.
    pub fn save_header(&self, header: &Header) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(header).context("cannot write the session header")?;
        replace(&self.folder.join("session.json"), &text)
    }

    /// Saves one run; when this returns, the run outlives this program.
    ///
    /// # Errors
    /// When the line cannot be written; the lines before it stay.
    pub fn save(&mut self, record: &RunRecord) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(record).context("cannot write the run's record")?;
        line.push(b'\n');
        self.runs.write_all(&line).and_then(|()| self.runs.sync_data()).with_context(|| {
            let path = self.path();
            format!("cannot save a run in {} (runs saved before are intact)", path.display())
        })
    }

    /// Saves the costs by symbol of a run, before the run itself; the file's name.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_profile(&self, name: &str, profile: &SavedProfile) -> anyhow::Result<String> {
        let folder = profile_file::folder(&self.folder);
        make_folder(&folder).with_context(|| format!("cannot make folder {}", folder.display()))?;
        let name = format!("{name}.json");
        profile.write(&folder.join(&name))?;
        Ok(name)
    }

    /// The file with the runs.
    pub fn path(&self) -> PathBuf {
        self.folder.join("runs.jsonl")
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Locks the runs for as long as they are open, so that no session is taken up while it is measured.
/// The machine's lock sees to that on most machines; this one also where there is none.
fn keep_others_away(runs: &File, path: &Path) -> anyhow::Result<()> {
    // Elsewhere the lock would keep readers away as well.
    if cfg!(unix) && matches!(runs.try_lock(), Err(TryLockError::WouldBlock)) {
        bail!("another process is writing {} (wait for it to end)", path.display());
    }
    Ok(())
}

/// The folder of a session that is named by its folder or by a file in it.
pub fn folder(path: &Path) -> &Path {
    if path.is_dir() { path } else { path.parent().unwrap_or(path) }
}

/// The newest of the sessions in `sessions` that `is_own` and has not come to its end.
pub fn newest_unfinished(sessions: &Path, is_own: impl Fn(&Header) -> bool) -> Option<PathBuf> {
    let entries = fs::read_dir(sessions).into_iter().flatten();
    let unfinished = entries.filter_map(|entry| {
        let folder = entry.ok()?.path();
        // What cannot be read is no session to go on with; whoever names it is told why.
        let header = read_header(&folder).ok()?;
        let is_open = header.finished.is_none() && is_own(&header);
        is_open.then_some((header.started, folder))
    });
    unfinished.max().map(|(_, folder)| folder)
}

fn read_header(folder: &Path) -> anyhow::Result<Header> {
    let header = folder.join("session.json");
    let shown = header.display();
    let text = fs::read(&header).with_context(|| format!("cannot read {shown}"))?;
    let header: Header =
        serde_json::from_slice(&text).with_context(|| format!("{shown} is no session"))?;
    ensure!(
        header.format == FORMAT,
        "{shown} has format {}, this version reads {FORMAT} (update loadline)",
        header.format
    );
    Ok(header)
}

/// Reads a saved session: its folder, or the file with the runs in it.
///
/// A last line without an end is a run that was being written when the program was killed: it is
/// left out, and every whole line before it counts.
///
/// # Errors
/// When a file is missing, of another format, or damaged before its last line.
pub fn read(path: &Path) -> anyhow::Result<(Header, Vec<RunRecord>)> {
    ensure!(path.exists(), "there is no session {}", path.display());
    let folder = folder(path);
    let header = read_header(folder)?;
    let runs = folder.join("runs.jsonl");
    let shown = runs.display();
    // Bytes: a torn line may end within a character.
    let bytes = fs::read(&runs).with_context(|| format!("cannot read {shown}"))?;
    let record = |(index, line): (usize, &[u8])| {
        let problem = || format!("{shown}: line {} is no run", index + 1);
        serde_json::from_slice(line).with_context(problem)
    };
    let lines = whole_lines(&bytes).split_inclusive(|byte| *byte == b'\n').enumerate();
    let records = lines.map(record).collect::<anyhow::Result<Vec<_>>>()?;
    Ok((header, records))
}

/// What was written whole: all up to the last end of a line.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    &bytes[..end]
}

impl Header {
    /// A header for a session that starts now.
    pub fn new(
        seed: u64,
        scenarios: Vec<Planned>,
        environment: Environment,
        absent: Vec<Absent>,
    ) -> Header {
        Header {
            format: FORMAT,
            started: now(),
            seed,
            scenarios,
            environment,
            absent,
            left_out: Vec::new(),
            forecasts: Vec::new(),
            asked: None,
            again: Again::default(),
            capture: None,
            runner: None,
            finished: None,
            against: None,
        }
    }
}

/// Seconds since 1970-01-01 UTC.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// `2026-11-23` of seconds since 1970, in UTC.
pub fn date(seconds: u64) -> String {
    rfc3339(seconds)[..10].to_owned()
}

/// `2026-11-23T05-01-33` of seconds since 1970, in UTC.
fn timestamp(seconds: u64) -> String {
    rfc3339(seconds)[..19].replace(':', "-")
}

/// `2026-11-23T05:01:33Z` of seconds since 1970.
pub fn rfc3339(seconds: u64) -> String {
    // The format ends with the year 9999; a clock beyond it is shown as its last second.
    let since = Duration::from_secs(seconds.min(253_402_300_799));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SCENARIO: &str = r#"
format = 1
question = "Does every run do what it was asked for?"
expectation = "It does."
lifecycle = "unload-oldest-first"
unwinds_before_unload = 2
judge = ["unload/task-clock"]
ladder = [64, 128, 256, 512, 1024]
"#;

    /// A scenario with its tables kept or stripped.
    pub fn scenario(tables: &str) -> Scenario {
        let changes = std::collections::BTreeMap::from([("tables".to_owned(), tables.to_owned())]);
        Scenario::parse_with("honest", SCENARIO, &changes).unwrap()
    }

    /// A machine whose every field reads `?`.
    pub fn environment() -> Environment {
        let fields = "loadline wasmtime wasmtime_features cranelift isa isa_flags build \
            unwinder_family unwinder_version unwinder_path libc kernel arch cpu caches processors affinity allocator started_with valgrind \
            perf_event_paranoid address_randomisation max_map_count descriptor_limit memory_bytes";
        let fields = fields.split_whitespace().map(|name| (name.to_owned(), "?".into()));
        serde_json::from_value(serde_json::Value::Object(fields.collect())).unwrap()
    }

    #[test]
    fn dates_are_civil_ones() {
        assert_eq!(timestamp(0), "1970-01-01T00-00-00");
        assert_eq!(timestamp(951_782_400 + 3_661), "2000-02-29T01-01-01");
        assert_eq!(date(1_795_392_000), "2026-11-23");
    }
}
