//! Arguments of the verbs that measure: regress, baseline and calibrate.

use loadline_record::{Shard, Surroundings};
use std::path::PathBuf;

use clap::Args;
use loadline_record::reproduce::Again;
use loadline_scenario::Unwinder;

use crate::outputs::Outputs;
use loadline_measure::builds::against::OtherAsked;
use loadline_measure::project::selection::Choice;
use loadline_record::header::Asked;

/// What is measured, and how.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// Scenarios to measure, by their own name or their group's (the default suite when none is
    /// named); NAME:KEY=VALUE names a variant
    #[arg(value_name = "NAME|GROUP")]
    pub names: Vec<String>,

    /// Measure all scenarios, not those of the default suite alone
    #[arg(long, conflicts_with = "names")]
    pub complete: bool,

    /// Change one field of the scenarios; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// The unwinder to measure under: the machine's own, the newest LLVM libunwind that is
    /// installed, or a library to preload into the runner. A scenario that names one itself is
    /// measured under that
    #[arg(long, value_name = "host|llvm|PATH", default_value = "host")]
    pub unwinder: Unwinder,

    /// Keep the measured processes on these processors, as in 0,1 (default: wherever the system
    /// puts them)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub processors: Vec<usize>,

    /// The repository with scenarios and baselines (default: this workspace; of an installed program
    /// the nearest one with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Decides the order of runs; a session prints the one it used
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

    /// Judge against another scenario's or variant's baseline, or a baseline file
    #[arg(long, value_name = "NAME|FILE")]
    pub baseline: Option<String>,

    /// Check out and build this git revision, too, and judge against it: both are measured in turn,
    /// run by run
    #[arg(long, value_name = "REV", conflicts_with_all = ["baseline", "against_wasmtime", "resume", "shard"])]
    pub against: Option<String>,

    /// Build the same sources on another Wasmtime (a version of the registry, a checkout, or a
    /// commit of its repository), and judge the newer against the older; a checkout or a commit
    /// counts as newer
    #[arg(long, value_name = "VERSION|path:DIR|git:REV", conflicts_with_all = ["baseline", "resume", "shard"])]
    pub against_wasmtime: Option<String>,

    /// The workspace whose runner is measured (default: the one this was built from)
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub sources: Option<PathBuf>,

    /// End as `git bisect run` wants it: whatever gave no verdict is skipped, not bad
    #[arg(long, conflicts_with = "resume")]
    pub bisect: bool,

    /// Seconds of measuring within which undecided series get more rounds or a larger N; the rounds
    /// of the scenarios are measured in any case (default: `budget_seconds` of loadline.toml, else what the scenarios ask for, together)
    #[arg(long, value_name = "SECONDS")]
    pub budget: Option<u64>,

    /// Take up a session that was ended (default: the newest unfinished one): finished runs are
    /// kept, failed ones carried out anew; everything else is as the session was asked
    #[arg(
        long,
        value_name = "SESSION",
        num_args = 0..=1,
        conflicts_with_all = ["names", "complete", "set", "unwinder", "processors", "seed", "baseline", "budget", "shard"]
    )]
    pub resume: Option<Option<PathBuf>>,

    /// Measure part I of K of the scenarios; `merge` judges the parts as one. Without
    /// --seed all parts have the same
    #[arg(long, value_name = "I/K")]
    pub shard: Option<Shard>,

    /// Measure under each of these unwinders, one session each, and show their growth side by side;
    /// all: those that are here, which `list` shows
    #[arg(
        long,
        value_name = "all|LIST",
        value_delimiter = ',',
        conflicts_with_all = ["unwinder", "against", "against_wasmtime", "bisect", "resume", "shard"]
    )]
    pub unwinders: Vec<String>,

    #[command(flatten)]
    pub outputs: Outputs,

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
        if self.bisect {
            flags.push("--bisect".to_owned());
        }
        let root = selection.root.as_ref().map(|path| path.display().to_string());
        Again::new(flags, self.baseline.clone(), root)
    }
}

/// What the exit code tells beside a regression.
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

    /// Whether sizes are asked for, by `--set` or in a scenario's name.
    pub fn sets_ladder(&self) -> bool {
        let in_name = |name: &String| name.split_once(':').map(|(_, changes)| changes.to_owned());
        let all = self.set.iter().cloned().chain(self.names.iter().filter_map(in_name));
        let is_ladder = |change: &str| change.trim_start().starts_with("ladder");
        all.into_iter().any(|changes| changes.split(',').any(is_ladder))
    }

    /// What the measured processes run under, `unwinder` being what was decided for them.
    pub fn surroundings(&self, unwinder: &Unwinder) -> Surroundings {
        Surroundings { unwinder: unwinder.clone(), processors: self.processors.clone() }
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

    /// Why the baseline is written; stands in the file for those who review it
    #[arg(long, value_name = "TEXT", required_unless_present = "resume")]
    pub reason: Option<String>,

    /// Accept growth up to N² that is not in the scenario's file yet: add it there as a known issue,
    /// with --reason, a link and an end
    #[arg(long, requires_all = ["link", "expires"])]
    pub accept_superlinear: bool,

    /// Where the accepted growth is reported
    #[arg(long, value_name = "URL", requires = "accept_superlinear")]
    pub link: Option<String>,

    /// The first day, or the first version of a component, on which the growth is no longer
    /// accepted: 2027-06-30, "wasmtime 52"
    #[arg(long, value_name = "DATE|VERSION", requires = "accept_superlinear")]
    pub expires: Option<String>,

    /// Take up a session that was ended (default: the newest unfinished one): finished runs are
    /// kept, failed ones carried out anew, sizes and --reason are the session's
    #[arg(
        long,
        value_name = "SESSION",
        num_args = 0..=1,
        conflicts_with_all = ["names", "complete", "set", "unwinder", "processors", "seed"]
    )]
    pub resume: Option<Option<PathBuf>>,
}

#[derive(Debug, Args)]
pub struct Calibrate {
    #[command(flatten)]
    pub selection: Selection,

    /// Store nothing: report each unchanged series that is called worse, which is a false alarm
    #[arg(long)]
    pub check: bool,

    #[command(flatten)]
    pub outputs: Outputs,

    #[command(flatten)]
    pub strictness: Strictness,
}
