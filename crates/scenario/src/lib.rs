//! The shared words of Loadline: what is asked, in which order, and how an answer looks.
//!
//! Every other crate speaks in these types, so this one knows neither Wasmtime nor perf events and
//! builds in seconds. It reads no files and starts no processes.

pub mod artifact;
pub mod axis;
mod capacity;
pub mod command;
pub mod expiry;
pub mod known;
pub mod lifecycle;
pub mod metric;
pub mod modules;
mod path;
pub mod plan;
pub mod random;
pub mod registration;
mod related;
pub mod sample;
pub mod scaling;
pub mod scenario;
mod scenario_file;
pub mod self_check;
pub mod subject;
pub mod units;
pub mod unwinder;
pub mod variant;

pub use artifact::{Corpus, Generated, HostFunction, LoadFrom, Tables, TypeSharing};
pub use axis::Axis;
pub use command::{Command, Invocation};
pub use expiry::{Component, Expiry};
pub use known::{GrowthClass, KnownGrowth};
pub use lifecycle::{
    Action, Activity, Lifecycle, Residency, Schedule, Step, UnloadOrder, UnloadThread,
};
pub use metric::{Absence, Metric, MetricKind, Phase, Reading, SeriesName, UnknownName};
pub use modules::{Engines, Limit, Modules, Profiler};
pub use plan::{Plan, Run, exact_runs};
pub use random::Random;
pub use registration::{AddressOrder, Registration, RegistrationCalls};
pub use sample::{
    Absent, CommandProof, Environment, Exhaust, Exhausted, Means, Measure, Message, Prepare, Proof,
    Request, Sample, Scope, Uncounted,
};
pub use scaling::{KnownContention, Scaling};
pub use scenario::{Control, Scenario, ScenarioError, Suite};
pub use subject::{Planted, PlantedWork, Subject};
pub use unwinder::{NoUnwinder, Unwinder};
pub use variant::Variant;
