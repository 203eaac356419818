//! How many modules fit this machine's limits of mappings, file descriptors and memory.

use loadline_record::{Error, Exit, Result};
use loadline_scenario::{
    Environment, LoadFrom, Metric, Modules, Sample, Scenario, Tables, Workload,
};

/// Removes the sizes that would exceed a limit of this machine. Fewer than five sizes are not enough for a
/// verdict. They are measured all the same, and stay undecided.
///
/// # Errors
/// When no size is left.
pub fn leave_out_what_does_not_fit(
    scenarios: &mut Vec<Scenario>,
    environment: &Environment,
) -> Result<Vec<String>> {
    let mut left_out = leave_out_what_cannot_keep_tables(scenarios, environment)?;
    for scenario in scenarios {
        let Workload::Modules(workload) = &scenario.workload else { continue };
        let (limit, reason) = largest_n_that_fits(workload, environment);
        let fits = scenario.sizes.iter().filter(|&&n| n <= limit).count();
        if fits < scenario.sizes.len() {
            let full_name = scenario.full_name();
            let sizes = &scenario.sizes[fits..];
            left_out.push(format!("{full_name}: N = {sizes:?} left out, {reason}"));
            scenario.sizes.truncate(fits);
        }
        if scenario.sizes.is_empty() {
            let full_name = scenario.full_name();
            let text = format!("cannot measure {full_name}: no size fits this machine, {reason}");
            return Err(Error::new(Exit::CouldNotMeasure, text));
        }
    }
    Ok(left_out)
}

/// Removes scenarios that keep native unwinding through packs, if this machine does not support that. Their
/// controls are removed too, unless another scenario needs them.
fn leave_out_what_cannot_keep_tables(
    scenarios: &mut Vec<Scenario>,
    environment: &Environment,
) -> Result<Vec<String>> {
    let keeps_in_pack = |scenario: &Scenario| match &scenario.workload {
        Workload::Modules(workload) => {
            workload.load_from == LoadFrom::Pack && workload.tables == Tables::Keep
        }
        _ => false,
    };
    let Some(reason) = why_no_pack_keeps_tables(environment) else { return Ok(Vec::new()) };
    let (gone, mut left): (Vec<Scenario>, Vec<Scenario>) =
        scenarios.drain(..).partition(keeps_in_pack);
    let needed: Vec<String> = left.iter().filter_map(Scenario::control_full_name).collect();
    let controls: Vec<String> = gone.iter().filter_map(Scenario::control_full_name).collect();
    left.retain(|scenario| {
        let full_name = scenario.full_name();
        !controls.contains(&full_name) || needed.contains(&full_name)
    });
    *scenarios = left;
    let sentences = gone.iter().map(|scenario| {
        let full_name = scenario.full_name();
        format!("{full_name}: left out, native unwinding cannot be kept through packs: {reason}")
    });
    let sentences: Vec<String> = sentences.collect();
    if scenarios.is_empty() && !sentences.is_empty() {
        return Err(Error::new(Exit::NothingSelected, sentences.join("\n")));
    }
    Ok(sentences)
}

/// Says why this machine's unwinder would not ask a pack for its frames, judged by the environment. The
/// runner proves it (`native_unwind::enable` in the loader).
fn why_no_pack_keeps_tables(environment: &Environment) -> Option<String> {
    let Environment { libc, build, unwinder_family, unwinder_version, .. } = environment;
    let number = |text: &str, place: usize| text.split('.').nth(place)?.parse::<u32>().ok();
    let glibc = libc.strip_prefix("glibc ").filter(|_| build.starts_with("linux-gnu"));
    if glibc.is_none_or(|version| (number(version, 0), number(version, 1)) < (Some(2), Some(35))) {
        return Some(format!("it needs Linux with glibc 2.35 (here: {libc})"));
    }
    let oldest = match unwinder_family.as_str() {
        "libgcc-list" | "libgcc-tree" => 12,
        "llvm" => 16,
        _ => u32::MAX,
    };
    let asks = number(unwinder_version, 0).is_some_and(|major| major >= oldest);
    (!asks).then(|| {
        let unwinder = environment.unwinder();
        format!("it needs libgcc 12 or LLVM's libunwind 16 (here: {unwinder})")
    })
}

/// The largest resident memory in any of `samples`, in bytes.
pub fn most_resident<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Option<f64> {
    let resident = samples.into_iter().filter(|sample| sample.metric == Metric::ResidentBytes);
    resident.filter_map(|sample| sample.reading.value()).max_by(f64::total_cmp)
}

