//! Runs a module, and writes down everything that a program can see.

use std::fmt::Write;

use loadline_loader::Loaded;
use loadline_loader::wasmtime::component::{Component, Linker as ComponentLinker};
use loadline_loader::wasmtime::{
    self, Engine, Error, Extern, ExternType, Func, Instance, Linker, Module, Ref, Store,
    StoreLimits, StoreLimitsBuilder, Trap, Val, ValType, WasmBacktrace, format_err,
};

/// What was seen, in order. An outcome that is an error begins with `error`.
pub type Outcomes = Vec<String>;

/// The state of a store: the limits, and the calls of the host.
struct Host {
    limits: StoreLimits,
    notes: Vec<String>,
}

const CALLS: usize = 3;

pub fn observe(engine: &Engine, loaded: &Loaded) -> Outcomes {
    let limits = StoreLimitsBuilder::new().memory_size(1 << 20).table_elements(1000).build();
    let mut store = Store::new(engine, Host { limits, notes: Vec::new() });
    store.limiter(|host| &mut host.limits);
    // Both fail where the engine has not got them.
    let _ = store.set_fuel(1_000_000);
    store.set_epoch_deadline(1);
    match loaded {
        Loaded::Module(module) => of_module(store, module),
        Loaded::Component(component) => of_component(store, component),
    }
}

fn of_module(mut store: Store<Host>, module: &Module) -> Outcomes {
    let exports: Vec<_> = module.exports().collect();
    let types = exports.iter().map(|export| format!("{} {}", export.name(), type_of(&export.ty())));
    let mut outcomes = vec![types.collect::<Vec<_>>().join(", ")];
    let instance = match linker(store.engine()).instantiate(&mut store, module) {
        Ok(instance) => instance,
        Err(error) => {
            outcomes.push(text_of(&error));
            return outcomes;
        }
    };
    outcomes.push(state(&mut store, instance));
    for export in &exports {
        let ExternType::Func(ty) = export.ty() else { continue };
        let function = instance.get_func(&mut store, export.name()).unwrap();
        for call in 0..CALLS {
            let arguments: Vec<Val> =
                ty.params().enumerate().map(|(n, ty)| argument(&ty, call + 3 * n)).collect();
            let mut results = vec![Val::I32(0); ty.results().len()];
            if let Some(steps) = instance.get_global(&mut store, "steps") {
                steps.set(&mut store, Val::I32(500)).unwrap();
            }
            let called = match function.call(&mut store, &arguments, &mut results) {
                Ok(()) => format!("{results:?}"),
                Err(error) => text_of(&error),
            };
            outcomes.push(format!("{called}\n{}", state(&mut store, instance)));
        }
    }
    // An epoch that ends the next call, where epochs are on.
    store.engine().increment_epoch();
    if let Some(function) =
        exports.iter().find_map(|export| instance.get_func(&mut store, export.name()))
    {
        outcomes.push(after_the_epoch(&mut store, &function));
    }
    outcomes
}

/// Returns the text of a type. The text of Wasmtime has numbers that differ between engines.
fn type_of(ty: &ExternType) -> String {
    let ExternType::Func(ty) = ty else { return format!("{ty:?}") };
    let names = |types: &mut dyn Iterator<Item = ValType>| {
        types.map(|ty| ty.to_string()).collect::<Vec<_>>().join(" ")
    };
    format!("({}) to ({})", names(&mut ty.params()), names(&mut ty.results()))
}

fn after_the_epoch(store: &mut Store<Host>, function: &Func) -> String {
    let ty = function.ty(&*store);
    let arguments: Vec<Val> = ty.params().map(|ty| argument(&ty, 0)).collect();
    let mut results = vec![Val::I32(0); ty.results().len()];
    match function.call(&mut *store, &arguments, &mut results) {
        Ok(()) => format!("{results:?}"),
        Err(error) => text_of(&error),
    }
}

fn of_component(mut store: Store<Host>, component: &Component) -> Outcomes {
    let linker = ComponentLinker::new(store.engine());
    let instance = linker.instantiate(&mut store, component).unwrap();
    let run = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "run").unwrap();
    let mut call = |n: u32| match run.call(&mut store, (n,)) {
        Ok((result,)) => format!("{result}, fuel left: {:?}", store.get_fuel().ok()),
        Err(error) => text_of(&error),
    };
    // After a trap, the instance can no longer be entered.
    [0, 7, 1000, 1001, 1].map(&mut call).into()
}

/// Returns a linker with the only import. It writes down the backtrace, and fails if it is given 13.
fn linker(engine: &Engine) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    let note = |mut caller: wasmtime::Caller<'_, Host>, n: i32| {
        let seen = format!("{n}: {}", frames(&WasmBacktrace::capture(&caller)));
        caller.data_mut().notes.push(seen);
        if n == 13 { Err(format_err!("the host wants no 13")) } else { Ok(n / 2) }
    };
    linker.func_wrap("host", "note", note).unwrap();
    linker
}

fn argument(ty: &ValType, n: usize) -> Val {
    match ty {
        ValType::I32 => Val::I32([0, 5, -1, 1_000_003, i32::MIN, 64, 9][n % 7]),
        ValType::I64 => Val::I64([3, -1, 0, i64::MAX, 1 << 33, 17, i64::MIN][n % 7]),
        ValType::F32 => Val::F32([0.0f32, -1.5, f32::NAN, 3e9, -0.0][n % 5].to_bits()),
        ValType::F64 => Val::F64([1.0f64, f64::INFINITY, -2.25, 1e300, f64::NAN][n % 5].to_bits()),
        other => panic!("no export takes {other}"),
    }
}

/// Returns an error with its trap and its frames.
fn text_of(error: &Error) -> String {
    let trap = error.downcast_ref::<Trap>();
    let frames = error.downcast_ref::<WasmBacktrace>().map(frames);
    format!("error {:?}, trap {trap:?}, frames {frames:?}", error.root_cause().to_string())
}

fn frames(backtrace: &WasmBacktrace) -> String {
    let frames = backtrace.frames();
    // A stack overflow has thousands of frames.
    let mut text = format!("{} frames", frames.len());
    for frame in frames.iter().take(40) {
        let (index, name) = (frame.func_index(), frame.func_name());
        let (module, function) = (frame.module_offset(), frame.func_offset());
        write!(text, ", {index} {name:?} {module:?} {function:?}").unwrap();
    }
    text
}

/// Returns the fuel, the notes, a digest of the memory, and the globals.
fn state(store: &mut Store<Host>, instance: Instance) -> String {
    let notes = std::mem::take(&mut store.data_mut().notes);
    let fuel = store.get_fuel().ok();
    let exports: Vec<(String, Extern)> = instance
        .exports(&mut *store)
        .map(|export| (export.name().to_owned(), export.into_extern()))
        .collect();
    let mut text = format!("fuel {fuel:?}, notes {notes:?}");
    for (name, export) in exports {
        match export {
            Extern::Memory(memory) => {
                let bytes = memory.data(&*store);
                write!(text, ", {name} {} {}", bytes.len(), blake3::hash(bytes)).unwrap();
            }
            Extern::Global(global) => {
                write!(text, ", {name} {:?}", global.get(&mut *store)).unwrap();
            }
            Extern::Table(table) => {
                let is_null = |n| matches!(table.get(&mut *store, n), Some(Ref::Func(None)));
                write!(text, ", {name} {:?}", [0, 1].map(is_null)).unwrap();
            }
            _ => {}
        }
    }
    text
}
