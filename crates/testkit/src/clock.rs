//! A clock that stands still until a test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Wall time and monotonic time that only change when told to. Clones show the same time.
#[derive(Debug, Clone)]
pub struct SteppedClock {
    unix_ms: Arc<AtomicU64>,
    monotonic_us: Arc<AtomicU64>,
}

impl SteppedClock {
    /// A clock at this time, in milliseconds since the Unix epoch; its monotonic time is 0.
    pub fn at_unix_ms(unix_ms: u64) -> Self {
        Self {
            unix_ms: Arc::new(AtomicU64::new(unix_ms)),
            monotonic_us: Arc::default(),
        }
    }

    /// Milliseconds since the Unix epoch.
    pub fn unix_ms(&self) -> u64 {
        self.unix_ms.load(Ordering::SeqCst)
    }

    /// Seconds since the Unix epoch.
    pub fn unix_s(&self) -> u64 {
        self.unix_ms() / 1000
    }

    /// Time by which the clock was advanced.
    pub fn monotonic(&self) -> Duration {
        Duration::from_micros(self.monotonic_us.load(Ordering::SeqCst))
    }

    /// Lets time pass: both times move.
    pub fn advance(&self, by: Duration) {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let before = self.monotonic_us.fetch_add(micros(by), Ordering::SeqCst);
        // Whole milliseconds of the sum, so that small steps are not lost.
        let passed = (before + micros(by)) / 1000 - before / 1000;
        self.unix_ms.fetch_add(passed, Ordering::SeqCst);
    }

    /// Sets the wall time, also backwards, as an administrator or a broken battery would. Monotonic time stays.
    pub fn jump_to_unix_ms(&self, unix_ms: u64) {
        self.unix_ms.store(unix_ms, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_when_told_to() {
        let clock = SteppedClock::at_unix_ms(10_000);
        let other = clock.clone();
        clock.advance(Duration::from_micros(600));
        assert_eq!(
            (other.unix_ms(), other.monotonic()),
            (10_000, Duration::from_micros(600))
        );
        clock.advance(Duration::from_micros(600));
        assert_eq!(
            (other.unix_ms(), other.monotonic()),
            (10_001, Duration::from_micros(1_200))
        );
        other.jump_to_unix_ms(5_000);
        assert_eq!(
            (clock.unix_ms(), clock.unix_s(), clock.monotonic()),
            (5_000, 5, Duration::from_micros(1_200))
        );
    }
}
