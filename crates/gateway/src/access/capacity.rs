//! How much is in flight at once: requests, streams, and bytes of their bodies.
//!
//! Whoever finds no room waits in a queue that is bounded in length and in time, and is then told 503 with `Retry-After`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::{GatewayError, OverloadedBy};

/// Bytes of one unit of the budget of bytes.
const UNIT_BYTES: u64 = 1024;

/// `[limits]` in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CapacityConfig {
    /// Most requests in flight, streams included. Default 2048.
    pub max_requests: u32,
    /// Most streams in flight. Default 1536.
    pub max_streams: u32,
    /// Most bytes of bodies that are held in memory. Default 256 MiB.
    pub max_body_bytes: u64,
    /// Most requests that wait for one of these. Default 1024.
    pub max_waiting: u32,
    /// Longest time that one waits, ms. Default 1 s.
    pub max_wait_ms: u64,
    /// What `Retry-After` says to those who did not get in, seconds. Default 1.
    pub retry_after_s: u32,
}

impl Default for CapacityConfig {
    fn default() -> Self {
        Self {
            max_requests: 2048,
            max_streams: 1536,
            max_body_bytes: 256 << 20,
            max_waiting: 1024,
            max_wait_ms: 1_000,
            retry_after_s: 1,
        }
    }
}

/// What is in use, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapacityUse {
    /// Requests in flight.
    pub requests: usize,
    /// Streams in flight.
    pub streams: usize,
    /// Bytes of bodies, in whole units of 1 KiB.
    pub body_bytes: u64,
    /// Requests that wait.
    pub waiting: usize,
}

/// The bounds of one process.
#[derive(Debug)]
pub struct Capacity {
    requests: Lane,
    streams: Lane,
    bytes: Lane,
    queue: Queue,
}

/// A place among the requests or streams in flight, given back on drop. It belongs into the answer's body.
#[derive(Debug)]
#[must_use = "the place is given back on drop"]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

/// Bytes of the budget, given back on drop.
#[derive(Debug)]
#[must_use = "the bytes are given back on drop"]
pub struct ByteSlot {
    permit: OwnedSemaphorePermit,
}

impl ByteSlot {
    /// How many bytes it holds: what was asked for, rounded up to whole units of 1 KiB.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (self.permit.num_permits() as u64).saturating_mul(UNIT_BYTES)
    }

    /// Adds what another slot holds.
    pub fn merge(&mut self, other: Self) {
        self.permit.merge(other.permit);
    }
}

#[derive(Debug)]
struct Lane {
    permits: Arc<Semaphore>,
    size: usize,
    by: OverloadedBy,
}

impl Lane {
    fn new(size: usize, by: OverloadedBy) -> Self {
        let size = size.min(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(size)),
            size,
            by,
        }
    }

    fn try_acquire(&self, units: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_many_owned(units).ok()
    }

    fn in_use(&self) -> usize {
        self.size.saturating_sub(self.permits.available_permits())
    }
}

#[derive(Debug)]
struct Queue {
    waiting: AtomicUsize,
    max_waiting: usize,
    max_wait: Duration,
    retry_after_s: u32,
}

/// One who waits; no longer on drop, also if the client went away meanwhile.
struct Waiting<'q>(&'q AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    fn join(&self) -> Option<Waiting<'_>> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Waiting(&self.waiting);
        (before < self.max_waiting).then_some(place)
    }

    fn overloaded(&self, lane: &Lane) -> GatewayError {
        GatewayError::Overloaded {
            by: lane.by,
            retry_after_s: self.retry_after_s,
        }
    }

    async fn acquire(&self, lane: &Lane, units: u32) -> Result<OwnedSemaphorePermit, GatewayError> {
        if let Some(permit) = lane.try_acquire(units) {
            return Ok(permit);
        }
        // What never fits does not wait.
        let fits = usize::try_from(units).is_ok_and(|units| units <= lane.size);
        let place = if fits { self.join() } else { None };
        let _place = place.ok_or_else(|| self.overloaded(lane))?;
        let permit = Arc::clone(&lane.permits).acquire_many_owned(units);
        match timeout(self.max_wait, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            // Too long; these semaphores are never closed.
            _ => Err(self.overloaded(lane)),
        }
    }
}

fn units_of(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

fn count(bound: u32) -> usize {
    usize::try_from(bound).unwrap_or(usize::MAX)
}

impl Capacity {
    /// Empty, with the bounds of `config`.
    #[must_use]
    pub fn new(config: CapacityConfig) -> Self {
        let units = usize::try_from(config.max_body_bytes / UNIT_BYTES).unwrap_or(usize::MAX);
        Self {
            requests: Lane::new(count(config.max_requests), OverloadedBy::Requests),
            streams: Lane::new(count(config.max_streams), OverloadedBy::Streams),
            bytes: Lane::new(units, OverloadedBy::Bytes),
            queue: Queue {
                waiting: AtomicUsize::new(0),
                max_waiting: count(config.max_waiting),
                max_wait: Duration::from_millis(config.max_wait_ms),
                retry_after_s: config.retry_after_s,
            },
        }
    }

    /// A place among the requests.
    ///
    /// # Errors
    /// [`GatewayError::Overloaded`] if there is none in time.
    pub async fn request(&self) -> Result<Slot, GatewayError> {
        let permit = self.queue.acquire(&self.requests, 1).await?;
        Ok(Slot { _permit: permit })
    }

    /// A place among the streams; a stream has one among the requests too.
    ///
    /// # Errors
    /// [`GatewayError::Overloaded`] if there is none in time.
    pub async fn stream(&self) -> Result<Slot, GatewayError> {
        let permit = self.queue.acquire(&self.streams, 1).await?;
        Ok(Slot { _permit: permit })
    }

    /// Room for `bytes` of a body.
    ///
    /// # Errors
    /// [`GatewayError::Overloaded`] if there is none in time, or `bytes` is more than the whole budget.
    pub async fn bytes(&self, bytes: u64) -> Result<ByteSlot, GatewayError> {
        let permit = self.queue.acquire(&self.bytes, units_of(bytes)).await?;
        Ok(ByteSlot { permit })
    }

    /// Room for `bytes` of a body, now or never.
    ///
    /// # Errors
    /// [`GatewayError::Overloaded`] if there is none.
    pub fn try_bytes(&self, bytes: u64) -> Result<ByteSlot, GatewayError> {
        let permit = self.bytes.try_acquire(units_of(bytes));
        let permit = permit.ok_or_else(|| self.queue.overloaded(&self.bytes))?;
        Ok(ByteSlot { permit })
    }

    /// What is in use.
    #[must_use]
    pub fn in_use(&self) -> CapacityUse {
        CapacityUse {
            requests: self.requests.in_use(),
            streams: self.streams.in_use(),
            body_bytes: (self.bytes.in_use() as u64).saturating_mul(UNIT_BYTES),
            waiting: self.queue.waiting.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
