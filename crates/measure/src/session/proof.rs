//! Checks that a run did what it was asked for, by comparing its counts with the request.

use loadline_record::Result;
use loadline_scenario::units::counted;
use loadline_scenario::{
    Absence, Collector, Command, Environment, LoadFrom, Metric, Modules, Phase, Proof, Reading,
    Sample, Scenario, SeriesName, Tables, Workload,
};

use loadline_record::measured::reading;

/// Compares a run's counts with the request. A wrong count is an error, never a data point.
///
/// # Errors
/// A text that says which count is wrong.
pub fn check_proof(
    proof: &Proof,
    workload: &Workload,
    modules: usize,
    environment: &Environment,
) -> Result<(), String> {
    let equal = |what: &str, found: u64, expected: u64| {
        if found == expected {
            return Ok(());
        }
        Err(format!("{what} {} instead of {expected}", counted(found as usize, "time")))
    };
    match workload {
        Workload::SelfCheck(known) => {
            equal("the self-check's work done", proof.known_work, known.units(modules))
        }
        Workload::Command(command) => check_command(proof, command, modules),
        Workload::Registration(registration) => {
            equal("tables taken", proof.loaded as u64, modules as u64)?;
            equal("tables removed", proof.released as u64, modules as u64)?;
            equal("unwound", proof.unwound as u64, registration.unwinds as u64)?;
            check_unwinder(proof, environment)?;
            let calls = registration.n_calls(modules, &environment.unwinder_family);
            for (what, found) in
                [("registered", proof.registered), ("deregistered", proof.deregistered)]
            {
                let found =
                    found.ok_or_else(|| format!("it does not report how often it {what}"))?;
                equal(what, found, calls)?;
            }
            Ok(())
        }
        Workload::Modules(workload) => {
            let (workload, modules) = workload.at(modules);
            equal("loaded", proof.loaded as u64, modules as u64)?;
            equal("released", proof.released as u64, modules as u64)?;
            let sample = modules.div_ceil(workload.call_every.get());
            let called = if workload.are_called() { sample } else { 0 };
            equal("called", proof.called as u64, called as u64)?;
            let schedule = workload.load_order.schedule(modules, 0);
            equal("unwound", proof.unwound as u64, schedule.n_unwinds() as u64)?;
            equal("acted", proof.acted as u64, schedule.n_operations() as u64)?;
            check_unwinder(proof, environment)?;
            check_registrations(proof, &workload, modules)
        }
    }
}

fn check_unwinder(proof: &Proof, environment: &Environment) -> Result<(), String> {
    let (run, session) = (&proof.unwinder_path, &environment.unwinder_path);
    if run == session {
        return Ok(());
    }
    Err(format!("its unwinder is {run}, the session's is {session}"))
}

fn check_command(proof: &Proof, command: &Command, modules: usize) -> Result<(), String> {
    let Some(found) = &proof.command else {
        return Err("it does not report how the command ended".to_owned());
    };
    if found.exit_code != command.exit_code {
        let (code, right) = (found.exit_code, command.exit_code);
        return Err(format!("the command's exit code is {code} instead of {right}"));
    }
    match command.check_at(modules) {
        Some(right) if found.check.as_ref() != Some(&right) => {
            let said = found.check.as_deref().unwrap_or("nothing");
            Err(format!("the command's check is {said} instead of {right}"))
        }
        _ => Ok(()),
    }
}

/// Checks that a command has marked every judged phase and printed every judged count. A metric that this
/// machine cannot count is not the command's failure.
///
/// # Errors
/// A text that says what the command has to print.
pub fn check_marks(
    scenario: &Scenario,
    collector: Collector,
    modules: usize,
    samples: &[Sample],
) -> Result<(), String> {
    if !matches!(scenario.workload, Workload::Command(_)) {
        return Ok(());
    }
    let judged =
        scenario.judge.iter().filter(|name| scenario.collector_of(name.metric) == collector);
    for &name in judged {
        let SeriesName { phase, metric } = name;
        let is_missing =
            reading(samples, name, modules) == Reading::Unavailable(Absence::NotMeasured);
        // The peak belongs to the whole command, whatever phases it marks.
        let has_any = |sample: &Sample| {
            let is_of_phase = sample.metric != Metric::PeakResidentBytes;
            is_of_phase && sample.phase == phase && sample.reading.value().is_some()
        };
        let occurred = samples.iter().any(has_any);
        match (is_missing, occurred) {
            (false, _) => {}
            (true, true) => {
                return Err(format!(
                    "{name} is judged, but the command printed no line loadline:metric={metric}:VALUE:{} in {phase}",
                    metric.unit()
                ));
            }
            (true, false) => {
                let phase = if phase == Phase::Total { Phase::Unload } else { phase };
                return Err(format!(
                    "{name} is judged, but the command has not marked it (a line loadline:phase={phase} begins it; without any such line everything is run)"
                ));
            }
        }
    }
    Ok(())
}

