//! The names, arithmetic and data of a generated module. All are pure functions of the axes, the index of the
//! module in the corpus and the index of the function in the module.
//!
//! The encoder uses this module to write the wasm. The caller of a loaded module uses it to compute the
//! result of the right module.

use loadline_scenario::{Generated, Random, TypeSharing};

use crate::call::Call;

/// The length of one data segment in bytes.
pub(crate) const SEGMENT_BYTES: usize = 64;

/// The number of parameter types: `i32`, `i64`, `f32`, `f64`.
const PARAMETER_TYPES: u64 = 4;

/// The least number of parameters of a further function type. Ten parameters distinguish 4^10 types, which is
/// more than corpora have. So the size of a type does not grow with the index of its module.
const FEWEST_PARAMETERS: usize = 10;

/// The import of a module with a host function: the module name and the function name.
pub(crate) const HOST: (&str, &str) = ("host", "function");

/// The export that calls the imported function after as many recursive calls as its argument says.
pub(crate) const CALL_HOST: &str = "call_host";

/// The export that traps after as many recursive calls as its argument says.
pub(crate) const TRAP: &str = "trap";

/// The number of wasm frames in a native backtrace or below a trap.
pub(crate) const WASM_FRAMES: i32 = 16;

/// The export of a generated component: the first exported function of its first core module.
pub(crate) const COMPONENT_EXPORT: &str = "call";

/// Returns the call that distinguishes artifact `index` from all others of its corpus. It calls the first
/// exported function, with an argument that depends on the module. [`Call::check`] cannot instantiate a
/// module that imports a host function.
pub fn call(axes: &Generated, index: usize) -> Call {
    let (index, export) = match axes.core_modules {
        None => (index, export_name(index, 0)),
        Some(core_modules) => (index * core_modules.get(), COMPONENT_EXPORT.to_owned()),
    };
    let argument = stream(axes, index, Topic::Argument).next_u64() as i32;
    Call { export, argument, expected: expected_result(axes, index, 0, argument) }
}

/// Returns the name of exported function `function` of module `index`. The name has the same length for all
/// modules of a corpus, so that the size of an artifact does not depend on its index.
pub fn export_name(index: usize, function: usize) -> String {
    format!("m{index:06}_f{function}")
}

/// Returns the result of exported function `function` of module `index` for `argument`.
pub fn expected_result(axes: &Generated, index: usize, function: usize, argument: i32) -> i32 {
    let mut value = argument;
    if let Some(segment) = segment_read(axes, function) {
        let data = segment_data(axes, index, segment);
        value ^= i32::from_le_bytes([data[0], data[1], data[2], data[3]]);
    }
    value = operations(axes, index, function).fold(value, |value, op| op.apply(value));
    if let Some(helper) = helper_called(axes, function) {
        let start = helper_start(axes, index, helper);
        value ^= operations(axes, index, helper).fold(start, |value, op| op.apply(value));
    }
    value
}

/// One arithmetic operation of a body, with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Add(i32),
    Subtract(i32),
    Multiply(i32),
    Xor(i32),
    RotateLeft(i32),
}

impl Operation {
    fn apply(self, value: i32) -> i32 {
        match self {
            Operation::Add(constant) => value.wrapping_add(constant),
            Operation::Subtract(constant) => value.wrapping_sub(constant),
            Operation::Multiply(constant) => value.wrapping_mul(constant),
            Operation::Xor(constant) => value ^ constant,
            Operation::RotateLeft(bits) => value.rotate_left(bits as u32),
        }
    }
}

/// Returns the operations of function `function` in module `index`, in their order. Each operation maps `i32`
/// one to one, so that different arguments give different results.
pub(crate) fn operations(
    axes: &Generated,
    index: usize,
    function: usize,
) -> impl Iterator<Item = Operation> {
    let mut random = stream(axes, index, Topic::Body(function));
    (0..axes.body_size).map(move |_| {
        let constant = random.next_u64() as i32;
        match random.below(5) {
            0 => Operation::Add(constant),
            1 => Operation::Subtract(constant),
            2 => Operation::Multiply(constant | 1),
            3 => Operation::Xor(constant),
            _ => Operation::RotateLeft(1 + random.below(31) as i32),
        }
    })
}

/// Returns the number of exported functions: the requested number, or all functions if there are fewer.
pub(crate) fn n_exported(axes: &Generated) -> usize {
    axes.exported.min(axes.functions).get()
}

/// Returns the function that is not exported and that exported function `function` calls.
pub(crate) fn helper_called(axes: &Generated, function: usize) -> Option<usize> {
    let n_exported = n_exported(axes);
    let n_helpers = axes.functions.get() - n_exported;
    function.checked_rem(n_helpers).map(|helper| n_exported + helper)
}

/// Returns the initial value of a function that is not exported.
pub(crate) fn helper_start(axes: &Generated, index: usize, helper: usize) -> i32 {
    stream(axes, index, Topic::Start(helper)).next_u64() as i32
}

/// Returns the data segment whose first word exported function `function` reads.
pub(crate) fn segment_read(axes: &Generated, function: usize) -> Option<usize> {
    function.checked_rem(axes.data_segments)
}

