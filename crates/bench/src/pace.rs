//! A thread that says when the next request is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Calls `due` for every request at its moment, from a thread of its own: the timers of the runtime are a millisecond wide, which
/// would send requests in bursts. Requests that became due while the thread slept are handed out at once, each with its own moment.
pub(crate) fn run(
    rate_per_s: u32,
    length: Duration,
    stop: Arc<AtomicBool>,
    mut due: impl FnMut(Instant) + Send + 'static,
) -> JoinHandle<u64> {
    thread::spawn(move || {
        let start = Instant::now();
        let interval = Duration::from_secs(1) / rate_per_s.max(1);
        let mut next = start;
        let mut handed_out = 0;
        while next.duration_since(start) < length && !stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            if let Some(wait) = next.checked_duration_since(now) {
                thread::sleep(wait);
            }
            due(next);
            handed_out += 1;
            next += interval;
        }
        handed_out
    })
}
