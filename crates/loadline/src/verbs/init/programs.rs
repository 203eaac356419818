//! Finds programs in a repository by what Cargo, npm, Python and make say about them.

use std::path::Path;

use super::found::{Files, Program, shown};
use super::marks::Marks;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// The program that the user named.
pub fn named(files: &Files<'_>, command: &[String]) -> Program {
    let is_cargos = command[0].contains("target/release/");
    let build: &[&str] = if is_cargos {
        &["cargo", "build", "--release"]
    } else if files.has("Makefile") && command[0].starts_with("./") {
        &["make"]
    } else {
        &[]
    };
    Program {
        what: format!("the command {}", command.join(" ")),
        command: command.to_vec(),
        build: words(build),
        marks: files.marks(&["rs", "py", "js", "mjs", "ts", "c", "h", "cc", "cpp", "go", "sh"]),
        ..Program::default()
    }
}

/// The program of a Cargo package. A target that uses the harness comes first. With `uses_wasmtime`, only
/// packages that depend on Wasmtime or the harness count.
pub fn rust(files: &Files<'_>, uses_wasmtime: bool) -> Option<Program> {
    let manifests = files.paths.iter().filter(|path| path.ends_with("Cargo.toml"));
    let packages: Vec<Package<'_>> =
        manifests.filter_map(|path| Package::read(files, path)).collect();
    let with_harness = packages.iter().find_map(|package| {
        let target = package.targets.iter().find(|target| target.uses_harness())?;
        Some(package.program(target))
    });
    with_harness.or_else(|| {
        let mut wanted = packages.iter().filter(|one| one.has_wasmtime || !uses_wasmtime);
        wanted.find_map(|package| {
            let target = package.targets.iter().find(|target| target.kind == "--bin")?;
            Some(package.program(target))
        })
    })
}

/// A package of Cargo.
struct Package<'a> {
    files: &'a Files<'a>,
    /// Its folder.
    folder: &'a Path,
    name: String,
    has_wasmtime: bool,
    targets: Vec<Target>,
}

/// A program of a package.
struct Target {
    /// The flag of Cargo that selects it: `--bin` or `--example`.
    kind: &'static str,
    name: String,
    text: String,
}

impl Target {
    fn uses_harness(&self) -> bool {
        self.text.contains("loadline_harness::run")
            || (self.text.contains("use loadline_harness::") && self.text.contains("run("))
    }
}

