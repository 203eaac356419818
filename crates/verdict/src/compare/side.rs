//! One side of a comparison: the costs of each scenario in a session, in one of its builds, or in a baseline.

use loadline_record::header;
use std::collections::BTreeMap;

use loadline_growth::Series;
use loadline_scenario::{Absence, Environment, Reading, Scenario, Scope, SeriesName};

use crate::functions::{Profiles, ReadProfiles};
use loadline_record::baseline::{AcceptedFunction, Baseline};
use loadline_record::header::RunRecord;
use loadline_record::measured::{Measured, MeasuredScenario, Repetitions};

/// One side of a comparison.
#[derive(Debug)]
pub struct Side {
    /// The name of the side for people.
    pub name: String,
    /// The scenarios. In a baseline file several may have the same full name, each for another environment.
    pub scenarios: Vec<SideScenario>,
}

/// The costs of one scenario on one side.
#[derive(Debug, Clone)]
pub struct SideScenario {
    /// The scenario's full name.
    pub full_name: String,
    /// The machine and the build.
    pub environment: Environment,
    /// The day on which the costs are judged, in UTC.
    pub today: String,
    /// Each series, or why there is none.
    pub series: BTreeMap<SeriesName, Readings>,
    /// The costs by function.
    pub functions: FunctionCosts,
    /// Runs that failed, one sentence each.
    pub failures: Vec<String>,
    /// The scenario's file as it is today; `None` if the file no longer exists.
    pub scenario: Option<Scenario>,
}

/// The readings of one series.
#[derive(Debug, Clone)]
pub enum Readings {
    /// The series was measured.
    Series {
        /// The repetitions of the series.
        series: Series,
        /// The smallest share of a phase in which the counter ran, if the kernel shared the counter among
        /// metrics.
        running: Option<f64>,
    },
    /// The series was not measured, and why.
    Missing(Absence),
    /// Runs failed, so the series has no result.
    Failed,
}

/// The costs by function.
#[derive(Debug, Clone)]
pub enum FunctionCosts {
    /// The costs of all functions.
    All(Profiles),
    /// The costs of functions that grow beyond linear only.
    Growing(Vec<AcceptedFunction>),
    /// No costs by function were counted.
    None,
}

/// A saved session that was read.
#[derive(Debug)]
pub struct Saved {
    name: String,
    measured: Measured,
    records: Vec<RunRecord>,
}

impl Saved {
    /// Creates a saved session called `name` from its results and records.
    pub fn new(name: String, measured: Measured, records: Vec<RunRecord>) -> Saved {
        Saved { name, measured, records }
    }

    /// Returns the costs of the session's own build.
    pub fn now(&self, read: ReadProfiles<'_>) -> Side {
        let environment = &self.measured.environment;
        self.side(
            self.name.clone(),
            environment,
            &self.measured.scenarios,
            (header::Side::Now, read),
        )
    }

    /// Returns the costs of the other build, if the session measured one in turn.
    pub fn before(&self, read: ReadProfiles<'_>) -> Option<Side> {
        let before = self.measured.before.as_ref()?;
        let (name, environment) = (before.build.name.clone(), &before.build.environment);
        Some(self.side(name, environment, &before.scenarios, (header::Side::Before, read)))
    }

    /// Lists the full names of the scenarios whose control was measured as well, each with the control's full name.
    pub fn controls(&self) -> Vec<(String, String)> {
        let all = &self.measured.scenarios;
        let with_control = all.iter().filter_map(|m| {
            let full_name = m.scenario.control_full_name()?;
            let is_there = all.iter().any(|other| other.scenario.full_name() == full_name);
            is_there.then(|| (m.scenario.full_name(), full_name))
        });
        with_control.collect()
    }

    fn side(
        &self,
        name: String,
        environment: &Environment,
        scenarios: &[MeasuredScenario],
        (side, read): (header::Side, ReadProfiles<'_>),
    ) -> Side {
        let asked = scenarios.iter().filter(|m| !m.scenario.workload.is_self_check());
        let scenarios = asked.map(|one| self.scenario(one, environment, (side, read))).collect();
        Side { name, scenarios }
    }

    fn scenario(
        &self,
        one: &MeasuredScenario,
        environment: &Environment,
        (side, read): (header::Side, ReadProfiles<'_>),
    ) -> SideScenario {
        let full_name = one.scenario.full_name();
        let readings = |(name, repetitions): (&SeriesName, &Repetitions)| {
            let readings = match repetitions {
                _ if !one.failures.is_empty() => Readings::Failed,
                Repetitions::Missing(absence) => Readings::Missing(*absence),
                Repetitions::Complete(_) => match one.complete(*name) {
                    Some(series) => {
                        let running = self.running(&full_name, side, *name);
                        Readings::Series { series, running }
                    }
                    None => Readings::Failed,
                },
            };
            (*name, readings)
        };
        let is_whole = one.failures.is_empty();
        let profiles = is_whole.then(|| read(one)).flatten();
        SideScenario {
            environment: environment.clone(),
            today: self.measured.today.clone(),
            series: one.series.iter().map(readings).collect(),
            functions: profiles.map_or(FunctionCosts::None, FunctionCosts::All),
            failures: one.failures.clone(),
            scenario: Some(one.scenario.clone()),
            full_name,
        }
    }

    /// Returns the smallest share of a phase in which the counter of a series ran, if the kernel shared the
    /// counter.
    fn running(&self, full_name: &str, side: header::Side, name: SeriesName) -> Option<f64> {
        let is_own = |record: &&RunRecord| record.side == side && record.scenario == full_name;
        let samples = self.records.iter().filter(is_own).flat_map(|record| {
            let samples = record.samples().into_iter().flatten();
            samples.filter(|sample| sample.modules == record.modules)
        });
        let shares = samples.filter_map(|sample| match sample.reading {
            Reading::Multiplexed { share, .. }
                if (sample.phase, sample.metric) == (name.phase, name.metric)
                    && sample.scope == Scope::Process =>
            {
                Some(share)
            }
            _ => None,
        });
        shares.min_by(f64::total_cmp)
    }
}

impl SideScenario {
    /// Returns the costs that `baseline` records for the scenario called `full_name`. `scenario` is its file as
    /// it is today.
    pub fn of_baseline(
        full_name: String,
        baseline: Baseline,
        scenario: Option<Scenario>,
    ) -> SideScenario {
        let readings = |series: Series| Readings::Series { series, running: None };
        SideScenario {
            full_name,
            environment: baseline.environment,
            today: baseline.date,
            series: baseline.series.into_iter().map(|a| (a.name, readings(a.series))).collect(),
            functions: match baseline.functions.as_slice() {
                [] => FunctionCosts::None,
                _ => FunctionCosts::Growing(baseline.functions),
            },
            failures: Vec::new(),
            scenario,
        }
    }
}
