//! The error type [`Error`] of every crate of the program except its command line.

use std::error::Error as StdError;
use std::fmt;

use crate::exit::Exit;

/// An attempt that failed: what was attempted, why it failed, and the exit code for it.
///
/// `{}` prints the outermost sentence and `{:#}` all of them, from the outermost to the cause.
#[derive(Debug)]
pub struct Error {
    exit: Exit,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of an attempt that may fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that ends the program with `exit`, and says why in a sentence.
    pub fn new(exit: Exit, message: impl Into<String>) -> Error {
        Error { exit, message: message.into(), source: None }
    }

    /// The exit code that the program ends with.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// This error as the cause of a failed attempt, which `message` names.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Error {
        Error { exit: self.exit, message: message.into(), source: Some(Box::new(self)) }
    }

    /// An error of another crate. It names no exit code, so the program could not measure.
    pub fn foreign(error: &dyn StdError) -> Error {
        let source = error.source().map(|source| Error::new(Exit::CouldNotMeasure, chain(source)));
        let source = source.map(|source| -> Box<dyn StdError + Send + Sync> { Box::new(source) });
        Error { exit: Exit::CouldNotMeasure, message: error.to_string(), source }
    }
}

/// The sentences of `error` and its causes, from the outermost on.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { f.write_str(&chain(self)) } else { f.write_str(&self.message) }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

macro_rules! from_foreign {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Error {
                Error::foreign(&error)
            }
        }
    )+};
}

from_foreign!(
    std::io::Error,
    tempfile::PersistError,
    serde_json::Error,
    toml::de::Error,
    toml::ser::Error,
    loadline_growth::SeriesError,
    loadline_callgrind::FolderError,
    std::num::ParseIntError,
);

/// Adds to a failure what the program attempted.
pub trait Context<T> {
    /// Adds `message`, which says what the program attempted, to the error.
    ///
    /// # Errors
    /// Returns the error of the failed attempt, with `message` in front.
    fn context(self, message: impl Into<String>) -> Result<T>;

    /// Adds what the program attempted to the error; the message is built only after a failure.
    ///
    /// # Errors
    /// Returns the error of the failed attempt, with the message in front.
    fn with_context<S: Into<String>>(self, message: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: StdError + Send + Sync + 'static> Context<T> for std::result::Result<T, E> {
    fn context(self, message: impl Into<String>) -> Result<T> {
        self.with_context(|| message)
    }

    fn with_context<S: Into<String>>(self, message: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| {
            let own = (&error as &dyn std::any::Any).downcast_ref::<Error>();
            let exit = own.map_or(Exit::CouldNotMeasure, Error::exit);
            Error { exit, message: message().into(), source: Some(Box::new(error)) }
        })
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, message: impl Into<String>) -> Result<T> {
        self.ok_or_else(|| Error::new(Exit::CouldNotMeasure, message))
    }

    fn with_context<S: Into<String>>(self, message: impl FnOnce() -> S) -> Result<T> {
        self.ok_or_else(|| Error::new(Exit::CouldNotMeasure, message()))
    }
}

/// Returns from the function with an error that has this message.
#[macro_export]
macro_rules! bail {
    ($($message:tt)+) => {
        return Err($crate::Error::new($crate::Exit::CouldNotMeasure, format!($($message)+)))
    };
}

/// Returns from the function with an error that has this message, unless the condition is true.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            $crate::bail!($($message)+);
        }
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_error_keeps_its_exit_code_and_names_every_attempt() {
        let inner: Result<()> = Err(Error::new(Exit::Usage, "it has no name"));
        let error = inner.context("cannot read a.toml").context("cannot measure").unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        assert_eq!(error.to_string(), "cannot measure");
        assert_eq!(format!("{error:#}"), "cannot measure: cannot read a.toml: it has no name");
    }

    #[test]
    fn the_causes_of_a_foreign_error_are_kept() {
        let cause = std::io::Error::other(Error::new(Exit::Usage, "inner").context("outer"));
        let error = Error::from(cause).context("cannot write");
        assert_eq!(format!("{error:#}"), "cannot write: outer: inner");
        assert_eq!(error.exit(), Exit::CouldNotMeasure);
        let missing: Option<()> = None;
        assert_eq!(missing.context("nothing").unwrap_err().to_string(), "nothing");
    }
}