impl<'a> Package<'a> {
    fn read(files: &'a Files<'a>, manifest: &'a Path) -> Option<Package<'a>> {
        let table: toml::Table = toml::from_str(&files.text(manifest)?).ok()?;
        let depends_on = |name: &str| {
            let lists = ["dependencies", "dev-dependencies"];
            lists.iter().any(|list| table.get(*list).is_some_and(|list| list.get(name).is_some()))
        };
        let name = table.get("package")?.get("name")?.as_str()?.to_owned();
        let folder = manifest.parent()?;
        let declared = |bin: &toml::Value| {
            let name = bin.get("name")?.as_str()?.to_owned();
            let usual = format!("src/bin/{name}.rs");
            let path = bin.get("path").and_then(|path| path.as_str()).unwrap_or(&usual);
            let text =
                files.text(folder.join(path)).or_else(|| files.text(folder.join("src/main.rs")));
            Some(Target { kind: "--bin", name, text: text? })
        };
        let bins = table.get("bin").and_then(toml::Value::as_array);
        let mut targets: Vec<Target> = bins.into_iter().flatten().filter_map(declared).collect();
        if targets.is_empty()
            && let Some(text) = files.text(folder.join("src/main.rs"))
        {
            targets.push(Target { kind: "--bin", name: name.clone(), text });
        }
        for (place, kind) in [("src/bin", "--bin"), ("examples", "--example")] {
            let place = folder.join(place);
            let own = files.paths.iter().filter(|path| path.parent() == Some(&place));
            for path in own.filter(|path| path.extension().is_some_and(|ending| ending == "rs")) {
                let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                let is_new = |name: &String| targets.iter().all(|t| t.name != *name);
                if let (Some(name), Some(text)) = (stem.filter(is_new), files.text(path)) {
                    targets.push(Target { kind, name, text });
                }
            }
        }
        let has_wasmtime = depends_on("wasmtime") || depends_on("loadline-harness");
        Some(Package { files, folder, name, has_wasmtime, targets })
    }

    fn program(&self, target: &Target) -> Program {
        let Target { kind, name, .. } = target;
        let mut build = words(&["cargo", "build", "--release", kind, name]);
        let mut output = "target/release".to_owned();
        if self.folder != Path::new("") {
            match self.files.has("Cargo.toml") {
                true => build.extend(words(&["--package", &self.name])),
                false => {
                    let folder = shown(self.folder);
                    build.extend(["--manifest-path".to_owned(), format!("{folder}/Cargo.toml")]);
                    output = format!("{folder}/{output}");
                }
            }
        }
        let folder = if *kind == "--example" { "examples/" } else { "" };
        let user = if target.uses_harness() { "loadline-harness" } else { "Wasmtime" };
        let what = match target.uses_harness() || self.has_wasmtime {
            true => format!("a Rust program that uses {user}: {name}"),
            false => format!("a Rust program: {name}"),
        };
        Program {
            what,
            command: vec![format!("{output}/{folder}{name}"), "{n}".to_owned()],
            build,
            marks: Marks::of(std::iter::once(target.text.clone())),
            has_wasmtime: self.has_wasmtime,
            ..Program::default()
        }
    }
}

/// A script that imports Wasmtime.
pub fn python_host(files: &Files<'_>) -> Option<Program> {
    let is_import = |line: &str| {
        let line = line.trim_start();
        line.starts_with("import wasmtime") || line.starts_with("from wasmtime")
    };
    let script = files.paths.iter().find(|path| {
        path.extension().is_some_and(|ending| ending == "py")
            && files.text(path).is_some_and(|text| text.lines().any(is_import))
    })?;
    let script = shown(script);
    let what = format!("a Python program that uses Wasmtime: {script}");
    Some(Program { has_wasmtime: true, ..python(files, what, &[&script]) })
}

/// The first script that `pyproject.toml` declares.
pub fn python_project(files: &Files<'_>) -> Option<Program> {
    let table: toml::Table = toml::from_str(&files.text("pyproject.toml")?).ok()?;
    let scripts = table.get("project")?.get("scripts")?.as_table()?;
    let module = scripts.values().next()?.as_str()?.split(':').next()?;
    Some(python(files, format!("a script of pyproject.toml: {module}"), &["-m", module]))
}

fn python(files: &Files<'_>, what: String, script: &[&str]) -> Program {
    let own = [".venv/bin/python3", "venv/bin/python3"];
    let own = own.into_iter().find(|path| files.root.join(path).exists());
    let interpreter = own.unwrap_or("python3");
    Program {
        what,
        command: words(&[&[interpreter], script, &["{n}"]].concat()),
        // With another seed in each run, Python's dictionaries would cost something else in each run.
        environment: vec![("PYTHONHASHSEED", "0")],
        marks: files.marks(&["py"]),
        ..Program::default()
    }
}

/// The program of `package.json`.
pub fn node(files: &Files<'_>) -> Option<Program> {
    let package: serde_json::Value = serde_json::from_str(&files.text("package.json")?).ok()?;
    let bin = &package["bin"];
    let bin = bin.as_str().or_else(|| bin.as_object()?.values().next()?.as_str());
    let start = package["scripts"]["start"].as_str();
    let start = start.and_then(|start| start.strip_prefix("node ")?.split(' ').next());
    let named = [bin, start, package["main"].as_str(), Some("index.js")];
    let path = named.into_iter().flatten().map(|path| path.trim_start_matches("./"));
    let has_build = package["scripts"]["build"].is_string();
    // A build makes files that are not there yet.
    let path = path.into_iter().find(|path| files.has(path) || has_build)?;
    Some(Program {
        what: format!("a program of package.json: {path}"),
        command: words(&["node", path, "{n}"]),
        build: if has_build { words(&["npm", "run", "build"]) } else { Vec::new() },
        marks: files.marks(&["js", "mjs", "cjs", "ts"]),
        ..Program::default()
    })
}

/// The program that the first rule of `Makefile` makes: its target, or what its target `all` needs.
pub fn make(files: &Files<'_>) -> Option<Program> {
    let rules = files.text("Makefile").or_else(|| files.text("makefile"))?;
    let rules = rules.lines().filter(|line| !line.starts_with(['\t', '.', '#', ' ']));
    let rules = rules.filter(|line| !line.contains('='));
    let (target, needs) = rules.filter_map(|line| line.split_once(':')).next()?;
    let name = match target.trim() {
        "all" | "default" => needs.split_whitespace().next()?,
        target => target.split_whitespace().next()?,
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    name.chars().all(is_plain).then(|| Program {
        what: format!("a program of the Makefile: {name}"),
        command: vec![format!("./{name}"), "{n}".to_owned()],
        build: words(&["make", name]),
        marks: files.marks(&["c", "h", "cc", "cpp", "go", "rs", "zig"]),
        ..Program::default()
    })
}
