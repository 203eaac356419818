//! The report for a terminal. The first line is the fact. The text is short: at most 15 lines if nothing
//! regressed, and at most 25 otherwise.

mod every;
mod green;
mod known;
mod lines;
mod red;

pub use every::not_counted_line;
pub use green::{not_counted, self_checks};

use crate::session::model::Facts;
pub use crate::session::words::{verdict, word};

/// Lines are wrapped at the terminal's width between these two.
const NARROWEST: usize = 60;
const WIDEST: usize = 200;

/// The width and colours that a terminal offers.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The number of characters per line, if limited.
    pub width: Option<usize>,
    /// Whether colours are wanted. They repeat what the words say.
    pub has_colour: bool,
    /// Whether every series gets a row of its own.
    pub is_verbose: bool,
}

impl Look {
    /// The look of a file: no width limit and no colours.
    pub const PLAIN: Look = Look { width: None, has_colour: false, is_verbose: false };

    /// Returns the look of standard output. Colours need a terminal, and neither `NO_COLOR` nor `TERM=dumb`.
    pub fn of_stdout() -> Look {
        let terminal = console::Term::stdout();
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let of_terminal = || terminal.size_checked().map(|(_, columns)| usize::from(columns));
        Look {
            width: columns.or_else(of_terminal),
            has_colour: terminal.is_term() && !is_set("NO_COLOR") && !is_dumb,
            is_verbose: false,
        }
    }
}

/// Renders the whole text: the fact first, then what a reader needs to act. `-v` shows every series.
pub fn render(facts: &Facts, look: Look) -> String {
    let look = Look { width: look.width.map(|width| width.clamp(NARROWEST, WIDEST)), ..look };
    let lines = match facts.result.exit_code {
        _ if look.is_verbose => every::lines(facts, look),
        0 | 4 | 5 => green::lines(facts, look.width),
        _ => red::lines(facts, look.width),
    };
    let text: String = lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
    if !look.has_colour {
        return text;
    }
    // Colours come last, because they have no width. They repeat what the words say.
    let red =
        |text: String, word: &str| text.replace(word, &format!("\u{1b}[1;31m{word}\u{1b}[0m"));
    ["REGRESSED", "FAILED"].into_iter().fold(text, red)
}
