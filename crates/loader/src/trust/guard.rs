//! Checks who else could have written a file: owner and mode of the files and folders that code is loaded
//! from.
//!
//! On Unix the owner must be this user or root, and neither group nor others may write. Symbolic links are
//! followed if they and the folders they are in belong to such an owner. Access control lists beyond the mode
//! are not checked. On other systems nothing is checked, because this crate does not support their access
//! control. There, only a [`Key`](crate::Key) makes a folder trusted.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

use crate::error::Error;
#[cfg(target_os = "linux")]
use crate::trust::owner;

#[cfg(unix)]
pub(crate) use unix::{folder, new_folder, open, open_secret, open_trusted, regular};

#[cfg(not(unix))]
pub(crate) use elsewhere::{folder, new_folder, open, open_secret, regular};

/// The reason to trust that data on disk comes from a user who may choose the code that runs here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Guard {
    /// Only this user and root can have written the data.
    #[default]
    Owner,
    /// The seals of the data can only be made with the key.
    Key,
    /// The author of the program guarantees it.
    Vouched,
}

impl Guard {
    /// Checks a folder, if this guard needs the check.
    pub(crate) fn folder(self, has_key: bool, path: &Path) -> Result<(), Error> {
        self.folder_where(has_key, path, cfg!(unix))
    }

    /// Does the same as [`Guard::folder`], on a system with or without owners and modes.
    fn folder_where(self, has_key: bool, path: &Path, has_owners: bool) -> Result<(), Error> {
        match self {
            Guard::Owner if has_owners => folder(path),
            Guard::Owner if !has_key => Err(Error::Exposed {
                path: path.to_owned(),
                problem: "may have been written by anyone: this system's access control is not \
                          checked here, and no key was given to check its contents"
                    .to_owned(),
            }),
            Guard::Owner => Ok(()),
            Guard::Key if !has_key => Err(Error::Exposed {
                path: path.to_owned(),
                problem: "may be written by anyone, and no key was given to check its contents"
                    .to_owned(),
            }),
            Guard::Key | Guard::Vouched => Ok(()),
        }
    }

    /// Opens a pack for reading, and checks the file and the folders and links on the way to it.
    #[cfg(unix)]
    pub(crate) fn open(self, has_key: bool, path: &Path) -> Result<File, Error> {
        if self == Guard::Owner {
            return open_trusted(path);
        }
        self.folder(has_key, crate::files::folder_of(path))?;
        open_any(path).map_err(|source| Error::Read { path: path.to_owned(), source })
    }

    /// Checks the owner of memory that no process can change any more. Returns whether that makes its contents
    /// trusted. If not, there is a key to check them.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(
        self,
        has_key: bool,
        found: &Metadata,
        path: &Path,
    ) -> Result<bool, Error> {
        use std::os::unix::fs::MetadataExt;

        match self {
            Guard::Vouched => Ok(true),
            Guard::Key if !has_key => self.folder(has_key, path).map(|()| false),
            Guard::Owner | Guard::Key => match owner::belongs(path, found.uid(), "") {
                Err(_) if has_key => Ok(false),
                checked => checked.map(|()| true),
            },
        }
    }

    /// Checks an open file in such a folder. `found` is the metadata of the file.
    pub(crate) fn file(self, found: &Metadata, path: &Path) -> Result<(), Error> {
        match self {
            Guard::Owner => regular(found, path),
            Guard::Key | Guard::Vouched => Ok(()),
        }
    }
}

