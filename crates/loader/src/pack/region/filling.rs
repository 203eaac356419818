//! [`Filling`]: writes to memory that is executable elsewhere in this process, one part at a time.
//!
//! The memory is a file without a name (`memfd_create`) with two mappings, one to write and one to execute.
//! Before the second mapping is made, the kernel is told to refuse further writable mappings, `write`,
//! `ftruncate` and `fallocate`, in this and in all other processes. Otherwise another process of the same
//! user could open the file through `/proc`, and change code that runs. Then the descriptor is closed.
//!
//! A forked process does not inherit the mapping to write. Otherwise both processes could fill the same page.
#![allow(unsafe_code)]

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::Filling;
#[cfg(target_os = "linux")]
pub(crate) use linux::Filling;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::ops::Range;
    use std::ptr;
    use std::sync::atomic::{AtomicU8, Ordering};

    use memmap2::{Advice, MmapMut, MmapOptions, MmapRaw, UncheckedAdvice};
    use rustix::fs::{SealFlags, fcntl_add_seals, fstat, ftruncate};
    use rustix::mm;
    use rustix::param::page_size;

    use crate::pack::region::sealing;

    /// The writable mapping, and the state of its pages.
    #[derive(Debug)]
    pub(crate) struct Filling {
        /// `None` only while this value is dropped.
        writable: Option<MmapRaw>,
        /// One page that holds a 1. In a forked process, the kernel replaces it by zeros.
        marker: MmapMut,
        pages: Box<[AtomicU8]>,
    }

    const EMPTY: u8 = 0;
    const BEING_FILLED: u8 = 1;
    const FILLED: u8 = 2;

    impl Filling {
        /// Makes `bytes` zeros in memory, and maps them to be written. Also returns a mapping to be read,
        /// which no process can make writable.
        pub(crate) fn new(bytes: usize) -> io::Result<(MmapRaw, Filling)> {
            let memory = sealing::memory()?;
            ftruncate(&memory, bytes as u64)?;
            let writable = MmapOptions::new().len(bytes).map_raw(&memory)?;
            // From here on, this mapping is the only way to write.
            fcntl_add_seals(&memory, SealFlags::FUTURE_WRITE | sealing::LENGTH | SealFlags::SEAL)?;
            if fstat(&memory)?.st_size as u64 != bytes as u64 {
                return Err(io::Error::other("another process changed the length of the memory"));
            }
            let readable = MmapOptions::new().len(bytes).map_raw_read_only(&memory)?;
            writable.advise(Advice::DontFork)?;
            let pages = (0..bytes.div_ceil(page_size())).map(|_| AtomicU8::new(EMPTY));
            let filling =
                Filling { writable: Some(writable), marker: marker()?, pages: pages.collect() };
            Ok((readable, filling))
        }

        /// Returns whether every page of a range was filled.
        pub(crate) fn has(&self, range: &Range<usize>) -> bool {
            self.pages_of(range).iter().all(|page| page.load(Ordering::Acquire) == FILLED)
        }

        /// Writes to a range that begins at a page, unless a part of it was written before. Returns whether it
        /// did. The caller must call [`Filling::is_written`] before others can read the range.
        pub(crate) fn write(&self, range: Range<usize>, bytes: &[u8]) -> bool {
            let Some(writable) = self.writable.as_ref().filter(|_| !self.is_in_child()) else {
                return false;
            };
            assert!(range.start.is_multiple_of(page_size()) && range.len() == bytes.len());
            assert!(range.end <= writable.len(), "{range:?} of {}", writable.len());
            let order = (Ordering::Acquire, Ordering::Relaxed);
            let take = |page: &AtomicU8| {
                page.compare_exchange(EMPTY, BEING_FILLED, order.0, order.1).is_ok()
            };
            if !self.pages_of(&range).iter().all(take) {
                return false;
            }
            // SAFETY: the range is within the mapping, which this process has, since it is not a fork of the
            // process that made it. All pages of the range were empty, and no other thread can take them any
            // more. So nothing else writes to them, and `has` hides them from readers. `DontNeed` only makes
            // the process forget where the pages of this shared mapping are. They stay in the file.
            unsafe {
                let to = writable.as_mut_ptr().add(range.start);
                ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
                // If this fails, the pages only count twice for this process.
                let advice = UncheckedAdvice::DontNeed;
                let _ = writable.unchecked_advise_range(advice, range.start, range.len());
            }
            true
        }

        /// Marks pages as final, after they were written.
        pub(crate) fn is_written(&self, range: &Range<usize>) {
            self.pages_of(range).iter().for_each(|page| page.store(FILLED, Ordering::Release));
        }

        fn pages_of(&self, range: &Range<usize>) -> &[AtomicU8] {
            &self.pages[range.start / page_size()..range.end.div_ceil(page_size())]
        }

        /// Returns whether this process is a fork of the one that made the mappings.
        fn is_in_child(&self) -> bool {
            std::hint::black_box(&self.marker)[0] == 0
        }
    }

    impl Drop for Filling {
        fn drop(&mut self) {
            // In a forked process, other memory may be mapped at the addresses by now.
            if self.is_in_child() {
                std::mem::forget(self.writable.take());
            }
        }
    }

    fn marker() -> io::Result<MmapMut> {
        let mut marker = MmapMut::map_anon(page_size())?;
        marker[0] = 1;
        // SAFETY: the advice changes nothing in this process. A forked process sees zeros, which are as good
        // a value of the bytes as any other.
        unsafe {
            let page = marker.as_mut_ptr().cast();
            mm::madvise(page, marker.len(), mm::Advice::LinuxWipeOnFork)?;
        }
        Ok(marker)
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;
    use std::ops::Range;

    use memmap2::MmapRaw;

    /// This system cannot fill memory of packs later.
    #[derive(Debug)]
    pub(crate) enum Filling {}

    impl Filling {
        pub(crate) fn new(_: usize) -> io::Result<(MmapRaw, Filling)> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn has(&self, _: &Range<usize>) -> bool {
            match *self {}
        }

        pub(crate) fn write(&self, _: Range<usize>, _: &[u8]) -> bool {
            match *self {}
        }

        pub(crate) fn is_written(&self, _: &Range<usize>) {
            match *self {}
        }
    }
}
