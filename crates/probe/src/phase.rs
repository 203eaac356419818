//! [`Phase`]: the phases of the program that is measured.

/// The phases of the program that is measured, numbered from 0.
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
    /// How many phases there are.
    const COUNT: usize;

    /// The number of this phase, below [`COUNT`](Phase::COUNT).
    fn index(self) -> usize;
}

/// A program with a single phase.
impl Phase for () {
    const COUNT: usize = 1;

    fn index(self) -> usize {
        0
    }
}
