//! The fact first: what happened to a series, a function or a session, in one sentence that a colleague would
//! say. Every form of a report starts with this sentence.

use loadline_scenario::units::short;
use loadline_scenario::{Metric, MetricKind};
use loadline_verdict::known_issue::expiry;

use crate::session::model::{
    AgainstKind, Ending, Facts, FunctionFacts, Interval, KnownStatus, ScenarioFacts, SeriesFacts,
    Word,
};
use crate::session::words::{duration, new_functions};

/// The exponents that people call linear.
const LINEAR: std::ops::RangeInclusive<f64> = 0.85..=1.15;

/// Says what happened to a series, like `my-program unload: was linear, now N^2.4. 216 ms instead of 53.9 ms at
/// N = 4096 (×4.0).`
pub fn fact(scenario: &ScenarioFacts, series: &SeriesFacts) -> String {
    let cost = cost(series).filter(|_| !series.verdict.is_open());
    let between = if series.verdict.is_changed() { ". " } else { ", " };
    let cost = cost.map(|cost| format!("{between}{cost}")).unwrap_or_default();
    format!("{}: {}{cost}.", subject(scenario, series), said(series).trim_end_matches('.'))
}

/// Says the same in fewer words, like `my-program unload: was linear, now N^2.4 (×4.0 at N = 4096)`.
pub fn brief(scenario: &ScenarioFacts, series: &SeriesFacts) -> String {
    let top = series.costs.last();
    let top = top.filter(|_| series.verdict.is_changed() && series.speed_up.is_none());
    let times = top.and_then(|top| Some((ratio(top.cost, top.other_cost?)?, top.n)));
    let times = times.map(|(ratio, n)| format!(" ({ratio} at N = {n})")).unwrap_or_default();
    format!("{}: {}{times}", subject(scenario, series), said(series))
}

/// Names a series. CPU time is the usual cost of a phase, so its name is left out.
fn subject(scenario: &ScenarioFacts, series: &SeriesFacts) -> String {
    match series.name.metric {
        Metric::TaskClock => format!("{} {}", scenario.full_name, series.name.phase),
        _ => format!("{} {}", scenario.full_name, series.name),
    }
}

/// Says what the verdict on a series is, without its costs.
fn said(series: &SeriesFacts) -> String {
    let now = shape(series.exponent.as_ref(), series.is_flat(), 1);
    let reason = series.doubt.as_ref().map(|doubt| doubt.reason.as_str());
    match series.verdict {
        Word::Regressed | Word::Improved => change(series),
        Word::Holds | Word::Control | Word::Observed => match &series.known_issue {
            Some(known) if known.status == KnownStatus::Seen => {
                format!("{now}, a known issue ({})", expiry(&known.expires))
            }
            _ => now,
        },
        Word::Inconclusive => format!("undecided: {}", reason.unwrap_or("not sure")),
        Word::NoBaseline => "undecided: no baseline and no control to judge it against".to_owned(),
        Word::NotGated => {
            format!("{}, but is not gated: nothing to compare it with", verb(&now))
        }
        Word::NotJudged => format!("not measurable here: {}", reason.unwrap_or("not measured")),
        Word::Failed => "not judged, because runs failed".to_owned(),
    }
}

/// Says how the growth of a series changed.
fn change(series: &SeriesFacts) -> String {
    if let (Some(gain), Some(control)) = (series.speed_up, series.control_speed_up) {
        return format!(
            "threads are ×{:.2} as fast as one thread, but ×{:.2} in the control",
            gain.value, control.value
        );
    }
    let shapes = |digits| {
        (
            shape(series.exponent.as_ref(), series.is_flat(), digits),
            shape(series.other_exponent.as_ref(), series.was_flat(), digits),
        )
    };
    let (now, was) = match shapes(1) {
        (now, was) if now == was => shapes(2),
        shapes => shapes,
    };
    let grows = verb(&now);
    let expired = series.known_issue.as_ref().filter(|k| k.status == KnownStatus::Expired);
    let steeper = series.known_issue.as_ref().filter(|k| k.status == KnownStatus::Steeper);
    let control = series.against.name.as_deref().unwrap_or_default();
    match (expired, series.against.kind) {
        (Some(known), _) => {
            format!("{grows}, and the known issue that accepted it expired ({})", known.expires)
        }
        (_, AgainstKind::Baseline | AgainstKind::Build) if now == was => {
            let more = if series.verdict == Word::Improved { "slower" } else { "faster" };
            format!("grows {more} than before, about {now}")
        }
        (_, AgainstKind::Baseline | AgainstKind::Build) => format!("was {was}, now {now}"),
        (_, AgainstKind::Control | AgainstKind::Expectation | AgainstKind::Nothing)
            if steeper.is_some() =>
        {
            format!("{grows}, more than its known issue accepts")
        }
        (_, AgainstKind::Control) if now == was => {
            format!("{grows}, more than its control {control}")
        }
        (_, AgainstKind::Control) => format!("{grows}, and its control {control} {}", verb(&was)),
        (_, AgainstKind::Expectation) => format!("{grows}, more than its scenario states"),
        (_, AgainstKind::OneThread) => "threads gain less than in the control".to_owned(),
        (_, AgainstKind::Nothing) => format!("{grows}, with nothing to compare it with"),
    }
}

