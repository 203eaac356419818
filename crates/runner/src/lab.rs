//! The registration lab: N unwind tables are registered and deregistered, with no module and no
//! Wasmtime in the way.
//!
//! Whatever is registered stays in memory to the end of the process, and describes addresses that
//! are reserved for it and hold no code, so no unwind ever passes through them.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_void};

use loadline_scenario::{Measure, Phase, Proof, Registration, RegistrationCalls};
use loadline_workload::backtrace;
use loadline_workload::loader::unwinder::{self, Family};

use crate::error::Error;
use crate::frames;
use crate::tables::{Cut, Template};

/// The phases of a run, in their order.
pub const PHASES: [Phase; 3] = [Phase::Register, Phase::Unwind, Phase::Deregister];

/// Carries out one run; each of its phases within `measured`.
///
/// # Errors
/// Where the tables were not prepared, the active unwinder does not take what is asked for, or does
/// not find what it was given; and as `measured`.
pub fn run(
    request: &Measure,
    registration: &Registration,
    mut measured: impl FnMut(Phase, &mut dyn FnMut()) -> Result<(), Error>,
) -> Result<Proof, Error> {
    let tables = request.modules;
    let unwinder = unwinder::detect();
    let told = Told::of(registration, unwinder.family)?;
    let template = Template::prepared(registration.functions.get(), &request.cache)?;
    let code = reserve(tables * template.code_bytes())?;
    let places = registration.places(tables, request.seed);
    let laid = template.lay_out(&places, code, told.cut());
    let words: &'static [u64] = laid.words.leak();
    let begin = words.as_ptr().cast::<u8>();
    let at = |unit: &usize| -> *const c_void { begin.wrapping_add(*unit).cast() };
    let coming: Vec<*const c_void> = laid.units.iter().flatten().map(at).collect();
    let leaving = registration.leaving(tables, request.seed);
    let leaving: Vec<*const c_void> =
        leaving.iter().flat_map(|table| laid.units[*table].iter().map(at)).collect();
    frames::resolve();

    let before = frames::counts();
    measured(Phase::Register, &mut || coming.iter().for_each(|unit| told.register(*unit)))?;
    let mut unwound = 0;
    if registration.unwinds > 0 {
        measured(Phase::Unwind, &mut || {
            for _ in 0..registration.unwinds {
                unwound += usize::from(backtrace::frames() > 0);
            }
        })?;
    }
    measured(Phase::Deregister, &mut || leaving.iter().for_each(|unit| told.deregister(*unit)))?;
    let after = frames::counts();

    let of_first = laid.units.first().map_or(&[][..], Vec::as_slice);
    let of_first: Vec<*const c_void> = of_first.iter().map(at).collect();
    if let Some(code) = laid.first_code.first() {
        prove(&told, &of_first, *code)?;
    }
    let counted = before.zip(after);
    Ok(Proof {
        loaded: tables,
        unwound,
        released: tables,
        registered: counted.map(|(before, after)| after.registered - before.registered),
        deregistered: counted.map(|(before, after)| after.deregistered - before.deregistered),
        unwinder_path: unwinder.path,
        ..Proof::default()
    })
}

/// Who is told of a table, and how.
enum Told {
    /// `__register_frame`, of whole sections or of one FDE each.
    Frames(Cut),
    /// LLVM's functions for whole sections.
    Sections { register: Section, deregister: Section, entries: u64 },
    /// Nobody: what is given is read through.
    Nobody,
}

/// `void (unw_word_t)`, of an `.eh_frame` section's address (LLVM 14, `libunwind.h`).
type Section = unsafe extern "C" fn(usize);

impl Told {
    /// # Errors
    /// Where this unwinder cannot be told so.
    fn of(registration: &Registration, family: Family) -> Result<Told, Error> {
        use RegistrationCalls as Calls;
        Ok(match (registration.calls, family) {
            (Calls::None, _) => Told::Nobody,
            (_, Family::Other) => return Err(Error::UnknownUnwinder),
            (Calls::Usual | Calls::Entry, Family::Llvm) => Told::Frames(Cut::Entries),
            (Calls::Table, Family::Llvm) => Told::sections(registration.functions.get() as u64)?,
            // libgcc reads on from wherever it is pointed to until a length of 0, and takes the first
            // record for a CIE: an FDE needs a section of its own.
            (Calls::Entry, _) => Told::Frames(Cut::Sections),
            (Calls::Usual | Calls::Table, _) => Told::Frames(Cut::Whole),
        })
    }

