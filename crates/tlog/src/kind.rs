//! The three kinds of failure that are never folded into each other.

/// What a failure says about the thing that was examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes do not follow their format: nothing was checked.
    Malformed,
    /// The bytes were parsed and a check on them failed.
    Rejected,
    /// The check could not be made, because something that it needs was not available.
    Unavailable,
}
