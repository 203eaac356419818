//! [`Unwinder`]: the unwinder of measured processes.
//!
//! This module only names the requested unwinder. The caller finds its library. The measured process reports
//! whether that library became the active unwinder.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The unwinder that measured processes should use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Unwinder {
    /// The machine's own unwinder, with which the runner is linked.
    #[default]
    Host,
    /// The newest LLVM libunwind that is installed.
    Llvm,
    /// The library at this path: an LLVM libunwind, or a libgcc of another version.
    Library(PathBuf),
}

/// The error about a text that names no unwinder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an unwinder is host, llvm, or the path of a library")]
pub struct NoUnwinder;

impl FromStr for Unwinder {
    type Err = NoUnwinder;

    fn from_str(text: &str) -> Result<Unwinder, NoUnwinder> {
        match text {
            "host" => Ok(Unwinder::Host),
            "llvm" => Ok(Unwinder::Llvm),
            path if path.trim().is_empty() || path.contains('\0') => Err(NoUnwinder),
            path => Ok(Unwinder::Library(PathBuf::from(path))),
        }
    }
}

impl TryFrom<String> for Unwinder {
    type Error = NoUnwinder;

    fn try_from(text: String) -> Result<Unwinder, NoUnwinder> {
        text.parse()
    }
}

impl From<Unwinder> for String {
    fn from(unwinder: Unwinder) -> String {
        unwinder.to_string()
    }
}

impl fmt::Display for Unwinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unwinder::Host => f.write_str("host"),
            Unwinder::Llvm => f.write_str("llvm"),
            Unwinder::Library(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unwinder_is_written_as_it_is_read() {
        for text in ["host", "llvm", "/usr/lib/llvm-14/lib/libunwind.so.1", "./libgcc_s.so.1"] {
            assert_eq!(text.parse::<Unwinder>().map(|u| u.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "  ", "a\0b"] {
            assert_eq!(text.parse::<Unwinder>(), Err(NoUnwinder), "{text:?}");
        }
    }
}
