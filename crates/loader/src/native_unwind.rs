//! Native backtraces through the frames of packed modules, at a cost that does not grow with their
//! number. Linux with glibc 2.35 or later, 64 bits.
//!
//! In packs nothing is registered with the unwinder. But libgcc from release 12 and LLVM's libunwind
//! from 16 ask glibc's `_dl_find_object` which loaded object an address belongs to, and where its
//! frame index is. With the feature `native-unwind` this crate defines a function of that name in
//! the program, which the dynamic linker prefers to glibc's. It answers for addresses in packs, from
//! the index that [`PackWriter`](crate::pack::PackWriter) made of the artifacts' tables, and passes
//! everything else on. Panics, C++ exceptions and backtraces then see every frame, and take as long
//! with one module as with a hundred thousand.
//!
//! [`enable`] is called once, before packs are opened, and proves first that the process's unwinder
//! really asks: a shared library's definition comes too late for that, and older unwinders do not
//! ask. Where it fails nothing changes; packs are then as stripped as they were.
//!
//! The answer is found without locks, allocation, or system calls, so that signal handlers may ask.
//! A pack that is closed waits for whoever is in the middle of asking about it.
#![allow(unsafe_code)]

use std::fmt;

/// Why native unwinding through packs is not to be had in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// Not built for 64-bit Linux with glibc, or glibc is linked into the program statically.
    Platform,
    /// The C library has no `_dl_find_object`: glibc before 2.35.
    OldLibrary,
    /// Another definition comes before ours, as when this crate is in a shared library.
    NotOurs,
    /// The unwinder did not ask: libgcc before 12, LLVM's libunwind before 16.
    NotAsked,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unavailable::Platform => "not built for 64-bit Linux with a glibc that is linked dynamically",
            Unavailable::OldLibrary => "the C library has no _dl_find_object (glibc 2.35 has)",
            Unavailable::NotOurs => {
                "another _dl_find_object comes before ours (link this crate into the program itself)"
            }
            Unavailable::NotAsked => {
                "the unwinder does not ask _dl_find_object (libgcc 12 and LLVM 16 do)"
            }
        })
    }
}

impl std::error::Error for Unavailable {}

#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    target_pointer_width = "64",
    not(target_feature = "crt-static")
)))]
mod platform {
    #![cfg_attr(not(unix), expect(dead_code, reason = "packs are for Unix"))]

    use std::ops::Range;

    use super::Unavailable;

    /// Proves that it works in this process, and lets packs that are opened from now on use it.
    pub fn enable() -> Result<(), Unavailable> {
        Err(Unavailable::Platform)
    }

    /// No pack ever is.
    #[derive(Debug)]
    pub(crate) enum Entered {}

    pub(crate) struct Directory;

    impl Directory {
        pub(crate) fn of(
            _: usize,
            _: usize,
            _: impl Iterator<Item = (Range<usize>, Option<usize>)>,
        ) -> Directory {
            Directory
        }
    }

    pub(crate) fn enter(_: Range<usize>, _: impl FnOnce() -> Directory) -> Option<Entered> {
        None
    }
}

pub use platform::enable;
#[cfg(unix)]
pub(crate) use platform::{Directory, Entered, enter};

// A program that glibc is linked into statically has a definition of the name already.
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_pointer_width = "64",
    not(target_feature = "crt-static")
))]
mod platform {
    use std::ffi::{c_int, c_void};
    use std::mem::MaybeUninit;
    use std::ops::Range;
    use std::ptr;
    use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
    use std::sync::{Mutex, OnceLock, PoisonError};

    use super::Unavailable;
    use crate::symbol::{active, behind_ours};

    /// glibc's `struct dl_find_object` on 64-bit machines (glibc 2.35, `dlfcn.h`).
    #[repr(C)]
    struct Found {
        flags: u64,
        map_start: *mut c_void,
        map_end: *mut c_void,
        link_map: *mut c_void,
        /// The object's `.eh_frame_hdr`.
        eh_frame: *mut c_void,
        reserved: [u64; 7],
    }

