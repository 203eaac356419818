//! Reads and writes `baselines/calibration.toml`: how much costs jitter between sessions, one entry per CPU
//! (model and caches). Measures nothing.

use crate::{Context, Error, Exit, Result, ensure};
use std::fs;
use std::path::Path;

use loadline_growth::{Kind, Tau};
use loadline_scenario::Environment;
use serde::{Deserialize, Serialize};

use crate::PROGRAM;
use crate::files::atomic::{make_folder, replace};
use crate::files::format1::FormatOnly;

/// The file's name without its extension. No scenario may have this name.
pub const NAME: &str = "calibration";

/// The format that this version reads and writes.
const FORMAT: u32 = 2;

/// All calibrations of a repository.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrations {
    format: u32,
    /// The calibrations, one per CPU model and caches.
    #[serde(rename = "calibration")]
    all: Vec<Calibration>,
}

/// The difference between two measurements of unchanged code on one CPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The model of the CPU.
    pub cpu: String,
    /// The sizes of its caches.
    pub caches: String,
    /// The structural floor of counts, as a share of the cost.
    pub tau_count: f64,
    /// The structural floor of times, as a share of the cost.
    pub tau_time: f64,
    /// How many series were measured twice.
    pub n_series: usize,
    /// How many of these series the pair rule called worse, with these floors.
    pub n_false_alarms: usize,
    /// The repetitions of each measurement.
    pub repetitions: usize,
    /// The day of the calibration, in UTC.
    pub date: String,
    /// The version of Loadline.
    pub loadline: String,
}

impl Calibration {
    /// Returns the floor for costs of this `kind`.
    pub fn tau(&self, kind: Kind) -> Option<Tau> {
        match kind {
            Kind::Count => Tau::new(self.tau_count),
            Kind::Time => Tau::new(self.tau_time),
        }
    }
}

impl Calibrations {
    /// Reads the calibration file in the folder `baselines`; returns no calibrations if there is no file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or has another format.
    pub fn read(baselines: &Path) -> Result<Calibrations> {
        let path = baselines.join(format!("{NAME}.toml"));
        let shown = path.display();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Calibrations { format: FORMAT, all: Vec::new() });
            }
            Err(error) => {
                return Err(Error::new(Exit::WrongFile, format!("cannot read {shown}: {error}")));
            }
        };
        parse(&text).map_err(|error| {
            let error = format!("{error:#}");
            let error = error.trim_end();
            let text = format!("cannot use {shown}: {error} (git checkout brings it back)");
            Error::new(Exit::WrongFile, text)
        })
    }

    /// Returns the calibration for the CPU of `environment`.
    pub fn find(&self, environment: &Environment) -> Option<&Calibration> {
        let is_same = |c: &&Calibration| c.cpu == environment.cpu && c.caches == environment.caches;
        self.all.iter().find(is_same)
    }

    /// Inserts `calibration`, and replaces the calibration of the same CPU.
    pub fn put(&mut self, calibration: Calibration) {
        self.all.retain(|old| (&old.cpu, &old.caches) != (&calibration.cpu, &calibration.caches));
        self.all.push(calibration);
        self.all.sort_by(|a, b| (&a.cpu, &a.caches).cmp(&(&b.cpu, &b.caches)));
    }

    /// Writes the calibration file into the folder `baselines`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written. The old file is untouched then.
    pub fn write(&self, baselines: &Path) -> Result<()> {
        make_folder(baselines)
            .with_context(|| format!("cannot make folder {}", baselines.display()))?;
        let entries = toml::to_string(self).context("cannot write the calibration")?;
        let text = format!(
            "# Written by `{PROGRAM} calibrate`: how much costs of unchanged code jitter from session to session.\n{entries}"
        );
        replace(&baselines.join(format!("{NAME}.toml")), text.as_bytes())
    }
}

fn parse(text: &str) -> Result<Calibrations> {
    let format: FormatOnly = toml::from_str(text)?;
    format.check(FORMAT, "calibrate again")?;
    let file: Calibrations = toml::from_str(text)?;
    for one in &file.all {
        for kind in [Kind::Count, Kind::Time] {
            ensure!(one.tau(kind).is_some(), "a tau of {} is not within 0 to 1", one.cpu);
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn calibration(cpu: &str, tau_time: f64) -> Calibration {
        Calibration {
            cpu: cpu.to_owned(),
            caches: "?".to_owned(),
            tau_count: 0.003,
            tau_time,
            n_series: 55,
            n_false_alarms: 0,
            repetitions: 10,
            date: "2026-11-23".to_owned(),
            loadline: "0.1.0".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_and_found_by_its_processor() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut file = Calibrations::read(folder.path()).unwrap();
        file.put(calibration("Model B", 0.02));
        file.put(calibration("?", 0.03));
        file.put(calibration("?", 0.04));
        file.write(folder.path()).unwrap();
        let again = Calibrations::read(folder.path()).unwrap();
        assert_eq!(again.all.len(), 2);
        let found = again.find(&crate::fixtures::environment()).unwrap();
        assert_eq!(found.tau(Kind::Time), Tau::new(0.04));
    }

    #[test]
    fn what_is_no_calibration_is_refused() {
        for text in
            ["", "format = 3\ncalibration = []", "format = 2", "format = 2\ncalibration = [1]"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
        let mut file = Calibrations { format: FORMAT, all: vec![calibration("A", -1.0)] };
        assert!(parse(&toml::to_string(&file).unwrap()).is_err());
        file.all[0].tau_time = 0.01;
        assert!(parse(&toml::to_string(&file).unwrap()).is_ok());
    }
}