/// Opens a file of any owner. If the file is a pipe, this does not wait for a writer.
#[cfg(unix)]
fn open_any(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.read(true).open(path)
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};

    use super::*;
    use crate::files::folder_of;
    use crate::trust::owner::{OTHERS, OTHERS_WRITE, belongs, exposed, unwritable};
    use crate::trust::walk;

    /// Opens a file for reading, unless the last part of the path is a symbolic link. If the file is a pipe,
    /// this does not wait for a writer.
    pub(crate) fn open(path: &Path) -> io::Result<File> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        opened.map_err(|error| match error.raw_os_error() {
            // The error of the operating system would be "too many levels of links".
            Some(libc::ELOOP) if is_link(path) => io::Error::other(LINK),
            _ => error,
        })
    }

    const LINK: &str =
        "is a symbolic link, which another user may change (give the path of its target)";

    fn is_link(path: &Path) -> bool {
        path.symlink_metadata().is_ok_and(|found| found.is_symlink())
    }

    /// Creates a folder unless it exists. Only this user can enter it, unless `is_shared` gives it the mode
    /// of the umask.
    pub(crate) fn new_folder(path: &Path, is_shared: bool) -> io::Result<()> {
        let mode = if is_shared { 0o777 } else { 0o700 };
        match fs::DirBuilder::new().mode(mode).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }

    /// Checks that no other user can have written an open file.
    pub(crate) fn regular(found: &Metadata, path: &Path) -> Result<(), Error> {
        check(found, path, OTHERS_WRITE)
    }

    /// Opens a file that no other user can have written, in folders that no other user can write to.
    pub(crate) fn open_trusted(path: &Path) -> Result<File, Error> {
        let (file, real) = walk::to(path)?;
        check(&metadata(&file, path)?, path, OTHERS_WRITE)?;
        folder(folder_of(&real))?;
        Ok(file)
    }

    /// Opens a file that no other user can have read or written.
    pub(crate) fn open_secret(path: &Path) -> Result<File, Error> {
        let (file, _) = walk::to(path)?;
        check(&metadata(&file, path)?, path, OTHERS)?;
        Ok(file)
    }

    fn metadata(file: &File, path: &Path) -> Result<Metadata, Error> {
        file.metadata().map_err(|source| Error::Read { path: path.to_owned(), source })
    }

    fn check(found: &Metadata, path: &Path, forbidden: u32) -> Result<(), Error> {
        if !found.is_file() {
            return Err(exposed(path, "is not a regular file".to_owned()));
        }
        belongs(path, found.uid(), "")?;
        unwritable(path, found.mode() & forbidden)
    }

    /// Checks that no other user can put files into a folder or replace the folder. So this also checks the
    /// folders above it.
    pub(crate) fn folder(path: &Path) -> Result<(), Error> {
        let (opened, _) = walk::to(path)?;
        let found = metadata(&opened, path)?;
        if !found.is_dir() {
            return Err(exposed(path, "is not a folder".to_owned()));
        }
        belongs(path, found.uid(), "")?;
        unwritable(path, found.mode() & OTHERS_WRITE)
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use super::*;

    pub(crate) fn open(path: &Path) -> io::Result<File> {
        File::open(path)
    }

    pub(crate) fn new_folder(path: &Path, _: bool) -> io::Result<()> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }

    pub(crate) fn regular(_: &Metadata, _: &Path) -> Result<(), Error> {
        Ok(())
    }

    pub(crate) fn open_secret(path: &Path) -> Result<File, Error> {
        open(path).map_err(|source| Error::Read { path: path.to_owned(), source })
    }

    pub(crate) fn folder(_: &Path) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates Windows on any system.
    #[test]
    fn where_owners_are_not_known_only_a_key_makes_a_folder_trusted() {
        let path = Path::new("store");
        let without = Guard::Owner.folder_where(false, path, false);
        assert!(matches!(without, Err(Error::Exposed { .. })), "{without:?}");
        Guard::Owner.folder_where(true, path, false).expect("the key recognises entries");
        let without = Guard::Key.folder_where(false, path, false);
        assert!(matches!(without, Err(Error::Exposed { .. })), "{without:?}");
        Guard::Vouched.folder_where(false, path, false).expect("the caller vouches for it");
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod unix_tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn allow(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_can_write_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, "x").unwrap();
        let found = |path: &Path| open(path).unwrap().metadata().unwrap();
        allow(&path, 0o644);
        regular(&found(&path), &path).unwrap();
        assert!(matches!(open_secret(&path), Err(Error::Exposed { .. })));
        open_trusted(&path).unwrap();
        allow(&path, 0o600);
        open_secret(&path).unwrap();
        for mode in [0o620, 0o602, 0o666] {
            allow(&path, mode);
            let refused = regular(&found(&path), &path);
            assert!(matches!(refused, Err(Error::Exposed { .. })), "{mode:o}");
        }
        allow(&path, 0o600);
        // Only root can change the owner of a file.
        if std::os::unix::fs::chown(&path, Some(12345), None).is_ok() {
            let error = regular(&found(&path), &path).unwrap_err();
            assert!(error.to_string().contains("belongs to user 12345"), "{error}");
        }
        let link = home.path().join("link");
        symlink(&path, &link).unwrap();
        let error = open(&link).unwrap_err().to_string();
        assert!(error.contains("is a symbolic link"), "{error}");
        let refused = regular(&found(home.path()), home.path());
        assert!(matches!(refused, Err(Error::Exposed { .. })));
    }

    #[test]
    fn a_folder_is_as_safe_as_those_above_it() {
        let home = tempfile::tempdir().unwrap();
        let inner = home.path().join("inner");
        new_folder(&inner, false).unwrap();
        new_folder(&inner, true).unwrap();
        folder(&inner).unwrap();
        allow(home.path(), 0o777);
        let error = folder(&inner).unwrap_err();
        assert!(error.to_string().contains("gives group or others access (022)"), "{error}");
        allow(home.path(), 0o1777);
        folder(&inner).unwrap();
        allow(&inner, 0o770);
        assert!(matches!(folder(&inner), Err(Error::Exposed { .. })));
    }

    /// Deployments switch versions by renaming a link, and secrets are mounted through links.
    #[test]
    fn links_are_followed_where_everything_on_the_way_is_ours() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir_all(at("v42/deep")).unwrap();
        fs::write(at("v42/file"), "x").unwrap();
        allow(&at("v42/file"), 0o600);
        symlink("v42", at("current")).unwrap();
        symlink("current/../current/file", at("file")).unwrap();
        symlink(at("v42/deep"), at("v42/absolute")).unwrap();
        symlink("round", at("round")).unwrap();
        for file in ["file", "current/file", "current/absolute/../file", "./v42/deep/../file"] {
            open_trusted(&at(file)).unwrap();
            open_secret(&at(file)).unwrap();
        }
        folder(&at("current")).unwrap();
        folder(&at("current/absolute")).unwrap();
        let told = |result: Result<File, Error>| result.unwrap_err().to_string();
        assert!(told(open_trusted(&at("round"))).contains("too many symbolic links"));
        assert!(told(open_trusted(&at("file/more"))).contains("is not a folder"));
        assert!(told(open_trusted(&at("current"))).contains("is not a regular file"));
        assert!(matches!(open_trusted(&at("none")), Err(Error::Read { .. })));
        // A path through a folder that others can write to is rejected, even if both ends are safe.
        allow(&at("v42"), 0o777);
        assert!(matches!(open_trusted(&at("file")), Err(Error::Exposed { .. })));
        assert!(matches!(folder(&at("current/absolute")), Err(Error::Exposed { .. })));
        allow(&at("v42"), 0o700);
        // Only root can change the owner of a link.
        if std::os::unix::fs::lchown(at("current"), Some(12345), None).is_ok() {
            let text = told(open_trusted(&at("file")));
            assert!(text.contains("is a symbolic link that belongs to user 12345"), "{text}");
        }
    }
}
