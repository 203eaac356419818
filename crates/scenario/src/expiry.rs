//! The date or version at which a known issue expires.

use std::fmt;

use crate::protocol::environment::Environment;

/// The forms of an expiry, for messages.
pub const FORMS: &str = "a version of a component, as in \"wasmtime 52\" (also libgcc, llvm, loadline), or a day, as in \"2027-06-30\"";

/// When an acceptance expires: from this day on, or from this version of a component on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// A day in UTC, such as `2027-06-30`.
    Day(String),
    /// A version of a component that decides how loading scales.
    Version {
        /// The component.
        component: Component,
        /// The first version that is no longer accepted, with as many numbers as matter.
        version: Vec<u64>,
    },
}

/// A component whose release can end an acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// Wasmtime.
    Wasmtime,
    /// GCC's unwinder.
    Libgcc,
    /// LLVM's unwinder.
    Llvm,
    /// This tool.
    Loadline,
}

impl Component {
    const ALL: [Component; 4] =
        [Component::Wasmtime, Component::Libgcc, Component::Llvm, Component::Loadline];

    fn name(self) -> &'static str {
        match self {
            Component::Wasmtime => "wasmtime",
            Component::Libgcc => "libgcc",
            Component::Llvm => "llvm",
            Component::Loadline => "loadline",
        }
    }

    /// The component's version in `environment`. `None` if the environment does not have the component.
    fn version(self, environment: &Environment) -> Option<&str> {
        let family = environment.unwinder_family.as_str();
        match self {
            Component::Wasmtime => Some(&environment.wasmtime),
            Component::Loadline => Some(&environment.loadline),
            Component::Libgcc => {
                family.starts_with("libgcc").then_some(environment.unwinder_version.as_str())
            }
            Component::Llvm => (family == "llvm").then_some(environment.unwinder_version.as_str()),
        }
    }
}

impl Expiry {
    /// Reads `wasmtime 52`, `libgcc 13.2` or `2027-06-30`.
    pub fn parse(text: &str) -> Option<Expiry> {
        let Some((component, version)) = text.split_once(' ') else {
            return is_day(text).then(|| Expiry::Day(text.to_owned()));
        };
        let component = Component::ALL.into_iter().find(|known| known.name() == component)?;
        Some(Expiry::Version { component, version: numbers(version)? })
    }

    /// Whether the acceptance has expired in `environment` on the day `today`, for example `2026-11-23`. An
    /// unreadable version counts as expired. A missing component does not.
    pub fn has_ended(&self, environment: &Environment, today: &str) -> bool {
        match self {
            Expiry::Day(day) => today >= day.as_str(),
            Expiry::Version { component, version } => {
                component.version(environment).is_some_and(|current| {
                    leading_numbers(current).is_none_or(|current| current >= *version)
                })
            }
        }
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expiry::Day(day) => f.write_str(day),
            Expiry::Version { component, version } => {
                let version: Vec<String> = version.iter().map(u64::to_string).collect();
                write!(f, "{} {}", component.name(), version.join("."))
            }
        }
    }
}

/// Whether `text` looks like a day: digits in their places, with a month up to 12 and a day up to 31.
fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let number = |text: &str, digits: usize| -> Option<u32> {
        let is_plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| text.parse().ok()).flatten()
    };
    number(year, 4).is_some()
        && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
}

/// The numbers of a version such as `48.0.8`. `None` if a part is not a number.
fn numbers(text: &str) -> Option<Vec<u64>> {
    text.split('.').map(|part| part.parse().ok()).collect()
}

/// The numbers with which a version begins. For `49.0.0-dev` they are 49, 0, 0.
fn leading_numbers(text: &str) -> Option<Vec<u64>> {
    let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
    numbers(text[..end].trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_versions_are_read() {
        for text in ["wasmtime 52", "libgcc 13.2", "llvm 20", "loadline 0.2", "2027-06-30"] {
            assert_eq!(Expiry::parse(text).map(|e| e.to_string()).as_deref(), Some(text));
        }
        let wrong =
            ["", "wasmtime", "wasmtime x", "gcc 13", "2027-6-30", "2027-13-01", "+027-01-01"];
        for text in wrong {
            assert_eq!(Expiry::parse(text), None, "{text}");
        }
    }
}
