//! Rate limits: a token bucket per key, in whole numbers.

use std::time::Duration;

/// Sixty-thousandths of a request: what a limit of one request per minute gains in a millisecond, so that nothing is ever rounded.
const REQUEST: u64 = 60_000;

/// How many requests may come at once, and how many more by now. A bucket starts full and holds one minute's requests.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    level: u64,
    at_ms: u64,
}

/// What the `x-ratelimit-*` headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateState {
    /// Requests per minute.
    pub limit_rpm: u32,
    /// Requests that would be let through now.
    pub remaining: u32,
    /// When the bucket will be full again.
    pub reset: Duration,
}

/// Whether a request is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is, and it was counted.
    Allowed(RateState),
    /// It is not, and it was not counted.
    Limited {
        /// The state, with nothing remaining.
        state: RateState,
        /// When the next one will be.
        retry_after: Duration,
    },
}

impl Bucket {
    /// A full bucket at `now_ms`.
    #[must_use]
    pub fn full(rpm: u32, now_ms: u64) -> Self {
        Self {
            level: capacity(rpm),
            at_ms: now_ms,
        }
    }

    /// Takes one request if there is one. `rpm` may differ from call to call: a limit that was lowered holds at once. A clock that
    /// jumps back gives nothing, and time counts from there; one that jumps forward gives at most a full bucket.
    pub fn take(&mut self, rpm: u32, now_ms: u64) -> Verdict {
        let capacity = capacity(rpm);
        let gained = now_ms
            .saturating_sub(self.at_ms)
            .saturating_mul(u64::from(rpm));
        self.level = self.level.saturating_add(gained).min(capacity);
        self.at_ms = now_ms;
        let allowed = self.level.checked_sub(REQUEST);
        self.level = allowed.unwrap_or(self.level);
        let wait_for = |level: u64| {
            Duration::from_millis(
                level
                    .saturating_sub(self.level)
                    .div_ceil(u64::from(rpm.max(1))),
            )
        };
        let state = RateState {
            limit_rpm: rpm,
            remaining: u32::try_from(self.level / REQUEST).unwrap_or(u32::MAX),
            reset: wait_for(capacity),
        };
        match allowed {
            Some(_) => Verdict::Allowed(state),
            None => Verdict::Limited {
                state,
                retry_after: wait_for(REQUEST),
            },
        }
    }
}

fn capacity(rpm: u32) -> u64 {
    u64::from(rpm).saturating_mul(REQUEST)
}

impl RateState {
    /// Limit, remaining and reset as the headers say them, the duration as OpenAI's server writes it (`1s`, `6m0s`, `20ms`).
    pub(super) fn values(&self) -> [String; 3] {
        [
            self.limit_rpm.to_string(),
            self.remaining.to_string(),
            in_words(self.reset),
        ]
    }
}

fn in_words(duration: Duration) -> String {
    let ms = duration.as_millis();
    let seconds = ms.div_ceil(1000);
    match seconds {
        _ if ms < 1000 => format!("{ms}ms"),
        0..60 => format!("{seconds}s"),
        _ => format!("{}m{}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(verdict: Verdict) -> bool {
        matches!(verdict, Verdict::Allowed(_))
    }

    #[test]
    fn a_minute_lets_exactly_the_limit_through() {
        for rpm in [1, 7, 60, 1_000] {
            let mut bucket = Bucket::full(rpm, 0);
            let burst = (0..2 * rpm)
                .filter(|_| is_allowed(bucket.take(rpm, 0)))
                .count();
            assert_eq!(burst, rpm as usize);
            let later = (1..=120_000)
                .filter(|ms| is_allowed(bucket.take(rpm, *ms)))
                .count();
            assert_eq!(later, 2 * rpm as usize, "{rpm} per minute");
        }
    }

    #[test]
    fn whoever_is_limited_learns_the_exact_moment() {
        let mut bucket = Bucket::full(7, 1_000);
        for _ in 0..7 {
            assert!(is_allowed(bucket.take(7, 1_000)));
        }
        let Verdict::Limited { state, retry_after } = bucket.take(7, 1_001) else {
            panic!("let through")
        };
        assert_eq!((state.limit_rpm, state.remaining), (7, 0));
        let wait = u64::try_from(retry_after.as_millis()).unwrap();
        let mut early = bucket;
        assert!(!is_allowed(early.take(7, 1_001 + wait - 1)));
        assert!(is_allowed(bucket.take(7, 1_001 + wait)));
    }

    #[test]
    fn a_refused_request_costs_nothing() {
        let mut bucket = Bucket::full(1, 0);
        assert!(is_allowed(bucket.take(1, 0)));
        for ms in 0..59_999 {
            assert!(!is_allowed(bucket.take(1, ms)));
        }
        assert!(is_allowed(bucket.take(1, 60_000)));
    }

    #[test]
    fn a_clock_that_jumps_gives_at_most_a_full_bucket_and_locks_nobody_out() {
        let hour = 3_600_000;
        let mut bucket = Bucket::full(2, hour);
        assert!(is_allowed(bucket.take(2, hour)));
        assert!(is_allowed(bucket.take(2, 0)));
        assert!(!is_allowed(bucket.take(2, 29_999)));
        assert!(
            is_allowed(bucket.take(2, 30_000)),
            "time counts from where it jumped to"
        );
        let burst = (0..9)
            .filter(|_| is_allowed(bucket.take(2, u64::MAX)))
            .count();
        assert_eq!(burst, 2);
    }

    #[test]
    fn a_limit_that_was_lowered_holds_at_once() {
        let mut bucket = Bucket::full(600, 0);
        let allowed = (0..9).filter(|_| is_allowed(bucket.take(3, 1))).count();
        assert_eq!(allowed, 3);
    }

    #[test]
    fn durations_are_written_as_openai_does() {
        let mut bucket = Bucket::full(60, 0);
        let Verdict::Allowed(state) = bucket.take(60, 0) else {
            panic!("limited")
        };
        assert_eq!(state.values(), ["60", "59", "1s"]);
        assert_eq!(in_words(Duration::from_millis(20)), "20ms");
        assert_eq!(in_words(Duration::from_millis(360_000)), "6m0s");
        assert_eq!(in_words(Duration::from_millis(61_001)), "1m2s");
        assert_eq!(in_words(Duration::ZERO), "0ms");
    }
}
