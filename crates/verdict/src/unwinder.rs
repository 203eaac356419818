//! Tells unwinders apart by what they do: how deregistering grows in the registration lab, oldest
//! first and newest first, before any unwind. Says whether that agrees with what the measured
//! processes said of their unwinder.

use loadline_growth::{CurveOptions, CurveVerdict, judge_curve};
use loadline_scenario::{
    Metric, Phase, Registration, RegistrationCalls, SeriesName, Subject, UnloadOrder,
};

use loadline_record::rounds::{Measured, MeasuredScenario};

/// What an unwinder's growth says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is of this family.
    Family(&'static str),
    /// It behaves as none of the families that are known.
    Unlike,
}

/// The family whose deregistrations grow so: whether beyond linear with the oldest table first, and
/// with the newest first.
///
/// libgcc's list has the newest in front, LLVM's array is scanned for each, a tree finds every one.
pub fn by_growth(oldest_first_grows: bool, newest_first_grows: bool) -> Told {
    match (oldest_first_grows, newest_first_grows) {
        (true, false) => Told::Family("libgcc-list"),
        (false, false) => Told::Family("libgcc-tree"),
        (true, true) => Told::Family("llvm"),
        (false, true) => Told::Unlike,
    }
}

/// What the lab's scenarios in a session tell; `None` where it has not both, or one is undecided.
pub fn told(measured: &Measured) -> Option<Told> {
    let oldest = grows(measured, UnloadOrder::OldestFirst)?;
    let newest = grows(measured, UnloadOrder::NewestFirst)?;
    Some(by_growth(oldest, newest))
}

/// One sentence where growth and the process's own word agree.
pub fn agreement(measured: &Measured) -> Option<String> {
    let said = measured.environment.unwinder_family.as_str();
    match told(measured)? {
        Told::Family(family) if family == said => Some(format!(
            "told apart by its growth alone, the unwinder is {family}, as the measured processes say"
        )),
        _ => None,
    }
}

/// One sentence where they do not: then every result of the session is kept under a wrong name.
pub fn disagreement(measured: &Measured) -> Option<String> {
    let said = measured.environment.unwinder_family.as_str();
    let seen = match told(measured)? {
        Told::Family(family) if family == said => return None,
        Told::Family(family) => format!("is {family}"),
        Told::Unlike => "is none that is known".to_owned(),
    };
    Some(format!(
        "by the growth of its deregistrations the unwinder {seen}, but the measured processes say {said}: results would be kept under a wrong name"
    ))
}

/// Whether deregistering in `order` grows beyond linear, where the session tells.
fn grows(measured: &Measured, order: UnloadOrder) -> Option<bool> {
    let is_it = |m: &&MeasuredScenario| match &m.scenario.subject {
        Subject::Registration(Registration { order: own, calls, unwinds: 0, .. }) => {
            *own == order && *calls == RegistrationCalls::Usual
        }
        _ => false,
    };
    let name = SeriesName::new(Phase::Deregister, Metric::CallgrindInstructions);
    let series = measured.scenarios.iter().find(is_it)?.complete(name)?;
    match judge_curve(&series, &CurveOptions::default()).verdict {
        CurveVerdict::Superlinear => Some(true),
        CurveVerdict::Ok => Some(false),
        CurveVerdict::Inconclusive(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_its_own_pair_of_growths() {
        let all = [(true, false), (false, false), (true, true), (false, true)];
        let told = all.map(|(oldest, newest)| by_growth(oldest, newest));
        let families = ["libgcc-list", "libgcc-tree", "llvm"].map(Told::Family);
        assert_eq!(told[..3], families);
        assert_eq!(told[3], Told::Unlike);
    }
}
