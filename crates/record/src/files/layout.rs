//! Reads `loadline.toml`, which tells Loadline where a repository keeps its files and how to build it.

use crate::{Error, Exit, Result};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::suggest::with_nearest;

/// The name of the file.
pub const NAME: &str = "loadline.toml";

/// The format that this version reads.
const FORMAT: u32 = 1;

/// The settings of `loadline.toml`. The default is what Loadline's own repository uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The folder of scenario files, from the root.
    pub scenarios: PathBuf,
    /// The folder of baseline files, from the root.
    pub baselines: PathBuf,
    /// The folder for sessions and artifacts, from the root. `None` means Cargo's target folder.
    pub output: Option<PathBuf>,
    /// The command that builds the repository's programs before a measurement. Empty means no build.
    pub build: Vec<String>,
    /// The default of `--budget`. `None` means the budget that the scenarios ask for.
    pub budget_seconds: Option<u64>,
    /// The days after which sessions, artifacts and builds are removed. `0` keeps them.
    pub keep_days: u64,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout {
            scenarios: "xtask/scenarios".into(),
            baselines: "baselines".into(),
            output: None,
            build: Vec::new(),
            budget_seconds: None,
            keep_days: 30,
        }
    }
}

/// The file as written. A missing field has the value in [`Layout::default`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayoutFile {
    format: u32,
    scenarios: Option<PathBuf>,
    baselines: Option<PathBuf>,
    output: Option<PathBuf>,
    #[serde(default)]
    build: Vec<String>,
    budget_seconds: Option<u64>,
    keep_days: Option<u64>,
}

impl Layout {
    /// Reads the file in `root`; returns `None` if there is no such file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or its content is invalid.
    pub fn read(root: &Path) -> Result<Option<Layout>> {
        let path = root.join(NAME);
        let usage = |problem: &dyn std::fmt::Display| {
            Error::new(Exit::WrongFile, format!("cannot use {}: {problem}", path.display()))
        };
        match fs::read_to_string(&path) {
            Ok(text) => Layout::parse(&text).map(Some).map_err(|problem| usage(&problem)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(usage(&error)),
        }
    }

    fn parse(text: &str) -> Result<Layout, String> {
        let file: LayoutFile =
            toml::from_str(text).map_err(|error| with_nearest(&error.to_string()))?;
        if file.format != FORMAT {
            let format = file.format;
            return Err(format!(
                "format {format} is not known to this version, which reads {FORMAT} (update loadline)"
            ));
        }
        let default = Layout::default();
        Ok(Layout {
            scenarios: file.scenarios.unwrap_or(default.scenarios),
            baselines: file.baselines.unwrap_or(default.baselines),
            output: file.output,
            build: file.build,
            budget_seconds: file.budget_seconds,
            keep_days: file.keep_days.unwrap_or(default.keep_days),
        })
    }
}

/// Returns the nearest folder from `start` upward that contains the file.
pub fn nearest_root(start: &Path) -> Option<PathBuf> {
    start.ancestors().find(|folder| folder.join(NAME).is_file()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_as_in_this_workspace() {
        assert_eq!(Layout::parse("format = 1"), Ok(Layout::default()));
        let text = "format = 1\nscenarios = \"perf\"\noutput = \".loadline\"\nbuild = [\"make\"]";
        let layout = Layout::parse(text).expect("a layout");
        assert_eq!(layout.scenarios, Path::new("perf"));
        assert_eq!(layout.baselines, Path::new("baselines"));
        assert_eq!(layout.output.as_deref(), Some(Path::new(".loadline")));
        assert_eq!(layout.build, ["make"]);
    }

    #[test]
    fn what_cannot_be_is_said() {
        let said = |text| Layout::parse(text).expect_err("no layout");
        assert!(said("format = 2").contains("format 2 is not known"));
        assert!(
            said("format = 1\nscenario = \"x\"").contains("`scenario`, did you mean `scenarios`?")
        );
        assert!(said("").contains("missing field `format`"));
    }
}