/// Names the shape of a curve: `linear`, `constant`, `N^2.4`. The shape is `not known` if the exponent is.
fn shape(exponent: Option<&Interval>, is_flat: bool, digits: usize) -> String {
    match exponent {
        Some(exponent) if digits == 1 && LINEAR.contains(&exponent.value) => "linear".to_owned(),
        Some(exponent) => format!("N^{:.digits$}", exponent.value),
        None if is_flat => "constant".to_owned(),
        None => "of unknown growth".to_owned(),
    }
}

/// Makes a sentence of a shape: `is linear`, `grows as N^2.4`.
fn verb(shape: &str) -> String {
    if shape.starts_with('N') { format!("grows as {shape}") } else { format!("is {shape}") }
}

/// Compares the cost at the largest N with the other side's, like `216 ms instead of 53.9 ms at N = 4096 (×4.0)`.
fn cost(series: &SeriesFacts) -> Option<String> {
    let size = series.costs.last()?;
    let cost = short(size.cost, series.unit);
    // With threads, the costs are those of all threads together, which the speed-up already tells.
    let is_expired = series.known_issue.as_ref().is_some_and(|k| k.status == KnownStatus::Expired);
    let is_compared =
        series.verdict.is_changed() && !is_expired && series.against.kind != AgainstKind::OneThread;
    let Some(other) = size.other_cost.filter(|_| is_compared) else {
        return Some(format!("{cost} at N = {}", size.n));
    };
    let times = ratio(size.cost, other).map(|ratio| format!(" ({ratio})")).unwrap_or_default();
    Some(format!("{cost} instead of {} at N = {}{times}", short(other, series.unit), size.n))
}

/// Formats how many times `other` a cost is; `None` for a share of nothing.
fn ratio(cost: f64, other: f64) -> Option<String> {
    let ratio = Some(cost / other).filter(|ratio| ratio.is_finite() && *ratio > 0.0)?;
    Some(match ratio {
        r if r >= 9.95 => format!("×{r:.0}"),
        r if r >= 1.95 => format!("×{r:.1}"),
        r => format!("×{r:.2}"),
    })
}

/// Says that a function is new among those that grow beyond linear.
pub fn function_fact(scenario: &ScenarioFacts, function: &FunctionFacts) -> String {
    let FunctionFacts { phase, shown, formula, share, top, .. } = function;
    let hidden = function.hidden_until.map(|n| format!("; the total hides that up to N ≈ {n}"));
    format!(
        "{} {phase}: {shown} now grows beyond linear: {formula} instructions, {:.0} % of {phase} at N = {top}{}.",
        scenario.full_name,
        share * 100.0,
        hidden.unwrap_or_default()
    )
}

impl ScenarioFacts {
    /// Whether a series regressed, or a function is new among those that grow beyond linear.
    pub fn has_regressed(&self) -> bool {
        self.series.iter().any(|series| series.verdict == Word::Regressed)
            || new_functions(self).next().is_some()
    }
}

impl Facts {
    /// Lists the regressed series, the most telling first: times before counts, then the largest factor.
    pub fn regressed(&self) -> Vec<(&ScenarioFacts, &SeriesFacts)> {
        let mut all: Vec<_> =
            self.judged().filter(|(_, series)| series.verdict == Word::Regressed).collect();
        let factor = |series: &SeriesFacts| {
            let size = series.costs.last();
            size.and_then(|size| Some(size.cost / size.other_cost?)).unwrap_or(0.0)
        };
        all.sort_by(|(_, one), (_, other)| {
            let is_count = |series: &SeriesFacts| series.name.metric.kind() == MetricKind::Count;
            let kinds = is_count(one).cmp(&is_count(other));
            kinds.then(factor(other).total_cmp(&factor(one)))
        });
        all
    }

    /// Lists every judged series, the regressed ones first and in the order of [`Facts::regressed`].
    pub fn most_telling_first(&self) -> impl Iterator<Item = (&ScenarioFacts, &SeriesFacts)> {
        let others = self.judged().filter(|(_, series)| series.verdict != Word::Regressed);
        self.regressed().into_iter().chain(others)
    }

    /// Lists the functions with new growth, which are red by themselves.
    pub fn new_functions(&self) -> impl Iterator<Item = (&ScenarioFacts, &FunctionFacts)> {
        self.scenarios
            .iter()
            .flat_map(|one| new_functions(one).map(move |function| (one, function)))
    }

    /// Counts the judged series with the verdict `word`.
    fn count(&self, word: Word) -> usize {
        self.judged().filter(|(_, series)| series.verdict == word).count()
    }

