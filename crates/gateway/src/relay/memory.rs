//! The part of the process's budget of bytes that one body has.

use std::sync::Arc;

use crate::access::{Access, ByteSlot};
use crate::error::GatewayError;

/// Memory that was set aside for a body; given back on drop.
#[derive(Debug)]
pub(crate) struct Memory {
    access: Arc<Access>,
    held: Option<ByteSlot>,
}

impl Memory {
    /// None yet.
    pub(super) fn new(access: Arc<Access>) -> Self {
        Self { access, held: None }
    }

    /// Sets `bytes` aside in the beginning, waiting for them if need be.
    pub(super) async fn reserve(&mut self, bytes: usize) -> Result<(), GatewayError> {
        if bytes > 0 {
            self.held = Some(self.access.capacity().bytes(bytes as u64).await?);
        }
        Ok(())
    }

    /// Makes it at least `bytes`, now or never.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), GatewayError> {
        let held = self.held.as_ref().map_or(0, ByteSlot::bytes);
        let more = (bytes as u64).saturating_sub(held);
        if more == 0 {
            return Ok(());
        }
        let more = self.access.capacity().try_bytes(more)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}
