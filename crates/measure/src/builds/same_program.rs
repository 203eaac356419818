//! Decides whether both sides of a comparison run the same program, so that there is nothing to measure.
//!
//! The files that a run names are compared by content. Loadline does not know which other files a program
//! reads, so any other changed file counts as well. Documentation is an exception. Where `build` compiles the
//! program, files that only a compiler reads are an exception too.

use loadline_record::{Error, Exit, Result};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use loadline_scenario::{Scenario, Workload};

use crate::builds::other_side::Before;
use crate::builds::trees::Changes;
use crate::out;
use crate::process::runner::Runner;
use crate::project::files;
use crate::project::folders::Project;
use loadline_record::layout;

/// The number of changed files that a warning names.
const NAMED: usize = 5;

/// Which scenarios of a comparison are measured.
#[derive(Debug, Default)]
pub struct Compared {
    /// The scenarios in which the two sides differ.
    pub differ: Vec<Scenario>,
    /// The full names of the scenarios in which both sides run the same program.
    pub same: Vec<String>,
    /// Source files that changed although the compiled programs are the same.
    pub without_effect: Vec<PathBuf>,
}

impl Compared {
    /// Says which scenarios are not measured and why, one sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let mut said = Vec::new();
        if !self.same.is_empty() {
            said.push(format!("both sides run the same program: {}", self.same.join(", ")));
        }
        if !self.without_effect.is_empty() {
            let names = self.without_effect.iter().map(|path| path.display().to_string());
            let mut names: Vec<String> = names.collect();
            let more = names.len().saturating_sub(NAMED);
            names.truncate(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            said.push(format!(
                "warning: the build made the same programs although its inputs were changed: {}{more}",
                names.join(", ")
            ));
        }
        said
    }
}

/// Divides `scenarios` by whether `now` and `before` run the same program.
///
/// # Errors
/// When the other side lacks files that a scenario names, when both sides write the same files, or when their
/// recipes differ.
pub fn compare(
    project: &Project,
    now: &Runner,
    before: &Before,
    scenarios: Vec<Scenario>,
) -> Result<Compared> {
    let is_same_runner = now.digest()? == before.runner.digest()?;
    let mut compared = Compared::default();
    for scenario in scenarios {
        before.why_not_its_own(&scenario).iter().for_each(out::note);
        refuse_another_recipe(project, before, &scenario)?;
        refuse_replaced_files(project, before, &scenario)?;
        let inputs = match is_the_same(project, before, is_same_runner, &scenario)? {
            Some(inputs) => inputs,
            None => {
                compared.differ.push(scenario);
                continue;
            }
        };
        compared.same.push(scenario.full_name());
        for input in inputs {
            if !compared.without_effect.contains(&input) {
                compared.without_effect.push(input);
            }
        }
    }
    Ok(compared)
}

/// Returns the changed files that only the build reads. Returns `None` where the two sides may run different
/// programs.
fn is_the_same(
    project: &Project,
    before: &Before,
    is_same_runner: bool,
    scenario: &Scenario,
) -> Result<Option<Vec<PathBuf>>> {
    let theirs = before.scenario(scenario);
    let is_named_same = theirs.workload == scenario.workload
        && before.digest(project, scenario)? == scenario.digest;
    let Workload::Command(command) = &scenario.workload else {
        return Ok((is_named_same && is_same_runner).then(Vec::new));
    };
    let tree = before.project(project, &theirs);
    let programs = [project, tree].map(|side| files::program(&side.programs.located(command)));
    if !is_named_same || programs.iter().flatten().any(|program| !program.is_file()) {
        return Ok(None);
    }
    let is_compiled = !project.build_command().is_empty()
        && programs[0].as_ref().is_some_and(|it| project.programs.has(it) && is_machine_code(it));
    let mut inputs = Vec::new();
    for file in &before.changes.files {
        match role(file, &before.changes, project, tree) {
            Role::Documentation => {}
            Role::Source if is_compiled => inputs.push(file.clone()),
            Role::Source | Role::Anything => return Ok(None),
        }
    }
    Ok(Some(inputs))
}

/// Refuses a comparison in which the two sides fetch a scenario's modules by different recipes. Only the
/// modules of this side's recipe have been fetched.
fn refuse_another_recipe(project: &Project, before: &Before, scenario: &Scenario) -> Result<()> {
    let (Some(ours), Some(theirs)) = (&scenario.recipe, before.recipe(scenario)) else {
        return Ok(());
    };
    if fs::read(project.root.join(ours)).ok() == fs::read(theirs).ok() {
        return Ok(());
    }
    let (full_name, name) = (scenario.full_name(), &before.name);
    let text = format!(
        "cannot compare {full_name} with {name}: its modules are fetched by another recipe there (name other scenarios)"
    );
    Err(Error::new(Exit::CouldNotMeasure, text))
}

