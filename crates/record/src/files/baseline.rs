//! Reads and writes `baselines/<scenario>.toml`, the costs that were last accepted. Judges nothing.

use crate::{Context, Error, Exit, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use loadline_growth::{Kind, PairOptions, PairVerdict, Series, judge_pair};
use loadline_scenario::{
    Environment, Metric, Phase, RegistrationCalls, Scenario, SeriesName, Tables, Variant, Workload,
};
use serde::{Deserialize, Serialize};

use crate::Floor;
use crate::PROGRAM;
use crate::files::format1::FormatOnly;
use crate::files::measured::series;
use crate::suggest::with_nearest;

/// The format of baseline files that this version reads and writes.
const FORMAT: u32 = 2;

/// The baselines of one scenario, one per key.
#[derive(Debug, Clone, Default)]
pub struct Baselines {
    /// The baselines, sorted by key.
    pub all: Vec<Baseline>,
}

/// The settings and versions that change growth. A scenario has one baseline per key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The differences from the scenario's file.
    pub variant: Variant,
    /// The unwinder's family and major version, or `none` where no tables are registered.
    pub unwinder: String,
    /// Wasmtime's major version, or `command` for a scenario that runs a command.
    pub wasmtime: String,
    /// The CPU architecture.
    pub arch: String,
    /// A digest of the module files that the scenario names, if it names any. The baseline does not apply to
    /// other modules.
    #[serde(default)]
    pub modules: Option<String>,
}

/// The accepted costs for one key.
#[derive(Debug, Clone)]
pub struct Baseline {
    /// The key that this baseline applies to.
    pub key: Key,
    /// Why the baseline was written.
    pub reason: String,
    /// The day on which the baseline was written, in UTC.
    pub date: String,
    /// The seed that decided the order of the runs.
    pub seed: u64,
    /// The sizes that every session measures to compare with this baseline. Larger sizes serve to confirm a
    /// finding.
    pub sizes: Vec<usize>,
    /// The readings of an empty phase when the baseline was measured; empty if no empty phase was measured.
    pub noise_floor: Floor,
    /// The environment in which the baseline was measured.
    pub environment: Environment,
    /// The accepted series, sorted by name.
    pub series: Vec<Accepted>,
    /// The functions known to grow beyond linear, sorted.
    pub functions: Vec<AcceptedFunction>,
}

/// A function that grows beyond linear, with its measured costs.
#[derive(Debug, Clone, PartialEq)]
pub struct AcceptedFunction {
    /// The phase in which the function grows.
    pub phase: Phase,
    /// The file name of the function's program or library.
    pub object: String,
    /// The name of the function.
    pub function: String,
    /// The function's own instructions over N.
    pub series: Series,
}

impl AcceptedFunction {
    /// Whether `series` grows faster than the accepted series.
    pub fn is_exceeded_by(&self, series: &Series) -> bool {
        let pair = judge_pair(series, &self.series, &PairOptions::default());
        pair.verdict == PairVerdict::Worse
    }
}

