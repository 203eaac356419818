//! One measured run of modules, planted work, unwind tables or a command.

mod callgrind;
mod clock;
mod count;
pub mod limit;
mod modules;
mod perf_map;
mod planted;
pub mod samples;

use loadline_scenario::{Action, Lifecycle, Means, Measure, Modules, Subject};

use crate::error::Error;
use crate::process;
use samples::Measured;

/// Carries out one run.
pub fn measure(request: &Measure) -> Result<Measured, Error> {
    if let Subject::Modules(Modules {
        lifecycle: Lifecycle { activity: Some(activity), .. }, ..
    }) = &request.subject
        && activity.action == Action::Trap
    {
        process::keep_backtraces();
    }
    match request.means {
        Means::Clock => clock::measure(request),
        Means::Count => count::measure(request),
        Means::Callgrind => callgrind::measure(request),
    }
}
