//! Time and randomness, handed in from outside so that tests decide on both.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock.
///
/// It is the operator's word: a witnessed checkpoint is what shows a time to others.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch.
    fn unix_ms(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_ms(&self) -> u64 {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where the gateway reads the machine's clock"
        )]
        let now = SystemTime::now();
        // A clock before 1970 is shown as 1970.
        now.duration_since(UNIX_EPOCH).map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }
}

/// The source of secrets and ids. Whoever can predict it can open every commitment that was made with it.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `out`.
    ///
    /// # Errors
    /// [`EntropyError`] if the source fails; `out` must not be used then.
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError>;
}

/// The source of randomness failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no randomness")]
pub struct EntropyError;

/// The operating system's source.
#[derive(Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(out).map_err(|_| EntropyError)
    }
}

impl fmt::Debug for SystemEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemEntropy")
    }
}
