//! What a generated module does: names, arithmetic and data, as pure functions of the axes, the
//! module's index in the corpus and the function's index in the module.
//!
//! Both sides use this: the encoder to write the wasm, and whoever calls a loaded module to know
//! what the right one answers.

use loadline_scenario::{Generated, Random, TypeSharing};

use crate::call::Call;

/// Bytes in one data segment.
pub(crate) const SEGMENT_BYTES: usize = 64;

/// Letters in the alphabet of parameter types: `i32`, `i64`, `f32`, `f64`.
const PARAMETER_TYPES: u64 = 4;

/// Parameters that every further function type has at least. 4^10 types are told apart by ten, more
/// than corpora have, so that a type's size does not grow with the index of its module.
const FEWEST_PARAMETERS: usize = 10;

/// The import of a module with a host function: of this module, under this name.
pub(crate) const HOST: (&str, &str) = ("host", "function");

/// The export that calls the imported function, as many calls deep as its argument says.
pub(crate) const CALL_HOST: &str = "call_host";

/// The export that traps so deep.
pub(crate) const TRAP: &str = "trap";

/// How deep the frames of wasm are in a native backtrace or below a trap.
pub(crate) const WASM_FRAMES: i32 = 16;

/// What a generated component exports: the first exported function of its first core module.
pub(crate) const COMPONENT_EXPORT: &str = "call";

/// The call that tells artifact `index` from all others of its corpus: its first exported function,
/// with an argument of that module's own. One that imports a host function cannot be instantiated
/// for it by [`Call::check`].
pub fn call(axes: &Generated, index: usize) -> Call {
    let (index, export) = match axes.core_modules {
        None => (index, export_name(index, 0)),
        Some(core_modules) => (index * core_modules.get(), COMPONENT_EXPORT.to_owned()),
    };
    let argument = stream(axes, index, Topic::Argument).next_u64() as i32;
    Call { export, argument, expected: expected_result(axes, index, 0, argument) }
}

/// What exported function `function` of module `index` is called. Of one length for all modules of
/// a corpus, so that no artifact is larger for its index.
pub fn export_name(index: usize, function: usize) -> String {
    format!("m{index:06}_f{function}")
}

/// What exported function `function` of module `index` returns for `argument`.
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

/// One arithmetic operation of a body, on a constant.
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

/// The arithmetic of function `function` in module `index`, first operation first. Each operation
/// maps `i32` one to one, so that different arguments keep giving different results.
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

/// How many functions are exported: as asked, as far as there are so many.
pub(crate) fn n_exported(axes: &Generated) -> usize {
    axes.exported.min(axes.functions).get()
}

/// Which of the functions that are not exported is called by exported function `function`.
pub(crate) fn helper_called(axes: &Generated, function: usize) -> Option<usize> {
    let n_exported = n_exported(axes);
    let n_helpers = axes.functions.get() - n_exported;
    function.checked_rem(n_helpers).map(|helper| n_exported + helper)
}

/// The value that a function which is not exported begins with.
pub(crate) fn helper_start(axes: &Generated, index: usize, helper: usize) -> i32 {
    stream(axes, index, Topic::Start(helper)).next_u64() as i32
}

/// Which data segment exported function `function` reads the first word of.
pub(crate) fn segment_read(axes: &Generated, function: usize) -> Option<usize> {
    function.checked_rem(axes.data_segments)
}

/// What is in data segment `segment` of module `index`.
pub(crate) fn segment_data(axes: &Generated, index: usize, segment: usize) -> [u8; SEGMENT_BYTES] {
    let mut random = stream(axes, index, Topic::Data(segment));
    let mut data = [0; SEGMENT_BYTES];
    for word in data.chunks_exact_mut(8) {
        word.copy_from_slice(&random.next_u64().to_le_bytes());
    }
    data
}

/// The parameters of further function type `number` in module `index`, each a number below
/// [`PARAMETER_TYPES`]: the digits of the type's number in the corpus, or with shared types of its
/// number in the module. Two types are the same if and only if those numbers are.
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

/// The parameters of the host function that module `index` imports where its type is its own: the
/// digits of the index. They are more than any further type has, so none is the same.
pub(crate) fn host_parameters(index: usize) -> Vec<u8> {
    let digits = (0..2 * FEWEST_PARAMETERS as u32).map(|place| {
        let rest = (index as u64).checked_div(PARAMETER_TYPES.pow(place)).unwrap_or(0);
        (rest % PARAMETER_TYPES) as u8
    });
    digits.collect()
}

/// A name as a compiler would give it: a path and a hash.
pub(crate) fn function_name(axes: &Generated, index: usize, function: usize) -> String {
    let hash = stream(axes, index, Topic::Name(function)).next_u64();
    format!("module_{index:06}::function_{function}::h{hash:016x}")
}

/// What random numbers are drawn for; each in a sequence of its own.
#[derive(Clone, Copy)]
enum Topic {
    Argument,
    Body(usize),
    Start(usize),
    Data(usize),
    Name(usize),
}

/// The random numbers for one topic in one module.
fn stream(axes: &Generated, index: usize, topic: Topic) -> Random {
    let (topic, part) = match topic {
        Topic::Argument => (0, 0),
        Topic::Body(function) => (1, function),
        Topic::Start(function) => (2, function),
        Topic::Data(segment) => (3, segment),
        Topic::Name(function) => (4, function),
    };
    // Seeds that differ by a multiple of the generator's increment give the same sequence shifted,
    // so each number goes through the generator before the next is mixed in.
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
        // Beyond 4^10 types one more digit is needed, and still no two are the same.
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
