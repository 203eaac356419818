//! The program as it is installed, next to a repository of its own, and away from the workspace it was
//! built in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Project, Said};

/// A runner before the real one. It makes up the costs of a self-check, so that the self-check does not depend
/// on the machine. While there is a file `without-growth`, these costs are linear.
const SURE_RUNNER: &str = r#"#!/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
request=$(cat)
case $request in
*'"self-check":{'*) ;;
*) printf '%s' "$request" | "FOLDER/real-runner"; exit ;;
esac
field() { printf '%s' "$request" | sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }
percent=$(field quadratic_percent)
[ ! -e "FOLDER/without-growth" ] || percent=0
awk -v n="$(field modules)" -v top="$(field largest)" -v q="$percent" \
  -v p="$(field quadratic_percent)" -v seed="$(field seed)" 'BEGIN {
  units = n * 1000 + int(p * n * n * 1000 / ((100 - p) * top))
  cost = 1000 * n + q * n * n * 1000 / ((100 - q) * top)
  noise = 1 + (seed % 89 - 44) / 44 * 0.004
  sample = "{\"sample\":{\"phase\":\"work\",\"metric\":\"%s\",\"scope\":\"process\",\"modules\":%d,\"reading\":{\"exact\":%.0f}}}\n"
  printf sample, "task-clock", n, cost * 100 * noise
  printf sample, "instructions", n, cost * 100
  printf sample, "page-faults", n, cost / 10
  printf sample, "resident-bytes", n, cost * 410
  printf "{\"proof\":{\"loaded\":0,\"called\":0,\"unwound\":0,\"released\":0,\"registered\":null,"
  printf "\"deregistered\":null,\"known_work\":%.0f,\"command\":null,\"unwinder_path\":\"\"}}\n", units
  print "\"done\""
}'
"#;

/// A valgrind before the real one: it counts the real runner, and not the script that stands before it.
const SURE_VALGRIND: &str = r#"#!/bin/sh
n=$#
while [ $n -gt 0 ]; do
  argument=$1; shift; n=$((n - 1))
  [ "$argument" != "FOLDER/loadline-runner" ] || argument=FOLDER/real-runner
  set -- "$@" "$argument"
done
exec VALGRIND "$@"
"#;

/// A folder as `cargo install` fills it, next to a repository.
pub struct Installed {
    pub project: Project,
}

impl Installed {
    /// With a runner, or without.
    pub fn new(has_runner: bool) -> Installed {
        let project = Project::bare();
        fs::create_dir(project.path("bin")).unwrap();
        fs::create_dir(project.path("repository")).unwrap();
        fs::create_dir(project.path("tmp")).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_loadline"));
        copy(program, &project.path("bin/loadline"));
        if has_runner {
            copy(&runner(program), &project.path("bin/loadline-runner"));
        }
        Installed { project }
    }

    pub fn write(&self, path: &str, text: &str) {
        self.project.write(&format!("repository/{path}"), text);
    }

    pub fn read(&self, path: &str) -> String {
        self.project.read(&format!("repository/{path}"))
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.project.path("repository")).env_clear();
        command.env("PATH", self.search_path("/usr/local/bin:/usr/bin:/bin"));
        command.env("TMPDIR", self.project.path("tmp"));
        command
    }

    pub fn loadline(&self, arguments: &[&str]) -> Said {
        let program = self.project.path("bin/loadline").display().to_string();
        self.project.said(self.command(&program).args(arguments).output().unwrap())
    }

    /// `path`, after the folder of the valgrind that counts the real runner.
    pub fn search_path(&self, path: &str) -> String {
        format!("{}:{path}", self.project.path("tools").display())
    }

    /// With a runner whose check of itself always comes to the same.
    pub fn sure() -> Installed {
        let installed = Installed::new(true);
        let folder = installed.project.path("bin");
        fs::rename(folder.join("loadline-runner"), folder.join("real-runner")).unwrap();
        let script = SURE_RUNNER.replace("FOLDER", folder.to_str().unwrap());
        installed.project.script("bin/loadline-runner", &script);
        let places = ["/usr/local/bin", "/usr/bin", "/bin"].map(Path::new);
        if let Some(place) = places.iter().find(|place| place.join("valgrind").is_file()) {
            let script = SURE_VALGRIND
                .replace("FOLDER", folder.to_str().unwrap())
                .replace("VALGRIND", place.join("valgrind").to_str().unwrap());
            fs::create_dir(installed.project.path("tools")).unwrap();
            installed.project.script("tools/valgrind", &script);
            copy(&place.join("vgdb"), &installed.project.path("tools/vgdb"));
        }
        installed
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.project.path("repository").join(path)
    }

    /// Everything that is there becomes a commit.
    pub fn commit(&self, message: &str) {
        if !self.path(".git").exists() {
            self.git(&["init", "--quiet"]);
        }
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    pub fn git(&self, arguments: &[&str]) {
        let identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main"];
        let output = self.command("git").args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
    }
}

/// Hard links name one file, and what is told by its place would still lie in the workspace.
fn copy(from: &Path, to: &Path) {
    // Another process does it: what this one has open for writing cannot be started.
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// The workspace's runner, which lies next to its program.
fn runner(program: &Path) -> PathBuf {
    let target = program.parent().unwrap().parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--package", "loadline-runner"])
        .env("CARGO_TARGET_DIR", target);
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    assert!(cargo.status().unwrap().success());
    program.with_file_name("loadline-runner")
}
