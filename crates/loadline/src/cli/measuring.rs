//! Arguments of the verbs that measure: regress, baseline and calibrate.

use loadline_record::{Error, Exit, Machine, Shard};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use loadline_record::reproduce::Again;
use loadline_scenario::Unwinder;

use crate::outputs::{Form, Outputs};
use loadline_measure::builds::against::OtherAsked;
use loadline_measure::process::unwinders;
use loadline_measure::project::folders::Project;
use loadline_measure::project::selection::Choice;
use loadline_record::header::Asked;

/// What `--unwinder` may name.
#[derive(Debug, Clone)]
pub enum AskedUnwinder {
    /// Every unwinder of this machine, as `list` shows them.
    All,
    /// One unwinder.
    One(Unwinder),
}

impl FromStr for AskedUnwinder {
    type Err = <Unwinder as FromStr>::Err;

    fn from_str(text: &str) -> Result<AskedUnwinder, Self::Err> {
        match text {
            "all" => Ok(AskedUnwinder::All),
            one => one.parse().map(AskedUnwinder::One),
        }
    }
}

/// What is measured, and how.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// Measure these scenarios, named by themselves, by their group or by a glob such as 'load-*'
    /// (default: the default suite); NAME:KEY=VALUE names a variant
    #[arg(value_name = "NAME|GROUP|GLOB")]
    pub names: Vec<String>,

    /// Measure all scenarios, not only the default suite
    #[arg(long, conflicts_with = "names")]
    pub complete: bool,

    /// Change a field of the scenarios; repeat it for several
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Measure under this unwinder: the machine's own, the newest LLVM libunwind that is installed,
    /// a library to preload into the runner, or all of them; repeat it for several (default: host).
    /// Several get one session each, and a table compares them
    #[arg(long = "unwinder", value_name = "host|llvm|PATH|all")]
    pub unwinders: Vec<AskedUnwinder>,

    /// Keep the measured processes on these CPUs, as in 0,1 (default: the system chooses)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub processors: Vec<usize>,

    /// Use the repository in this folder (default: this workspace; for an installed program, the nearest
    /// folder with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Order the runs by this number; a session prints the number that it used
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// Refuse, rather than wait, while another session measures on this machine
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 nothing regressed; 1 could not measure; 2 usage; 3 regressed; 4 undecided, not
measured, superlinear but not gated, or a known issue no longer seen (with --strict); 5 baseline
missing (with --require-baseline); 6 self-check failed or missing; 7 nothing selected; 130
interrupted. With --bisect: 0 good, 3 bad, 125 skip (no verdict, a side that cannot be built or
started, or a commit without the scenario), 128 a mistake in the command line.")]
pub struct Regress {
    #[command(flatten)]
    pub selection: Selection,

    /// Judge against the baseline of another scenario or variant, or a baseline file
    #[arg(long, value_name = "NAME|FILE")]
    pub baseline: Option<String>,

    /// Check out and build this git revision as well, measure both in turn, and judge against it
    #[arg(long, value_name = "REV", conflicts_with_all = ["baseline", "against_wasmtime", "resume", "shard"])]
    pub against: Option<String>,

    /// Build the same sources on another Wasmtime (a version of the registry, a checkout, or a
    /// commit of its repository), and judge the newer against the older; a checkout or a commit
    /// counts as newer
    #[arg(long, value_name = "VERSION|path:DIR|git:REV", conflicts_with_all = ["baseline", "resume", "shard"])]
    pub against_wasmtime: Option<String>,

    /// Measure the runner of this workspace (default: the workspace that this program was built from)
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub sources: Option<PathBuf>,

    /// Exit as `git bisect run` expects: a commit without a verdict is skipped, not bad
    #[arg(long, conflicts_with = "resume")]
    pub bisect: bool,

    /// Print the plan: scenarios, sizes, repetitions, what is counted, the estimated time, and what
    /// is left out. Builds what it needs and measures nothing
    #[arg(long, conflicts_with = "resume")]
    pub dry_run: bool,

