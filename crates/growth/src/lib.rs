//! Judges the growth of a cost over N: numbers in, verdict out. This crate knows no files, clocks or formats.
//!
//! A cost that is measured over a rising N can be judged in two ways, and this crate offers both:
//!
//! * [`judge_pair`], the **pair rule**: does the cost grow faster than its baseline, whatever shape the
//!   baseline has? Both sides must be measured at the same N. This rule may turn a build red for counts
//!   and for time.
//! * [`judge_curve`], the **curve rule**: does the cost grow superlinearly at all? This rule needs no
//!   baseline. For counts it may turn a build red. For time only
//!   [gross](CurveEvidence::is_gross) growth may, because caches make the true cost per item rise, too.
//!
//! [`judge`] combines both rules into a [`Verdict`], one of five words. [`judge_suite`] does this for all
//! series of a session, and keeps false alarms rare among many series.
//!
//! ```
//! use loadline_growth::{JudgeOptions, Kind, Series, Verdict, judge};
//!
//! let sizes: Vec<u64> = (0..9).map(|i| 16 << i).collect();
//! let series = |cost: fn(f64) -> f64| {
//!     let costs = sizes.iter().map(|&n| vec![cost(n as f64)]).collect();
//!     Series::new(Kind::Count, sizes.clone(), costs).map(|series| series.exact(true))
//! };
//! let old = series(|n| 900.0 + 33.0 * n)?;
//! let slower = series(|n| 1100.0 + 48.0 * n)?;
//! let quadratic = series(|n| 900.0 + 33.0 * n + 0.01 * n * n)?;
//!
//! let options = JudgeOptions::default();
//! assert_eq!(judge(&slower, Some(&old), &options).verdict, Verdict::Holds);
//! assert_eq!(judge(&quadratic, Some(&old), &options).verdict, Verdict::Regressed);
//! # Ok::<(), loadline_growth::SeriesError>(())
//! ```
//!
//! # What "superlinear" means
//!
//! Let f(N) be the cost without noise. Its superlinear share S is the part of f(Nmax) that comes from terms
//! growing faster than N log N. A curve with S ≥ 20 % should be found. A curve with S = 0 must not be found:
//! setup cost, log N, √N, N, N log N, N log N − cN, one step in cost per item, a jump, or the saw-teeth of a
//! doubling table. A curve with S between 0 and 20 % may be called either.
//!
//! For a + bN + cN² a share of 20 % means that the next item at the top costs 1.5 times as much as at
//! small N. The marginal growth of N log N from 64 to 4096 is *larger*: 1.8 times. So no threshold on
//! an exponent or on marginal growth can separate the two. Only the shape can, because it shows whether
//! the cost grows early or late. That is why N log N is one of the allowed shapes. It is also why
//! nothing here picks a best-fitting label: such labels call 80 % N + 20 % N² linear.
//!
//! # From readings to a summary
//!
//! Given y(i, j), the cost at size Nᵢ in repetition j, for k sizes and r repetitions ([`Summary`]):
//!
//! 1. If at least half of a size's readings are 0, the size lies below the resolution. Its readings
//!    become half of the smallest positive reading. At other sizes a 0 is a failed reading and is left
//!    out. No constant with a unit is added, so the unit decides nothing. The resolution q is that
//!    smallest reading, or the tick of a clock if half of the neighbouring readings at the smallest N
//!    are equal.
//! 2. L = ln y. If repetitions were interleaved, each repetition's median deviation from the sizes'
//!    medians is subtracted.
//! 3. m: mean of L without the lower and upper quarter.
//! 4. The spread of one reading, for each size: the median distance of two readings over 0.9539. For all
//!    sizes together it is that or the upper quartile of the distances over 1.6268, whichever is larger.
//!    s² = (6·noise² + (r−1)·own²)/(6 + r − 1).
//! 5. u² = c²s²/r + τ² + (q/cost)²/12, c = 1.10 (1.16 for r = 3), with the structural floor τ
//!    ([`Tau`]): 0.3 % for counts, 1 % for time, or as [`calibrate`] finds it.
//!    ν₀ = max(2, 0.6·k·(r−1)). An exact metric measured once has s = 0 and ν₀ = 30.
//! 6. z = e^(m − mₖ), and weights w = 1/(z·u): errors are relative.
//!
//! A verdict needs at least 5 sizes, a largest N of 8 times the smallest and 3 repetitions (1 if exact).
//! Anything less is [inconclusive](Doubt::Design), not an error.
//!
//! # The curve rule
//!
//! Each [`Shape`] is 1 at the largest N, so coefficients are shares. Allowed are 1, log N, √N, N and
//! N·(log₂ N − log₂ e); superlinear are the powers 1.5, 1.75, 2, 2.5, 3, 5, 9 and 17 of N (see
//! [`Expect`] for other splits). Coefficients are never negative: they are found by Lawson & Hanson's
//! NNLS ("Solving Least Squares Problems", 1974, chapter 23). For time, either fit may contain one
//! hinge, max(0, N − h). h is one of the sizes except the first and the last three, or lies between two
//! sizes; at least three sizes lie beyond it. u² gains (0.1/N)², because lower-order terms of a cost
//! are of the order 1/N.
//!
//! * r₀ and r₁ are the weighted residual sums of squares with the allowed and with all shapes. d is the
//!   number of sizes beyond the coefficients in use. Then φ = max(1, r₁/d),
//!   ν = φ²/(1/(ν₀+d) + (φ−1)²/d) and t = √((r₀−r₁)/φ). p comes from Student's t with ν degrees of
//!   freedom. S is the superlinear part of the second fit.
//! * **Steep**: the last two doublings both have exponents above 2, each at its lower 99.9 % bound. Such a
//!   curve is **superlinear** by that alone. At 1.6 the growth is [gross](CurveEvidence::is_gross): no hinge
//!   and no tested program with allowed growth was that steep twice.
//! * p ≤ 0.01 and S ≥ 10 %: **superlinear** on two conditions. The growth is gross, or marginal cost
//!   rises over the last two gaps more than that of N log N. And p without the largest size is still
//!   ≤ 0.2. Otherwise the curve is [suspect](Doubt::Suspect).
//! * Otherwise, S < 20 % (and not 5 % with p ≤ 0.01): **ok**, if forcing exactly 20 % of N² into the
//!   allowed shapes raises the misfit significantly (t ≥ the 95 % quantile).
//! * Otherwise **inconclusive**. The curve is suspect if a large share grows like none of the shapes. A
//!   time is also suspect if only the hinge speaks against growth.
//!
//! [`CurveJudgement::needs_confirmation`] says whether to add 2·Nmax and judge again before acting on a
//! superlinear verdict. Times need this, and counts that a hinge would explain as well, unless the growth
//! is gross. [`judge`] keeps such counts inconclusive until they
//! are [confirmed](JudgeOptions::is_confirmed).
//!
//! The **scaling exponent** of the tail is p of a + b·N^p, fitted to as many of the largest sizes as
//! it fits. Setup cost drops out. N gives 1, N log N gives 1.1 to 1.2, N² gives 2, and a superlinear
//! share of 20 % gives 1.2.
//!
//! # The pair rule
//!
//! The rule compares with one model: new = β + α·old. β is setup added or removed. α is a constant factor
//! from 0 to 3.3 (more only as far as the cost at the smallest size forces it). Neither is growth. α is
//! unknown, so the rule asks every question for all α at once, and only the answer of the best α counts. Each
//! side has its own error, u·new and α·u·old.
//!
//! * **Growth**: a term γ·old·x is added (x = N/Nmax; old·x³ if that fits clearly better). E = γ is the
//!   share of the new cost at Nmax that the baseline's growth does not explain, whatever that growth is.
//!   Grown: p ≤ 0.003, p adjusted for all series judged together ([`holm`]) ≤ 0.01, and E ≥ 5 %.
//! * **Top**: the model is fitted to the first m sizes, for every m from k−1 down to half of them. X is
//!   the part of a cost above the model. Gross: both of the two largest sizes exceed the model
//!   (p ≤ 0.003). The second largest exceeds it by at least 5 % of its cost, and the largest by at least
//!   40 %, or by 20 % if the excess itself grows.
//! * **More expensive**: the cost at Nmax, or the step to it, is larger than before by 15 % and by
//!   twice its error.
//! * Grown or gross, and more expensive: **worse**, unless the growth rests on Nmax alone. If the series
//!   is no more expensive, or only its top exceeds the model: **suspect**. **Ok** requires that E's upper
//!   bound (95 %) is below 20 %. Improved also requires that old is worse than new by this rule, and that
//!   old costs more at Nmax.
//! * Exact counts are compared to one part in 100,000 and to their [quantum](Series::quantum), if they
//!   fit one model so well. Otherwise they are compared like other counts.
//!
//! # Threads
//!
//! [`judge_scaling`] answers another question about times: do several threads do the work faster? It compares
//! the work with a control, which shows how much threads can gain on this machine.
//!
//! # Beyond the measured N, and around the rules
//!
//! [`hidden_growth`] extrapolates a small superlinear part to a larger N. [`CheckOutcome`] says whether a session
//! saw known growth. [`Remedy`] says what to measure next.

