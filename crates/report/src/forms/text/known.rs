//! The known issues that are still present, grouped by cause, link and expiry.

use loadline_verdict::known_issue::expiry;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::session::model::{Facts, FunctionFacts, KnownIssueFacts, KnownStatus};
use crate::session::words::{issue_name, series_count};

/// The fewest characters of a cause that are shown.
const SHORTEST_CAUSE: usize = 24;

/// The series and functions of one known issue.
struct Group<'a> {
    issue: &'a KnownIssueFacts,
    n_series: usize,
    n_functions: usize,
    function: Option<&'a FunctionFacts>,
}

/// Lists one line per known issue that is still present, the one with the most series first. A line fits into
/// `width` as far as its link does.
pub fn known_issues(facts: &Facts, width: Option<usize>) -> Vec<String> {
    let of_series =
        facts.judged().filter_map(|(_, series)| Some((series.known_issue.as_ref()?, None)));
    let of_functions = facts.scenarios.iter().flat_map(|scenario| &scenario.functions);
    let of_functions =
        of_functions.filter_map(|function| Some((function.known_issue.as_ref()?, Some(function))));
    let mut groups: BTreeMap<[&str; 3], Group> = BTreeMap::new();
    let is_present = |issue: &KnownIssueFacts| issue.status == KnownStatus::Seen;
    for (issue, function) in of_series.chain(of_functions).filter(|(issue, _)| is_present(issue)) {
        let group = groups.entry([&issue.reason, &issue.link, &issue.expires]).or_insert(Group {
            issue,
            n_series: 0,
            n_functions: 0,
            function: None,
        });
        match function {
            Some(function) => {
                group.n_functions += 1;
                // A function with a known cause says more.
                if group.function.is_none_or(|one| one.cause.is_none() && function.cause.is_some())
                {
                    group.function = Some(function);
                }
            }
            None => group.n_series += 1,
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| Reverse(group.n_series));
    groups.iter().map(|group| group.line(width)).collect()
}

impl Group<'_> {
    /// Formats the group as `12 series (expires with wasmtime 52): __deregister_frame_info_bases, URL`. If the
    /// line is too long, the link gets shorter, and then the cause.
    fn line(&self, width: Option<usize>) -> String {
        let KnownIssueFacts { reason, link, expires, .. } = self.issue;
        let count = match (self.n_series, self.n_functions) {
            (0, 1) => "1 function".to_owned(),
            (0, n) => format!("{n} functions"),
            (n, _) => series_count(n),
        };
        let start = format!("{count} ({}): ", expiry(expires));
        let cause = self.function.map_or(reason, |one| &one.function);
        // The list indents its items by two.
        let Some(width) = width.map(|width| width.saturating_sub(2)) else {
            return format!("{start}{cause}, {link}");
        };
        let long = |text: &str| text.chars().count();
        let is_whole = long(&start) + long(cause) + 2 + long(link) <= width;
        let link = if is_whole { link.clone() } else { short_link(link) };
        let room = width.saturating_sub(long(&start) + 2 + long(&link)).max(SHORTEST_CAUSE);
        format!("{start}{}, {link}", super::lines::cut(cause, Some(room)))
    }
}

/// Shortens a link to GitHub: to `repository#number` for an issue or pull request, else to its last part.
fn short_link(link: &str) -> String {
    let last = || match link.strip_prefix("https://github.com/") {
        Some(path) => path.rsplit('/').next().unwrap_or(path),
        None => link,
    };
    issue_name(link).unwrap_or_else(|| last().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_issue_fits_into_a_line() {
        let issue = KnownIssueFacts {
            status: KnownStatus::Seen,
            reason: "the list of objects is searched from its newest end".to_owned(),
            link: "https://github.com/bytecodealliance/wasmtime/issues/10084".to_owned(),
            expires: "wasmtime 52".to_owned(),
        };
        let group = Group { issue: &issue, n_series: 12, n_functions: 0, function: None };
        assert_eq!(
            group.line(Some(82)),
            "12 series (expires with wasmtime 52): the list of objects is se…, wasmtime#10084"
        );
        assert!(
            group
                .line(None)
                .ends_with("newest end, https://github.com/bytecodealliance/wasmtime/issues/10084")
        );
    }
}
