//! The curve rule: does one series, judged by itself, grow superlinearly?

use super::doubt::{Doubt, Suspicion};
use crate::input::design::DesignFlaw;
use crate::input::series::Series;
use crate::input::summary::{MAX_LOG_SPAN, Summary, weights};
use crate::input::tau::Tau;
use crate::model::fit::{Contrast, CurveFit, HingeColumn, Problem, Quality, may_bend};
use crate::model::shape::{Expect, Shapes};
use crate::model::tail::tail_exponent;
use crate::numeric::estimate::Estimate;
use crate::numeric::student::quantile_above;

/// A superlinear share below this is never called superlinear, however certain it is.
pub const MIN_SHARE: f64 = 0.10;
/// The superlinear share that must be excluded before a curve is called ok. For a pair, it is the growth
/// beyond the baseline that must be excluded.
pub const SHARE_OF_INTEREST: f64 = 0.20;
/// Above this misfit φ, neither the allowed nor the fast shapes describe the curve well, which deserves a
/// warning.
pub const POOR_FIT: f64 = 4.0;
/// The largest p of the test without the largest size.
const JACKKNIFE_LEVEL: f64 = 0.20;
/// The one-sided level of the exponents over the last two doublings.
const STEEP_LEVEL: f64 = 0.001;

/// The options of the curve rule.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CurveOptions {
    /// The growth that is allowed.
    pub expect: Expect,
    /// The structural floor; `None` means the kind's default.
    pub tau: Option<Tau>,
}

/// The verdict of the curve rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CurveVerdict {
    /// A growing share beyond the allowed growth is shown.
    Superlinear,
    /// A growing share of 20 % at the largest N is excluded.
    Ok,
    /// Growth is neither shown nor excluded.
    Inconclusive(Doubt),
}

/// A verdict of the curve rule with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveJudgement {
    /// The verdict.
    pub verdict: CurveVerdict,
    /// The figures behind the verdict; `None` only if the design allows no fit.
    pub evidence: Option<CurveEvidence>,
}

impl CurveJudgement {
    /// Whether to measure 2·Nmax and judge again before acting on a superlinear verdict. This applies to
    /// time, and to counts that one step in cost per item explains as well. Gross growth needs no
    /// confirmation, because one step does not look like it.
    #[must_use]
    pub fn needs_confirmation(&self) -> bool {
        self.evidence.as_ref().is_some_and(|evidence| evidence.needs_confirmation)
    }

    /// Whether the series is superlinear and [gross](CurveEvidence::is_gross). Such growth needs no
    /// comparison, even for time.
    #[must_use]
    pub fn is_gross(&self) -> bool {
        self.verdict == CurveVerdict::Superlinear
            && self.evidence.as_ref().is_some_and(|evidence| evidence.is_gross)
    }
}

/// The figures behind a verdict of the curve rule.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveEvidence {
    /// The condensed curve.
    pub summary: Summary,
    /// The fit over all shapes, which predicts costs at other N.
    pub fit: CurveFit,
    /// S: the share of the cost at the largest N that grows faster than allowed, 0 to 1.
    pub share: f64,
    /// N*: the N at which the superlinear part overtakes the rest if it is quadratic, Nmax·(1−S)/S. `None` if
    /// there is no superlinear part.
    pub crossover: Option<f64>,
    /// The one-sided p of the test for shapes beyond the allowed ones.
    pub p: f64,
    /// The t of the test.
    pub t: f64,
    /// φ: the squared misfit in units of the expected one, at least 1. Above 4 no shape fits well.
    pub phi: f64,
    /// ν: the degrees of freedom of t.
    pub nu: f64,
    /// r₀: the weighted RSS of the allowed shapes.
    pub rss_allowed: f64,
    /// r₁: the weighted RSS of all shapes.
    pub rss_all: f64,
    /// The N of the hinge behind r₀.
    pub hinge_allowed: Option<f64>,
    /// The N of the hinge behind r₁.
    pub hinge_all: Option<f64>,
    /// The smaller of the lower bounds (one-sided 99.9 %) of the exponents over the last two doublings of N,
    /// setup included. `None` if the sizes do not cover two doublings. Above 2 the curve is superlinear by
    /// this alone.
    pub steepness: Option<f64>,
    /// Whether the last two doublings each cost more than three times as much (exponents of at least 1.6; of
    /// 2.6 if N² is allowed). Neither one step in cost per item nor the caches of any tested real program
    /// looked like that.
    pub is_gross: bool,
    /// The scaling exponent of the largest sizes, p of a + b·N^p, with its 95 % interval; `None` for a flat
    /// curve.
    pub tail_exponent: Option<Estimate>,
    /// Whether to confirm a superlinear verdict; see [`CurveJudgement::needs_confirmation`].
    pub needs_confirmation: bool,
    /// For inconclusive curves, the smallest quadratic share of an otherwise linear cost that this run would
    /// have found in about half of all cases. `None` if this run would not even have found pure growth.
    pub smallest_detectable: Option<f64>,
}

