//! Paths of libraries that the dynamic linker can read in `LD_PRELOAD`.

use loadline_record::{Context, Result};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use loadline_record::atomic::{make_folder, replace};

/// The path of `library`, or of a copy of it. `LD_PRELOAD` is a list separated by spaces and colons, and
/// cannot express a path that contains one of them.
///
/// # Errors
/// When the library has to be copied and cannot be.
pub fn preloadable(library: &Path) -> Result<PathBuf> {
    if can_be_listed(library) {
        return Ok(library.to_owned());
    }
    let shown = library.display();
    let cannot = || {
        format!(
            "cannot preload {shown}: LD_PRELOAD cannot name a path with a space or a colon, and the library cannot be copied (set TMPDIR to a folder of your own without them)"
        )
    };
    copied(library, &std::env::temp_dir()).with_context(cannot)
}

fn can_be_listed(path: &Path) -> bool {
    !path.as_os_str().as_encoded_bytes().iter().any(|byte| b" :\t\n".contains(byte))
}

/// Copies the library into `folder`, always to the same path. The path is part of the environment that a
/// session records.
fn copied(library: &Path, folder: &Path) -> Result<PathBuf> {
    let bytes = fs::read(library).context("cannot read it")?;
    let folder = folder.canonicalize()?.join(format!("loadline-unwinders-{}", user()));
    let own = folder.join(&blake3::hash(&bytes).to_hex()[..16]);
    let name = library.file_name().filter(|name| can_be_listed(Path::new(name)));
    let copy = own.join(name.unwrap_or("unwinder.so".as_ref()));
    if !can_be_listed(&copy) {
        let problem = format!("{} has a space or a colon as well", copy.display());
        return Err(io::Error::new(ErrorKind::InvalidInput, problem).into());
    }
    make_own(&folder)?;
    make_folder(&own)?;
    if fs::read(&copy).ok().as_ref() != Some(&bytes) {
        replace(&copy, &bytes)?;
    }
    Ok(copy)
}

#[cfg(unix)]
fn user() -> u32 {
    // The owner of this process's entry in /proc is the user of this process.
    fs::metadata("/proc/self").map_or(0, |own| std::os::unix::fs::MetadataExt::uid(&own))
}

#[cfg(not(unix))]
fn user() -> u32 {
    0
}

/// Makes `folder` accessible to this user alone. Loadline loads code from it, and other users may write to
/// the folder around it.
#[cfg(unix)]
fn make_own(folder: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let made = fs::DirBuilder::new().mode(0o700).create(folder);
    if let Err(error) = made
        && error.kind() != ErrorKind::AlreadyExists
    {
        return Err(error.into());
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != user() || found.mode() & 0o022 != 0 {
        let problem = format!("others may write to {}", folder.display());
        return Err(io::Error::new(ErrorKind::PermissionDenied, problem).into());
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_own(folder: &Path) -> Result<()> {
    Ok(fs::create_dir_all(folder)?)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_library_whose_path_cannot_be_listed_is_copied() {
        let folder = tempfile::TempDir::new().unwrap();
        let temporary = folder.path().join("temporary");
        fs::create_dir(&temporary).unwrap();
        for name in ["sp ace", "co:lon"] {
            let library = folder.path().join(name).join("libunwind.so.1");
            fs::create_dir(library.parent().unwrap()).unwrap();
            fs::write(&library, name).unwrap();
            let copy = copied(&library, &temporary).unwrap();
            assert!(can_be_listed(&copy) && copy.ends_with("libunwind.so.1"), "{copy:?}");
            assert_eq!(fs::read_to_string(&copy).unwrap(), name);
            assert_eq!(copied(&library, &temporary).unwrap(), copy);
            // The next call repairs a copy that was changed.
            fs::write(&copy, "another").unwrap();
            copied(&library, &temporary).unwrap();
            assert_eq!(fs::read_to_string(&copy).unwrap(), name);
        }
        let usual = Path::new("/lib/libunwind.so.1");
        assert_eq!(preloadable(usual).unwrap(), usual);
    }

    #[test]
    fn nothing_is_run_from_where_others_may_write() {
        let folder = tempfile::TempDir::new().unwrap();
        let library = folder.path().join("a b.so");
        fs::write(&library, "").unwrap();
        let place = folder.path().canonicalize().unwrap();
        let place = place.join(format!("loadline-unwinders-{}", user()));
        fs::create_dir(&place).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
        let error = copied(&library, folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("others may write to "), "{error}");
        fs::remove_dir(&place).unwrap();
        let spaced = folder.path().join("c d");
        fs::create_dir(&spaced).unwrap();
        let error = copied(&library, &spaced).unwrap_err().to_string();
        assert!(error.ends_with(" has a space or a colon as well"), "{error}");
    }
}
