//! `cargo xtask judge`: applies the growth rules to numbers of any program.

mod answer;
mod read;
mod series;
mod text;

use loadline_record::{Context, Error, Exit, Result};
use std::collections::BTreeMap;

use self::answer::{Answer, answers};
use self::series::with_distinct_names;
use self::text::escaped;
use crate::cli::Judge;
use crate::outputs::TextOrJson;
use loadline_measure::out;

/// Runs `cargo xtask judge`.
///
/// # Errors
/// When a file cannot be read, or its numbers do not form a series. The text names the file and the series.
pub fn run(arguments: &Judge) -> Result<Exit> {
    arguments.outputs.check()?;
    let mut files = Vec::new();
    let mut has_table = false;
    for path in &arguments.files {
        let shown = escaped(&path.display().to_string());
        let found = read::input::read(path, arguments);
        let found = found
            .map_err(|error| Error::new(Exit::Usage, format!("cannot judge {shown}: {error:#}")))?;
        for note in found.notes {
            out::note(format_args!("note: {shown}: {}", escaped(&note)));
        }
        has_table |= !found.states_itself;
        files.push((path.display().to_string(), found.series));
    }
    let is_about_tables = arguments.kind.is_some() || arguments.interleaved || arguments.exact;
    if is_about_tables && !has_table {
        out::note(format_args!(
            "note: --kind, --interleaved and --exact are about rows of n and cost; these files state that \
             themselves"
        ));
    }
    let series = with_distinct_names(files)
        .map_err(|error| Error::new(Exit::Usage, escaped(&format!("{error:#}"))))?;
    let answers = answers(&series, arguments.suite);
    let ids: Vec<&str> = series.iter().map(|named| named.id.as_str()).collect();
    arguments.outputs.write(None, |form, _| match form {
        TextOrJson::Text => Ok(text::text(&ids, &answers)),
        TextOrJson::Json => {
            let answers: BTreeMap<&str, &Answer> = ids.iter().copied().zip(&answers).collect();
            let json = serde_json::to_string_pretty(&answers);
            Ok(json.context("cannot write the answers")? + "\n")
        }
    })?;
    Ok(exit(arguments, &answers))
}

/// The exit code. With `--gate`, a red answer counts as a regression. With `--strict`, any other answer that
/// is not ok counts as inconclusive.
fn exit(arguments: &Judge, answers: &[Answer]) -> Exit {
    let is_red = |answer: &Answer| arguments.gate && answer.is_red;
    let mut several = Vec::new();
    if answers.iter().any(is_red) {
        several.push(Exit::Regressed);
    }
    if arguments.strict && answers.iter().any(|answer| answer.is_open() && !is_red(answer)) {
        several.push(Exit::Inconclusive);
    }
    Exit::of(&several)
}