/// Refuses a comparison in which the other side's build has replaced files that this side runs.
fn refuse_replaced_files(project: &Project, before: &Before, scenario: &Scenario) -> Result<()> {
    let again = files::read(project, scenario.clone())?;
    if again.digest == scenario.digest {
        return Ok(());
    }
    let (full_name, name) = (scenario.full_name(), &before.name);
    let text = format!(
        "cannot compare {full_name} with {name}: the build of {name} replaced files of this side (have `build` write inside the repository only)"
    );
    Err(Error::new(Exit::CouldNotMeasure, text))
}

/// Who may read a changed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Neither a program nor a compiler reads the file.
    Documentation,
    /// A compiler reads the file. A program reads it only where it is interpreted.
    Source,
    /// A program may read the file.
    Anything,
}

fn role(file: &Path, changes: &Changes, project: &Project, tree: &Project) -> Role {
    let place = changes.top.join(file);
    let is_question = [project.scenarios(), project.baselines()];
    let is_toml = place.extension().is_some_and(|ending| ending == "toml");
    if is_toml && is_question.iter().any(|folder| place.starts_with(folder)) {
        // The caller compares the scenarios themselves, so these files do not count here.
        return Role::Documentation;
    }
    if place == project.root.join(layout::NAME) {
        let is_same_build = project.build_command() == tree.build_command();
        return if is_same_build { Role::Documentation } else { Role::Source };
    }
    by_name(file)
}

/// The role that a file's name suggests.
fn by_name(file: &Path) -> Role {
    const TEXTS: [&str; 5] = ["md", "markdown", "rst", "adoc", "org"];
    const TEXT_NAMES: [&str; 9] = [
        "license",
        "licence",
        "copying",
        "readme",
        "changelog",
        "authors",
        "codeowners",
        "notice",
        "contributing",
    ];
    const ABOUT: [&str; 6] = [".github", ".gitlab", ".circleci", ".vscode", "docs", "doc"];
    const ABOUT_FILES: [&str; 5] =
        [".gitignore", ".gitattributes", ".editorconfig", ".mailmap", ".gitlab-ci.yml"];
    const SOURCES: [&str; 20] = [
        "c", "h", "cc", "cpp", "cxx", "hh", "hpp", "hxx", "inc", "s", "rs", "go", "zig", "swift",
        "d", "f90", "mk", "cmake", "am", "ac",
    ];
    const SOURCE_FILES: [&str; 10] = [
        "makefile",
        "gnumakefile",
        "cmakelists.txt",
        "meson.build",
        "cargo.toml",
        "cargo.lock",
        "rust-toolchain",
        "rust-toolchain.toml",
        "go.mod",
        "go.sum",
    ];
    let lower = |text: Option<&std::ffi::OsStr>| {
        text.unwrap_or_default().to_string_lossy().to_ascii_lowercase()
    };
    let (name, ending) = (lower(file.file_name()), lower(file.extension()));
    let stem = name.split('.').next().unwrap_or_default();
    let top = lower(file.components().next().map(std::path::Component::as_os_str));
    let is = |list: &[&str], word: &str| list.contains(&word);
    let is_text =
        is(&TEXTS, &ending) || (ending.is_empty() || ending == "txt") && is(&TEXT_NAMES, stem);
    let is_about = file.components().count() > 1 && is(&ABOUT, &top);
    if is_text || is_about || is(&ABOUT_FILES, &name) {
        return Role::Documentation;
    }
    if is(&SOURCES, &ending) || is(&SOURCE_FILES, &name) { Role::Source } else { Role::Anything }
}

/// Whether the file is machine code rather than a program for an interpreter.
fn is_machine_code(path: &Path) -> bool {
    let mut start = [0; 4];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    let mach_o = [0xfeed_face, 0xfeed_facf, 0xcafe_babe_u32];
    let is_mach_o =
        mach_o.iter().any(|magic| start == magic.to_be_bytes() || start == magic.to_le_bytes());
    read.is_ok() && (start == *b"\x7fELF" || start.starts_with(b"MZ") || is_mach_o)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_a_file_is_good_for() {
        let of = |names: &[&str]| -> Vec<Role> {
            names.iter().map(|name| by_name(Path::new(name))).collect()
        };
        let texts =
            ["README.md", "LICENSE", "docs/a.png", ".github/workflows/ci.yml", "notice.txt"];
        assert_eq!(of(&texts), [Role::Documentation; 5]);
        let sources = ["src/main.c", "lib/B.HPP", "Makefile", "a/Cargo.lock", "src/lib.rs"];
        assert_eq!(of(&sources), [Role::Source; 5]);
        // Any file that a program may read makes the sides different.
        let others = ["host.py", "data/words.txt", "plugins/a.wasm", "package.json", "docs"];
        assert_eq!(of(&others), [Role::Anything; 5]);
    }
}
