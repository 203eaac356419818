//! `cargo xtask diff`: compares the costs of two sessions, baselines, revisions or variants.
//!
//! The verb's help says what an argument can be, and describes its JSON. If something has to be measured, it
//! is measured in one session, which is saved and can be shown again.

use crate::saved::{self, profiles};
use loadline_measure::session::measurement::Measurement;
use loadline_record::time;
use loadline_record::{Error, Exit, PROGRAM, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use loadline_scenario::{Environment, Scenario};

use crate::cli::{AskedUnwinder, Diff, Selection};
use crate::committed::Committed;
use crate::outputs::TextOrJson;
use loadline_measure::builds::against::{Builds, OtherAsked};
use loadline_measure::builds::same_program;
use loadline_measure::builds::trees::Checkout;
use loadline_measure::out;
use loadline_measure::process::interrupt::Interrupt;
use loadline_measure::process::lock::MachineLock;
use loadline_measure::process::unwinders;
use loadline_measure::project::folders::Project;
use loadline_measure::project::git;
use loadline_measure::project::selection;
use loadline_measure::session::bench::Bench;
use loadline_record::session;
use loadline_record::suggest::nearest;
use loadline_report::diff_text;
use loadline_verdict::compare::{Comparison, Saved, Side, SideScenario};

/// Runs `cargo xtask diff`.
///
/// # Errors
/// When something could not be read or measured, or the command line is wrong. A difference is not an error.
pub fn run(arguments: &Diff) -> Result<Exit> {
    arguments.outputs.check()?;
    let interrupt = Interrupt::listen()?;
    let project = Project::open(arguments.root.as_deref())?;
    let asked = Asked { arguments, project: &project, interrupt: &interrupt };
    let Some(sides) = asked.sides()? else { return Ok(Exit::Clean) };
    let comparison = sides.compare(&arguments.scenarios)?;
    arguments.outputs.write(None, |form, _| match form {
        TextOrJson::Text => Ok(diff_text::text(&comparison)),
        TextOrJson::Json => Ok(serde_json::to_string_pretty(&comparison)? + "\n"),
    })?;
    if let Some(saved) = &sides.measured {
        let saved = saved.display();
        out::note(format_args!("samples: {saved} ({PROGRAM} diff SESSION shows them again)"));
    }
    Ok(if comparison.has_failures() { Exit::CouldNotMeasure } else { Exit::Clean })
}

/// Both sides, and how their scenarios are paired.
struct Sides {
    old: Side,
    new: Side,
    /// The paired full names, old and new. `None` pairs scenarios of the same name.
    pairs: Option<Vec<(String, String)>>,
    /// The path of the session that was measured for this comparison.
    measured: Option<PathBuf>,
}

/// The meaning of an argument.
enum Input {
    Session(PathBuf),
    BaselineFile(PathBuf),
    Scenario(Box<Scenario>),
    /// A git revision: the text of the argument, and its commit.
    Revision(String, String),
}

/// The command line, and what is needed to run it.
struct Asked<'a> {
    arguments: &'a Diff,
    project: &'a Project,
    interrupt: &'a Interrupt,
}

fn usage(text: impl Into<String>) -> Error {
    Error::new(Exit::Usage, text)
}

