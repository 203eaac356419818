//! Arguments and their help, one struct a verb.

mod measuring;

pub use measuring::{Baseline, Calibrate, Regress, Selection, Strictness};

use loadline_record::{PROGRAM, Result};
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use loadline_scenario::Unwinder;

use crate::outputs::{Form, Outputs};
use loadline_record::recipe;

/// Measures how loading and unloading precompiled Wasmtime modules grows with their number, and
/// fails when it has become superlinear.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
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

/// Prints what clap has to say, help included, where it belongs.
pub fn print(error: &clap::Error) {
    // Nobody is left to tell.
    let _ = error.print();
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Measure scenarios and judge their growth against the baselines
    Regress(Regress),
    /// Measure scenarios and write what is accepted from now on
    Baseline(Baseline),
    /// Measure the code against itself, and store how much costs jitter on this machine
    Calibrate(Calibrate),
    /// Show where the cost of a scenario goes, what of it grows, and what to do
    Explain(Explain),
    /// Judge a saved session again, without measuring
    Report(Report),
    /// Judge the parts of a divided session as one
    Merge(Merge),
    /// Show the scenarios in one line each, or in full those that are named
    List(List),
    /// Show what two sessions, baselines, revisions or variants cost differently
    Diff(Diff),
    /// Show how a scenario's growth has come along, commit by commit and session by session
    History(History),
    /// Judge the growth of anybody's numbers
    Judge(Judge),
    /// Get the real modules that scenarios load, by npm and with checksums
    Fetch(Fetch),
    /// Write a starting point into a repository: loadline.toml, a scenario, a workflow
    Init(Init),
    /// Print what a shell needs to complete the command line
    Completions(Completions),
}

#[derive(Debug, Args)]
pub struct Report {
    /// The session's folder, as regress and baseline name it
    #[arg(value_name = "SESSION")]
    pub session: PathBuf,

    /// The form of the report
    #[arg(long, value_enum, default_value = "text")]
    pub format: Form,

    /// Write it there rather than to standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Judge against another scenario's or variant's baseline, or a baseline file
    #[arg(long, value_name = "NAME|FILE")]
    pub baseline: Option<String>,

    /// The repository with scenarios and baselines (default: this workspace; of an installed program
    /// the nearest one with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    #[command(flatten)]
    pub strictness: Strictness,
}

#[derive(Debug, Args)]
pub struct Merge {
    /// The sessions of all parts: their folders, as regress --shard names them
    #[arg(value_name = "SESSION", required = true)]
    pub sessions: Vec<PathBuf>,

    /// Judge against another scenario's or variant's baseline, or a baseline file (default: as the
    /// parts were asked)
    #[arg(long, value_name = "NAME|FILE")]
    pub baseline: Option<String>,

    /// The repository with scenarios and baselines (default: this workspace; of an installed program
    /// the nearest one with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    #[command(flatten)]
    pub outputs: Outputs,

    #[command(flatten)]
    pub strictness: Strictness,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 they are there; 1 a package or file is not the one of the recipe, or cannot be written;
2 usage; 8 npm is missing or gave no package; 130 interrupted.")]
pub struct Fetch {
    /// The recipe: packages and files with their checksums, from the root of the repository
    #[arg(value_name = "FILE", default_value = recipe::DEFAULT)]
    pub recipe: PathBuf,

    /// The repository (default: the one this was built from)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Init {
    /// The repository (default: the current folder)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Write files anew that are there already
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
For example:  loadline completions bash > ~/.local/share/bash-completion/completions/loadline")]
pub struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub selection: Selection,

    /// Explain a saved session, without measuring
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["complete", "set", "unwinder", "seed", "processors"])]
    pub session: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A and B are each the first of these that there is:
  1. a saved session: its folder, a file in it, or its name in target/regress
  2. a baseline file (.toml)
  3. a scenario's title, NAME or NAME:KEY=VALUE: its baseline, or with --measure itself
  4. a git revision (refs/heads/NAME for a branch called like a scenario)

Without B:
  a session    its other build → its own; with one build only, each scenario → its control; with
               two --scenario, the one → the other
  a title      with --set, the scenario as written → so changed, measured in one session; with
               --measure, its baseline → measured now
  a revision   it → the working tree, measured in turn

Scenarios are paired by title, or where each side has one, those two. A difference is no error.
Exit codes: 0 compared; 1 could not build or measure, or a run failed; 2 usage; 5 no such baseline;
130 interrupted.