/// Says why `modules` of `scenario` do not fit this machine. `None` if they do. `resident` is the most memory
/// that half as many modules took, in bytes.
pub fn why_not(
    scenario: &Scenario,
    modules: usize,
    resident: Option<f64>,
    environment: &Environment,
) -> Option<String> {
    let Workload::Modules(workload) = &scenario.workload else { return None };
    let (limit, reason) = largest_n_that_fits(workload, environment);
    if modules > limit {
        return Some(reason);
    }
    let memory = environment.memory_bytes.parse::<f64>().ok()?;
    // If memory grows quadratically, twice the modules take four times as much.
    let wanted = 4.0 * resident?;
    (wanted > memory / 2.0).then(|| {
        format!("it may take {:.1} GB of the {:.1} GB available", wanted / 1e9, memory / 1e9)
    })
}

/// The largest N within the machine's limits, and the limit that sets it. If N does not count modules, the
/// fixed number of modules fits at every N or at none.
fn largest_n_that_fits(workload: &Modules, environment: &Environment) -> (usize, String) {
    let (limit, reason) = largest_that_fits(workload, environment);
    if workload.n_counts.is_modules() {
        return (limit, reason);
    }
    (if workload.count.get() <= limit { usize::MAX } else { 0 }, reason)
}

/// The largest number of modules within the machine's limits, and the limit that sets it.
pub fn largest_that_fits(workload: &Modules, environment: &Environment) -> (usize, String) {
    let number = |text: &str| text.parse::<usize>().ok();
    let Environment { max_map_count, descriptor_limit, .. } = environment;
    workload.largest_within(number(max_map_count), number(descriptor_limit))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use loadline_record::fixtures::scenario;

    #[test]
    fn where_no_pack_keeps_tables_those_scenarios_are_left_out_with_their_controls() {
        let full_names = |libc: &str, family: &str, version: &str| {
            let environment = Environment {
                libc: libc.to_owned(),
                build: "linux-gnu dev".to_owned(),
                unwinder_family: family.to_owned(),
                unwinder_version: version.to_owned(),
                ..loadline_record::fixtures::environment()
            };
            let mut scenarios = vec![in_pack("keep"), in_pack("strip"), scenario("keep")];
            let left_out = leave_out_what_does_not_fit(&mut scenarios, &environment);
            let full_names: Vec<String> = scenarios.iter().map(Scenario::full_name).collect();
            left_out.map(|sentences| (full_names.join(" "), sentences.join(" ")))
        };
        for (family, version) in
            [("libgcc-list", "12.0.0"), ("libgcc-tree", "14.0.0"), ("llvm", "16")]
        {
            let (full_names, left_out) = full_names("glibc 2.35", family, version).unwrap();
            assert_eq!((full_names.split(' ').count(), left_out.as_str()), (3, ""));
        }
        for (libc, family, version) in [
            ("glibc 2.34", "libgcc-list", "12.0.0"),
            ("glibc 2.36", "llvm", "14"),
            ("glibc 2.36", "libgcc-list", "unknown (the file does not tell)"),
            ("unknown (only glibc tells its version)", "libgcc-list", "12.0.0"),
        ] {
            let (full_names, left_out) = full_names(libc, family, version).unwrap();
            assert_eq!(full_names, scenario("keep").full_name());
            assert!(left_out.starts_with("packed: left out, native unwinding"), "{left_out}");
        }
    }

    /// A scenario of a pack. Its control is the same scenario with stripped tables.
    fn in_pack(tables: &str) -> Scenario {
        let text = r#"
format = 2
question = "Is a pack as good as its word?"
expectation = "It is."
load_order = "hold-all"
load_from = "pack"
judge = ["load/task-clock"]
sizes = [64, 128, 256, 512, 1024]
control = { set = { tables = "strip" } }
"#;
        let strip = std::collections::BTreeMap::from([("tables".to_owned(), "strip".to_owned())]);
        let changes = if tables == "strip" { strip } else { std::collections::BTreeMap::new() };
        Scenario::parse_with("packed", text, &changes).unwrap()
    }

    #[test]
    fn sizes_beyond_the_machines_limits_are_left_out_and_named() {
        let environment = |mappings: &str| Environment {
            max_map_count: mappings.to_owned(),
            ..loadline_record::fixtures::environment()
        };
        let fit = |mappings| {
            let mut scenarios = vec![scenario("keep")];
            let left_out = leave_out_what_does_not_fit(&mut scenarios, &environment(mappings));
            left_out.map(|left_out| (scenarios[0].sizes.len(), left_out.join(" ")))
        };
        assert_eq!(fit("65530").unwrap(), (5, String::new()));
        assert_eq!(fit("unknown (no such file)").unwrap(), (5, String::new()));
        let (n_sizes, sentence) = fit("2000").unwrap();
        assert_eq!(n_sizes, 4);
        assert!(sentence.contains("[1024] left out, vm.max_map_count is 2000"), "{sentence}");
        let error = fit("100").unwrap_err().to_string();
        assert!(error.contains("no size fits this machine"), "{error}");
    }
}