impl Asked<'_> {
    /// Reads or measures both sides. Returns `None`, after saying so, if both run the same program.
    fn sides(&self) -> Result<Option<Sides>> {
        let Diff { a, b, measure, set, .. } = self.arguments;
        let is_measured = *measure || !set.is_empty();
        let old = self.input(a)?;
        let new = b.as_ref().map(|b| self.input(b)).transpose()?;
        let sides = match (old, new) {
            (Input::Revision(name, commit), None) => return self.revisions((&name, &commit), None),
            (Input::Revision(name, commit), Some(Input::Revision(other, b))) => {
                return self.revisions((&name, &commit), Some((&other, &b)));
            }
            (Input::Revision(name, _), Some(_)) | (_, Some(Input::Revision(name, _))) => {
                Err(usage(format!(
                    "cannot compare revision {name} with what was measured elsewhere (a revision is measured in turn with another one, or without B with the working tree)"
                )))
            }
            (Input::Scenario(old), None) if !set.is_empty() && !measure => self.variants(&old),
            (Input::Scenario(old), None) if *measure => self.against_baseline(&old),
            (Input::Scenario(_), None) => Err(usage(format!(
                "there is nothing to compare {a} with (--set KEY=VALUE measures a variant as well, --measure compares its baseline with its cost now, or name B)"
            ))),
            (Input::Scenario(_), Some(Input::Scenario(_))) if is_measured => {
                let both = [a, b.as_ref().unwrap_or(a)].map(|full_name| self.scenario(full_name));
                let [old, new] = both;
                self.beside_each_other(old?, new?)
            }
            _ if is_measured => Err(usage(
                "--measure and --set are for scenarios and revisions (what was saved is not measured again)",
            )),
            (Input::Session(path), None) => self.within(&path),
            (Input::BaselineFile(path), None) => {
                Err(usage(format!("there is nothing to compare {} with (name B)", path.display())))
            }
            (old, Some(new)) => {
                let (old, new) = (self.saved(old)?, self.saved(new)?);
                Ok(Sides { old, new, pairs: None, measured: None })
            }
        };
        sides.map(Some)
    }

    /// The meaning of `asked`: the first in the help's list that fits.
    fn input(&self, asked: &str) -> Result<Input> {
        let in_sessions = self.project.sessions().join(asked);
        for path in [PathBuf::from(asked), in_sessions] {
            let is_session = session::folder(&path).join("session.json").is_file();
            if path.exists() && is_session && !is_toml(&path) {
                return Ok(Input::Session(path));
            }
        }
        let path = Path::new(asked);
        if is_toml(path) {
            if !path.is_file() {
                return Err(usage(format!("cannot read {asked}: there is no such file")));
            }
            return Ok(Input::BaselineFile(path.to_owned()));
        }
        let names = self.project.scenario_names()?;
        let name = asked.split(':').next().unwrap_or(asked);
        if names.iter().any(|known| known == name) {
            let (name, changes) = Project::split_title(asked)?;
            return Ok(Input::Scenario(Box::new(self.project.scenario(name, &changes)?)));
        }
        let of_git = match git::commit(&self.project.workspace, asked) {
            Ok(Some(commit)) => return Ok(Input::Revision(asked.to_owned(), commit)),
            Ok(None) => String::new(),
            Err(failure) => format!("; {failure}"),
        };
        let folder = if path.is_dir() { ", and the folder holds no session.json" } else { "" };
        let hint = nearest(name, names.iter().map(String::as_str));
        let hint = hint.map_or_else(
            || {
                let sessions = self.project.sessions();
                let sessions = sessions.strip_prefix(&self.project.root).unwrap_or(&sessions);
                let sessions = sessions.display();
                format!("{PROGRAM} list shows the scenarios, {sessions} holds the sessions")
            },
            |nearest| format!("did you mean the scenario {nearest}?"),
        );
        Err(usage(format!(
            "cannot compare {asked:?}: it is not a session, a baseline file, a scenario or a git revision{folder}{of_git} ({hint})"
        )))
    }

    /// Reads a saved side, without measuring anything.
    fn saved(&self, input: Input) -> Result<Side> {
        match input {
            Input::Session(path) => Ok(saved::read(self.project, &path)?.now(&profiles)),
            Input::BaselineFile(path) => saved::baselines(self.project, &path, None),
            Input::Scenario(scenario) => self.baseline(&scenario),
            Input::Revision(name, _) => Err(usage(format!("{name} is a revision"))),
        }
    }

    fn baseline(&self, scenario: &Scenario) -> Result<Side> {
        let path = self.project.baselines().join(format!("{}.toml", scenario.name));
        saved::baselines(self.project, &path, Some(scenario))
    }

    /// Two sides of one session. They are its two builds, the two scenarios named, or each scenario and its
    /// control.
    fn within(&self, path: &Path) -> Result<Sides> {
        let saved = saved::read(self.project, path)?;
        let (new, measured) = (saved.now(&profiles), None);
        if let Some(old) = saved.before(&profiles) {
            return Ok(Sides { old, new, pairs: None, measured });
        }
        let pairs = match self.arguments.scenarios.as_slice() {
            [old, new] => vec![(old.clone(), new.clone())],
            _ => saved.controls(),
        };
        if pairs.is_empty() {
            return Err(usage(format!(
                "there is nothing to compare within {}: it has one build, and no scenario with a control (name B, or two --scenario)",
                path.display()
            )));
        }
        Ok(Sides { old: saved.now(&profiles), new, pairs: Some(pairs), measured })
    }

    /// The scenario `full_name` with the changes of `--set`. A change in `full_name` takes precedence.
    fn scenario(&self, full_name: &str) -> Result<Scenario> {
        let selection = Selection { names: vec![full_name.to_owned()], ..self.selection() };
        let found = selection::chosen(self.project, &selection.choice())?.pop();
        found.ok_or_else(|| usage(format!("there is no scenario {full_name}")))
    }

    /// Compares the scenario as named with the same scenario after the changes of `--set`.
    fn variants(&self, named: &Scenario) -> Result<Sides> {
        let new = self.scenario(&self.arguments.a)?;
        // Both sides get the same sizes and repetitions, because costs are compared only at equal N.
        let Scenario { sizes, callgrind_sizes, repetitions, .. } = new.clone();
        let old = Scenario { sizes, callgrind_sizes, repetitions, ..named.clone() };
        self.beside_each_other(old, new)
    }

    fn beside_each_other(&self, old: Scenario, new: Scenario) -> Result<Sides> {
        let full_names = (old.full_name(), new.full_name());
        if full_names.0 == full_names.1 {
            return Err(usage(format!(
                "both sides are {}: nothing in --set changes what a run does",
                full_names.0
            )));
        }
        let (saved, path) = self.measured(None, vec![old, new], |both, _| both)?;
        let (old, new) = (saved.now(&profiles), saved.now(&profiles));
        Ok(Sides { old, new, pairs: Some(vec![full_names]), measured: Some(path) })
    }

    /// Compares a scenario's baseline with its cost now, at the baseline's sizes.
    fn against_baseline(&self, scenario: &Scenario) -> Result<Sides> {
        let old = self.baseline(scenario)?;
        let scenario = self.scenario(&self.arguments.a)?;
        let committed = Committed::read(self.project, std::slice::from_ref(&scenario), None)?;
        let is_sized = self.selection().sets_sizes();
        let (saved, path) = self.measured(None, vec![scenario], |one, environment| {
            if is_sized { one } else { committed.at_their_sizes(one, environment) }
        })?;
        Ok(Sides { old, new: saved.now(&profiles), pairs: None, measured: Some(path) })
    }

    /// Compares two revisions, or a revision with the working tree. Their runs alternate.
    fn revisions(
        &self,
        (name, old): (&str, &str),
        new: Option<(&str, &str)>,
    ) -> Result<Option<Sides>> {
        let selection = Selection { names: self.arguments.scenarios.clone(), ..self.selection() };
        let scenarios = selection::chosen(self.project, &selection.choice())?;
        if let (true, Some((new, _))) = (self.project.is_installed, new) {
            return Err(usage(format!(
                "cannot compare {name} with {new}: of two revisions one has to be the working tree (git checkout {new}, and leave it out)"
            )));
        }
        let folder = self.project.against();
        let checkout =
            new.map(|(_, commit)| Checkout::of(&self.project.workspace, commit, &folder));
        let checkout = checkout.transpose()?;
        let against = OtherAsked {
            // Inside a checkout of the new revision, HEAD would mean that revision, so the commit is used.
            against: Some(if checkout.is_some() { old } else { name }.to_owned()),
            against_wasmtime: None,
            sources: checkout.as_ref().map(|checkout| checkout.workspace().to_owned()),
        };
        let measured = self.measure(Some(&against), scenarios, |all, _| all)?;
        let Some((saved, path)) = measured else { return Ok(None) };
        let described = |name: &str, commit: &str| format!("{name} ({})", &commit[..10]);
        let before = saved.before(&profiles);
        let before = before.ok_or_else(|| usage(format!("{name} was not measured")))?;
        let now = new.map_or("the working tree".to_owned(), |(name, c)| described(name, c));
        Ok(Some(Sides {
            old: Side { name: described(name, old), ..before },
            new: Side { name: now, ..saved.now(&profiles) },
            pairs: None,
            measured: Some(path),
        }))
    }

    /// Measures like [`Asked::measure`], for sides that cannot turn out to be the same program.
    fn measured(
        &self,
        against: Option<&OtherAsked>,
        scenarios: Vec<Scenario>,
        choose: impl FnOnce(Vec<Scenario>, &Environment) -> Vec<Scenario>,
    ) -> Result<(Saved, PathBuf)> {
        let measured = self.measure(against, scenarios, choose)?;
        measured.ok_or_else(|| usage("nothing was measured"))
    }

    /// Measures one session over the scenarios that `choose` returns for the environment. With `against`,
    /// another build is measured too. Returns `None`, after saying so, if both builds run the same program.
    /// The session has no self-check, because growth is not judged.
    fn measure(
        &self,
        against: Option<&OtherAsked>,
        scenarios: Vec<Scenario>,
        choose: impl FnOnce(Vec<Scenario>, &Environment) -> Vec<Scenario>,
    ) -> Result<Option<(Saved, PathBuf)>> {
        let Asked { arguments, project, interrupt } = self;
        let _lock = MachineLock::take(project, arguments.no_wait, interrupt)?;
        let scenarios = selection::built(project, scenarios, interrupt)?;
        let unwinder = unwinders::only(&scenarios, &arguments.unwinder)?;
        let machine = self.selection().machine(&unwinder);
        let builds = match against {
            Some(against) => Builds::make(project, against, &machine, interrupt)?,
            None => Builds::one(project, &machine, interrupt)?,
        };
        let scenarios = match &builds.before {
            Some(before) => {
                let compared = same_program::compare(project, &builds.now, before, scenarios)?;
                compared.sentences().iter().for_each(out::line);
                compared.differ
            }
            None => scenarios,
        };
        if scenarios.is_empty() {
            return Ok(None);
        }
        let bench = Bench { project, runner: &builds.now, before: builds.before.as_ref() };
        let (environment, absent) = bench.describe()?;
        let scenarios = choose(scenarios, &environment);
        let seed = arguments.seed.unwrap_or_else(time::now);
        let mut measurement = Measurement::whole(&bench, scenarios, &environment, &absent, seed)?;
        measurement.close()?;
        let path = measurement.measured().saved;
        let path = session::folder(&path).to_owned();
        Ok(Some((saved::read(project, &path)?, path)))
    }

    fn selection(&self) -> Selection {
        let Diff { set, unwinder, root, seed, no_wait, .. } = self.arguments;
        Selection {
            complete: false,
            names: Vec::new(),
            set: set.clone(),
            unwinders: vec![AskedUnwinder::One(unwinder.clone())],
            processors: Vec::new(),
            root: root.clone(),
            seed: *seed,
            no_wait: *no_wait,
        }
    }
}

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "toml")
}