    fn sections(entries: u64) -> Result<Told, Error> {
        let register = active(c"__unw_add_dynamic_eh_frame_section");
        let deregister = active(c"__unw_remove_dynamic_eh_frame_section");
        let (Some(register), Some(deregister)) = (register, deregister) else {
            return Err(Error::EntriesOnly);
        };
        // SAFETY: LLVM's libunwind, the only one with these names, declares both as `void
        // (unw_word_t)`, which is as wide as a pointer on 64-bit systems.
        let register = unsafe { std::mem::transmute::<*mut c_void, Section>(register) };
        // SAFETY: as above.
        let deregister = unsafe { std::mem::transmute::<*mut c_void, Section>(deregister) };
        Ok(Told::Sections { register, deregister, entries })
    }

    fn cut(&self) -> Cut {
        match self {
            Told::Frames(cut) => *cut,
            Told::Sections { .. } => Cut::Bounded,
            Told::Nobody => Cut::Whole,
        }
    }

    #[inline]
    fn register(&self, unit: *const c_void) {
        match self {
            // SAFETY: `unit` begins what `Told::of` has chosen for the active unwinder, in memory
            // that `run` has leaked; no other table describes the same addresses.
            Told::Frames(_) => unsafe { frames::register(unit) },
            Told::Sections { register, entries, .. } => {
                frames::count_registration(*entries);
                // SAFETY: as above; `Cut::Bounded` makes sections that this function ends at.
                unsafe { register(unit as usize) };
            }
            Told::Nobody => read_through(unit),
        }
    }

    #[inline]
    fn deregister(&self, unit: *const c_void) {
        match self {
            // SAFETY: as for registering; each unit has been registered and is taken back once.
            Told::Frames(_) => unsafe { frames::deregister(unit) },
            Told::Sections { deregister, entries, .. } => {
                frames::count_deregistration(*entries);
                // SAFETY: as above.
                unsafe { deregister(unit as usize) };
            }
            Told::Nobody => read_through(unit),
        }
    }
}

#[inline]
fn read_through(section: *const c_void) {
    // SAFETY: `run` gives sections that end with a length of 0 and are never freed.
    std::hint::black_box(unsafe { frames::entries(section.cast()) });
}

/// Proves that these tables are what the unwinder wants: it finds the function at `code` while they
/// are registered, and afterwards it does not.
///
/// # Errors
/// Where it is otherwise.
fn prove(told: &Told, units: &[*const c_void], code: usize) -> Result<(), Error> {
    if matches!(told, Told::Nobody) {
        return Ok(());
    }
    let find = active(c"_Unwind_Find_FDE").ok_or(Error::UnknownUnwinder)?;
    // SAFETY: libgcc (unwind-dw2-fde.h) and LLVM's libunwind (UnwindLevel1-gcc-ext.c) declare the
    // name with this signature.
    let find = unsafe { std::mem::transmute::<*mut c_void, FindFde>(find) };
    // SAFETY: both write three pointers at most into the second argument, and only compare the first.
    let is_found = || unsafe { !find((code + 1) as *const c_void, [0; 3].as_mut_ptr()).is_null() };
    units.iter().for_each(|unit| told.register(*unit));
    let while_registered = is_found();
    units.iter().for_each(|unit| told.deregister(*unit));
    match (while_registered, is_found()) {
        (true, false) => Ok(()),
        (false, _) => Err(Error::TableNotFound),
        (true, true) => Err(Error::TableLeft),
    }
}

/// `const void *(const void *pc, struct dwarf_eh_bases *bases)`.
type FindFde = unsafe extern "C" fn(*const c_void, *mut usize) -> *const c_void;

#[cfg(unix)]
fn active(symbol: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name is a NUL-terminated string.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()) };
    (!found.is_null()).then_some(found)
}

#[cfg(not(unix))]
fn active(_: &CStr) -> Option<*mut c_void> {
    None
}

/// Addresses that nothing else in this process has, and nothing can be read from or executed.
#[cfg(unix)]
fn reserve(bytes: usize) -> Result<usize, Error> {
    let bytes = bytes.max(1);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that
    // exists; it is kept to the end of the process.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(Error::Map { bytes, source: std::io::Error::last_os_error() });
    }
    Ok(start as usize)
}

#[cfg(not(unix))]
fn reserve(_: usize) -> Result<usize, Error> {
    Err(Error::UnknownUnwinder)
}
