//! The phases that the tests measure.

/// A program with several phases.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "no test measures all of them")]
pub enum Phase {
    Load,
    Unload,
    Work,
}

impl loadline_probe::Phase for Phase {
    const COUNT: usize = 3;

    fn index(self) -> usize {
        self as usize
    }
}
