//! Fresh repositories of programs in several languages, each with one commit that makes it quadratic:
//! red against the commit before, green against itself, and found by a bisection.
//!
//! The difference is huge, and the session's check of itself is made up, so that no outcome depends on
//! how busy the machine is.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Instant;

use common::installed::Installed;

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
    ladder: &'static str,
}

const HOSTS: [Host; 4] = [
    Host {
        language: "C",
        needs: "cc",
        file: "host.c",
        linear: "#include <stdlib.h>\nvolatile long sum;\nstatic void spin(long n) { for (long k = 0; k < n; k++) sum += k; }\nint main(int c, char **v) {\n  long n = atol(v[c - 1]);\n  for (long i = 0; i < n; i++) spin(20000);\n  return 0;\n}\n",
        quadratic: "#include <stdlib.h>\nvolatile long sum;\nstatic void spin(long n) { for (long k = 0; k < n; k++) sum += k; }\nint main(int c, char **v) {\n  long n = atol(v[c - 1]);\n  for (long i = 0; i < n; i++) spin(20000 + 100 * i);\n  return 0;\n}\n",
        build: "build = [\"cc\", \"-o\", \"host\", \"host.c\"]\n",
        command: "\"./host\", \"{n}\"",
        ladder: "128, 256, 512, 1024, 2048",
    },
    Host {
        language: "shell with sqlite3",
        needs: "sqlite3",
        file: "host.sh",
        linear: "sqlite3 :memory: \"CREATE TABLE t(x); CREATE INDEX i ON t(x); PRAGMA automatic_index = off; WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < $1) INSERT INTO t SELECT x FROM c; SELECT count(*) FROM t a JOIN t b ON b.x = a.x\"\n",
        quadratic: "sqlite3 :memory: \"CREATE TABLE t(x); PRAGMA automatic_index = off; WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < $1) INSERT INTO t SELECT x FROM c; SELECT count(*) FROM t a JOIN t b ON b.x = a.x\"\n",
        build: "",
        command: "\"sh\", \"host.sh\", \"{n}\"",
        ladder: "256, 512, 1024, 2048, 4096",
    },
    Host {
        language: "JavaScript",
        needs: "node",
        file: "host.js",
        linear: "let sum = 0;\nfor (let i = 0; i < +process.argv[2]; i++) for (let k = 0; k < 20000; k++) sum += k % 7;\nconsole.log(sum);\n",
        quadratic: "let sum = 0;\nfor (let i = 0; i < +process.argv[2]; i++) for (let k = 0; k < 20000 + 200 * i; k++) sum += k % 7;\nconsole.log(sum);\n",
        build: "",
        command: "\"node\", \"host.js\", \"{n}\"",
        ladder: "128, 256, 512, 1024, 2048",
    },
    Host {
        language: "Python",
        needs: "python3",
        file: "host.py",
        linear: "import sys\nfor i in range(int(sys.argv[1])):\n    sum(range(2000))\n",
        quadratic: "import sys\nfor i in range(int(sys.argv[1])):\n    sum(range(2000 + 20 * i))\n",
        build: "",
        command: "\"python3\", \"host.py\", \"{n}\"",
        ladder: "128, 256, 512, 1024, 2048",
    },
];

impl Host {
    fn is_here(&self) -> bool {
        let path = std::env::split_paths("/usr/local/bin:/usr/bin:/bin");
        let is_here = path.into_iter().any(|folder| folder.join(self.needs).is_file());
        if !is_here {
            println!("skipped: {}: {} is not installed", self.language, self.needs);
        }
        is_here
    }

    /// A repository with this host, linear and committed.
    fn repository(&self) -> Installed {
        let installed = Installed::sure();
        let settings = "format = 1\nscenarios = \"perf\"\noutput = \"out\"\n";
        installed.write("loadline.toml", &format!("{settings}{}", self.build));
        let scenario = format!(
            "format = 1\nquestion = \"Does our host stay linear?\"\nexpectation = \"It does.\"\ncommand = [{}]\njudge = [\"run/task-clock\"]\nprocesses = 5\nladder = [{}]\n",
            self.command, self.ladder
        );
        installed.write("perf/host.toml", &scenario);
        installed.write(".gitignore", "/out\n/host\n");
        installed.write(self.file, self.linear);
        installed.commit("linear");
        installed
    }
}

#[test]
#[ignore = "slow: measures four hosts (minutes)"]
fn a_quadratic_commit_is_red_in_every_language() {
    for host in HOSTS.iter().filter(|host| host.is_here()) {
        let installed = host.repository();
        installed.write(host.file, host.quadratic);
        installed.commit("quadratic");
        let started = Instant::now();
        // A busy machine needs more repetitions than a quiet one.
        let worse = installed.loadline(&["regress", "--against", "HEAD~1", "--budget", "300"]);
        let seconds = started.elapsed().as_secs();
        println!("{}: exit {:?} after {seconds} s", host.language, worse.code);
        assert_eq!(worse.code, Some(3), "{}: {}", host.language, worse.refusal());
        assert!(worse.stdout.contains("REGRESSED"), "{}: {}", host.language, worse.stdout);
        let same = installed.loadline(&["regress", "--against", "HEAD"]);
        assert_eq!(same.code, Some(0), "{}: {}", host.language, same.refusal());
    }
}

#[test]
#[ignore = "slow: measures a host at several commits (a minute)"]
fn a_bisection_finds_the_commit_among_eight() {
    let Some(host) = HOSTS.iter().find(|host| host.is_here()) else { return };
    let installed = host.repository();
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
