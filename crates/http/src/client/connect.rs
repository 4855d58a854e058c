//! From a host name to a connected socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::socket::Socket;
use crate::base_url::BaseUrl;
use crate::error::ClientError;
use crate::tls::{TlsFacts, TlsPeer};

/// Connects to the first address that accepts, TLS included, within `limit`.
pub(super) async fn connect(
    base: &BaseUrl,
    tls: Option<&TlsPeer>,
    limit: Duration,
) -> Result<(Socket, Option<TlsFacts>), ClientError> {
    let late = |_| ClientError::ConnectTimeout {
        host: base.host().to_owned(),
        port: base.port(),
        limit,
    };
    let open = async {
        let tcp = connect_tcp(base, limit).await?;
        match tls {
            None => Ok((Socket::Plain(tcp), None)),
            Some(peer) => {
                let opened = peer.open(tcp).await;
                let (stream, facts) = opened.map_err(|source| ClientError::Tls {
                    host: base.host().to_owned(),
                    source,
                })?;
                Ok((Socket::Tls(Box::new(stream)), Some(facts)))
            }
        }
    };
    timeout(limit, open).await.map_err(late)?
}

/// Tries the addresses in the resolver's order; each gets an equal part of the time that is left.
async fn connect_tcp(base: &BaseUrl, limit: Duration) -> Result<TcpStream, ClientError> {
    let until = Instant::now() + limit;
    let resolve = |source| ClientError::Resolve {
        host: base.host().to_owned(),
        source,
    };
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((base.host(), base.port()))
        .await
        .map_err(resolve)?
        .collect();
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let share = until.saturating_duration_since(Instant::now()) / left;
        left = left.saturating_sub(1).max(1);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // Without it a small request would wait for the peer's acknowledgment of the one before.
                tcp.set_nodelay(true)
                    .map_err(|source| refused(base, source))?;
                return Ok(tcp);
            }
            Ok(Err(source)) => last = source,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "the address does not answer"),
        }
    }
    Err(refused(base, last))
}

fn refused(base: &BaseUrl, source: io::Error) -> ClientError {
    ClientError::Connect {
        host: base.host().to_owned(),
        port: base.port(),
        source,
    }
}
