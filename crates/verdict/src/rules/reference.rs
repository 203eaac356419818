//! What series are judged against: where baselines come from.

use loadline_growth::{Kind, Tau};
use loadline_record::baseline::{Baseline, Baselines};
use loadline_scenario::Environment;

/// Where baselines come from.
pub trait BaselineSource {
    /// The baselines of the scenario called `name`.
    fn of(&self, name: &str) -> &Baselines;
    /// The structural floor that was calibrated on the processor of `environment`.
    fn tau(&self, kind: Kind, environment: &Environment) -> Option<Tau>;
    /// A baseline that the caller insists on, whatever its key.
    fn insisted(&self) -> Option<&Baseline>;
}

/// How often a series may be asked about: after 5, 10 and 20 rounds, and at two larger N.
pub const LOOKS: u32 = 5;
