//! The exit codes, and which one wins when several apply.

use std::process::ExitCode;

/// How a command ended. The codes are part of the interface, and docs/reference/results.md lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing regressed; inconclusive series are listed.
    Clean,
    /// A run, a file or the machine did not allow the measurement.
    CouldNotMeasure,
    /// The command line is wrong.
    Usage,
    /// A scenario, a setting or a baseline in the repository is wrong or missing; other commits may
    /// have a right one.
    WrongFile,
    /// Growth is worse than the accepted growth.
    Regressed,
    /// Some series stayed undecided, and `--strict` makes that a failure.
    Inconclusive,
    /// A baseline is missing or does not fit, and one is required.
    NoBaseline,
    /// The self-check failed: the session did not see known growth, so Loadline gives no verdict.
    SelfCheckFailed,
    /// The selection matches nothing to do.
    NothingSelected,
    /// npm is missing or gave no package, so Loadline could not fetch the files.
    NotFetched,
    /// With `--bisect`: this commit gave no verdict, so `git bisect run` skips it.
    SkipCommit,
    /// With `--bisect`: a mistake that is the same at every commit, so `git bisect run` ends.
    EndBisection,
    /// Ctrl-C or a termination signal ended the command.
    Interrupted,
}

impl Exit {
    /// The number that the process exits with.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Clean => 0,
            Exit::CouldNotMeasure => 1,
            Exit::Usage | Exit::WrongFile => 2,
            Exit::Regressed => 3,
            Exit::Inconclusive => 4,
            Exit::NoBaseline => 5,
            Exit::SelfCheckFailed => 6,
            Exit::NothingSelected => 7,
            Exit::NotFetched => 8,
            Exit::SkipCommit => 125,
            Exit::EndBisection => 128,
            Exit::Interrupted => 130,
        }
    }

    /// The word for this exit code in files.
    pub const fn status(self) -> &'static str {
        match self {
            Exit::Clean => "clean",
            Exit::CouldNotMeasure => "could-not-measure",
            Exit::Usage | Exit::WrongFile => "usage",
            Exit::Regressed => "regressed",
            Exit::Inconclusive => "inconclusive",
            Exit::NoBaseline => "no-baseline",
            Exit::SelfCheckFailed => "self-check-failed",
            Exit::NothingSelected => "nothing-selected",
            Exit::SkipCommit => "skip-commit",
            Exit::EndBisection => "end-bisection",
            Exit::NotFetched => "not-fetched",
            Exit::Interrupted => "interrupted",
        }
    }

    /// Picks the exit code to end with when several apply. Codes that make the others worthless come first,
    /// then the more serious ones.
    pub fn of(several: &[Exit]) -> Exit {
        let order = [
            Exit::Interrupted,
            Exit::EndBisection,
            Exit::Usage,
            Exit::WrongFile,
            Exit::NothingSelected,
            Exit::SkipCommit,
            Exit::SelfCheckFailed,
            Exit::CouldNotMeasure,
            Exit::NotFetched,
            Exit::Regressed,
            Exit::NoBaseline,
            Exit::Inconclusive,
        ];
        order.into_iter().find(|exit| several.contains(exit)).unwrap_or(Exit::Clean)
    }
}

impl Exit {
    /// Translates this exit code for `git bisect run`, where 1 to 124 means "bad", 125 means "skip", and a
    /// code above 127 ends the bisection. Only a regression is "bad". A command without a verdict is skipped.
    pub fn for_bisect(self) -> Exit {
        match self {
            Exit::Clean | Exit::Regressed | Exit::Interrupted | Exit::EndBisection => self,
            Exit::Usage => Exit::EndBisection,
            Exit::WrongFile
            | Exit::NothingSelected
            | Exit::CouldNotMeasure
            | Exit::Inconclusive
            | Exit::NoBaseline
            | Exit::SelfCheckFailed
            | Exit::NotFetched
            | Exit::SkipCommit => Exit::SkipCommit,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regression_is_bad_to_a_bisection() {
        let all = [
            (Exit::Clean, 0),
            (Exit::CouldNotMeasure, 125),
            (Exit::Usage, 128),
            (Exit::WrongFile, 125),
            (Exit::Regressed, 3),
            (Exit::Inconclusive, 125),
            (Exit::NoBaseline, 125),
            (Exit::SelfCheckFailed, 125),
            (Exit::NothingSelected, 125),
            (Exit::NotFetched, 125),
            (Exit::SkipCommit, 125),
            (Exit::Interrupted, 130),
        ];
        for (exit, code) in all {
            assert_eq!(exit.for_bisect().code(), code, "{exit:?}");
        }
    }

    /// Each code outweighs every code behind it, in whatever order they come.
    #[test]
    fn the_gravest_of_several_codes_wins() {
        let order = [
            (Exit::Interrupted, 130),
            (Exit::EndBisection, 128),
            (Exit::Usage, 2),
            (Exit::WrongFile, 2),
            (Exit::NothingSelected, 7),
            (Exit::SkipCommit, 125),
            (Exit::SelfCheckFailed, 6),
            (Exit::CouldNotMeasure, 1),
            (Exit::NotFetched, 8),
            (Exit::Regressed, 3),
            (Exit::NoBaseline, 5),
            (Exit::Inconclusive, 4),
            (Exit::Clean, 0),
        ];
        for (place, (graver, code)) in order.iter().enumerate() {
            assert_eq!(graver.code(), *code, "{graver:?}");
            for (lesser, _) in &order[place..] {
                assert_eq!(Exit::of(&[*graver, *lesser]), *graver, "{graver:?}, {lesser:?}");
                assert_eq!(Exit::of(&[*lesser, *graver]), *graver, "{lesser:?}, {graver:?}");
            }
        }
        assert_eq!(Exit::of(&[]), Exit::Clean);
    }
}
