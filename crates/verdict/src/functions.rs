//! Finds the functions that grow: judges the instructions of each over N by the rule for counts, even if the
//! total still looks linear.

use loadline_growth::{
    CurveOptions, CurveVerdict, Formula, HiddenGrowth, Kind, Series, hidden_growth, judge_curve,
};
use loadline_scenario::{KnownGrowth, Metric, Phase, Scenario, SeriesName, Workload};

use crate::causes::{self, Known};
use crate::rules::known::{Entry, Present, is_steeper_than_quadratic};
use loadline_record::baseline::{AcceptedFunction, Baseline};
use loadline_record::measured::{Measured, MeasuredBefore, MeasuredScenario};
use loadline_record::profile::{SavedFunction, SavedProfile};

/// The largest N that growth is extrapolated to, unless the scenario names a limit.
const FARTHEST_EXTRAPOLATION: usize = 65_536;

/// Functions that cost less than this share of a phase at the largest N are ignored. Even with N² growth they
/// stay below 20 % up to a hundred times that N.
const SMALLEST_SHARE: f64 = 0.001;

/// The largest misfit between a function's costs and the formula that extrapolates its growth. Work per pair
/// of modules fits to a thousandth; an allocator's work does not fit.
const LARGEST_MISFIT: f64 = 0.02;

/// A function whose own cost grows beyond linear.
#[derive(Debug, Clone)]
pub struct GrowingFunction {
    /// The scenario's full name.
    pub scenario: String,
    /// The phase in which the function grows.
    pub phase: Phase,
    /// The function, with its cost at the largest N.
    pub saved: SavedFunction,
    /// The function's own cost at each N.
    pub series: Series,
    /// The function's own cost as a formula of N.
    pub formula: Formula,
    /// The superlinear part of the function as a share of the phase's instructions at the largest N.
    pub share: f64,
    /// The superlinear part, extrapolated to the limit. For loading and unloading, it is compared with both
    /// together.
    pub hidden: HiddenGrowth,
    /// The caller whose calls grow most, if callers were kept. For a function with many callers, this need
    /// not be the costliest caller.
    pub grows_for: Option<String>,
    /// Whether the growth is known, accepted or new.
    pub standing: Standing,
}

impl GrowingFunction {
    /// Finds the known cause of the growth.
    pub fn cause(&self) -> Option<Known> {
        let by_caller = || causes::find("", self.grows_for.as_slice());
        let by_name = causes::find(&self.saved.function, &[]);
        by_name.or_else(by_caller).or_else(|| causes::find("", self.path_of_growth()))
    }

    /// Says what the function's name does not show: the line of a program that an interpreter runs, or
    /// anything at all if the file has no symbols.
    pub fn note(&self) -> Option<&'static str> {
        causes::hidden_by(&self.saved.object, &self.saved.function)
    }

    /// Returns the call path, if it ends with the caller whose calls grow most; otherwise it is empty.
    pub fn path_of_growth(&self) -> &[String] {
        let path = self.saved.path.as_slice();
        if path.last() == self.grows_for.as_ref() { path } else { &[] }
    }

    /// Returns the function's name for reports, with its object. A function without a known cause is shown
    /// with the caller whose calls grow most.
    pub fn shown(&self) -> String {
        let SavedFunction { object, function, .. } = &self.saved;
        if function == causes::UNNAMED {
            return format!("code without a name ({object})");
        }
        let is_named = causes::find(function, &[]).is_some();
        let caller = self.grows_for.as_ref().filter(|_| !is_named);
        let caller = caller.filter(|caller| *caller != causes::UNNAMED);
        let caller = caller.map(|caller| format!(", called by {}", shortened(caller)));
        format!("{} ({object}{})", shortened(function), caller.unwrap_or_default())
    }
}

/// Shortens a name to fit a line: keeps its start and end.
pub fn shortened(name: &str) -> String {
    const LONGEST: usize = 72;
    let n_characters = name.chars().count();
    if n_characters <= LONGEST {
        return name.to_owned();
    }
    let start: String = name.chars().take(LONGEST / 3).collect();
    let end: String = name.chars().skip(n_characters - (LONGEST - LONGEST / 3 - 1)).collect();
    format!("{start}…{end}")
}

