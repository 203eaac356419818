//! Reads a recipe for third-party modules: the packages, their exact versions and checksums, and which of
//! their files to use. Compares files with it; fetches nothing.

use crate::{Context, Error, Exit, Result, ensure};
use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256, Sha512};

/// The recipe for Loadline's own scenarios, from the root of its repository.
pub const DEFAULT: &str = "xtask/real-modules.toml";

/// The format of recipes that this version reads.
const FORMAT: u32 = 1;

/// The packages to fetch, and the folder for their files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    format: u32,
    /// The folder for the files, from the root of the repository. Only this recipe uses it.
    pub into: PathBuf,
    /// The packages to fetch.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
}

/// One package of the npm registry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The name of the package.
    pub name: String,
    /// The exact version of the package.
    pub version: String,
    /// The license of the files.
    #[serde(rename = "license")]
    _license: String,
    /// The SHA-512 of the archive that npm makes, in hexadecimal.
    pub sha512: String,
    /// The files that the recipe takes from the package.
    pub files: Vec<Taken>,
}

/// One file of a package.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// The path of the file in the package.
    pub path: String,
    /// The name of the file in the recipe's folder.
    pub name: String,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

impl Recipe {
    /// Reads the recipe at `path`.
    ///
    /// # Errors
    /// Returns an error if the recipe cannot be read, is invalid, or would write outside its folder.
    pub fn read(path: &Path) -> Result<Recipe> {
        let shown = path.display();
        let text = fs::read_to_string(path).map_err(|error| {
            Error::new(Exit::WrongFile, format!("cannot read recipe {shown}: {error}"))
        })?;
        Recipe::parse(&text).map_err(|error| {
            let error = format!("{error:#}");
            Error::new(Exit::WrongFile, format!("cannot use recipe {shown}: {}", error.trim_end()))
        })
    }

    fn parse(text: &str) -> Result<Recipe> {
        let recipe: Recipe = toml::from_str(text)?;
        let format = recipe.format;
        ensure!(
            format == FORMAT,
            "format {format} is not known to this version, which reads format {FORMAT} (update loadline)"
        );
        let is_inside = |path: &Path| {
            !path.as_os_str().is_empty()
                && path.components().all(|part| matches!(part, Component::Normal(_)))
        };
        ensure!(is_inside(&recipe.into), "into is not a folder within the repository");
        let mut names = Vec::new();
        for package in &recipe.packages {
            let Package { name, version, sha512, .. } = package;
            // npm also accepts a path, an address or a range here, which a recipe must not use.
            let is_name = |c: char| c.is_ascii_alphanumeric() || "@/._-".contains(c);
            let is_version = |c: char| c.is_ascii_alphanumeric() || ".+-".contains(c);
            ensure!(
                !name.starts_with(['.', '/', '-']) && name.chars().all(is_name) && !name.is_empty(),
                "package {name:?}: this is not the name of a package"
            );
            ensure!(
                version.starts_with(|c: char| c.is_ascii_digit())
                    && version.split('.').count() >= 3
                    && version.chars().all(is_version),
                "package {name}: version {version:?} is not an exact version"
            );
            ensure!(is_hex(sha512, 128), "package {name}: sha512 is not 128 hexadecimal digits");
            for taken in &package.files {
                let file = &taken.name;
                let is_plain = Path::new(file).components().count() == 1;
                ensure!(
                    is_plain && is_inside(Path::new(file)),
                    "{file:?} is not a plain file name"
                );
                ensure!(is_hex(&taken.sha256, 64), "{file}: sha256 is not 64 hexadecimal digits");
                ensure!(!names.contains(&file), "two files are called {file}");
                names.push(file);
            }
        }
        ensure!(!names.is_empty(), "it names no file");
        Ok(recipe)
    }

    /// Lists the files of all packages.
    pub fn files(&self) -> impl Iterator<Item = &Taken> {
        self.packages.iter().flat_map(|package| &package.files)
    }

    /// Explains the first file that is missing or has other content. Returns `None` if all files are as the
    /// recipe says.
    pub fn missing(&self, root: &Path) -> Option<String> {
        let folder = root.join(&self.into);
        self.files().find_map(|taken| taken.why_missing(&folder))
    }
}

