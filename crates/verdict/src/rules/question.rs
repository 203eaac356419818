//! Decides which rule judges a series, and how the rule's answer becomes a verdict.
//!
//! The rules are in `loadline-growth`. A question gives them a baseline if one fits. Otherwise it gives times
//! the control of the same session, and counts the growth that the scenario states.

use loadline_growth::{
    Case, CurveJudgement, CurveOptions, CurveVerdict, Doubt, Expect, JudgeOptions, Judgement, Kind,
    PairOptions, PairVerdict, Rule, Series, Suspicion, Tau, Verdict, judge_curve, judge_pair,
};
use loadline_record::baseline::{Accepted, Baseline, Key};
use loadline_record::measured::{Measured, MeasuredBefore, MeasuredScenario};
use loadline_scenario::{Environment, MetricKind, Scenario, SeriesName};

use crate::judged::{Against, Ground, Judged, Outcome};
use crate::rules::known::{Entry, Present};
use crate::rules::known_issue::{KnownIssue, KnownState};
use crate::rules::readings::{NoSeries, control, medians, on_common_sizes, workload};
use crate::rules::reference::{BaselineSource, LOOKS};

/// One series and the references that it can be judged against.
pub(crate) struct Question<'a> {
    scenario: &'a Scenario,
    pub(crate) environment: &'a Environment,
    name: SeriesName,
    workload: Result<Series, NoSeries>,
    against: Against,
    other: Option<Series>,
    n_larger: usize,
    may_widen: bool,
    tau: Option<Tau>,
    known: Option<Entry<'a>>,
    /// The series accepted on another CPU. Its times say nothing about this CPU.
    elsewhere: Option<&'a Series>,
    has_no_baseline: bool,
    /// Whether the scenario is measured as a control here, and its own control is not.
    is_control: bool,
    notes: Vec<String>,
}

