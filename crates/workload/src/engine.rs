//! The engines that compile and load. An artifact only loads where the settings that shape its
//! machine code agree.
//!
//! valgrind gives the process a CPU of its own, which lacks instructions that most real CPUs have
//! (AVX-512, for one). Wasmtime refuses an artifact that was compiled for more instructions. So
//! what is loaded under callgrind is compiled, outside of it, for any CPU of the architecture.

use loadline_loader::wasmtime::{Config, Engine, OptLevel, RegallocAlgorithm};
use loadline_scenario::Collector;

use crate::error::Error;

/// The engine that loads, with Wasmtime's own defaults.
///
/// Nothing is set about unwind tables: whether a module has them is a property of the artifact.
///
/// # Errors
///
/// [`Error::Engine`].
pub fn loading() -> Result<Engine, Error> {
    of(&Config::new())
}

/// The engine that compiles the user's own files for [`loading`], with Wasmtime's own defaults and
/// with unwind tables. The unwind policy can hide the tables afterwards.
///
/// # Errors
///
/// [`Error::Engine`].
pub fn compiling(collector: Collector) -> Result<Engine, Error> {
    with_tables(Config::new(), collector)
}

/// The engine that compiles generated modules for [`loading`], by the thousand. It does not
/// optimise, and uses the quicker of Cranelift's register allocators, which halves the time. The
/// quality of the machine code does not change what an artifact consists of or how it is loaded.
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
    // Without a known host there is no target to name, and no instruction to leave out.
    if collector == Collector::Callgrind
        && let Ok(host) = cranelift_native::builder()
    {
        // A target that is named has no instructions beyond its architecture's own.
        let named = config.target(&host.triple().to_string());
        named.map_err(|source| Error::Engine { source })?;
    }
    of(&config)
}

fn of(config: &Config) -> Result<Engine, Error> {
    Engine::new(config).map_err(|source| Error::Engine { source })
}
