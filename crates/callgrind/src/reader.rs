//! [`Parts`]: reads the documented format, line by line.

use std::io::{BufRead, Read};

use crate::names::{Function, NameError, Names};
use crate::part::Part;
use crate::profile::{Overflow, Profile};
use crate::text::{NumberError, check_position, number};

/// The longest line that is read, in bytes. Names of C++ templates can have some ten thousand bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// The most events a file may count; callgrind knows about twenty.
const MOST_EVENTS: usize = 64;

/// The reason why a file cannot be read, and the place.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct FormatError {
    /// The number of the line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The system could not read the line.
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
    /// The line is longer than any name.
    #[error("is longer than {LONGEST_LINE} bytes (is it a callgrind.out file?)")]
    TooLong,
    /// A word should be a number.
    #[error("{0:?} is not a number")]
    NotANumber(String),
    /// A number, or its sum with earlier numbers, exceeds 64 bits.
    #[error("a cost is larger than 2^64")]
    TooLarge,
    /// The number `(7)` occurs before `(7) name`.
    #[error("no name was given to number {0} (is the beginning of the file missing?)")]
    UnknownName(u64),
    /// A name like `(7x)`, which is neither a number nor a name.
    #[error("{0:?} is not a name")]
    NotAName(String),
    /// A cost line comes before the line that names the events, or has more costs than events.
    #[error("has {found} costs where {events} events are counted")]
    Costs {
        /// The number of costs in the line.
        found: usize,
        /// The number of events in the header.
        events: usize,
    },
    /// The file names more events than callgrind has.
    #[error("names more than {MOST_EVENTS} events")]
    TooManyEvents,
    /// Costs come before the `fn=` line of their function.
    #[error("has costs before any function")]
    NoFunction,
    /// `calls=` comes before the `cfn=` line that names the callee.
    #[error("calls no function")]
    NoCallee,
    /// The second line of a `calls=` or of a jump is missing.
    #[error("has no next line with the place that it comes from")]
    Torn,
    /// The line has no known form.
    #[error("has no known form: {0:?}")]
    NotUnderstood(String),
}

/// An iterator over the parts of a file. After an error there are no more parts.
///
/// Only names and sums are kept. Jumps, positions within files, and descriptions other than the trigger are
/// checked for their form and discarded. One line of the input is in memory at a time, of at most a mebibyte.
#[derive(Debug)]
pub struct Parts<R> {
    input: R,
    /// The number of the line that is being read, from 1.
    line: u64,
    buffer: Vec<u8>,
    /// Whether the buffer holds the first line of the next part.
    is_held: bool,
    names: AllNames,
    has_ended: bool,
}

impl<R: BufRead> Parts<R> {
    /// Reads the parts of `input`.
    pub fn of(input: R) -> Parts<R> {
        let (buffer, names) = (Vec::new(), AllNames::default());
        Parts { input, line: 0, buffer, is_held: false, names, has_ended: false }
    }

    /// Reads the next part. `None` at the end of the input, or if the input is empty.
    fn part(&mut self) -> Result<Option<Part>, Problem> {
        let mut builder = Builder::default();
        while self.is_held || self.next_line()? {
            let line = String::from_utf8_lossy(&self.buffer);
            let line = line.trim();
            let kind = Line::of(line);
            if builder.ends_before(&kind) {
                self.is_held = true;
                break;
            }
            self.is_held = false;
            builder.take(kind, &mut self.names)?;
        }
        builder.end()
    }

    /// Reads a line into the buffer, without its end. Returns false at the end of the input.
    fn next_line(&mut self) -> Result<bool, Problem> {
        self.buffer.clear();
        let mut limited = self.input.by_ref().take(LONGEST_LINE);
        let read = limited.read_until(b'\n', &mut self.buffer).map_err(Problem::Read)?;
        if read > 0 {
            self.line += 1;
        }
        if read as u64 == LONGEST_LINE && self.buffer.last() != Some(&b'\n') {
            return Err(Problem::TooLong);
        }
        Ok(read > 0)
    }
}

impl<R: BufRead> Iterator for Parts<R> {
    type Item = Result<Part, FormatError>;

    fn next(&mut self) -> Option<Result<Part, FormatError>> {
        if self.has_ended {
            return None;
        }
        let part = self.part().map_err(|problem| FormatError { line: self.line, problem });
        self.has_ended = !matches!(part, Ok(Some(_)));
        part.transpose()
    }
}

