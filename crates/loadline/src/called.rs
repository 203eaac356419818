//! The name of this program: `cargo xtask` in its own workspace, `loadline` where it is installed.
//!
//! A sentence that tells the user what to type contains [`PROGRAM`]. The user's own texts, such as a question
//! or a command, are printed unchanged.

use loadline_record::PROGRAM;

use loadline_measure::project::workspace;
/// Makes every sentence name this program as its user types it.
pub fn say_name() {
    PROGRAM.is_called(if workspace::is_in_one() { "cargo xtask" } else { "loadline" });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use loadline_measure::project::folders::Project;
    use loadline_record::baseline::Baselines;
    use loadline_record::recipe::Recipe;

    use super::*;

    #[test]
    fn the_program_is_called_what_the_user_types() {
        say_name();
        // The workspace's own Cargo starts the tests.
        assert_eq!(PROGRAM.to_string(), "cargo xtask");
    }

    /// Checks the baselines of this repository. Another test checks which scenarios have one.
    #[test]
    fn every_baseline_can_be_read() {
        say_name();
        let project = Project::open(None).unwrap();
        for name in project.scenario_names().unwrap() {
            let path = project.baselines().join(format!("{name}.toml"));
            if !path.exists() {
                continue;
            }
            let baselines = Baselines::read(&path).unwrap_or_else(|error| panic!("{error:#}"));
            assert!(!baselines.all.is_empty(), "no baseline for {name}");
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(baselines.text(), text, "{name}: not as `baseline` writes it");
        }
    }

    /// Checks the recipes of this repository.
    #[test]
    fn the_recipes_of_this_repository_are_such() {
        let project = Project::open(None).unwrap();
        let mut n_recipes = 0;
        for name in project.scenario_names().unwrap() {
            let scenario = project.scenario(&name, &std::collections::BTreeMap::new()).unwrap();
            let Some(path) = scenario.recipe else { continue };
            let recipe = Recipe::read(&project.root.join(path)).unwrap();
            n_recipes += 1;
            // Otherwise the scenario's sizes would hold different mixtures.
            let n = recipe.files().count();
            let mut sizes = scenario.sizes.iter().chain(&scenario.callgrind_sizes);
            assert!(sizes.all(|modules| modules % n == 0), "{name}: {n} modules");
        }
        assert!(n_recipes >= 3);
    }
}
