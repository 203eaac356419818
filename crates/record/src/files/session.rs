//! Saves what a session measured, run by run, before anything else uses the data.
//!
//! A session is a folder. `session.json` says what was planned and where. `runs.jsonl` has one line per run,
//! written as soon as the run ended. A run that failed and ran again has several lines, and the last one
//! counts.

use crate::{Context, Result, bail, ensure};
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::files::atomic::{make_folder, options, replace, sync_folder};
use crate::files::format1::FormatOnly;
use crate::files::header::{FORMAT, Header, RunRecord};
use crate::files::profile::{self, SavedProfile};
use crate::time::timestamp;

/// The folder of a session while Loadline writes it.
#[derive(Debug)]
pub struct Session {
    folder: PathBuf,
    runs: File,
}

impl Session {
    /// Makes a new folder under `sessions` and saves the header there.
    ///
    /// # Errors
    /// Returns an error if the folder or a file cannot be written.
    pub fn create(sessions: &Path, header: &Header) -> Result<Session> {
        let name = format!("{}-{}", timestamp(header.started), std::process::id());
        // A process may begin several sessions within a second.
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let mut folders =
            std::iter::once(name.clone()).chain(numbered).map(|name| sessions.join(name));
        let folder = folders.find(|folder| !folder.exists()).expect("there is no last number");
        let shown = folder.display().to_string();
        make_folder(&folder).with_context(|| format!("cannot make folder {shown}"))?;
        let path = folder.join("runs.jsonl");
        let runs = options().create_new(true).append(true).open(&path);
        let runs = runs.with_context(|| format!("cannot make {}", path.display()))?;
        keep_others_away(&runs, &path)?;
        let session = Session { folder, runs };
        // The header is written last, because a folder with a header counts as a session.
        session.save_header(header)?;
        sync_folder(sessions);
        Ok(session)
    }

    /// Opens the session in `folder` to continue it. A line that was incomplete when Loadline was killed is
    /// cut off; every whole line is kept.
    ///
    /// # Errors
    /// Returns an error if a file is missing or damaged, or if another process writes the session.
    pub fn reopen(folder: &Path) -> Result<(Session, Header, Vec<RunRecord>)> {
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

    /// Saves the header, which holds the plan.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written. The old file is intact then.
    pub fn save_header(&self, header: &Header) -> Result<()> {
        let text = serde_json::to_vec_pretty(header).context("cannot write the session header")?;
        replace(&self.folder.join("session.json"), &text)
    }

    /// Saves one run. When this function returns, the line survives the end of this program.
    ///
    /// # Errors
    /// Returns an error if the line cannot be written. The lines before it stay.
    pub fn save(&mut self, record: &RunRecord) -> Result<()> {
        let mut line = serde_json::to_vec(record).context("cannot write the run's record")?;
        line.push(b'\n');
        self.runs.write_all(&line).and_then(|()| self.runs.sync_data()).with_context(|| {
            let path = self.path();
            format!("cannot save a run in {} (runs saved before are intact)", path.display())
        })
    }

    /// Saves the costs by function of a run, before the run itself, and returns the name of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn save_profile(&self, name: &str, profile: &SavedProfile) -> Result<String> {
        let folder = profile::folder(&self.folder);
        make_folder(&folder).with_context(|| format!("cannot make folder {}", folder.display()))?;
        let name = format!("{name}.json");
        profile.write(&folder.join(&name))?;
        Ok(name)
    }

    /// Returns the path of the file with the runs.
    pub fn path(&self) -> PathBuf {
        self.folder.join("runs.jsonl")
    }

    /// Returns the session's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Locks the runs file while it is open, so that no other process resumes a session that is being measured.
/// Most machines already have a machine-wide lock for this; this lock also works without it.
fn keep_others_away(runs: &File, path: &Path) -> Result<()> {
    // On other systems the lock would keep readers away as well.
    if cfg!(unix) && matches!(runs.try_lock(), Err(TryLockError::WouldBlock)) {
        bail!("another process is writing {} (wait for it to end)", path.display());
    }
    Ok(())
}

/// Returns the folder of a session that is named by its folder or by a file in it.
pub fn folder(path: &Path) -> &Path {
    if path.is_dir() { path } else { path.parent().unwrap_or(path) }
}

/// Finds the newest unfinished session in `sessions` for which `is_own` is true.
pub fn newest_unfinished(sessions: &Path, is_own: impl Fn(&Header) -> bool) -> Option<PathBuf> {
    let entries = fs::read_dir(sessions).into_iter().flatten();
    let unfinished = entries.filter_map(|entry| {
        let folder = entry.ok()?.path();
        // A session that cannot be read is skipped here. A user who names it gets the error.
        let header = read_header(&folder).ok()?;
        let is_open = header.finished.is_none() && is_own(&header);
        is_open.then_some((header.started, folder))
    });
    unfinished.max().map(|(_, folder)| folder)
}

/// Reads the header of the session in `folder`.
///
/// # Errors
/// Returns an error if there is no session, or none that this version can read.
pub fn read_header(folder: &Path) -> Result<Header> {
    let header = folder.join("session.json");
    let shown = header.display();
    let text = fs::read(&header).with_context(|| format!("cannot read {shown}"))?;
    let problem = || format!("{shown} is not a session");
    let format: FormatOnly = serde_json::from_slice(&text).with_context(problem)?;
    format.check(FORMAT, "measure again").with_context(|| format!("cannot read {shown}"))?;
    serde_json::from_slice(&text).with_context(problem)
}

/// Reads a saved session from its folder, or from the file with its runs.
///
/// A last line without a line end is a run that Loadline was writing when it was killed. This function skips
/// it and keeps every whole line before it.
///
/// # Errors
/// Returns an error if a file is missing, has another format, or is damaged before its last line.
pub fn read(path: &Path) -> Result<(Header, Vec<RunRecord>)> {
    ensure!(path.exists(), "there is no session {}", path.display());
    let folder = folder(path);
    let header = read_header(folder)?;
    let runs = folder.join("runs.jsonl");
    let shown = runs.display();
    // The file is read as bytes, because an incomplete line may end within a character.
    let bytes = fs::read(&runs).with_context(|| format!("cannot read {shown}"))?;
    let record = |(index, line): (usize, &[u8])| {
        let problem = || format!("{shown}: line {} is not a run", index + 1);
        serde_json::from_slice(line).with_context(problem)
    };
    let lines = whole_lines(&bytes).split_inclusive(|byte| *byte == b'\n').enumerate();
    let records = lines.map(record).collect::<Result<Vec<_>>>()?;
    Ok((header, records))
}

/// Returns all bytes up to the last line end.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixtures::environment;

    #[test]
    fn two_sessions_may_begin_within_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let header = Header::new(7, Vec::new(), environment(), Vec::new());
        let sessions = [(); 3].map(|()| Session::create(folder.path(), &header).unwrap());
        let mut names: Vec<_> = sessions.iter().map(|session| session.path().to_owned()).collect();
        assert!(names.is_sorted(), "{names:?}");
        names.dedup();
        assert_eq!(names.len(), 3);
        assert!(names.iter().all(|name| read(name).is_ok()));
    }
}