/// Judges one series by itself. Deterministic; takes well below a millisecond.
#[must_use]
pub fn judge_curve(series: &Series, options: &CurveOptions) -> CurveJudgement {
    let tau = options.tau.unwrap_or(series.kind().default_tau());
    let summary = match Summary::of(series, tau) {
        Ok(summary) => summary.for_curve(),
        Err(flaw) => return CurveJudgement::impossible(flaw),
    };
    let shapes = Shapes::new(series.kind(), options.expect);
    let test = Test::new(&summary, &shapes, may_bend(series.kind()));
    if summary.log_span() > MAX_LOG_SPAN && !test.is_steep() {
        return CurveJudgement::impossible(DesignFlaw::CostsTooFarApart);
    }
    test.judge()
}

impl CurveJudgement {
    fn impossible(flaw: DesignFlaw) -> CurveJudgement {
        CurveJudgement { verdict: CurveVerdict::Inconclusive(Doubt::Design(flaw)), evidence: None }
    }
}

/// One curve under test. The steps of the rule are its methods.
struct Test<'a> {
    problem: Problem<'a>,
    hinges: Vec<HingeColumn>,
    contrast: Contrast,
    steepness: Option<f64>,
}

impl<'a> Test<'a> {
    fn new(summary: &'a Summary, shapes: &'a Shapes, may_bend: bool) -> Self {
        let problem = Problem::new(summary, shapes);
        let hinges = if may_bend { problem.hinge_columns() } else { Vec::new() };
        let contrast = problem.contrast(&hinges);
        Test { steepness: steepness(summary), problem, hinges, contrast }
    }

    fn judge(self) -> CurveJudgement {
        let verdict = self.verdict();
        CurveJudgement { verdict, evidence: Some(self.evidence(verdict)) }
    }

    /// No sum of allowed shapes, and no cache step of up to ×5, makes the cost rise that much twice in a row.
    fn is_steep(&self) -> bool {
        self.steepness.is_some_and(|exponent| exponent > self.problem.shapes.steep)
    }

    fn is_gross(&self) -> bool {
        self.steepness.is_some_and(|exponent| exponent >= self.problem.shapes.gross)
    }

    fn verdict(&self) -> CurveVerdict {
        let suspect = |suspicion| CurveVerdict::Inconclusive(Doubt::Suspect(suspicion));
        let Contrast { share, quality, .. } = &self.contrast;
        if self.is_steep() {
            return CurveVerdict::Superlinear;
        }
        if self.shows_growth(&self.contrast) {
            let (summary, shapes) = (self.problem.summary, self.problem.shapes);
            return if !(is_accelerating(summary, shapes) || self.is_gross()) {
                suspect(Suspicion::NotAccelerating)
            } else if p_without_top(summary, shapes) > JACKKNIFE_LEVEL {
                suspect(Suspicion::RestsOnLargestSize)
            } else {
                CurveVerdict::Superlinear
            };
        }
        if self.excludes_share_of_interest() {
            return CurveVerdict::Ok;
        }
        if !self.hinges.is_empty() && self.shows_growth(&self.problem.contrast(&[])) {
            return suspect(Suspicion::OneStep);
        }
        if *share >= SHARE_OF_INTEREST && quality.phi > POOR_FIT {
            return suspect(Suspicion::LikeNoShape);
        }
        CurveVerdict::Inconclusive(Doubt::Imprecise)
    }

    fn shows_growth(&self, contrast: &Contrast) -> bool {
        contrast.p <= self.problem.shapes.level && contrast.share >= MIN_SHARE
    }

    fn excludes_share_of_interest(&self) -> bool {
        let Contrast { null, full, share, quality, p, .. } = &self.contrast;
        let is_likely = *p <= self.problem.shapes.level && *share >= MIN_SHARE / 2.0;
        if *share >= SHARE_OF_INTEREST || is_likely {
            return false;
        }
        let injected = self.problem.rss_with_injected(SHARE_OF_INTEREST, &self.hinges);
        let t = ((injected - null.rss.min(full.rss)).max(0.0) / quality.phi).sqrt();
        t >= quantile_above(0.05, quality.nu)
    }

    fn evidence(self, verdict: CurveVerdict) -> CurveEvidence {
        let is_open = matches!(verdict, CurveVerdict::Inconclusive(_));
        let is_found = verdict == CurveVerdict::Superlinear;
        let summary = self.problem.summary;
        let tail = tail_exponent(summary);
        let beyond = tail.filter(|_| self.is_steep()).map(|(_, model)| model);
        let Contrast { null, full, share, quality, t, p } = &self.contrast;
        CurveEvidence {
            fit: self.problem.curve(full, beyond),
            share: *share,
            crossover: (*share > 0.0).then(|| summary.top_size() * (1.0 - share) / share),
            p: *p,
            t: *t,
            phi: quality.phi,
            nu: quality.nu,
            rss_allowed: null.rss,
            rss_all: full.rss,
            hinge_allowed: null.hinge,
            hinge_all: full.hinge,
            steepness: self.steepness,
            is_gross: self.is_gross(),
            tail_exponent: tail.map(|(exponent, _)| exponent),
            needs_confirmation: is_found && !self.is_gross() && self.may_be_a_step(),
            smallest_detectable: if is_open { self.smallest_detectable() } else { None },
            summary: summary.clone(),
        }
    }

