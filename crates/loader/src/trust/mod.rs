//! Why bytes on disk may be executed: who could have written them, and seals over them.

pub(crate) mod guard;
#[cfg(unix)]
mod owner;
pub(crate) mod seal;
#[cfg(unix)]
mod walk;
