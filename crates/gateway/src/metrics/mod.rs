//! What the process says of itself: numbers for Prometheus, and one line per request. Neither has a prompt, an answer, a secret, or a
//! number per caller.

mod labels;
mod numbers;
mod request_log;

pub use numbers::{CONTENT_TYPE, LogSample, Metrics, Sample};
pub use request_log::{REQUEST_LOG_TARGET, RequestLine};
