//! What changed in a repository since the cost of a scenario was last accepted.

use serde::Serialize;

/// The changes of a repository since a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// The commit that the working tree is compared with: that of the baseline, or the other build's.
    pub since: Commit,
    /// The files with the most changed lines, the most changed first.
    pub files: Vec<ChangedFile>,
    /// How many further files changed.
    pub n_more: usize,
    /// The last commit that changed the first file; `None` if its changes are not committed.
    pub last: Option<Commit>,
}

/// A changed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedFile {
    /// The file, from the repository's root.
    pub path: String,
    /// The number of added and of removed lines; `None` for a binary file.
    pub lines: Option<(u64, u64)>,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// The abbreviated hash.
    pub hash: String,
    /// The subject of its message.
    pub subject: String,
}

impl Changes {
    /// Says which files changed, like `changed since c28b5b9 (first capture): host.py (+1 −1), last by 38487b3
    /// (make it quadratic)`.
    pub fn sentence(&self) -> String {
        let Changes { since, files, n_more, last } = self;
        let of_commit = |commit: &Commit| format!("{} ({})", commit.hash, commit.subject);
        let since = of_commit(since);
        if files.is_empty() {
            return format!("no tracked file changed since {since}");
        }
        let file = |file: &ChangedFile| match file.lines {
            Some((added, removed)) => format!("{} (+{added} −{removed})", file.path),
            None => format!("{} (binary)", file.path),
        };
        let mut named = files.iter().map(file).collect::<Vec<_>>().join(", ");
        named.push_str(&match n_more {
            0 => String::new(),
            1 => " and 1 more file".to_owned(),
            n => format!(" and {n} more files"),
        });
        let whose = if files.len() > 1 { format!("{} ", files[0].path) } else { String::new() };
        let last = match last {
            Some(commit) => format!("{whose}last by {}", of_commit(commit)),
            None => format!("{whose}not committed"),
        };
        format!("changed since {since}: {named}; {last}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_one_sentence() {
        let commit = |hash: &str, subject: &str| Commit {
            hash: hash.to_owned(),
            subject: subject.to_owned(),
        };
        let file = |path: &str, lines| ChangedFile { path: path.to_owned(), lines };
        let mut changes = Changes {
            since: commit("c28b5b9", "first capture"),
            files: vec![file("host.py", Some((1, 1)))],
            n_more: 0,
            last: Some(commit("38487b3", "make it quadratic")),
        };
        assert_eq!(
            changes.sentence(),
            "changed since c28b5b9 (first capture): host.py (+1 −1); last by 38487b3 (make it quadratic)"
        );
        changes.files.push(file("a.bin", None));
        (changes.n_more, changes.last) = (4, None);
        assert_eq!(
            changes.sentence(),
            "changed since c28b5b9 (first capture): host.py (+1 −1), a.bin (binary) and 4 more files; host.py not committed"
        );
        changes.files.clear();
        assert_eq!(changes.sentence(), "no tracked file changed since c28b5b9 (first capture)");
    }
}
