//! The scripts behind the action, one by one, with stand-ins for the programs they start. The folders of
//! repository, action and runner have blanks in their names.

#![cfg(unix)]
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::Project;

/// What GitHub answers: two pages of comments, or issues, of a stranger and of us.
const ENTRIES: &str = r#"[{"id": 7, "number": 7, "user": {"login": "stranger"}, "body": "MARKER\r\nx"}, {"id": 8, "number": 8, "user": {"login": "us[bot]"}, "body": null}]
[{"id": 41, "number": 41, "user": {"login": "us[bot]"}, "body": "MARKER\r\nx"}, {"id": 42, "number": 42, "user": {"login": "us[bot]"}, "body": "MARKER"}]
"#;

/// The same as `--jq` makes it of these, where there is no jq.
const LINES: &str = "7\tstranger\tMARKER\n8\tus[bot]\t\n41\tus[bot]\tMARKER\n42\tus[bot]\tMARKER\n";

/// GitHub's program: writes down what it is asked to change.
const GH: &str = r#"#!/bin/bash
case "$*" in
*graphql*) echo 'us[bot]' ;;
*--paginate*) if command -v jq >/dev/null; then jq -r "${!#}" <"$LOGS/entries"; else cat "$LOGS/lines"; fi ;;
*) printf '%s\n' "$*" >>"$LOGS/gh"; for one; do case "$one" in body=@*) cat "${one#body=@}" ;; esac; done >"$LOGS/body" ;;
esac
"#;

/// Loadline: writes down its arguments, one per line, and leaves a comment.
const LOADLINE: &str = r#"#!/bin/bash
printf '%s\n' "$@" >"$LOGS/loadline"
echo '{"session":{"samples":"'"$PWD"'/out/regress/1/runs.jsonl"}}' >loadline-report/report.json
echo measured >loadline-report/comment.md
exit 3
"#;