impl Package {
    /// Returns the package's name and version in npm's form.
    pub fn title(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Compares the archive that npm made with the recipe.
    ///
    /// # Errors
    /// Returns an error if the archive has another checksum.
    pub fn check(&self, archive: &[u8]) -> Result<()> {
        same(&self.sha512, &hex(&Sha512::digest(archive))).with_context(|| self.title())
    }
}

impl Taken {
    /// Compares the content of an extracted file with the recipe.
    ///
    /// # Errors
    /// Returns an error if the content has another checksum.
    pub fn check(&self, content: &[u8]) -> Result<()> {
        same(&self.sha256, &hex(&Sha256::digest(content))).with_context(|| self.path.clone())
    }

    /// Explains why the file in `folder` is not as the recipe says. Returns `None` if it is.
    pub fn why_missing(&self, folder: &Path) -> Option<String> {
        let path = folder.join(&self.name);
        let shown = path.display();
        match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Some(format!("{shown} is missing"))
            }
            Err(error) => Some(format!("{shown} cannot be read: {error}")),
            Ok(content) if self.check(&content).is_err() => {
                Some(format!("{shown} is not the file of the recipe"))
            }
            Ok(_) => None,
        }
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn same(expected: &str, found: &str) -> Result<()> {
    ensure!(
        expected == found,
        "its checksum is {found}, but the recipe has {expected} (the file was changed; find out why before you change the recipe)"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn text() -> String {
        format!(
            "format = 1\ninto = \"target/modules\"\n\n[[package]]\nname = \"@scope/name\"\nversion = \"1.2.3\"\nlicense = \"MIT\"\nsha512 = \"{}\"\nfiles = [{{ path = \"a/b.wasm\", name = \"b.wasm\", sha256 = \"{}\" }}]\n",
            "0".repeat(128),
            // The digest of the empty file.
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        )
    }

    #[test]
    fn a_recipe_is_read() {
        let recipe = Recipe::parse(&text()).unwrap();
        assert_eq!(recipe.packages[0].title(), "@scope/name@1.2.3");
        recipe.packages[0].files[0].check(b"").unwrap();
        let error = recipe.packages[0].files[0].check(b"x").unwrap_err();
        assert!(format!("{error:#}").contains("a/b.wasm: its checksum is 2d7116"), "{error:#}");
        assert!(recipe.packages[0].check(b"").is_err());
    }

    #[test]
    fn what_could_reach_elsewhere_is_refused() {
        let cases = [
            ("format = 1", "format = 2", "format 2"),
            ("target/modules", "../modules", "into"),
            ("target/modules", "/modules", "into"),
            ("target/modules", "", "into"),
            ("\"b.wasm\"", "\"../b.wasm\"", "plain file name"),
            ("\"b.wasm\"", "\"a/b.wasm\"", "plain file name"),
            ("\"b.wasm\"", "\"..\"", "plain file name"),
            ("@scope/name", "./name", "not the name of a package"),
            ("@scope/name", "--global", "not the name of a package"),
            ("@scope/name", "https://example.org", "not the name of a package"),
            ("1.2.3", "^1.2.3", "exact version"),
            ("1.2.3", "latest", "exact version"),
            ("1.2.3", "1.2", "exact version"),
            ("e3b0", "E3B0", "hexadecimal"),
            ("sha512", "sha1", "sha1"),
        ];
        for (from, to, expected) in cases {
            assert!(text().contains(from));
            let error = Recipe::parse(&text().replace(from, to)).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_another_is_named() {
        let root = tempfile::TempDir::new().unwrap();
        let recipe = Recipe::parse(&text()).unwrap();
        assert!(recipe.missing(root.path()).unwrap().ends_with("b.wasm is missing"));
        let folder = root.path().join("target/modules");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("b.wasm"), "x").unwrap();
        assert!(recipe.missing(root.path()).unwrap().ends_with("is not the file of the recipe"));
        fs::write(folder.join("b.wasm"), "").unwrap();
        assert_eq!(recipe.missing(root.path()), None);
    }
}
