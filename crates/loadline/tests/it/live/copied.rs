//! The files of `examples/` that people copy next to their programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::SCENARIO;
use crate::common::Project;
use loadline_scenario::{Scenario, Workload};

/// A file of `examples/` to copy, and a program that uses it: two phases, each with a count.
struct Language {
    name: &'static str,
    /// Whether the machine has what the language needs: a command that succeeds.
    needs: &'static [&'static str],
    file: &'static str,
    program: (&'static str, &'static str),
    /// What is done once before the program can be started.
    build: &'static [&'static str],
    command: &'static str,
}

const LANGUAGES: [Language; 4] = [
    Language {
        name: "python",
        needs: &["python3", "--version"],
        file: "loadline.py",
        program: (
            "host.py",
            "import sys\nfrom loadline import phase\nn = int(sys.argv[1])\n\
             with phase('load'):\n    print(f'loadline:metric=items:{n}:count', flush=True)\n\
             with phase('unload'):\n    print(f'loadline:metric=items:{2 * n}:count', flush=True)\n\
             print(f'loadline:check={n} done')\n",
        ),
        build: &[],
        command: r#"["python3", "host.py", "{n}"]"#,
    },
    Language {
        name: "javascript",
        needs: &["node", "--version"],
        file: "loadline.js",
        program: (
            "host.js",
            "const { phase } = require('./loadline');\nconst n = Number(process.argv[2]);\n\
             phase('load', () => console.log(`loadline:metric=items:${n}:count`));\n\
             phase('unload', async () => console.log(`loadline:metric=items:${2 * n}:count`))\n\
             .then(() => console.log(`loadline:check=${n} done`));\n",
        ),
        build: &[],
        command: r#"["node", "host.js", "{n}"]"#,
    },
    Language {
        name: "c",
        needs: &["cc", "--version"],
        file: "loadline.h",
        program: (
            "host.c",
            "#include \"loadline.h\"\nint main(int argc, char **argv) {\n\
             long n = argc > 1 ? atol(argv[1]) : 0;\n\
             loadline_begin(\"load\"); printf(\"loadline:metric=items:%ld:count\\n\", n); loadline_end(\"load\");\n\
             loadline_begin(\"unload\"); printf(\"loadline:metric=items:%ld:count\\n\", 2 * n); loadline_end(\"unload\");\n\
             printf(\"loadline:check=%ld done\\n\", n);\n}\n",
        ),
        build: &["cc", "-Wall", "-Wextra", "-Werror", "-o", "host", "host.c"],
        command: r#"["./host", "{n}"]"#,
    },
    Language {
        name: "go",
        needs: &["go", "version"],
        file: "loadline.go",
        program: (
            "host.go",
            "package main\nimport (\n\"fmt\"\n\"os\"\n\"strconv\"\n)\nfunc main() {\n\
             n, _ := strconv.Atoi(os.Args[1])\n\
             Phase(\"load\", func() { fmt.Printf(\"loadline:metric=items:%d:count\\n\", n) })\n\
             Phase(\"unload\", func() { fmt.Printf(\"loadline:metric=items:%d:count\\n\", 2*n) })\n\
             fmt.Printf(\"loadline:check=%d done\\n\", n)\n}\n",
        ),
        build: &["go", "build", "-o", "host", "host.go", "loadline.go"],
        command: r#"["./host", "{n}"]"#,
    },
];

impl Language {
    fn is_here(&self) -> bool {
        Command::new(self.needs[0])
            .args(&self.needs[1..])
            .output()
            .is_ok_and(|o| o.status.success())
    }

    fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(self.file)
    }
}

#[test]
fn files_to_copy_are_short() {
    for language in &LANGUAGES {
        let lines = fs::read_to_string(language.path()).unwrap().lines().count();
        assert!(lines <= 30, "{} has {lines} lines", language.file);
    }
}

#[test]
fn each_file_to_copy_marks_acknowledged_phases() {
    let project = Project::empty();
    for language in &LANGUAGES {
        if !language.is_here() {
            loadline_testing::skip!("{} is not installed", language.needs[0]);
            continue;
        }
        let Language { name, file, program, .. } = language;
        project.write(&format!("{name}/{file}"), fs::read(language.path()).unwrap());
        project.write(&format!("{name}/{}", program.0), program.1);
        if let [compiler, arguments @ ..] = language.build {
            let mut build = Command::new(compiler);
            let output = build.args(arguments).current_dir(project.path(name)).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let scenario = SCENARIO
            .replace(r#"["sh", "load.sh", "{n}"]"#, language.command)
            .replace("check =", &format!("directory = {name:?}\nacknowledge = true\ncheck ="))
            .replace("inherit = [\"GIVEN\", \"ABSENT\"]", "inherit = [\"PATH\", \"HOME\"]");
        project.write(&format!("xtask/scenarios/{name}.toml"), scenario);
    }
    let said = project.run(&["regress", "-v", "--budget", "0"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let n_series = 2 * LANGUAGES.iter().filter(|language| language.is_here()).count();
    assert!(said.stdout.contains(&format!("{n_series} pass")), "{}", said.stdout);
}

/// They need programs that are not here; that they can be read is seen without.
#[test]
fn every_example_is_a_command() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/xtask/scenarios");
    let paths: Vec<_> =
        fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(paths.len(), 2);
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let scenario = Scenario::parse(name, &fs::read_to_string(&path).unwrap());
        let scenario = scenario.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(matches!(scenario.workload, Workload::Command(_)), "{name}");
        assert!(scenario.question.ends_with('?') && scenario.control.is_some(), "{name}");
    }
}
