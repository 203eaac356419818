#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod assertion;
mod clock;
mod count;
mod judgement;
mod phases;
mod sizes;
mod sweep;

pub use assertion::assert_scaling;
pub use judgement::Scaling;
pub use phases::Phases;
pub use sweep::run;

// Has Cargo build this again for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
