//! `hyperfine --export-json` of a parameter scan.

use loadline_record::{Result, ensure};
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::found::Found;
use super::points::{Point, grouped};

/// The list under `results`.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Results(#[serde(deserialize_with = "entries")] Vec<Entry>);

/// Accepts only a list, since asv writes an object under the same key.
fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Vec<Entry>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(concat!(
                "the list of results that hyperfine writes (recipes for other tools: ",
                env!("CARGO_PKG_REPOSITORY"),
                "/blob/main/docs/howto/judge-other-numbers.md)"
            ))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Entry>, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = seq.next_element()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    deserializer.deserialize_any(List)
}

#[derive(Deserialize)]
struct Entry {
    command: String,
    times: Vec<f64>,
    /// `None` if the command was not scanned over a parameter.
    parameters: Option<BTreeMap<String, String>>,
    #[serde(default)]
    exit_codes: Vec<Option<i32>>,
}

impl Results {
    /// Returns the scans, in seconds as measured. A scan whose only parameter is N is called `name`. If there
    /// are several commands, each series is named after its command as well.
    ///
    /// # Errors
    /// When no command was scanned over sizes, or its times do not form a series.
    pub fn into_found(self, name: &str) -> Result<Found> {
        let mut notes = Vec::new();
        let mut points = Vec::new();
        let mut commands: Vec<String> = Vec::new();
        let mut times_seen: BTreeMap<Vec<(String, String)>, usize> = BTreeMap::new();
        for entry in self.0 {
            if entry.exit_codes.iter().any(|code| *code != Some(0)) {
                notes.push(format!("{:?} has runs that failed", entry.command));
            }
            let parameters: Vec<_> = entry.parameters.unwrap_or_default().into_iter().collect();
            if parameters.is_empty() {
                notes.push(format!("{:?} is left out: it has no parameter", entry.command));
                continue;
            }
            // The file does not name the commands' templates. For each choice of parameters, the first entry
            // belongs to the first command, the second entry to the second one.
            let place = times_seen.entry(parameters.clone()).or_default();
            if *place == commands.len() {
                commands.push(template(&entry.command, &parameters));
            }
            points.push((*place, parameters, entry.times));
            *place += 1;
        }
        let family = |place: usize| match commands.len() {
            1 => name.to_owned(),
            _ => format!("{name}: {}", commands[place]),
        };
        let points = points.into_iter().map(|(place, parameters, readings)| Point {
            family: family(place),
            parameters,
            readings,
        });
        let (groups, without_size) = grouped(points.collect());
        notes.extend(without_size);
        ensure!(
            !groups.is_empty(),
            "hyperfine measured no command over several sizes: use --parameter-scan or --parameter-list"
        );
        let series = groups.into_iter().map(|group| group.times("hyperfine --runs 10"));
        let series = series.collect::<Result<_>>()?;
        Ok(Found { series, notes, states_itself: true })
    }
}

/// `command` with its parameters' names in place of their values.
fn template(command: &str, parameters: &[(String, String)]) -> String {
    let name = |command: String, (label, value): &(String, String)| {
        command.replace(value.as_str(), &format!("{{{label}}}"))
    };
    parameters.iter().fold(command.to_owned(), name)
}
