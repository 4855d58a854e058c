//! How many files and sockets this process may have open.

use proofmark_gateway::Config;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Files that are open whatever happens: logs, databases, the terminal.
const AT_REST: u64 = 64;

/// Raises this process's limit as far as it may, and says how many it is. Shells start programs with few, for the sake
/// of very old ones; a server has a socket to the client and one to the upstream for each request.
pub(crate) fn raise_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let now = match setrlimit(Resource::Nofile, limit) {
        Ok(()) => limit.maximum,
        Err(_) => before,
    };
    now.unwrap_or(u64::MAX)
}

/// How many the configuration calls for.
pub(crate) fn wanted(config: &Config) -> u64 {
    let (connections, requests) = (config.server.max_connections, config.limits.max_requests);
    AT_REST + u64::from(connections) + u64::from(requests)
}
