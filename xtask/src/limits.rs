//! How many modules fit this machine: mappings, descriptors.

use loadline_scenario::{Environment, LoadFrom, Metric, Modules, Sample, Scenario, Subject};

use crate::exit::{Exit, ended};

/// Takes away the rungs that would end at a limit of this machine instead of measuring. Fewer than
/// five are no ground for a verdict; what is left is measured all the same, and inconclusive.
///
/// # Errors
/// When no rung is left.
pub fn leave_out_what_does_not_fit(
    scenarios: &mut [Scenario],
    environment: &Environment,
) -> anyhow::Result<Vec<String>> {
    let mut left_out = Vec::new();
    for scenario in scenarios {
        let Subject::Modules(subject) = &scenario.subject else { continue };
        let (limit, reason) = largest_that_fits(subject, environment);
        let fits = scenario.ladder.iter().filter(|&&n| n <= limit).count();
        if fits < scenario.ladder.len() {
            let title = scenario.title();
            let rungs = &scenario.ladder[fits..];
            left_out.push(format!("{title}: N = {rungs:?} left out, {reason}"));
            scenario.ladder.truncate(fits);
        }
        if scenario.ladder.is_empty() {
            let title = scenario.title();
            let text = format!("cannot measure {title}: no rung fits this machine, {reason}");
            return Err(ended(Exit::CouldNotMeasure, text));
        }
    }
    Ok(left_out)
}

/// The most that any of `samples` has read of resident memory, in bytes.
pub fn most_resident<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Option<f64> {
    let resident = samples.into_iter().filter(|sample| sample.metric == Metric::ResidentBytes);
    resident.filter_map(|sample| sample.reading.value()).max_by(f64::total_cmp)
}

/// Why `modules` of `scenario` do not fit this machine, if so. `resident` is what half as many have
/// taken of memory, in bytes and at most.
pub fn why_not(
    scenario: &Scenario,
    modules: usize,
    resident: Option<f64>,
    environment: &Environment,
) -> Option<String> {
    let Subject::Modules(subject) = &scenario.subject else { return None };
    let (limit, reason) = largest_that_fits(subject, environment);
    if modules > limit {
        return Some(reason);
    }
    let memory = environment.memory_bytes.parse::<f64>().ok()?;
    // Where memory grows quadratically, twice the modules take four times as much.
    let wanted = 4.0 * resident?;
    (wanted > memory / 2.0).then(|| {
        format!("it may take {:.1} GB of the {:.1} GB available", wanted / 1e9, memory / 1e9)
    })
}

/// The largest N within the machine's limits, and the limit that sets it. A module loaded from bytes
/// takes two mappings, from a file three and a descriptor; a tenth is left for everything else.
pub fn largest_that_fits(subject: &Modules, environment: &Environment) -> (usize, String) {
    let number = |text: &str| text.parse::<usize>().ok();
    let mappings = match subject.load_from {
        LoadFrom::Bytes => 2,
        LoadFrom::File => 3,
        LoadFrom::Pack => 0,
    };
    let limited = number(&environment.max_map_count).filter(|_| mappings > 0);
    let by_mappings = limited.map(|limit| {
        (limit / 10 * 9 / mappings, format!("vm.max_map_count is {limit} (sysctl raises it)"))
    });
    let by_descriptors = number(&environment.descriptor_limit)
        .filter(|_| subject.load_from == LoadFrom::File)
        .map(|limit| {
            (limit / 10 * 9, format!("the descriptor limit is {limit} (ulimit -n raises it)"))
        });
    let both = by_mappings.into_iter().chain(by_descriptors);
    both.min_by_key(|(n, _)| *n).unwrap_or((usize::MAX, String::new()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::session::tests::scenario;

    #[test]
    fn rungs_beyond_the_machines_limits_are_left_out_and_named() {
        let environment = |mappings: &str| Environment {
            max_map_count: mappings.to_owned(),
            ..crate::session::tests::environment()
        };
        let fit = |mappings| {
            let mut scenarios = [scenario("keep")];
            let left_out = leave_out_what_does_not_fit(&mut scenarios, &environment(mappings));
            left_out.map(|left_out| (scenarios[0].ladder.len(), left_out.join(" ")))
        };
        assert_eq!(fit("65530").unwrap(), (5, String::new()));
        assert_eq!(fit("unknown (no such file)").unwrap(), (5, String::new()));
        let (n_rungs, sentence) = fit("2000").unwrap();
        assert_eq!(n_rungs, 4);
        assert!(sentence.contains("[1024] left out, vm.max_map_count is 2000"), "{sentence}");
        let error = fit("100").unwrap_err().to_string();
        assert!(error.contains("no rung fits this machine"), "{error}");
    }
}
