//! [`Phase`]: the phases of the measured program.

/// The phases of the measured program, numbered from 0. Implement this trait for your own type.
///
/// ```
/// #[derive(Clone, Copy)]
/// enum Step {
///     Parse,
///     Render,
/// }
///
/// impl loadline_probe::Phase for Step {
///     const COUNT: usize = 2;
///
///     fn index(self) -> usize {
///         self as usize
///     }
/// }
/// ```
pub trait Phase: Copy {
    /// The number of phases.
    const COUNT: usize;

    /// Returns the number of this phase, which is below [`COUNT`](Phase::COUNT).
    fn index(self) -> usize;
}

/// A program with a single phase.
impl Phase for () {
    const COUNT: usize = 1;

    fn index(self) -> usize {
        0
    }
}
