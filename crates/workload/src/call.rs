//! Calls one function of a loaded module, to prove that it is the right module.

use loadline_loader::Loaded;
use loadline_loader::wasmtime::component::{self, Component};
use loadline_loader::wasmtime::{Engine, Instance, Module, Store};

use crate::error::Error;

/// A call, and the result of the right module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The name of the exported function, which takes and returns an `i32` (`s32` in a component).
    pub export: String,
    /// The argument of the call.
    pub argument: i32,
    /// The result of the right module.
    pub expected: i32,
}

impl Call {
    /// Instantiates the module without imports in a new store, makes the call, and drops the store. The store
    /// must be dropped, because a store keeps its instances and the instances keep their modules.
    ///
    /// # Errors
    ///
    /// [`Error::Instantiate`], [`Error::Call`], or [`Error::WrongResult`].
    pub fn check(&self, engine: &Engine, loaded: &Loaded) -> Result<(), Error> {
        let found = match loaded {
            Loaded::Module(module) => call_module(engine, module, self)?,
            Loaded::Component(component) => call_component(engine, component, self)?,
        };
        let Call { export, argument, expected } = self;
        if found == *expected {
            return Ok(());
        }
        let (export, argument, expected) = (export.clone(), *argument, *expected);
        Err(Error::WrongResult { export, argument, expected, found })
    }
}

fn call_module(engine: &Engine, module: &Module, call: &Call) -> Result<i32, Error> {
    let mut store = Store::new(engine, ());
    let instance =
        Instance::new(&mut store, module, &[]).map_err(|source| Error::Instantiate { source })?;
    instance
        .get_typed_func::<i32, i32>(&mut store, &call.export)
        .and_then(|function| function.call(&mut store, call.argument))
        .map_err(|source| Error::Call { export: call.export.clone(), source })
}

fn call_component(engine: &Engine, component: &Component, call: &Call) -> Result<i32, Error> {
    let mut store = Store::new(engine, ());
    let instance = component::Linker::new(engine)
        .instantiate(&mut store, component)
        .map_err(|source| Error::Instantiate { source })?;
    instance
        .get_typed_func::<(i32,), (i32,)>(&mut store, &call.export)
        .and_then(|function| function.call(&mut store, (call.argument,)))
        .map(|(found,)| found)
        .map_err(|source| Error::Call { export: call.export.clone(), source })
}
