//! Names of functions and files. A file writes each name once, and then refers to it by number.

use std::collections::HashMap;
use std::fmt;

/// A function, named together with its object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Function {
    /// The path of the program or library, as callgrind saw it. [`Function::UNKNOWN`] for code that was
    /// generated at run time.
    pub object: String,
    /// The function's name, demangled and without the hash that differs between builds. So all instances of a
    /// generic function have one name. [`Function::UNKNOWN`] for all code of the object that has no name: an
    /// address says nothing to a reader, and differs between builds.
    pub name: String,
}

impl Function {
    /// The text that callgrind writes for an unknown name.
    pub const UNKNOWN: &'static str = "???";

    /// The function in `object` that a file calls `name`.
    pub fn new(object: &str, name: &str) -> Function {
        let is_address = name.starts_with("0x");
        let name = if is_address { Function::UNKNOWN.to_owned() } else { demangled(name) };
        Function { object: object.to_owned(), name }
    }

    /// The object's file name, which is the same on other machines even if its folder is not.
    pub fn object_name(&self) -> &str {
        self.object.rsplit('/').next().unwrap_or(&self.object)
    }
}

/// Writes the function as `libgcc_s.so.1: __deregister_frame_info_bases`.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object_name(), self.name)
    }
}

/// Demangles a Rust name; other names stay as they are. valgrind can demangle too, but then it would merge
/// the instances of a generic function, which would seem to call themselves.
fn demangled(name: &str) -> String {
    // callgrind appends the level of recursion to the name.
    let (name, level) = match name.rsplit_once('\'') {
        Some((name, level)) if level.bytes().all(|byte| byte.is_ascii_digit()) => {
            (name, Some(level))
        }
        _ => (name, None),
    };
    let plain = match rustc_demangle::try_demangle(name) {
        Ok(demangled) => format!("{demangled:#}"),
        Err(_) => name.to_owned(),
    };
    match level {
        Some(level) => format!("{plain}'{level}"),
        None => plain,
    }
}

/// The numbered names of one kind (functions, files or objects) in a file.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<u64, String>);

/// The reason why a name cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameError {
    /// A number to which the file has given no name.
    Unknown(u64),
    /// A text in brackets that begins like a number and is not one.
    Malformed,
}

impl Names {
    /// The name that the text `(7) name`, `(7)` or `name` stands for.
    pub(crate) fn resolve(&mut self, text: &str) -> Result<String, NameError> {
        // A text in brackets that is not a number is itself the name, such as `(below main)`.
        let number = text
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'))
            .filter(|(number, _)| number.bytes().next().is_some_and(|b| b.is_ascii_digit()));
        let Some((number, name)) = number else { return Ok(text.to_owned()) };
        let number: u64 = number.parse().map_err(|_| NameError::Malformed)?;
        let name = name.trim();
        if !name.is_empty() {
            self.0.insert(number, name.to_owned());
        }
        self.0.get(&number).cloned().ok_or(NameError::Unknown(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_once() {
        let mut names = Names::default();
        let mut check = |text: &str, name: Result<&str, NameError>| {
            assert_eq!(names.resolve(text), name.map(str::to_owned), "{text}");
        };
        check("(3) malloc", Ok("malloc"));
        check("free", Ok("free"));
        check("(3)", Ok("malloc"));
        check("(below main)", Ok("(below main)"));
        check("(4)", Err(NameError::Unknown(4)));
        check("(3) calloc", Ok("calloc"));
        check("(99999999999999999999)", Err(NameError::Malformed));
        check("(3x)", Err(NameError::Malformed));
    }

    #[test]
    fn names_are_demangled_and_their_hash_is_cut_off() {
        let name = |function: &str| Function::new("runner", function).name;
        let legacy = "_ZN8wasmtime6engine6Engine3new17h0123456789abcdefE";
        assert_eq!(name(legacy), "wasmtime::engine::Engine::new");
        assert_eq!(name("_RNvNtCs1234_7mycrate3foo3bar"), "mycrate::foo::bar");
        assert_eq!(name(&format!("{legacy}'2")), "wasmtime::engine::Engine::new'2");
        assert_eq!(name("malloc"), "malloc");
        assert_eq!(name("operator'"), "operator'");
    }

    #[test]
    fn code_without_a_name_is_one_function_of_its_object() {
        let one = Function::new("???", "0x0000000004d883f1");
        assert_eq!(one, Function::new("???", "0x0000000004d88000"));
        assert_eq!(one.to_string(), "???: ???");
        let library = Function::new("/lib/a.so", "0x0000000000001000");
        assert_eq!(library, Function::new("/lib/a.so", "0x0000000000002000'2"));
        assert_eq!(library.to_string(), "a.so: ???");
    }
}
