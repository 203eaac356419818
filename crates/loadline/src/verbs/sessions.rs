//! `cargo xtask sessions`: lists the saved sessions, and removes old ones with what they left behind.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use loadline_measure::out;
use loadline_measure::process::interrupt::Interrupt;
use loadline_measure::process::lock::MachineLock;
use loadline_measure::project::folders::Project;
use loadline_measure::project::kept::{self, Kept, Kind};
use loadline_record::header::Header;
use loadline_record::{Exit, PROGRAM, Result, session, time};
use loadline_report::trimmed;
use loadline_scenario::self_check;
use loadline_scenario::units::amount;

use crate::cli::{Prune, Sessions};

/// Runs `cargo xtask sessions`.
///
/// # Errors
/// When there is no project, or a folder cannot be removed.
pub fn run(arguments: &Sessions) -> Result<Exit> {
    match arguments {
        Sessions::List(arguments) => list(&Project::open(arguments.root.as_deref())?),
        Sessions::Prune(arguments) => prune(arguments),
    }
}

/// Prints one line per session, the newest first, and one per kind of other folders.
fn list(project: &Project) -> Result<Exit> {
    let all = kept::all(project);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["session", "started", "state", "size", "scenarios"]);
    if let Some(column) = table.column_mut(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let sessions: Vec<&Kept> = all.iter().filter(|one| one.kind == Kind::Session).collect();
    for one in sessions.iter().rev() {
        let name = one.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let [started, state, scenarios] = match session::read_header(&one.path) {
            Ok(header) => {
                let state = if header.finished.is_some() { "finished" } else { "unfinished" };
                [time::rfc3339(header.started), state.to_owned(), scenarios(&header)]
            }
            Err(error) => ["–".to_owned(), "unreadable".to_owned(), format!("{error:#}")],
        };
        table.add_row([name, started, state, amount(one.bytes() as f64, "bytes"), scenarios]);
    }
    if sessions.is_empty() {
        out::line(format_args!("there is no session in {}", project.sessions().display()));
    } else {
        out::text(trimmed(&table.to_string()));
    }
    for (kind, what) in [(Kind::Artifacts, "compiled artifacts"), (Kind::Build, "other builds")] {
        let own: Vec<&Kept> = all.iter().filter(|one| one.kind == kind).collect();
        let bytes: u64 = own.iter().map(|one| one.bytes()).sum();
        if !own.is_empty() {
            let (n, bytes) = (folders(own.len()), amount(bytes as f64, "bytes"));
            out::line(format_args!("{what}: {n}, {bytes}"));
        }
    }
    let days = project.keep_days();
    out::line(match days {
        0 => format!(
            "nothing is removed by age (keep_days = 0); {PROGRAM} sessions prune --older-than DAYS"
        ),
        days => format!(
            "removed after {days} days (keep_days); to remove them earlier: {PROGRAM} sessions prune --older-than DAYS"
        ),
    });
    Ok(Exit::Clean)
}

/// How many scenarios of a session are named.
const MOST: usize = 3;

/// The scenarios of a session without its self-check.
fn scenarios(header: &Header) -> String {
    let full_names = header.scenarios.iter().map(|planned| planned.scenario.as_str());
    let mut full_names: Vec<&str> =
        full_names.filter(|full_name| self_check::scenario(full_name).is_none()).collect();
    let n_more = full_names.len().saturating_sub(MOST);
    full_names.truncate(MOST);
    let named = full_names.join(", ");
    if n_more == 0 { named } else { format!("{named} and {n_more} more") }
}

fn prune(arguments: &Prune) -> Result<Exit> {
    let interrupt = Interrupt::listen()?;
    let project = Project::open(arguments.root.as_deref())?;
    // A session in progress must not lose its folder.
    let _lock = MachineLock::take(&project, arguments.no_wait, &interrupt)?;
    let days = arguments.older_than.unwrap_or_else(|| project.keep_days());
    if days == 0 && arguments.older_than.is_none() {
        out::line("nothing is removed by age (keep_days = 0); --older-than DAYS names one");
        return Ok(Exit::Clean);
    }
    let old = older_than(&project, days);
    let bytes: u64 = old.iter().map(Kept::bytes).sum();
    for one in &old {
        let shown = one.path.strip_prefix(&project.root).unwrap_or(&one.path).display();
        let bytes = amount(one.bytes() as f64, "bytes");
        let word = if arguments.dry_run { "would remove" } else { "removed" };
        out::line(format_args!("{word} {shown} ({bytes})"));
    }
    if !arguments.dry_run {
        kept::remove(&old)?;
    }
    out::line(format_args!("{}, {}", folders(old.len()), amount(bytes as f64, "bytes")));
    Ok(Exit::Clean)
}

fn folders(n: usize) -> String {
    if n == 1 { "1 folder".to_owned() } else { format!("{n} folders") }
}

fn older_than(project: &Project, days: u64) -> Vec<Kept> {
    let limit = Duration::from_secs(days.saturating_mul(24 * 3600));
    let mut all = kept::all(project);
    all.retain(|one| one.age >= limit);
    all
}

/// Removes what is older than the project wants to keep, and says so. The caller holds the machine's lock.
pub fn remove_old(project: &Project) {
    let days = project.keep_days();
    if days == 0 {
        return;
    }
    let old = older_than(project, days);
    let bytes: u64 = old.iter().map(Kept::bytes).sum();
    let n = old.len();
    match kept::remove(&old) {
        Ok(()) if n == 0 => {}
        Ok(()) => out::note(format_args!(
            "removed {} of sessions, older than {days} days ({}; keep_days in loadline.toml)",
            folders(n),
            amount(bytes as f64, "bytes")
        )),
        // The session can be measured all the same.
        Err(error) => out::note(format_args!("old sessions are kept: {error:#}")),
    }
}