impl<'a> Question<'a> {
    pub(crate) fn of(
        measured: &'a MeasuredScenario,
        name: SeriesName,
        session: &'a Measured,
        baselines: &'a dyn BaselineSource,
    ) -> Question<'a> {
        let full_name = measured.scenario.full_name();
        let kind = match name.metric.kind() {
            MetricKind::Count => Kind::Count,
            MetricKind::Time => Kind::Time,
        };
        let tau = baselines.tau(kind, &session.environment);
        if let Some(before) = &session.before
            && before.scenarios.iter().any(|m| m.scenario.full_name() == full_name)
        {
            return Question::against_build(measured, name, tau, &session.environment, before);
        }
        let scenario = &measured.scenario;
        let environment = &session.environment;
        let key = Key::of(scenario, environment);
        let insisted = baselines.insisted();
        let fitting = baselines.of(&scenario.name).find(&key);
        let baseline = insisted.or(fitting);
        let accepted = baseline.and_then(|baseline| baseline.find(name));
        let mut question = Question {
            scenario,
            environment,
            name,
            workload: workload(measured, name),
            against: Against::Nothing,
            other: None,
            n_larger: measured.n_larger,
            may_widen: true,
            tau,
            known: scenario
                .known(name, &environment.unwinder_family)
                .map(|known| Entry::of(known, &Present::of(session))),
            elsewhere: None,
            has_no_baseline: accepted.is_none(),
            is_control: is_control(scenario, session),
            notes: Vec::new(),
        };
        if let Some(insisted) = insisted {
            // A user who names a baseline asks whether it is exceeded, so known growth does not matter.
            question.known = None;
            let differences = key.differences(&insisted.key);
            question.notes.extend(differences.iter().map(|d| format!("baseline differs: {d}")));
        }
        match (baseline, accepted) {
            (Some(baseline), Some(accepted)) => {
                question.judge_against_baseline(baseline, accepted, insisted.is_some(), session);
            }
            _ => question.judge_without_baseline(session),
        }
        question
    }

    /// Asks whether this build's growth is worse than that of the other build, measured in turn. Baselines,
    /// controls and known growth do not matter for this question.
    fn against_build(
        measured: &'a MeasuredScenario,
        name: SeriesName,
        tau: Option<Tau>,
        environment: &'a Environment,
        before: &'a MeasuredBefore,
    ) -> Question<'a> {
        let mut question = Question {
            scenario: &measured.scenario,
            environment,
            name,
            workload: workload(measured, name),
            against: Against::Build(before.build.name.clone()),
            other: None,
            n_larger: measured.n_larger,
            may_widen: true,
            tau,
            known: None,
            elsewhere: None,
            has_no_baseline: false,
            is_control: false,
            notes: Vec::new(),
        };
        let full_name = measured.scenario.full_name();
        let counterpart = before.scenarios.iter().find(|m| m.scenario.full_name() == full_name);
        let other = counterpart.map_or(Err(NoSeries::RunsFailed), |m| workload(m, name));
        match other {
            Ok(other) => question.compare_with(other),
            Err(why) => question.workload = question.workload.and(Err(why)),
        }
        question
    }

    fn judge_against_baseline(
        &mut self,
        baseline: &'a Baseline,
        accepted: &'a Accepted,
        is_insisted: bool,
        session: &'a Measured,
    ) {
        let compares = self.name.metric.kind() == MetricKind::Count
            || baseline.times_compare(&session.environment);
        if compares || is_insisted {
            self.against = Against::Baseline;
            let next = self.workload.as_ref().map_or(0, |series| series.top_size() * 2);
            self.may_widen = accepted.series.sizes().contains(&next);
            self.compare_with(accepted.series.clone());
            if !compares {
                self.notes.push(format!(
                    "the baseline's times are from another CPU ({})",
                    baseline.environment.cpu
                ));
            }
            return;
        }
        self.elsewhere = Some(&accepted.series);
        self.notes.push(self.advice_from_elsewhere(baseline, accepted));
        self.judge_without_baseline(session);
    }

    /// Describes how the series compares with a baseline from another CPU. That baseline must not decide,
    /// because costs step where a cache ends.
    fn advice_from_elsewhere(&self, baseline: &Baseline, accepted: &Accepted) -> String {
        let cpu = &baseline.environment.cpu;
        let Ok(new) = &self.workload else { return format!("the baseline's times are from {cpu}") };
        let (new, old) = on_common_sizes(new, &accepted.series);
        let pair = judge_pair(&new, &old, &PairOptions::default());
        let word = match pair.verdict {
            PairVerdict::Worse => "grows faster than",
            PairVerdict::Ok => "does not grow faster than",
            PairVerdict::Inconclusive(_) => "cannot be distinguished from",
        };
        format!("informational: {word} the baseline, which was measured on another CPU ({cpu})")
    }

    fn judge_without_baseline(&mut self, session: &'a Measured) {
        if self.name.metric.kind() == MetricKind::Count {
            self.against = Against::Expectation;
            return;
        }
        let Some(control) = control(self.scenario, session) else { return };
        if let Ok(series) = workload(control, self.name) {
            self.against = Against::Control(control.scenario.full_name());
            self.compare_with(series);
        }
    }

    /// Compares growth only at the sizes that both sides have, and never interpolates.
    fn compare_with(&mut self, other: Series) {
        let Ok(new) = &self.workload else { return };
        let (new, other) = on_common_sizes(new, &other);
        if new.sizes().len() < self.n_sizes() {
            self.notes.push(format!("judged at the sizes that both have ({})", new.sizes().len()));
        }
        self.workload = Ok(new);
        self.other = Some(other);
    }

    fn n_sizes(&self) -> usize {
        self.workload.as_ref().map_or(0, |series| series.sizes().len())
    }

    pub(crate) fn case(&self) -> Option<Case<'_>> {
        let new = self.workload.as_ref().ok()?;
        if self.against == Against::Nothing {
            return None;
        }
        let expect = match self.known {
            Some(Entry { has_expired: false, .. }) => Expect::Quadratic,
            _ => Expect::LinearLog,
        };
        let is_stated = self.against == Against::Expectation;
        let expect = is_stated.then_some(expect);
        let is_confirmed = self.n_larger > 0 && was_superlinear(new, self.n_larger);
        let options = JudgeOptions { expect, tau: self.tau, looks: LOOKS, is_confirmed };
        Some(Case { new, old: self.other.as_ref(), options })
    }

    pub(crate) fn answer(&self, judgement: Option<Judgement>, environment: &Environment) -> Judged {
        let mut notes = self.notes.clone();
        let mut known = None;
        // A known issue that may or may not show and does not change the verdict is not reported.
        let mut is_news = true;
        let outcome = match (&self.workload, judgement) {
            (Err(why), _) => (*why).into(),
            (Ok(series), judgement) => {
                let judgement = judgement.unwrap_or_else(|| self.alone(series));
                let (found, ground) = self.found(&judgement, series, &mut notes);
                if found == Verdict::NoBaseline && ground == Ground::Rule && self.is_control {
                    Outcome::ControlOnly
                } else {
                    let (verdict, ground, state) = self.meaning(found, ground, &judgement, series);
                    is_news = state != Some(KnownState::Undecided) || verdict != Verdict::Holds;
                    known = self.known.zip(state);
                    self.verdict(verdict, ground, judgement, series)
                }
            }
        };
        let known = known.map(|(entry, state)| KnownIssue::of(entry.known, state));
        // A known issue that is no longer seen is reported later, with the place of its entry.
        let is_told = |known: &&KnownIssue| is_news && known.state != KnownState::NoLongerSeen;
        notes.extend(known.as_ref().filter(is_told).map(|known| known.sentence(environment)));
        let is_seen = known.as_ref().is_some_and(|known| known.state == KnownState::Seen);
        notes.extend(self.workload.as_ref().ok().filter(|_| is_seen).and_then(growth_seen));
        Judged {
            scenario: self.scenario.full_name(),
            name: self.name,
            collector: self.scenario.collector_of(self.name.metric),
            outcome,
            notes,
            has_no_baseline: self.has_no_baseline,
            known,
        }
    }

    /// Judges a series that there is nothing to compare with.
    fn alone(&self, series: &Series) -> Judgement {
        let options = JudgeOptions { tau: self.tau, looks: LOOKS, ..JudgeOptions::default() };
        loadline_growth::judge(series, None, &options)
    }

    /// Returns the verdict of the rules, before known issues are applied.
    fn found(
        &self,
        judgement: &Judgement,
        series: &Series,
        notes: &mut Vec<String>,
    ) -> (Verdict, Ground) {
        if self.against != Against::Nothing {
            return (self.once_confirmed(judgement, notes), Ground::Rule);
        }
        if judgement.curve.verdict != CurveVerdict::Superlinear {
            return (Verdict::NoBaseline, Ground::Rule);
        }
        let options = CurveOptions { tau: self.tau, ..CurveOptions::default() };
        let was_gross =
            self.elsewhere.is_some_and(|series| judge_curve(series, &options).is_gross());
        if !judgement.curve.is_gross() || was_gross {
            return (Verdict::NoBaseline, Ground::NotGated);
        }
        if self.n_larger > 0 {
            notes.push(format!("confirmed at N = {}", series.top_size()));
        }
        (Verdict::Regressed, Ground::Gross)
    }

    /// Returns the verdict with known issues applied.
    fn meaning(
        &self,
        found: Verdict,
        ground: Ground,
        judgement: &Judgement,
        series: &Series,
    ) -> (Verdict, Ground, Option<KnownState>) {
        let Some(entry) = self.known else { return (found, ground, None) };
        // Gross growth without a reference is red by itself, but an entry that has not expired accepts it.
        let without_entry = if ground == Ground::Gross { Verdict::NoBaseline } else { found };
        let input = if entry.has_expired { found } else { without_entry };
        let (verdict, state) = entry.apply(input, judgement, series, &self.against, self.tau);
        let ground = match state {
            KnownState::Steeper if self.against != Against::Baseline => Ground::KnownIssue,
            KnownState::Expired if verdict != found => Ground::KnownIssue,
            _ if verdict == Verdict::Holds => Ground::Rule,
            _ => ground,
        };
        (verdict, ground, Some(state))
    }

    fn verdict(
        &self,
        verdict: Verdict,
        ground: Ground,
        judgement: Judgement,
        series: &Series,
    ) -> Outcome {
        let tail = |curve: &CurveJudgement| {
            curve.evidence.as_ref().and_then(|evidence| evidence.tail_exponent)
        };
        let other_tail = judgement.baseline_curve.as_ref().and_then(tail);
        Outcome::Verdict {
            verdict,
            ground,
            costs: medians(series),
            judgement: Box::new(judgement),
            against: self.against.clone(),
            other_tail,
            other_costs: self.other.as_ref().map(medians).unwrap_or_default(),
            n_larger: self.n_larger,
            may_widen: self.may_widen,
        }
    }

    /// Returns the verdict on a time that was measured once more at a larger N. Growth is larger there, but a
    /// step in cost is not. An earlier finding that is not confirmed leaves the series undecided.
    fn once_confirmed(&self, judgement: &Judgement, notes: &mut Vec<String>) -> Verdict {
        let verdict = judgement.verdict;
        let (Ok(new), Some(other)) = (&self.workload, &self.other) else { return verdict };
        if self.n_larger == 0 || new.kind() != Kind::Time || judgement.decided_by != Rule::Pair {
            return verdict;
        }
        if verdict == Verdict::Regressed {
            notes.push(format!("confirmed at N = {}", new.top_size()));
            return verdict;
        }
        if was_worse(new, other, self.n_larger) {
            return Verdict::Inconclusive(Doubt::Suspect(Suspicion::NotConfirmed));
        }
        verdict
    }
}

