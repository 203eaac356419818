//! Fresh repositories of programs in several languages, each with one commit that makes it quadratic:
//! red against the commit before, with and without permission to use perf, green against itself, and
//! found by a bisection.
//!
//! The difference is huge, and the session's check of itself is made up, so that no outcome depends on
//! how busy the machine is.

#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::common::Said;
use crate::common::clone::libraries;
#[cfg(target_os = "linux")]
use crate::common::forbidden;
use crate::common::installed::Installed;

/// A program that does a fixed amount of work for each of N items, or searches all items before.
struct Host {
    language: &'static str,
    /// What has to be in the search path.
    needs: &'static str,
    file: &'static str,
    linear: &'static str,
    quadratic: &'static str,
    /// The settings for `build`, where there is one.
    build: &'static str,
    command: &'static str,
    sizes: &'static str,
    setup: Setup,
    /// Further lines of the scenario.
    scenario: &'static str,
    /// The function that the report names, with its file, where valgrind counts instructions.
    culprit: &'static str,
}

/// What a host needs in addition to its file.
#[derive(Clone, Copy, PartialEq)]
enum Setup {
    None,
    /// A manifest by which Cargo takes Wasmtime over from this workspace's own build.
    Rust,
    /// A virtual environment, outside of the repository, with the `wasmtime` package.
    WasmtimeForPython,
}

const HOSTS: [Host; 4] = [
    Host {
        language: "C",
        needs: "cc",
        file: "host.c",
        linear: "#include <stdlib.h>\nvolatile long sum;\nstatic long names[9999];\nstatic void work(void) { for (long k = 0; k < 20000; k++) sum += k; }\nint main(int c, char **v) {\n  long n = atol(v[c - 1]);\n  for (long i = 0; i < n; i++) { work(); names[i] = i; }\n  return 0;\n}\n",
        quadratic: "#include <stdlib.h>\nvolatile long sum;\nstatic long names[9999];\nstatic void work(void) { for (long k = 0; k < 20000; k++) sum += k; }\nstatic long find(long n, long name) { for (long k = 0; k < n; k++) if (names[k] == name) return k; return n; }\nint main(int c, char **v) {\n  long n = atol(v[c - 1]);\n  for (long i = 0; i < n; i++) {\n    work();\n    for (int k = 0; k < 50; k++) names[find(i, -k - 1)] = i;\n  }\n  return 0;\n}\n",
        build: "build = [\"cc\", \"-o\", \"host\", \"host.c\"]\n",
        command: "\"./host\", \"{n}\"",
        sizes: "128, 256, 512, 1024, 2048",
        setup: Setup::None,
        scenario: "",
        culprit: "find (host, called by main)",
    },
    Host {
        language: "shell with sqlite3",
        needs: "sqlite3",
        file: "host.sh",
        linear: "sqlite3 :memory: \"CREATE TABLE t(x); CREATE INDEX i ON t(x); PRAGMA automatic_index = off; WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < $1) INSERT INTO t SELECT x FROM c; SELECT count(*) FROM t a JOIN t b ON b.x = a.x\"\n",
        quadratic: "sqlite3 :memory: \"CREATE TABLE t(x); PRAGMA automatic_index = off; WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < $1) INSERT INTO t SELECT x FROM c; SELECT count(*) FROM t a JOIN t b ON b.x = a.x\"\n",
        build: "",
        command: "\"sh\", \"host.sh\", \"{n}\"",
        sizes: "256, 512, 1024, 2048, 4096",
        setup: Setup::None,
        scenario: "count_with = []\n",
        culprit: "",
    },
    Host {
        language: "JavaScript",
        needs: "node",
        file: "host.js",
        linear: "let sum = 0;\nfor (let i = 0; i < +process.argv[2]; i++) for (let k = 0; k < 2000; k++) sum += k % 7;\nconsole.log(sum);\n",
        quadratic: "let sum = 0;\nfor (let i = 0; i < +process.argv[2]; i++) for (let k = 0; k < 2000 + 20 * i; k++) sum += k % 7;\nconsole.log(sum);\n",
        build: "",
        command: "\"node\", \"--single-threaded\", \"--jitless\", \"--predictable\", \"--hash-seed=1\", \"--random-seed=1\", \"host.js\", \"{n}\"",
        sizes: "64, 128, 256, 512, 1024",
        setup: Setup::None,
        scenario: "callgrind_sizes = [16, 32, 64, 128, 256]\n",
        culprit: "(node",
    },
    Host {
        language: "Python",
        needs: "python3",
        file: "host.py",
        linear: "import sys\nfor i in range(int(sys.argv[1])):\n    sum(range(2000))\n",
        quadratic: "import sys\nfor i in range(int(sys.argv[1])):\n    sum(range(2000 + 20 * i))\n",
        build: "",
        command: "\"python3\", \"host.py\", \"{n}\"",
        sizes: "64, 128, 256, 512, 1024",
        setup: Setup::None,
        scenario: "callgrind_sizes = [16, 32, 64, 128, 256]\nenvironment = { PYTHONHASHSEED = \"0\" }\n",
        culprit: "(python3",
    },
];

