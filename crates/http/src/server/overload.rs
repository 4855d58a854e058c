//! What a connection too many is told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Most refusals under way at once; beyond it a connection is closed without a word.
const MAX_REFUSALS: usize = 256;

/// Longest time that one refusal takes.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Most bytes of a request that are read so that the refusal arrives before the reset.
const DRAIN_BYTES: usize = 64 * 1024;

/// Tells connections that are one too many to come back later.
pub(super) struct Overload {
    refusal: Bytes,
    permits: Arc<Semaphore>,
}

impl Overload {
    pub(super) fn new(retry_after_s: u32) -> Self {
        let body = r#"{"error":{"message":"too many connections, try again later","type":"server_error","param":null,"code":"overloaded"}}"#;
        let refusal = format!(
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: {retry_after_s}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len(),
        );
        Self {
            refusal: Bytes::from(refusal),
            permits: Arc::new(Semaphore::new(MAX_REFUSALS)),
        }
    }

    pub(super) fn refuse(&self, mut tcp: TcpStream) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return;
        };
        let refusal = self.refusal.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let refused = async {
                tcp.write_all(&refusal).await?;
                tcp.shutdown().await?;
                // Closing with unread bytes would reset the connection and take the refusal with it.
                let mut left = DRAIN_BYTES;
                let mut scratch = [0_u8; 2048];
                while left > 0 {
                    let count = tcp.read(&mut scratch).await?;
                    if count == 0 {
                        break;
                    }
                    left = left.saturating_sub(count);
                }
                Ok::<_, std::io::Error>(())
            };
            // Whatever goes wrong here, the connection is closed all the same.
            let _ = timeout(REFUSAL_TIMEOUT, refused).await;
        });
    }
}
