//! One side of a difference: what a session, one of its builds, or a baseline says of each scenario.

use loadline_record::header;
use std::collections::BTreeMap;

use loadline_growth::Series;
use loadline_scenario::{Absence, Environment, Reading, Scenario, Scope, SeriesName};

use crate::functions::{Profiles, ReadProfiles};
use loadline_record::baseline::{AcceptedSymbol, Baseline};
use loadline_record::header::RunRecord;
use loadline_record::rounds::{Measured, MeasuredScenario, Rounds};

/// What one side says.
#[derive(Debug)]
pub struct Side {
    /// What a reader calls it.
    pub name: String,
    /// The scenarios; of a baseline file several may bear one title, each for its own environment.
    pub scenarios: Vec<SideScenario>,
}

/// What one side says of a scenario.
#[derive(Debug, Clone)]
pub struct SideScenario {
    /// Its title.
    pub title: String,
    /// The machine and the build.
    pub environment: Environment,
    /// The day on which it is judged, in UTC.
    pub today: String,
    /// Each series, or why there is none.
    pub series: BTreeMap<SeriesName, Readings>,
    /// What each symbol cost.
    pub symbols: SymbolCosts,
    /// Runs that failed, one sentence each.
    pub failures: Vec<String>,
    /// The scenario's file as it is today, where it is still there.
    pub scenario: Option<Scenario>,
}

/// The readings of one series.
#[derive(Debug, Clone)]
pub enum Readings {
    /// There are some.
    Series {
        /// The rounds.
        series: Series,
        /// The smallest share of a phase in which the counter really ran, where the kernel took
        /// turns.
        running: Option<f64>,
    },
    /// There are none, and why.
    Missing(Absence),
    /// Runs failed, so that nothing can be said.
    Failed,
}

/// Costs by symbol.
#[derive(Debug, Clone)]
pub enum SymbolCosts {
    /// Of all symbols.
    All(Profiles),
    /// Of those that grow beyond linear.
    Growing(Vec<AcceptedSymbol>),
    /// Of none: they were not counted.
    None,
}

/// A session that was read.
#[derive(Debug)]
pub struct Saved {
    name: String,
    measured: Measured,
    records: Vec<RunRecord>,
}

impl Saved {
    /// The session called `name`, as it was measured.
    pub fn new(name: String, measured: Measured, records: Vec<RunRecord>) -> Saved {
        Saved { name, measured, records }
    }

    /// What its own build cost.
    pub fn now(&self, read: ReadProfiles<'_>) -> Side {
        let environment = &self.measured.environment;
        self.side(
            self.name.clone(),
            environment,
            &self.measured.scenarios,
            (header::Side::Now, read),
        )
    }

    /// What the other build cost, where one was measured in turn.
    pub fn before(&self, read: ReadProfiles<'_>) -> Option<Side> {
        let before = self.measured.before.as_ref()?;
        let (name, environment) = (before.build.name.clone(), &before.build.environment);
        Some(self.side(name, environment, &before.scenarios, (header::Side::Before, read)))
    }

    /// The titles of the scenarios whose control was measured as well, each with the control's.
    pub fn controls(&self) -> Vec<(String, String)> {
        let all = &self.measured.scenarios;
        let with_control = all.iter().filter_map(|m| {
            let title = m.scenario.control_title()?;
            let is_there = all.iter().any(|other| other.scenario.title() == title);
            is_there.then(|| (m.scenario.title(), title))
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
        let asked = scenarios.iter().filter(|m| !m.scenario.subject.is_planted());
        let scenarios = asked.map(|one| self.scenario(one, environment, (side, read))).collect();
        Side { name, scenarios }
    }

    fn scenario(
        &self,
        one: &MeasuredScenario,
        environment: &Environment,
        (side, read): (header::Side, ReadProfiles<'_>),
    ) -> SideScenario {
        let title = one.scenario.title();
        let readings = |(name, rounds): (&SeriesName, &Rounds)| {
            let readings = match rounds {
                _ if !one.failures.is_empty() => Readings::Failed,
                Rounds::Missing(absence) => Readings::Missing(*absence),
                Rounds::Complete(_) => match one.complete(*name) {
                    Some(series) => {
                        let running = self.running(&title, side, *name);
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
            symbols: profiles.map_or(SymbolCosts::None, SymbolCosts::All),
            failures: one.failures.clone(),
            scenario: Some(one.scenario.clone()),
            title,
        }
    }

    /// The smallest share in which the counter of a series ran, where the kernel took turns.
    fn running(&self, title: &str, side: header::Side, name: SeriesName) -> Option<f64> {
        let is_own = |record: &&RunRecord| record.side == side && record.scenario == title;
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
    /// What `baseline` of the scenario called `title` says; `scenario` is its file as it is today.
    pub fn of_baseline(
        title: String,
        baseline: Baseline,
        scenario: Option<Scenario>,
    ) -> SideScenario {
        let readings = |series: Series| Readings::Series { series, running: None };
        SideScenario {
            title,
            environment: baseline.environment,
            today: baseline.date,
            series: baseline.series.into_iter().map(|a| (a.name, readings(a.series))).collect(),
            symbols: match baseline.symbols.as_slice() {
                [] => SymbolCosts::None,
                _ => SymbolCosts::Growing(baseline.symbols),
            },
            failures: Vec::new(),
            scenario,
        }
    }
}
