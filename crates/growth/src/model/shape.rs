//! The shapes a cost can have along N, and which of them count as superlinear.

use crate::input::series::Kind;

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
    /// x·(log₂ N − log₂ e), scaled to 1 at Nmax: comparisons of a merge sort, log N!, insertions
    /// into a B-tree. Beside x it is any N log N. Below N = e it is negative. (x·ℓ where Nmax is at
    /// most 4.)
    LinearLog,
    /// N·(N − 2), scaled to 1 at Nmax: a search among all the others, which finds itself half-way or not
    /// at all. Beside x² it is any N² − cN with c up to 2.
    SquareLessLinear,
    /// x^(quarters/4): x^1.5 has 6 quarters, x² has 8.
    Power {
        /// Four times the power.
        quarters: u8,
    },
}

const SQUARE: Shape = Shape::Power { quarters: 8 };
const CUBE: Shape = Shape::Power { quarters: 12 };

impl Shape {
    /// The shape's value at `size`, relative to its value at `top`. Both at least 1.
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
            Shape::LinearLog if top > 4.0 => x * (size.log2() - LOG2_E) / (top.log2() - LOG2_E),
            Shape::LinearLog => x * log(),
            Shape::SquareLessLinear => x * (size - 2.0) / (top - 2.0),
            Shape::Power { quarters: 6 } => x * x.sqrt(),
            Shape::Power { quarters } if quarters % 4 == 0 => x.powi(i32::from(quarters / 4)),
            Shape::Power { quarters } => x.powf(f64::from(quarters) / 4.0),
        }
    }

    /// The shape itself, or N³ in place of anything faster.
    pub(crate) fn at_most_cubic(self) -> Shape {
        match self {
            Shape::Power { quarters } if quarters > 12 => CUBE,
            slower => slower,
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
    /// Up to N², of counts also N² − cN, at the stricter level. Not measured on any corpus.
    Quadratic,
}

/// The shapes of one judgement, split by what is allowed.
#[derive(Debug, Clone)]
pub(crate) struct Shapes {
    /// The allowed ones first, slowest first.
    all: Vec<Shape>,
    n_allowed: usize,
    /// What grows the fastest among the allowed, as a pace to accelerate against.
    pub pace: Pace,
    /// What a share of 20 % is tried with before a curve is called ok.
    pub planted: Shape,
    /// Largest p that still shows growth.
    pub level: f64,
    /// The exponent that no sum of allowed shapes reaches over two doublings.
    pub steep: f64,
    /// The exponent that no real program with allowed growth reached over two doublings.
    pub gross: f64,
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
    pub fn new(kind: Kind, expect: Expect) -> Shapes {
        /// Superlinear powers of N, times four. Up to 17, since a share that grows with a smaller
        /// power than the data would be understated.
        const POWERS: [u8; 8] = [6, 7, 8, 10, 12, 20, 36, 68];
        let (n_allowed, pace, level) = match expect {
            Expect::Linear => (4, Pace::Linear, 0.001),
            Expect::LinearLog => (5, Pace::LinearLog, 0.01),
            Expect::Quadratic => (8, Pace::Square, 0.001),
        };
        let mut all =
            vec![Shape::Constant, Shape::Log, Shape::Root, Shape::Linear, Shape::LinearLog];
        all.extend(POWERS.map(|quarters| Shape::Power { quarters }));
        let allows_square = expect == Expect::Quadratic;
        if allows_square && kind == Kind::Count {
            // Where N² is superlinear, N² − cN is N² and needs no shape of its own. Where it is
            // allowed, exact counts of searches would have a faster power made of what they lack at
            // small N.
            all.insert(n_allowed, Shape::SquareLessLinear);
        }
        let faster = f64::from(u8::from(allows_square));
        Shapes {
            n_allowed: n_allowed + usize::from(all.contains(&Shape::SquareLessLinear)),
            all,
            pace,
            planted: if allows_square { CUBE } else { SQUARE },
            level,
            steep: 2.0 + faster,
            gross: 1.6 + faster,
        }
    }

    pub fn all(&self) -> &[Shape] {
        &self.all
    }

    pub fn n_allowed(&self) -> usize {
        self.n_allowed
    }
}
