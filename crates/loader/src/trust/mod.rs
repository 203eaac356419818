//! Decides whether bytes on disk may be executed: by who could have written them, and by seals over them.

pub(crate) mod guard;
#[cfg(unix)]
mod owner;
pub(crate) mod seal;
#[cfg(unix)]
mod walk;