    impl Found {
        const EMPTY: Found = Found {
            flags: 0,
            map_start: ptr::null_mut(),
            map_end: ptr::null_mut(),
            link_map: ptr::null_mut(),
            eh_frame: ptr::null_mut(),
            reserved: [0; 7],
        };
    }

    type Find = extern "C" fn(*mut c_void, &mut MaybeUninit<Found>) -> c_int;

    /// Packs in one table. There are as many tables as the packs that are open at a time need; each
    /// pack costs a comparison for each frame.
    const PACKS_IN_TABLE: usize = 256;

    static NEXT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    /// The program's own, for callers that look at it: glibc says that there always is one.
    static LINK_MAP: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    static IS_ENABLED: AtomicBool = AtomicBool::new(false);
    static WAS_ASKED: AtomicBool = AtomicBool::new(false);
    static FIRST: Table = Table::new();
    /// Entries before this one may be in use.
    static N_ENTRIES: AtomicUsize = AtomicUsize::new(0);
    /// Whoever enters or removes packs. Readers do not take it.
    static WRITER: Mutex<()> = Mutex::new(());

    const NOWHERE: usize = usize::MAX;

    /// One pack. Written in the order `directory`, `end`, `start`; taken away by `start` alone. A
    /// reader that has counted itself and then still finds `start` as it was is safe until it counts
    /// itself out: whoever took it away waits for that. Both sides use sequentially consistent
    /// operations, so that one of them sees the other.
    #[derive(Debug)]
    struct Entry {
        start: AtomicUsize,
        end: AtomicUsize,
        directory: AtomicPtr<Directory>,
        n_readers: AtomicUsize,
    }

    /// Where the frame indexes in a pack are.
    pub(crate) struct Directory {
        page: usize,
        /// For each page of the pack, the offset of the index of the image on it; 0 where none.
        index_by_page: Box<[usize]>,
    }

    /// Never freed: readers go from one to the next without counting themselves.
    struct Table {
        entries: [Entry; PACKS_IN_TABLE],
        next: OnceLock<&'static Table>,
    }

    impl Table {
        const fn new() -> Table {
            let entries = [const { Entry::new() }; PACKS_IN_TABLE];
            Table { entries, next: OnceLock::new() }
        }

        /// Adds a table behind this one, which must be the last. `WRITER` must be locked.
        fn add(&self) -> &'static Table {
            self.next.get_or_init(|| Box::leak(Box::new(Table::new())))
        }

        /// This table and all behind it.
        fn all(&'static self) -> impl Iterator<Item = &'static Table> {
            std::iter::successors(Some(self), |table| table.next.get().copied())
        }
    }