const HOSTS_OF_WASMTIME: [Host; 2] = [
    Host {
        language: "Python with Wasmtime",
        needs: "python3",
        file: "host.py",
        linear: "import sys, wasmtime\nengine = wasmtime.Engine()\ncompiled = wasmtime.Module(engine, '(module)').serialize()\nloaded = []\nfor i in range(int(sys.argv[1])):\n    loaded.append(wasmtime.Module.deserialize(engine, compiled))\n",
        quadratic: "import sys, wasmtime\nengine = wasmtime.Engine()\ncompiled = wasmtime.Module(engine, '(module)').serialize()\nloaded = []\nfor i in range(int(sys.argv[1])):\n    loaded.append(wasmtime.Module.deserialize(engine, compiled))\n    sum(range(30 * i))\n",
        build: "",
        command: "\"VENV/bin/python3\", \"host.py\", \"{n}\"",
        sizes: "128, 256, 512, 1024, 2048",
        setup: Setup::WasmtimeForPython,
        scenario: "count_with = []\n",
        culprit: "",
    },
    Host {
        language: "Rust with Wasmtime",
        needs: "cc",
        file: "src/main.rs",
        linear: "use wasmtime::{Engine, Module};\nfn main() {\n    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();\n    let engine = Engine::default();\n    let compiled = Module::new(&engine, b\"\\0asm\\x01\\0\\0\\0\").unwrap().serialize().unwrap();\n    let mut loaded = Vec::new();\n    for _ in 0..n {\n        // SAFETY: Wasmtime made these bytes above.\n        loaded.push(unsafe { Module::deserialize(&engine, &compiled) }.unwrap());\n    }\n}\n",
        quadratic: "use wasmtime::{Engine, Module};\nfn main() {\n    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();\n    let engine = Engine::default();\n    let compiled = Module::new(&engine, b\"\\0asm\\x01\\0\\0\\0\").unwrap().serialize().unwrap();\n    let mut loaded = Vec::new();\n    for i in 0..n {\n        let name = format!(\"plug-in {i:60}\");\n        assert!(!loaded.iter().any(|(known, _)| *known == name));\n        // SAFETY: Wasmtime made these bytes above.\n        loaded.push((name, unsafe { Module::deserialize(&engine, &compiled) }.unwrap()));\n    }\n}\n",
        build: "build = [\"cargo\", \"build\", \"--offline\"]\n",
        command: "\"target/debug/host\", \"{n}\"",
        sizes: "256, 512, 1024, 2048, 4096",
        setup: Setup::Rust,
        scenario: "callgrind_sizes = [128, 256, 512, 1024, 2048]\n",
        culprit: "called by <A as core::slice::cmp::SlicePartialEq<B>>",
    },
];

impl Host {
    fn is_here(&self) -> bool {
        let path = std::env::split_paths("/usr/local/bin:/usr/bin:/bin");
        let is_here = path.into_iter().any(|folder| folder.join(self.needs).is_file());
        if !is_here {
            loadline_testing::skip!("{}: {} is not installed", self.language, self.needs);
        }
        is_here
    }

    /// A repository with this host, linear and committed; `None` where what it needs cannot be had.
    fn repository(&self) -> Option<Installed> {
        let installed = Installed::sure();
        let venv = installed.project.path("venv").display().to_string();
        match self.setup {
            Setup::None => {}
            Setup::Rust => write_manifest(&installed),
            Setup::WasmtimeForPython => {
                if let Err(why) = install_wasmtime(&venv) {
                    loadline_testing::skip!("{}: {why}", self.language);
                    return None;
                }
            }
        }
        let settings = "format = 1\nscenarios = \"perf\"\noutput = \"out\"\n";
        installed.write("loadline.toml", &format!("{settings}{}", self.build));
        let command = self.command.replace("VENV", &venv);
        let scenario = format!(
            "format = 2\nquestion = \"Does our host stay linear?\"\nexpectation = \"It does.\"\ncommand = [{command}]\njudge = [\"run/task-clock\"]\nrepetitions = 5\nsizes = [{}]\n{}",
            self.sizes, self.scenario
        );
        installed.write("perf/host.toml", &scenario);
        installed.write(".gitignore", "/out\n/host\n/target\n");
        installed.write(self.file, self.linear);
        installed.commit("linear");
        Some(installed)
    }

