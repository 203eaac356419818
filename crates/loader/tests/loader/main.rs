//! Tests of `Loader`: sharing, unloading in the background, records and warnings.
#![cfg(feature = "compile")]
#![allow(clippy::unwrap_used)]

mod budget;
#[path = "../common/mod.rs"]
mod common;
#[cfg(unix)]
mod packed;
mod stored;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{artifact_with_data, artifacts, check, engine, wasm};
use loadline_loader::headroom::{Amounts, Headroom, Resource};
use loadline_loader::unwinder::{self, Family};
use loadline_loader::{
    Artifact, Error, Lease, LoadObserver, LoadRecord, Loaded, Loader, LoaderOptions, Origin,
    Population, UnloadRecord, UnwindPolicy, Warning,
};

/// The name, the origin, whether the load was shared, the registrations, and the mappings.
type Load = (Option<String>, Origin, bool, Option<u64>, u64);

#[derive(Default)]
struct Notes {
    loads: Mutex<Vec<Load>>,
    unloads: Mutex<Vec<(usize, Option<String>)>>,
    warnings: Mutex<Vec<String>>,
}

impl LoadObserver for Notes {
    fn loaded(&self, record: &LoadRecord<'_>) {
        let name = record.name.map(str::to_owned);
        let LoadRecord { origin, is_shared, registrations, mappings, .. } = *record;
        assert_eq!(is_shared, record.deserialize == Duration::ZERO);
        self.loads.lock().unwrap().push((name, origin, is_shared, registrations, mappings));
    }

    fn unloaded(&self, record: &UnloadRecord) {
        let thread = std::thread::current().name().map(str::to_owned);
        self.unloads.lock().unwrap().push((record.contents.bytes, thread));
    }

    fn warn(&self, warning: &Warning) {
        self.warnings.lock().unwrap().push(warning.to_string());
    }
}

fn watched(options: LoaderOptions) -> (Loader, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    (Loader::new(&engine(), options.observer(notes.clone())), notes)
}

fn runs(loader: &Loader, lease: &Lease, index: usize) {
    check(loader.engine(), lease, index);
}

fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn identical_artifacts_are_one_module() {
    let (loader, notes) = watched(LoaderOptions::new());
    let artifacts = artifacts(2);
    let leases = [0, 1, 0, 0].map(|index| loader.load(&artifacts[index]).unwrap());
    assert_eq!(loader.population().modules, 2);
    let start = |lease: &Lease| match &**lease {
        Loaded::Module(module) => module.image_range().start,
        Loaded::Component(_) => panic!("a module"),
    };
    assert_eq!(start(&leases[0]), start(&leases[3]));
    assert_ne!(start(&leases[0]), start(&leases[1]));
    let shared: Vec<bool> = notes.loads.lock().unwrap().iter().map(|load| load.2).collect();
    assert_eq!(shared, [false, false, true, true]);
    let [one, other, third, fourth] = leases;
    drop((third, fourth));
    loader.flush();
    assert_eq!(loader.population().modules, 2);
    runs(&loader, &one, 0);
    runs(&loader, &other, 1);
    drop(one);
    drop(other);
    loader.flush();
    assert_eq!(loader.population(), Population::default());
    // After it was unloaded, it is loaded again.
    runs(&loader, &loader.load(&artifacts[0]).unwrap(), 0);
    assert!(!notes.loads.lock().unwrap().last().unwrap().2);

    let (apart, _) = watched(LoaderOptions::new().sharing(false));
    let leases = [(), ()].map(|()| apart.load(&artifacts[0]).unwrap());
    assert_ne!(start(&leases[0]), start(&leases[1]));
}

#[test]
fn modules_are_dropped_by_a_thread_of_their_own() {
    let (loader, notes) = watched(LoaderOptions::new());
    let artifacts = artifacts(20);
    let leases = loader.load_many(&artifacts, go_on);
    let leases: Vec<Lease> = leases.into_iter().map(Result::unwrap).collect();
    leases.iter().enumerate().for_each(|(index, lease)| runs(&loader, lease, index));
    let clone = (*leases[3]).clone();
    drop(leases);
    loader.flush();
    let unloads = std::mem::take(&mut *notes.unloads.lock().unwrap());
    assert_eq!(unloads.len(), 20);
    assert!(unloads.iter().all(|(_, thread)| thread.as_deref() == Some("loadline-unload")));
    check(loader.engine(), &clone, 3);
    // The last handle may outlive the loader.
    let lease = loader.load(&artifacts[0]).unwrap();
    drop(loader);
    drop(lease);
    // The loader's thread ends in the background.
    while notes.unloads.lock().unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(notes.unloads.lock().unwrap().len(), 1);
}

#[test]
fn a_policy_is_applied_and_told() {
    let artifacts = artifacts(1);
    let (stripping, notes) = watched(LoaderOptions::new());
    let lease = stripping.load(&artifacts[0]).unwrap();
    assert_eq!(lease.contents().fdes, 0);
    if !cfg!(windows) {
        let load = notes.loads.lock().unwrap()[0].clone();
        assert_eq!(load, (None, Origin::Bytes, false, Some(0), 2));
        assert_eq!(stripping.population().with_tables, 0);
    }
    let (strict, _) = watched(LoaderOptions::new().policy(UnwindPolicy::RequireAbsent));
    if artifacts[0].contents().fdes > 0 {
        let error = strict.load(&artifacts[0]).unwrap_err();
        assert!(matches!(error, Error::TablesPresent { .. }), "{error:?}");
    }
}