/// Returns the caller of `function` that says more than the function's own name. This is the nearest caller
/// with a known cause, otherwise the nearest caller in Wasmtime. Returns `None` if the function itself has a
/// known cause, or if there is no such caller.
pub fn telling_caller(function: &SavedFunction) -> Option<&str> {
    let SavedFunction { function, path, .. } = function;
    let is_named = causes::find(function, &[]).is_some();
    let caller = path.iter().rev().find(|caller| {
        let alone = [(*caller).clone()];
        causes::find("", &alone).is_some()
    });
    let nearest = || path.iter().rev().find(|caller| caller.contains("wasmtime::"));
    caller.or_else(nearest).filter(|_| !is_named).map(String::as_str)
}

/// How a function's growth is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The scenario states the growth as a known issue.
    Known {
        /// The mechanism.
        reason: String,
        /// The link to the report of the issue.
        link: String,
        /// When the known issue expires.
        expires: String,
    },
    /// The baseline records the growth.
    Accepted,
    /// The other build of the comparison has the same growth.
    AsBefore,
    /// Even at the limit the growth is less than 20 % of the cost.
    Negligible,
    /// The growth would matter, but its curve fits no formula well, so it cannot be extrapolated.
    Doubtful,
    /// The counts differ from run to run, so a single function's growth proves nothing.
    Inexact,
    /// The growth is new or steeper than accepted, or its known issue has expired.
    Regressed,
}

/// The costs by function of one scenario, smallest N first.
#[derive(Debug, Clone)]
pub struct Profiles(pub Vec<(usize, SavedProfile)>);

impl Profiles {
    /// Returns the profiles of `measured`, if there is one for each of its sizes under callgrind.
    pub fn of(measured: &MeasuredScenario, read: Vec<(usize, SavedProfile)>) -> Option<Profiles> {
        let sizes: Vec<usize> = read.iter().map(|(n, _)| *n).collect();
        let is_whole = !sizes.is_empty() && sizes == measured.scenario.callgrind_sizes;
        is_whole.then_some(Profiles(read))
    }

    /// Returns the instructions of a phase at each N, or `None` if some N has none.
    pub fn totals(&self, phase: Phase) -> Option<Series> {
        self.series(|profile| profile.total(phase))
    }

    /// Returns a function's own cost in a phase at each N. The cost is 0 for runs that never called the
    /// function.
    pub fn own(&self, phase: Phase, object: &str, function: &str) -> Option<Series> {
        self.series(|profile| {
            profile.phases.get(&phase)?;
            Some(profile.find(phase, object, function).map_or(0, |function| function.own))
        })
    }

    /// Finds in this build the costs of a growing function of `now`: the function of the same name, or a
    /// renamed one. A function may have been renamed if `now` no longer has it and it grew as fast.
    fn counterpart(
        &self,
        now: &Profiles,
        phase: Phase,
        function: &SavedFunction,
        series: &Series,
    ) -> Option<AcceptedFunction> {
        let of = |function: &SavedFunction| {
            let SavedFunction { object, function, .. } = function.clone();
            let series = self.own(phase, &object, &function)?;
            Some(AcceptedFunction { phase, object, function, series })
        };
        if let Some(same) = of(function).filter(|same| top(&same.series) > 0.0) {
            return Some(same);
        }
        let gone = self.functions(phase).iter().filter(|function| {
            let now = now.own(phase, &function.object, &function.function);
            now.is_none_or(|series| top(&series) == 0.0)
        });
        gone.filter_map(of).find(|gone| !gone.is_exceeded_by(series))
    }

    /// Returns the caller whose calls of `function` grow most with N².
    fn grows_for(&self, phase: Phase, function: &SavedFunction) -> Option<String> {
        let growth = |caller: &String| -> Option<f64> {
            let series = self.series(|profile| {
                let function = profile.find(phase, &function.object, &function.function);
                Some(function.and_then(|s| s.callers.get(caller).copied()).unwrap_or(0))
            })?;
            Some(Formula::of(&series)?.per_pair)
        };
        let grown = function.callers.keys().filter_map(|caller| Some((growth(caller)?, caller)));
        let most = grown.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
        Some(most.1.clone())
    }

    fn series(&self, cost: impl Fn(&SavedProfile) -> Option<u64>) -> Option<Series> {
        let sizes = self.0.iter().map(|(n, _)| *n as u64).collect();
        let cost = |(_, profile): &(usize, SavedProfile)| Some(vec![cost(profile)? as f64]);
        let costs: Option<Vec<Vec<f64>>> = self.0.iter().map(cost).collect();
        Some(Series::new(Kind::Count, sizes, costs?).ok()?.exact(true))
    }

    /// Lists the phases of the largest run.
    pub fn phases(&self) -> Vec<Phase> {
        self.0.last().map(|(_, top)| top.phases.keys().copied().collect()).unwrap_or_default()
    }

