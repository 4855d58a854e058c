//! `GET /v1/receipts/{id}/bundle`: a receipt with all that is needed to check it offline (specs/01-receipt.md §10).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use http::{HeaderMap, Uri};
use proofmark_receipt::{BUNDLE_MAX_BYTES, Bundle, Disclosure, ReceiptId};
use tokio::time::{Instant, timeout_at};

use super::find::{Found, Lookup, unavailable};
use super::query::Parameters;
use super::receipts::{Id, blocking, text_of};
use super::respond::{Cache, answer, held, pending};
use super::state::Endpoints;
use crate::error::GatewayError;
use crate::store::{Disclosable, Wanted};

/// Size that a bundle without disclosures keeps to: the snapshot is left out where it would not fit (specs/01-receipt.md §10.2).
pub const BUNDLE_TARGET_BYTES: usize = 16 * 1024;

/// Media type of a bundle.
const BUNDLE_TYPE: &str = "application/vnd.proofmark.bundle+cbor";

/// Longest wait of `?wait=logged`.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How many times its contents a bundle with disclosures takes while it is put together and sent.
const DISCLOSURE_FACTOR: u64 = 5;

pub(super) async fn bundle(
    State(endpoints): State<Arc<Endpoints>>,
    id: Id,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    endpoints.respond(endpoints.bundle(&text_of(id), &uri, &headers).await)
}

impl Endpoints {
    async fn bundle(
        &self,
        text: &str,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Response, GatewayError> {
        let parameters = Parameters::of(uri, &["disclose", "wait"])?;
        let wanted = parameters.parsed(
            "disclose",
            "expected 'all', or a list of answer, question, attachments, caller",
            Wanted::parse,
        )?;
        let waits = parameters.parsed("wait", "expected 'logged'", |text| {
            (text == "logged").then_some(())
        })?;
        if waits.is_some()
            && let Some(id) = self.still_pending(text, headers).await?
        {
            return Ok(pending(&id.to_string()));
        }
        let found = match self.find(headers, text).await? {
            Lookup::Found(found) => *found,
            Lookup::Pending(id) => return Ok(pending(&id.to_string())),
        };
        let id = found.id;
        let mut bundle = self.assemble(&found).await?;
        let body = match wanted {
            None => bundle.encode().into(),
            Some(wanted) => {
                let slot = self
                    .config
                    .access
                    .capacity()
                    .bytes(found.bytes() as u64 * DISCLOSURE_FACTOR)
                    .await?;
                let now_unix_s = self.now_unix_s();
                let opens = wanted.answer && wanted.execution;
                let proof = opens.then(|| self.proof_evidence(&found)).flatten();
                let encoded = blocking(move || {
                    bundle.disclosures = disclosures(&found, wanted, now_unix_s)?;
                    let without = bundle.encode();
                    let Some(proof) = proof else {
                        return Ok(without);
                    };
                    bundle.evidence.push(proof);
                    let with = bundle.encode();
                    // A proof that does not fit stays where it is.
                    Ok(if with.len() > BUNDLE_MAX_BYTES {
                        without
                    } else {
                        with
                    })
                });
                let encoded = encoded.await?;
                if encoded.len() > BUNDLE_MAX_BYTES {
                    // Contents are bounded so that this does not happen; a bundle that nobody could read is not sent.
                    tracing::error!(receipt = %id, bytes = encoded.len(), "the bundle is too large");
                    return Err(GatewayError::ReceiptUnavailable);
                }
                held(encoded, slot)
            }
        };
        let mut response = answer(BUNDLE_TYPE, Cache::NoStore, body);
        if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"{id}.receipt\"")) {
            response.headers_mut().insert(CONTENT_DISPOSITION, name);
        }
        Ok(response)
    }

    /// Waits for the receipt to be in the log, for [`LONGEST_WAIT`] at most; its id if it is not by then. Waiting takes no memory.
    async fn still_pending(
        &self,
        text: &str,
        headers: &HeaderMap,
    ) -> Result<Option<ReceiptId>, GatewayError> {
        let deadline = Instant::now() + LONGEST_WAIT;
        let mut found = self.find(headers, text).await?;
        if let Lookup::Pending(id) = found {
            let waited = timeout_at(deadline, self.config.pending.wait(id)).await;
            if waited.is_err() {
                return Ok(Some(id));
            }
            found = self.find(headers, text).await?;
        }
        let (id, index) = match found {
            Lookup::Found(found) => (found.id, found.index),
            Lookup::Pending(id) => return Ok(Some(id)),
        };
        match timeout_at(deadline, self.receipts_log().wait_integrated(index)).await {
            Ok(Ok(_)) => Ok(None),
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(_) => Ok(Some(id)),
        }
    }

    async fn assemble(&self, found: &Found) -> Result<Bundle, GatewayError> {
        let mut bundle = Bundle::of(found.receipt.as_bytes().to_vec());
        let digest = found.receipt.claims().issuer.statement;
        let failed = |error| unavailable(&error);
        if let Some(statement) = self.registry.statement(&digest).await.map_err(failed)? {
            bundle.key_statement = Some(statement.statement);
            bundle.registry_proof = statement.proof;
        }
        match self
            .receipts_log()
            .proof(found.index)
            .await
            .map_err(failed)?
        {
            Some(proof) => bundle.log_proof = Some(proof.into_bytes()),
            None => {
                let promise = self.receipts_log().promise(found.index).await;
                bundle.promise = Some(promise.map_err(failed)?.into_bytes());
            }
        }
        if let Some(Ok(snapshot)) = self.registry.snapshot().await.map_err(failed)? {
            bundle.snapshot = Some(snapshot);
            if bundle.encode().len() > BUNDLE_TARGET_BYTES {
                bundle.snapshot = None;
            }
        }
        Ok(bundle)
    }
}

pub(super) fn disclosures(
    found: &Found,
    wanted: Wanted,
    now_unix_s: u64,
) -> Result<Vec<Disclosure>, GatewayError> {
    let salts = found.salts()?;
    let contents = found.contents(&salts, now_unix_s)?;
    let disclosable = Disclosable {
        claims: found.receipt.claims(),
        salts: &salts,
        contents: &contents,
        key_id: found.meta.key_id.as_deref(),
    };
    disclosable
        .disclosures(wanted)
        .map_err(|error| unavailable(&error))
}
