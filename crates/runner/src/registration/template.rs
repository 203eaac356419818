//! Unwind tables made with Cranelift. A few functions are compiled for this machine. Their CIE and FDEs are
//! laid out in the form that an unwinder needs, once per table, with different addresses.
//!
//! This module registers nothing. A process that measures compiles nothing, because Cranelift's result is
//! saved between sessions as a [`Template`].

use std::fs;
use std::path::{Path, PathBuf};

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    AbiParam, Function, InstBuilder, Signature, StackSlotData, StackSlotKind, UserFuncName, types,
};
use cranelift_codegen::isa::unwind::UnwindInfo;
use cranelift_codegen::isa::{CallConv, TargetIsa};
use gimli::write::{Address, EhFrame, EndianVec, FrameTable};
use loadline_workload::corpus::cache::make_folder;
use serde::{Deserialize, Serialize};

use crate::environment::host_isa;
use crate::error::Error;

/// The code of each function and of each table begins at a multiple of this.
const ALIGNMENT: usize = 16;

/// The offsets in an FDE of the distance back to its CIE and of the address of the code. The FDE has
/// addresses of eight bytes and no augmentation (Linux Standard Base, section 10.6; DWARF 5, section 6.4.1).
const CIE_POINTER: usize = 4;
const ADDRESS: usize = 8;

/// The end of a section: a length of 0. It is written twice, so that the following bytes are aligned.
const END: [u32; 2] = [0, 0];

/// The end of a whole section for LLVM's libunwind. At a length of 0, libunwind does not stop. It takes the
/// length for a CIE as long as the CIE before it (LLVM 14, `DwarfParser.hpp`, `CFI_Parser::parseCIE`), and
/// reads on after the section. These words are an FDE whose CIE is the FDE itself, so they are neither.
const END_FOR_LLVM: [u32; 2] = [4, 4];

/// The unwind table of some functions whose code has no address yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    cie: Vec<u8>,
    entries: Vec<Entry>,
}

/// The FDE of one function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    record: Vec<u8>,
    code_bytes: usize,
}

/// Tables in memory, and the parts of them that are registered.
#[derive(Debug, PartialEq, Eq)]
pub struct Laid {
    /// All tables, one after the other. They are stored as words, so that records are aligned.
    pub words: Vec<u64>,
    /// For each table, the offsets in bytes in `words` of the parts that one call registers.
    pub units: Vec<Vec<usize>>,
    /// The address of the code of each table's first function.
    pub first_code: Vec<usize>,
}

/// How a table is split into the parts that one call registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// One section, registered as a whole.
    Whole,
    /// One section, registered as a whole, with an end at which LLVM's libunwind stops.
    Bounded,
    /// One section, registered FDE by FDE.
    Entries,
    /// One section per FDE.
    Sections,
}

impl Template {
    /// Compiles `functions` functions.
    ///
    /// # Errors
    /// If Cranelift cannot compile for this machine, or makes tables of another kind.
    pub fn compile(functions: usize) -> Result<Template, Error> {
        let isa = host_isa().map_err(Error::Tables)?;
        let mut table = FrameTable::default();
        let cie = isa.create_systemv_cie().ok_or_else(|| other_kind("no CIE"))?;
        let cie = table.add_cie(cie);
        let mut code_bytes = Vec::with_capacity(functions);
        for number in 0..functions {
            let mut context = Context::for_function(function(number, &*isa));
            let compiled = context
                .compile(&*isa, &mut ControlPlane::default())
                .map_err(|error| Error::Tables(error.inner.to_string()))?;
            let unwind = compiled
                .create_unwind_info(&*isa)
                .map_err(|error| Error::Tables(error.to_string()))?;
            let Some(UnwindInfo::SystemV(unwind)) = unwind else {
                return Err(other_kind("no System V unwind information"));
            };
            code_bytes.push(compiled.code_info().total_size as usize);
            table.add_fde(cie, unwind.to_fde(Address::Constant(0)));
        }
        let mut section = EhFrame(EndianVec::new(gimli::NativeEndian::default()));
        table.write_eh_frame(&mut section).map_err(|error| Error::Tables(error.to_string()))?;
        Template::of_section(section.0.slice(), code_bytes)
    }

    /// Splits a section with one CIE and one FDE per function into its records.
    fn of_section(section: &[u8], code_bytes: Vec<usize>) -> Result<Template, Error> {
        let mut records = records(section).ok_or_else(|| other_kind("a torn section"))?.into_iter();
        let cie = records.next().ok_or_else(|| other_kind("an empty section"))?;
        let entries: Vec<Entry> = records
            .zip(code_bytes.iter().copied())
            .map(|(record, code_bytes)| Entry { record, code_bytes })
            .collect();
        let is_entry = |entry: &Entry| {
            let address = entry.record.get(ADDRESS..ADDRESS + 8);
            entry.record.len().is_multiple_of(8) && address == Some([0; 8].as_slice())
        };
        if entries.len() != code_bytes.len() || !entries.iter().all(is_entry) || cie.len() % 8 != 0
        {
            return Err(other_kind("FDEs with other than absolute addresses of eight bytes"));
        }
        Ok(Template { cie, entries })
    }

