//! Processes for the tests of memory that is shared or inherited.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{
    FallocateFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, ftruncate,
};

/// Forks, and runs `work` in the new process, which then ends. Returns its process id.
pub fn forked(work: impl FnOnce()) -> libc::pid_t {
    // SAFETY: only this thread of the process runs, apart from the one of the harness that waits for it.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // SAFETY: ends the process at once, without the harness of the parent.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    child
}

/// Waits for a process. Returns its exit code, or the negated number of the signal that ended it.
pub fn status_of(child: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: writes to `status` only.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -libc::WTERMSIG(status) }
}

/// Maps a page of sevens at an address where nothing is mapped.
pub fn map_at(address: usize) -> *const u8 {
    let (allowed, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let flags = kind | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: the flag keeps other mappings.
    let page = unsafe { libc::mmap(address as *mut libc::c_void, 4096, allowed, flags, -1, 0) };
    assert_eq!(page.addr(), address, "the child has inherited the mapping");
    // SAFETY: the page was mapped just now.
    unsafe { page.cast::<u8>().write_bytes(7, 4096) };
    page.cast()
}

pub fn byte_at(page: *const u8) -> u8 {
    // SAFETY: the page came from `map_at`. If it is gone, the process ends, which the test notices.
    unsafe { page.read_volatile() }
}

/// Limits the address space to what is in use and `more` bytes.
pub fn limit_address_space(more: u64) {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().next().unwrap().parse().unwrap();
    let current = Some(pages * 4096 + more);
    let resource = rustix::process::Resource::As;
    let maximum = rustix::process::getrlimit(resource).maximum;
    rustix::process::setrlimit(resource, rustix::process::Rlimit { current, maximum }).unwrap();
}

/// Tries everything that could change a file in memory.
pub fn assert_unchangeable(memory: &File) {
    let length = memory.metadata().unwrap().len();
    assert!(memory.write_at(&[0xcc; 16], 4096).is_err(), "written");
    for changed in [0, length - 4096, length + 4096] {
        assert!(ftruncate(memory, changed).is_err(), "the length is {changed} now");
    }
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    for flags in [punch, FallocateFlags::ZERO_RANGE, FallocateFlags::empty()] {
        assert!(fallocate(memory, flags, 4096, length).is_err(), "{flags:?}");
    }
    let before = fcntl_get_seals(memory).unwrap();
    assert!(before.contains(SealFlags::SEAL));
    for seal in [SealFlags::FUTURE_WRITE, SealFlags::WRITE, SealFlags::GROW] {
        assert!(fcntl_add_seals(memory, seal).is_err(), "{seal:?}");
    }
    assert_eq!(fcntl_get_seals(memory).unwrap(), before);
    let allowed = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: lets the kernel choose the address.
    let mapped = unsafe {
        let nowhere = std::ptr::null_mut();
        libc::mmap(nowhere, 4096, allowed, libc::MAP_SHARED, memory.as_raw_fd(), 0)
    };
    assert_eq!(mapped, libc::MAP_FAILED, "mapped to be written");
}
