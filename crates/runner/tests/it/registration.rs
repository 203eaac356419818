//! Tests the registration bench with real processes, under the machine's unwinder and under LLVM's.
//! Registered tables are counted, found while they are registered, and not found afterwards.

use std::path::Path;

use crate::common::{Runner, not_zero};
use loadline_scenario::{
    AddressOrder, Metric, Phase, Registration, RegistrationCalls, UnloadOrder, Workload,
};

const FUNCTIONS: u64 = 3;
const TABLES: u64 = 20;

fn registration(calls: RegistrationCalls) -> Registration {
    Registration {
        functions: not_zero(FUNCTIONS as usize),
        order: UnloadOrder::Random,
        addresses: AddressOrder::Random,
        calls,
        unwinds: 2,
    }
}

fn llvm() -> Option<String> {
    let paths = (10..40).rev().map(|n| format!("/usr/lib/llvm-{n}/lib/libunwind.so.1"));
    let found = paths.into_iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        loadline_testing::skip!("LLVM's libunwind is not installed");
    }
    found
}

/// Returns the calls and entries of registration and deregistration under the unwinder.
fn counts(runner: &Runner, unwinder: Option<&str>, calls: RegistrationCalls) -> [u64; 4] {
    let metrics = [Metric::FdesRegistered, Metric::FdesDeregistered];
    let workload = Workload::Registration(registration(calls));
    let answer = runner.preloading(unwinder).measure(&workload, TABLES as usize, &metrics);
    assert_eq!(answer.proof.unwound, 2);
    assert_eq!(answer.proof.released as u64, TABLES);
    [
        answer.proof.registered.unwrap(),
        answer.exact(Phase::Register, Metric::FdesRegistered),
        answer.proof.deregistered.unwrap(),
        answer.exact(Phase::Deregister, Metric::FdesDeregistered),
    ]
}

/// Each run looks up one function while its table is registered, and again after deregistration. If the
/// unwinder gives a wrong answer, the run fails.
#[test]
fn what_is_registered_is_counted_as_the_unwinder_takes_it() {
    let runner = Runner::new();
    let workload = Workload::Registration(registration(RegistrationCalls::Usual));
    runner.prepare(&workload, TABLES as usize);
    let all = TABLES * FUNCTIONS;
    let of_host = |calls| counts(&runner, None, calls);
    assert_eq!(of_host(RegistrationCalls::Usual), [TABLES, all, TABLES, all]);
    assert_eq!(of_host(RegistrationCalls::Table), [TABLES, all, TABLES, all]);
    assert_eq!(of_host(RegistrationCalls::Entry), [all; 4]);
    assert_eq!(of_host(RegistrationCalls::None), [0; 4]);

    let Some(llvm) = llvm() else { return };
    let of_llvm = |calls| counts(&runner, Some(&llvm), calls);
    assert_eq!(of_llvm(RegistrationCalls::Usual), [all; 4]);
    assert_eq!(of_llvm(RegistrationCalls::Entry), [all; 4]);
    assert_eq!(of_llvm(RegistrationCalls::Table), [TABLES, all, TABLES, all]);
    assert_eq!(of_llvm(RegistrationCalls::None), [0; 4]);
}
