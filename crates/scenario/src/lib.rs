//! The types that all crates of Loadline share: scenarios, the plan of runs, and the protocol between the
//! program and its runner.
//!
//! This crate depends neither on Wasmtime nor on perf events, and builds in seconds. It reads no files and
//! starts no processes.

pub mod expiry;
mod metric;
mod plan;
mod protocol;
mod random;
pub mod renamed;
pub mod scenario;
pub mod self_check;
pub mod units;
mod unwinder;
mod workload;

pub use expiry::{Component, Expiry};
pub use metric::collector::Collector;
pub use metric::name::{Metric, MetricKind};
pub use metric::phase::Phase;
pub use metric::reading::{Absence, Reading};
pub use metric::series_name::SeriesName;
pub use metric::unknown_name::UnknownName;
pub use plan::{Plan, Run, exact_runs};
pub use protocol::environment::Environment;
pub use protocol::message::{
    Absent, CommandProof, Exhausted, Message, Proof, Sample, Scope, Uncounted,
};
pub use protocol::request::{Dumps, Exhaust, Measure, Prepare, Request};
pub use random::Random;
pub use scenario::error::ScenarioError;
pub use scenario::known_issue::{GrowthClass, KnownGrowth};
pub use scenario::scaling::{KnownContention, Scaling};
pub use scenario::variant::Variant;
pub use scenario::{Control, Scenario, Suite};
pub use unwinder::{NoUnwinder, Unwinder};
pub use workload::Workload;
pub use workload::command::{Command, Invocation};
pub use workload::corpus::{Corpus, Generated, HostFunction, LoadFrom, Tables, TypeSharing};
pub use workload::known_work::{KnownWork, KnownWorkKind};
pub use workload::load_order::{
    LoadOrder, LoadedAtOnce, Operation, OperationKind, Schedule, Step, UnloadOrder, UnloadThread,
};
pub use workload::modules::{Engines, Limit, Modules, Profiler};
pub use workload::n_counts::NCounts;
pub use workload::registration::{AddressOrder, Registration, RegistrationCalls};

// Makes Cargo rebuild this crate for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