    /// The installed program with `arguments`, in the host's repository.
    fn loadline(&self, installed: &Installed, arguments: &[&str]) -> Command {
        let program = installed.project.path("bin/loadline").display().to_string();
        let mut command = installed.command(&program);
        command.args(arguments);
        if self.setup == Setup::Rust {
            // Cargo and rustc as they are here.
            for name in
                ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTFLAGS"]
            {
                command.envs(std::env::var_os(name).map(|value| (name, value)));
            }
            command.env("PATH", installed.search_path(&std::env::var("PATH").unwrap()));
        }
        command
    }

    /// What `regress` says of the working tree against `revision`. A busy machine needs more
    /// repetitions than a quiet one.
    fn regress(&self, installed: &Installed, revision: &str, perf_fails_by: Option<i32>) -> Said {
        let arguments = ["regress", "--against", revision, "--budget", "300"];
        let mut command = self.loadline(installed, &arguments);
        #[cfg(target_os = "linux")]
        if let Some(errno) = perf_fails_by {
            forbidden::forbid(&mut command, &[libc::SYS_perf_event_open], errno);
        }
        let started = Instant::now();
        let said = installed.project.said(command.output().unwrap());
        let (language, seconds) = (self.language, started.elapsed().as_secs());
        let perf = perf_fails_by.map_or(String::new(), |errno| format!(" without perf ({errno})"));
        println!("{language} against {revision}{perf}: exit {:?} after {seconds} s", said.code);
        said.stdout
            .lines()
            .filter(|line| line.contains("callgrind"))
            .for_each(|line| println!("{line}"));
        assert!(!said.stderr.contains("Compiling wasmtime v"), "{}", said.stderr);
        said
    }
}

/// Has Cargo find Wasmtime compiled, for both sides: as it is built for this workspace, with the same
/// features and profiles.
fn write_manifest(installed: &Installed) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    let table = |file: &str| read(file).parse::<toml::Table>().unwrap();
    let ours = table("Cargo.toml");
    let mut profile = ours["profile"].clone();
    let packages = profile["dev"]["package"].as_table_mut().unwrap();
    packages.retain(|name, _| !name.starts_with("loadline-"));
    let mut manifest: toml::Table =
        "package = { name = \"host\", version = \"0.0.0\", edition = \"2024\" }".parse().unwrap();
    manifest.insert("profile".to_owned(), profile);
    // Whatever the runner asks for decides the features of what Wasmtime is built from.
    let mut all = toml::Table::new();
    let mut ours_to_read = vec!["runner".to_owned()];
    while let Some(name) = ours_to_read.pop() {
        let own = table(&format!("crates/{name}/Cargo.toml"));
        let is_off =
            |name: &str| own.get("features").is_some_and(|known| known.get(name).is_some());
        let on_unix = own.get("target").and_then(|target| target["cfg(unix)"].get("dependencies"));
        let tables = own.get("dependencies").into_iter().chain(on_unix);
        for (name, asked) in tables.flat_map(|table| table.as_table().unwrap()) {
            match name.strip_prefix("loadline-") {
                Some(crate_of_ours) => ours_to_read.push(crate_of_ours.to_owned()),
                None if is_off(name) => {}
                None => require(&mut all, name, asked, &ours["workspace"]["dependencies"][name]),
            }
        }
    }
    let compile = "features = [\"cranelift\"]".parse::<toml::Table>().unwrap().into();
    require(&mut all, "wasmtime", &compile, &ours["workspace"]["dependencies"]["wasmtime"]);
    manifest.insert("dependencies".to_owned(), all.into());
    installed.write("Cargo.toml", &manifest.to_string());
    installed.write("Cargo.lock", &read("Cargo.lock"));
    for folder in ["target", "out/against/build"] {
        libraries(&installed.path(folder));
    }
}

/// Adds the dependency `name` to `all`, as the workspace has it and with the features of `asked`, too.
fn require(all: &mut toml::Table, name: &str, asked: &toml::Value, of_workspace: &toml::Value) {
    let mut whole = match of_workspace {
        toml::Value::String(version) => {
            toml::Table::from_iter([("version".to_owned(), version.clone().into())])
        }
        table => table.as_table().unwrap().clone(),
    };
    let known = all.get(name);
    let features = [Some(asked), Some(of_workspace), known].into_iter().flatten();
    let features = features.filter_map(|one| one.get("features")?.as_array());
    let features: Vec<toml::Value> = features.flatten().cloned().collect();
    whole.insert("features".to_owned(), features.into());
    all.insert(name.to_owned(), whole.into());
}