impl Sides {
    /// Compares the paired scenarios. If `wanted` is not empty, it selects them by name or full name.
    fn compare(&self, wanted: &[String]) -> Result<Comparison> {
        let Sides { old, new, pairs, .. } = self;
        let paired = match pairs {
            Some(pairs) => pairs
                .iter()
                .filter_map(|(old_title, new_title)| {
                    Some((find(old, old_title)?, find(new, new_title)?))
                })
                .collect(),
            None => by_title(old, new),
        };
        let is_wanted = |(old, new): &(&SideScenario, &SideScenario)| {
            let names = |one: &SideScenario, wanted: &String| {
                let name = one.full_name.split(':').next().unwrap_or_default();
                one.full_name == *wanted || selection::is_named(wanted, name)
            };
            wanted.is_empty() || wanted.iter().any(|w| names(old, w) || names(new, w))
        };
        let paired: Vec<_> = paired.into_iter().filter(is_wanted).collect();
        if paired.is_empty() {
            return Err(usage(self.nothing_in_common(wanted)));
        }
        let mut comparison = Comparison::of(old, new, &paired);
        // Unpaired scenarios are not reported if the user chose the pairs or the scenarios.
        if pairs.is_some() || !wanted.is_empty() {
            comparison.only_old.clear();
            comparison.only_new.clear();
        }
        Ok(comparison)
    }

