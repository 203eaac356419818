//! Arguments and their help, one struct a verb.

mod measuring;

pub use measuring::{AskedUnwinder, Baseline, Calibrate, Regress, Selection, Strictness};

use loadline_record::{PROGRAM, Result};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use loadline_scenario::Unwinder;

use crate::outputs::{Form, Outputs, TextOnly, TextOrJson};
use crate::screen::Screen;
use loadline_measure::out;
use loadline_record::recipe;

/// Measure how the cost of a program, or of loading and unloading Wasmtime modules, grows with N, and
/// fail when it has become superlinear
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,

    #[command(flatten)]
    pub screen: Screen,
}

impl Cli {
    /// The arguments that this program was started with.
    ///
    /// # Errors
    /// When they mean nothing, or ask for help or the version.
    pub fn read() -> Result<Cli, clap::Error> {
        Cli::from_arg_matches(&Cli::by_name().try_get_matches()?)
    }

    /// What there is to type, under the name the user types.
    pub fn by_name() -> clap::Command {
        Cli::command().name(PROGRAM.name()).bin_name(PROGRAM.name())
    }
}

/// Flags of earlier versions, each with the new one.
const RENAMED: [(&str, &str); 3] = [
    ("--report", "--format FORMAT --output FILE"),
    ("--json", "--format json"),
    ("--unwinders", "--unwinder NAME, repeated for several; --unwinder all"),
];

/// Prints what clap says, help included, to the stream where it belongs.
pub fn print(error: &clap::Error) {
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if error.kind() == ErrorKind::UnknownArgument => flag,
        _ => "",
    };
    let flag = unknown.split('=').next().unwrap_or_default();
    if let Some((old, new)) = RENAMED.iter().find(|(old, _)| *old == flag) {
        out::error(format_args!("error: {old} is now {new}"));
        return;
    }
    // There is no other stream to report a failure on.
    let _ = error.print();
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Measure scenarios and judge their growth against the baselines
    Regress(Regress),
    /// Measure scenarios and write their baselines
    Baseline(Baseline),
    /// Measure unchanged code twice, and store how much its costs jitter on this machine
    Calibrate(Calibrate),
    /// Show which functions a scenario's cost goes to, which of them grow, and what to do
    Explain(Explain),
    /// Judge a saved session again, without measuring
    Report(Report),
    /// Judge the sessions of all shards as one
    Merge(Merge),
    /// List the scenarios, or describe those that are named
    List(List),
    /// Compare two sessions, baselines, revisions or variants
    Diff(Diff),
    /// Show how a scenario's scaling changed, by commit and by session
    History(History),
    /// Judge how numbers of another tool grow
    Judge(Judge),
    /// List the saved sessions, or remove old ones
    #[command(subcommand)]
    Sessions(Sessions),
    /// Use npm to fetch the real modules that scenarios load, and check them
    Fetch(Fetch),
    /// Find a repository's program, write a scenario and a workflow for it, and run it once
    Init(Init),
    /// Print a script that lets a shell complete the command line
    Completions(Completions),
}

#[derive(Debug, Args)]
pub struct Report {
    /// Judge this session: its folder, or its name as sessions list prints it
    #[arg(value_name = "SESSION")]
    pub session: PathBuf,

    #[command(flatten)]
    pub outputs: Outputs<Form>,

    /// Judge against the baseline of another scenario or variant, or a baseline file
    #[arg(long, value_name = "NAME|FILE")]
    pub baseline: Option<String>,

    /// Use the repository in this folder (default: this workspace; for an installed program, the nearest
    /// folder with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    #[command(flatten)]
    pub strictness: Strictness,
}

#[derive(Debug, Args)]
pub struct Merge {
    /// Judge these sessions: the folders of all shards
    #[arg(value_name = "SESSION", required = true)]
    pub sessions: Vec<PathBuf>,

    /// Judge against the baseline of another scenario or variant, or a baseline file (default: the one
    /// that the shards were asked for)
    #[arg(long, value_name = "NAME|FILE")]
    pub baseline: Option<String>,