#[derive(Debug, Default)]
struct AllNames {
    functions: Names,
    files: Names,
    objects: Names,
}

/// The form of a line.
enum Line<'a> {
    /// An empty line or a comment.
    Empty,
    /// A header, `key: value`.
    Header(&'a str, &'a str),
    /// A specification, `key=value`.
    Body(&'a str, &'a str),
    /// A position, followed by costs.
    Costs(&'a str),
}

impl Line<'_> {
    fn of(line: &str) -> Line<'_> {
        if line.is_empty() || line.starts_with('#') {
            return Line::Empty;
        }
        let key_ends = line.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(line.len());
        let (key, rest) = line.split_at(key_ends);
        let header = rest.strip_prefix(':').map(|value| Line::Header(key, value.trim()));
        let body = || rest.strip_prefix('=').map(|value| Line::Body(key, value.trim()));
        match header.or_else(body) {
            Some(named) if !key.is_empty() => named,
            _ => Line::Costs(line),
        }
    }
}

/// A part while it is read.
#[derive(Debug, Default)]
struct Builder {
    has_begun: bool,
    number: Option<u64>,
    thread: Option<u64>,
    command: Option<String>,
    trigger: Option<String>,
    stated: Option<Vec<u64>>,
    /// The number of columns of a position. `None` means one, if the header does not say.
    n_positions: Option<usize>,
    events: Vec<String>,
    /// Set at the first line after the header.
    profile: Option<Profile>,
    place: Place,
}

/// The reader's position within a part.
#[derive(Debug, Default)]
struct Place {
    object: Option<String>,
    file: Option<String>,
    /// The function's number in the profile.
    function: Option<usize>,
    called_object: Option<String>,
    called: Option<String>,
    /// The call or jump to which the next line belongs. `None` if it belongs to the function.
    pending: Option<Pending>,
}

#[derive(Debug)]
enum Pending {
    Call { callee: usize, count: u64 },
    Jump,
}

impl Builder {
    /// Whether the line begins the next part. It does if it is a header line after costs, except the lines
    /// that close a part.
    fn ends_before(&self, line: &Line<'_>) -> bool {
        let closes = |key: &str| matches!(key, "totals" | "summary");
        self.profile.is_some() && matches!(line, Line::Header(key, _) if !closes(key))
    }

    fn take(&mut self, line: Line<'_>, names: &mut AllNames) -> Result<(), Problem> {
        match line {
            Line::Empty => return Ok(()),
            Line::Header(key, value) => self.header(key, value)?,
            Line::Body(key, value) => self.body(key, value, names)?,
            Line::Costs(line) => self.costs(line)?,
        }
        self.has_begun = true;
        Ok(())
    }

    fn end(self) -> Result<Option<Part>, Problem> {
        if self.place.pending.is_some() {
            return Err(Problem::Torn);
        }
        if !self.has_begun {
            return Ok(None);
        }
        Ok(Some(Part {
            number: self.number,
            thread: self.thread,
            command: self.command,
            trigger: self.trigger,
            stated: self.stated,
            profile: self.profile.unwrap_or_else(|| Profile::of_events(self.events)),
        }))
    }

    fn header(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        match key {
            "part" => self.number = Some(read_number(value)?),
            "thread" => self.thread = Some(read_number(value)?),
            "cmd" => self.command = Some(value.to_owned()),
            "desc" => {
                if let Some(trigger) = value.strip_prefix("Trigger:") {
                    self.trigger = Some(trigger.trim().to_owned());
                }
            }
            "positions" => self.n_positions = Some(value.split_whitespace().count()),
            "events" => {
                self.events = value.split_whitespace().map(str::to_owned).collect();
                if self.events.len() > MOST_EVENTS {
                    return Err(Problem::TooManyEvents);
                }
            }
            // A line without sums was cut off.
            "totals" | "summary" if !value.is_empty() => {
                let mut stated = read_costs(value.split_whitespace(), self.events.len())?;
                stated.resize(self.events.len(), 0);
                self.stated = Some(stated);
            }
            // Names, versions and descriptions. A later format may have more of them.
            _ => {}
        }
        Ok(())
    }