    fn nothing_in_common(&self, wanted: &[String]) -> String {
        let full_names = |side: &Side| {
            let full_names: BTreeSet<&str> =
                side.scenarios.iter().map(|one| one.full_name.as_str()).collect();
            full_names.into_iter().collect::<Vec<_>>().join(", ")
        };
        let Sides { old, new, .. } = self;
        let of =
            if wanted.is_empty() { String::new() } else { format!(" of {}", wanted.join(", ")) };
        format!(
            "no scenario{of} is on both sides: {} has {}; {} has {}",
            old.name,
            full_names(old),
            new.name,
            full_names(new)
        )
    }
}

fn find<'a>(side: &'a Side, full_name: &str) -> Option<&'a SideScenario> {
    side.scenarios.iter().find(|one| one.full_name == full_name)
}

/// Pairs scenarios of the same full name, in the environments most like each other. If no name is common and
/// each side has one scenario, these two are paired.
fn by_title<'a>(old: &'a Side, new: &'a Side) -> Vec<(&'a SideScenario, &'a SideScenario)> {
    let group = |side: &'a Side| {
        let mut groups: BTreeMap<&str, Vec<&SideScenario>> = BTreeMap::new();
        side.scenarios.iter().for_each(|one| groups.entry(&one.full_name).or_default().push(one));
        groups
    };
    let (before, mut now) = (group(old), group(new));
    let all = before.iter().filter_map(|(full_name, olds)| Some((olds, now.get(full_name)?)));
    let paired: Vec<_> = all.filter_map(|(olds, news)| most_alike(olds, news)).collect();
    match (paired.is_empty(), before.len(), now.len()) {
        (true, 1, 1) => {
            let (olds, news) = (before.into_values().next(), now.pop_first());
            olds.zip(news)
                .and_then(|(olds, (_, news))| most_alike(&olds, &news))
                .into_iter()
                .collect()
        }
        _ => paired,
    }
}

fn most_alike<'a>(
    olds: &[&'a SideScenario],
    news: &[&'a SideScenario],
) -> Option<(&'a SideScenario, &'a SideScenario)> {
    let likeness = |(old, new): &(&SideScenario, &SideScenario)| {
        let (a, b) = (&old.environment, &new.environment);
        let same = [
            a.arch == b.arch,
            a.wasmtime_major() == b.wasmtime_major(),
            a.unwinder() == b.unwinder(),
            a.cpu == b.cpu && a.caches == b.caches,
        ];
        same.iter().filter(|same| **same).count()
    };
    let all = olds.iter().flat_map(|old| news.iter().map(move |new| (*old, *new)));
    all.max_by_key(likeness)
}