    /// Lists the functions of `phase` at the largest N, the costliest first.
    pub fn functions(&self, phase: Phase) -> &[SavedFunction] {
        let top = self.0.last().and_then(|(_, top)| top.phases.get(&phase));
        top.map(Vec::as_slice).unwrap_or_default()
    }
}

/// A function that reads the profiles of a scenario. It returns `None` if one is missing or damaged.
pub type ReadProfiles<'a> = &'a dyn Fn(&MeasuredScenario) -> Option<Profiles>;

/// The reference that a function's growth is compared with.
#[derive(Debug, Clone, Copy)]
pub enum Reference<'a> {
    /// The known issues of the scenario, and the baseline if there is one.
    Accepted(Option<&'a Baseline>),
    /// The costs of the other build of a comparison. Known issues do not matter for this comparison.
    Build(&'a Profiles),
}

/// Lists every growing function of a session with two builds, compared with the other build. Skips scenarios
/// for which the other build has no profiles.
pub fn growing_since(
    measured: &Measured,
    before: &MeasuredBefore,
    read: ReadProfiles<'_>,
) -> Vec<GrowingFunction> {
    let mut all = Vec::new();
    let asked = measured.scenarios.iter().filter(|m| !m.scenario.workload.is_self_check());
    for one in asked.filter(|m| m.failures.is_empty()) {
        let full_name = one.scenario.full_name();
        let other = before.scenarios.iter().find(|m| m.scenario.full_name() == full_name);
        let other = other.filter(|m| m.failures.is_empty()).and_then(read);
        let (Some(profiles), Some(other)) = (read(one), other) else { continue };
        let reference = Reference::Build(&other);
        all.extend(of_measured(one, &profiles, &Present::of(measured), reference));
    }
    all
}

/// Lists every growing function of a session, the largest growth of each scenario first.
pub fn growing<'a>(
    measured: &Measured,
    read: ReadProfiles<'_>,
    baseline_of: impl Fn(&Scenario) -> Option<&'a Baseline>,
) -> Vec<GrowingFunction> {
    let mut all = Vec::new();
    let asked = measured.scenarios.iter().filter(|m| !m.scenario.workload.is_self_check());
    for one in asked.filter(|m| m.failures.is_empty()) {
        let Some(profiles) = read(one) else { continue };
        let reference = Reference::Accepted(baseline_of(&one.scenario));
        all.extend(of_measured(one, &profiles, &Present::of(measured), reference));
    }
    all
}

/// Lists the growing functions of one scenario, the largest growth first. Where the counts of a phase differ
/// from run to run, no function of that phase is red by itself: the series of the phase is judged by its
/// repetitions.
pub fn of_measured(
    one: &MeasuredScenario,
    profiles: &Profiles,
    present: &Present<'_>,
    reference: Reference<'_>,
) -> Vec<GrowingFunction> {
    let mut found = of_scenario(&one.scenario, profiles, present, reference);
    for function in &mut found {
        let name = SeriesName::new(function.phase, Metric::CallgrindInstructions);
        let repeats = one.complete(name).is_none_or(|series| series.is_exact());
        if function.standing == Standing::Regressed && !repeats {
            function.standing = Standing::Inexact;
        }
    }
    found
}