    /// Judge exact counts only, with the self-check: no times, five sizes up to 4,096, and no control
    /// of a scenario that has a baseline
    #[arg(long, conflicts_with = "resume")]
    pub quick: bool,

    /// Measure undecided series further, with more repetitions or a larger N, for this many seconds in
    /// all; the repetitions of the scenarios are measured in any case (default: budget_seconds of
    /// loadline.toml, or the sum of the scenarios' own)
    #[arg(long, value_name = "SECONDS")]
    pub budget: Option<u64>,

    /// Resume a session that ended early (default: the newest unfinished one): keep its finished runs,
    /// repeat the failed ones, and use the session's own options
    #[arg(
        long,
        value_name = "SESSION",
        num_args = 0..=1,
        conflicts_with_all = ["names", "complete", "set", "unwinders", "processors", "seed", "baseline", "budget", "shard"]
    )]
    pub resume: Option<Option<PathBuf>>,

    /// Measure part I of K of the scenarios; `merge` judges the parts as one. Without --seed all parts
    /// have the same seed
    #[arg(long, value_name = "I/K")]
    pub shard: Option<Shard>,

    #[command(flatten)]
    pub outputs: Outputs<Form>,

    #[command(flatten)]
    pub strictness: Strictness,
}

impl Regress {
    /// Which build is judged, and what it is compared with.
    pub fn other(&self) -> OtherAsked {
        let Regress { against, against_wasmtime, sources, .. } = self;
        OtherAsked {
            against: against.clone(),
            against_wasmtime: against_wasmtime.clone(),
            sources: sources.clone(),
        }
    }

    /// The strictness of the exit code. In a bisection, an undecided series is not good.
    pub fn strictness(&self) -> loadline_record::Strictness {
        let asked = loadline_record::Strictness::from(&self.strictness);
        let inconclusive = asked.inconclusive || self.bisect;
        loadline_record::Strictness { inconclusive, ..asked }
    }

    /// The flags that ask for the same again, measured under `unwinder`.
    pub fn again(&self, unwinder: &Unwinder) -> Again {
        let selection = &self.selection;
        let mut flags = Vec::new();
        let mut add = |flag: &str, value: Option<String>| {
            if let Some(value) = value {
                flags.extend([flag.to_owned(), value]);
            }
        };
        add("--unwinder", (*unwinder != Unwinder::Host).then(|| unwinder.to_string()));
        let processors: Vec<String> = selection.processors.iter().map(usize::to_string).collect();
        add("--processors", (!processors.is_empty()).then(|| processors.join(",")));
        add("--sources", self.sources.as_ref().map(|path| path.display().to_string()));
        add("--budget", self.budget.map(|seconds| seconds.to_string()));
        for (is_asked, flag) in [(self.bisect, "--bisect"), (self.quick, "--quick")] {
            flags.extend(is_asked.then(|| flag.to_owned()));
        }
        let root = selection.root.as_ref().map(|path| path.display().to_string());
        Again::new(flags, self.baseline.clone(), root)
    }
}

/// What the exit code says in addition to a regression.
#[derive(Debug, Args)]
pub struct Strictness {
    /// Exit with 4 when a series stays undecided, is not measured or is superlinear with nothing to
    /// compare it with, or when a known issue is no longer seen
    #[arg(long)]
    pub strict: bool,

    /// Exit with 5 when a series has no baseline for this environment
    #[arg(long)]
    pub require_baseline: bool,
}

impl Selection {
    /// Which scenarios are asked for.
    pub fn choice(&self) -> Choice {
        let Selection { names, complete, set, .. } = self.clone();
        Choice { names, complete, set }
    }

    /// Whether more than one unwinder may be meant.
    pub fn has_several_unwinders(&self) -> bool {
        matches!(self.unwinders.as_slice(), [AskedUnwinder::All] | [_, _, ..])
    }