/// One accepted series.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The name of the series.
    pub name: SeriesName,
    /// The repetitions of the series.
    pub series: Series,
    /// The scaling exponent with its interval, for the reader only; no verdict uses it. `None` for a flat
    /// curve.
    pub tail: Option<[f64; 3]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BaselinesFile {
    format: u32,
    baseline: Vec<BaselineFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BaselineFile {
    key: Key,
    reason: String,
    date: String,
    seed: u64,
    sizes: Vec<usize>,
    noise_floor: BTreeMap<Metric, f64>,
    environment: Environment,
    series: Vec<SeriesFile>,
    #[serde(default)]
    function: Vec<FunctionFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionFile {
    phase: Phase,
    object: String,
    function: String,
    own: Vec<(u64, u64)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeriesFile {
    name: SeriesName,
    unit: String,
    interleaved: bool,
    scaling_exponent: Option<f64>,
    scaling_interval: Option<[f64; 2]>,
    /// Why growth was accepted, in older files. Scenario files state that now.
    #[serde(default, rename = "superlinear")]
    _superlinear: Option<serde::de::IgnoredAny>,
    samples: Vec<Vec<f64>>,
}

impl Key {
    /// Returns the key of `scenario` in `environment`.
    pub fn of(scenario: &Scenario, environment: &Environment) -> Key {
        let is_modules = matches!(scenario.workload, Workload::Modules(_));
        let is_stripped = match &scenario.workload {
            Workload::Modules(modules) => modules.tables == Tables::Strip,
            Workload::Registration(registration) => registration.calls == RegistrationCalls::None,
            Workload::SelfCheck(_) => true,
            // Loadline does not know how a command registers tables. The command usually uses the machine's
            // unwinder.
            Workload::Command(_) => false,
        };
        let wasmtime = match &scenario.workload {
            // A command brings its own Wasmtime or none, and a session is meant to show when that Wasmtime
            // changes.
            Workload::Command(_) => "command",
            _ => environment.wasmtime_major(),
        };
        // Without tables nothing is registered, so the unwinder has no list that could grow.
        let unwinder = if is_stripped { "none".to_owned() } else { environment.unwinder() };
        Key {
            variant: scenario.variant.clone(),
            unwinder,
            wasmtime: wasmtime.to_owned(),
            arch: environment.arch.clone(),
            // A command may change, because its new costs are compared with its old costs.
            modules: scenario.digest.clone().filter(|_| is_modules),
        }
    }

    /// Lists in which fields this key differs from `other`, for the reader.
    pub fn differences(&self, other: &Key) -> Vec<String> {
        let modules = |key: &Key| key.modules.clone().unwrap_or_else(|| "unknown".to_owned());
        let fields = [
            ("variant", self.variant.to_string(), other.variant.to_string()),
            ("unwinder", self.unwinder.clone(), other.unwinder.clone()),
            ("wasmtime", self.wasmtime.clone(), other.wasmtime.clone()),
            ("architecture", self.arch.clone(), other.arch.clone()),
            ("modules", modules(self), modules(other)),
        ];
        let differing = fields.into_iter().filter(|(_, own, other)| own != other);
        let shown = |text: String| if text.is_empty() { "as written".to_owned() } else { text };
        differing
            .map(|(what, own, other)| format!("{what} {} here, {} there", shown(own), shown(other)))
            .collect()
    }
}

/// Formats the key like `libgcc-list 12, wasmtime 48, x86_64`, with the variant and the modules where there
/// are any.
impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Key { variant, unwinder, wasmtime, arch, modules } = self;
        if !variant.is_as_written() {
            write!(f, "{variant}, ")?;
        }
        write!(f, "{unwinder}, wasmtime {wasmtime}, {arch}")?;
        match modules {
            Some(modules) => write!(f, ", modules {modules}"),
            None => Ok(()),
        }
    }
}

impl Baseline {
    /// Returns the accepted series `name`.
    pub fn find(&self, name: SeriesName) -> Option<&Accepted> {
        self.series.iter().find(|accepted| accepted.name == name)
    }

    /// Returns the sizes of the series that callgrind counted, smallest first; none if it counted nothing.
    pub fn callgrind_sizes(&self) -> Vec<usize> {
        let counted = self.series.iter().find(|s| s.name.metric == Metric::CallgrindInstructions);
        let sizes = counted.map_or(&[][..], |accepted| accepted.series.sizes());
        sizes.iter().filter_map(|n| usize::try_from(*n).ok()).collect()
    }

    /// Returns the recorded costs of a growing function.
    pub fn function(
        &self,
        phase: Phase,
        object: &str,
        function: &str,
    ) -> Option<&AcceptedFunction> {
        self.functions
            .iter()
            .find(|one| one.phase == phase && one.object == object && one.function == function)
    }

    /// Whether times measured in `environment` may be compared with the times of this baseline. Both CPUs and
    /// caches must be equal, because a cost steps where a cache ends, and such a step is not growth.
    pub fn times_compare(&self, environment: &Environment) -> bool {
        self.environment.cpu == environment.cpu && self.environment.caches == environment.caches
    }
}

impl Baselines {
    /// Reads the baselines in the file at `path`; returns none if there is no such file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is incomplete, or has another format. The error names the
    /// line.
    pub fn read(path: &Path) -> Result<Baselines> {
        let shown = path.display();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Baselines::default());
            }
            Err(error) => {
                return Err(Error::new(
                    Exit::WrongFile,
                    format!("cannot read baseline {shown}: {error}"),
                ));
            }
        };
        Baselines::parse(&text).map_err(|error| {
            let error = format!("{error:#}");
            let error = error.trim_end();
            Error::new(
                Exit::WrongFile,
                format!(
                    "cannot use baseline {shown}: {} (git checkout brings it back)",
                    with_nearest(error)
                ),
            )
        })
    }

    pub(crate) fn parse(text: &str) -> Result<Baselines> {
        let format: FormatOnly = toml::from_str(text)?;
        format.check(FORMAT, "write the baseline again")?;
        let file: BaselinesFile = toml::from_str(text)?;
        debug_assert_eq!(file.format, FORMAT);
        let all = file.baseline.into_iter().map(baseline).collect::<Result<Vec<_>>>()?;
        ensure!(!all.is_empty(), "it contains no baseline");
        for (index, one) in all.iter().enumerate() {
            ensure!(
                !all[..index].iter().any(|earlier| earlier.key == one.key),
                "two baselines are for {}",
                one.key
            );
        }
        Ok(Baselines { all })
    }

    /// Returns the baseline with this key.
    pub fn find(&self, key: &Key) -> Option<&Baseline> {
        self.all.iter().find(|baseline| baseline.key == *key)
    }

    /// Inserts `baseline`, and replaces the baseline with the same key.
    pub fn put(&mut self, baseline: Baseline) {
        self.all.retain(|old| old.key != baseline.key);
        self.all.push(baseline);
        self.all.sort_by(|a, b| a.key.cmp(&b.key));
    }

    /// Returns the text of the file. This function formats the text itself instead of using serde, so that
    /// reviewers see one row per size.
    pub fn text(&self) -> String {
        let mut text = format!(
            "# Written by `{PROGRAM} baseline`, read in review, judged by `{PROGRAM} regress`.\nformat = {FORMAT}\n"
        );
        self.all.iter().for_each(|baseline| write_baseline(&mut text, baseline));
        text
    }
}

