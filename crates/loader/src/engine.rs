//! The engines that compile and load: one set of settings, since an artifact only loads where the
//! settings that shape its machine code agree.

use wasmtime::{Config, Engine};

use crate::error::Error;

/// The engine that loads: Wasmtime's own defaults.
///
/// Whether a module has unwind tables is a property of the artifact, so nothing is set about them.
pub fn loading() -> Result<Engine, Error> {
    Engine::new(&Config::new()).map_err(|source| Error::Engine { source })
}

/// The engine that compiles the user's own files for [`loading`]: Wasmtime's own defaults, and unwind
/// tables, which [`Artifact::apply`](crate::Artifact::apply) can hide afterwards.
#[cfg(feature = "compile")]
pub fn compiling() -> Result<Engine, Error> {
    with_tables(&mut Config::new())
}

/// The engine that compiles generated modules for [`loading`], by the thousand: without optimising,
/// and with the quicker of Cranelift's register allocators. That halves the time, and how good the
/// machine code is changes neither what an artifact consists of nor how it is loaded.
#[cfg(feature = "compile")]
pub fn generating() -> Result<Engine, Error> {
    let mut config = Config::new();
    config.cranelift_opt_level(wasmtime::OptLevel::None);
    config.cranelift_regalloc_algorithm(wasmtime::RegallocAlgorithm::SinglePass);
    with_tables(&mut config)
}

#[cfg(feature = "compile")]
fn with_tables(config: &mut Config) -> Result<Engine, Error> {
    config.native_unwind_info(true);
    Engine::new(config).map_err(|source| Error::Engine { source })
}
