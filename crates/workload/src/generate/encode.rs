//! Writes the wasm of a generated module, or of a component of several modules.

use loadline_scenario::{Generated, HostFunction};
use wasm_encoder::{
    BlockType, CanonicalOption, CodeSection, ComponentBuilder, ComponentExportKind, ConstExpr,
    DataSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    InstructionSink, MemArg, MemorySection, MemoryType, Module, ModuleArg, NameMap, NameSection,
    PrimitiveValType, TypeSection, ValType,
};

use super::module as generate;
use super::module::{Operation, SEGMENT_BYTES};

/// The type of exported functions. Further types follow it, and the host function's own type is last.
const EXPORTED_TYPE: u32 = 0;
const PAGE_BYTES: usize = 65_536;

/// Returns the wasm of module `index` of the corpus with these axes.
///
/// Exported functions take and return an `i32`. [`generate::call`] describes how to call one. Every further
/// function type takes at least ten numbers and returns an `i32`. Functions that are not exported have those
/// types in turn, and exported functions call them. A type that no function has is still declared, and its
/// declaration has a cost. Wasmtime makes a trampoline for each declared function type and registers each
/// with the engine (wasmtime 48 `compile.rs`, `collect_inputs_in_translations`; `runtime/type_registry.rs`).
///
/// If there are data segments, there is a memory, and each exported function reads one segment.
///
/// With a host function there are two more functions, which are exported. One calls the host function and the
/// other traps, both after as many recursive calls as the argument says.
///
/// With core modules, the result is a component of that many modules, all different and each instantiated.
/// The component exports the first function of the first module.
pub fn wasm(axes: &Generated, index: usize) -> Vec<u8> {
    match axes.core_modules {
        None => module(axes, index).finish(),
        Some(core_modules) => component(axes, index, core_modules.get()),
    }
}

fn component(axes: &Generated, index: usize, core_modules: usize) -> Vec<u8> {
    let mut component = ComponentBuilder::default();
    let first = index * core_modules;
    let mut instances = (first..first + core_modules).map(|index| {
        let core_module = component.core_module(None, &module(axes, index));
        component.core_instantiate(None, core_module, Vec::<(&str, ModuleArg)>::new())
    });
    let instance = instances.next().expect("a component has core modules");
    instances.for_each(drop);
    let export = generate::export_name(first, 0);
    let function = component.core_alias_export(None, instance, &export, ExportKind::Func);
    let (function_type, encoder) = component.ty(None);
    let mut encoder = encoder.function();
    encoder.params([("argument", PrimitiveValType::S32)]);
    encoder.result(Some(PrimitiveValType::S32.into()));
    let no_options: [CanonicalOption; 0] = [];
    let lifted = component.lift_func(None, function, function_type, no_options);
    component.export(generate::COMPONENT_EXPORT, ComponentExportKind::Func, lifted, None);
    component.finish()
}

fn module(axes: &Generated, index: usize) -> Module {
    let mut module = Module::new();
    module.section(&types(axes, index));
    if n_imported(axes) > 0 {
        module.section(&imports(axes));
    }
    module.section(&functions(axes));
    if axes.data_segments > 0 {
        module.section(&memory(axes));
    }
    module.section(&exports(axes, index));
    module.section(&code(axes, index));
    if axes.data_segments > 0 {
        module.section(&data(axes, index));
    }
    module.section(&names(axes, index));
    module
}

/// Returns the number of imported functions. The module's own functions are numbered after them.
fn n_imported(axes: &Generated) -> usize {
    usize::from(axes.host_function != HostFunction::None)
}

/// Returns the number of the module's own function `function`.
fn own(axes: &Generated, function: usize) -> u32 {
    (n_imported(axes) + function) as u32
}

fn imports(axes: &Generated) -> ImportSection {
    let of_its_own = EXPORTED_TYPE + 1 + axes.types as u32;
    let function_type = match axes.host_function {
        HostFunction::OwnType => of_its_own,
        HostFunction::None | HostFunction::SharedType => EXPORTED_TYPE,
    };
    let (module, name) = generate::HOST;
    let mut imports = ImportSection::new();
    imports.import(module, name, EntityType::Function(function_type));
    imports
}

fn types(axes: &Generated, index: usize) -> TypeSection {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    for number in 0..axes.types {
        let parameters = generate::parameters(axes, index, number).into_iter().map(value_type);
        types.ty().function(parameters.collect::<Vec<_>>(), [ValType::I32]);
    }
    if axes.host_function == HostFunction::OwnType {
        let parameters = generate::host_parameters(index).into_iter().map(value_type);
        types.ty().function(parameters.collect::<Vec<_>>(), [ValType::I32]);
    }
    types
}

fn value_type(parameter: u8) -> ValType {
    match parameter {
        0 => ValType::I32,
        1 => ValType::I64,
        2 => ValType::F32,
        _ => ValType::F64,
    }
}

/// Returns the number of the further type of a function that is not exported, or `None` if there are none.
fn further_type(axes: &Generated, function: usize) -> Option<usize> {
    (function - generate::n_exported(axes)).checked_rem(axes.types)
}

fn functions(axes: &Generated) -> FunctionSection {
    let mut functions = FunctionSection::new();
    for function in 0..axes.functions.get() {
        let is_exported = function < generate::n_exported(axes);
        let further = if is_exported { None } else { further_type(axes, function) };
        functions
            .function(further.map_or(EXPORTED_TYPE, |number| EXPORTED_TYPE + 1 + number as u32));
    }
    for _ in descents(axes) {
        functions.function(EXPORTED_TYPE);
    }
    functions
}

