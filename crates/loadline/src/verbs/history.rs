//! `cargo xtask history`: shows how a scenario's growth has changed, commit by commit and session by session.
//! It judges nothing.

mod past;

use loadline_record::{Error, Exit, PROGRAM, Result};
use loadline_scenario::{Scenario, SeriesName};

use crate::cli::History;
use crate::outputs::TextOrJson;
use loadline_measure::project::folders::Project;
use loadline_report::history_text;
use loadline_verdict::trend::{Trend, trend};

/// Runs `cargo xtask history`.
///
/// # Errors
/// When there is no such scenario or series, or git fails.
pub fn run(arguments: &History) -> Result<Exit> {
    arguments.outputs.check()?;
    let project = Project::open(arguments.root.as_deref())?;
    let (name, changes) = Project::split_title(&arguments.scenario)?;
    let scenario = project.scenario(name, &changes)?;
    let trend = tell(&project, &scenario, &arguments.series)?;
    if trend.series.is_empty() {
        let full_name = &trend.scenario;
        let unread: String = trend.unread.iter().map(|why| format!("; not read: {why}")).collect();
        let text = format!(
            "nothing is known of the past of {full_name}: no commit has its baseline, and no session is kept ({PROGRAM} baseline {full_name} --reason TEXT){unread}"
        );
        return Err(Error::new(Exit::NothingSelected, text));
    }
    arguments.outputs.write(None, |form, _| match form {
        TextOrJson::Text => Ok(history_text::text(&trend, !arguments.series.is_empty())),
        TextOrJson::Json => Ok(serde_json::to_string_pretty(&trend)? + "\n"),
    })?;
    Ok(Exit::Clean)
}

fn tell(project: &Project, scenario: &Scenario, asked: &[String]) -> Result<Trend> {
    let (past, unread) = past::of(project, scenario)?;
    let mut names = Vec::new();
    for text in asked {
        let name: SeriesName = text.parse().map_err(|problem| {
            Error::new(Exit::Usage, format!("cannot use --series {text}: {problem}"))
        })?;
        if !past.keys().any(|(_, known)| *known == name) {
            let text = format!("cannot use --series {text}: {} has none", scenario.full_name());
            return Err(Error::new(Exit::Usage, text));
        }
        names.push(name);
    }
    let wanted = if names.is_empty() { &scenario.judge } else { &names };
    Ok(trend(scenario, past, unread, wanted))
}
