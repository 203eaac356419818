//! One measured run of modules, the work of a self-check, unwind tables or a command.

mod callgrind;
mod clock;
mod count;
mod known_work;
pub mod limit;
mod modules;
mod perf_map;
pub mod samples;

use loadline_scenario::{Collector, LoadOrder, Measure, Modules, OperationKind, Workload};

use crate::error::Error;
use crate::process;
use samples::Measured;

/// Does one run with the requested collector.
pub fn measure(request: &Measure) -> Result<Measured, Error> {
    if let Workload::Modules(Modules {
        load_order: LoadOrder { operation: Some(operation), .. },
        ..
    }) = &request.workload
        && operation.kind == OperationKind::Trap
    {
        process::keep_backtraces();
    }
    match request.collector {
        Collector::Clock => clock::measure(request),
        Collector::Count => count::measure(request),
        Collector::Callgrind => callgrind::measure(request),
    }
}
