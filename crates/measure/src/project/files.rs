//! Finds the files that a scenario names, and takes a digest of their contents. Compiles nothing.

use loadline_record::{Context, Error, Exit, Result};
use std::fs::File;
use std::path::{Path, PathBuf};

use loadline_scenario::{Command, Corpus, Modules, Scenario, Workload};

use crate::project::folders::Project;

/// How many digits of a digest are kept. They only have to distinguish files; they are no security measure.
const DIGITS: usize = 16;

/// The files that `scenario` names, relative to the root of `project`. They are its modules, or the program
/// and scripts of its command. Empty for a generated scenario.
///
/// # Errors
/// When a pattern is invalid, or no file matches it.
pub fn of(project: &Project, scenario: &Scenario) -> Result<Vec<PathBuf>> {
    match &scenario.workload {
        Workload::Modules(Modules { corpus: Corpus::Files(patterns), .. }) => {
            matching(&project.root, patterns).with_context(|| format!("scenario {}", scenario.name))
        }
        Workload::Modules(Modules { corpus: Corpus::Generated(_), .. })
        | Workload::Registration(_)
        | Workload::SelfCheck(_) => Ok(Vec::new()),
        Workload::Command(command) => Ok(of_command(&project.programs.located(command))),
    }
}

/// The files under `root` that match `patterns`. They keep the order of the patterns, are sorted within each
/// pattern, and appear once.
///
/// # Errors
/// When a pattern is invalid, or no file matches it.
pub fn matching(root: &Path, patterns: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for pattern in patterns {
        for file in matching_one(root, pattern)? {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

fn matching_one(root: &Path, pattern: &Path) -> Result<Vec<PathBuf>> {
    let shown = pattern.display();
    // A file name may contain characters that have a meaning in a pattern.
    let literal = root.join(pattern);
    if literal.is_file() {
        return Ok(vec![literal]);
    }
    let refuse =
        |problem: String| Error::new(Exit::WrongFile, format!("modules = {shown}: {problem}"));
    let text = pattern.to_str().ok_or_else(|| refuse("it is not UTF-8".to_owned()))?;
    let root_text = root.to_str().ok_or_else(|| {
        refuse(format!("the repository {} lies in a folder that is not UTF-8", root.display()))
    })?;
    let whole = match pattern.is_absolute() {
        true => text.to_owned(),
        false => format!("{}/{text}", glob::Pattern::escape(root_text)),
    };
    let found =
        glob::glob(&whole).map_err(|error| refuse(format!("it is not a pattern: {error}")))?;
    let mut files = Vec::new();
    for path in found {
        let path = path.map_err(|error| refuse(format!("cannot be searched: {error}")))?;
        if path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        let root = root.display();
        return Err(refuse(format!(
            "no file in {root} matches it (paths are relative to this folder)"
        )));
    }
    files.sort();
    Ok(files)
}

/// The files among the words of a command that is ready to be started. They are its program, if named by a
/// path, and every argument that is a file. Files that these files load are not known.
fn of_command(command: &Command) -> Vec<PathBuf> {
    let program = program(command);
    let arguments = command.arguments.iter().skip(1).map(|word| command.directory.join(word));
    program.into_iter().chain(arguments).filter(|path| path.is_file()).collect()
}

/// The program of a command that is ready to be started, if the command names it by a path.
pub fn program(command: &Command) -> Option<PathBuf> {
    let program = command.arguments.first().filter(|program| program.contains('/'))?;
    Some(command.directory.join(program))
}

/// A digest of the contents of `files`, in their order. `None` for an empty list. File names do not count.
///
/// # Errors
/// When a file cannot be read.
pub fn digest(files: &[PathBuf]) -> Result<Option<String>> {
    if files.is_empty() {
        return Ok(None);
    }
    let mut all = blake3::Hasher::new();
    for path in files {
        let mut one = blake3::Hasher::new();
        let read = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut one));
        read.with_context(|| format!("cannot read {}", path.display()))?;
        all.update(one.finalize().as_bytes());
    }
    Ok(Some(all.finalize().to_hex()[..DIGITS].to_owned()))
}

/// Returns `scenario` with the digest of the current contents of its files.
///
/// # Errors
/// As for [`of`] and [`digest`].
pub fn read(project: &Project, scenario: Scenario) -> Result<Scenario> {
    Ok(Scenario { digest: digest(&of(project, &scenario)?)?, ..scenario })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A folder whose name has a meaning in a pattern. Each file in it holds its own name.
    fn folder(names: &[&str]) -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let root = folder.path().join("a [b] *");
        for name in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
        }
        (folder, root)
    }

    fn found(root: &Path, patterns: &[&str]) -> Result<Vec<String>> {
        let patterns: Vec<PathBuf> = patterns.iter().map(PathBuf::from).collect();
        let files = matching(root, &patterns)?;
        let name =
            |path: &PathBuf| path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        Ok(files.iter().map(name).collect())
    }

    #[test]
    fn patterns_are_sorted_and_a_file_stands_once() {
        let (_folder, root) = folder(&["m/b.wasm", "m/a.wasm", "m/deep/c.wasm", "m/d.txt"]);
        assert_eq!(found(&root, &["m/*.wasm"]).unwrap(), ["m/a.wasm", "m/b.wasm"]);
        let all = ["m/b.wasm", "m/a.wasm", "m/deep/c.wasm"];
        assert_eq!(found(&root, &["m/b.wasm", "m/**/*.wasm"]).unwrap(), all);
        let whole = root.join("m/d.txt");
        assert_eq!(found(&root, &[whole.to_str().unwrap()]).unwrap(), ["m/d.txt"]);
    }

    #[test]
    fn a_name_is_no_pattern_where_there_is_such_a_file() {
        let (_folder, root) = folder(&["[x].wasm", "x.wasm"]);
        assert_eq!(found(&root, &["[x].wasm"]).unwrap(), ["[x].wasm"]);
        assert_eq!(found(&root, &["[x-z].wasm"]).unwrap(), ["x.wasm"]);
    }

    #[test]
    fn a_pattern_that_nothing_matches_is_named() {
        let (_folder, root) = folder(&["m/a.wasm"]);
        for pattern in ["m/*.cwasm", "n/a.wasm", "m", "m/[", ""] {
            let error = found(&root, &["m/*.wasm", pattern]).unwrap_err();
            assert_eq!(error.exit(), Exit::WrongFile);
            let error = error.to_string();
            assert!(error.starts_with(&format!("modules = {pattern}: ")), "{error}");
        }
    }

    #[test]
    fn the_digest_is_of_contents_in_their_order() {
        let (_folder, root) = folder(&["a.wasm", "b.wasm"]);
        let [a, b] = ["a.wasm", "b.wasm"].map(|name| root.join(name));
        let of = |files: &[&PathBuf]| {
            digest(&files.iter().map(|file| (*file).clone()).collect::<Vec<_>>()).unwrap()
        };
        let both = of(&[&a, &b]).unwrap();
        assert_eq!(both.len(), DIGITS);
        assert_ne!(of(&[&b, &a]).unwrap(), both);
        assert_ne!(of(&[&a]).unwrap(), both);
        assert_eq!(of(&[]), None);
        let moved = root.join("c.wasm");
        fs::rename(&a, &moved).unwrap();
        assert_eq!(of(&[&moved, &b]).unwrap(), both);
        fs::write(&moved, "another").unwrap();
        assert_ne!(of(&[&moved, &b]).unwrap(), both);
        assert!(digest(&[a]).is_err());
    }

    #[test]
    fn the_files_of_a_command_are_its_program_and_scripts() {
        let (_folder, root) = folder(&["tools/load.py", "tools/bin/host", "python3"]);
        let scenario = |command: &str| {
            let text = format!(
                "format = 2\nquestion = \"?\"\nexpectation = \"\"\ncommand = {command}\ndirectory = \"tools\"\njudge = [\"run/task-clock\"]\nsizes = {{ from = 8, to = 128, factor = 2 }}"
            );
            Scenario::parse("command", &text).unwrap()
        };
        let project = Project::open(Some(&root)).unwrap();
        let root = project.root.clone();
        let files = of(&project, &scenario(r#"["python3", "load.py", "{n}"]"#)).unwrap();
        assert_eq!(files, [root.join("tools/load.py")]);
        let files = of(&project, &scenario(r#"["bin/host", "{n}", "gone"]"#)).unwrap();
        assert_eq!(files, [root.join("tools/bin/host")]);
    }
}
