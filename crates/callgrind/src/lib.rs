//! Reads the counts of valgrind's callgrind: costs per function, the calls between functions, and the call
//! path to an expensive function.
//!
//! ```
//! use loadline_callgrind::{Function, Parts};
//!
//! let file = "\
//! desc: Trigger: Client Request: unload
//! events: Ir
//! ob=(1) /lib/libgcc_s.so.1
//! fn=(1) __deregister_frame_info_bases
//! 0 900
//! ob=(2) runner
//! fn=(2) drop_module
//! 0 100
//! cob=(1)
//! cfn=(1)
//! calls=3 0
//! 0 900
//! totals: 1000
//! ";
//! let part = Parts::of(file.as_bytes()).next().expect("there is one")?;
//! assert_eq!(part.phase(), Some("unload"));
//! let culprit = Function::new("/lib/libgcc_s.so.1", "__deregister_frame_info_bases");
//! let cost = part.profile.cost(&culprit, 0).expect("it was called");
//! assert_eq!((cost.own, cost.inclusive, cost.calls), (900, 900, 3));
//! assert_eq!(part.profile.path_to(&culprit, 0)[0].function.name, "drop_module");
//! # Ok::<(), loadline_callgrind::FormatError>(())
//! ```
//!
//! [`Parts`] reads the documented format (valgrind manual, "Callgrind Format Specification") line by line. A
//! [`Profile`] holds the counts of one part, and can be added to others. [`profiles`] reads all dumps of a
//! run, one profile per phase. [`Invocation`] says how to start valgrind for that. [`programs`] and
//! [`command_options`] do the same for a user's program and everything that it starts. [`client`] has the
//! requests that the counted program makes.
//!
//! This crate starts no process, prints nothing and judges nothing.

pub mod client;
mod components;
mod costs;
mod folder;
mod invocation;
mod names;
mod part;
mod profile;
mod reader;
mod text;

pub use costs::{Call, Caller, Cost};
pub use folder::{FolderError, WHOLE, profiles, programs};
pub use invocation::{
    Invocation, OLDEST_VALGRIND, Threads, Version, command_options, find_valgrind,
};
pub use names::Function;
pub use part::Part;
pub use profile::{Mismatch, Profile};
pub use reader::{FormatError, Parts, Problem};

/// Tests the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// Makes Cargo rebuild this crate for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
