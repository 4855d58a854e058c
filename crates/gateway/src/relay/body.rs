//! Reading a request's body under the bounds.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

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

/// Reads a body whole. Memory is set aside before it is taken.
pub(super) async fn read(
    mut incoming: Incoming,
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
    let Some(first) = next(&mut incoming, bounds).await? else {
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
        piece = next(&mut incoming, bounds).await?;
    }
    Ok(Bytes::from(whole))
}

/// The next piece of data.
async fn next(incoming: &mut Incoming, bounds: BodyBounds) -> Result<Option<Bytes>, GatewayError> {
    loop {
        let frame = timeout(bounds.idle_timeout, incoming.frame())
            .await
            .map_err(|_| GatewayError::RequestTimeout)?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(GatewayError::RequestTimeout),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
