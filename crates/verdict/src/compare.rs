//! Compares what two sides (sessions, builds or baselines) cost.

mod comparison;
mod functions;
mod model;
mod side;

pub use comparison::{ByN, Change, Comparison, Curve, Found, Pair, Row};
pub use functions::Moved;
pub use model::{Extrapolated, Model, Span};
pub use side::{FunctionCosts, Readings, Saved, Side, SideScenario};
