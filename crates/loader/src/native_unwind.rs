//! Native backtraces through the frames of packed modules, at a cost that does not grow with the number of
//! modules. This module needs 64-bit Linux with glibc 2.35 or later.
//!
//! Packs register nothing with the unwinder. But libgcc from release 12 and LLVM's libunwind from 16 call
//! glibc's `_dl_find_object` to find the loaded object of an address, and its frame index. With the feature
//! `native-unwind`, this crate defines a function of that name in the program, which the dynamic linker
//! prefers to glibc's function. For addresses in packs, the function answers from the index that
//! [`PackWriter`](crate::pack::PackWriter) built from the artifacts' tables. It forwards all other addresses
//! to glibc. Panics, C++ exceptions and backtraces then see every frame, and take as long with one module as
//! with a hundred thousand.
//!
//! Call [`enable`] once, before you open packs. It first proves that the unwinder of the process really calls
//! this function. A definition in a shared library comes too late for that, and older unwinders never call
//! the function. If the proof fails, nothing changes, and packs behave as if their tables were stripped.
//!
//! The function uses no locks, allocations or system calls, so that signal handlers may call it. Closing a
//! pack waits for threads that are looking up an address in that pack.
#![allow(unsafe_code)]

use std::fmt;

/// The reason why native unwinding through packs is not available in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// The program was not built for 64-bit Linux with glibc, or glibc is linked into the program statically.
    Platform,
    /// The C library has no `_dl_find_object`: glibc before 2.35.
    OldLibrary,
    /// Another definition comes before ours, for example because this crate is in a shared library.
    NotOurs,
    /// The unwinder did not call `_dl_find_object`: libgcc before 12, LLVM's libunwind before 16.
    NotAsked,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unavailable::Platform => "not built for 64-bit Linux with a glibc that is linked dynamically",
            Unavailable::OldLibrary => "the C library has no _dl_find_object (glibc 2.35 has it)",
            Unavailable::NotOurs => {
                "another _dl_find_object comes before ours (link this crate into the program itself)"
            }
            Unavailable::NotAsked => {
                "the unwinder does not call _dl_find_object (libgcc 12 and LLVM 16 do)"
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

    /// Enables native unwinding for packs that are opened from now on, if a proof succeeds. It never succeeds
    /// on this platform.
    pub fn enable() -> Result<(), Unavailable> {
        Err(Unavailable::Platform)
    }

    /// A pack is never entered on this platform.
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

    pub(crate) fn without_answer<T>(_: usize, ask: impl FnOnce() -> T) -> T {
        ask()
    }
}

pub use platform::enable;
#[cfg(unix)]
pub(crate) use platform::{Directory, Entered, enter, without_answer};

