//! Tests that a load at a limit of the process is an error and that the process continues. Each test runs in
//! a separate process.
#![cfg(all(target_os = "linux", feature = "compile"))]
#![allow(clippy::unwrap_used, unsafe_code)]

mod common;

use std::fs::File;

use common::{alone, artifact_with_data, artifact_with_data_for, artifacts, check, engine};
use loadline_loader::headroom::{Headroom, Resource};
use loadline_loader::pack::{self, Pack, PackOptions};
use loadline_loader::wasmtime::{Config, Engine};
use loadline_loader::{Artifact, Budget, Error, Lease, Loader, LoaderOptions};

/// Loads copies until there is an error.
fn fill(loader: &Loader, artifact: &Artifact, most: usize) -> (Vec<Lease>, Option<Error>) {
    let mut leases = Vec::new();
    for number in 0..most {
        let mut copy = artifact.clone();
        copy.number(number as u64);
        match loader.load(&copy) {
            Ok(lease) => leases.push(lease),
            Err(error) => return (leases, Some(error)),
        }
    }
    (leases, None)
}

fn expect(error: Option<Error>, expected: Resource) {
    match error {
        Some(Error::Headroom { resource, limit, used, needed, reserve }) => {
            assert_eq!(resource, expected);
            assert!(used + needed + reserve > limit, "{used} + {needed} + {reserve} of {limit}");
        }
        other => panic!("{other:?} with {:?}", Headroom::now()),
    }
}

/// Checks that the process can still use the artifact of module 0 in every way.
fn goes_on(loader: &Loader, artifact: &Artifact, mut leases: Vec<Lease>) {
    check(loader.engine(), leases.last().unwrap(), 0);
    std::thread::spawn(|| vec![1u8; 1 << 20].len()).join().unwrap();
    leases.truncate(leases.len() / 2);
    loader.flush();
    check(loader.engine(), &loader.load(artifact).unwrap(), 0);
}

