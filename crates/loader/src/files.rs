//! What several places do with files.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// The folder that a path is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a name that was given in a folder outlive a power failure.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// A temporary file in a folder: this user's alone, or with the mode that the umask gives.
pub(crate) fn temporary(folder: &Path, is_shared: bool) -> io::Result<NamedTempFile> {
    #[cfg(unix)]
    if is_shared {
        use std::os::unix::fs::PermissionsExt;

        let mode = std::fs::Permissions::from_mode(0o666);
        return tempfile::Builder::new().permissions(mode).tempfile_in(folder);
    }
    #[cfg(not(unix))]
    let _ = is_shared;
    NamedTempFile::new_in(folder)
}