/// Whether other scenarios of the session are compared with `scenario`, and `scenario` with none.
fn is_control(scenario: &Scenario, session: &Measured) -> bool {
    let full_name = scenario.full_name();
    let names_it =
        |other: &MeasuredScenario| other.scenario.control_full_name().as_ref() == Some(&full_name);
    scenario.is_control()
        || (control(scenario, session).is_none() && session.scenarios.iter().any(names_it))
}

/// Whether the pair was worse before the `n_larger` largest sizes were added.
fn was_worse(new: &Series, other: &Series, n_larger: usize) -> bool {
    let before = (without_largest(new, n_larger), without_largest(other, n_larger));
    let (Some(new), Some(other)) = before else { return false };
    let options = PairOptions { looks: LOOKS, ..PairOptions::default() };
    judge_pair(&new, &other, &options).verdict == PairVerdict::Worse
}

/// Whether the curve was superlinear before the `n_larger` largest sizes were added.
fn was_superlinear(series: &Series, n_larger: usize) -> bool {
    let before = without_largest(series, n_larger);
    before.is_some_and(|before| {
        judge_curve(&before, &CurveOptions::default()).verdict == CurveVerdict::Superlinear
    })
}

/// Returns the series as it was before the `n_larger` largest sizes were added.
fn without_largest(series: &Series, n_larger: usize) -> Option<Series> {
    let n_sizes = series.sizes().len().checked_sub(n_larger)?;
    let kept = &series.sizes()[..n_sizes];
    series.at_sizes(|size| kept.contains(&size)).ok()
}

