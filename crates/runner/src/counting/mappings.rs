//! Counts the system calls by which this process makes, changes and removes mappings.
//!
//! Wasmtime calls the kernel directly, without the C library, so this program cannot replace a function.
//! Instead, a seccomp filter lets the kernel send each such call to a listener (seccomp_unotify(2), Linux
//! 5.5), which is another thread of this process. The listener counts the call for the calling thread and
//! lets the kernel execute it. The caller waits for that, so its counts are complete whenever it reads them.
//! This needs no privilege. Times cannot be measured meanwhile, because each call costs additional
//! microseconds.
//!
//! A call is counted when it is made, even if the kernel then refuses it.

#![allow(unsafe_code)]

/// The numbers of calls of one thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MappingCalls {
    /// `mmap`.
    pub made: u64,
    /// `mprotect`, `pkey_mprotect`, `mremap`.
    pub changed: u64,
    /// `munmap`.
    pub removed: u64,
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use followed::{enter, follow, of_this_thread};

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub use not_followed::{enter, follow, of_this_thread};

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod followed {
    use std::cell::Cell;
    use std::io;
    use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};
    use std::thread;

    use loadline_scenario::Absence;

    use super::MappingCalls;

    /// The largest number of threads that can be distinguished.
    const MOST_THREADS: usize = 1024;

    /// The calls of one thread, which the listening thread counts.
    struct Slot {
        /// The kernel's number of the thread, or 0 for no thread.
        thread: AtomicI32,
        made: AtomicU64,
        changed: AtomicU64,
        removed: AtomicU64,
    }

    impl Slot {
        const fn new() -> Slot {
            let (made, changed, removed) =
                (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
            Slot { thread: AtomicI32::new(0), made, changed, removed }
        }
    }

    static SLOTS: [Slot; MOST_THREADS] = [const { Slot::new() }; MOST_THREADS];
    /// The number of slots that have been given out, which may be larger than the number of slots.
    static GIVEN: AtomicUsize = AtomicUsize::new(0);

    /// The descriptor of the listener, or one of the two values below.
    static LISTENER: AtomicI32 = AtomicI32::new(NONE_YET);
    const NONE_YET: i32 = -1;
    const NONE_EVER: i32 = -2;

    thread_local! {
        static OWN: Cell<Option<&'static Slot>> = const { Cell::new(None) };
    }

    /// Counts the calls of the calling thread from here on. A second call does nothing.
    ///
    /// # Errors
    /// If more threads have entered than can be distinguished.
    pub fn enter() -> Result<(), Absence> {
        if OWN.get().is_some() {
            return Ok(());
        }
        let number = GIVEN.fetch_add(1, Ordering::Relaxed);
        let slot = SLOTS.get(number).ok_or(Absence::NotMeasured)?;
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        // The kernel reuses the numbers of threads that have ended.
        for ended in &SLOTS[..number] {
            let _ = ended.thread.compare_exchange(thread, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
        slot.thread.store(thread, Ordering::Release);
        OWN.set(Some(slot));
        Ok(())
    }

    /// Returns the calls of the calling thread since it entered.
    pub fn of_this_thread() -> MappingCalls {
        let Some(slot) = OWN.get() else { return MappingCalls::default() };
        MappingCalls {
            made: slot.made.load(Ordering::Acquire),
            changed: slot.changed.load(Ordering::Acquire),
            removed: slot.removed.load(Ordering::Acquire),
        }
    }

    /// Returns the counter for one call of one thread.
    fn counter(thread: u32, call: i32) -> Option<&'static AtomicU64> {
        let given = GIVEN.load(Ordering::Acquire).min(MOST_THREADS);
        let is_its = |slot: &&Slot| slot.thread.load(Ordering::Acquire) as u32 == thread;
        let slot = SLOTS[..given].iter().find(is_its)?;
        match libc::c_long::from(call) {
            libc::SYS_mmap => Some(&slot.made),
            libc::SYS_munmap => Some(&slot.removed),
            _ => Some(&slot.changed),
        }
    }

    /// Counts the calls of the calling thread, and of all threads that it starts, from here on.
    ///
    /// # Errors
    /// If the kernel does not support this, or forbids it.
    pub fn follow() -> Result<(), Absence> {
        can_listen().map_err(absence)?;
        // Start the listening thread first, so that the filter does not apply to it.
        let listening = thread::Builder::new().name("listener".to_owned()).spawn(|| {
            loop {
                match LISTENER.load(Ordering::Acquire) {
                    NONE_YET => thread::park(),
                    NONE_EVER => return,
                    listener => return listen(listener),
                }
            }
        });
        let listening = listening.map_err(absence)?;
        // From here on, a mapping waits for the listening thread. So allocate nothing before that thread has
        // the listener.
        let installed = install();
        LISTENER.store(*installed.as_ref().unwrap_or(&NONE_EVER), Ordering::Release);
        listening.thread().unpark();
        if let Err(error) = installed {
            // Otherwise its stack and its heap would be freed while live memory is being counted.
            let _ = listening.join();
            return Err(absence(error));
        }
        enter()?;
        check()
    }

    /// Checks that the kernel lets this process ask a listener for calls. For a closed descriptor the kernel
    /// returns `EBADF`, unless a filter refuses the question itself. With a filter in place but without a
    /// working listener, the process could not continue.
    fn can_listen() -> io::Result<()> {
        match ask(-1, libc::SECCOMP_IOCTL_NOTIF_RECV, &mut [0; MESSAGE_WORDS]) {
            Err(error) if error.raw_os_error() != Some(libc::EBADF) => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes and removes a mapping, and checks that both are counted. By then the listening thread has begun,
    /// and has mapped the memory that it needs itself.
    fn check() -> Result<(), Absence> {
        let before = of_this_thread();
        drop(memmap2::MmapMut::map_anon(1));
        let now = of_this_thread();
        let is_seen = now.made == before.made + 1 && now.removed == before.removed + 1;
        if is_seen { Ok(()) } else { Err(Absence::FailedSelfTest) }
    }

    fn absence(error: io::Error) -> Absence {
        Absence::SystemCallsNotFollowed(error.raw_os_error().unwrap_or(0))
    }

    #[cfg(target_arch = "x86_64")]
    const ARCHITECTURE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64 of linux/audit.h
    #[cfg(target_arch = "aarch64")]
    const ARCHITECTURE: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64

    /// The offsets of the call number and the architecture in `struct seccomp_data` of linux/seccomp.h.
    const NUMBER_AT: u32 = 0;
    const ARCHITECTURE_AT: u32 = 4;

    /// The calls that are sent to the listener.
    const FOLLOWED: [libc::c_long; 5] = [
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mprotect,
        libc::SYS_mremap,
        libc::SYS_pkey_mprotect,
    ];

    /// Installs the filter for this thread and the threads that it starts. Returns the descriptor of the
    /// listener, which stays open as long as the process lives.
    fn install() -> io::Result<i32> {
        let mut program = filter();
        let program =
            libc::sock_fprog { len: program.len() as libc::c_ushort, filter: program.as_mut_ptr() };
        // Without this setting only root may install a filter.
        rustix::thread::set_no_new_privs(true)?;
        // SAFETY: seccomp(2) reads the program, which outlives the call, and returns a descriptor.
        let listener = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
                &raw const program,
            )
        };
        if listener < 0 { Err(io::Error::last_os_error()) } else { Ok(listener as i32) }
    }

    /// Allows all calls except the followed ones. Calls with the numbers of another architecture (32-bit
    /// calls of a 64-bit process) are allowed too, because Wasmtime makes none.
    fn filter() -> [libc::sock_filter; 5 + FOLLOWED.len()] {
        let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
        let is_equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        let answer = (libc::BPF_RET | libc::BPF_K) as u16;
        let step = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
        let n = FOLLOWED.len();
        std::array::from_fn(|place| match place {
            0 => step(load, ARCHITECTURE_AT, 0, 0),
            1 => step(is_equal, ARCHITECTURE, 0, n as u8 + 1),
            2 => step(load, NUMBER_AT, 0, 0),
            // A match jumps to the last answer. If nothing matches, the program continues to the other
            // answer.
            place if place < 3 + n => {
                step(is_equal, FOLLOWED[place - 3] as u32, (n + 3 - place) as u8, 0)
            }
            place if place == 3 + n => step(answer, libc::SECCOMP_RET_ALLOW, 0, 0),
            _ => step(answer, libc::SECCOMP_RET_USER_NOTIF, 0, 0),
        })
    }

    /// The words of a message: room for either struct of linux/seccomp.h, in any kernel's version of it.
    const MESSAGE_WORDS: usize = 64;

    /// A call that waits for an answer, from a `struct seccomp_notif`.
    struct Call {
        id: u64,
        thread: u32,
        number: i32,
    }

    impl Call {
        /// Both architectures are little-endian, so the first of two fields is the lower half of a word.
        fn of(message: &[u64; MESSAGE_WORDS]) -> Call {
            let [id, thread_and_flags, number_and_architecture, ..] = *message;
            Call { id, thread: thread_and_flags as u32, number: number_and_architecture as i32 }
        }

        /// Returns the `struct seccomp_notif_resp` that lets the kernel execute the call.
        fn let_through(&self) -> [u64; MESSAGE_WORDS] {
            let (value, error) = (0, 0);
            let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE << 32;
            let mut response = [0; MESSAGE_WORDS];
            response[..3].copy_from_slice(&[self.id, value, error | flags]);
            response
        }
    }

    /// Makes one ioctl call on a listener, which writes or reads `message`.
    fn ask(
        listener: i32,
        request: libc::Ioctl,
        message: &mut [u64; MESSAGE_WORDS],
    ) -> io::Result<()> {
        // SAFETY: both requests read or write one of the two structs. There is room for either, and all their
        // bit patterns are valid values. A descriptor that is not open is an error.
        match unsafe { libc::ioctl(listener, request, message.as_mut_ptr()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Counts calls and lets the kernel execute them, as long as a thread exists that can make one.
    fn listen(listener: i32) {
        loop {
            let mut message = [0; MESSAGE_WORDS];
            if let Err(error) = ask(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &mut message) {
                match error.raw_os_error() {
                    // The caller has ended, or there was a signal.
                    Some(libc::ENOENT | libc::EINTR) => continue,
                    _ => {
                        // Without a listener the calls fail. Otherwise they would wait for an answer forever.
                        let _ = nix::unistd::close(listener);
                        return;
                    }
                }
            }
            let call = Call::of(&message);
            let counter = counter(call.thread, call.number);
            if let Some(counter) = counter {
                counter.fetch_add(1, Ordering::Release);
            }
            let sent = ask(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &mut call.let_through());
            if let Some(counter) = counter.filter(|_| sent.is_err()) {
                // A signal interrupted the caller. The call will be made, and sent, again.
                counter.fetch_sub(1, Ordering::Release);
            }
        }
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod not_followed {
    use loadline_scenario::Absence;

    use super::MappingCalls;

    /// Does nothing, because this platform counts no calls.
    pub fn enter() -> Result<(), Absence> {
        Ok(())
    }

    /// Returns zeros, because this platform counts no calls.
    pub fn of_this_thread() -> MappingCalls {
        MappingCalls::default()
    }

    /// Returns an error, because this platform does not support it.
    ///
    /// # Errors
    /// Always.
    pub fn follow() -> Result<(), Absence> {
        Err(Absence::NotOnThisPlatform)
    }
}