    fn entries() -> impl Iterator<Item = &'static Entry> {
        FIRST.all().flat_map(|table| &table.entries)
    }

    impl Entry {
        const fn new() -> Entry {
            Entry {
                start: AtomicUsize::new(NOWHERE),
                end: AtomicUsize::new(0),
                directory: AtomicPtr::new(ptr::null_mut()),
                n_readers: AtomicUsize::new(0),
            }
        }

        /// The range of the pack's memory and the address of the frame index for `address`.
        fn find(&self, address: usize) -> Option<(Range<usize>, usize)> {
            let start = self.start.load(Ordering::SeqCst);
            let end = self.end.load(Ordering::SeqCst);
            if address < start || address >= end {
                return None;
            }
            self.n_readers.fetch_add(1, Ordering::SeqCst);
            let found = self.find_counted(address, start);
            self.n_readers.fetch_sub(1, Ordering::SeqCst);
            found
        }

        fn find_counted(&self, address: usize, start: usize) -> Option<(Range<usize>, usize)> {
            if self.start.load(Ordering::SeqCst) != start {
                return None;
            }
            let end = self.end.load(Ordering::SeqCst);
            let directory = self.directory.load(Ordering::SeqCst);
            // SAFETY: `start` was there after this reader was counted, so the directory that was
            // written before it is not freed before the count is back (see `Entered::drop`).
            let directory = unsafe { directory.as_ref() }?;
            let index = *directory.index_by_page.get((address - start) / directory.page)?;
            (address < end && index != 0).then_some((start..end, start + index))
        }
    }

    // SAFETY: no other object of this program defines the name; glibc's definition comes later in
    // the search order and is the one forwarded to.
    #[unsafe(no_mangle)]
    extern "C" fn _dl_find_object(address: *mut c_void, found: &mut MaybeUninit<Found>) -> c_int {
        // Written once after each `enable`: threads that unwind must not fight for a cache line.
        if !WAS_ASKED.load(Ordering::Relaxed) {
            WAS_ASKED.store(true, Ordering::Relaxed);
        }
        for entry in entries().take(N_ENTRIES.load(Ordering::Acquire)) {
            let Some((range, index)) = entry.find(address.addr()) else { continue };
            let answer = Found {
                map_start: address.with_addr(range.start),
                map_end: address.with_addr(range.end),
                link_map: LINK_MAP.load(Ordering::Relaxed),
                eh_frame: address.with_addr(index),
                ..Found::EMPTY
            };
            found.write(answer);
            return 0;
        }
        let next = next();
        if next.is_null() {
            return -1;
        }
        // SAFETY: glibc declares the name with this signature, takes any address, and writes to the
        // room that the caller hands over.
        let next = unsafe { std::mem::transmute::<*mut c_void, Find>(next) };
        next(address, found)
    }

    /// Found when the program starts, since asking the dynamic linker in the midst of unwinding may
    /// meet its lock.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static AT_START: extern "C" fn() = {
        extern "C" fn resolve() {
            next();
        }
        resolve
    };

    /// glibc's own function, null where there is none.
    fn next() -> *mut c_void {
        let known = NEXT.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        let found = behind_ours(c"_dl_find_object").unwrap_or(ptr::null_mut());
        NEXT.store(found, Ordering::Relaxed);
        found
    }

    /// Proves that it works in this process, and lets packs that are opened from now on use it.
    ///
    /// # Errors
    ///
    /// Why it does not. Nothing has changed then.
    pub fn enable() -> Result<(), Unavailable> {
        if next().is_null() {
            return Err(Unavailable::OldLibrary);
        }
        let ours: Find = _dl_find_object;
        let first = active(c"_dl_find_object");
        if first.is_none_or(|first| first.addr() != ours as usize) {
            return Err(Unavailable::NotOurs);
        }
        WAS_ASKED.store(false, Ordering::Relaxed);
        // Captures the frames, and with them asks the unwinder, without naming any function.
        drop(std::backtrace::Backtrace::force_capture());
        if !WAS_ASKED.load(Ordering::Relaxed) {
            return Err(Unavailable::NotAsked);
        }
        let mut found = MaybeUninit::new(Found::EMPTY);
        if ours(ours as usize as *mut c_void, &mut found) == 0 {
            // SAFETY: it was initialised above, whatever was written to it since.
            LINK_MAP.store(unsafe { found.assume_init() }.link_map, Ordering::Relaxed);
        }
        IS_ENABLED.store(true, Ordering::Relaxed);
        Ok(())
    }

    impl Directory {
        /// Of a pack with so many bytes. For each image: its range within the pack, and where its
        /// index is, if it has one.
        pub(crate) fn of(
            bytes: usize,
            page: usize,
            images: impl Iterator<Item = (Range<usize>, Option<usize>)>,
        ) -> Directory {
            let mut index_by_page = vec![0; bytes.div_ceil(page)].into_boxed_slice();
            for (image, index) in images {
                let pages = image.start / page..image.end.div_ceil(page);
                index_by_page[pages].fill(index.unwrap_or(0));
            }
            Directory { page, index_by_page }
        }
    }

    /// A pack that is answered for, until this is dropped.
    #[derive(Debug)]
    pub(crate) struct Entered(&'static Entry);

    /// Answers for the memory `range` from now on, unless it was not enabled.
    ///
    /// The indexes that the directory names must stay readable until what this returns is dropped.
    pub(crate) fn enter(
        range: Range<usize>,
        directory: impl FnOnce() -> Directory,
    ) -> Option<Entered> {
        if !IS_ENABLED.load(Ordering::Relaxed) {
            return None;
        }
        let directory = Box::into_raw(Box::new(directory()));
        let _writer = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = |entry: &Entry| entry.directory.load(Ordering::SeqCst).is_null();
        let place = entries().enumerate().find(|(_, entry)| is_free(entry));
        let (place, entry) = place.unwrap_or_else(|| {
            let n_entries = entries().count();
            let last = FIRST.all().last().expect("there is a first");
            (n_entries, &last.add().entries[0])
        });
        entry.directory.store(directory, Ordering::SeqCst);
        entry.end.store(range.end, Ordering::SeqCst);
        entry.start.store(range.start, Ordering::SeqCst);
        N_ENTRIES.fetch_max(place + 1, Ordering::AcqRel);
        Some(Entered(entry))
    }

    impl Drop for Entered {
        fn drop(&mut self) {
            let _writer = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = self.0;
            entry.start.store(NOWHERE, Ordering::SeqCst);
            // A reader takes nanoseconds, and a signal handler on this thread has returned.
            while entry.n_readers.load(Ordering::SeqCst) != 0 {
                std::thread::yield_now();
            }
            let directory = entry.directory.swap(ptr::null_mut(), Ordering::SeqCst);
            // SAFETY: it came from a box in `enter`; no reader has it, and no other will get it.
            drop(unsafe { Box::from_raw(directory) });
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn ask(address: usize) -> Option<usize> {
            entries().find_map(|entry| entry.find(address)).map(|(_, index)| index)
        }

        /// As when hundreds of tenants have a pack each.
        #[test]
        fn more_packs_than_a_table_holds_are_answered_for() {
            IS_ENABLED.store(true, Ordering::Relaxed);
            let base = 1 << 30;
            let packs: Vec<Option<Entered>> = (0..2 * PACKS_IN_TABLE + 10)
                .map(|pack| {
                    let start = base + pack * 64;
                    let images = std::iter::once((0..20, Some(7)));
                    enter(start..start + 64, || Directory::of(64, 16, images))
                })
                .collect();
            for (pack, entered) in packs.iter().enumerate() {
                assert!(entered.is_some());
                assert_eq!(ask(base + pack * 64 + 3), Some(base + pack * 64 + 7));
            }
            drop(packs);
            assert_eq!(ask(base + 3), None);
        }

        /// Addresses here are numbers that nothing is mapped at: no unwinder asks about them.
        #[test]
        fn threads_ask_while_packs_come_and_go() {
            IS_ENABLED.store(true, Ordering::Relaxed);
            let is_done = AtomicBool::new(false);
            let base = 1 << 20;
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        let mut n_found = 0;
                        while !is_done.load(Ordering::Relaxed) {
                            for page in 0..8 {
                                let index = ask(base + page * 16 + 3);
                                // Each round puts the indexes elsewhere, within its own bounds.
                                assert!(
                                    index.is_none_or(|index| (base..base + 128).contains(&index))
                                );
                                n_found += usize::from(index.is_some());
                            }
                        }
                        n_found
                    });
                }
                for round in 0..3000 {
                    let bytes = 128 - round % 3 * 16;
                    let images = (0..4).map(|image| (image * 32..image * 32 + 20, Some(image + 1)));
                    let images = images.filter(|(range, _)| range.end <= bytes);
                    let entered = enter(base..base + bytes, || Directory::of(bytes, 16, images))
                        .expect("few packs are open");
                    assert_eq!(ask(base + 35), Some(base + 2));
                    assert_eq!(ask(base + bytes), None);
                    drop(entered);
                    assert_eq!(ask(base + 35), None);
                }
                is_done.store(true, Ordering::Relaxed);
            });
        }
    }
}