fn baseline(file: BaselineFile) -> Result<Baseline> {
    let mut series = file.series.into_iter().map(accepted).collect::<Result<Vec<_>>>()?;
    ensure!(!series.is_empty(), "a baseline contains no series");
    // Callgrind measures at other sizes.
    let is_measured = |n: &usize| series.iter().any(|s| s.series.sizes().contains(&(*n as u64)));
    ensure!(
        file.sizes.is_sorted_by(|a, b| a < b) && file.sizes.iter().all(is_measured),
        "its sizes {:?} do not rise, or its samples lack one of them",
        file.sizes
    );
    series.sort_by_key(|accepted| accepted.name);
    Ok(Baseline {
        key: file.key,
        reason: file.reason,
        date: file.date,
        seed: file.seed,
        sizes: file.sizes,
        noise_floor: Floor(file.noise_floor),
        environment: file.environment,
        series,
        functions: file.function.into_iter().map(accepted_function).collect::<Result<_>>()?,
    })
}

fn accepted_function(file: FunctionFile) -> Result<AcceptedFunction> {
    let FunctionFile { phase, object, function, own } = file;
    let (sizes, costs) = own.into_iter().map(|(n, cost)| (n, vec![cost as f64])).unzip();
    let series = Series::new(Kind::Count, sizes, costs)
        .with_context(|| format!("function {function} in {phase}"))?;
    Ok(AcceptedFunction { phase, object, function, series: series.exact(true) })
}

