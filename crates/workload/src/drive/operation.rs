//! The operations that are repeated while modules are loaded: native backtraces, traps, panics, and instances
//! in one store.

use std::panic::{self, AssertUnwindSafe};

use loadline_loader::Loaded;
use loadline_loader::wasmtime::{
    Caller, Engine, Func, FuncType, Instance, Module, Store, Trap, TypedFunc, Val,
};

use crate::backtrace;
use crate::error::Error;
use crate::generate::module::{CALL_HOST, TRAP, WASM_FRAMES};

/// The number of host frames that a panic passes before it is caught.
const PANIC_FRAMES: usize = 8;

/// One instance of a module, created before its calls are measured.
pub(super) struct Guest {
    store: Store<usize>,
    call_host: TypedFunc<i32, i32>,
    trap: TypedFunc<i32, i32>,
}

impl Guest {
    /// Instantiates a module that imports the host function of the shared type. The function takes a native
    /// backtrace and stores the number of its frames.
    pub(super) fn of(loaded: &Loaded) -> Result<Guest, Error> {
        let module = module(loaded)?;
        let mut store = Store::new(module.engine(), 0);
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, usize>, argument: i32| {
            *caller.data_mut() = backtrace::frames();
            argument
        });
        let instantiate = |source| Error::Instantiate { source };
        let instance = Instance::new(&mut store, module, &[host.into()]).map_err(instantiate)?;
        let mut export = |name: &str| {
            let function = instance.get_typed_func(&mut store, name);
            function.map_err(|source| Error::Call { export: name.to_owned(), source })
        };
        let (call_host, trap) = (export(CALL_HOST)?, export(TRAP)?);
        Ok(Guest { store, call_host, trap })
    }

    /// Returns the number of frames of a native backtrace in the host, with [`WASM_FRAMES`] wasm frames below
    /// it.
    pub(super) fn backtrace(&mut self) -> Result<usize, Error> {
        *self.store.data_mut() = 0;
        let called = self.call_host.call(&mut self.store, WASM_FRAMES);
        called.map_err(|source| Error::Call { export: CALL_HOST.to_owned(), source })?;
        match *self.store.data() {
            0 => Err(Error::NoFrames),
            frames => Ok(frames),
        }
    }

    /// Lets the module trap below [`WASM_FRAMES`] frames.
    pub(super) fn trap(&mut self) -> Result<(), Error> {
        let trapped = self.trap.call(&mut self.store, WASM_FRAMES);
        let is_right = trapped.is_err_and(|error| {
            error.downcast_ref::<Trap>() == Some(&Trap::UnreachableCodeReached)
        });
        if is_right { Ok(()) } else { Err(Error::NoTrap) }
    }
}

/// One store, and everything that is instantiated in it.
pub(super) struct Tenancy(Store<()>);

impl Tenancy {
    pub(super) fn new(engine: &Engine) -> Tenancy {
        Tenancy(Store::new(engine, ()))
    }

    /// Creates the host function that the module imports, and an instance. Both live as long as the store.
    pub(super) fn instantiate(&mut self, loaded: &Loaded) -> Result<(), Error> {
        let module = module(loaded)?;
        let imported = module.imports().next().and_then(|import| import.ty().func().cloned());
        let Some(imported): Option<FuncType> = imported else { return Err(Error::NoHostFunction) };
        let host = Func::new(&mut self.0, imported, |_, _, results| {
            results.fill(Val::I32(0));
            Ok(())
        });
        let instance = Instance::new(&mut self.0, module, &[host.into()]);
        instance.map_err(|source| Error::Instantiate { source })?;
        Ok(())
    }
}

fn module(loaded: &Loaded) -> Result<&Module, Error> {
    match loaded {
        Loaded::Module(module) => Ok(module),
        Loaded::Component(_) => Err(Error::NoHostFunction),
    }
}

/// Panics and catches the panic, with some frames in between.
pub(super) fn panic() -> Result<(), Error> {
    // `resume_unwind` does not call the panic hook, which prints. The measurement is about unwinding only.
    let caught = panic::catch_unwind(AssertUnwindSafe(|| descend(PANIC_FRAMES)));
    match caught {
        Err(payload) if payload.is::<Planned>() => Ok(()),
        // This is another panic than the panic above.
        Err(payload) => panic::resume_unwind(payload),
        Ok(_) => Err(Error::NoPanic),
    }
}

/// The payload of the panic. It has no size, so nothing is allocated for it.
struct Planned;

/// Gives each level its own frame, with a value to drop during unwinding.
#[inline(never)]
fn descend(levels: usize) -> usize {
    let _dropped = Level;
    match levels {
        0 => panic::resume_unwind(Box::new(Planned)),
        levels => descend(levels - 1) + 1,
    }
}

struct Level;

impl Drop for Level {
    #[inline(never)]
    fn drop(&mut self) {
        std::hint::black_box(self);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_panic_comes_back() {
        super::panic().expect("it is caught");
    }
}
