//! The curve rule: is there superlinear growth in one series, without looking at any other?

use crate::{
    CurveFit, Doubt, Estimate, Expect, LogShape, Series, Summary, Suspicion, Tau,
    fit::{Contrast, HingeColumn, Problem, Quality, may_bend},
    shape::Shapes,
    student::quantile_above,
    summary::weights,
    tail::tail_exponent,
};

/// A superlinear share below this is never called superlinear, however sure.
pub const MIN_SHARE: f64 = 0.10;
/// The superlinear share that must be excluded before a curve is called ok, and growth beyond the
/// baseline before a pair is.
pub const SHARE_OF_INTEREST: f64 = 0.20;
/// Above this misfit φ no allowed or fast shape describes the curve well: worth a warning.
pub const POOR_FIT: f64 = 4.0;
/// Without the largest size the test must still say p ≤ this.
const JACKKNIFE_LEVEL: f64 = 0.20;

/// How a curve is judged.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CurveOptions {
    /// The growth that is allowed.
    pub expect: Expect,
    /// What stands for N log N where counts are judged.
    pub log_shape: LogShape,
    /// The structural floor; the kind's default if `None`.
    pub tau: Option<Tau>,
}

/// What the curve rule found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CurveVerdict {
    /// A growing share beyond what is allowed is shown.
    Superlinear,
    /// A growing share of 20 % at the largest N is excluded.
    Ok,
    /// Neither.
    Inconclusive(Doubt),
}

/// A verdict of the curve rule with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveJudgement {
    /// The verdict.
    pub verdict: CurveVerdict,
    /// The figures behind it; `None` only where the design allows no fit.
    pub evidence: Option<CurveEvidence>,
}

impl CurveJudgement {
    /// Whether a superlinear verdict should be seen again with 2·Nmax added before anyone acts on
    /// it: always of time, and of counts that one step in cost per item explains as well.
    #[must_use]
    pub fn needs_confirmation(&self) -> bool {
        self.evidence.as_ref().is_some_and(|evidence| evidence.needs_confirmation)
    }
}

/// The figures behind a verdict of the curve rule.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveEvidence {
    /// The curve in a few numbers per size.
    pub summary: Summary,
    /// The fit over all shapes; costs at other N follow from it.
    pub fit: CurveFit,
    /// S: share of the cost at the largest N that grows faster than allowed, 0 to 1.
    pub share: f64,
    /// N*: where the superlinear part overtakes the rest if it is quadratic, Nmax·(1−S)/S. `None`
    /// where there is none.
    pub crossover: Option<f64>,
    /// One-sided p of the test for shapes beyond the allowed ones.
    pub p: f64,
    /// The test's t.
    pub t: f64,
    /// φ: squared misfit in units of the expected one, at least 1; above 4 no shape fits well.
    pub phi: f64,
    /// ν: degrees of freedom of t.
    pub nu: f64,
    /// r₀: weighted RSS of the allowed shapes.
    pub rss_allowed: f64,
    /// r₁: weighted RSS of all shapes.
    pub rss_all: f64,
    /// The N of the hinge behind r₀.
    pub hinge_allowed: Option<f64>,
    /// The N of the hinge behind r₁.
    pub hinge_all: Option<f64>,
    /// Whether marginal cost rises over the last two gaps more than allowed growth would make it.
    pub is_accelerating: bool,
    /// p of the test without the largest size.
    pub p_without_top: f64,
    /// The tail exponent with its 95 % interval; `None` for a flat curve.
    pub tail_exponent: Option<Estimate>,
    /// Of counts found superlinear: p if one step in cost per item is granted as for time.
    pub p_with_step: Option<f64>,
    /// See [`CurveJudgement::needs_confirmation`].
    pub needs_confirmation: bool,
    /// Of inconclusive curves: the smallest quadratic share of an otherwise linear cost that this run
    /// would have found in about half of all cases; `None` where not even pure growth would have
    /// been.
    pub smallest_detectable: Option<f64>,
}

/// Judges one series by itself. Deterministic; well below a millisecond.
#[must_use]
pub fn judge_curve(series: &Series, options: &CurveOptions) -> CurveJudgement {
    let tau = options.tau.unwrap_or(series.kind().default_tau());
    let summary = match Summary::of(series, tau) {
        Ok(summary) => summary,
        Err(flaw) => {
            return CurveJudgement {
                verdict: CurveVerdict::Inconclusive(Doubt::Design(flaw)),
                evidence: None,
            };
        }
    };
    let shapes = Shapes::new(series.kind(), options.expect, options.log_shape);
    Test::new(&summary, &shapes, may_bend(series.kind())).judge()
}

/// One curve under test; the steps of the rule are its methods.
struct Test<'a> {
    problem: Problem<'a>,
    hinges: Vec<HingeColumn>,
    contrast: Contrast,
    is_accelerating: bool,
    p_without_top: f64,
}

impl<'a> Test<'a> {
    fn new(summary: &'a Summary, shapes: &'a Shapes, may_bend: bool) -> Self {
        let problem = Problem::new(summary, shapes);
        let hinges = if may_bend { problem.hinge_columns() } else { Vec::new() };
        let contrast = problem.contrast(&hinges);
        Test {
            is_accelerating: is_accelerating(summary, shapes),
            p_without_top: Problem::new(&summary.without_top(), shapes).contrast(&[]).p,
            problem,
            hinges,
            contrast,
        }
    }

