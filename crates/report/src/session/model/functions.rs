//! The facts of a function whose own cost grows beyond linear, by callgrind.

use loadline_record::PROGRAM;
use loadline_scenario::Phase;
use loadline_verdict::functions::{GrowingFunction, Standing};
use loadline_verdict::known_issue::expiry;
use serde::Serialize;

use super::fitted::Fitted;
use super::known::KnownIssueFacts;

/// A function whose own cost grows beyond linear, by callgrind.
#[derive(Debug, Clone, Serialize)]
pub struct FunctionFacts {
    /// The phase in which the function grows.
    pub phase: String,
    /// The name of the function.
    pub function: String,
    /// The program or library that the function is in.
    pub object: String,
    /// The caller whose calls grow most.
    pub caller: Option<String>,
    /// The function's name as reports show it.
    pub shown: String,
    /// The function's own instructions as a formula of N.
    pub formula: String,
    /// The superlinear part of the function as a share of the phase's instructions at the largest N.
    pub share: f64,
    /// The largest N.
    pub top: u64,
    /// How the growth is judged.
    pub standing: FunctionStanding,
    /// How the growth is judged, in words.
    pub standing_text: String,
    /// The N up to which the total hides the growth, extrapolated; `None` if the total already shows it.
    pub hidden_until: Option<u64>,
    /// The mechanism, if it is known.
    pub cause: Option<String>,
    /// How to avoid the growth, if that is known.
    pub remedy: Option<String>,
    /// A reference for further reading.
    pub reference: Option<String>,
    /// What the function's name does not show, for functions of interpreters and of files without symbols.
    pub note: Option<String>,
    /// The known issue that accepts the growth of the function.
    pub known_issue: Option<KnownIssueFacts>,
    /// The function's own instructions at each N.
    pub costs: Vec<FunctionCost>,
    /// The formula between the sizes, for charts.
    #[serde(skip)]
    pub fitted: Fitted,
}

/// The cost of a function at one N.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct FunctionCost {
    /// N.
    pub n: u64,
    /// The function's own instructions.
    pub cost: f64,
}

/// How a function's growth is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionStanding {
    /// The scenario states the growth as a known issue.
    Known,
    /// The baseline records the growth, or the other build of the comparison has it.
    Accepted,
    /// The growth stays below 20 % of the cost up to the limit.
    Negligible,
    /// The curve fits no formula well, so the growth cannot be extrapolated.
    Doubtful,
    /// The counts differ from run to run, so a single function's growth proves nothing.
    Inexact,
    /// The growth is new or steeper than accepted, or its known issue has expired.
    Regressed,
}

/// The phases whose cost a function's growth is compared with.
fn whole_of(phase: Phase) -> String {
    match phase {
        Phase::Load | Phase::Unload => "load + unload".to_owned(),
        phase => phase.to_string(),
    }
}

/// Builds the facts of a growing function.
pub fn function_facts(growing: &GrowingFunction) -> FunctionFacts {
    let GrowingFunction { scenario, phase, saved, series, formula, share, hidden, .. } = growing;
    let (standing, standing_text) = match &growing.standing {
        Standing::Known { expires, .. } => {
            (FunctionStanding::Known, format!("known, accepted; {}", expiry(expires)))
        }
        Standing::Accepted => (FunctionStanding::Accepted, "as in the baseline".to_owned()),
        Standing::AsBefore => (FunctionStanding::Accepted, "as before".to_owned()),
        Standing::Negligible => (
            FunctionStanding::Negligible,
            format!("below 20 % of {} up to N = {}", whole_of(*phase), hidden.extrapolate_to),
        ),
        Standing::Doubtful => (
            FunctionStanding::Doubtful,
            format!("bent, so not extrapolated; {PROGRAM} explain {scenario} shows it"),
        ),
        Standing::Inexact => (
            FunctionStanding::Inexact,
            format!("counts differ from run to run, so {phase} is judged as a whole"),
        ),
        Standing::Regressed => (FunctionStanding::Regressed, "REGRESSED".to_owned()),
    };
    let top_size = series.top_size();
    let cause = growing.cause();
    let own = |costs: &Vec<f64>| costs.first().copied();
    let costs = series.sizes().iter().zip(series.costs().iter().map(own));
    let smallest = series.sizes().first().copied().unwrap_or(top_size);
    FunctionFacts {
        phase: phase.to_string(),
        function: saved.function.clone(),
        object: saved.object.clone(),
        caller: growing.grows_for.clone(),
        shown: growing.shown(),
        formula: formula.to_string(),
        share: *share,
        top: top_size,
        standing,
        standing_text,
        hidden_until: hidden.visible_from.filter(|n| *n > top_size),
        cause: cause.map(|known| known.cause.to_owned()),
        remedy: cause.map(|known| known.remedy.to_owned()),
        reference: cause.map(|known| known.reference.to_owned()),
        note: growing.note().map(str::to_owned),
        known_issue: KnownIssueFacts::of_standing(&growing.standing),
        costs: costs.filter_map(|(n, cost)| Some(FunctionCost { n: *n, cost: cost? })).collect(),
        fitted: Fitted::over(smallest as f64, top_size as f64, |n| formula.at(n as f64)),
    }
}