/// Describes how much of a count with known growth is superlinear by its own curve, if it is.
fn growth_seen(series: &Series) -> Option<String> {
    let curve = judge_curve(series, &CurveOptions::default());
    let evidence = curve.evidence.as_ref()?;
    let is_seen = curve.verdict == CurveVerdict::Superlinear && series.kind() == Kind::Count;
    is_seen.then(|| {
        let (share, top) = (evidence.share * 100.0, series.top_size());
        format!("seen as superlinear by its curve: {share:.0} % of the count at N = {top}")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Growth that ends below the size added for confirmation leaves the series undecided.
    #[test]
    fn growth_that_a_larger_size_does_not_show_is_remembered() {
        let sizes: Vec<u64> = (4..=12).map(|k| 1 << k).collect();
        let series = |cost: &dyn Fn(f64) -> f64| {
            let jitter = [0.995, 1.0, 1.004, 0.998, 1.003];
            let costs = sizes.iter().map(|&n| jitter.map(|j| j * cost(n as f64)).to_vec());
            Series::new(Kind::Time, sizes.clone(), costs.collect()).unwrap().interleaved(true)
        };
        let linear = series(&|n| 1_000.0 * n);
        let quadratic = series(&|n| 1_000.0 * n * (1.0 + n / 2048.0));
        assert!(was_worse(&quadratic, &linear, 1));
        assert!(!was_worse(&linear, &linear, 1));
        assert!(!was_worse(&quadratic, &linear, 9));
        assert_eq!(without_largest(&linear, 1).unwrap().top_size(), 2048);
    }

    #[test]
    fn a_series_at_fewer_sizes_keeps_its_resolution() {
        let of = |sizes: &[u64], resolution| {
            let costs = sizes.iter().map(|&n| vec![n as f64; 3]).collect();
            let series = Series::new(Kind::Time, sizes.to_vec(), costs).unwrap();
            series.interleaved(true).resolution(resolution)
        };
        let all = of(&[1, 2, 4, 8], 2e7);
        assert_eq!(without_largest(&all, 1), Some(of(&[1, 2, 4], 2e7)));
        let (new, old) = on_common_sizes(&all, &of(&[2, 4, 16], 0.0));
        assert_eq!((new, old), (of(&[2, 4], 2e7), of(&[2, 4], 0.0)));
    }
}
