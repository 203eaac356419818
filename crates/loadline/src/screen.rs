//! The options that every verb has: colours, and how much is printed.

use std::sync::OnceLock;

use clap::{Args, ValueEnum};
use loadline_measure::out;
use loadline_report::Look;

/// What the user asked for, once the command line is read.
static ASKED: OnceLock<Screen> = OnceLock::new();

/// The heading of these options in the help.
const HEADING: &str = "Terminal";

/// The options for the terminal.
#[derive(Debug, Clone, Copy, Args)]
pub struct Screen {
    /// Colour the text: auto colours it on a terminal unless NO_COLOR is set
    #[arg(long, global = true, help_heading = HEADING, value_enum, value_name = "WHEN", default_value = "auto")]
    color: Color,

    /// Print every series on a line of its own
    #[arg(short, long, global = true, help_heading = HEADING, conflicts_with = "quiet")]
    verbose: bool,

    /// Print the report and errors only, no progress
    #[arg(short, long, global = true, help_heading = HEADING)]
    quiet: bool,
}

/// When text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

impl Screen {
    /// Makes these options hold for the rest of the program.
    pub fn apply(self) {
        if self.quiet {
            out::be_quiet();
        }
        // The command line is read once.
        let _ = ASKED.set(self);
    }
}

/// The look of text on standard output.
pub fn look() -> Look {
    let look = Look::of_stdout();
    let Some(asked) = ASKED.get() else { return look };
    let has_colour = match asked.color {
        Color::Auto => look.has_colour,
        Color::Always => true,
        Color::Never => false,
    };
    Look { has_colour, is_verbose: asked.verbose, ..look }
}
