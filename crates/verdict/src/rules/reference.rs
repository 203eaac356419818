//! The source of baselines that series are judged against.

use loadline_growth::{Kind, Tau};
use loadline_record::baseline::{Baseline, Baselines};
use loadline_scenario::Environment;

/// Provides the baselines and structural floors that series are judged with.
pub trait BaselineSource {
    /// Returns the baselines of the scenario called `name`.
    fn of(&self, name: &str) -> &Baselines;
    /// Returns the structural floor that was calibrated on the CPU of `environment`.
    fn tau(&self, kind: Kind, environment: &Environment) -> Option<Tau>;
    /// Returns the baseline that the caller insists on, whatever its key.
    fn insisted(&self) -> Option<&Baseline>;
}

/// The largest number of times that a series is judged: after 5, 10 and 20 repetitions, and at two larger N.
pub const LOOKS: u32 = 5;