    /// Returns the number of bytes of the code of one table.
    pub fn code_bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.code_bytes.next_multiple_of(ALIGNMENT)).sum()
    }

    /// Lays out one table per element of `places`. The code of a table begins at `code` plus its place times
    /// [`Template::code_bytes`].
    pub fn lay_out(&self, places: &[usize], code: usize, cut: Cut) -> Laid {
        let mut bytes: Vec<u8> = Vec::with_capacity(places.len() * self.table_bytes(cut));
        let mut units = Vec::with_capacity(places.len());
        let mut first_code = Vec::with_capacity(places.len());
        for place in places {
            let mut address = code + place * self.code_bytes();
            first_code.push(address);
            let mut of_table = Vec::new();
            let mut cie = bytes.len();
            for (number, entry) in self.entries.iter().enumerate() {
                let begins_section = number == 0 || cut == Cut::Sections;
                if begins_section {
                    cie = bytes.len();
                    bytes.extend(&self.cie);
                }
                match cut {
                    Cut::Entries => of_table.push(bytes.len()),
                    _ if begins_section => of_table.push(cie),
                    _ => {}
                }
                self.put(&mut bytes, entry, cie, address);
                address += entry.code_bytes.next_multiple_of(ALIGNMENT);
                if cut == Cut::Sections || number + 1 == self.entries.len() {
                    let end = if cut == Cut::Bounded { END_FOR_LLVM } else { END };
                    bytes.extend(end.iter().flat_map(|word| word.to_ne_bytes()));
                }
            }
            units.push(of_table);
        }
        let words = bytes.chunks_exact(8);
        let words = words.map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes")));
        Laid { words: words.collect(), units, first_code }
    }

    fn table_bytes(&self, cut: Cut) -> usize {
        let entries: usize = self.entries.iter().map(|entry| entry.record.len()).sum();
        let sections = if cut == Cut::Sections { self.entries.len() } else { 1 };
        entries + sections * (self.cie.len() + size_of_val(&END))
    }

    fn put(&self, bytes: &mut Vec<u8>, entry: &Entry, cie: usize, address: usize) {
        let begin = bytes.len();
        bytes.extend(&entry.record);
        let distance = u32::try_from(begin + CIE_POINTER - cie).expect("a table is not that long");
        bytes[begin + CIE_POINTER..][..4].copy_from_slice(&distance.to_ne_bytes());
        bytes[begin + ADDRESS..][..8].copy_from_slice(&(address as u64).to_ne_bytes());
    }

    fn path(functions: usize, cache: &Path) -> Result<PathBuf, Error> {
        let isa = host_isa().map_err(Error::Tables)?;
        let mut key = blake3::Hasher::new();
        key.update(cranelift_codegen::VERSION.as_bytes());
        key.update(isa.triple().to_string().as_bytes());
        key.update(&functions.to_le_bytes());
        Ok(cache.join(format!("tables-{}.json", &key.finalize().to_hex()[..16])))
    }

    /// Compiles `functions` functions into the folder `cache`, unless they are there already.
    ///
    /// # Errors
    /// The errors of [`Template::compile`], and an error if the folder cannot be written.
    pub fn prepare(functions: usize, cache: &Path) -> Result<(), Error> {
        let path = Template::path(functions, cache)?;
        if Template::prepared(functions, cache).is_ok() {
            return Ok(());
        }
        let text = serde_json::to_vec(&Template::compile(functions)?).expect("it is plain data");
        let failed = |source| Error::Write { path: path.clone(), source };
        make_folder(cache).map_err(failed)?;
        let file = tempfile::NamedTempFile::new_in(cache).map_err(failed)?;
        fs::write(file.path(), text).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Reads the result of [`Template::prepare`] from the folder `cache`.
    ///
    /// # Errors
    /// If there is no result, or if it is damaged.
    pub fn prepared(functions: usize, cache: &Path) -> Result<Template, Error> {
        let path = Template::path(functions, cache)?;
        let bytes = fs::read(&path).map_err(|source| Error::read(&path, source))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::Tables(format!("{} is damaged: {error}", path.display())))
    }
}

fn other_kind(what: &str) -> Error {
    Error::Tables(format!("Cranelift makes {what} for this machine"))
}

/// Returns the records of a section, each with its length. Returns `None` if a record ends after the section.
fn records(section: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    let mut rest = section;
    while let Some((length, _)) = rest.split_first_chunk::<4>() {
        let length = u32::from_ne_bytes(*length) as usize;
        if length == 0 {
            break;
        }
        let (record, behind) = rest.split_at_checked(4 + length)?;
        records.push(record.to_vec());
        rest = behind;
    }
    Some(records)
}

