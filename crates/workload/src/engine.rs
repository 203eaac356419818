//! The engines that compile and load. An artifact only loads if the settings that shape its machine code
//! agree.
//!
//! valgrind simulates a CPU that lacks instructions of most real CPUs, for example AVX-512. Wasmtime rejects
//! an artifact that was compiled for more instructions. So artifacts for callgrind are compiled outside of
//! it, for any CPU of the architecture.

use loadline_loader::wasmtime::{Config, Engine, OptLevel, RegallocAlgorithm};
use loadline_scenario::Collector;

use crate::error::Error;

/// Creates the engine that loads, with Wasmtime's own defaults.
///
/// It sets nothing about unwind tables, because the artifact decides whether a module has tables.
///
/// # Errors
///
/// [`Error::Engine`].
pub fn loading() -> Result<Engine, Error> {
    of(&Config::new())
}

/// Creates the engine that compiles the user's own files for [`loading`], with Wasmtime's own defaults and
/// with unwind tables. The unwind policy can hide the tables afterwards.
///
/// # Errors
///
/// [`Error::Engine`].
pub fn compiling(collector: Collector) -> Result<Engine, Error> {
    with_tables(Config::new(), collector)
}

/// Creates the engine that compiles thousands of generated modules for [`loading`].
///
/// It does not optimise, and uses the faster of Cranelift's register allocators, which halves the time. The
/// quality of the machine code changes neither the contents of an artifact nor how it is loaded.
///
/// # Errors
///
/// [`Error::Engine`].
pub fn generating(collector: Collector) -> Result<Engine, Error> {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::None);
    config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    with_tables(config, collector)
}

fn with_tables(mut config: Config, collector: Collector) -> Result<Engine, Error> {
    config.native_unwind_info(true);
    // If the host is unknown, there is no target to name and no instruction to leave out.
    if collector == Collector::Callgrind
        && let Ok(host) = cranelift_native::builder()
    {
        // A named target has no instructions beyond those of its architecture.
        let named = config.target(&host.triple().to_string());
        named.map_err(|source| Error::Engine { source })?;
    }
    of(&config)
}

fn of(config: &Config) -> Result<Engine, Error> {
    Engine::new(config).map_err(|source| Error::Engine { source })
}