    /// Says how many series have each verdict, like `279 of 282 series pass, 3 undecided`. Regressions come first.
    pub fn counts(&self) -> String {
        let functions = self.new_functions().count();
        let mut others = vec![
            (self.count(Word::NotGated), "superlinear but not gated"),
            (self.count(Word::Inconclusive), "undecided"),
            (self.count(Word::NoBaseline), "undecided without a baseline"),
            (self.count(Word::Improved), "improved"),
        ];
        let (pass, red) = (self.count(Word::Holds), self.count(Word::Regressed));
        let judged = pass + red + others.iter().map(|(count, _)| count).sum::<usize>();
        others.push((self.count(Word::Failed), "not judged because runs failed"));
        if !self.result.is_self_check_failed && red + functions == 0 {
            others.push((self.count(Word::NotJudged), "not measurable here"));
        }
        let gone = self.judged().filter(|(_, series)| series.is_gone()).count();
        others.push((
            gone,
            if gone == 1 { "known issue no longer seen" } else { "known issues no longer seen" },
        ));
        let verb = if pass == 1 { "passes" } else { "pass" };
        let mut parts = match (pass, red) {
            _ if judged == 0 => vec!["no series was judged".to_owned()],
            (0, 0) => vec![format!("none of {judged} series passes")],
            (pass, 0) if pass == judged => vec![format!("{pass} series {verb}")],
            (pass, 0) => vec![format!("{pass} of {judged} series {verb}")],
            (0, red) => vec![format!("{red} of {judged} series REGRESSED")],
            (pass, red) => {
                vec![format!("{red} of {judged} series REGRESSED"), format!("{pass} {verb}")]
            }
        };
        parts.extend(match functions {
            0 => None,
            1 => Some("1 function with new growth REGRESSED".to_owned()),
            n => Some(format!("{n} functions with new growth REGRESSED")),
        });
        let others = others.iter().filter(|(count, _)| *count > 0);
        parts.extend(others.map(|(count, text)| format!("{count} {text}")));
        parts.join(", ")
    }

    /// Says how long the runs of the session took, if that is known.
    pub fn taken(&self) -> Option<String> {
        self.session.seconds.map(duration)
    }

    /// Says in one sentence what the session found. The sentence agrees with the exit code.
    pub fn headline(&self) -> String {
        let Ending { exit_code, summary, .. } = &self.result;
        if self.result.is_self_check_failed {
            return "The self-check failed, so this session gives no verdict.".to_owned();
        }
        match exit_code {
            0 if self.count(Word::NotGated) > 0 => {
                format!("OK, but not everything is gated: {}", self.counts())
            }
            0 => format!("OK, {}", self.counts()),
            1 => self.not_measured(),
            3 => {
                let of_series = self.regressed().first().map(|(one, series)| fact(one, series));
                let of_function = || {
                    let (one, function) = self.new_functions().next()?;
                    Some(function_fact(one, function))
                };
                of_series.or_else(of_function).unwrap_or_else(|| summary.clone())
            }
            4 => format!("undecided, which --strict does not let pass: {}", self.counts()),
            5 => {
                format!(
                    "no baseline, which --require-baseline does not let pass: {}",
                    self.counts()
                )
            }
            _ => summary.clone(),
        }
    }

    /// Says what could not be measured, and what regressed nevertheless.
    fn not_measured(&self) -> String {
        let failed = match self.failures.as_slice() {
            [] => "No judged series could be measured here.".to_owned(),
            [only] => format!("Measuring failed: {only}."),
            [first, rest @ ..] => {
                let causes = if rest.len() == 1 { "cause" } else { "causes" };
                format!("Measuring failed: {first}; {} more {causes}.", rest.len())
            }
        };
        match self.regressed().as_slice() {
            [] => failed,
            [(scenario, series), ..] => format!("{failed} REGRESSED: {}", fact(scenario, series)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_named_only_if_it_is_known() {
        let exponent = |value| Interval { value, low: value - 0.1, high: value + 0.1 };
        assert_eq!(shape(Some(&exponent(1.04)), false, 1), "linear");
        assert_eq!(shape(Some(&exponent(2.38)), false, 1), "N^2.4");
        assert_eq!(shape(Some(&exponent(1.04)), false, 2), "N^1.04");
        assert_eq!(shape(None, true, 1), "constant");
        assert_eq!(shape(None, false, 1), "of unknown growth");
    }

    #[test]
    fn a_factor_has_two_digits_that_matter() {
        let factors = [(216.0, 53.9), (500.0, 40.0), (13.0, 10.0), (37.0, 183.0)];
        let shown = factors.map(|(cost, other)| ratio(cost, other).unwrap_or_default());
        assert_eq!(shown, ["×4.0", "×12", "×1.30", "×0.20"]);
        assert_eq!(ratio(5.0, 0.0), None);
    }
}