fn limits(which: libc::__rlimit_resource_t) -> libc::rlimit {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` is live and of the right type.
    assert_eq!(unsafe { libc::getrlimit(which, &mut limits) }, 0);
    limits
}

fn limit(which: libc::__rlimit_resource_t, soft: u64) {
    let limit = libc::rlimit { rlim_cur: soft, ..limits(which) };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(which, &limit) }, 0);
}

/// Returns the bytes of address space that this process uses.
fn address_space() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().next().unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn at_the_limit_of_mappings() {
    let known = Headroom::now().of(Resource::Mappings);
    if known.is_none_or(|usage| usage.limit > 300_000) {
        loadline_testing::skip!("vm.max_map_count is unknown, or too far away");
        return;
    }
    if !alone("at_the_limit_of_mappings") {
        return;
    }
    let mut artifact = artifacts(1).remove(0);
    artifact.apply(loadline_loader::UnwindPolicy::Strip).unwrap();
    let loader = Loader::new(&engine(), LoaderOptions::new().sharing(false));
    let (leases, error) = fill(&loader, &artifact, 300_000);
    expect(error, Resource::Mappings);
    assert!(leases.len() > 1000, "{}", leases.len());
    goes_on(&loader, &artifact, leases);
}

#[test]
fn at_the_limit_of_descriptors() {
    if !alone("at_the_limit_of_descriptors") {
        return;
    }
    limit(libc::RLIMIT_NOFILE, 128);
    // Only modules with data segments may need a descriptor.
    let artifact = artifact_with_data();
    let loader = Loader::new(&engine(), LoaderOptions::new().sharing(false));
    let mut open = Vec::new();
    let mut leases = Vec::new();
    let error = loop {
        open.push(File::open("/dev/null").unwrap());
        let (more, error) = fill(&loader, &artifact, 1);
        leases.extend(more);
        if let Some(error) = error {
            break error;
        }
    };
    expect(Some(error), Resource::Descriptors);
    assert!(open.len() > 64, "{}", open.len());
    open.clear();
    goes_on(&loader, &artifact, leases);
}

/// Each module is instantiated, so each takes a descriptor.
#[test]
fn a_budget_makes_room_at_the_limit_of_descriptors() {
    if !alone("a_budget_makes_room_at_the_limit_of_descriptors") {
        return;
    }
    limit(libc::RLIMIT_NOFILE, 128);
    let artifact = artifact_with_data();
    let everything = Budget { modules: u64::MAX, bytes: u64::MAX };
    let loader = Loader::new(&engine(), LoaderOptions::new().budget(everything));
    // Threads compete for the room that one of them makes.
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (loader, artifact) = (&loader, &artifact);
            scope.spawn(move || {
                for number in 0..1000 {
                    let mut copy = artifact.clone();
                    copy.number(4 * number + thread);
                    check(loader.engine(), &loader.load(&copy).unwrap(), 0);
                }
            });
        }
    });
    assert!(loader.population().modules > 32, "{:?}", loader.population());
}

/// A program replaces a pack by dropping it. The memory goes with the last module. No other test may map
/// memory meanwhile.
#[test]
fn a_pack_that_was_dropped_is_unmapped_with_its_last_module() {
    if !alone("a_pack_that_was_dropped_is_unmapped_with_its_last_module") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("some.pack");
    Pack::build(&path, None, [("0", &artifacts(1)[0])]).unwrap();
    let pack = Pack::open(&path, PackOptions::new()).unwrap();
    let mut config = Config::new();
    pack::configure(&mut config);
    let loader = Loader::new(&Engine::new(&config).unwrap(), LoaderOptions::new());
    let lease = loader.load_packed(&pack, "0").unwrap();
    let n_executable = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.contains(" r-xp 00000000 00:00 0")).count()
    };
    drop(pack);
    check(loader.engine(), &lease, 0);
    let before = n_executable();
    drop(lease);
    loader.flush();
    assert_eq!(n_executable(), before - 1);
}

#[test]
fn at_the_limit_of_address_space() {
    if !alone("at_the_limit_of_address_space") {
        return;
    }
    let artifact = artifacts(1).remove(0);
    let loader = Loader::new(&engine(), LoaderOptions::new().sharing(false));
    // Load once first, so that Wasmtime's one-time setup is not counted.
    check(loader.engine(), &fill(&loader, &artifact, 1).0[0], 0);
    limit(libc::RLIMIT_AS, address_space() + (512 << 20));
    let (leases, error) = fill(&loader, &artifact, 300_000);
    expect(error, Resource::AddressSpace);
    goes_on(&loader, &artifact, leases);
}

/// An error that names the bytes of the index alone would lead to a limit that is still too low.
#[test]
fn a_pack_that_does_not_fit_says_how_many_bytes_it_needs() {
    if !alone("a_pack_that_does_not_fit_says_how_many_bytes_it_needs") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("some.pack");
    Pack::build(&path, None, [("0", &artifacts(1)[0])]).unwrap();
    let file_bytes = std::fs::metadata(&path).unwrap().len();
    let usual = limits(libc::RLIMIT_AS).rlim_cur;
    // A lazy pack maps its images twice, but not its index.
    let index_bytes = 4096;
    for (options, least) in [
        (PackOptions::new(), file_bytes),
        (PackOptions::new().lazy(), 2 * (file_bytes - index_bytes)),
    ] {
        limit(libc::RLIMIT_AS, address_space());
        let refused = Pack::open(&path, options.clone()).unwrap_err();
        limit(libc::RLIMIT_AS, usual);
        let Error::File { source, .. } = refused else { panic!("{refused:?}") };
        let Error::Headroom { resource, needed, .. } = *source else { panic!("{source:?}") };
        assert_eq!(resource, Resource::AddressSpace);
        assert!(needed >= least, "{needed} of {least} bytes");
        assert!(source.to_string().starts_with(&format!("{needed} more ")), "{source}");
        Pack::open(&path, options).unwrap();
    }
}

/// Each module is instantiated. With `memory_init_cow`, the descriptors would end before the modules.
#[test]
fn packed_modules_that_copy_their_data_take_no_descriptor() {
    if !alone("packed_modules_that_copy_their_data_take_no_descriptor") {
        return;
    }
    let mut config = Config::new();
    config.memory_init_cow(false);
    pack::configure(&mut config);
    let engine = Engine::new(&config).unwrap();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("some.pack");
    let copies: Vec<(String, Artifact)> = (0..200)
        .map(|number| {
            let mut copy = artifact_with_data_for(&engine);
            copy.number(number);
            (number.to_string(), copy)
        })
        .collect();
    Pack::build(&path, None, copies.iter().map(|(name, copy)| (name.as_str(), copy))).unwrap();
    let pack = Pack::open(&path, PackOptions::new()).unwrap();
    limit(libc::RLIMIT_NOFILE, 128);
    let loader = Loader::new(&engine, LoaderOptions::new());
    let load = |(name, _): &(String, Artifact)| {
        let lease = loader.load_packed(&pack, name).unwrap();
        check(&engine, &lease, 0);
        lease
    };
    let leases: Vec<Lease> = copies.iter().map(load).collect();
    assert_eq!(leases.len(), 200);
}