/// Lists the growing functions of one scenario, the largest growth first, if its counts are exact.
pub fn of_scenario(
    scenario: &Scenario,
    profiles: &Profiles,
    present: &Present<'_>,
    reference: Reference<'_>,
) -> Vec<GrowingFunction> {
    let extrapolate_to = extrapolate_to(scenario);
    let mut found = Vec::new();
    for phase in profiles.phases() {
        let Some(total) = profiles.totals(phase) else { continue };
        // A program pays for loading and unloading together. Other phases are judged by themselves.
        let is_part = matches!(phase, Phase::Load | Phase::Unload);
        let whole = is_part.then(|| profiles.totals(Phase::Total)).flatten();
        let whole = judge_curve(whole.as_ref().unwrap_or(&total), &CurveOptions::default());
        let whole_grows = whole.verdict == CurveVerdict::Superlinear;
        let Some(whole) = whole.evidence else { continue };
        let of_phase = top(&total);
        for function in profiles.functions(phase) {
            let Some(series) = profiles.own(phase, &function.object, &function.function) else {
                continue;
            };
            if top(&series) < SMALLEST_SHARE * of_phase || !rises(&series) {
                continue;
            }
            let curve = judge_curve(&series, &CurveOptions::default());
            let is_sure = curve.verdict == CurveVerdict::Superlinear && !curve.needs_confirmation();
            let part = curve.evidence.as_ref().filter(|_| is_sure);
            let (Some(part), Some(formula)) = (part, Formula::of(&series)) else { continue };
            let hidden = hidden_growth(&part.fit, &whole.fit, whole_grows, extrapolate_to as u64);
            let name = SeriesName::new(phase, Metric::CallgrindInstructions);
            let known = scenario.known(name, &present.environment.unwinder_family);
            let known = known.map(|known| Entry::of(known, present));
            let standing = match reference {
                Reference::Accepted(baseline) => {
                    let (object, function) = (&function.object, &function.function);
                    let accepted = baseline.and_then(|b| b.function(phase, object, function));
                    standing(&series, &formula, &hidden, known, accepted)
                }
                Reference::Build(other) => {
                    let was = other.counterpart(profiles, phase, function, &series);
                    standing_since(&series, &formula, &hidden, was.as_ref())
                }
            };
            found.push(GrowingFunction {
                scenario: scenario.full_name(),
                phase,
                saved: function.clone(),
                formula,
                share: part.share * top(&series) / of_phase.max(1.0),
                standing,
                hidden,
                series,
                grows_for: profiles.grows_for(phase, function),
            });
        }
    }
    found.sort_by(|a, b| b.share.total_cmp(&a.share));
    found
}

/// How a function's growth is judged that cost `was` in the other build.
fn standing_since(
    series: &Series,
    formula: &Formula,
    hidden: &HiddenGrowth,
    was: Option<&AcceptedFunction>,
) -> Standing {
    match standing(series, formula, hidden, None, was) {
        Standing::Accepted => Standing::AsBefore,
        standing => standing,
    }
}

fn standing(
    series: &Series,
    formula: &Formula,
    hidden: &HiddenGrowth,
    known: Option<Entry<'_>>,
    accepted: Option<&AcceptedFunction>,
) -> Standing {
    let is_exceeded = match accepted {
        Some(accepted) => accepted.is_exceeded_by(series),
        None => is_steeper_than_quadratic(series, None),
    };
    match known {
        _ if is_exceeded && hidden.matters() => Standing::Regressed,
        // Both the baseline and the known issue accepted the growth, but the acceptance has expired.
        Some(Entry { has_expired: true, .. }) if hidden.matters() => Standing::Regressed,
        Some(Entry { has_expired: true, .. }) => Standing::Negligible,
        Some(Entry { known: KnownGrowth { reason, link, expires, .. }, .. }) => {
            let (reason, link, expires) = (reason.clone(), link.clone(), expires.clone());
            Standing::Known { reason, link, expires }
        }
        None if accepted.is_some() => Standing::Accepted,
        None if !hidden.matters() => Standing::Negligible,
        None if formula.misfit > LARGEST_MISFIT => Standing::Doubtful,
        None => Standing::Regressed,
    }
}

/// Returns the limit that growth is extrapolated to. The scenario may name it. Otherwise it is the largest N
/// that a machine with the kernel's usual limits holds, at most 65,536. Where N does not count modules, it is
/// the largest measured size. This machine's own limits do not count, because growth that is red here is red
/// elsewhere.
pub fn extrapolate_to(scenario: &Scenario) -> usize {
    let top = scenario.sizes.last().copied().unwrap_or(0);
    let fits = match &scenario.workload {
        Workload::Modules(modules) if !modules.n_counts.is_modules() => top,
        Workload::Modules(modules) => modules.largest_usual(),
        Workload::Command(_) | Workload::Registration(_) | Workload::SelfCheck(_) => usize::MAX,
    };
    scenario.extrapolate_to.unwrap_or(fits.min(FARTHEST_EXTRAPOLATION)).max(top)
}

/// Returns the cost at the largest N of a series with one reading per size.
pub fn top(series: &Series) -> f64 {
    series.costs().last().and_then(|costs| costs.first()).copied().unwrap_or(0.0)
}

/// Whether the cost per item rises over the upper half of the sizes. Most functions do not rise and need no
/// fit.
fn rises(series: &Series) -> bool {
    let per_item: Vec<f64> = series
        .sizes()
        .iter()
        .zip(series.costs())
        .map(|(n, costs)| costs.first().copied().unwrap_or(0.0) / *n as f64)
        .collect();
    let (middle, last) = (per_item[per_item.len() / 2], per_item[per_item.len() - 1]);
    last > 1.02 * middle
}

#[cfg(test)]
mod tests;
