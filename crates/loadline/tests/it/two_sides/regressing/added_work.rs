//! Work that a test adds to loads, so that `regress` has something to find. The test copies this file
//! into the workload of a clone; nothing here is part of the product.
//!
//! The file `WORK` says what is added, one kind of work a line: the kind, a factor, a power, and the
//! numbers of the first and the last load that it is added to. The load number i gets factor · i^power
//! pieces of it.

use std::hint::black_box;
use std::sync::OnceLock;

/// The test writes the file's path in here.
const WORK: &str = "WORK";

struct Added {
    kind: String,
    factor: f64,
    power: i32,
    first: usize,
    last: usize,
}

impl Added {
    fn read(line: &str) -> Added {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, factor, power, first, last] = words[..] else { panic!("no work: {line:?}") };
        Added {
            kind: kind.to_owned(),
            factor: factor.parse().expect("a factor"),
            power: power.parse().expect("a power"),
            first: first.parse().expect("a number"),
            last: last.parse().expect("a number"),
        }
    }
}

/// Does what is added to the load of this number, the first being 1.
pub(crate) fn at_load(number: usize) {
    static ADDED: OnceLock<Vec<Added>> = OnceLock::new();
    let all = ADDED.get_or_init(|| {
        let text = std::fs::read_to_string(WORK).expect("the test has written it");
        text.lines().map(Added::read).collect()
    });
    for added in all.iter().filter(|added| (added.first..=added.last).contains(&number)) {
        let pieces = (added.factor * (number as f64).powi(added.power)).round() as u64;
        match added.kind.as_str() {
            "allocations" => (0..pieces).for_each(|piece| drop(black_box(Box::new(piece)))),
            "instructions" => turn(pieces / 2),
            "mappings" => (0..pieces).for_each(|_| map()),
            kind => panic!("no such work: {kind}"),
        }
    }
}

/// Two instructions each time.
#[allow(unsafe_code)]
fn turn(times: u64) {
    if times == 0 {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: counts a register of its own down to zero and touches no memory.
    unsafe {
        std::arch::asm!("2: dec {0}", "jnz 2b", inout(reg) times => _, options(nomem, nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: counts a register of its own down to zero and touches no memory.
    unsafe {
        std::arch::asm!("2: subs {0}, {0}, #1", "b.ne 2b", inout(reg) times => _, options(nomem, nostack));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    (0..times).for_each(|time| {
        black_box(time);
    });
}

/// Makes a mapping and removes it.
#[allow(unsafe_code)]
fn map() {
    const BYTES: usize = 65_536;
    // SAFETY: a new anonymous mapping touches nothing that exists; it is removed whole, and no other code
    // knows it.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let start = libc::mmap(std::ptr::null_mut(), BYTES, libc::PROT_NONE, flags, -1, 0);
        assert_ne!(start, libc::MAP_FAILED);
        libc::munmap(start, BYTES);
    }
}
