//! How a verdict is shown: its urgency, and its sign, colour and words, so that a reader need not rely on one
//! of them.

use loadline_verdict::known_issue::expiry;
use maud::{Markup, html};

use crate::session::model::{KnownIssueFacts, KnownStatus, ScenarioFacts, SeriesFacts, Word};
use crate::session::words::{issue_name, new_functions, word};

/// The standing of a series or of a scenario.
pub struct Standing<'a> {
    /// The urgency; the smallest number is the most urgent.
    pub rank: u8,
    verdict: Word,
    /// The known issue that accepts the growth.
    known: Option<&'a KnownIssueFacts>,
}

/// The parts of the page that scenarios are sorted into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    NotGreen,
    KnownIssues,
    Improved,
    Passes,
    NotJudged,
}

impl Group {
    /// The groups, in the order of the page.
    pub const ALL: [Group; 5] =
        [Group::NotGreen, Group::KnownIssues, Group::Improved, Group::Passes, Group::NotJudged];

    /// Returns the identifier and the title of the group.
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Group::NotGreen => ("attention", "What is not green"),
            Group::KnownIssues => ("known", "Known issues"),
            Group::Improved => ("improved", "What improved"),
            Group::Passes => ("passes", "What passes"),
            Group::NotJudged => ("not-judged", "What is not judged"),
        }
    }
}

impl<'a> Standing<'a> {
    fn new(verdict: Word, known: Option<&'a KnownIssueFacts>) -> Standing<'a> {
        let known = known.filter(|_| verdict == Word::Holds);
        let rank = match verdict {
            Word::Regressed => 0,
            Word::Failed => 1,
            Word::Inconclusive | Word::NoBaseline | Word::NotGated => 2,
            Word::Holds if known.is_some() => 3,
            Word::Improved => 4,
            Word::Holds => 5,
            Word::Control => 6,
            Word::NotJudged => 7,
            Word::Observed => 8,
        };
        Standing { rank, verdict, known }
    }

    pub fn of_series(series: &'a SeriesFacts) -> Standing<'a> {
        Standing::new(series.verdict, series.known_issue.as_ref())
    }

    /// Returns the most urgent standing of the judged series and of the growing functions.
    pub fn of_scenario(scenario: &'a ScenarioFacts) -> Standing<'a> {
        if new_functions(scenario).next().is_some() {
            return Standing::new(Word::Regressed, None);
        }
        let functions = scenario.functions.iter().filter_map(|one| one.known_issue.as_ref());
        let of_functions = functions.map(|known| Standing::new(Word::Holds, Some(known)));
        let all = scenario.judged().map(Standing::of_series).chain(of_functions);
        let worst = all.min_by_key(|standing| standing.rank);
        worst.unwrap_or_else(|| Standing::new(Word::NotJudged, None))
    }

    pub const fn group(&self) -> Group {
        match self.rank {
            0..=2 => Group::NotGreen,
            3 => Group::KnownIssues,
            4 => Group::Improved,
            5 => Group::Passes,
            _ => Group::NotJudged,
        }
    }

    /// Whether a reader has to look at the series or scenario, so that it is shown in full.
    pub fn needs_a_look(&self) -> bool {
        matches!(self.group(), Group::NotGreen | Group::Improved)
    }

    /// Renders the sign, which screen readers skip because words follow.
    pub fn sign(&self) -> Markup {
        let sign = match self.verdict {
            Word::Holds if self.known.is_some() => "◆",
            Word::Holds => "✔",
            Word::Improved => "▼",
            Word::Regressed | Word::Failed => "✖",
            Word::Inconclusive | Word::NoBaseline | Word::NotGated => "?",
            Word::NotJudged | Word::Control | Word::Observed => "–",
        };
        html! { span class=(self.class()) aria-hidden="true" { (sign) } }
    }

    /// Renders the words, with the link and the expiry of a known issue.
    pub fn words(&self) -> Markup {
        html! {
            span class={ "verdict " (self.class()) } {
                @match self.known {
                    Some(known) if known.status == KnownStatus::NoLongerSeen => { "known issue, no longer seen" }
                    Some(known) => { "known issue, " (expiry(&known.expires)) }
                    None => { (word(self.verdict)) }
                }
            }
            @if let Some(known) = self.known { " " (link(&known.link)) }
        }
    }

    fn class(&self) -> &'static str {
        match self.verdict {
            Word::Holds if self.known.is_some() => "known",
            Word::Holds | Word::Improved => "green",
            Word::Regressed | Word::Failed => "red",
            Word::Inconclusive | Word::NoBaseline | Word::NotGated => "amber",
            Word::NotJudged | Word::Control | Word::Observed => "soft",
        }
    }
}

/// Renders a link under a short name, like `wasmtime#10084`. What is no address stays text.
fn link(address: &str) -> Markup {
    let Some(path) = address.strip_prefix("https://") else { return html! { (address) } };
    let name = issue_name(address).unwrap_or_else(|| path.to_owned());
    html! { a href=(address) { (name) } }
}