/// Returns the bytes of data segment `segment` of module `index`.
pub(crate) fn segment_data(axes: &Generated, index: usize, segment: usize) -> [u8; SEGMENT_BYTES] {
    let mut random = stream(axes, index, Topic::Data(segment));
    let mut data = [0; SEGMENT_BYTES];
    for word in data.chunks_exact_mut(8) {
        word.copy_from_slice(&random.next_u64().to_le_bytes());
    }
    data
}

/// Returns the parameters of further function type `number` in module `index`. Each is a number below
/// [`PARAMETER_TYPES`]. They are the digits of the type's number in the corpus or, with shared types, in the
/// module. Two types are the same if and only if those numbers are the same.
pub(crate) fn parameters(axes: &Generated, index: usize, number: usize) -> Vec<u8> {
    let module = match axes.type_sharing {
        TypeSharing::Shared => 0,
        TypeSharing::Own => index,
    };
    let mut rest = (module * axes.types + number) as u64;
    let mut digits = Vec::with_capacity(FEWEST_PARAMETERS);
    while rest > 0 || digits.len() < FEWEST_PARAMETERS {
        digits.push((rest % PARAMETER_TYPES) as u8);
        rest /= PARAMETER_TYPES;
    }
    digits
}

/// Returns the parameters of the host function that module `index` imports, if its type is its own: the
/// digits of the index. There are more of them than any further type has, so the type differs from all
/// further types.
pub(crate) fn host_parameters(index: usize) -> Vec<u8> {
    let digits = (0..2 * FEWEST_PARAMETERS as u32).map(|place| {
        let rest = (index as u64).checked_div(PARAMETER_TYPES.pow(place)).unwrap_or(0);
        (rest % PARAMETER_TYPES) as u8
    });
    digits.collect()
}

/// Returns a name like those of compilers: a path and a hash.
pub(crate) fn function_name(axes: &Generated, index: usize, function: usize) -> String {
    let hash = stream(axes, index, Topic::Name(function)).next_u64();
    format!("module_{index:06}::function_{function}::h{hash:016x}")
}

/// The purpose of a random number. Each purpose has its own sequence.
#[derive(Clone, Copy)]
enum Topic {
    Argument,
    Body(usize),
    Start(usize),
    Data(usize),
    Name(usize),
}

/// Returns the random numbers for one topic in one module.
fn stream(axes: &Generated, index: usize, topic: Topic) -> Random {
    let (topic, part) = match topic {
        Topic::Argument => (0, 0),
        Topic::Body(function) => (1, function),
        Topic::Start(function) => (2, function),
        Topic::Data(segment) => (3, segment),
        Topic::Name(function) => (4, function),
    };
    // Seeds that differ by a multiple of the generator's increment give the same sequence, but shifted. So
    // each number goes through the generator before the next is mixed in.
    let mut state = axes.seed;
    for number in [index as u64, topic, part as u64] {
        state = Random::new(state).next_u64() ^ number;
    }
    Random::new(state)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn own_types_are_different_in_the_whole_corpus() {
        let axes = Generated { types: 50, type_sharing: TypeSharing::Own, ..Generated::default() };
        let types: BTreeSet<Vec<u8>> = (0..2000)
            .flat_map(|index| (0..axes.types).map(move |number| (index, number)))
            .map(|(index, number)| parameters(&axes, index, number))
            .collect();
        assert_eq!(types.len(), 2000 * 50);
        assert!(types.iter().all(|parameters| parameters.len() == FEWEST_PARAMETERS));
        // Beyond 4^10 types one more digit is needed, and still no two types are the same.
        let wide = Generated { types: 1 << 20, ..axes };
        assert_eq!(parameters(&wide, 1, 0).len(), FEWEST_PARAMETERS + 1);
        assert_ne!(parameters(&wide, 1, 0), parameters(&wide, 0, 0));
    }

    #[test]
    fn shared_types_are_the_same_in_all_modules() {
        let axes = Generated::default();
        assert_eq!(parameters(&axes, 0, 3), parameters(&axes, 1, 3));
        assert_ne!(parameters(&axes, 0, 3), parameters(&axes, 0, 2));
    }

    #[test]
    fn modules_and_seeds_answer_differently() {
        let axes = Generated::default();
        let answer = |axes: &Generated, index| expected_result(axes, index, 0, 1);
        assert_ne!(answer(&axes, 0), answer(&axes, 1));
        assert_ne!(answer(&axes, 0), answer(&Generated { seed: 8, ..axes }, 0));
        assert_eq!(answer(&axes, 0), answer(&axes, 0));
        assert_ne!(call(&axes, 0), call(&axes, 1));
    }

    #[test]
    fn host_functions_of_their_own_type_are_like_no_other() {
        let types: BTreeSet<Vec<u8>> = (0..5000).map(host_parameters).collect();
        assert_eq!(types.len(), 5000);
        let axes =
            Generated { types: 100_000, type_sharing: TypeSharing::Own, ..Generated::default() };
        assert!(parameters(&axes, 99_999, 99_999).len() < host_parameters(0).len());
    }
}
