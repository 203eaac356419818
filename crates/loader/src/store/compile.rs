//! Artifacts that the store compiles where it does not have them.

use std::sync::atomic::Ordering;

use super::key::StoreKey;
use super::open::Store;
use super::read::Look;
use super::write::is_refused;
use crate::artifact::{Artifact, Loaded};
use crate::error::Error;
use crate::watch::Warning;

impl Store {
    /// The artifact that `engine` compiles `wasm` to (binary or text, module or component), from
    /// the store, or compiled now and kept. While one thread of one process compiles it, all others
    /// that ask for it wait.
    ///
    /// # Errors
    ///
    /// As [`compile::bytes`](crate::compile::bytes) and [`Artifact::apply`]; [`Error::Read`] or
    /// [`Error::Write`] where the folder cannot be used. What could be compiled and not written, as in
    /// a folder that this user may only read, is returned all the same, with a
    /// [`Warning::NotStored`].
    pub fn artifact(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> Result<Artifact, Error> {
        match self.kept_artifact(engine, wasm) {
            Err(error) if is_forbidden(&error) => {
                let artifact = self.compile(engine, wasm)?;
                let reason = crate::error::told(&error);
                self.inner.options.observer.warn(&Warning::NotStored { reason });
                Ok(artifact)
            }
            found => found,
        }
    }

    fn kept_artifact(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> Result<Artifact, Error> {
        let name = StoreKey::of(engine, wasm, self.inner.options.policy);
        if let Look::Sound(artifact) = self.look(&name)? {
            return Ok(self.found(artifact));
        }
        let mut turn = self.lock(&name)?;
        match self.look(&name)? {
            // Another was quicker.
            Look::Sound(artifact) => return Ok(self.found(artifact)),
            Look::Nothing => {}
            Look::Unsound(reason) => turn.set_aside(&name.to_string(), &reason)?,
        }
        let artifact = self.compile(engine, wasm)?;
        if let Err(error) = self.write(&name, &artifact) {
            turn.warnings.push(Warning::NotStored { reason: crate::error::told(&error) });
            return Ok(artifact);
        }
        drop(turn);
        self.make_room();
        Ok(artifact)
    }

    /// As [`Store::artifact`], made ready.
    ///
    /// An artifact that Wasmtime refuses although its seal is right, such as one that another
    /// program's release of Wasmtime left under this key, is set aside and compiled again, once.
    ///
    /// # Errors
    ///
    /// As [`Store::artifact`], or [`Error::Deserialize`].
    pub fn load(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> Result<Loaded, Error> {
        self.load_by(engine, wasm, |artifact| artifact.load(engine))
    }

    /// As [`Store::load`], by what `load` makes of an artifact.
    pub(crate) fn load_by<T>(
        &self,
        engine: &wasmtime::Engine,
        wasm: &[u8],
        load: impl Fn(&Artifact) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let refused = match load(&self.artifact(engine, wasm)?) {
            Err(error @ Error::Deserialize { .. }) => error,
            loaded => return loaded,
        };
        let name = StoreKey::of(engine, wasm, self.inner.options.policy);
        self.lock(&name)?.set_aside(&name.to_string(), &refused)?;
        load(&self.artifact(engine, wasm)?)
    }

    fn compile(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> Result<Artifact, Error> {
        let mut artifact = crate::artifact::compile::bytes(engine, wasm)?;
        artifact.apply(self.inner.options.policy)?;
        self.inner.compiled.fetch_add(1, Ordering::Relaxed);
        Ok(artifact)
    }
}

/// Whether this user may not do to the store what it takes.
fn is_forbidden(error: &Error) -> bool {
    matches!(error, Error::Read { source, .. } | Error::Write { source, .. } if is_refused(source))
}
