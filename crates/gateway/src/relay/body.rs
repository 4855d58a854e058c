//! Reading a request's body under the bounds.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};

use super::memory::Memory;
use crate::error::GatewayError;

/// What one body may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyBounds {
    pub(super) max_bytes: usize,
    pub(super) idle_timeout: Duration,
}

/// Memory that a body of unknown length is given at a time.
const STEP_BYTES: usize = 64 * 1024;

/// Most bytes of a refused body that are taken, and the longest time for that.
const DRAIN_BYTES: usize = 64 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Slowest body, in bytes per second: who sends less on average, after the first pause that is allowed, holds places
/// and memory that others need.
const MIN_BYTES_PER_SECOND: u64 = 16 * 1024;

/// Reads a body whole. Memory is set aside before it is taken.
pub(super) async fn read(
    incoming: &mut Incoming,
    bounds: BodyBounds,
    memory: &mut Memory,
) -> Result<Bytes, GatewayError> {
    let too_large = || GatewayError::RequestTooLarge {
        limit_bytes: bounds.max_bytes as u64,
    };
    let declared = incoming.size_hint().exact();
    let declared = declared
        .map(|length| {
            usize::try_from(length)
                .ok()
                .filter(|length| *length <= bounds.max_bytes)
                .ok_or_else(too_large)
        })
        .transpose()?;
    memory.reserve(declared.unwrap_or(0)).await?;
    let started = Instant::now();
    let Some(first) = next(incoming, bounds, started, 0).await? else {
        return Ok(Bytes::new());
    };
    if declared == Some(first.len()) {
        // The usual case: one piece and no copy.
        return Ok(first);
    }
    let mut whole = Vec::with_capacity(declared.unwrap_or(STEP_BYTES));
    let mut piece = Some(first);
    while let Some(data) = piece {
        let length = whole.len().saturating_add(data.len());
        if length > bounds.max_bytes {
            return Err(too_large());
        }
        if declared.is_none() {
            memory.grow_to(length.next_multiple_of(STEP_BYTES))?;
        }
        whole.extend_from_slice(&data);
        piece = next(incoming, bounds, started, length).await?;
    }
    Ok(Bytes::from(whole))
}

/// Takes what is left of the body of a request that is refused, within bounds, and keeps none of it: whoever is
/// still sending when the connection is closed gets a reset in place of the answer.
pub(super) async fn drain(headers: &HeaderMap, mut incoming: Incoming) {
    if headers.contains_key(header::EXPECT) {
        // It waits to be told to send, and will not be.
        return;
    }
    let mut left = DRAIN_BYTES;
    let all = async {
        while let Some(Ok(frame)) = incoming.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // Late or whole, the answer comes next.
    let _ = timeout(DRAIN_TIME, all).await;
}

/// The next piece of data; `received` bytes came since `started`.
async fn next(
    incoming: &mut Incoming,
    bounds: BodyBounds,
    started: Instant,
    received: usize,
) -> Result<Option<Bytes>, GatewayError> {
    let earned_ms = (received as u64).saturating_mul(1_000) / MIN_BYTES_PER_SECOND;
    let latest = started + bounds.idle_timeout + Duration::from_millis(earned_ms);
    loop {
        let patience = latest.min(Instant::now() + bounds.idle_timeout);
        let frame = timeout_at(patience, incoming.frame())
            .await
            .map_err(|_| GatewayError::RequestTimeout)?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(GatewayError::IncompleteBody),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
