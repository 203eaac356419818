//! Asks git what changed since a regressed scenario was last as it should be: since its baseline was committed,
//! or since the other build.

use std::path::Path;

use loadline_measure::project::folders::Project;
use loadline_measure::project::git;
use loadline_report::model::{ChangedFile, Changes, Commit, Facts};

/// The number of files that are named.
const N_NAMED: usize = 3;

/// Adds what changed to every scenario that regressed, as far as git knows it.
pub fn add(facts: &mut Facts, project: &Project) {
    // The name of another build ends with its commit: `HEAD~1 (66a3cd8)`.
    let build = facts.against.as_ref();
    let of_build = build.map(|build| build.name.trim_end_matches(')').rsplit(" (").next());
    let of_build = of_build.flatten().map(str::to_owned);
    let has_other_build = build.is_some();
    let inside = |path: &Path| {
        let inner = path.strip_prefix(&project.root).ok()?;
        Some(format!(":(exclude){}", inner.display())).filter(|_| inner != Path::new(""))
    };
    let excluded: Vec<String> =
        [project.baselines(), project.target()].iter().filter_map(|path| inside(path)).collect();
    for scenario in facts.scenarios.iter_mut().filter(|scenario| scenario.has_regressed()) {
        let revision = match &scenario.baseline_file {
            _ if has_other_build => of_build.clone(),
            Some(file) => last_commit(&project.root, file),
            None => None,
        };
        scenario.changes = revision.and_then(|one| since(&project.root, &one, &excluded));
    }
}

/// The last commit of `file`. `None` if the file has changes that are not committed, or if the history is cut.
fn last_commit(folder: &Path, file: &str) -> Option<String> {
    let is_clean = is_committed(folder, file)?;
    let hash = git::text(folder, &["log", "-1", "--format=%H", "--", file]).ok()?;
    Some(hash).filter(|hash| is_clean && !hash.is_empty() && !git::is_shallow(folder))
}

/// Whether `path` has no changes that are not committed.
fn is_committed(folder: &Path, path: &str) -> Option<bool> {
    Some(git::text(folder, &["status", "--porcelain", "--", path]).ok()?.is_empty())
}

/// What differs between `revision` and the working tree in `folder`, without what `excluded` matches.
fn since(folder: &Path, revision: &str, excluded: &[String]) -> Option<Changes> {
    let hash = git::commit(folder, revision).ok()??;
    let compare = ["diff", "--numstat", "--no-renames", "--relative", "-z", &hash, "--", "."];
    let excluded = excluded.iter().map(String::as_str);
    let compare: Vec<&str> = compare.into_iter().chain(excluded).collect();
    let bytes = git::bytes(folder, &compare).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut files: Vec<ChangedFile> = text.split('\0').filter_map(changed_file).collect();
    files.sort_by_key(|file| {
        let lines = file.lines.map_or(0, |(added, removed)| added + removed);
        (std::cmp::Reverse(lines), file.path.clone())
    });
    let n_more = files.len().saturating_sub(N_NAMED);
    files.truncate(N_NAMED);
    let last = files.first().and_then(|file| last_change(folder, &hash, &file.path));
    Some(Changes { since: commit(folder, &["-1", &hash])?, files, n_more, last })
}

/// Reads a record of `git diff --numstat -z`. A binary file has dashes in place of numbers.
fn changed_file(record: &str) -> Option<ChangedFile> {
    let mut fields = record.splitn(3, '\t');
    let (added, removed, path) = (fields.next()?, fields.next()?, fields.next()?);
    let lines = added.parse().ok().zip(removed.parse().ok());
    Some(ChangedFile { path: path.to_owned(), lines })
}

/// The last commit since `hash` that changed `path`. `None` if the path has changes that are not committed.
fn last_change(folder: &Path, hash: &str, path: &str) -> Option<Commit> {
    let is_clean = is_committed(folder, path)?;
    let range = format!("{hash}..HEAD");
    commit(folder, &["-1", &range, "--", path]).filter(|_| is_clean)
}

/// The commit that `git log` prints with these arguments.
fn commit(folder: &Path, arguments: &[&str]) -> Option<Commit> {
    let line = git::text(folder, &[&["log", "--format=%h%x09%s"], arguments].concat()).ok()?;
    let (hash, subject) = line.split_once('\t')?;
    Some(Commit { hash: hash.to_owned(), subject: subject.to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let own = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"];
        git::text(folder, &[&own, arguments].concat()).unwrap();
    }

    fn commit_all(folder: &Path, subject: &str) {
        git(folder, &["add", "--all"]);
        git(folder, &["commit", "--quiet", "--message", subject]);
    }

    #[test]
    fn changes_since_the_baseline_are_named_with_their_commit() {
        let folder = tempfile::TempDir::new().unwrap();
        let folder = folder.path();
        assert_eq!(last_commit(folder, "baselines/a.toml"), None);
        git(folder, &["init", "--quiet"]);
        fs::create_dir(folder.join("baselines")).unwrap();
        fs::write(folder.join("baselines/a.toml"), "1\n").unwrap();
        fs::write(folder.join("host.py"), "one\ntwo\n").unwrap();
        commit_all(folder, "first capture");
        let excluded = [":(exclude)baselines".to_owned()];
        let changes = || {
            let revision = last_commit(folder, "baselines/a.toml")?;
            since(folder, &revision, &excluded)
        };
        assert!(changes().unwrap().sentence().starts_with("no tracked file changed since "));

        fs::write(folder.join("host.py"), "one\ntwo two\nthree\n").unwrap();
        for name in ["a b", "c", "d"] {
            fs::write(folder.join(name), "1\n").unwrap();
        }
        commit_all(folder, "make it quadratic");
        let Changes { since, files, n_more, last } = changes().unwrap();
        assert_eq!(since.subject, "first capture");
        let file = |path: &str, lines| ChangedFile { path: path.to_owned(), lines: Some(lines) };
        assert_eq!(files, [file("host.py", (2, 1)), file("a b", (1, 0)), file("c", (1, 0))]);
        assert_eq!((n_more, last.unwrap().subject.as_str()), (1, "make it quadratic"));

        // What is not committed is no commit's doing.
        fs::write(folder.join("host.py"), "1\n2\n3\n4\n").unwrap();
        assert_eq!(changes().unwrap().last, None);
        // Git does not know since when a baseline is valid that is not committed.
        fs::write(folder.join("baselines/a.toml"), "2\n").unwrap();
        assert_eq!(changes(), None);
    }
}
