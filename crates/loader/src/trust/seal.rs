//! [`Key`], and the seals by which bytes from disk are recognised, with or without a key.

use std::fmt;
use std::io;
use std::path::Path;

use crate::error::Error;

/// A secret that seals artifacts. Only holders of the key can make artifacts that will be loaded.
///
/// A seal without a key only detects damage and mistakes, because anyone can compute a plain digest. A seal
/// with a key also stops an attacker who can write to the disk.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// Creates a key from 32 bytes that come from a good random number generator or a key management service.
    pub const fn new(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// Derives a key from a secret of any length with at least 32 bytes of entropy. It uses BLAKE3's key
    /// derivation, which does not replace a password hash.
    pub fn derived(secret: &[u8]) -> Key {
        Key(blake3::derive_key("loadline-loader 1 artifact sealing key", secret))
    }

    /// Reads a key of exactly 32 bytes from a file.
    ///
    /// The file must belong to this user or root, and no other user may be able to read or write it. Symbolic
    /// links on the way to it must belong to such an owner, and no other user may be able to write to the
    /// folders. On systems other than Unix, this access is not checked.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::Length`], or [`Error::Exposed`] if other users have access to the file.
    pub fn read(path: impl AsRef<Path>) -> Result<Key, Error> {
        let path = path.as_ref();
        let failed = |source| Error::Read { path: path.to_owned(), source };
        let mut file = crate::trust::guard::open_secret(path)?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes).map_err(failed)?;
        let found = bytes.len();
        let bytes = bytes.try_into().map_err(|_| Error::Length { expected: 32, found });
        bytes.map(Key).map_err(|error| error.in_file(path))
    }
}

/// Prints nothing of the secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A digest that is stored with bytes on disk to recognise them. Comparison takes constant time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal(blake3::Hash);

impl Seal {
    pub(crate) const BYTES: usize = 32;

    /// Seals the parts in their order.
    ///
    /// The hash covers the length of each part in eight bytes, followed by the part itself or, for a long
    /// part, by its digest. So BLAKE3 hashes a long part from its beginning in wide steps, regardless of the
    /// parts before it.
    pub(crate) fn of(key: Option<&Key>, parts: &[&[u8]]) -> Seal {
        let new = || match key {
            Some(key) => blake3::Hasher::new_keyed(&key.0),
            None => blake3::Hasher::new(),
        };
        let mut hasher = new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            if part.len() > blake3::CHUNK_LEN {
                hasher.update(new().update(part).finalize().as_bytes());
            } else {
                hasher.update(part);
            }
        }
        Seal(hasher.finalize())
    }

    pub(crate) fn from_bytes(bytes: [u8; Seal::BYTES]) -> Seal {
        Seal(blake3::Hash::from_bytes(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; Seal::BYTES] {
        self.0.as_bytes()
    }

    /// Compares this recorded seal with the seal of the actual bytes.
    pub(crate) fn check(self, found: Seal) -> Result<(), Error> {
        if self == found {
            return Ok(());
        }
        let (expected, found) = (self.0.to_hex().to_string(), found.0.to_hex().to_string());
        Err(Error::Altered { expected, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_makes_the_same_seal() {
        let (one, other) = (Key::new([1; 32]), Key::derived(b"another"));
        let parts: &[&[u8]] = &[b"a", b"b"];
        let seal = Seal::of(Some(&one), parts);
        assert_eq!(seal, Seal::of(Some(&one), parts));
        seal.check(Seal::of(Some(&one), parts)).expect("the same");
        for found in [
            Seal::of(Some(&other), parts),
            Seal::of(None, parts),
            Seal::of(None, &[]),
            Seal::of(Some(&one), &[b"ab"]),
            Seal::of(Some(&one), &[b"ab", b""]),
            Seal::of(Some(&one), &[&[0; 5000]]),
            Seal::of(Some(&one), &[&[0; 5001]]),
        ] {
            assert!(matches!(seal.check(found), Err(Error::Altered { .. })));
        }
        assert_eq!(Seal::from_bytes(*seal.as_bytes()), seal);
        assert!(!format!("{one:?}").contains('1'));
    }

    #[test]
    #[cfg(unix)]
    fn a_key_file_is_secret_and_of_the_right_length() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt;

        let home = tempfile::tempdir().expect("there is room");
        let path = home.path().join("key");
        let write = |bytes: &[u8], mode| {
            fs::write(&path, bytes).expect("it is ours");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        };
        assert!(matches!(Key::read(&path), Err(Error::Read { .. })));
        write(&[7; 32], 0o600);
        let key = Key::read(&path).expect("32 secret bytes");
        assert_eq!(Seal::of(Some(&key), &[]), Seal::of(Some(&Key::new([7; 32])), &[]));
        write(&[7; 33], 0o600);
        assert!(matches!(Key::read(&path), Err(Error::File { .. })));
        write(&[7; 32], 0o640);
        assert!(matches!(Key::read(&path), Err(Error::Exposed { .. })));
    }
}
