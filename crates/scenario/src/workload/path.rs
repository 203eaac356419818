//! Writes paths of any bytes into messages and files: as text if they are UTF-8, or else as bytes.
//!
//! A repository may lie in any folder, and the runner receives its path. For `#[serde(with = "…")]`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// The written form of a path.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes { bytes: Vec<u8> },
}

/// Writes a path.
///
/// # Errors
/// When the path is not Unicode on a system whose paths consist of Unicode characters.
pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    written(path).map_err(ser::Error::custom)?.serialize(serializer)
}

/// Reads a path that [`serialize`] wrote.
///
/// # Errors
/// When the text is not a path.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    read(Written::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// Writes and reads lists of paths in the same form.
pub mod list {
    use super::{Deserialize, Deserializer, PathBuf, Serialize, Serializer, Written, de, ser};

    /// Writes paths.
    ///
    /// # Errors
    /// As for [`super::serialize`].
    pub fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        let written = paths.iter().map(|path| super::written(path));
        let written: Vec<Written> =
            written.collect::<Result<_, _>>().map_err(ser::Error::custom)?;
        written.serialize(serializer)
    }

    /// Reads paths that [`serialize`] wrote.
    ///
    /// # Errors
    /// When one of them is not a path.
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
    Err(format!("the path {} is not Unicode", path.display()))
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
    Err("a path is not Unicode".to_owned())
}
