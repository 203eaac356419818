//! [`PackWriter`]: writes artifacts into one file, one at a time, so that they need not all be in memory.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::PathBuf;

use tempfile::NamedTempFile;

use super::format::{self, Header, LONGEST_NAME};
use super::frame_index;
use super::index;
use super::record::{FRAMES_ALIGN, Record};
use super::region;
use crate::artifact::Artifact;
use crate::artifact::contents::Image;
use crate::artifact::policy::UnwindPolicy;
use crate::error::Error;
use crate::files::{folder_of, sync_folder, temporary};
use crate::trust::seal::{Key, Seal};

/// Writes a pack atomically. It writes a temporary file in the same folder, which gets the final name at the
/// end. Programs that have an older pack of that name open keep the older pack.
#[derive(Debug)]
pub struct PackWriter {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    key: Option<Key>,
    page: u32,
    /// The number of bytes written, and the end of the images. It is padded to a page after each image.
    end: u64,
    entries: BTreeMap<String, Record>,
    /// The artifacts in the file by their seals.
    images: HashMap<[u8; Seal::BYTES], Record>,
    is_shared: bool,
}

impl PackWriter {
    /// Starts a pack that will be at `path`, sealed with `key` if there is one. Only a program with the same
    /// key can then open the pack.
    ///
    /// The images begin at pages of this machine. Machines with the same page size or a smaller one can open
    /// the pack.
    ///
    /// Only this user can read the file, unless you call [`PackWriter::shared`].
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn create(path: impl Into<PathBuf>, key: Option<Key>) -> Result<PackWriter, Error> {
        let path = path.into();
        let failed = |source| Error::Write { path: path.clone(), source };
        let file = temporary(folder_of(&path), false).map_err(failed)?;
        let page = u32::try_from(region::page_bytes()).unwrap_or(1 << 16);
        let mut writer = PackWriter {
            path,
            file: BufWriter::with_capacity(1 << 20, file),
            key,
            page,
            end: 0,
            entries: BTreeMap::new(),
            images: HashMap::new(),
            is_shared: false,
        };
        writer.write(&[0; format::HEADER_BYTES])?;
        writer.pad()?;
        Ok(writer)
    }

    /// Lets other users read the file, as far as the umask allows. Use this for a pack that root or a build
    /// makes and a service opens. The service trusts files of root and of its own user. It opens files of
    /// other users only with a key and
    /// [`PackOptions::whoever_can_write`](crate::pack::PackOptions::whoever_can_write).
    pub fn shared(self) -> PackWriter {
        PackWriter { is_shared: true, ..self }
    }

    /// Adds an artifact under a new name. If an equal artifact is in the pack, both names share its image.
    ///
    /// The writer hides the unwind tables of the artifact. Packs register nothing with the unwinder, so that
    /// closing a pack is safe. The tables stay in the image, and an index of them is written after it. If you
    /// need native backtraces through the pack (feature `native-unwind`), add artifacts that have tables.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]. [`Error::Name`] if the name is already in the pack or is too long.
    /// [`Error::TablesPresent`] if the tables cannot be hidden, as in Windows artifacts.
    pub fn add(&mut self, name: impl Into<String>, artifact: &Artifact) -> Result<(), Error> {
        let name = name.into();
        if name.len() > LONGEST_NAME {
            return Err(Error::Name { name, problem: "longer than 4096 bytes" });
        }
        if self.entries.contains_key(&name) {
            return Err(Error::Name { name, problem: "already in the pack" });
        }
        let image_bytes = artifact.bytes().len();
        let gap = image_bytes.next_multiple_of(FRAMES_ALIGN as usize) - image_bytes;
        let frames = frame_index::of(artifact.bytes(), image_bytes + gap)?.unwrap_or_default();
        let artifact = stripped(artifact)?;
        let seal = Seal::of(self.key.as_ref(), &[artifact.bytes(), &frames]);
        if let Some(record) = self.images.get(seal.as_bytes()) {
            self.entries.insert(name, *record);
            return Ok(());
        }
        let image = Image::parse(artifact.bytes())?;
        let record = Record {
            kind: artifact.contents().kind,
            is_copied: image.is_for_guest_debug(),
            has_data_segments: image.has_data_segments(),
            offset: self.end,
            bytes: image_bytes as u64,
            functions: artifact.contents().functions as u64,
            frames_bytes: frames.len() as u64,
            seal,
        };
        self.write(artifact.bytes())?;
        if !frames.is_empty() {
            self.write(&[0; 8][..gap])?;
            self.write(&frames)?;
        }
        self.pad()?;
        self.images.insert(*seal.as_bytes(), record);
        self.entries.insert(name, record);
        Ok(())
    }

    /// Writes the index and the header, syncs the file, and gives it its final name.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]. An older pack of that name is then unchanged.
    pub fn finish(self) -> Result<(), Error> {
        let PackWriter { path, mut file, key, page, end, entries, is_shared, .. } = self;
        let failed = |source| Error::Write { path: path.clone(), source };
        let index = index::encode(entries.iter().map(|(name, record)| (name.as_str(), record)));
        let header = Header::of(key.as_ref(), page, entries.len() as u64, end, &index);
        let written = (|| {
            file.write_all(&index)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&header.encode())?;
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            if is_shared {
                // There is no safe way to read the umask, so take the mode of a new file.
                let usual = temporary(folder_of(&path), true)?.as_file().metadata()?;
                file.as_file().set_permissions(usual.permissions())?;
            }
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            sync_folder(folder_of(&path))
        })();
        written.map_err(failed)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.end += bytes.len() as u64;
        let written = self.file.write_all(bytes);
        written.map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Fills the file with zeros up to the next page.
    fn pad(&mut self) -> Result<(), Error> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut missing = self.end.next_multiple_of(u64::from(self.page)) - self.end;
        while missing > 0 {
            let part = missing.min(ZEROS.len() as u64);
            self.write(&ZEROS[..part as usize])?;
            missing -= part;
        }
        Ok(())
    }
}

/// Returns the artifact without tables that Wasmtime would register.
fn stripped(artifact: &Artifact) -> Result<Cow<'_, Artifact>, Error> {
    let mut artifact = Cow::Borrowed(artifact);
    if artifact.contents().has_tables {
        artifact.to_mut().apply(UnwindPolicy::Strip)?;
    }
    if artifact.contents().has_tables {
        return Err(Error::TablesPresent { fdes: artifact.contents().fdes });
    }
    Ok(artifact)
}
