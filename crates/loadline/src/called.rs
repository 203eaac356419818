//! What this program is called: `cargo xtask` in its own workspace, `loadline` where it is installed.
//!
//! A sentence that tells the user what to type has [`PROGRAM`] in it. Whatever else is printed, a
//! user's question or command among it, stays as it was written.

use loadline_record::PROGRAM;

use loadline_measure::project::workspace;
/// Has every sentence call this program what its user types.
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
        // Tests are started by the workspace's own Cargo.
        assert_eq!(PROGRAM.to_string(), "cargo xtask");
    }

    /// The tree tests itself; which scenarios have one is tested beside it.
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

    /// The tree tests itself.
    #[test]
    fn the_recipes_of_this_repository_are_such() {
        let project = Project::open(None).unwrap();
        let mut n_recipes = 0;
        for name in project.scenario_names().unwrap() {
            let scenario = project.scenario(&name, &std::collections::BTreeMap::new()).unwrap();
            let Some(path) = scenario.recipe else { continue };
            let recipe = Recipe::read(&project.root.join(path)).unwrap();
            n_recipes += 1;
            // Otherwise its sizes would hold different mixtures.
            let n = recipe.files().count();
            let mut rungs = scenario.ladder.iter().chain(&scenario.callgrind_ladder);
            assert!(rungs.all(|modules| modules % n == 0), "{name}: {n} modules");
        }
        assert!(n_recipes >= 3);
    }
}
