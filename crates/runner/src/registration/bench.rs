//! The registration bench: registers and deregisters N unwind tables, without modules and without Wasmtime.
//!
//! Registered tables stay in memory until the process ends. They describe addresses that are reserved for
//! them and contain no code, so no unwind ever passes through them.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem::ManuallyDrop;

use loadline_scenario::{Measure, Phase, Proof, Registration, RegistrationCalls};
use loadline_workload::backtrace;
use loadline_workload::loader::unwinder::{self, Family};
use memmap2::{MmapMut, MmapOptions};

use super::template::{Cut, Template};
use crate::counting::frames;
use crate::counting::symbol::active;
use crate::error::Error;

/// The phases of a run, in their order.
pub const PHASES: [Phase; 3] = [Phase::Register, Phase::Unwind, Phase::Deregister];

/// Does one run, and calls `measured` for each of its phases.
///
/// # Errors
/// If the tables were not prepared. If the active unwinder does not take the requested tables, or does not
/// find them after registration. The errors of `measured`.
pub fn run(
    request: &Measure,
    registration: &Registration,
    mut measured: impl FnMut(Phase, &mut dyn FnMut()) -> Result<(), Error>,
) -> Result<Proof, Error> {
    let tables = request.modules;
    let unwinder = unwinder::detect();
    let registrar = Registrar::of(registration, unwinder.family)?;
    let template = Template::prepared(registration.functions.get(), &request.cache)?;
    let code = reserve(tables * template.code_bytes())?;
    let places = registration.places(tables, request.seed);
    let laid = template.lay_out(&places, code, registrar.cut());
    let words: &'static [u64] = laid.words.leak();
    let begin = words.as_ptr().cast::<u8>();
    let at = |unit: &usize| -> *const c_void { begin.wrapping_add(*unit).cast() };
    let coming: Vec<*const c_void> = laid.units.iter().flatten().map(at).collect();
    let leaving = registration.leaving(tables, request.seed);
    let leaving: Vec<*const c_void> =
        leaving.iter().flat_map(|table| laid.units[*table].iter().map(at)).collect();
    frames::resolve();

    let before = frames::counts();
    measured(Phase::Register, &mut || coming.iter().for_each(|unit| registrar.register(*unit)))?;
    let mut unwound = 0;
    if registration.unwinds > 0 {
        measured(Phase::Unwind, &mut || {
            for _ in 0..registration.unwinds {
                unwound += usize::from(backtrace::frames() > 0);
            }
        })?;
    }
    measured(Phase::Deregister, &mut || {
        leaving.iter().for_each(|unit| registrar.deregister(*unit))
    })?;
    let after = frames::counts();

    let of_first = laid.units.first().map_or(&[][..], Vec::as_slice);
    let of_first: Vec<*const c_void> = of_first.iter().map(at).collect();
    if let Some(code) = laid.first_code.first() {
        prove(&registrar, &of_first, *code)?;
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

/// The functions with which tables are registered.
enum Registrar {
    /// `__register_frame`, for whole sections or for one FDE each.
    Frames(Cut),
    /// LLVM's functions for whole sections.
    Sections { register: *mut c_void, deregister: *mut c_void, entries: u64 },
    /// No function. The tables are only read.
    Nothing,
}

/// `void (unw_word_t)`, with the address of an `.eh_frame` section (LLVM 14, `libunwind.h`).
type Section = unsafe extern "C" fn(usize);

impl Registrar {
    /// # Errors
    /// If this unwinder has no such function.
    fn of(registration: &Registration, family: Family) -> Result<Registrar, Error> {
        use RegistrationCalls as Calls;
        Ok(match (registration.calls, family) {
            (Calls::None, _) => Registrar::Nothing,
            (_, Family::Other) => return Err(Error::UnknownUnwinder),
            (Calls::Usual | Calls::Entry, Family::Llvm) => Registrar::Frames(Cut::Entries),
            (Calls::Table, Family::Llvm) => {
                Registrar::sections(registration.functions.get() as u64)?
            }
            // libgcc reads on from the given address until a length of 0, and takes the first record for a
            // CIE. So an FDE needs its own section.
            (Calls::Entry, _) => Registrar::Frames(Cut::Sections),
            (Calls::Usual | Calls::Table, _) => Registrar::Frames(Cut::Whole),
        })
    }

    fn sections(entries: u64) -> Result<Registrar, Error> {
        let register = active(c"__unw_add_dynamic_eh_frame_section");
        let deregister = active(c"__unw_remove_dynamic_eh_frame_section");
        let (Some(register), Some(deregister)) = (register, deregister) else {
            return Err(Error::EntriesOnly);
        };
        Ok(Registrar::Sections { register, deregister, entries })
    }

    fn cut(&self) -> Cut {
        match self {
            Registrar::Frames(cut) => *cut,
            Registrar::Sections { .. } => Cut::Bounded,
            Registrar::Nothing => Cut::Whole,
        }
    }

    #[inline]
    fn register(&self, unit: *const c_void) {
        // SAFETY: `unit` is the start of a table that `Registrar::of` has chosen for the active unwinder, in
        // memory that `run` has leaked and that ends with a length of 0. No other table describes the same
        // addresses. `Cut::Bounded` makes sections that LLVM's function ends at. Only LLVM's libunwind has a
        // function of that name, which it declares as `Section`.
        unsafe {
            match self {
                Registrar::Frames(_) => frames::register(unit),
                Registrar::Sections { register, entries, .. } => {
                    frames::count_registration(*entries);
                    std::mem::transmute::<*mut c_void, Section>(*register)(unit as usize);
                }
                Registrar::Nothing => {
                    std::hint::black_box(frames::entries(unit.cast()));
                }
            }
        }
    }

    #[inline]
    fn deregister(&self, unit: *const c_void) {
        // SAFETY: as for registering; each unit has been registered and is deregistered once.
        unsafe {
            match self {
                Registrar::Frames(_) => frames::deregister(unit),
                Registrar::Sections { deregister, entries, .. } => {
                    frames::count_deregistration(*entries);
                    std::mem::transmute::<*mut c_void, Section>(*deregister)(unit as usize);
                }
                Registrar::Nothing => {
                    std::hint::black_box(frames::entries(unit.cast()));
                }
            }
        }
    }
}

/// Proves that the unwinder uses these tables. It finds the function at `code` while they are registered, and
/// does not find it afterwards.
///
/// # Errors
/// If the proof fails.
fn prove(registrar: &Registrar, units: &[*const c_void], code: usize) -> Result<(), Error> {
    if matches!(registrar, Registrar::Nothing) {
        return Ok(());
    }
    let is_found = || finds_function_at(code + 1);
    units.iter().for_each(|unit| registrar.register(*unit));
    let while_registered = is_found();
    units.iter().for_each(|unit| registrar.deregister(*unit));
    match (while_registered, is_found()) {
        (true, false) => Ok(()),
        (false, _) => Err(Error::TableNotFound),
        (true, true) => Err(Error::TableLeft),
    }
}

/// Returns whether the active unwinder has a table for the function at `address`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn finds_function_at(address: usize) -> bool {
    // Rust's standard library links the unwinder that defines this function.
    unsafe extern "C" {
        // SAFETY: libgcc (unwind-dw2-fde.h) and LLVM's libunwind (UnwindLevel1-gcc-ext.c) declare the name
        // so. Both write at most three pointers into the second argument, and only compare the first.
        safe fn _Unwind_Find_FDE(at: *const c_void, bases: &mut [usize; 3]) -> *const c_void;
    }
    !_Unwind_Find_FDE(address as *const c_void, &mut [0; 3]).is_null()
}

/// Returns false, because no unwinder is known on this platform.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn finds_function_at(_: usize) -> bool {
    false
}

/// Reserves addresses that nothing else in this process uses, and that are neither read nor executed.
fn reserve(bytes: usize) -> Result<usize, Error> {
    let failed = |source| Error::Map { bytes, source };
    let memory = MmapOptions::new().len(bytes.max(1)).no_reserve_swap().map_anon();
    // Keep the memory until the process ends.
    let memory = ManuallyDrop::new(memory.and_then(MmapMut::make_read_only).map_err(failed)?);
    Ok(memory.as_ptr().addr())
}
