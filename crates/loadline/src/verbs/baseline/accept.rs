//! `baseline --accept-superlinear`: writes a known issue into the file of its scenario. Baselines hold only
//! measurements.

use loadline_record::{Acceptance, Context, Error, Exit, Result};
use loadline_scenario::{
    Environment, Expiry, RegistrationCalls, Scenario, SeriesName, Tables, Workload, expiry,
};

use crate::cli;
use loadline_measure::project::folders::Project;
use loadline_record::atomic::replace;
use loadline_record::time;
use loadline_verdict::known::{Entry, Present};

/// The acceptance that `arguments` ask for, if any.
///
/// # Errors
/// When the link or the expiry cannot be used.
pub fn asked(arguments: &cli::Baseline) -> Result<Option<Acceptance>> {
    // The command line accepts both options or neither.
    let (true, Some(link), Some(expires)) =
        (arguments.accept_superlinear, &arguments.link, &arguments.expires)
    else {
        return Ok(None);
    };
    if !link.starts_with("https://") {
        let text = format!("cannot use --link {link}: a reader has to open it (https://…)");
        return Err(Error::new(Exit::Usage, text));
    }
    if Expiry::parse(expires).is_none() {
        let text = format!("cannot use --expires {expires:?}: it is not {}", expiry::FORMS);
        return Err(Error::new(Exit::Usage, text));
    }
    Ok(Some(Acceptance { link: link.clone(), expires: expires.clone() }))
}

/// Refuses an acceptance that has already expired.
///
/// # Errors
/// When it has expired.
pub fn check(accept: &Acceptance, environment: &Environment) -> Result<()> {
    let today = time::date(time::now());
    if (Present { environment, today: &today }).is_after(&accept.expires) {
        let text = format!(
            "cannot use --expires {:?}: the date or version has passed, or this session has no such component",
            accept.expires
        );
        return Err(Error::new(Exit::Usage, text));
    }
    Ok(())
}

/// Adds the entry that accepts the growth of `series` to the file of `scenario`. The rest of the file stays
/// as it is.
///
/// # Errors
/// When the scenario is a variant, the entry does not fit the file, or the file cannot be written.
pub fn write(
    accept: &Acceptance,
    project: &Project,
    scenario: &Scenario,
    series: &[SeriesName],
    reason: &str,
    environment: &Environment,
) -> Result<()> {
    let path = project.scenarios().join(format!("{}.toml", scenario.name));
    let shown = path.display();
    let entry = entry_of(accept, scenario, series, reason, environment);
    let by_hand = |why: String| {
        let text = format!("cannot accept the growth in {shown}: {why}; the entry is\n{entry}");
        Error::new(Exit::Usage, text)
    };
    if !scenario.variant.is_as_written() {
        return Err(by_hand("an entry is for the scenario as written, not for a variant".into()));
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
    let text = with_entry(&text, &entry);
    let changed = Scenario::parse(&scenario.name, &text).map_err(|e| by_hand(e.to_string()))?;
    let today = time::date(time::now());
    let present = Present { environment, today: &today };
    for name in series {
        let known = changed.known(*name, &environment.unwinder_family);
        if known.is_none_or(|known| Entry::of(known, &present).has_expired) {
            let why = format!("the file has an expired entry for {name} (change its expires)");
            return Err(by_hand(why));
        }
    }
    replace(&path, text.as_bytes())
}

fn entry_of(
    accept: &Acceptance,
    scenario: &Scenario,
    series: &[SeriesName],
    reason: &str,
    environment: &Environment,
) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let names: Vec<String> = series.iter().map(|name| quoted(&name.to_string())).collect();
    let unwinder =
        if depends_on_unwinder(scenario) { environment.unwinder_family.as_str() } else { "any" };
    format!(
        "[[known_issue]]\nseries = [{}]\nunwinders = [{}]\nclass = \"quadratic\"\nreason = {}\nlink = {}\nexpires = {}\n",
        names.join(", "),
        quoted(unwinder),
        quoted(reason),
        quoted(&accept.link),
        quoted(&accept.expires),
    )
}

/// An entry can be appended to any file, because its table header ends the table before it.
fn with_entry(text: &str, entry: &str) -> String {
    let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    let line = if text.contains("\r\n") { "\r\n" } else { "\n" };
    format!("{text}{end}\n{entry}").replace("\r\n", "\n").replace('\n', line)
}

/// Whether the program of `scenario` depends on the unwinder.
fn depends_on_unwinder(scenario: &Scenario) -> bool {
    match &scenario.workload {
        Workload::Modules(modules) => modules.tables != Tables::Strip,
        Workload::Registration(registration) => registration.calls != RegistrationCalls::None,
        Workload::Command(_) | Workload::SelfCheck(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use loadline_record::fixtures::environment;

    const TEXT: &str = "format = 2 # ours\nquestion = \"?\"\nexpectation = \"\"\ncommand = [\"sh\", \"{n}\"]\njudge = [\"run/task-clock\"]\nsizes = { from = 8, to = 128, factor = 2 }";

    #[test]
    fn everything_else_in_the_file_stays() {
        let name: SeriesName = "run/task-clock".parse().unwrap();
        let accept = Acceptance {
            link: "https://example.org/1".to_owned(),
            expires: "2999-01-01".to_owned(),
        };
        let table = format!("{TEXT}\ncontrol = {{ set = {{ \"environment.X\" = \"1\" }} }}\n");
        for text in [TEXT, &format!("{TEXT}\n"), &table, &TEXT.replace('\n', "\r\n")] {
            let scenario = Scenario::parse("mine", TEXT).unwrap();
            let entry = entry_of(&accept, &scenario, &[name], "a \"list\"", &environment());
            let changed = with_entry(text, &entry);
            assert!(changed.starts_with(text), "{changed}");
            let scenario = Scenario::parse("mine", &changed).unwrap();
            let known = scenario.known(name, "llvm").unwrap();
            assert_eq!(
                (known.reason.as_str(), known.expires.as_str()),
                ("a \"list\"", "2999-01-01")
            );
        }
    }
}