fn accepted(file: SeriesFile) -> Result<Accepted> {
    let name = file.name;
    ensure!(file.unit == name.metric.unit(), "series {name}: its unit is {}", name.metric.unit());
    let row = |row: Vec<f64>| -> Result<(usize, Vec<f64>)> {
        let [n, costs @ ..] = row.as_slice() else { bail!("series {name}: an empty row") };
        let is_whole = n.fract() == 0.0
            && (1.0..=loadline_scenario::scenario::LARGEST_MODULES as f64).contains(n);
        ensure!(is_whole, "series {name}: N = {n} is not a number of modules");
        Ok((*n as usize, costs.to_vec()))
    };
    let repetitions = file.samples.into_iter().map(row).collect::<Result<Vec<_>>>()?;
    let tail = match (file.scaling_exponent, file.scaling_interval) {
        (Some(value), Some([low, high])) => Some([value, low, high]),
        (None, None) => None,
        _ => bail!("series {name}: scaling_exponent and scaling_interval need each other"),
    };
    let series = series(name, &repetitions)?.interleaved(file.interleaved);
    Ok(Accepted { name, series, tail })
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn write_baseline(text: &mut String, baseline: &Baseline) {
    let mut line = |args: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{args}");
    };
    let Key { variant, unwinder, wasmtime, arch, modules } = &baseline.key;
    let changes =
        variant.0.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value)));
    let changes = changes.collect::<Vec<_>>().join(", ");
    let changes = if changes.is_empty() { "{}".to_owned() } else { format!("{{ {changes} }}") };
    line(format_args!("\n[[baseline]]"));
    line(format_args!("reason = {}", quoted(&baseline.reason)));
    line(format_args!("date = {}", quoted(&baseline.date)));
    line(format_args!("seed = {}", baseline.seed));
    line(format_args!("sizes = {:?}", baseline.sizes));
    let floor = baseline.noise_floor.0.iter().map(|(metric, v)| format!("{metric} = {v:?}"));
    let floor = floor.collect::<Vec<_>>().join(", ");
    let floor = if floor.is_empty() { "{}".to_owned() } else { format!("{{ {floor} }}") };
    line(format_args!("noise_floor = {floor}"));
    line(format_args!("\n[baseline.key]"));
    line(format_args!("variant = {changes}"));
    line(format_args!("unwinder = {}", quoted(unwinder)));
    line(format_args!("wasmtime = {}", quoted(wasmtime)));
    line(format_args!("arch = {}", quoted(arch)));
    if let Some(modules) = modules {
        line(format_args!("modules = {}", quoted(modules)));
    }
    line(format_args!("\n[baseline.environment]"));
    let environment = toml::to_string(&baseline.environment).expect("plain text fields");
    line(format_args!("{}", environment.trim_end()));
    baseline.series.iter().for_each(|accepted| write_series(text, accepted));
    baseline.functions.iter().for_each(|function| write_function(text, function));
}

fn write_function(text: &mut String, function: &AcceptedFunction) {
    let mut line = |args: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{args}");
    };
    let AcceptedFunction { phase, object, function, series } = function;
    line(format_args!("\n[[baseline.function]]"));
    line(format_args!("phase = {}", quoted(&phase.to_string())));
    line(format_args!("object = {}", quoted(object)));
    line(format_args!("function = {}", quoted(function)));
    let rows = series.sizes().iter().zip(series.costs());
    let rows = rows.map(|(n, costs)| format!("[{n}, {}]", costs.first().copied().unwrap_or(0.0)));
    line(format_args!("own = [{}]", rows.collect::<Vec<_>>().join(", ")));
}

fn write_series(text: &mut String, accepted: &Accepted) {
    let mut line = |args: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{args}");
    };
    line(format_args!("\n[[baseline.series]]"));
    line(format_args!("name = {}", quoted(&accepted.name.to_string())));
    line(format_args!("unit = {}", quoted(accepted.name.metric.unit())));
    line(format_args!("interleaved = {}", accepted.series.is_interleaved()));
    if let Some([value, low, high]) = accepted.tail {
        line(format_args!("scaling_exponent = {value:.4}"));
        line(format_args!("scaling_interval = [{low:.4}, {high:.4}]"));
    }
    line(format_args!("samples = ["));
    for (size, costs) in accepted.series.sizes().iter().zip(accepted.series.costs()) {
        let costs: Vec<String> = costs.iter().map(|cost| format!("{cost:?}")).collect();
        line(format_args!("  [{size}, {}],", costs.join(", ")));
    }
    line(format_args!("]"));
}

#[cfg(test)]
mod tests;