    /// Use the repository in this folder (default: this workspace; for an installed program, the nearest
    /// folder with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    #[command(flatten)]
    pub outputs: Outputs<Form>,

    #[command(flatten)]
    pub strictness: Strictness,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 all files are there; 1 a package or file differs from the recipe, or cannot be written;
2 usage; 8 npm is missing or gave no package; 130 interrupted.")]
pub struct Fetch {
    /// Fetch the packages and files of this recipe, relative to the root of the repository
    #[arg(value_name = "FILE", default_value = recipe::DEFAULT)]
    pub recipe: PathBuf,

    /// Use the repository in this folder (default: the workspace that this program was built from)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// List every session with its state, size and scenarios
    List(ListSessions),
    /// Remove old sessions, compiled artifacts and builds of other revisions
    Prune(Prune),
}

#[derive(Debug, Args)]
pub struct ListSessions {
    /// Use the repository in this folder (default: this workspace; for an installed program, the nearest
    /// folder with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Prune {
    /// Remove what Loadline last wrote this many days ago or earlier (default: keep_days of
    /// loadline.toml, or 30)
    #[arg(long, value_name = "DAYS")]
    pub older_than: Option<u64>,

    /// List what prune would remove, and remove nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Refuse, rather than wait, while another session measures on this machine
    #[arg(long)]
    pub no_wait: bool,

    /// Use the repository in this folder (default: this workspace; for an installed program, the nearest
    /// folder with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Init {
    /// Write into this folder (default: the current one)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Replace files that exist already
    #[arg(long)]
    pub force: bool,

    /// Write the files without running the program
    #[arg(long)]
    pub no_run: bool,

    /// Measure this command; write n in braces where the program takes N (default: a program that is
    /// found in the repository)
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
For example:  loadline completions bash > ~/.local/share/bash-completion/completions/loadline")]
pub struct Completions {
    /// Print the script for this shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub selection: Selection,

    #[command(flatten)]
    pub outputs: Outputs<TextOnly>,