    /// Whether one step in cost per item explains the curve as well. For time this is always assumed, because
    /// caches cause more than one step.
    fn may_be_a_step(&self) -> bool {
        let bent = || self.problem.contrast(&self.problem.hinge_columns()).p;
        !self.hinges.is_empty() || bent() > self.problem.shapes.level
    }

    /// Returns the share at which injected growth would just pass both tests, with only the noise that the
    /// uncertainties and φ describe. In simulated runs of five designs that share was called superlinear in
    /// 25 to 67 % of cases. It was superlinear or suspect in 70 to 95 %.
    fn smallest_detectable(&self) -> Option<f64> {
        if !self.would_find(1.0) {
            return None;
        }
        if self.would_find(MIN_SHARE) {
            return Some(MIN_SHARE);
        }
        let (mut missed, mut found) = (MIN_SHARE, 1.0);
        for _ in 0..8 {
            let middle = 0.5 * (missed + found);
            if self.would_find(middle) {
                found = middle;
            } else {
                missed = middle;
            }
        }
        Some(found)
    }

    /// Whether a curve with `share` injected would be found, with and without its largest size. All shapes
    /// together fit it perfectly, so t² is the misfit of the allowed shapes.
    fn would_find(&self, share: f64) -> bool {
        let shapes = self.problem.shapes;
        let injected = self.with_injected(share);
        let passes = |summary: &Summary, may_bend: bool, level: f64| {
            let problem = Problem::new(summary, shapes);
            let hinges = if may_bend { problem.hinge_columns() } else { Vec::new() };
            let misfit = problem.best(shapes.n_allowed(), &hinges).rss;
            let Quality { phi, nu } = self.contrast.quality;
            (misfit / phi).sqrt() >= quantile_above(level, nu)
        };
        passes(&injected, !self.hinges.is_empty(), shapes.level)
            && passes(&injected.without_top(), false, JACKKNIFE_LEVEL)
    }

    /// Returns a curve with `share` injected; the rest is this curve's setup and a linear part. The whole
    /// allowed fit would not do, because it imitates any growth in the data.
    fn with_injected(&self, share: f64) -> Summary {
        let summary = self.problem.summary;
        let top = summary.top_size();
        let fitted = &self.contrast.null.coefficients;
        let setup = fitted[0] / fitted.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let cost = |size: f64| {
            let rest = setup + (1.0 - setup) * size / top;
            (1.0 - share) * rest + share * self.problem.shapes.injected.at(size, top)
        };
        let relative: Vec<f64> = summary.sizes.iter().map(|&size| cost(size)).collect();
        Summary {
            weight: weights(&relative, &summary.uncertainty),
            log_cost: relative.iter().map(|cost| cost.ln()).collect(),
            relative,
            ..summary.clone()
        }
    }
}

/// Returns the smaller of the lower bounds of the exponents over the last two doublings.
fn steepness(summary: &Summary) -> Option<f64> {
    let Summary { sizes, log_cost, uncertainty, .. } = summary;
    let quantile = quantile_above(STEEP_LEVEL, summary.freedom);
    let mut upper = sizes.len() - 1;
    let mut smallest = f64::INFINITY;
    for _ in 0..2 {
        let lower = summary.place_below(upper, 2.0)?;
        let error = uncertainty[upper].hypot(uncertainty[lower]);
        let rise = log_cost[upper] - log_cost[lower] - quantile * error;
        smallest = smallest.min(rise / (sizes[upper] / sizes[lower]).ln());
        upper = lower;
    }
    Some(smallest)
}

/// Returns p of the test without the largest size and without a hinge.
fn p_without_top(summary: &Summary, shapes: &Shapes) -> f64 {
    Problem::new(&summary.without_top(), shapes).contrast(&[]).p
}

/// Whether marginal cost rose over the last two gaps by more than the fastest allowed growth.
fn is_accelerating(summary: &Summary, shapes: &Shapes) -> bool {
    let top = summary.top_size();
    let last = summary.sizes.len() - 1;
    let x = |i: usize| summary.sizes[i] / top;
    let slope =
        |values: &dyn Fn(usize) -> f64, i: usize| (values(i) - values(i - 1)) / (x(i) - x(i - 1));
    let cost = |i: usize| summary.relative[i];
    let rate = |i: usize| shapes.rate.cost(x(i), summary.sizes[i]);
    let (before, now) = (slope(&cost, last - 1), slope(&cost, last));
    before > 1e-9 * now.abs() && now / before > slope(&rate, last) / slope(&rate, last - 1)
}
