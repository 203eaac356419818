//! Walks along a path. Every folder and every symbolic link on the path must belong to this user or root.
//!
//! The operating system's own resolution of a path follows links of any user. This module opens each step of
//! the path by itself, without following links, and checks the opened file. No other user can exchange a step
//! meanwhile or afterwards. That takes write permission to the folder of the step, which was checked before.
//! In a sticky folder, it takes ownership of the step.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, readlinkat, statat};

use crate::error::Error;
use crate::trust::owner::{OTHERS_WRITE, STICKY, belongs, exposed, unwritable};

/// The number of links that Linux follows in one path.
const MOST_LINKS: usize = 40;

/// Opens the file or folder at the end of a path, and returns it with its path without links. The caller must
/// check the opened file itself. The returned folder cannot be listed.
pub(crate) fn to(path: &Path) -> Result<(File, PathBuf), Error> {
    let absolute = std::path::absolute(path);
    let mut left = steps(&absolute.map_err(|source| failed(path, source))?);
    let (mut opened, mut at) = (File::open("/").map_err(|source| failed(path, source))?, root());
    let mut n_links = 0;
    while let Some(step) = left.pop() {
        judge(&metadata(&opened, &at)?, &at)?;
        if step == "/" {
            (opened, at) = (File::open("/").map_err(|source| failed(path, source))?, root());
            continue;
        }
        let next = at.join(&step);
        let system = |error: rustix::io::Errno| failed(&next, error.into());
        let found = statat(&opened, &step, AtFlags::SYMLINK_NOFOLLOW).map_err(system)?;
        let kind = FileType::from_raw_mode(found.st_mode);
        if kind == FileType::Symlink {
            n_links += 1;
            if n_links > MOST_LINKS {
                return Err(exposed(&next, "is one of too many symbolic links".to_owned()));
            }
            belongs(&next, found.st_uid, "is a symbolic link that ")?;
            let target = readlinkat(&opened, &step, Vec::new()).map_err(system)?;
            left.extend(steps(Path::new(&OsString::from_vec(target.into_bytes()))));
            continue;
        }
        opened = open_step(&opened, &step, kind, &next)?;
        at = next;
    }
    Ok((opened, at))
}

fn root() -> PathBuf {
    PathBuf::from("/")
}

/// Returns the parts of a path in reverse order.
fn steps(path: &Path) -> Vec<OsString> {
    let steps = path.components().rev().filter(|step| *step != Component::CurDir);
    steps.map(|step| step.as_os_str().to_owned()).collect()
}

fn open_step(folder: &File, step: &OsStr, kind: FileType, path: &Path) -> Result<File, Error> {
    let flags = match kind {
        // `PATH` needs no permission to list the folder.
        #[cfg(target_os = "linux")]
        FileType::Directory => OFlags::DIRECTORY | OFlags::PATH,
        #[cfg(not(target_os = "linux"))]
        FileType::Directory => OFlags::DIRECTORY,
        FileType::RegularFile => OFlags::RDONLY | OFlags::NONBLOCK,
        _ => return Err(exposed(path, "is neither a regular file nor a folder".to_owned())),
    };
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(folder, step, flags, Mode::empty());
    Ok(File::from(opened.map_err(|error| failed(path, error.into()))?))
}

/// Checks a folder that contains a further step.
fn judge(found: &Metadata, path: &Path) -> Result<(), Error> {
    if !found.is_dir() {
        return Err(exposed(path, "is not a folder".to_owned()));
    }
    belongs(path, found.uid(), "")?;
    match found.mode() & STICKY {
        0 => unwritable(path, found.mode() & OTHERS_WRITE),
        _ => Ok(()),
    }
}

fn metadata(opened: &File, path: &Path) -> Result<Metadata, Error> {
    opened.metadata().map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Read { path: path.to_owned(), source }
}
