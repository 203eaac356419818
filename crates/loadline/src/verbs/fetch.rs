//! `cargo xtask fetch`: gets the modules of a recipe from the user's package registry.
//!
//! npm fetches the packages, with the user's configuration. No code of a package is run. Files are compared
//! with the recipe before anything is written.

use loadline_record::{Context, Error, Exit, Result, bail};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;

use crate::cli::Fetch;
use loadline_measure::out;
use loadline_measure::process::interrupt::Interrupt;
use loadline_measure::project::folders::Project;
use loadline_record::atomic::{make_folder, replace};
use loadline_record::recipe::{Package, Recipe, Taken};

/// The most bytes that are unpacked of one package, since its stated size is not trusted yet.
const LARGEST_PACKAGE: u64 = 1 << 30;

/// Runs `cargo xtask fetch`. Files that are already there are left alone.
///
/// # Errors
/// When npm is missing or gives no package ([`Exit::NotFetched`]). When a package or file differs from the
/// recipe, or a file cannot be written. Complete files stay complete.
pub fn run(arguments: &Fetch) -> Result<Exit> {
    let interrupt = Interrupt::listen()?;
    let project = Project::open(arguments.root.as_deref())?;
    let recipe = Recipe::read(&project.root.join(&arguments.recipe))?;
    let folder = project.root.join(&recipe.into);
    make_folder(&folder).with_context(|| format!("cannot make folder {}", folder.display()))?;
    let mut n_fetched = 0;
    for package in &recipe.packages {
        let is_wanted = |taken: &&Taken| taken.why_missing(&folder).is_some();
        let wanted: Vec<&Taken> = package.files.iter().filter(is_wanted).collect();
        if wanted.is_empty() {
            continue;
        }
        interrupt.check()?;
        out::note(format_args!("fetching {}", package.title()));
        let archive = packed(package)?;
        package.check(&archive)?;
        for taken in wanted {
            let content = file_of(&archive, &taken.path)
                .with_context(|| format!("in {}", package.title()))?;
            taken.check(&content).with_context(|| format!("in {}", package.title()))?;
            replace(&folder.join(&taken.name), &content)?;
            n_fetched += 1;
        }
    }
    refuse_others(&folder, &recipe)?;
    let (all, folder) = (recipe.files().count(), folder.display());
    out::line(format_args!("{all} modules are in {folder}, {n_fetched} of them fetched now"));
    Ok(Exit::Clean)
}

/// The bytes of the archive that npm packs.
fn packed(package: &Package) -> Result<Vec<u8>> {
    let title = package.title();
    let folder =
        tempfile::TempDir::with_prefix("loadline-fetch-").context("cannot make a folder")?;
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(npm)
        .args(["pack", &title, "--ignore-scripts", "--silent"])
        // One retry is enough. npm's default would take minutes without a network.
        .args(["--fetch-retries", "1", "--pack-destination"])
        .arg(folder.path())
        .current_dir(folder.path())
        .output();
    let output = output.map_err(|error| {
        let text = format!(
            "cannot fetch {title}: npm cannot be started: {error} (install it, or put the files there yourself)"
        );
        Error::new(Exit::NotFetched, text)
    })?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let said = errors.lines().map(str::trim).find(|line| !line.is_empty());
        let said = said.unwrap_or("npm gave no reason (npm pack without --silent shows it)");
        let text = format!("cannot fetch {title}: npm gave no package: {said}");
        return Err(Error::new(Exit::NotFetched, text));
    }
    let archive = the_only_file(folder.path())?;
    fs::read(&archive).with_context(|| format!("cannot read what npm packed of {title}"))
}

fn the_only_file(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).context("cannot look for what npm packed")?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let paths = paths.collect::<Result<Vec<_>, _>>().context("cannot look for what npm packed")?;
    let is_archive = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "tgz");
    let archives: Vec<&PathBuf> = paths.iter().filter(is_archive).collect();
    match archives.as_slice() {
        [one] => Ok((*one).clone()),
        others => bail!("npm packed {} archives where one was asked for", others.len()),
    }
}

/// Unpacks the file `path` of the package in `archive` into memory. Nothing else is unpacked.
fn file_of(archive: &[u8], path: &str) -> Result<Vec<u8>> {
    let unpacked = GzDecoder::new(archive).take(LARGEST_PACKAGE);
    let mut archive = tar::Archive::new(unpacked);
    for entry in archive.entries().context("it is not an archive")? {
        let mut entry = entry.context("it is a truncated archive")?;
        let found = entry.path().context("it names a file with an invalid path")?.into_owned();
        // All files of a package lie in one folder, whose name does not matter.
        if found.components().skip(1).eq(Path::new(path).components()) {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).with_context(|| format!("cannot unpack {path}"))?;
            return Ok(content);
        }
    }
    bail!("there is no file {path}")
}

/// Refuses a folder with modules that the recipe does not name. Scenarios name the folder's files by a
/// pattern, so such modules would be measured as well. They may belong to the user, so they are not deleted.
///
/// # Errors
/// When there are such modules, or the folder cannot be read.
fn refuse_others(folder: &Path, recipe: &Recipe) -> Result<()> {
    let shown = folder.display();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {shown}"))?;
    let mut others = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {shown}"))?.path();
        let is_module = path.extension().is_some_and(|ending| ending == "wasm");
        let is_known = recipe.files().any(|taken| path.ends_with(&taken.name));
        if is_module && !is_known {
            others.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    if others.is_empty() {
        return Ok(());
    }
    others.sort();
    let others = others.join(", ");
    bail!(
        "{shown} contains modules that the recipe does not name: {others} (move them away, because scenarios would measure them too)"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn one_file_is_taken_out_of_an_archive() {
        let archive = archive(&[("package/a.wasm", "outer"), ("package/dist/a.wasm", "inner")]);
        assert_eq!(file_of(&archive, "dist/a.wasm").unwrap(), b"inner");
        assert_eq!(file_of(&archive, "a.wasm").unwrap(), b"outer");
        for path in ["b.wasm", "dist", "package/a.wasm"] {
            assert_eq!(
                file_of(&archive, path).unwrap_err().to_string(),
                format!("there is no file {path}")
            );
        }
    }

    #[test]
    fn what_is_no_whole_archive_is_an_error() {
        let whole = archive(&[("package/a.wasm", &"content ".repeat(4096))]);
        for cut in [0, 1, 20, whole.len() / 2] {
            assert!(file_of(&whole[..cut], "a.wasm").is_err(), "cut to {cut}");
        }
        assert!(file_of(b"no archive at all", "a.wasm").is_err());
    }
}
