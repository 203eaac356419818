//! Compiles artifacts that are not in the store.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::key::StoreKey;
use super::open::ArtifactStore;
use super::read::Look;
use super::write::is_refused;
use crate::artifact::{Artifact, Loaded};
use crate::error::Error;
use crate::watch::{CompileRecord, Warning};

impl ArtifactStore {
    /// Returns the artifact that `engine` compiles `wasm` to. The wasm may be binary or text, module or
    /// component.
    ///
    /// The store reads the artifact, or compiles it now and saves it. While one thread of one process
    /// compiles an artifact, all others that need the same artifact wait.
    ///
    /// # Errors
    ///
    /// The errors of [`compile::bytes`](crate::compile::bytes) and [`Artifact::apply`]. [`Error::Read`] or
    /// [`Error::Write`] if the folder cannot be used. If the artifact could be compiled but not written, for
    /// example because this user may only read the folder, the store returns it with a
    /// [`Warning::NotStored`].
    pub fn artifact(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> Result<Artifact, Error> {
        self.artifact_of(&self.key_of(engine, wasm), engine, wasm)
    }

    fn artifact_of(
        &self,
        name: &StoreKey,
        engine: &wasmtime::Engine,
        wasm: &[u8],
    ) -> Result<Artifact, Error> {
        match self.kept_artifact(name, engine, wasm) {
            Err(error) if is_forbidden(&error) => {
                let (artifact, record) = self.compile(name, engine, wasm)?;
                self.inner.options.observer.compiled(&record);
                let reason = crate::error::told(&error);
                self.inner.options.observer.warn(&Warning::NotStored { reason });
                Ok(artifact)
            }
            found => found,
        }
    }

    fn key_of(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> StoreKey {
        StoreKey::of(engine, wasm, self.inner.options.policy)
    }

    fn kept_artifact(
        &self,
        name: &StoreKey,
        engine: &wasmtime::Engine,
        wasm: &[u8],
    ) -> Result<Artifact, Error> {
        if let Look::Sound(artifact) = self.look(name)? {
            return Ok(self.found(artifact));
        }
        let mut turn = self.lock(name)?;
        match self.look(name)? {
            // Another thread or process was faster.
            Look::Sound(artifact) => return Ok(self.found(artifact)),
            Look::Nothing => {}
            Look::Unsound(reason) => turn.set_aside(&name.to_string(), &reason)?,
        }
        let (artifact, record) = self.compile(name, engine, wasm)?;
        turn.compiled = Some(record);
        if let Err(error) = self.write(name, &artifact) {
            turn.warnings.push(Warning::NotStored { reason: crate::error::told(&error) });
            return Ok(artifact);
        }
        drop(turn);
        self.make_room();
        Ok(artifact)
    }

    /// Loads the artifact of [`ArtifactStore::artifact`].
    ///
    /// If Wasmtime rejects an artifact with a correct seal, the store sets it aside and compiles the wasm
    /// again, once. This happens for example if a program with another release of Wasmtime left the artifact
    /// under this key.
    ///
    /// # Errors
    ///
    /// The errors of [`ArtifactStore::artifact`], or [`Error::Deserialize`].
    pub fn load(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> Result<Loaded, Error> {
        let name = self.key_of(engine, wasm);
        self.load_by(&name, engine, wasm, |artifact| artifact.load(engine))
    }

    /// Does the same as [`ArtifactStore::load`], but uses `load` to load the artifact. `name` is the key of
    /// `wasm`.
    pub(crate) fn load_by<T>(
        &self,
        name: &StoreKey,
        engine: &wasmtime::Engine,
        wasm: &[u8],
        load: impl Fn(&Artifact) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let refused = match load(&self.artifact_of(name, engine, wasm)?) {
            Err(error @ Error::Deserialize { .. }) => error,
            loaded => return loaded,
        };
        self.lock(name)?.set_aside(&name.to_string(), &refused)?;
        load(&self.artifact_of(name, engine, wasm)?)
    }

    fn compile(
        &self,
        name: &StoreKey,
        engine: &wasmtime::Engine,
        wasm: &[u8],
    ) -> Result<(Artifact, CompileRecord), Error> {
        let began = Instant::now();
        let mut artifact = crate::artifact::compile::bytes(engine, wasm)?;
        let took = began.elapsed();
        artifact.apply(self.inner.options.policy)?;
        self.inner.compiled.fetch_add(1, Ordering::Relaxed);
        let record = CompileRecord { key: *name, contents: *artifact.contents(), took };
        Ok((artifact, record))
    }
}

/// Returns whether this user lacks the permission for an operation on the store.
fn is_forbidden(error: &Error) -> bool {
    matches!(error, Error::Read { source, .. } | Error::Write { source, .. } if is_refused(source))
}