JSON (format 1): {format, old, new, scenarios: [{old, new, environment, differences, failures,
horizon, series, symbols}], only_old, only_new}. environment: one line a side; differences: what
else differs between the machines and builds. Of each series: name, unit, change (unchanged, worse,
improved, dearer, cheaper, gone, new, not-compared), is_undecided, is_foreign, why, at (the largest
common N), ratio there, factor (at every N, growth apart) and growth (its share beyond the old
side's) as {value, low, high}, by_n: [{n, old, new}, …] costs of all N modules, and old and new:
{curve: {fixed, per_module, superlinear, is_superlinear_sure, next_module, exponent, is_exact,
running, foretold: {n, cost, next_module, exponent}}} or {not-counted: reason}. Of each symbol:
phase, object, function, caller, at, old and new (own cost there, null where not recorded),
share_of_phase, old_formula, new_formula, old_exponent, new_exponent, cause. Costs are in the
series' unit; what is not known is null.")]
pub struct Diff {
    /// The old side
    #[arg(value_name = "A")]
    pub a: String,

    /// The new side
    #[arg(value_name = "B")]
    pub b: Option<String>,

    /// Measure titles A and B beside each other in one session, rather than read their baselines
    #[arg(long)]
    pub measure: bool,

    /// Change one field of what is measured; may be given several times. Without B a field that
    /// changes what a run does holds for the new side alone
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Only this scenario, by name or title; may be given several times
    #[arg(long = "scenario", value_name = "NAME")]
    pub scenarios: Vec<String>,

    /// Print the same as JSON
    #[arg(long)]
    pub json: bool,

    /// The unwinder to measure under: the machine's own, the newest LLVM libunwind that is
    /// installed, or a library to preload into the runner
    #[arg(long, value_name = "host|llvm|PATH", default_value = "host")]
    pub unwinder: Unwinder,

    /// The repository with scenarios and baselines (default: this workspace; of an installed program
    /// the nearest one with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Decides the order of runs
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// Refuse, rather than wait, while another session measures on this machine
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
JSON (format 1): {format, scenario, series: [{series, unit, environment, points}], unread}. Of each
point, the oldest first: origin ({commit: {hash, subject}} or {session: NAME}), date, n (the
largest), per_module there, exponent ({value, low, high} or null), and change since the point
before that compares (unchanged, worse, improved, dearer, cheaper, gone, new, or null).")]
pub struct History {
    /// The scenario; NAME:KEY=VALUE names a variant
    #[arg(value_name = "NAME")]
    pub scenario: String,

    /// Only this series; may be given several times (default: those the scenario judges by name)
    #[arg(long, value_name = "PHASE/METRIC")]
    pub series: Vec<String>,

    /// Print the same as JSON
    #[arg(long)]
    pub json: bool,

    /// The repository with scenarios and baselines (default: this workspace; of an installed program
    /// the nearest one with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct List {
    /// Scenarios to describe in full, by their own name or their group's; without one, each scenario
    /// gets one line
    #[arg(value_name = "NAME|GROUP")]
    pub names: Vec<String>,

    /// The repository with scenarios and baselines (default: this workspace; of an installed program
    /// the nearest one with a loadline.toml)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
JSON: an array of objects with id, kind (count or time), n: [N, …] and y: [[round, …] per N] for a
curve, or base and new in place of y for a pair; interleaved: true where round j visited every N
once. CSV: rows of n,y; rows with the same n are rounds of one rung.")]
pub struct Judge {
    /// Numbers to judge; what a file is shows in its content: rows of n and cost (CSV, semicolons, tabs
    /// or blanks), Loadline's JSON, the JSON of Google Benchmark, hyperfine and pytest-benchmark, or a
    /// folder of criterion's, such as target/criterion; - reads standard input
    #[arg(value_name = "FILE|DIR", required = true)]
    pub files: Vec<PathBuf>,

    /// Print {id: {verdict, exponent, lo, hi, interval_of, share, p, why, notes}}
    #[arg(long)]
    pub json: bool,

    /// What the second column of rows is (default: time)
    #[arg(long, value_enum)]
    pub kind: Option<JudgeKind>,

    /// Rows come from interleaved rounds: round j measured every N once before round j + 1 began
    #[arg(long)]
    pub interleaved: bool,

    /// Rows are exact: measuring again gives the same numbers, and one reading of each N is enough
    #[arg(long)]
    pub exact: bool,

    /// Exit with 3 when a pair is worse or a count is superlinear; times by themselves only where each
    /// of the last two doublings cost over three times as much
    #[arg(long)]
    pub gate: bool,

    /// Exit with 4 when a series is inconclusive, or superlinear or worse and does not fail the gate
    #[arg(long)]
    pub strict: bool,

    /// Judge all pairs as one suite: p-values are adjusted for their number (Holm)
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