mod input;
mod model;
mod numeric;
mod rule;

pub use input::calibrate::calibrate;
pub use input::design::DesignFlaw;
pub use input::series::{Kind, Series, SeriesError};
pub use input::summary::Summary;
pub use input::tau::Tau;
pub use model::fit::{CostParts, CurveFit, Hinge, Term};
pub use model::formula::Formula;
pub use model::pair_model::GrowthName;
pub use model::shape::{Expect, Shape};
pub use numeric::estimate::{Estimate, Interval};
pub use numeric::holm::holm;
pub use rule::curve::{
    CurveEvidence, CurveJudgement, CurveOptions, CurveVerdict, MIN_SHARE, POOR_FIT,
    SHARE_OF_INTEREST, judge_curve,
};
pub use rule::doubt::{Doubt, Remedy, Suspicion};
pub use rule::hidden_growth::{HiddenGrowth, hidden_growth};
pub use rule::pair::{
    Excess, MIN_GROWTH, PAIR_LEVEL, PairEvidence, PairJudgement, PairOptions, PairVerdict,
    SUITE_LEVEL, TopTest, judge_pair,
};
pub use rule::scaling::{
    ScalingEvidence, ScalingJudgement, ScalingOptions, ScalingVerdict, Work, judge_scaling,
};
pub use rule::self_check::{CheckOutcome, check_changes, check_curves, check_pairs};
pub use rule::verdict::{Case, JudgeOptions, Judgement, Rule, Verdict, judge, judge_suite};

/// Tests the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// Has Cargo build this again for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
