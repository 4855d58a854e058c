//! Finding a receipt for whoever asks, without telling others' receipts from those that do not exist.

use std::ops::Bound;

use bytes::Bytes;
use http::HeaderMap;
use proofmark_log::{LogError, RecordKey, RecordSecret, Scan, StoredRecord};
use proofmark_receipt::{ReceiptId, ReceiptSecret, Salts, SignedReceipt};

use super::state::Endpoints;
use crate::access::{ByteSlot, Holder};
use crate::caller::parse_receipt_id;
use crate::error::GatewayError;
use crate::store::{Contents, Meta, Payload, RetentionPolicy, StoreError, open};

/// Bytes of a record beside its contents, at most: the receipt and heads.
const RECORD_EXTRA_BYTES: usize = 128 * 1024;

/// A receipt that its holder may see.
pub(super) struct Found {
    pub(super) id: ReceiptId,
    pub(super) index: u64,
    pub(super) meta: Meta,
    pub(super) receipt: SignedReceipt,
    payload: Bytes,
    secret: Option<RecordSecret>,
    /// The memory that the record takes.
    _slot: ByteSlot,
}

/// What became of a receipt that is asked for.
pub(super) enum Lookup {
    /// It is there.
    Found(Box<Found>),
    /// It is in the making.
    Pending(ReceiptId),
}

/// The log failed, or what it holds is damaged: the operator's problem, told in the process's log.
pub(super) fn unavailable(error: &dyn std::error::Error) -> GatewayError {
    tracing::error!(%error, "the receipts store failed");
    GatewayError::ReceiptUnavailable
}

impl Endpoints {
    /// The receipt that `text` names, if the request may see it.
    pub(super) async fn find(
        &self,
        headers: &HeaderMap,
        text: &str,
    ) -> Result<Lookup, GatewayError> {
        let holder = self.holder(headers)?;
        let id = parse_receipt_id(text).ok_or(GatewayError::UnknownReceipt)?;
        // Before the log is asked: a receipt that is issued in between is found there.
        if self
            .config
            .pending
            .is_pending(id, |owner| holder.may_see(owner))
        {
            return Ok(Lookup::Pending(id));
        }
        let most = self
            .config
            .max_content_bytes
            .saturating_add(RECORD_EXTRA_BYTES);
        let slot = self.config.access.capacity().bytes(most as u64).await?;
        let key = RecordKey::from_bytes(*id.as_bytes());
        match self.receipts_log().record_by_key(key).await {
            Ok(Some(record)) => self
                .open(id, record, |owner| holder.may_see(owner), slot)
                .map(|found| Lookup::Found(Box::new(found))),
            Ok(None) => Err(GatewayError::UnknownReceipt),
            Err(LogError::Dropped { .. }) => Err(self.dropped(key, &holder).await),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// A receipt that this node itself looks for: one that it has just issued.
    pub(super) async fn find_own(&self, id: ReceiptId) -> Result<Found, GatewayError> {
        let most = self
            .config
            .max_content_bytes
            .saturating_add(RECORD_EXTRA_BYTES);
        let slot = self.config.access.capacity().bytes(most as u64).await?;
        let key = RecordKey::from_bytes(*id.as_bytes());
        let record = self.receipts_log().record_by_key(key).await;
        let record = record.map_err(|error| unavailable(&error))?;
        let record = record.ok_or(GatewayError::UnknownReceipt)?;
        self.open(id, record, |_| true, slot)
    }

    fn open(
        &self,
        id: ReceiptId,
        record: StoredRecord,
        may_see: impl FnOnce(Option<&str>) -> bool,
        slot: ByteSlot,
    ) -> Result<Found, GatewayError> {
        let damaged = |error: StoreError| unavailable(&error);
        let meta = Meta::decode(&record.meta).map_err(damaged)?;
        if !may_see(meta.key_id.as_deref()) {
            return Err(GatewayError::UnknownReceipt);
        }
        let receipt = Payload::decode(&record.payload).map_err(damaged)?.receipt;
        let receipt = SignedReceipt::decode(receipt).map_err(|error| unavailable(&error))?;
        Ok(Found {
            id,
            index: record.index,
            meta,
            receipt,
            secret: record.secret.clone(),
            payload: record.payload,
            _slot: slot,
        })
    }

    /// What is said of a receipt whose record has passed its retention: its owner learns that it was there.
    async fn dropped(&self, key: RecordKey, holder: &Holder) -> GatewayError {
        let scan = Scan {
            from: Bound::Included(key),
            to: Bound::Included(key),
            limit: 1,
            ..Scan::default()
        };
        let page = self.receipts_log().scan(scan, |_| true).await;
        let meta = page
            .ok()
            .and_then(|page| Meta::decode(&page.records.first()?.meta).ok());
        match meta {
            Some(meta) if holder.may_see(meta.key_id.as_deref()) => GatewayError::Erased,
            _ => GatewayError::UnknownReceipt,
        }
    }
}

impl Found {
    /// What opens the receipt's commitments; [`GatewayError::Erased`] if it was erased or never kept.
    pub(super) fn salts(&self) -> Result<Salts, GatewayError> {
        let secret = self.secret.as_ref().ok_or(GatewayError::Erased)?;
        Ok(Salts::new(&ReceiptSecret::new(*secret.expose()), &self.id))
    }

    /// Bytes of the record.
    pub(super) fn bytes(&self) -> usize {
        self.payload.len()
    }

    /// The contents; [`GatewayError::Erased`] if they were erased, have passed their retention, or were never kept.
    pub(super) fn contents(
        &self,
        salts: &Salts,
        now_unix_s: u64,
    ) -> Result<Contents, GatewayError> {
        let payload = Payload::decode(&self.payload).map_err(|error| unavailable(&error))?;
        let sealed = payload.sealed.ok_or(GatewayError::Erased)?;
        if !RetentionPolicy::shows(self.receipt.claims(), now_unix_s) {
            return Err(GatewayError::Erased);
        }
        open(sealed, salts, &self.id).map_err(|error| unavailable(&error))
    }
}