/// Returns a function with a stack frame whose size depends on its number, so that FDEs differ.
fn function(number: usize, isa: &dyn TargetIsa) -> Function {
    let mut signature = Signature::new(CallConv::triple_default(isa.triple()));
    signature.params.push(AbiParam::new(types::I64));
    signature.returns.push(AbiParam::new(types::I64));
    let mut function =
        Function::with_name_signature(UserFuncName::user(0, number as u32), signature);
    let bytes = 16 * (number % 32 + 1) as u32;
    let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3);
    let slot = function.create_sized_stack_slot(slot);
    let block = function.dfg.make_block();
    let argument = function.dfg.append_block_param(block, types::I64);
    let mut cursor = FuncCursor::new(&mut function);
    cursor.insert_block(block);
    let pointer = isa.pointer_type();
    cursor.ins().stack_store(pointer, argument, slot, 0);
    let kept = cursor.ins().stack_load(pointer, types::I64, slot, 0);
    let result = cursor.ins().iadd(kept, argument);
    cursor.ins().return_(&[result]);
    function
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn bytes(laid: &Laid) -> Vec<u8> {
        laid.words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    /// Reads the section at `begin` with gimli. Returns the code address and the size of each FDE.
    fn read(bytes: &[u8], begin: usize) -> Vec<(u64, u64)> {
        use gimli::{BaseAddresses, CieOrFde, UnwindSection};
        let section = gimli::read::EhFrame::new(&bytes[begin..], gimli::NativeEndian::default());
        let bases = BaseAddresses::default();
        let mut entries = section.entries(&bases);
        let mut found = Vec::new();
        while let Some(entry) = entries.next().unwrap() {
            if let CieOrFde::Fde(fde) = entry {
                let fde =
                    fde.parse(|section, bases, at| section.cie_from_offset(bases, at)).unwrap();
                found.push((fde.initial_address(), fde.len()));
            }
        }
        found
    }

    #[test]
    fn tables_describe_the_functions_at_their_addresses() {
        let template = Template::compile(5).unwrap();
        let size = template.code_bytes();
        let laid = template.lay_out(&[1, 0, 2], 0x10_0000, Cut::Whole);
        let all = bytes(&laid);
        for (table, place) in [1, 0, 2].into_iter().enumerate() {
            let [begin] = *laid.units[table].as_slice() else { panic!("one section a table") };
            let found = read(&all, begin);
            assert_eq!(found.len(), 5);
            let first = (0x10_0000 + place * size) as u64;
            assert_eq!((found[0].0, laid.first_code[table] as u64), (first, first));
            // Functions follow each other within the table's own range.
            assert!(found.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "{found:?}");
            assert!(found.iter().all(|(_, length)| *length > 0), "{found:?}");
            assert!(found[4].0 + found[4].1 <= first + size as u64);
        }
    }

    #[test]
    fn a_table_can_be_cut_into_entries_or_sections() {
        let template = Template::compile(3).unwrap();
        let whole = template.lay_out(&[0, 1], 4096, Cut::Whole);
        let entries = template.lay_out(&[0, 1], 4096, Cut::Entries);
        assert_eq!(whole.words, entries.words);
        assert!(entries.units.iter().all(|units| units.len() == 3));
        let all = bytes(&entries);
        for unit in entries.units.iter().flatten() {
            let pointer = u32::from_ne_bytes(all[unit + 4..unit + 8].try_into().unwrap());
            assert_ne!(pointer, 0, "an FDE, not a CIE");
        }
        let sections = template.lay_out(&[0, 1], 4096, Cut::Sections);
        let all = bytes(&sections);
        let units = sections.units.iter().flatten();
        let found: Vec<_> = units.flat_map(|unit| read(&all, *unit)).collect();
        let of_whole: Vec<_> =
            whole.units.iter().flatten().flat_map(|unit| read(&bytes(&whole), *unit)).collect();
        assert_eq!(found, of_whole);
    }

    #[test]
    fn what_was_prepared_is_read_again() {
        let folder = tempfile::TempDir::new().unwrap();
        assert!(Template::prepared(4, folder.path()).is_err());
        Template::prepare(4, folder.path()).unwrap();
        let prepared = Template::prepared(4, folder.path()).unwrap();
        assert_eq!(prepared, Template::compile(4).unwrap());
        let path = Template::path(4, folder.path()).unwrap();
        fs::write(&path, "{").unwrap();
        assert!(Template::prepared(4, folder.path()).is_err());
        Template::prepare(4, folder.path()).unwrap();
        assert_eq!(Template::prepared(4, folder.path()).unwrap(), prepared);
    }

    #[test]
    fn a_torn_section_is_none() {
        assert_eq!(records(&[9, 0, 0, 0, 1]), None);
        assert_eq!(records(&[1, 0, 0, 0, 1, 0, 0, 0, 0]).unwrap().len(), 1);
    }
}
