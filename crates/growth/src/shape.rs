//! The shapes a cost can have along N, and which of them count as superlinear.

use crate::Kind;

/// One term of a fitted curve. Each equals 1 at the largest N of the fit, so that its coefficient is
/// a share of the cost there. With x = N/Nmax and ℓ = log₂ max(N, 2) / log₂ max(Nmax, 2):
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// 1: setup.
    Constant,
    /// ℓ.
    Log,
    /// √x.
    Root,
    /// x.
    Linear,
    /// x·ℓ.
    LinearLog,
    /// x·(log₂ N − log₂ e), scaled to 1 at Nmax: comparisons of a merge sort, log N!, insertions
    /// into a B-tree. Below N = e it is negative.
    LinearLogLessLinear,
    /// x^1.5.
    ThreeHalves,
    /// x².
    Square,
    /// N·(N − 2), scaled to 1 at Nmax: a search among all the others, which finds itself half-way or not
    /// at all. Beside x² it is any N² − cN with c up to 2.
    SquareLessLinear,
    /// x²·ℓ.
    SquareLog,
    /// x³.
    Cube,
}

impl Shape {
    /// The shape's value at `size`, relative to its value at `top`. Both at least 1, `top` at least 4.
    #[must_use]
    pub fn at(self, size: f64, top: f64) -> f64 {
        // log₂ e, with the decimals that the rule was measured with.
        #[allow(clippy::approx_constant)]
        const LOG2_E: f64 = 1.4427;
        let x = size / top;
        let log = || size.max(2.0).log2() / top.max(2.0).log2();
        match self {
            Shape::Constant => 1.0,
            Shape::Log => log(),
            Shape::Root => x.sqrt(),
            Shape::Linear => x,
            Shape::LinearLog => x * log(),
            Shape::LinearLogLessLinear => x * (size.log2() - LOG2_E) / (top.log2() - LOG2_E),
            Shape::ThreeHalves => x * x.sqrt(),
            Shape::Square => x * x,
            Shape::SquareLessLinear => x * (size - 2.0) / (top - 2.0),
            Shape::SquareLog => x * x * log(),
            Shape::Cube => x * x * x,
        }
    }
}

/// A hinge: nothing up to `start`, then linear; 1 at `top`.
pub(crate) fn hinge(size: f64, top: f64, start: f64) -> f64 {
    (size - start).max(0.0) / (top - start)
}

/// The growth a curve is allowed to have. More than this is superlinear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Expect {
    /// Up to N log N, with any setup cost.
    #[default]
    LinearLog,
    /// Up to N: N log N counts as superlinear, at a stricter level (0.001 in place of 0.01).
    Linear,
    /// Up to N², of counts also N² − cN. Not measured on any corpus.
    Quadratic,
}

/// Which shape stands for N log N where counts are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LogShape {
    /// [`Shape::LinearLogLessLinear`]: the rule in force. Without it exact counts of N log N − cN
    /// were called superlinear.
    #[default]
    LessLinear,
    /// [`Shape::LinearLog`], as for time: what published reference figures were made with.
    Plain,
}

/// The shapes of one judgement, split by what is allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shapes {
    /// The allowed ones first.
    all: [Shape; 10],
    n_all: usize,
    n_allowed: usize,
    /// What grows the fastest among the allowed, as a pace to accelerate against.
    pub pace: Pace,
    /// What a share of 20 % is tried with before a curve is called ok.
    pub planted: Shape,
    /// Largest p that still shows growth.
    pub level: f64,
}

/// The allowed growth that marginal costs are compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    Linear,
    LinearLog,
    Square,
}

impl Pace {
    /// A cost growing at this pace, in any unit, at `x` = N/Nmax.
    pub fn cost(self, x: f64, size: f64) -> f64 {
        match self {
            Pace::Linear => x,
            Pace::LinearLog => x * size.ln(),
            Pace::Square => x * x,
        }
    }
}

impl Shapes {
    pub fn new(kind: Kind, expect: Expect, log_shape: LogShape) -> Shapes {
        let linear_log = match (kind, log_shape) {
            (Kind::Count, LogShape::LessLinear) => Shape::LinearLogLessLinear,
            _ => Shape::LinearLog,
        };
        // Where N² is superlinear, N² − cN is N² and needs no shape of its own. Where it is allowed,
        // exact counts of searches would have N² log N made of what they lack at small N.
        let has_less_linear = expect == Expect::Quadratic && kind == Kind::Count;
        let (n_allowed, pace, planted, level) = match expect {
            Expect::Linear => (4, Pace::Linear, Shape::Square, 0.001),
            Expect::LinearLog => (5, Pace::LinearLog, Shape::Square, 0.01),
            Expect::Quadratic => (7, Pace::Square, Shape::Cube, 0.01),
        };
        // Slowest first: each expectation allows a prefix.
        let mut all = [
            Shape::Constant,
            Shape::Log,
            Shape::Root,
            Shape::Linear,
            linear_log,
            Shape::ThreeHalves,
            Shape::Square,
            Shape::SquareLog,
            Shape::Cube,
            Shape::SquareLessLinear,
        ];
        if has_less_linear {
            all[n_allowed..].rotate_right(1);
        }
        let n_more = usize::from(has_less_linear);
        Shapes { all, n_all: 9 + n_more, n_allowed: n_allowed + n_more, pace, planted, level }
    }

    pub fn all(&self) -> &[Shape] {
        &self.all[..self.n_all]
    }

    pub fn n_allowed(&self) -> usize {
        self.n_allowed
    }
}