/// Cargo: writes down where it was started and with what, and installs scripts that name a version.
const CARGO: &str = r#"#!/bin/bash
printf '%s: %s %s\n' "$PWD" "$*" "${RUSTFLAGS-no flags}" >>"$LOGS/cargo"
while [ $# -gt 0 ]; do if [ "$1" = --root ]; then root="$2"; fi; shift; done
mkdir -p "${root:-$LOGS/../installed}/bin"
for program in loadline loadline-runner; do
  printf '#!/bin/sh\necho loadline NEW\n' >"${root:-$LOGS/../installed}/bin/$program"
  chmod +x "${root:-$LOGS/../installed}/bin/$program"
done
"#;

/// A machine that runs one job.
struct Machine {
    project: Project,
}

impl Machine {
    fn new() -> Machine {
        let project = Project::bare();
        for folder in ["a runner/action", "a runner/repository", "bin", "logs", "tmp"] {
            fs::create_dir_all(project.path(folder)).unwrap();
        }
        ["logs/entries", "logs/lines"].iter().for_each(|none| project.write(none, ""));
        project.script("bin/gh", GH);
        project.script("bin/cargo", CARGO);
        project.script("bin/rustc", "#!/bin/sh\npwd\necho rustc 1.95.0\n");
        project.script("bin/valgrind", "#!/bin/sh\n");
        let sources =
            fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
        let copy = "cp -r .github examples Cargo.toml Cargo.lock .cargo \"$0\" && mkdir -p \"$0/crates/runner\" \"$0/xtask\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", copy]).arg(project.path("a runner/action")).current_dir(sources);
        assert!(shell.status().unwrap().success());
        Machine { project }
    }

    fn repository(&self) -> PathBuf {
        self.project.path("a runner/repository")
    }

    /// Runs a file of the action as a step does.
    fn run(&self, file: &str, environment: &[(&str, &str)]) -> Output {
        self.shell(&format!("\"$GITHUB_ACTION_PATH/{file}\" ${{ARGUMENT:-}}"), environment)
    }

    fn shell(&self, run: &str, environment: &[(&str, &str)]) -> Output {
        let logs = self.project.path("logs");
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("bash");
        shell.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", run]);
        shell.current_dir(self.repository()).env("LOGS", &logs);
        shell.env("PATH", format!("{}:{path}", self.project.path("bin").display()));
        shell.env("TMPDIR", self.project.path("tmp")).env("HOME", self.project.root());
        shell.env("GITHUB_ACTION_PATH", self.project.path("a runner/action"));
        shell.env("GITHUB_WORKSPACE", self.repository()).env("GITHUB_REPOSITORY", "me/host");
        for file in ["GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"] {
            shell.env(file, logs.join(file));
        }
        let unset = ["RUNNER_TOOL_CACHE", "RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_MANIFEST_DIR"];
        for name in unset {
            shell.env_remove(name);
        }
        let author = [("GIT_AUTHOR_NAME", "n"), ("GIT_AUTHOR_EMAIL", "e")];
        let committer = [("GIT_COMMITTER_NAME", "n"), ("GIT_COMMITTER_EMAIL", "e")];
        shell.envs(author).envs(committer).envs(environment.iter().copied()).output().unwrap()
    }

    fn passes(&self, file: &str, environment: &[(&str, &str)]) -> String {
        let output = self.run(file, environment);
        assert!(output.status.success(), "{file}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The last output `name` that a step left.
    fn output(&self, name: &str) -> String {
        let text = self.log("GITHUB_OUTPUT");
        let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        values.next_back().unwrap().to_owned()
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.project.path("logs").join(name)).unwrap_or_default()
    }

    fn fails(&self, file: &str, environment: &[(&str, &str)]) -> (Option<i32>, String) {
        let output = self.run(file, environment);
        assert!(!output.status.success(), "{file}: {output:?}");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

const REGRESS: &str = ".github/scripts/regress.sh";

#[test]
fn inputs_are_split_into_words_as_in_a_shell() {
    let machine = Machine::new();
    machine.project.script("bin/loadline", LOADLINE);
    let scenarios = ("SCENARIOS", "loop\nsecond  \"the third\"\r\n");
    machine.passes(REGRESS, &[scenarios, ("ARGUMENTS", "--set\n'count_with=[]'\n--budget 0\n")]);
    let words = "regress\nloop\nsecond\nthe third\n--set\ncount_with=[]\n--budget\n0\n--format\n";
    assert!(machine.log("loadline").starts_with(words), "{}", machine.log("loadline"));
    assert_eq!(machine.output("exit-code"), "3");
    machine.passes(REGRESS, &[]);
    assert!(machine.log("loadline").starts_with("regress\n--format\n"));

    let (code, said) = machine.fails(REGRESS, &[("ARGUMENTS", "--set 'count_with=[]")]);
    assert_eq!(code, Some(2));
    assert!(said.contains("the input `arguments`") && said.contains("close each quote"), "{said}");
}

#[test]
fn two_uses_in_one_workflow_have_names_of_their_own() {
    let machine = Machine::new();
    machine.project.script("bin/loadline", LOADLINE);
    let uses = [
        (vec![("NAME", "ubuntu-24.04")], "ubuntu-24.04@"),
        (vec![("NAME", "ubuntu-24.04"), ("ROOT", "hosts/my host")], "ubuntu-24.04@hosts+my-host"),
        (vec![("NAME", "ubuntu-24.04"), ("ROOT", "hosts-my/host")], "ubuntu-24.04@hosts-my+host"),
    ];
    for (environment, name) in uses {
        machine.passes(REGRESS, &environment);
        assert_eq!(machine.output("name"), name);
        let said = fs::read_to_string(machine.repository().join("loadline-report/name.txt"));
        assert_eq!(said.unwrap().trim_end(), name);
        let folders = machine.log("GITHUB_OUTPUT");
        let report = machine.repository().join("loadline-report").display().to_string();
        assert!(folders.lines().any(|line| line == report), "{folders}");
    }
    // A part gets no comment.
    machine.passes(REGRESS, &[("NAME", "a"), ("SHARD", "1/2")]);
    assert_eq!(machine.output("name"), "a@@1-of-2");
    assert!(!machine.repository().join("loadline-report/name.txt").exists());

    fs::create_dir(machine.project.path("shards")).unwrap();
    let shards = machine.project.path("shards").display().to_string();
    let (code, said) = machine.fails(REGRESS, &[("SESSIONS", &shards)]);
    assert_eq!(code, Some(2));
    assert!(said.contains("there is no session in"), "{said}");
}

#[test]
fn a_comment_is_found_by_its_marker_and_its_account() {
    let machine = Machine::new();
    let reports = machine.project.path("reports").display().to_string();
    let of = [("REPORTS", reports.as_str()), ("PULL_REQUEST", "5")];
    machine.project.write("reports/other/name.txt", "nothing was judged\n");
    assert!(machine.passes(".github/scripts/comment.sh", &of).contains("nothing to comment"));
    for use_of_it in ["first", "second"] {
        machine.project.write(&format!("reports/{use_of_it}/name.txt"), format!("{use_of_it}@\n"));
        machine.project.write(&format!("reports/{use_of_it}/comment.md"), "measured\n");
    }
    let marker = "<!-- loadline: second@ -->";
    machine.project.write("logs/entries", ENTRIES.replace("MARKER", marker));
    machine.project.write("logs/lines", LINES.replace("MARKER", marker));
    machine.passes(".github/scripts/comment.sh", &of);
    let asked = machine.log("gh");
    let asked: Vec<&str> = asked.lines().collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(
        asked[0].starts_with("api --method POST repos/me/host/issues/5/comments "),
        "{asked:?}"
    );
    assert!(asked[1].starts_with("api --method PATCH repos/me/host/issues/comments/41 "));
    assert_eq!(machine.log("body"), format!("{marker}\nmeasured\n"));
}

#[test]
fn an_issue_is_found_by_its_marker_and_its_account() {
    let machine = Machine::new();
    machine.project.write("a runner/repository/drift.md", "# It costs more\n");
    machine.passes(".github/scripts/issue.sh", &[("DRIFT", "drift.md")]);
    assert!(machine.log("gh").starts_with("api --method POST repos/me/host/issues "));
    let marker = "<!-- loadline: drift -->";
    machine.project.write("logs/entries", ENTRIES.replace("MARKER", marker));
    machine.project.write("logs/lines", LINES.replace("MARKER", marker));
    machine.passes(".github/scripts/issue.sh", &[("DRIFT", "drift.md")]);
    let asked = machine.log("gh");
    let last = asked.lines().last().unwrap();
    assert!(last.starts_with("api --method PATCH repos/me/host/issues/41 "), "{asked}");
    assert_eq!(machine.log("body"), format!("{marker}\n# It costs more\n"));
}

#[test]
fn a_long_text_is_cut_between_lines_and_closes_its_code_block() {
    let machine = Machine::new();
    let text = format!("# é\n\n```text\n{}", "ééééééééé\n".repeat(20));
    machine.project.write("a runner/repository/long.md", &text);
    let cut = |bytes: &str| {
        let of = [("BYTES", bytes)];
        let run = "\"$GITHUB_ACTION_PATH/.github/scripts/shorten.sh\" \"$BYTES\" <long.md";
        let output = machine.shell(run, &of);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(cut("10000"), text);
    let mut n_lines = Vec::new();
    for room in 80..160 {
        let short = cut(&room.to_string());
        assert!(short.len() <= room, "{room}: {short}");
        assert!(short.ends_with("*The rest is left out: the text is too long.*\n"), "{short}");
        assert_eq!(short.matches("```").count() % 2, 0, "{short}");
        n_lines.push(short.lines().count());
    }
    assert!(n_lines.last() > n_lines.first(), "{n_lines:?}");
}

#[test]
fn an_outdated_loadline_in_path_is_replaced() {
    let machine = Machine::new();
    machine.project.script("bin/loadline", "#!/bin/sh\necho loadline 0.0.1-old\n");
    machine.project.script("bin/loadline-runner", "#!/bin/sh\n");
    machine.passes(".github/scripts/key.sh", &[]);
    let folder = machine.output("folder");
    let install = |environment: &[(&str, &str)]| {
        let folder = [("FOLDER", folder.as_str()), ("RUSTFLAGS", "-D warnings")];
        machine.passes(".github/scripts/install.sh", &[&folder, environment].concat())
    };
    assert_eq!(install(&[]), "loadline NEW\n");
    assert_eq!(machine.log("GITHUB_PATH"), format!("{folder}/bin\n"));
    let sources = machine.project.path("a runner/action").display().to_string();
    let flags = format!("install --debug --locked --force --root {folder} --path");
    let once = format!(
        "/: {flags} {sources}/crates/loadline no flags\n/: {flags} {sources}/crates/runner no flags\n"
    );
    assert_eq!(machine.log("cargo"), once);
    // Once is enough; what does not start is installed again.
    install(&[]);
    assert_eq!(machine.log("cargo"), once);
    fs::remove_file(Path::new(&folder).join("bin/loadline")).unwrap();
    // Cargo does not read the configuration of a repository around the sources.
    let runner = machine.project.path("a runner").display().to_string();
    install(&[("GITHUB_WORKSPACE", &runner)]);
    let again = machine.log("cargo").replace(&once, "");
    assert!(again.contains(&format!("--path {folder}/sources/crates/loadline ")), "{again}");
    assert!(!Path::new(&folder).join("sources").exists());
}

#[test]
fn the_key_names_sources_toolchain_image_and_libc() {
    let machine = Machine::new();
    let key = |environment: &[(&str, &str)]| {
        machine.passes(".github/scripts/key.sh", environment);
        assert!(machine.output("folder").ends_with(&machine.output("key")));
        assert!(machine.output("key").starts_with(&machine.output("image")));
        machine.output("key")
    };
    let libc = |version: &str| {
        machine.project.script("bin/getconf", &format!("#!/bin/sh\necho glibc {version}\n"));
    };
    libc("2.36");
    let first = key(&[]);
    assert_eq!(key(&[]), first);
    libc("2.39");
    assert_ne!(key(&[]), first);
    libc("2.36");
    machine.project.script("bin/rustc", "#!/bin/sh\necho rustc 1.96.0\n");
    assert_ne!(key(&[]), first);
    machine.project.script("bin/rustc", "#!/bin/sh\npwd\necho rustc 1.95.0\n");
    // The toolchain is asked for outside the repository, so its rust-toolchain.toml does not count.
    assert_eq!(key(&[]), first);
    machine.project.write("a runner/action/xtask/new.rs", "fn new() {}");
    assert_ne!(key(&[]), first);
    machine.project.script("bin/rustc", "#!/bin/sh\nexit 127\n");
    let (_, said) = machine.fails(".github/scripts/key.sh", &[]);
    assert!(said.contains("there is no Rust toolchain"), "{said}");
}

#[test]
fn perf_is_allowed_where_the_runner_can_and_a_notice_says_where_not() {
    let machine = Machine::new();
    machine.project.script("bin/sudo", "#!/bin/sh\nshift\nexec \"$@\"\n");
    let setting = machine.project.path("paranoid").display().to_string();
    let perf = |level: &str| {
        machine.project.write("paranoid", level);
        machine.passes(".github/scripts/perf.sh", &[("PERF_EVENT_PARANOID", &setting)])
    };
    let sysctl = "#!/bin/sh\necho \"$*\" >\"$LOGS/sysctl\"\necho 1 >\"$PERF_EVENT_PARANOID\"\n";
    machine.project.script("bin/sysctl", sysctl);
    assert_eq!(perf("1\n"), "");
    assert_eq!(machine.log("sysctl"), "");
    assert_eq!(perf("4\n"), "kernel.perf_event_paranoid was 4 and is 1 now\n");
    assert_eq!(machine.log("sysctl"), "-q -w kernel.perf_event_paranoid=1\n");
    for refusal in ["#!/bin/sh\necho read-only >&2\nexit 255\n", "#!/bin/sh\n"] {
        machine.project.script("bin/sysctl", refusal);
        let said = perf("4\n");
        assert!(said.starts_with("::notice"), "{said}");
        assert!(said.contains("kernel.perf_event_paranoid is 4 and cannot"), "{said}");
    }
}

/// A repository with a branch, and a clone of its last commit only.
fn shallow(machine: &Machine) -> String {
    let make = "set -e
        git init -q --initial-branch trunk ../origin && cd ../origin
        git commit -q --allow-empty -m first && git rev-parse HEAD
        git checkout -q -b topic && git commit -q --allow-empty -m second
        cd - >/dev/null && git clone -q --depth 1 \"file://$PWD/../origin\" .
        git fetch -q --depth 1 origin trunk:trunk
        git checkout -q --orphan unrelated && git commit -q --allow-empty -m third";
    let output = machine.shell(make, &[]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_shallow_clone_is_named_as_the_reason() {
    let machine = Machine::new();
    shallow(&machine);
    let missing = "0123456789012345678901234567890123456789";
    let (code, said) = machine.fails(REGRESS, &[("AGAINST", missing)]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("is shallow and does not contain 0123") && said.contains("fetch-depth: 0")
    );

    let (code, said) = machine.fails("examples/ci/regress.sh", &[("ARGUMENT", "trunk")]);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot find where this branch left trunk"), "{said}");
    assert!(said.contains("GIT_DEPTH: 0"), "{said}");
    let (code, said) = machine.fails("examples/ci/regress.sh", &[("ARGUMENT", "no-such-branch")]);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot find where this branch left no-such-branch"), "{said}");
}

#[test]
fn the_script_for_other_ci_replaces_an_outdated_loadline() {
    let machine = Machine::new();
    machine.project.script("bin/loadline-runner", "#!/bin/sh\n");
    let version = |version: &str| {
        let text = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo loadline {version}; else exit 3; fi\n"
        );
        machine.project.script("bin/loadline", &text);
    };
    version("0.0.1-old");
    assert_eq!(machine.fails("examples/ci/regress.sh", &[]).0, Some(3));
    let asked = machine.log("cargo");
    let version_now = env!("CARGO_PKG_VERSION");
    assert!(asked.contains("install --debug --locked --force --git "), "{asked}");
    assert!(asked.contains(&format!("--tag v{version_now} loadline loadline-runner")), "{asked}");
    version(version_now);
    assert_eq!(machine.fails("examples/ci/regress.sh", &[]).0, Some(3));
    assert_eq!(machine.log("cargo"), asked);
}

/// The job for GitLab keeps what it has installed, for its own image, and starts the script above.
#[test]
fn the_cache_of_the_job_for_gitlab_belongs_to_its_image() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/ci/gitlab-ci.yml");
    let job = fs::read_to_string(path).unwrap();
    let value = |key: &str| {
        let mut values = job.lines().filter_map(|line| line.trim().strip_prefix(key));
        values.next().unwrap_or_else(|| panic!("no {key}")).trim().to_owned()
    };
    assert_eq!(value("key:"), format!("loadline-{}", value("image:").replace(':', "-")));
    let (_, cache) = job.split_once("cache:").unwrap();
    let (cache, _) = cache.split_once("script:").unwrap();
    assert!(cache.contains("when: always"), "{cache}");
    assert!(job.contains("loadline/regress.sh ${CI_MERGE_REQUEST_DIFF_BASE_SHA:-}"), "{job}");
}

/// `.ci/run` with stand-ins for what it starts.
#[test]
fn each_step_of_ci_says_how_long_it_took() {
    let machine = Machine::new();
    for program in ["sudo", "apt-get", "python3", "ls"] {
        machine.project.script(&format!("bin/{program}"), "#!/bin/sh\nexit 1\n");
    }
    let run =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/run")).unwrap();
    fs::create_dir(machine.repository().join(".ci")).unwrap();
    machine.project.script("a runner/repository/.ci/run", &run);
    machine.project.script("a runner/repository/.ci/subjects", "#!/bin/sh\n");
    let steps: Vec<&str> = run
        .lines()
        .filter_map(|line| line.strip_prefix("step ")?.split_whitespace().next())
        .collect();
    assert!(steps.len() > 5, "{steps:?}");

    let fetches_nothing = "#!/bin/sh\nif [ \"$2\" = fetch ]; then exit 8; fi\n\
        mkdir -p target/skipped; echo \"a_test: no valgrind\" >> target/skipped/it\n";
    machine.project.script("bin/cargo", fetches_nothing);
    machine.project.write("a runner/repository/target/skipped/it", "a_test: of the run before\n");
    let said = machine.shell(".ci/run", &[]);
    assert!(said.status.success(), "{said:?}");
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("== skipped tests, and why\na_test: no valgrind\n\n=="), "{said}");
    let ends = said.lines().filter(|line| line.starts_with("== ") && line.ends_with(" s"));
    let n_ends = ends.filter(|line| line.contains(": ")).count();
    let (_, list) = said.split_once("== seconds of each step\n").unwrap();
    // All that are written at the start of a line, `env … cargo doc` among them, and the fetch.
    assert_eq!(list.lines().count(), steps.len() + 1, "{said}");
    assert_eq!(n_ends, steps.len() + 1, "{said}");

    let fails = "#!/bin/sh\nif [ \"$1\" = clippy ] && [ \"$2\" != --version ]; then exit 101; fi\n";
    machine.project.script("bin/cargo", fails);
    let said = machine.shell(".ci/run", &[]);
    assert_eq!(said.status.code(), Some(101));
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.trim_end().ends_with(" s: cargo clippy --workspace --all-targets -- -D warnings"));
}