/// Makes a virtual environment with PyPI's Wasmtime.
fn install_wasmtime(venv: &str) -> Result<(), String> {
    let pip = format!("{venv}/bin/pip");
    for words in [
        ["python3", "-m", "venv", venv].as_slice(),
        &[pip.as_str(), "install", "--quiet", "--disable-pip-version-check", "wasmtime"],
    ] {
        let output = Command::new(words[0]).args(&words[1..]).output();
        let output = output.map_err(|error| format!("cannot start {}: {error}", words[0]))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("{} failed: {}", words.join(" "), said.trim()));
        }
    }
    Ok(())
}

/// One host after the other: they would disturb each other's times.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without permission to use perf each host meets another of the ways in which the kernel refuses it.
fn a_quadratic_commit_is_red(hosts: &[Host]) {
    let _turn = alone();
    let refusals = [libc::EPERM, libc::ENOSYS, libc::EINVAL].into_iter().cycle();
    for (host, refusal) in hosts.iter().zip(refusals).filter(|(host, _)| host.is_here()) {
        let Some(installed) = host.repository() else { continue };
        installed.write(host.file, host.quadratic);
        installed.commit("quadratic");
        let refused = cfg!(target_os = "linux").then_some(Some(refusal));
        for perf_fails_by in [None].into_iter().chain(refused) {
            let worse = host.regress(&installed, "HEAD~1", perf_fails_by);
            assert_eq!(worse.code, Some(3), "{}: {}", host.language, worse.refusal());
            assert!(worse.stdout.contains("REGRESSED"), "{}: {}", host.language, worse.stdout);
            let is_named = worse
                .stdout
                .lines()
                .any(|line| line.contains(" instructions") && line.contains(host.culprit));
            let has_valgrind = installed.project.path("tools/valgrind").exists();
            assert!(
                is_named || host.culprit.is_empty() || !has_valgrind,
                "{}: {}",
                host.language,
                worse.stdout
            );
            let stand_in = "task-clock: measured by CPU clocks and resource usage";
            let is_said = worse.stdout.contains(stand_in);
            assert!(is_said || perf_fails_by.is_none(), "{}: {}", host.language, worse.stdout);
        }
        let same = host.regress(&installed, "HEAD", None);
        assert_eq!(same.code, Some(0), "{}: {}", host.language, same.refusal());
    }
}

#[test]
#[ignore = "slow: measures four hosts (minutes)"]
fn a_quadratic_commit_is_red_in_every_language() {
    a_quadratic_commit_is_red(&HOSTS);
}

#[test]
#[ignore = "slow: installs a package and measures two hosts of Wasmtime (minutes)"]
fn a_quadratic_commit_is_red_in_hosts_of_wasmtime() {
    a_quadratic_commit_is_red(&HOSTS_OF_WASMTIME);
}

#[test]
#[ignore = "slow: measures a host at several commits (a minute)"]
fn a_bisection_finds_the_commit_among_eight() {
    let _turn = alone();
    let Some(host) = HOSTS.iter().find(|host| host.is_here()) else { return };
    let Some(installed) = host.repository() else { return };
    for number in 2..=8 {
        let text = if number < 6 { host.linear } else { host.quadratic };
        // No two of them are the same file.
        installed.write(host.file, &format!("{text}{}", "\n".repeat(number)));
        installed.commit(&format!("commit {number}"));
    }
    installed.git(&["bisect", "start", "HEAD", "HEAD~7"]);
    let loadline = installed.project.path("bin/loadline").display().to_string();
    let run = [
        "bisect",
        "run",
        &loadline,
        "regress",
        "--against",
        "HEAD~7",
        "--bisect",
        "--budget",
        "300",
    ];
    // HEAD moves with a bisection: the good commit is named by its hash.
    let good = installed.command("git").args(["rev-parse", "bisect/bad~7"]).output();
    let good = String::from_utf8(good.unwrap().stdout).unwrap();
    let run = run.map(|word| if word == "HEAD~7" { good.trim() } else { word });
    let output = installed.command("git").args(run).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("is the first bad commit"), "{said}");
    let first_bad = said.split("is the first bad commit").nth(1).unwrap();
    assert!(first_bad.contains("commit 6"), "{said}");
}