#[test]
fn kept_tables_are_warned_of_once() {
    let (loader, notes) = watched(LoaderOptions::new().policy(UnwindPolicy::Keep));
    let few = artifacts(4);
    let numbered: Vec<Artifact> = (0..1600)
        .map(|number| {
            let mut artifact = few[number % few.len()].clone();
            artifact.number(number as u64);
            artifact
        })
        .collect();
    let leases = loader.load_many(&numbered, go_on);
    let leases: Vec<Lease> = leases.into_iter().map(Result::unwrap).collect();
    let fdes = few[0].contents().fdes as u64;
    let registrations = notes.loads.lock().unwrap()[0].3;
    let warnings = notes.warnings.lock().unwrap().len();
    match unwinder::detect().family {
        Family::LibgccList => assert_eq!((warnings, registrations), (1, Some(1))),
        Family::LibgccTree => assert_eq!((warnings, registrations), (0, Some(1))),
        Family::Llvm => assert_eq!((warnings, registrations), (1, Some(fdes))),
        other => loadline_testing::skip!("what {other} costs is not known"),
    }
    assert_eq!(loader.population().modules, 1600);
    drop(leases);
    loader.flush();
}

/// The same test under LLVM's libunwind, if the machine has it.
#[test]
fn kept_tables_are_warned_of_under_llvm() {
    let places =
        (11..30).rev().map(|release| format!("/usr/lib/llvm-{release}/lib/libunwind.so.1"));
    let mut places = places.filter(|path| std::path::Path::new(path).exists());
    let Some(library) = places.next().filter(|_| cfg!(target_os = "linux")) else {
        loadline_testing::skip!("LLVM's libunwind is not installed");
        return;
    };
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "kept_tables_are_warned_of_once"]).env("LD_PRELOAD", library);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_call_that_loads_many_can_be_cancelled() {
    let (loader, _) = watched(LoaderOptions::new().threads(NonZeroUsize::MIN));
    let artifacts = artifacts(10);
    let seen = Mutex::new(Vec::new());
    let results = loader.load_many(&artifacts, |progress| {
        seen.lock().unwrap().push((progress.done, progress.total));
        if progress.done < 4 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!(*seen.lock().unwrap(), [(1, 10), (2, 10), (3, 10), (4, 10)]);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 4);
    assert!(results[4..].iter().all(|result| matches!(result, Err(Error::Cancelled))));
}

/// Blocks each unload until the test releases it.
struct Blocks(Mutex<std::sync::mpsc::Receiver<()>>);

impl LoadObserver for Blocks {
    fn unloaded(&self, _: &UnloadRecord) {
        let _ = self.0.lock().unwrap().recv();
    }
}

#[test]
fn dropping_the_last_lease_after_the_loader_waits_for_nothing() {
    let (release, released) = std::sync::mpsc::channel();
    let artifacts = artifacts(2);
    let (tell, told) = std::sync::mpsc::channel();
    // Run this on another thread, so that an endless wait fails the test instead of blocking it.
    std::thread::spawn(move || {
        let options = LoaderOptions::new().observer(Arc::new(Blocks(Mutex::new(released))));
        let loader = Loader::new(&engine(), options);
        let leases = loader.load_many(&artifacts, go_on);
        let leases: Vec<Lease> = leases.into_iter().map(Result::unwrap).collect();
        drop(loader);
        drop(leases);
        tell.send(()).unwrap();
    });
    told.recv_timeout(Duration::from_secs(60)).expect("the drop has returned");
    drop(release);
}

/// No descriptor may be taken, so only modules that need none are loaded.
#[test]
fn descriptors_are_for_modules_with_data_segments() {
    let Some(descriptors) = Headroom::now().of(Resource::Descriptors) else {
        loadline_testing::skip!("open files are not limited, or not known");
        return;
    };
    let reserve = Amounts { descriptors: descriptors.limit, ..Amounts::default() };
    let options = || LoaderOptions::new().reserve(Some(reserve));
    let plain = artifacts(1).remove(0);
    let with_data = artifact_with_data();
    let is_refused = |loaded: Result<Lease, Error>| {
        let error = loaded.unwrap_err();
        let of = Resource::Descriptors;
        assert!(matches!(error, Error::Headroom { resource, .. } if resource == of), "{error:?}");
    };
    let (loader, _) = watched(options());
    runs(&loader, &loader.load(&plain).unwrap(), 0);
    is_refused(loader.load(&with_data));
    #[cfg(unix)]
    {
        use loadline_loader::pack::{Pack, PackOptions};

        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("some.pack");
        Pack::build(&path, None, [("plain", &plain), ("data", &with_data)]).unwrap();
        let pack = Pack::open(&path, PackOptions::new()).unwrap();
        let loader = Loader::new(&packed::Tenants::engine(), options());
        runs(&loader, &loader.load_packed(&pack, "plain").unwrap(), 0);
        is_refused(loader.load_packed(&pack, "data"));
    }
}

#[test]
fn what_would_not_fit_is_an_error() {
    let artifacts = artifacts(1);
    let headroom = Headroom::now();
    let Some(memory) = headroom.of(Resource::Memory) else {
        loadline_testing::skip!("this system does not tell what is left");
        return;
    };
    let reserve = Amounts { bytes: memory.limit, ..Amounts::default() };
    let (loader, _) = watched(LoaderOptions::new().reserve(Some(reserve)));
    let error = loader.load(&artifacts[0]).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Headroom { resource: Resource::Memory, .. }), "{text}");
    assert!(text.contains("memory.max"), "{text}");
    let (loader, _) = watched(LoaderOptions::new().reserve(None));
    runs(&loader, &loader.load(&artifacts[0]).unwrap(), 0);
}
