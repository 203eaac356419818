//! A program in the runner's place: the real runner, of which some answers are changed.

use std::path::Path;
use std::process::Command;

use super::{Project, Said};

/// A project of one scenario, `tiny`, whose runs go through a shell script.
pub struct Imposter {
    pub project: Project,
}

impl Imposter {
    /// `deeds` are pairs of an N and what the shell does instead of measuring at that N. The shell finds
    /// the path of the real runner in `$real` and the request in `$request`.
    pub fn new(scenario: &str, deeds: &[(usize, &str)]) -> Imposter {
        let deeds = deeds.iter().map(|(n, deed)| format!("*'\"modules\":{n},'*) {deed} ;;\n"));
        let deeds: String = deeds.collect();
        let measure =
            format!("case \"$request\" in\n{deeds}esac\nprintf '%s' \"$request\" | exec $real\n");
        Imposter::measuring_by(scenario, &measure)
    }

    /// Every run works for real, and every time that it reads is made up, so that verdicts on times are
    /// the same on every machine. `nanoseconds` is a formula of awk over `n`, the number of modules, and
    /// `request`. The self-check of times is made up as well: its work is not done, and its CPU time is
    /// what that work should take. An empty phase takes [`EMPTY_NS`].
    pub fn with_clock(scenario: &str, nanoseconds: &str) -> Imposter {
        let awk = format!(
            r#"
function field(name) {{
    if (!match(request, "\"" name "\":[0-9]+")) return 0
    return substr(request, RSTART + length(name) + 3, RLENGTH - length(name) - 3) + 0
}}
BEGIN {{
    request = ENVIRON["request"]
    n = field("modules")
    share = field("quadratic_percent") / 100
    time = {nanoseconds}
    largest = field("largest")
    is_check = request ~ /"work":"cpu"/
    if (is_check) time = 200000 * n * (1 + share / (1 - share) * n / largest)
    if (n == 0) time = {EMPTY_NS}
}}
is_check {{
    units = n * 1000 + int(share / (1 - share) * n * n * 1000 / largest + 1e-6)
    sub(/"known_work":[0-9]+/, sprintf("\"known_work\":%.0f", units))
    sub(/"modules":1,/, sprintf("\"modules\":%d,", n))
}}
/"metric":"(task-clock|wall-time)"/ {{
    sub(/"reading":\{{[^}}]*\}}/, sprintf("\"reading\":{{\"exact\":%.0f}}", time))
}}
{{ print }}
"#
        );
        let measure = format!(
            "case $request in *'\"work\":\"cpu\"'*) asked=$(echo \"$request\" | sed 's/\"modules\":[1-9][0-9]*/\"modules\":1/') ;; *) asked=$request ;; esac\n\
             printf '%s' \"$asked\" | $real | request=\"$request\" awk '{awk}'\n"
        );
        Imposter::measuring_by(scenario, &measure)
    }

    /// `measure` is what the shell does for each run.
    fn measuring_by(scenario: &str, measure: &str) -> Imposter {
        let project = Project::empty();
        project.write("xtask/scenarios/tiny.toml", scenario);
        // Builds the real runner, next to this program.
        let listed = project.run(&["list"]);
        assert_eq!(listed.code, Some(0), "{}", listed.stderr);
        let real = Path::new(env!("CARGO_BIN_EXE_loadline")).with_file_name("loadline-runner");
        let real = real.display();
        let runner = format!(
            "#!/bin/sh\nreal={real}\nrequest=$(cat)\n\
             case \"$request\" in *'\"measure\"'*) ;; *) printf '%s' \"$request\" | exec $real; exit ;; esac\n\
             {measure}"
        );
        project.script("runner", &runner);
        Imposter { project }
    }

    pub fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.xtask(arguments);
        command.env("LOADLINE_RUNNER", self.project.path("runner"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        self.project.said(self.xtask(arguments).output().unwrap())
    }
}

/// What an empty phase takes by the clock that is made up, in nanoseconds.
pub const EMPTY_NS: u64 = 500;