    fn body(&mut self, key: &str, value: &str, names: &mut AllNames) -> Result<(), Problem> {
        if self.place.pending.is_some() {
            return Err(Problem::Torn);
        }
        let events = &self.events;
        let profile = self.profile.get_or_insert_with(|| Profile::of_events(events.clone()));
        let place = &mut self.place;
        match key {
            "ob" => place.object = Some(read_name(&mut names.objects, value)?),
            "fl" | "fi" | "fe" => place.file = read_file(&mut names.files, value)?,
            "fn" => {
                let function = read_name(&mut names.functions, value)?;
                place.function = Some(profile.number(or_unknown(&place.object), &function));
            }
            "cob" => place.called_object = Some(read_name(&mut names.objects, value)?),
            // Read only to learn the numbers of the names.
            "cfi" | "cfl" | "jfi" => drop(read_file(&mut names.files, value)?),
            "jfn" => drop(read_name(&mut names.functions, value)?),
            "cfn" => place.called = Some(read_name(&mut names.functions, value)?),
            "calls" => {
                let mut words = value.split_whitespace();
                let count = read_number(words.next().unwrap_or_default())?;
                words.try_for_each(read_position)?;
                let object = place.called_object.take().or_else(|| place.object.clone());
                let called = place.called.take().ok_or(Problem::NoCallee)?;
                let callee = profile.number(or_unknown(&object), &called);
                place.pending = Some(Pending::Call { callee, count });
            }
            "jump" | "jcnd" => {
                let mut words = value.split_whitespace();
                // The number of times a jump was taken and, for a conditional jump, the number of times it
                // was reached.
                let counts = words.next().unwrap_or_default();
                counts.split('/').try_for_each(|count| read_number(count).map(drop))?;
                words.try_for_each(read_position)?;
                place.pending = Some(Pending::Jump);
            }
            _ => return Err(not_understood(&format!("{key}={value}"))),
        }
        Ok(())
    }

    fn costs(&mut self, line: &str) -> Result<(), Problem> {
        if !line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            return Err(not_understood(line));
        }
        let mut words = line.split_whitespace();
        words.by_ref().take(self.n_positions.unwrap_or(1)).try_for_each(read_position)?;
        let costs = read_costs(words, self.events.len())?;
        let (function, place) = (self.place.function, &mut self.place);
        let (Some(profile), Some(function)) = (&mut self.profile, function) else {
            return Err(Problem::NoFunction);
        };
        let added = match place.pending.take() {
            Some(Pending::Jump) => Ok(()),
            Some(Pending::Call { callee, count }) => {
                profile.add_calls(function, callee, count, &costs)
            }
            None => profile.add_own(function, or_unknown(&place.file), &costs),
        };
        added.map_err(|Overflow| Problem::TooLarge)
    }
}

fn or_unknown(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or(Function::UNKNOWN)
}

fn read_name(names: &mut Names, text: &str) -> Result<String, Problem> {
    names.resolve(text).map_err(|error| match error {
        NameError::Unknown(number) => Problem::UnknownName(number),
        NameError::Malformed => Problem::NotAName(shortened(text)),
    })
}

/// The name of a source file. `None` if the file gives its number no name: callgrind 3.19 does not write the
/// names of some files that instructions were inlined from.
fn read_file(names: &mut Names, text: &str) -> Result<Option<String>, Problem> {
    match read_name(names, text) {
        Ok(name) => Ok(Some(name)),
        Err(Problem::UnknownName(_)) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Reads costs. Trailing costs of 0 may be left out.
fn read_costs<'a>(
    words: impl Iterator<Item = &'a str>,
    n_events: usize,
) -> Result<Vec<u64>, Problem> {
    let mut costs = Vec::with_capacity(n_events);
    let mut found = 0;
    for word in words {
        found += 1;
        if found <= n_events {
            costs.push(read_number(word)?);
        }
    }
    if found > n_events {
        return Err(Problem::Costs { found, events: n_events });
    }
    Ok(costs)
}

fn read_number(word: &str) -> Result<u64, Problem> {
    number(word).map_err(|error| problem(error, word))
}

fn read_position(word: &str) -> Result<(), Problem> {
    check_position(word).map_err(|error| problem(error, word))
}

fn problem(error: NumberError, word: &str) -> Problem {
    match error {
        NumberError::NotANumber => Problem::NotANumber(shortened(word)),
        NumberError::TooLarge => Problem::TooLarge,
    }
}

fn not_understood(line: &str) -> Problem {
    Problem::NotUnderstood(shortened(line))
}

/// Shortens a text for an error message.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