    fn judge(self) -> CurveJudgement {
        let verdict = self.verdict();
        CurveJudgement { verdict, evidence: Some(self.evidence(verdict)) }
    }

    fn verdict(&self) -> CurveVerdict {
        if self.shows_growth(&self.contrast) {
            return if !self.is_accelerating {
                CurveVerdict::Inconclusive(Doubt::Suspect(Suspicion::NotAccelerating))
            } else if self.p_without_top > JACKKNIFE_LEVEL {
                CurveVerdict::Inconclusive(Doubt::Suspect(Suspicion::RestsOnLargestSize))
            } else {
                CurveVerdict::Superlinear
            };
        }
        if self.excludes_share_of_interest() {
            return CurveVerdict::Ok;
        }
        if !self.hinges.is_empty() && self.shows_growth(&self.problem.contrast(&[])) {
            return CurveVerdict::Inconclusive(Doubt::Suspect(Suspicion::OneStep));
        }
        CurveVerdict::Inconclusive(Doubt::Imprecise)
    }

    fn shows_growth(&self, contrast: &Contrast) -> bool {
        contrast.p <= self.problem.shapes.level && contrast.share >= MIN_SHARE
    }

    fn excludes_share_of_interest(&self) -> bool {
        let Contrast { null, full, share, quality, .. } = &self.contrast;
        if *share >= SHARE_OF_INTEREST {
            return false;
        }
        let planted = self.problem.rss_with_planted(SHARE_OF_INTEREST, &self.hinges);
        let t = ((planted - null.rss.min(full.rss)).max(0.0) / quality.phi).sqrt();
        t >= quantile_above(0.05, quality.nu)
    }

    fn evidence(self, verdict: CurveVerdict) -> CurveEvidence {
        let is_open = matches!(verdict, CurveVerdict::Inconclusive(_));
        let is_found = verdict == CurveVerdict::Superlinear;
        let has_steps = !self.hinges.is_empty();
        let p_with_step = (is_found && !has_steps)
            .then(|| self.problem.contrast(&self.problem.hinge_columns()).p);
        let level = self.problem.shapes.level;
        let Contrast { null, full, share, quality, t, p } = &self.contrast;
        CurveEvidence {
            fit: self.problem.curve(full),
            share: *share,
            crossover: (*share > 0.0)
                .then(|| self.problem.summary.top_size() * (1.0 - share) / share),
            p: *p,
            t: *t,
            phi: quality.phi,
            nu: quality.nu,
            rss_allowed: null.rss,
            rss_all: full.rss,
            hinge_allowed: null.hinge,
            hinge_all: full.hinge,
            is_accelerating: self.is_accelerating,
            p_without_top: self.p_without_top,
            tail_exponent: tail_exponent(&self.problem),
            p_with_step,
            needs_confirmation: is_found && p_with_step.is_none_or(|p| p > level),
            smallest_detectable: if is_open { self.smallest_detectable() } else { None },
            summary: self.problem.summary.clone(),
        }
    }

    /// The share at which planted growth would just pass both tests if there were no noise but what
    /// the uncertainties and φ say. In simulated runs of five designs that share was called
    /// superlinear in 25 to 67 % of cases, and superlinear or suspect in 70 to 95 %.
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

    /// Whether a curve with `share` planted would be found, with and without its largest size. All
    /// shapes together fit it perfectly, so the misfit of the allowed ones is all of t².
    fn would_find(&self, share: f64) -> bool {
        let shapes = self.problem.shapes;
        let planted = self.with_planted(share);
        let passes = |summary: &Summary, may_bend: bool, level: f64| {
            let problem = Problem::new(summary, shapes);
            let hinges = if may_bend { problem.hinge_columns() } else { Vec::new() };
            let misfit = problem.best(shapes.n_allowed(), &hinges).rss;
            let Quality { phi, nu } = self.contrast.quality;
            (misfit / phi).sqrt() >= quantile_above(level, nu)
        };
        passes(&planted, !self.hinges.is_empty(), shapes.level)
            && passes(&planted.without_top(), false, JACKKNIFE_LEVEL)
    }

    /// A curve of which `share` is planted and the rest is this curve's setup and linear. (Not its
    /// whole allowed fit: that mimics whatever growth is in the data.)
    fn with_planted(&self, share: f64) -> Summary {
        let summary = self.problem.summary;
        let top = summary.top_size();
        let fitted = &self.contrast.null.coefficients;
        let setup = fitted[0] / fitted.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let cost = |size: f64| {
            let rest = setup + (1.0 - setup) * size / top;
            (1.0 - share) * rest + share * self.problem.shapes.planted.at(size, top)
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

/// Whether marginal cost rose over the last two gaps by more than the fastest allowed growth.
fn is_accelerating(summary: &Summary, shapes: &Shapes) -> bool {
    let top = summary.top_size();
    let last = summary.sizes.len() - 1;
    let x = |i: usize| summary.sizes[i] / top;
    let slope =
        |values: &dyn Fn(usize) -> f64, i: usize| (values(i) - values(i - 1)) / (x(i) - x(i - 1));
    let cost = |i: usize| summary.relative[i];
    let pace = |i: usize| shapes.pace.cost(x(i), summary.sizes[i]);
    let before = slope(&cost, last - 1);
    before > 0.0 && slope(&cost, last) / before > slope(&pace, last) / slope(&pace, last - 1)
}
