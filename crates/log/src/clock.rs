//! Where the log takes the time from.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

/// Source of wall-clock time. It may jump either way: the log never orders anything by it.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Unix time in milliseconds.
    fn unix_ms(&self) -> u64;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place of the crate where time comes in"
    )]
    fn unix_ms(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            })
    }
}
