//! The baselines and calibrations that are committed in a repository.

use loadline_record::{Context, Error, Exit, PROGRAM, Result};
use std::collections::BTreeMap;
use std::path::Path;

use loadline_growth::{Kind, Tau};
use loadline_scenario::{Environment, Scenario};

use loadline_measure::project::folders::Project;
use loadline_record::baseline::{Baseline, Baselines, Key};
use loadline_record::calibration::{Calibration, Calibrations};
use loadline_record::suggest::nearest;
use loadline_verdict::reference::BaselineSource;

/// The baselines of the repository, and the baseline that `--baseline` demands.
#[derive(Debug, Clone)]
pub struct Committed {
    by_name: BTreeMap<String, Baselines>,
    none: Baselines,
    insisted: Option<Insisted>,
    calibrations: Calibrations,
}

#[derive(Debug, Clone)]
struct Insisted {
    candidates: Vec<Baseline>,
    chosen: Option<Baseline>,
}

impl Committed {
    /// Reads the baselines of `scenarios`, and the baseline that `insisted_on` demands.
    ///
    /// # Errors
    /// When a file is damaged, or the demanded baseline does not exist.
    pub fn read(
        project: &Project,
        scenarios: &[Scenario],
        insisted_on: Option<&str>,
    ) -> Result<Committed> {
        let insisted = insisted_on.map(|asked| insisted(project, asked)).transpose()?;
        let mut committed = Committed {
            by_name: BTreeMap::new(),
            none: Baselines::default(),
            insisted,
            calibrations: Calibrations::read(&project.baselines())?,
        };
        committed.read_others(project, scenarios)?;
        Ok(committed)
    }

    /// Also reads the baselines of scenarios that were added later.
    ///
    /// # Errors
    /// When a file is damaged.
    pub fn read_others(&mut self, project: &Project, scenarios: &[Scenario]) -> Result<()> {
        for Scenario { name, .. } in scenarios {
            if !self.by_name.contains_key(name) {
                let path = project.baselines().join(format!("{name}.toml"));
                self.by_name.insert(name.clone(), Baselines::read(&path)?);
            }
        }
        Ok(())
    }

    /// Returns these baselines with `calibration` in place of the stored calibration of its CPU.
    pub fn calibrated(&self, calibration: Calibration) -> Committed {
        let mut other = self.clone();
        other.calibrations.put(calibration);
        other
    }

    /// Sets each scenario to the sizes of the baseline that fits it, because costs are compared only at equal
    /// sizes. A scenario without a fitting baseline keeps its sizes.
    pub fn at_their_sizes(
        &self,
        scenarios: Vec<Scenario>,
        environment: &Environment,
    ) -> Vec<Scenario> {
        let sized = scenarios.into_iter().map(|scenario| {
            let Some(baseline) = self.fitting(&scenario, environment) else { return scenario };
            let sizes = baseline.sizes.clone();
            // A command's sizes under callgrind are chosen when they are measured first.
            let callgrind_sizes = match scenario.callgrind_sizes.as_slice() {
                [] => baseline.callgrind_sizes(),
                sizes => sizes.to_vec(),
            };
            Scenario { sizes, callgrind_sizes, ..scenario }
        });
        sized.collect()
    }

    /// The baseline of `scenario` whose key is that of `environment`.
    pub fn fitting(&self, scenario: &Scenario, environment: &Environment) -> Option<&Baseline> {
        self.of(&scenario.name).find(&Key::of(scenario, environment))
    }

    /// Chooses the demanded baseline: of all that the caller's name fits, the one most like `environment`.
    pub fn insist_for(&mut self, environment: &Environment) {
        let Some(insisted) = &mut self.insisted else { return };
        let likeness = |baseline: &&Baseline| {
            let key = &baseline.key;
            let same = [
                key.arch == environment.arch,
                key.wasmtime == environment.wasmtime_major(),
                key.unwinder == environment.unwinder(),
                baseline.times_compare(environment),
            ];
            same.iter().filter(|same| **same).count()
        };
        insisted.chosen = insisted.candidates.iter().max_by_key(likeness).cloned();
    }
}

impl BaselineSource for Committed {
    fn of(&self, name: &str) -> &Baselines {
        self.by_name.get(name).unwrap_or(&self.none)
    }

    fn tau(&self, kind: Kind, environment: &Environment) -> Option<Tau> {
        self.calibrations.find(environment)?.tau(kind)
    }

    fn insisted(&self) -> Option<&Baseline> {
        self.insisted.as_ref()?.chosen.as_ref()
    }
}

/// Reads `--baseline`: a file, or a scenario's full name, of which only that variant's baselines count.
fn insisted(project: &Project, asked: &str) -> Result<Insisted> {
    let is_file = asked.ends_with(".toml") || Path::new(asked).is_file();
    let candidates = if is_file {
        let path = Path::new(asked);
        if !path.is_file() {
            let text = format!("cannot read --baseline {asked}: there is no such file");
            return Err(Error::new(Exit::WrongFile, text));
        }
        Baselines::read(path)?.all
    } else {
        let (name, changes) = Project::split_title(asked)?;
        let variant = project.scenario(name, &changes).context("--baseline")?.variant;
        let path = project.baselines().join(format!("{name}.toml"));
        let all = Baselines::read(&path)?.all;
        all.into_iter().filter(|baseline| baseline.key.variant == variant).collect()
    };
    if candidates.is_empty() {
        let names = project.scenario_names()?;
        let near = nearest(asked, names.iter().map(String::as_str)).unwrap_or("NAME");
        let text = format!(
            "there is no baseline for --baseline {asked} ({PROGRAM} baseline {near} --reason TEXT makes one)"
        );
        return Err(Error::new(Exit::NoBaseline, text));
    }
    Ok(Insisted { candidates, chosen: None })
}