/// Returns the recursive functions of a module with a host function.
fn descents(axes: &Generated) -> &'static [Descent] {
    match axes.host_function {
        HostFunction::None => &[],
        HostFunction::SharedType | HostFunction::OwnType => &[Descent::CallHost, Descent::Trap],
    }
}

#[derive(Clone, Copy)]
enum Descent {
    CallHost,
    Trap,
}

impl Descent {
    const fn export(self) -> &'static str {
        match self {
            Descent::CallHost => generate::CALL_HOST,
            Descent::Trap => generate::TRAP,
        }
    }
}

/// Calls itself with an argument that is one less, until the argument is 0.
fn descent(mut body: InstructionSink<'_>, axes: &Generated, index: usize, what: Descent, own: u32) {
    body.local_get(0).i32_eqz().if_(BlockType::Result(ValType::I32));
    match (what, axes.host_function) {
        (Descent::Trap, _) => {
            body.unreachable();
        }
        (Descent::CallHost, HostFunction::OwnType) => {
            zeros(&mut body, generate::host_parameters(index));
            body.call(0);
        }
        (Descent::CallHost, _) => {
            body.local_get(0).call(0);
        }
    }
    body.else_().local_get(0).i32_const(1).i32_sub().call(own).end();
    body.end();
}

fn memory(axes: &Generated) -> MemorySection {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: (axes.data_segments * SEGMENT_BYTES).div_ceil(PAGE_BYTES) as u64,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    memories
}

fn exports(axes: &Generated, index: usize) -> ExportSection {
    let mut exports = ExportSection::new();
    for function in 0..generate::n_exported(axes) {
        let name = generate::export_name(index, function);
        exports.export(&name, ExportKind::Func, own(axes, function));
    }
    for (number, descent) in descents(axes).iter().enumerate() {
        let function = own(axes, axes.functions.get() + number);
        exports.export(descent.export(), ExportKind::Func, function);
    }
    exports
}

fn code(axes: &Generated, index: usize) -> CodeSection {
    let mut code = CodeSection::new();
    for function in 0..axes.functions.get() {
        let mut body = Function::new([]);
        let sink = body.instructions();
        if function < generate::n_exported(axes) {
            exported_body(sink, axes, index, function);
        } else {
            helper_body(sink, axes, index, function);
        }
        code.function(&body);
    }
    for (number, what) in descents(axes).iter().enumerate() {
        let mut body = Function::new([]);
        let function = own(axes, axes.functions.get() + number);
        descent(body.instructions(), axes, index, *what, function);
        code.function(&body);
    }
    code
}

fn exported_body(mut body: InstructionSink<'_>, axes: &Generated, index: usize, function: usize) {
    body.local_get(0);
    if let Some(segment) = generate::segment_read(axes, function) {
        body.i32_const((segment * SEGMENT_BYTES) as i32);
        body.i32_load(MemArg { offset: 0, align: 2, memory_index: 0 });
        body.i32_xor();
    }
    operations(&mut body, axes, index, function);
    if let Some(helper) = generate::helper_called(axes, function) {
        arguments(&mut body, axes, index, helper);
        body.call(own(axes, helper));
        body.i32_xor();
    }
    body.end();
}

/// A function that is not exported returns the same result for all arguments. Its type matters, and its
/// arguments do not.
fn helper_body(mut body: InstructionSink<'_>, axes: &Generated, index: usize, helper: usize) {
    body.i32_const(generate::helper_start(axes, index, helper));
    operations(&mut body, axes, index, helper);
    body.end();
}

fn arguments(body: &mut InstructionSink<'_>, axes: &Generated, index: usize, helper: usize) {
    let Some(number) = further_type(axes, helper) else {
        body.i32_const(0);
        return;
    };
    zeros(body, generate::parameters(axes, index, number));
}

fn zeros(body: &mut InstructionSink<'_>, parameters: Vec<u8>) {
    for parameter in parameters {
        match value_type(parameter) {
            ValType::I64 => body.i64_const(0),
            ValType::F32 => body.f32_const(0.0.into()),
            ValType::F64 => body.f64_const(0.0.into()),
            _ => body.i32_const(0),
        };
    }
}

fn operations(body: &mut InstructionSink<'_>, axes: &Generated, index: usize, function: usize) {
    for operation in generate::operations(axes, index, function) {
        match operation {
            Operation::Add(constant) => body.i32_const(constant).i32_add(),
            Operation::Subtract(constant) => body.i32_const(constant).i32_sub(),
            Operation::Multiply(constant) => body.i32_const(constant).i32_mul(),
            Operation::Xor(constant) => body.i32_const(constant).i32_xor(),
            Operation::RotateLeft(bits) => body.i32_const(bits).i32_rotl(),
        };
    }
}

fn data(axes: &Generated, index: usize) -> DataSection {
    let mut data = DataSection::new();
    for segment in 0..axes.data_segments {
        let offset = ConstExpr::i32_const((segment * SEGMENT_BYTES) as i32);
        data.active(0, &offset, generate::segment_data(axes, index, segment));
    }
    data
}

fn names(axes: &Generated, index: usize) -> NameSection {
    let mut functions = NameMap::new();
    for function in 0..axes.functions.get() {
        functions.append(own(axes, function), &generate::function_name(axes, index, function));
    }
    let mut names = NameSection::new();
    names.module(&format!("module_{index:06}"));
    names.functions(&functions);
    names
}
