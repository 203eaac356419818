//! File operations that several modules share.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// Returns the folder that contains `path`.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Syncs a folder, so that a new file name in it survives a power failure.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Creates a temporary file in a folder. Only this user can read it, unless `is_shared` gives it the mode of
/// the umask.
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
