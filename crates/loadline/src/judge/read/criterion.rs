//! criterion's folders. `new/sample.json` holds the measurements, `new/benchmark.json` describes the
//! benchmark.

use loadline_record::{Context, Result, ensure};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::found::Found;
use super::points::{Point, grouped};

/// The depth to which samples are searched, from `target/criterion` or a folder around it.
const DEPTH: usize = 8;

#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
    /// The parameter of a `BenchmarkId`.
    value_str: Option<String>,
}

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    /// The time of all iterations of a measurement, in nanoseconds.
    times: Vec<f64>,
}

/// The series below a benchmark's folder, a group's folder, or all of `target/criterion`, in ns per
/// iteration.
///
/// # Errors
/// When the folder holds no samples, or they do not form a series.
pub fn read(folder: &Path) -> Result<Found> {
    let own = folder.join("sample.json");
    let mut samples = if own.is_file() { vec![own] } else { Vec::new() };
    find(folder, DEPTH, &mut samples)?;
    ensure!(
        !samples.is_empty(),
        "it is a folder without criterion's samples (…/new/sample.json below target/criterion)"
    );
    samples.sort();
    let points = samples.iter().map(|sample| {
        point(sample).with_context(|| sample.parent().unwrap_or(sample).display().to_string())
    });
    let (groups, notes) = grouped(points.collect::<Result<_>>()?);
    ensure!(
        !groups.is_empty(),
        "none of criterion's benchmarks in it has a size: name them by BenchmarkId::new(name, n) or \
         BenchmarkId::from_parameter(n)"
    );
    let series = groups.into_iter().map(|group| group.times("a sample_size of 10 or more"));
    let series = series.collect::<Result<_>>()?;
    Ok(Found { series, notes, states_itself: true })
}

/// Finds the samples of the newest measurement of each benchmark below `folder`. Older measurements, in
/// `base` or under other names, are left out.
fn find(folder: &Path, depth: usize, samples: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let entry = entry.with_context(|| folder.display().to_string())?;
        // Links are not followed, because they could lead in a circle.
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let sample = entry.path().join("sample.json");
        if entry.file_name() == "new" && sample.is_file() {
            samples.push(sample);
        } else if depth > 0 {
            find(&entry.path(), depth - 1, samples)?;
        }
    }
    Ok(())
}

fn point(sample: &Path) -> Result<Point> {
    let benchmark: Benchmark = json(&sample.with_file_name("benchmark.json"))?;
    let Sample { iters, times } = json(sample)?;
    ensure!(
        iters.len() == times.len(),
        "sample.json has {} times and {} counts of iterations",
        times.len(),
        iters.len()
    );
    let family = match benchmark.function_id {
        Some(function) => format!("{}/{function}", benchmark.group_id),
        None => benchmark.group_id,
    };
    let parameters = benchmark.value_str.map(|value| ("n".to_owned(), value));
    let readings = times.iter().zip(&iters).map(|(time, iters)| time / iters).collect();
    Ok(Point { family, parameters: parameters.into_iter().collect(), readings })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    serde_json::from_reader(BufReader::new(file)).context(name)
}
