//! How a mock upstream is set up.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What `mock-slow` waits for before each chunk, and before an answer that is not streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// A permit of [`MockUpstream::pace_gate`](super::MockUpstream::pace_gate): tests decide.
    Gate,
    /// Real time: benchmarks and people.
    Delay(Duration),
}

/// How a mock upstream is set up.
#[derive(Clone)]
pub struct MockConfig {
    /// Where to listen; by default an ephemeral port of the loopback interface.
    pub listen: SocketAddr,
    /// The API keys that are accepted as `Authorization: Bearer …`. None: every request is, with or without a key.
    pub api_keys: Vec<String>,
    /// Models that exist beside the `mock-` ones, such as `gpt-4o`. They answer like `mock-1`.
    pub models: Vec<String>,
    /// The pace of `mock-slow`.
    pub pace: Pace,
    /// How many of the newest requests to keep for [`MockUpstream::requests`](super::MockUpstream::requests).
    pub record: usize,
    /// Member `created` of all answers, Unix seconds.
    pub created: u64,
    /// Longest body that is read; longer ones are 413.
    pub max_body_bytes: usize,
}

impl Default for MockConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_keys: Vec::new(),
            models: Vec::new(),
            pace: Pace::Gate,
            record: 0,
            created: 1_767_225_600,
            max_body_bytes: 64 << 20,
        }
    }
}

impl fmt::Debug for MockConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockConfig")
            .field("listen", &self.listen)
            .field("api_keys", &self.api_keys.len())
            .field("models", &self.models)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}
