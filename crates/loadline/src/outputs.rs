//! The destinations and forms of reports: what `--report` and `--format` ask for.

use loadline_record::{Context, Error, Exit, Result};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};

use loadline_measure::out;
use loadline_record::atomic::{self, make_folder, replace};
use loadline_report::model::Facts;
use loadline_report::{Look, github, html, json, junit, markdown, text};

/// The variable in which GitHub names the file of a job's summary.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// The path of standard output. If standard output is a file, opening this path would overwrite the file.
const STANDARD_OUTPUT: &str = "/dev/stdout";

/// The form of a report. All have the same facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For a terminal
    Text,
    /// Everything, as docs/report.schema.json describes it
    Json,
    /// JUnit XML: one case a series
    Junit,
    /// GitHub's annotations, one line each
    Github,
    /// Markdown for the summary of a job
    Summary,
    /// Markdown for a comment on a pull request, which a later one finds and replaces
    Comment,
    /// One file for a browser, with every curve
    Html,
}

impl Form {
    /// Renders the whole report.
    ///
    /// # Errors
    /// When a fact cannot be written in this form.
    pub fn render(self, facts: &Facts, look: Look) -> Result<String> {
        Ok(match self {
            Form::Text => text::render(facts, look),
            Form::Json => json::render(facts)?,
            Form::Junit => junit::render(facts),
            Form::Github => github::render(facts),
            Form::Summary => markdown::summary(facts),
            Form::Comment => markdown::comment(facts),
            Form::Html => html::render(facts),
        })
    }
}

/// One more report besides the one on the terminal.
#[derive(Debug, Clone)]
pub struct Output {
    form: Form,
    to: Destination,
}

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Destination {
    StandardOutput,
    StepSummary,
    File(PathBuf),
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Output, String> {
        let (form, file) = text.split_once('=').map_or((text, None), |(a, b)| (a, Some(b)));
        let form = Form::from_str(form, false).map_err(|_| {
            let forms = Form::value_variants().iter().filter_map(Form::to_possible_value);
            let forms: Vec<String> = forms.map(|form| form.get_name().to_owned()).collect();
            format!("there is no form {form:?} (there are {})", forms.join(", "))
        })?;
        let to = match (form, file) {
            (_, Some("")) => return Err(format!("{text:?} names no file")),
            (_, Some("-" | STANDARD_OUTPUT)) | (Form::Github, None) => Destination::StandardOutput,
            (Form::Summary, None) => Destination::StepSummary,
            (_, Some(file)) => Destination::File(PathBuf::from(file)),
            (_, None) => {
                return Err(format!(
                    "{text} to which file? (--report {text}=FILE, or - to print it)"
                ));
            }
        };
        Ok(Output { form, to })
    }
}

/// The reports that are asked for beside the one on the terminal.
#[derive(Debug, Clone, Default, Args)]
pub struct Outputs {
    /// Write the report in another form, too: text, json, junit, github, summary, comment, html; may
    /// be given several times. Also written when something regressed. github alone is printed, summary
    /// alone is added to the summary of the job
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    pub reports: Vec<Output>,
}

impl Outputs {
    /// Checks that all reports can be written, before minutes are spent on measuring.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn check(&self) -> Result<()> {
        for Output { to, .. } in &self.reports {
            match to {
                Destination::StandardOutput => {}
                Destination::StepSummary => {
                    let path = step_summary()?;
                    let opened = File::options().create(true).append(true).open(&path);
                    opened.with_context(|| cannot_add(&path))?;
                }
                Destination::File(path) => {
                    let writable = make_folder_of(path).and_then(|()| atomic::check(path));
                    writable
                        .map_err(|error| Error::new(Exit::Usage, format!("--report: {error:#}")))?;
                }
            }
        }
        Ok(())
    }

    /// Writes every requested report. If there are several sessions, each is one `part`, and the file names
    /// contain the part's name.
    ///
    /// # Errors
    /// When a report cannot be written. The reports before it are written.
    pub fn write(&self, facts: &Facts, part: Option<&str>) -> Result<()> {
        for Output { form, to } in &self.reports {
            let text = form.render(facts, Look::PLAIN)?;
            match to {
                Destination::StandardOutput => out::text(text),
                Destination::StepSummary => append(&step_summary()?, &text)?,
                Destination::File(path) => write(&of_part(path, part), &text)?,
            }
        }
        Ok(())
    }
}

/// Adds the part to a file name: `report.json` of the part `libgcc-list 12` becomes
/// `report-libgcc-list-12.json`.
fn of_part(path: &Path, part: Option<&str>) -> PathBuf {
    let Some(part) = part else { return path.to_owned() };
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{}", part.replace(' ', "-")));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

/// Writes `text` to `path`. A regular file is replaced as a whole, so it holds either the old text or the new
/// one.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    if path == Path::new(STANDARD_OUTPUT) {
        out::text(text);
        return Ok(());
    }
    make_folder_of(path)?;
    replace(path, text.as_bytes())
        .with_context(|| format!("cannot write the report to {}", path.display()))
}

fn make_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Some(folder) = folder else { return Ok(()) };
    make_folder(folder).with_context(|| format!("cannot make folder {}", folder.display()))
}

/// The file of the job's summary.
fn step_summary() -> Result<PathBuf> {
    let path = std::env::var_os(STEP_SUMMARY).filter(|path| !path.is_empty());
    path.map(PathBuf::from).ok_or_else(|| {
        let text = format!(
            "cannot add to the job's summary: {STEP_SUMMARY} is not set (outside of GitHub: --report summary=FILE)"
        );
        Error::new(Exit::Usage, text)
    })
}

/// Appends, because other steps of the job may have written to the file.
fn append(path: &Path, text: &str) -> Result<()> {
    let file = File::options().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| cannot_add(path))
}

fn cannot_add(path: &Path) -> String {
    format!("cannot add to the job's summary {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_several_sessions_has_files_of_its_own() {
        let name = |part| of_part(Path::new("a.b/report.json"), part).display().to_string();
        assert_eq!(name(None), "a.b/report.json");
        assert_eq!(name(Some("libgcc-list 12")), "a.b/report-libgcc-list-12.json");
        assert_eq!(of_part(Path::new("report"), Some("llvm 14")), Path::new("report-llvm-14"));
    }
}
