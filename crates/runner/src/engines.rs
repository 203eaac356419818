//! The engines that compile artifacts for a run: for this processor, or for any of its architecture.
//!
//! valgrind gives the process a processor of its own, with fewer abilities than most real ones (no
//! AVX-512, for one), and Wasmtime refuses an artifact that was compiled for more. So what is loaded
//! under callgrind is compiled, outside of it, for what every processor of the architecture can do.

use loadline_loader::wasmtime::{Config, Engine, OptLevel, RegallocAlgorithm};
use loadline_loader::{Error, engine};
use loadline_scenario::Means;

/// The engine that compiles generated modules, as [`engine::generating`].
pub fn generating(means: Means) -> Result<Engine, Error> {
    if means != Means::Callgrind {
        return engine::generating();
    }
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::None);
    config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    for_any_processor(config)
}

/// The engine that compiles the user's own files, as [`engine::compiling`].
pub fn compiling(means: Means) -> Result<Engine, Error> {
    if means != Means::Callgrind {
        return engine::compiling();
    }
    for_any_processor(Config::new())
}

fn for_any_processor(mut config: Config) -> Result<Engine, Error> {
    config.native_unwind_info(true);
    // Where the host cannot be told, neither can its abilities, and nothing need be left out.
    if let Ok(host) = cranelift_native::builder() {
        // A target that is named is given no abilities beyond its architecture's own.
        let named = config.target(&host.triple().to_string());
        named.map_err(|source| Error::Engine { source })?;
    }
    Engine::new(&config).map_err(|source| Error::Engine { source })
}
