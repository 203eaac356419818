//! The shapes a cost can have along N, and which of them count as superlinear.

use crate::input::series::Kind;

/// One term of a fitted curve. Each shape equals 1 at the largest N of the fit, so its coefficient is a share
/// of the cost at that N. With x = N/Nmax and ℓ = log₂ max(N, 2) / log₂ max(Nmax, 2):
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// 1, the setup cost.
    Constant,
    /// ℓ.
    Log,
    /// √x.
    Root,
    /// x.
    Linear,
    /// x·(log₂ N − log₂ e), scaled to 1 at Nmax. Examples are the comparisons of a merge sort, log N!, and
    /// insertions into a B-tree. Together with x it forms any N log N. Below N = e it is negative. If Nmax is
    /// at most 4, the shape is x·ℓ.
    LinearLog,
    /// N·(N − 2), scaled to 1 at Nmax: each item is searched among all others, and found half-way or not at
    /// all. Together with x² it forms any N² − cN with c up to 2.
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
    /// Returns the shape's value at `size`, relative to its value at `top`. Both must be at least 1.
    #[must_use]
    pub fn at(self, size: f64, top: f64) -> f64 {
        // This is log₂ e, with the decimals that the rule was measured with.
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

    /// Returns the shape itself, or N³ for anything faster.
    pub(crate) fn at_most_cubic(self) -> Shape {
        match self {
            Shape::Power { quarters } if quarters > 12 => CUBE,
            slower => slower,
        }
    }
}

/// Returns the value of a hinge: 0 up to `start`, then linear, and 1 at `top`.
pub(crate) fn hinge(size: f64, top: f64, start: f64) -> f64 {
    (size - start).max(0.0) / (top - start)
}

/// The growth that a curve may have. Any faster growth is superlinear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Expect {
    /// Up to N log N, with any setup cost.
    #[default]
    LinearLog,
    /// Up to N. N log N counts as superlinear, at a stricter level (0.001 instead of 0.01).
    Linear,
    /// Up to N², and for counts also N² − cN, at the stricter level. Not measured on any corpus.
    Quadratic,
}

/// The shapes of one judgement, split into allowed and superlinear ones.
#[derive(Debug, Clone)]
pub(crate) struct Shapes {
    /// All shapes: the allowed ones first, slowest first.
    all: Vec<Shape>,
    n_allowed: usize,
    /// The fastest allowed growth, as the reference for acceleration.
    pub rate: Rate,
    /// The shape of the 20 % share that must be excluded before a curve is called ok.
    pub injected: Shape,
    /// The largest p that still shows growth.
    pub level: f64,
    /// The exponent that no sum of allowed shapes reaches over two doublings.
    pub steep: f64,
    /// The exponent that no real program with allowed growth reached over two doublings.
    pub gross: f64,
}

/// The allowed growth that marginal costs are compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rate {
    Linear,
    LinearLog,
    Square,
}

impl Rate {
    /// Returns a cost with this growth, in any unit, at `x` = N/Nmax.
    pub fn cost(self, x: f64, size: f64) -> f64 {
        match self {
            Rate::Linear => x,
            Rate::LinearLog => x * size.ln(),
            Rate::Square => x * x,
        }
    }
}

impl Shapes {
    pub fn new(kind: Kind, expect: Expect) -> Shapes {
        /// The superlinear powers of N, times four, up to 17. If the data grows with a larger power than the
        /// shapes, the superlinear share is understated.
        const POWERS: [u8; 8] = [6, 7, 8, 10, 12, 20, 36, 68];
        let (n_allowed, rate, level) = match expect {
            Expect::Linear => (4, Rate::Linear, 0.001),
            Expect::LinearLog => (5, Rate::LinearLog, 0.01),
            Expect::Quadratic => (8, Rate::Square, 0.001),
        };
        let mut all =
            vec![Shape::Constant, Shape::Log, Shape::Root, Shape::Linear, Shape::LinearLog];
        all.extend(POWERS.map(|quarters| Shape::Power { quarters }));
        let allows_square = expect == Expect::Quadratic;
        if allows_square && kind == Kind::Count {
            // If N² is superlinear, N² − cN counts as N² and needs no shape of its own. If N² is allowed,
            // exact counts of searches need this shape. Otherwise a faster power would fit what they lack at
            // small N.
            all.insert(n_allowed, Shape::SquareLessLinear);
        }
        let faster = f64::from(u8::from(allows_square));
        Shapes {
            n_allowed: n_allowed + usize::from(all.contains(&Shape::SquareLessLinear)),
            all,
            rate,
            injected: if allows_square { CUBE } else { SQUARE },
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
