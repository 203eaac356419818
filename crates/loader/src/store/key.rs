//! [`StoreKey`]: identifies an artifact in a store.

use std::fmt;
use std::str::FromStr;

#[cfg(feature = "compile")]
use crate::artifact::policy::UnwindPolicy;
use crate::error::Error;

/// Identifies an artifact in a store. It is a digest of the wasm, of all engine properties that the machine
/// code depends on, and of the unwind policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreKey([u8; 32]);

impl StoreKey {
    /// Computes the key of the artifact that `engine` would compile `wasm` to. The key depends on the bytes,
    /// so the text form and the binary form of the same module have different keys.
    ///
    /// The key depends on the full version of Wasmtime, regardless of `Config::module_version`. It also
    /// depends on the target and on the settings of `engine` (`Engine::precompile_compatibility_hash`). A
    /// program that was built by another compiler may get a different hash of the same settings, and then
    /// compiles once more.
    #[cfg(feature = "compile")]
    pub fn of(engine: &wasmtime::Engine, wasm: &[u8], policy: UnwindPolicy) -> StoreKey {
        StoreKey::of_digest(&EngineDigest::of(engine), wasm, policy)
    }

    /// Does the same as [`StoreKey::of`], for an engine whose digest is known.
    #[cfg(feature = "compile")]
    pub(crate) fn of_digest(engine: &EngineDigest, wasm: &[u8], policy: UnwindPolicy) -> StoreKey {
        let mut hasher = engine.0.clone();
        hasher.update(blake3::hash(wasm).as_bytes());
        hasher.update(&[policy.code()]);
        StoreKey(*hasher.finalize().as_bytes())
    }

    /// Returns the key in hexadecimal, as `Display` prints it.
    pub(crate) fn hex(&self) -> impl std::ops::Deref<Target = str> + use<> {
        blake3::Hash::from_bytes(self.0).to_hex()
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The part of a key that is the same for all modules of an engine. An engine has many settings, so a loader
/// computes this once.
#[cfg(feature = "compile")]
pub(crate) struct EngineDigest(blake3::Hasher);

#[cfg(feature = "compile")]
impl EngineDigest {
    pub(crate) fn of(engine: &wasmtime::Engine) -> EngineDigest {
        EngineDigest::of_release(crate::artifact::release::RELEASE, engine)
    }

    fn of_release(release: &str, engine: &wasmtime::Engine) -> EngineDigest {
        use std::hash::{Hash, Hasher};

        /// Forwards to BLAKE3 the data that would be hashed into 64 bits.
        struct Whole(blake3::Hasher);

        impl Hasher for Whole {
            fn write(&mut self, bytes: &[u8]) {
                self.0.update(bytes);
            }

            fn finish(&self) -> u64 {
                0
            }
        }

        let mut settings = Whole(blake3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut settings);
        let mut hasher = blake3::Hasher::new_derive_key("loadline-loader 3 store key");
        hasher.update(blake3::hash(release.as_bytes()).as_bytes());
        hasher.update(settings.0.finalize().as_bytes());
        EngineDigest(hasher)
    }
}

/// Prints the key in hexadecimal, as `FromStr` reads it.
impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl FromStr for StoreKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<StoreKey, Error> {
        let key = blake3::Hash::from_hex(text).ok().map(|hash| StoreKey(*hash.as_bytes()));
        // Upper case would be a second name for the same key.
        let key = key.filter(|key| key.to_string() == text);
        let problem = "not a key of a store (a key has 64 digits from 0 to 9 and a to f)";
        key.ok_or_else(|| Error::Name { name: text.to_owned(), problem })
    }
}

#[cfg(all(test, feature = "compile"))]
mod tests {
    use wasmtime::{Config, Engine, ModuleVersionStrategy};

    use super::*;
    use crate::artifact::release::RELEASE;
    use UnwindPolicy;

    /// An engine that does not check the version would accept entries of another release.
    #[test]
    fn a_key_is_of_one_release_whatever_the_engine_asks_for() {
        let custom = ModuleVersionStrategy::Custom("ours".to_owned());
        for strategy in [ModuleVersionStrategy::None, custom, ModuleVersionStrategy::default()] {
            let mut config = Config::new();
            config.module_version(strategy).expect("it is short");
            let engine = Engine::new(&config).expect("it is a usual configuration");
            let key = |release| {
                let engine = EngineDigest::of_release(release, &engine);
                StoreKey::of_digest(&engine, b"(module)", UnwindPolicy::Strip)
            };
            assert_ne!(key(RELEASE), key("48.0.7"));
            assert_eq!(key(RELEASE), StoreKey::of(&engine, b"(module)", UnwindPolicy::Strip));
        }
    }
}
