//! The forms and destinations of reports: what `--format` and `--output` ask for.

use loadline_record::{Context, Error, Exit, Result};
use std::path::{Path, PathBuf};

use clap::builder::EnumValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum, value_parser};

use crate::screen;
use loadline_measure::out;
use loadline_record::atomic::{self, make_folder, replace};
use loadline_report::model::Facts;
use loadline_report::{Look, github, html, json, junit, markdown, text};

/// The path of standard output. If standard output is a file, opening this path would overwrite the file.
const STANDARD_OUTPUT: &str = "/dev/stdout";

/// The form of a report. All have the same facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For a terminal
    Text,
    #[value(help = concat!(
        "Everything, as ",
        env!("CARGO_PKG_REPOSITORY"),
        "/blob/main/docs/report.schema.json describes it"
    ))]
    Json,
    /// JUnit XML: one case per series
    Junit,
    /// GitHub's annotations, one per line
    Github,
    /// Markdown for the summary of a job
    Summary,
    /// Markdown for a comment on a pull request, which the next run finds and replaces
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

/// The form of an answer that has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For a terminal
    Text,
    /// Everything, as the help below describes it
    Json,
}

/// The form of an answer that is for people only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextOnly {
    /// For a terminal
    Text,
}

/// A form in which a verb reports. Text is the first of them.
pub trait Reported: ValueEnum + Copy + PartialEq + Send + Sync + 'static {
    /// The form for a terminal.
    fn text() -> Self {
        Self::value_variants()[0]
    }
}

impl<F: ValueEnum + Copy + PartialEq + Send + Sync + 'static> Reported for F {}

/// The reports that `--format` and `--output` ask for. Each `--output` belongs to one `--format`.
#[derive(Debug, Clone)]
pub struct Outputs<F> {
    /// Each form with its file, or `None` for standard output.
    all: Vec<(F, Option<PathBuf>)>,
}

impl<F: Reported> Outputs<F> {
    /// The reports in the order of the user. If none of them is printed, the text is.
    fn planned(&self) -> Vec<(F, Option<PathBuf>)> {
        let mut all = self.all.clone();
        if all.iter().all(|(_, file)| file.is_some()) {
            all.insert(0, (F::text(), None));
        }
        all
    }

    /// Whether the user asked for nothing but the text on standard output.
    pub fn are_usual(&self) -> bool {
        self.all.iter().all(|asked| *asked == (F::text(), None))
    }

    /// Whether the text is printed.
    pub fn print_text(&self) -> bool {
        self.planned().contains(&(F::text(), None))
    }

    /// Checks that all reports can be written, before minutes are spent on measuring.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn check(&self) -> Result<()> {
        for path in self.all.iter().filter_map(|(_, file)| file.as_ref()) {
            let writable = make_folder_of(path).and_then(|()| atomic::check(path));
            writable.map_err(|error| Error::new(Exit::Usage, format!("--output: {error:#}")))?;
        }
        Ok(())
    }

    /// Prints or writes every requested report, as `render` makes it. If there are several sessions, each is
    /// one `part`, and the file names contain the part's name.
    ///
    /// # Errors
    /// When a report cannot be made or written. The reports before it are written.
    pub fn write(
        &self,
        part: Option<&str>,
        render: impl Fn(F, Look) -> Result<String>,
    ) -> Result<()> {
        for (form, file) in self.planned() {
            match file {
                None if form == F::text() => out::text(render(form, screen::look())?),
                None => out::text(render(form, Look::PLAIN)?),
                Some(path) => write(&of_part(&path, part), &render(form, Look::PLAIN)?)?,
            }
        }
        Ok(())
    }
}

