//! One entry of the list that Google Benchmark and pytest-benchmark write.

use serde::Deserialize;

/// One entry of either tool's list.
#[derive(Deserialize)]
pub struct Entry {
    pub name: String,
    pub fullname: Option<String>,
    pub run_name: Option<String>,
    pub run_type: Option<String>,
    pub aggregate_name: Option<String>,
    pub error_occurred: Option<bool>,
    pub cpu_time: Option<f64>,
    pub real_time: Option<f64>,
    pub time_unit: Option<String>,
    pub params: Option<serde_json::Map<String, serde_json::Value>>,
    pub stats: Option<Stats>,
}

/// The statistics of an entry.
#[derive(Deserialize)]
pub struct Stats {
    /// The time of each repetition, in seconds.
    pub data: Option<Vec<f64>>,
}
