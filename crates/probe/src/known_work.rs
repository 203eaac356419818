//! Work with a known count: loop steps, fresh pages, sleeps, moves to another CPU.

use std::hint::black_box;
use std::time::{Duration, Instant};

use memmap2::{Advice, MmapMut};
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// A lower bound for the bytes in a cache line. If lines are longer, the proof is weaker but not wrong.
const LINE: usize = 64;

/// Runs a loop of `n` equal steps. The function is not inlined, so that every length runs the same
/// instructions.
#[inline(never)]
pub(crate) fn steps(n: u64) {
    for step in 0..n {
        black_box(step);
    }
}

/// Runs `n` branches that go either way like a fair coin (xorshift, Marsaglia 2003).
#[inline(never)]
pub(crate) fn coin_tosses(n: u64) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..n {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // The compiler cannot see into the two calls, so it generates a branch and no select.
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

/// Private memory whose pages no code has touched, so that each page causes one fault.
pub(crate) struct FreshPages {
    memory: MmapMut,
    page: usize,
}

impl FreshPages {
    /// Maps `n` pages of 4 KiB (or of this kernel's page size), or returns the errno.
    pub(crate) fn map(n: usize) -> Result<FreshPages, i32> {
        let page = rustix::param::page_size();
        let memory = MmapMut::map_anon(n * page);
        let memory = memory.map_err(|error| error.raw_os_error().unwrap_or(libc::ENOMEM))?;
        // Otherwise one fault might map many pages. A kernel without huge pages returns an error, which is
        // fine.
        let _ = memory.advise(Advice::NoHugePage);
        Ok(FreshPages { memory, page })
    }

    /// Returns the number of lines that [`read_lines`](FreshPages::read_lines) reads.
    pub(crate) fn n_lines(&self) -> usize {
        self.memory.len() / LINE
    }

    /// Writes to each page once. The first call causes one fault per page.
    pub(crate) fn write_each(&mut self) {
        for byte in self.memory.iter_mut().step_by(self.page) {
            *byte = black_box(1);
        }
    }

    pub(crate) fn read_each(&self) {
        (0..self.memory.len()).step_by(self.page).for_each(|offset| self.read(offset));
    }

    /// Reads each line once, in an order that no prefetcher predicts.
    pub(crate) fn read_lines(&self) {
        let n_lines = self.n_lines();
        // The number of lines is a power of two and 389 is odd, so each line is read once.
        (0..n_lines).for_each(|line| self.read(line * 389 % n_lines * LINE));
    }

    /// Flushes each line from every cache, on CPUs where user code may do so.
    #[cfg_attr(target_arch = "x86_64", allow(unsafe_code))]
    pub(crate) fn flush_lines(&self) {
        #[cfg(target_arch = "x86_64")]
        for line in self.memory.chunks(LINE) {
            // SAFETY: `line` is readable memory. Flushing changes no contents. The instruction is part of
            // SSE2, which every x86-64 CPU has.
            unsafe { std::arch::x86_64::_mm_clflush(line.as_ptr()) };
        }
    }

    fn read(&self, offset: usize) {
        black_box(self.memory[offset]);
    }
}

/// Moves the calling thread to another allowed CPU, and then allows all CPUs again. Returns whether the
/// thread moved, which is impossible with one CPU. Call this on a separate thread, because the kernel may
/// refuse to allow all CPUs again.
pub(crate) fn visit_another_cpu() -> bool {
    let Ok(allowed) = sched_getaffinity(None) else { return false };
    let here = sched_getcpu();
    let is_there = |cpu: &usize| *cpu != here && allowed.is_set(*cpu);
    let Some(there) = (0..CpuSet::MAX_CPU).find(is_there) else { return false };
    let mut only_there = CpuSet::new();
    only_there.set(there);
    let moved = sched_setaffinity(None, &only_there).is_ok();
    let _ = sched_setaffinity(None, &allowed);
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_leaves_the_thread_as_free_as_before() {
        let allowed = || sched_getaffinity(None).expect("fewer than 1024 CPUs");
        let before = allowed();
        visit_another_cpu();
        assert!(allowed() == before);
    }

    #[test]
    fn every_line_is_read_once() {
        let n_lines = FreshPages::map(64).expect("a mapping").n_lines();
        let mut lines: Vec<usize> = (0..n_lines).map(|line| line * 389 % n_lines).collect();
        lines.sort_unstable();
        assert!(lines.into_iter().eq(0..n_lines));
    }
}
