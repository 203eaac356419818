//! Writes the wasm of a generated module.

use loadline_scenario::Generated;
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ExportKind, ExportSection, Function, FunctionSection,
    InstructionSink, MemArg, MemorySection, MemoryType, Module, NameMap, NameSection, TypeSection,
    ValType,
};

use crate::generate::{self, Operation, SEGMENT_BYTES};

/// The type of exported functions; further types follow.
const EXPORTED_TYPE: u32 = 0;
const PAGE_BYTES: usize = 65_536;

/// The wasm of module `index` of the corpus with these axes.
///
/// Exported functions take and return an `i32`; [`generate::call`] says how to call one. Every
/// further function type takes ten numbers or more and returns an `i32`. Functions that are not
/// exported have those types in turn, and exported functions call them. A type that no function has
/// is declared all the same, and that is what loading it costs: Wasmtime makes a trampoline for
/// each declared function type and registers each with the engine (wasmtime 48 `compile.rs`,
/// `collect_inputs_in_translations`; `runtime/type_registry.rs`).
///
/// A memory is there if there are data segments; each exported function reads one of them.
pub fn wasm(axes: &Generated, index: usize) -> Vec<u8> {
    let mut module = Module::new();
    module.section(&types(axes, index));
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
    module.finish()
}

fn types(axes: &Generated, index: usize) -> TypeSection {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    for number in 0..axes.types {
        let parameters = generate::parameters(axes, index, number).into_iter().map(value_type);
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

/// The further type, by its number, of a function that is not exported; none if there are none.
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
    functions
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
        exports.export(&name, ExportKind::Func, function as u32);
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
        body.call(helper as u32);
        body.i32_xor();
    }
    body.end();
}

/// A function that is not exported answers the same whatever it is given: its type matters here,
/// not its arguments.
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
    for parameter in generate::parameters(axes, index, number) {
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
        functions.append(function as u32, &generate::function_name(axes, index, function));
    }
    let mut names = NameSection::new();
    names.module(&format!("module_{index:06}"));
    names.functions(&functions);
    names
}
