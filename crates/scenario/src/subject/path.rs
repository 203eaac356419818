//! Paths in messages and files, whatever bytes they have: text where they are UTF-8, else their bytes.
//!
//! A repository may lie in any folder, and the runner is told where. For `#[serde(with = "…")]`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// A path as it is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes { bytes: Vec<u8> },
}

/// Writes a path.
///
/// # Errors
/// Where its characters are no Unicode on a system whose paths are made of them.
pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    written(path).map_err(ser::Error::custom)?.serialize(serializer)
}

/// Reads what [`serialize`] wrote.
///
/// # Errors
/// When it is no path.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    read(Written::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// The same for a list of paths.
pub mod list {
    use super::{Deserialize, Deserializer, PathBuf, Serialize, Serializer, Written, de, ser};

    /// Writes paths.
    ///
    /// # Errors
    /// As [`super::serialize`].
    pub fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        let written = paths.iter().map(|path| super::written(path));
        let written: Vec<Written> =
            written.collect::<Result<_, _>>().map_err(ser::Error::custom)?;
        written.serialize(serializer)
    }

    /// Reads what [`serialize`] wrote.
    ///
    /// # Errors
    /// When one is no path.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<PathBuf>, D::Error> {
        let written = Vec::<Written>::deserialize(deserializer)?;
        written.into_iter().map(super::read).collect::<Result<_, _>>().map_err(de::Error::custom)
    }
}

fn written(path: &Path) -> Result<Written, String> {
    match path.to_str() {
        Some(text) => Ok(Written::Text(text.to_owned())),
        None => bytes_of(path),
    }
}

#[cfg(unix)]
fn bytes_of(path: &Path) -> Result<Written, String> {
    use std::os::unix::ffi::OsStrExt;
    Ok(Written::Bytes { bytes: path.as_os_str().as_bytes().to_vec() })
}

#[cfg(not(unix))]
fn bytes_of(path: &Path) -> Result<Written, String> {
    Err(format!("the path {} is no Unicode", path.display()))
}

fn read(written: Written) -> Result<PathBuf, String> {
    match written {
        Written::Text(text) => Ok(PathBuf::from(text)),
        Written::Bytes { bytes } => path_of(bytes),
    }
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> Result<PathBuf, String> {
    use std::os::unix::ffi::OsStringExt;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[cfg(not(unix))]
fn path_of(_: Vec<u8>) -> Result<PathBuf, String> {
    Err("a path is no Unicode".to_owned())
}
