//! What one session measured, saved run by run before anything is made of it.
//!
//! A session is a folder: `session.json` says what was planned and where, `runs.jsonl` has one line
//! a run, written as soon as the run has ended.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use loadline_scenario::{Absent, Environment, Proof, Sample};
use serde::{Deserialize, Serialize};

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
}

/// One scenario of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Planned {
    /// The scenario's title.
    pub scenario: String,
    /// Its rungs.
    pub ladder: Vec<usize>,
    /// Its rounds as planned; undecided series get more.
    pub processes: usize,
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
    /// What came of it.
    pub outcome: Outcome,
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
        fs::create_dir_all(&folder).with_context(|| format!("cannot make folder {shown}"))?;
        let text = serde_json::to_vec_pretty(header).context("cannot write the session header")?;
        replace(&folder.join("session.json"), &text)?;
        let path = folder.join("runs.jsonl");
        let runs = File::options().create_new(true).append(true).open(&path);
        let runs = runs.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Session { folder, runs })
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

    /// The file with the runs.
    pub fn path(&self) -> PathBuf {
        self.folder.join("runs.jsonl")
    }
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
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
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
    let runs = folder.join("runs.jsonl");
    let shown = runs.display();
    let text = fs::read_to_string(&runs).with_context(|| format!("cannot read {shown}"))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let record = |(index, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("{shown}: line {} is no run", index + 1))
    };
    let records = whole.lines().enumerate().map(record).collect::<anyhow::Result<Vec<_>>>()?;
    Ok((header, records))
}

impl Header {
    /// A header for a session that starts now.
    pub fn new(
        seed: u64,
        scenarios: Vec<Planned>,
        environment: Environment,
        absent: Vec<Absent>,
    ) -> Header {
        Header { format: FORMAT, started: now(), seed, scenarios, environment, absent }
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

fn rfc3339(seconds: u64) -> String {
    // The format ends with the year 9999; a clock beyond it is shown as its last second.
    let since = Duration::from_secs(seconds.min(253_402_300_799));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

/// Writes `bytes` to `path` so that a reader sees the old file or the new one, whole.
///
/// # Errors
/// When the folder does not take the file; the old one is untouched.
pub fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let shown = path.display();
    let folder = path.parent().with_context(|| format!("{shown} has no folder"))?;
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write in {}", folder.display()))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .with_context(|| format!("cannot write {shown} (what was there is untouched)"))?;
    let mut permissions = file.as_file().metadata()?.permissions();
    readable(&mut permissions);
    file.as_file().set_permissions(permissions)?;
    file.persist(path).with_context(|| format!("cannot replace {shown}"))?;
    Ok(())
}

/// Temporary files are private; what replaces a file of the repository must not be.
#[cfg(unix)]
fn readable(permissions: &mut fs::Permissions) {
    std::os::unix::fs::PermissionsExt::set_mode(permissions, 0o644);
}

#[cfg(not(unix))]
fn readable(_: &mut fs::Permissions) {}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A machine whose every field reads `?`.
    pub fn environment() -> Environment {
        let fields = "loadline wasmtime wasmtime_features cranelift isa isa_flags build \
            unwinder_family unwinder_version unwinder_path libc kernel arch cpu caches processors \
            perf_event_paranoid address_randomisation max_map_count descriptor_limit memory_bytes";
        let fields = fields.split_whitespace().map(|name| (name.to_owned(), "?".into()));
        serde_json::from_value(serde_json::Value::Object(fields.collect())).unwrap()
    }

    /// The old file or the new one, whole: a folder that takes no file leaves the old one.
    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"old").unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(replace(&folder.path().join("gone/file"), b"new").is_err());
    }

    #[test]
    fn dates_are_civil_ones() {
        assert_eq!(timestamp(0), "1970-01-01T00-00-00");
        assert_eq!(timestamp(951_782_400 + 3_661), "2000-02-29T01-01-01");
        assert_eq!(date(1_795_392_000), "2026-11-23");
    }
}