fn check_registrations(proof: &Proof, workload: &Modules, modules: usize) -> Result<(), String> {
    let (Some(registered), Some(deregistered)) = (proof.registered, proof.deregistered) else {
        return Ok(());
    };
    if registered != deregistered {
        return Err(format!("{registered} registrations, but {deregistered} deregistrations"));
    }
    match workload.tables {
        Tables::Strip if registered > 0 => {
            Err(format!("stripped tables, but {registered} registrations"))
        }
        // libgcc counts one registration per module, LLVM's libunwind one per FDE.
        Tables::Keep if workload.load_from == LoadFrom::Pack && registered > 0 => {
            Err(format!("packs register nothing, but {registered} registrations"))
        }
        Tables::Keep if workload.load_from != LoadFrom::Pack && registered < modules as u64 => {
            Err(format!("{modules} modules with tables, but {registered} registrations"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use loadline_record::fixtures::scenario;

    /// Changes the correct proof of a run of `scenario` over 100 modules by `lie`, and checks it.
    fn check(scenario: &Scenario, lie: impl FnOnce(&mut Proof)) -> Result<(), String> {
        let mut environment = loadline_record::fixtures::environment();
        environment.unwinder_path = "/lib/libgcc_s.so.1".to_owned();
        let is_stripped = scenario.variant.to_string() == "tables=strip";
        let registered = Some(if is_stripped { 0 } else { 100 });
        let mut proof = Proof {
            loaded: 100,
            called: 2,
            unwound: 2,
            acted: 0,
            released: 100,
            registered,
            deregistered: registered,
            known_work: 0,
            command: None,
            unwinder_path: "/lib/libgcc_s.so.1".to_owned(),
        };
        lie(&mut proof);
        check_proof(&proof, &scenario.workload, 100, &environment)
    }

    #[test]
    fn an_honest_run_is_believed() {
        let (kept, stripped) = (scenario("keep"), scenario("strip"));
        assert_eq!(check(&kept, |_| {}), Ok(()));
        assert_eq!(check(&stripped, |_| {}), Ok(()));
        // LLVM's unwinder has one registration per function.
        assert_eq!(
            check(&kept, |p| (p.registered, p.deregistered) = (Some(1200), Some(1200))),
            Ok(())
        );
        // Other platforms do not count registrations.
        assert_eq!(check(&kept, |p| (p.registered, p.deregistered) = (None, None)), Ok(()));
    }

    #[test]
    fn every_lie_is_found() {
        let (kept, stripped) = (scenario("keep"), scenario("strip"));
        let refuse = |scenario, lie: fn(&mut Proof), expected: &str| {
            assert_eq!(check(scenario, lie), Err(expected.to_owned()));
        };
        refuse(&kept, |p| p.loaded = 99, "loaded 99 times instead of 100");
        refuse(&kept, |p| p.loaded = 101, "loaded 101 times instead of 100");
        refuse(&kept, |p| p.released = 0, "released 0 times instead of 100");
        refuse(&kept, |p| p.called = 1, "called 1 time instead of 2");
        refuse(&kept, |p| p.unwound = 1, "unwound 1 time instead of 2");
        refuse(&kept, |p| p.acted = 1, "acted 1 time instead of 0");
        let leaked = "100 registrations, but 99 deregistrations";
        refuse(&kept, |p| p.deregistered = Some(99), leaked);
        let unregistered = "100 modules with tables, but 99 registrations";
        refuse(&kept, |p| (p.registered, p.deregistered) = (Some(99), Some(99)), unregistered);
        let unstripped = "stripped tables, but 100 registrations";
        refuse(&stripped, |p| (p.registered, p.deregistered) = (Some(100), Some(100)), unstripped);
        let packed = |scenario: &Scenario| {
            let mut scenario = scenario.clone();
            if let Workload::Modules(workload) = &mut scenario.workload {
                workload.load_from = LoadFrom::Pack;
            }
            scenario
        };
        let none = |p: &mut Proof| (p.registered, p.deregistered) = (Some(0), Some(0));
        let packed = packed(&kept);
        assert_eq!(check(&packed, none), Ok(()));
        refuse(&packed, |_| {}, "packs register nothing, but 100 registrations");
        let other = "its unwinder is /lib/libunwind.so.1, the session's is /lib/libgcc_s.so.1";
        refuse(&kept, |p| p.unwinder_path = "/lib/libunwind.so.1".to_owned(), other);
    }

    #[test]
    fn tables_are_registered_as_often_as_the_unwinder_takes_calls() {
        let text =
            "format = 2\nquestion = \"?\"\nexpectation = \"\"\njudge = [\"deregister/task-clock\"]
            registration = { functions = 3, order = \"oldest-first\", unwinds = 2 }
            sizes = [1, 2, 4, 8, 16]";
        let scenario = Scenario::parse("deregister", text).unwrap();
        assert_eq!(check(&scenario, |_| {}), Ok(()));
        let found = check(&scenario, |p| p.registered = Some(300));
        assert_eq!(found, Err("registered 300 times instead of 100".to_owned()));
        let found = check(&scenario, |p| p.deregistered = None);
        assert_eq!(found, Err("it does not report how often it deregistered".to_owned()));
        let found = check(&scenario, |p| p.unwound = 0);
        assert_eq!(found, Err("unwound 0 times instead of 2".to_owned()));
        let found = check(&scenario, |p| p.unwinder_path = "/lib/libunwind.so.1".to_owned());
        assert!(found.unwrap_err().starts_with("its unwinder is "));
    }

    #[test]
    fn the_work_of_a_self_check_is_counted() {
        let scenario = loadline_scenario::self_check::scenario("self-check-cpu-quadratic").unwrap();
        let Workload::SelfCheck(known) = scenario.workload else {
            panic!("a self-check has known work")
        };
        let units = known.units(100);
        assert_eq!(check(&scenario, |p| p.known_work = units), Ok(()));
        let error = check(&scenario, |p| p.known_work = units - 1).unwrap_err();
        assert!(error.starts_with("the self-check's work done"), "{error}");
    }
}