    /// Explain a saved session, without measuring
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["complete", "set", "unwinders", "seed", "processors"])]
    pub session: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Loadline takes A and B each for the first of these that exists:
  1. a saved session: its folder, a file in it, or its name in target/regress
  2. a baseline file (.toml)
  3. a scenario or variant, NAME or NAME:KEY=VALUE: its baseline, or with --measure itself
  4. a git revision (refs/heads/NAME for a branch called like a scenario)

Without B:
  a session    its other build → its own; with one build only, each scenario → its control; with
               two --scenario, the one → the other
  a scenario   with --set, the scenario as written → so changed, measured in one session; with
               --measure, its baseline → measured now
  a revision   it → the working tree, measured in turn

Loadline pairs scenarios by their full names, or, if each side has one scenario, these two.
A difference is not an error.
Exit codes: 0 compared; 1 could not build or measure, or a run failed; 2 usage; 5 no such baseline;
130 interrupted.

JSON (format 2): {format, old, new, scenarios: [{old, new, one, environment, differences,
failures, extrapolate_to, series, functions}], only_old, only_new}. one: the noun for one of N;
environment: one line per side; differences: what else differs between the machines and builds.
Of each series: name, unit, change (unchanged, worse, improved, more, less, removed, new, not-compared), is_undecided, is_other_cpu, why, at (the largest
common N), ratio there, factor (at every N, without the growth) and growth (its share beyond the old
side's) as {value, low, high}, by_n: [{n, old, new}, …] costs of all N modules, and old and new:
{curve: {fixed, per_module, superlinear, is_superlinear_sure, next_module, exponent, is_exact,
running, extrapolated: {n, cost, next_module, exponent}}} or {not-counted: reason}. Of each function:
phase, object, function, caller, at, old and new (own cost there, null where not recorded),
share_of_phase, old_formula, new_formula, old_exponent, new_exponent, cause. Costs are in the
series' unit; an unknown value is null.")]
pub struct Diff {
    /// Use this as the old side
    #[arg(value_name = "A")]
    pub a: String,

    /// Use this as the new side
    #[arg(value_name = "B")]
    pub b: Option<String>,

    /// Measure A and B in one session, rather than read their baselines
    #[arg(long)]
    pub measure: bool,

    /// Change a field of the scenarios; repeat it for several. Without B, a change of what a run does
    /// applies to the new side only
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Compare only this scenario, by name, full name or glob; repeat it for several
    #[arg(long = "scenario", value_name = "NAME")]
    pub scenarios: Vec<String>,

    #[command(flatten)]
    pub outputs: Outputs<TextOrJson>,

    /// Measure under this unwinder: the machine's own, the newest LLVM libunwind that is installed,
    /// or a library to preload into the runner
    #[arg(long, value_name = "host|llvm|PATH", default_value = "host")]
    pub unwinder: Unwinder,

    /// Use the repository in this folder (default: this workspace; for an installed program, the nearest
    /// folder with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Order the runs by this number
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// Refuse, rather than wait, while another session measures on this machine
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
JSON (format 2): {format, scenario, series: [{series, unit, one, environment, points}], unread}. one
is the noun for one of N. Of each point, the oldest first: origin ({commit: {hash, subject}} or
{session: NAME}), date, n (the largest), per_module there, exponent ({value, low, high} or null),
and change since the last comparable point (unchanged, worse, improved, more, less, removed, new, or
null).")]
pub struct History {
    /// Show this scenario; NAME:KEY=VALUE names a variant
    #[arg(value_name = "NAME")]
    pub scenario: String,

    /// Show this series; repeat it for several (default: those that the scenario's file judges)
    #[arg(long, value_name = "PHASE/METRIC")]
    pub series: Vec<String>,

    #[command(flatten)]
    pub outputs: Outputs<TextOrJson>,

    /// Use the repository in this folder (default: this workspace; for an installed program, the nearest
    /// folder with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct List {
    /// Describe these scenarios in full, named by themselves, by their group or by a glob such as
    /// 'load-*'; without a name, each scenario gets one line
    #[arg(value_name = "NAME|GROUP|GLOB")]
    pub names: Vec<String>,

    /// Use the repository in this folder (default: this workspace; for an installed program, the nearest
    /// folder with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
JSON: an array of objects with id, kind (count or time), n: [N, …] and y: [[sample, …] per N] for a
curve, or base and new in place of y for a pair; interleaved: true where repetition j visited
every N once. CSV: rows of n,y; rows with the same n are repetitions. With --format json the answer is
{id: {verdict, exponent, lo, hi, interval_of, share, p, why, notes}}.")]
pub struct Judge {
    /// Judge the numbers in these files: rows of n and cost (CSV, semicolons, tabs or blanks), Loadline's
    /// JSON, the JSON of Google Benchmark, hyperfine and pytest-benchmark, or a folder of criterion's,
    /// such as target/criterion; - reads standard input
    #[arg(value_name = "FILE|DIR", required = true)]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub outputs: Outputs<TextOrJson>,

    /// Read the second column of rows as this (default: time)
    #[arg(long, value_enum)]
    pub kind: Option<JudgeKind>,

    /// Treat the rows as interleaved repetitions: each visited every N before the next repetition began
    #[arg(long)]
    pub interleaved: bool,

    /// Treat the rows as exact: measuring again gives the same numbers, so one sample per N is enough
    #[arg(long)]
    pub exact: bool,

    /// Exit with 3 when a pair is worse or a count is superlinear; for a time without a base, only where
    /// each of the last two doublings cost over three times as much
    #[arg(long)]
    pub gate: bool,

    /// Exit with 4 when a series is undecided, or superlinear or worse and does not fail the gate
    #[arg(long)]
    pub strict: bool,

    /// Judge all pairs as one suite, with p-values adjusted for their number (Holm)
    #[arg(long)]
    pub suite: bool,
}

/// What a column of numbers is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum JudgeKind {
    /// Things that were counted.
    Count,
    /// Durations.
    Time,
}
