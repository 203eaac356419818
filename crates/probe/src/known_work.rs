//! Work whose count is known beforehand: steps of a loop, fresh pages, naps, moves.

// Mapping, flushing and moving have no safe face.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// Bytes in a cache line, at least: reading closer than a line would prove less, not wrong.
const LINE: usize = 64;

/// A loop of `n` equal steps. Not inlined, so that every length runs the same instructions.
#[inline(never)]
pub(crate) fn steps(n: u64) {
    for step in 0..n {
        black_box(step);
    }
}

/// `n` branches that go either way like a fair coin (xorshift, Marsaglia 2003).
#[inline(never)]
pub(crate) fn coin_tosses(n: u64) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..n {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Two calls that are opaque to the compiler, so that it takes a branch and no select.
        if state & 1 == 0 {
            black_box(heads());
        } else {
            black_box(tails());
        }
    }
}

#[inline(never)]
fn heads() -> u8 {
    black_box(0)
}

#[inline(never)]
fn tails() -> u8 {
    black_box(1)
}

/// Computes until the wall clock has moved by 50 µs.
pub(crate) fn spin_until_later() {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_micros(50) {
        steps(100);
    }
}

/// Pages of private memory that nobody has touched, and that come one by one.
pub(crate) struct FreshPages {
    start: *mut u8,
    n_bytes: usize,
    page: usize,
}

impl FreshPages {
    /// Maps `n` pages of 4 KiB (or of what this kernel uses); the errno where it cannot.
    pub(crate) fn map(n: usize) -> Result<FreshPages, i32> {
        // SAFETY: no memory is involved.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) })
            .map_err(|_| libc::EINVAL)?;
        let n_bytes = n * page;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), n_bytes, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOMEM));
        }
        // Else one fault might bring many pages. A kernel without huge pages refuses, rightly.
        // SAFETY: advice about the mapping just made; it changes no contents.
        unsafe { libc::madvise(start, n_bytes, libc::MADV_NOHUGEPAGE) };
        Ok(FreshPages { start: start.cast(), n_bytes, page })
    }

    /// How many lines [`read_lines`](FreshPages::read_lines) reads.
    pub(crate) fn n_lines(&self) -> usize {
        self.n_bytes / LINE
    }

    /// Writes to each page once; the first time, one fault each.
    pub(crate) fn write_each(&self) {
        for offset in (0..self.n_bytes).step_by(self.page) {
            // SAFETY: `offset` lies within the mapping, which is writable and ours alone.
            unsafe { self.start.add(offset).write_volatile(1) };
        }
    }

    /// Reads from each page once.
    pub(crate) fn read_each(&self) {
        (0..self.n_bytes).step_by(self.page).for_each(|offset| self.read(offset));
    }

    /// Reads each line once, in an order that no prefetcher follows.
    pub(crate) fn read_lines(&self) {
        let n_lines = self.n_lines();
        // Lines are a power of two, 389 is odd: each comes once.
        (0..n_lines).for_each(|line| self.read(line * 389 % n_lines * LINE));
    }

    /// Turns each line out of every cache, where user code may do so.
    pub(crate) fn flush_lines(&self) {
        #[cfg(target_arch = "x86_64")]
        for offset in (0..self.n_bytes).step_by(LINE) {
            // SAFETY: `offset` lies within the mapping; flushing changes no contents, and the
            // instruction is part of SSE2, which every x86-64 has.
            unsafe { std::arch::x86_64::_mm_clflush(self.start.add(offset)) };
        }
    }

    fn read(&self, offset: usize) {
        // SAFETY: callers keep `offset` within the mapping, which is readable; any byte is a `u8`.
        black_box(unsafe { self.start.add(offset).read_volatile() });
    }
}

impl Drop for FreshPages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours from `map` and nobody points into it any more.
        unsafe { libc::munmap(self.start.cast(), self.n_bytes) };
    }
}

/// Moves the calling thread to another of the processors it may use, and frees it again. Returns
/// whether it moved; with one processor it cannot. To be called on a thread of its own: the kernel may
/// refuse to free the thread again.
pub(crate) fn visit_another_cpu() -> bool {
    let Some(allowed) = allowed_cpus() else { return false };
    // SAFETY: no memory is involved.
    let Ok(here) = usize::try_from(unsafe { libc::sched_getcpu() }) else { return false };
    let n_cpus = libc::CPU_SETSIZE as usize;
    // SAFETY: `allowed` is initialised and `cpu` below its size.
    let is_allowed = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &allowed) };
    let Some(there) = (0..n_cpus).filter(|&cpu| cpu != here).find(is_allowed) else {
        return false;
    };
    // SAFETY: all zero is the empty set.
    let mut only_there: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: `there` is below the set's size.
    unsafe { libc::CPU_SET(there, &mut only_there) };
    let moved = stay_on(&only_there);
    stay_on(&allowed);
    moved
}

/// The processors the calling thread may use; `None` where the kernel knows more than fit the set.
fn allowed_cpus() -> Option<libc::cpu_set_t> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the size given is that of `set`, which the kernel fills from its beginning; all zero
    // was valid before.
    unsafe {
        let status = libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr());
        (status == 0).then(|| set.assume_init())
    }
}

fn stay_on(cpus: &libc::cpu_set_t) -> bool {
    // SAFETY: the size given is that of the borrowed set, which the kernel only reads.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), cpus) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_leaves_the_thread_as_free_as_before() {
        let before = allowed_cpus().expect("fewer than 1024 processors");
        visit_another_cpu();
        let after = allowed_cpus().expect("fewer than 1024 processors");
        // SAFETY: both sets are initialised.
        assert!(unsafe { libc::CPU_EQUAL(&before, &after) });
    }

    #[test]
    fn every_line_is_read_once() {
        let n_lines = FreshPages::map(64).expect("a mapping").n_lines();
        let mut lines: Vec<usize> = (0..n_lines).map(|line| line * 389 % n_lines).collect();
        lines.sort_unstable();
        assert!(lines.into_iter().eq(0..n_lines));
    }
}
