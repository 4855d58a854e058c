//! Without API keys, only this machine is served.

use std::net::SocketAddr;

/// Why the gateway does not start on an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "refusing to listen on {listen}: without an API key only loopback addresses are served. Make a key with `proofmark key create --name NAME`, or listen on 127.0.0.1"
)]
pub struct BindRefused {
    /// The address.
    pub listen: SocketAddr,
}

/// The loopback rule of specs/03-http.md §4. `has_keys` is whether any key is configured.
///
/// # Errors
/// [`BindRefused`] for an address beyond loopback without keys. The unspecified address (`0.0.0.0`, `::`) is beyond loopback.
pub fn check_bind(listen: SocketAddr, has_keys: bool) -> Result<(), BindRefused> {
    if has_keys || listen.ip().to_canonical().is_loopback() {
        Ok(())
    } else {
        Err(BindRefused { listen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_keys_only_loopback_is_served() {
        for loopback in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(check_bind(loopback.parse().unwrap(), false).is_ok());
        }
        for beyond in [
            "0.0.0.0:1",
            "[::]:1",
            "10.0.0.1:1",
            "192.168.1.2:1",
            "8.8.8.8:1",
            "[fe80::1]:1",
            "[::ffff:10.0.0.1]:1",
        ] {
            let listen = beyond.parse().unwrap();
            assert_eq!(check_bind(listen, false), Err(BindRefused { listen }));
            assert!(check_bind(listen, true).is_ok());
        }
    }
}