impl<F: Reported> Args for Outputs<F> {
    fn augment_args(command: Command) -> Command {
        let format = Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .action(ArgAction::Append)
            .value_parser(EnumValueParser::<F>::new())
            .help("Print the report in this format; repeat it for several")
            .hide_possible_values(F::value_variants().len() == 1);
        let output = Arg::new("output")
            .long("output")
            .value_name("FILE")
            .action(ArgAction::Append)
            .value_parser(value_parser!(PathBuf))
            .help(
                "Write the report to this file, in the format of the --format before it. Loadline also prints the text, unless it prints another format",
            );
        command.arg(format).arg(output)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<F: Reported> FromArgMatches for Outputs<F> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        enum Word<F> {
            Format(F),
            Output(PathBuf),
        }
        let placed = |id| matches.indices_of(id).into_iter().flatten();
        let formats = matches.get_many::<F>("format").into_iter().flatten();
        let formats = placed("format").zip(formats.map(|form| Word::Format(*form)));
        let outputs = matches.get_many::<PathBuf>("output").into_iter().flatten();
        let outputs = placed("output").zip(outputs.map(|path| Word::Output(path.clone())));
        let mut words: Vec<(usize, Word<F>)> = formats.chain(outputs).collect();
        words.sort_by_key(|(place, _)| *place);
        let mut all: Vec<(F, Option<PathBuf>)> = Vec::new();
        let (mut is_open, mut first) = (false, None);
        for (_, word) in words {
            match word {
                Word::Format(form) => {
                    // A file that was named first belongs to the form after it.
                    let file = first.take();
                    is_open = file.is_none();
                    all.push((form, file));
                }
                Word::Output(path) => match all.last_mut().filter(|_| is_open) {
                    Some((_, file)) => (*file, is_open) = (Some(path), false),
                    None if first.is_none() => first = Some(path),
                    None => return Err(without_format(&path)),
                },
            }
        }
        match first {
            Some(path) if all.is_empty() => all.push((F::text(), Some(path))),
            Some(path) => return Err(without_format(&path)),
            None => {}
        }
        let is_printed = |path: &PathBuf| *path == *"-" || *path == *STANDARD_OUTPUT;
        let printed = |(form, file): (F, Option<PathBuf>)| (form, file.filter(|f| !is_printed(f)));
        Ok(Outputs { all: all.into_iter().map(printed).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn without_format(path: &Path) -> clap::Error {
    let path = path.display();
    clap::Error::raw(
        ErrorKind::ArgumentConflict,
        format!("--output {path} has no --format of its own (--format FORMAT --output {path})\n"),
    )
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
fn write(path: &Path, text: &str) -> Result<()> {
    make_folder_of(path)?;
    replace(path, text.as_bytes())
        .with_context(|| format!("cannot write the report to {}", path.display()))
}

fn make_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Some(folder) = folder else { return Ok(()) };
    make_folder(folder).with_context(|| format!("cannot make folder {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms that `words` ask for, in their order, each with its file.
    fn planned(words: &[&str]) -> Result<Vec<(Form, Option<PathBuf>)>, String> {
        let command = Outputs::<Form>::augment_args(Command::new("x").no_binary_name(true));
        let matches = command.try_get_matches_from(words).map_err(|error| error.to_string())?;
        let outputs = Outputs::<Form>::from_arg_matches(&matches);
        Ok(outputs.map_err(|error| error.to_string())?.planned())
    }

    #[test]
    fn each_file_belongs_to_one_form() {
        let to = |file: &str| Some(PathBuf::from(file));
        assert_eq!(planned(&[]), Ok(vec![(Form::Text, None)]));
        assert_eq!(planned(&["--format", "json"]), Ok(vec![(Form::Json, None)]));
        let html = Ok(vec![(Form::Text, None), (Form::Html, to("a"))]);
        assert_eq!(planned(&["--format", "html", "--output", "a"]), html);
        assert_eq!(planned(&["--output", "a", "--format", "html"]), html);
        let two = ["--format", "html", "--output", "a", "--format", "json", "--output=-"];
        assert_eq!(planned(&two), Ok(vec![(Form::Html, to("a")), (Form::Json, None)]));
        let text = Ok(vec![(Form::Text, None), (Form::Text, to("a"))]);
        assert_eq!(planned(&["--output", "a"]), text);
        let error = planned(&["--output", "a", "--output", "b"]).expect_err("two files");
        assert!(error.contains("has no --format of its own"), "{error}");
    }

    #[test]
    fn each_of_several_sessions_has_files_of_its_own() {
        let name = |part| of_part(Path::new("a.b/report.json"), part).display().to_string();
        assert_eq!(name(None), "a.b/report.json");
        assert_eq!(name(Some("libgcc-list 12")), "a.b/report-libgcc-list-12.json");
        assert_eq!(of_part(Path::new("report"), Some("llvm 14")), Path::new("report-llvm-14"));
    }
}