// A program with statically linked glibc already has a definition of the name.
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
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

    use super::Unavailable;
    use crate::locks::Mutex;
    use crate::symbol::{active, behind_ours};

    /// The `struct dl_find_object` of glibc on 64-bit machines (glibc 2.35, `dlfcn.h`).
    #[repr(C)]
    struct Found {
        flags: u64,
        map_start: *mut c_void,
        map_end: *mut c_void,
        link_map: *mut c_void,
        /// The `.eh_frame_hdr` of the object.
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

    /// The number of packs in one table. A further table is added if all are full. Each open pack costs one
    /// comparison per frame.
    const PACKS_IN_TABLE: usize = 256;

    static NEXT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    /// The link map of the program itself, for callers that read this field. glibc documents that there
    /// always is a link map.
    static LINK_MAP: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    static IS_ENABLED: AtomicBool = AtomicBool::new(false);
    static WAS_ASKED: AtomicBool = AtomicBool::new(false);
    static FIRST: Table = Table::new();
    /// Only entries before this index may be in use.
    static N_ENTRIES: AtomicUsize = AtomicUsize::new(0);
    /// Held while packs are entered or removed. Readers do not take this lock.
    static WRITER: Mutex<()> = Mutex::new(());

    const NOWHERE: usize = usize::MAX;

    /// An address in a pack for which this crate does not answer.
    static UNANSWERED: AtomicUsize = AtomicUsize::new(NOWHERE);

    /// One pack. A writer stores `directory`, `end` and `start`, in this order, and removes the pack through
    /// `start` alone. A reader first increments `n_readers` and then checks that `start` is unchanged. The
    /// directory is then safe to use until the reader decrements `n_readers`, because the remover waits for
    /// that. Both sides use sequentially consistent operations, so that one of them sees the other.
    #[derive(Debug)]
    struct Entry {
        start: AtomicUsize,
        end: AtomicUsize,
        directory: AtomicPtr<Directory>,
        n_readers: AtomicUsize,
    }

    /// The offsets of the frame indexes in a pack.
    pub(crate) struct Directory {
        page: usize,
        /// For each page of the pack, the offset of the frame index of the image on that page, or 0 for none.
        index_by_page: Box<[usize]>,
    }

    /// Never freed, because readers walk the tables without counting themselves.
    struct Table {
        entries: [Entry; PACKS_IN_TABLE],
        next: OnceLock<&'static Table>,
    }

    impl Table {
        const fn new() -> Table {
            let entries = [const { Entry::new() }; PACKS_IN_TABLE];
            Table { entries, next: OnceLock::new() }
        }

        /// Adds a table after this one, which must be the last. `WRITER` must be locked.
        fn add(&self) -> &'static Table {
            self.next.get_or_init(|| Box::leak(Box::new(Table::new())))
        }

        /// Returns this table and all tables after it.
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

        /// Returns the range of the pack's memory and the address of the frame index for `address`.
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
            // SAFETY: `start` was unchanged after this reader was counted. So the directory that was stored
            // before `start` is not freed until this reader is no longer counted (see `Entered::drop`).
            let directory = unsafe { directory.as_ref() }?;
            let index = *directory.index_by_page.get((address - start) / directory.page)?;
            (address < end && index != 0).then_some((start..end, start + index))
        }
    }

    // SAFETY: no other object of this program defines the name. glibc's definition comes later in the search
    // order, and this function forwards to it.
    #[unsafe(no_mangle)]
    extern "C" fn _dl_find_object(address: *mut c_void, found: &mut MaybeUninit<Found>) -> c_int {
        // Store only once after each `enable`, so that threads that unwind do not contend for a cache line.
        if !WAS_ASKED.load(Ordering::Relaxed) {
            WAS_ASKED.store(true, Ordering::Relaxed);
        }
        let is_answered = address.addr() != UNANSWERED.load(Ordering::Relaxed);
        let n_entries = if is_answered { N_ENTRIES.load(Ordering::Acquire) } else { 0 };
        for entry in entries().take(n_entries) {
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
        // SAFETY: glibc declares the name with this signature. Its function accepts any address, and writes
        // to the memory that the caller provides.
        let next = unsafe { std::mem::transmute::<*mut c_void, Find>(next) };
        next(address, found)
    }

    /// Resolves the symbol when the program starts, because the dynamic linker may need its lock to resolve
    /// it in the middle of an unwind.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static AT_START: extern "C" fn() = {
        extern "C" fn resolve() {
            next();
        }
        resolve
    };

    /// Returns glibc's own function, or null if there is none.
    fn next() -> *mut c_void {
        let known = NEXT.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        let found = behind_ours(c"_dl_find_object").unwrap_or(ptr::null_mut());
        NEXT.store(found, Ordering::Relaxed);
        found
    }

    /// Enables native unwinding for packs that are opened from now on, if a proof shows that it works in this
    /// process.
    ///
    /// # Errors
    ///
    /// The reason why it does not work. The process is then unchanged.
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
        // Captures the frames without resolving function names. This calls the unwinder.
        drop(std::backtrace::Backtrace::force_capture());
        if !WAS_ASKED.load(Ordering::Relaxed) {
            return Err(Unavailable::NotAsked);
        }
        let mut found = MaybeUninit::new(Found::EMPTY);
        if ours(ours as usize as *mut c_void, &mut found) == 0 {
            // SAFETY: `found` was initialised above, and stays initialised after any write.
            LINK_MAP.store(unsafe { found.assume_init() }.link_map, Ordering::Relaxed);
        }
        IS_ENABLED.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Runs `ask`, and meanwhile does not answer for one address. No other thread may be executing code at
    /// that address. One thread at a time may call this function.
    pub(crate) fn without_answer<T>(address: usize, ask: impl FnOnce() -> T) -> T {
        UNANSWERED.store(address, Ordering::Relaxed);
        let answer = ask();
        UNANSWERED.store(NOWHERE, Ordering::Relaxed);
        answer
    }

    impl Directory {
        /// Creates the directory of a pack of `bytes` bytes. `images` gives each image's range within the
        /// pack, and the offset of its frame index, if it has one.
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

    /// A pack whose addresses are answered until this value is dropped.
    #[derive(Debug)]
    pub(crate) struct Entered(&'static Entry);

    /// Answers for addresses in the memory `range` from now on, if native unwinding is enabled.
    ///
    /// The indexes that the directory names must stay readable until the returned value is dropped.
    pub(crate) fn enter(
        range: Range<usize>,
        directory: impl FnOnce() -> Directory,
    ) -> Option<Entered> {
        if !IS_ENABLED.load(Ordering::Relaxed) {
            return None;
        }
        let directory = Box::into_raw(Box::new(directory()));
        let _writer = WRITER.lock();
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
            let _writer = WRITER.lock();
            let entry = self.0;
            entry.start.store(NOWHERE, Ordering::SeqCst);
            // A reader takes nanoseconds. A signal handler on this thread has already returned.
            while entry.n_readers.load(Ordering::SeqCst) != 0 {
                std::thread::yield_now();
            }
            let directory = entry.directory.swap(ptr::null_mut(), Ordering::SeqCst);
            // SAFETY: the pointer came from a box in `enter`. No reader uses it, and no later reader will get
            // it.
            drop(unsafe { Box::from_raw(directory) });
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn ask(address: usize) -> Option<usize> {
            entries().find_map(|entry| entry.find(address)).map(|(_, index)| index)
        }

        /// Hundreds of tenants may have one pack each.
        #[test]
        fn more_packs_than_a_table_holds_are_answered_for() {
            IS_ENABLED.store(true, Ordering::Relaxed);
            let base = 1 << 30;
            let packs: Vec<Option<Entered>> = (0..2 * PACKS_IN_TABLE + 10)
                .map(|pack| base + pack * 64)
                .map(|start| {
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

        /// No memory is mapped at these addresses, so no unwinder asks about them.
        #[test]
        fn threads_ask_while_packs_come_and_go() {
            IS_ENABLED.store(true, Ordering::Relaxed);
            let (is_done, base) = (AtomicBool::new(false), 1 << 20);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        let mut n_found = 0;
                        while !is_done.load(Ordering::Relaxed) {
                            for page in 0..8 {
                                let index = ask(base + page * 16 + 3);
                                // Each round moves the indexes, within the bounds of the pack.
                                let bounds = base..base + 128;
                                assert!(index.is_none_or(|index| bounds.contains(&index)));
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