    /// The unwinders to measure under. Without `--unwinder` it is the machine's own.
    pub fn unwinders(&self, project: &Project) -> Vec<Unwinder> {
        let all = self.unwinders.iter().flat_map(|asked| match asked {
            AskedUnwinder::All => unwinders::here(&project.unwinders()),
            AskedUnwinder::One(one) => vec![one.clone()],
        });
        match all.collect::<Vec<_>>() {
            none if none.is_empty() => vec![Unwinder::Host],
            all => unwinders::distinct(all),
        }
    }

    /// The single unwinder of a verb that measures one session.
    ///
    /// # Errors
    /// When several are named.
    pub fn unwinder(&self, project: &Project) -> loadline_record::Result<Unwinder> {
        if self.has_several_unwinders() {
            let text = "this verb measures under one unwinder, and --unwinder names several";
            return Err(Error::new(Exit::Usage, text));
        }
        Ok(self.unwinders(project).swap_remove(0))
    }

    /// Whether sizes are asked for, by `--set` or in a scenario's name.
    pub fn sets_sizes(&self) -> bool {
        let in_name = |name: &String| name.split_once(':').map(|(_, changes)| changes.to_owned());
        let all = self.set.iter().cloned().chain(self.names.iter().filter_map(in_name));
        let is_sizes = |change: &str| change.trim_start().starts_with("sizes");
        all.into_iter().any(|changes| changes.split(',').any(is_sizes))
    }

    /// What the measured processes run under, `unwinder` being what was decided for them.
    pub fn machine(&self, unwinder: &Unwinder) -> Machine {
        Machine { unwinder: unwinder.clone(), processors: self.processors.clone() }
    }
}

impl Strictness {
    /// What is asked for now, and what the session was asked for when it began.
    pub fn or_asked(&self, asked: &Asked) -> Strictness {
        Strictness {
            strict: self.strict || asked.strict,
            require_baseline: self.require_baseline || asked.require_baseline,
        }
    }
}

impl From<&Strictness> for loadline_record::Strictness {
    fn from(asked: &Strictness) -> loadline_record::Strictness {
        loadline_record::Strictness {
            inconclusive: asked.strict,
            no_baseline: asked.require_baseline,
        }
    }
}

impl From<Strictness> for loadline_record::Strictness {
    fn from(asked: Strictness) -> loadline_record::Strictness {
        (&asked).into()
    }
}

#[derive(Debug, Args)]
pub struct Baseline {
    #[command(flatten)]
    pub selection: Selection,

    /// Say why the baseline is written; reviewers find it in the file
    #[arg(long, value_name = "TEXT", required_unless_present = "resume")]
    pub reason: Option<String>,

    /// Accept growth up to N² that is not in the scenario's file yet: add it there as a known issue, with
    /// --reason, --link and --expires
    #[arg(long, requires_all = ["link", "expires"])]
    pub accept_superlinear: bool,

    /// Link to the report of the accepted growth
    #[arg(long, value_name = "URL", requires = "accept_superlinear")]
    pub link: Option<String>,

    /// Let the known issue expire on this day or with this version of a component: 2027-06-30, "wasmtime
    /// 52"
    #[arg(long, value_name = "DATE|VERSION", requires = "accept_superlinear")]
    pub expires: Option<String>,

    /// Resume a session that ended early (default: the newest unfinished one): keep its finished runs,
    /// repeat the failed ones, and use the session's own sizes and --reason
    #[arg(
        long,
        value_name = "SESSION",
        num_args = 0..=1,
        conflicts_with_all = ["names", "complete", "set", "unwinders", "processors", "seed"]
    )]
    pub resume: Option<Option<PathBuf>>,
}

#[derive(Debug, Args)]
pub struct Calibrate {
    #[command(flatten)]
    pub selection: Selection,

    /// Store nothing, and report each unchanged series that is judged worse, which is a false alarm
    #[arg(long)]
    pub check: bool,

    #[command(flatten)]
    pub outputs: Outputs<Form>,

    #[command(flatten)]
    pub strictness: Strictness,
}
