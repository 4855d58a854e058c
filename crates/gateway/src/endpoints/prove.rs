//! `/v1/receipts/{id}/prove`: a proof of inference of an answer of this node (specs/03-http.md §8).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use proofmark_receipt::{
    Bundle, Evidence, EvidenceState, Execution, PROOF_EVIDENCE, ReceiptId, SignedReceipt,
};
use serde_json::{Value, json};

use super::bundle::disclosures;
use super::find::{Found, Lookup};
use super::query::Parameters;
use super::receipts::{Id, blocking, text_of};
use super::respond::{Cache, answer, pending};
use super::state::Endpoints;
use crate::error::GatewayError;
use crate::proofs::{Progress, Reserved};
use crate::store::Wanted;

/// How many times its contents a proof's subject takes while it waits.
const SUBJECT_FACTOR: u64 = 4;

pub(super) async fn start(
    State(endpoints): State<Arc<Endpoints>>,
    id: Id,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    endpoints.respond(endpoints.prove(&text_of(id), &uri, &headers).await)
}

pub(super) async fn progress(
    State(endpoints): State<Arc<Endpoints>>,
    id: Id,
    headers: HeaderMap,
) -> Response {
    endpoints.respond(endpoints.proof_progress(&text_of(id), &headers).await)
}

pub(super) async fn cancel(
    State(endpoints): State<Arc<Endpoints>>,
    id: Id,
    headers: HeaderMap,
) -> Response {
    endpoints.respond(endpoints.cancel_proof(&text_of(id), &headers).await)
}

/// How far a proof is, for whoever waits for it.
fn view(id: &ReceiptId, progress: &Progress) -> Value {
    let mut value = match progress {
        Progress::Waiting {
            before,
            deadline_unix_s,
        } => json!({ "status": "waiting", "before": before, "deadline": deadline_unix_s }),
        Progress::Proving {
            done,
            steps,
            deadline_unix_s,
        } => {
            json!({ "status": "proving", "done": done, "steps": steps, "deadline": deadline_unix_s })
        }
        Progress::Done => json!({ "status": "done" }),
        Progress::Failed { code, message } => {
            json!({ "status": "failed", "code": code, "message": message })
        }
        Progress::Cancelled => json!({ "status": "cancelled" }),
    };
    if let Some(members) = value.as_object_mut() {
        members.insert("id".into(), id.to_string().into());
        members.insert("zero_knowledge".into(), false.into());
    }
    value
}

/// 202 while there is something to wait for, 200 once it is over.
fn shown(id: &ReceiptId, progress: &Progress) -> Response {
    let body = view(id, progress).to_string();
    let mut response = answer("application/json", Cache::NoStore, body);
    if matches!(
        progress,
        Progress::Waiting { .. } | Progress::Proving { .. }
    ) {
        *response.status_mut() = StatusCode::ACCEPTED;
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        if let Ok(location) = HeaderValue::try_from(format!("/v1/receipts/{id}/prove")) {
            headers.insert(LOCATION, location);
        }
    }
    response
}

/// The closure that a receipt names, if it was executed and can be proven.
fn closure_of(receipt: &SignedReceipt) -> Result<[u8; 32], GatewayError> {
    match &receipt.claims().execution {
        Execution::Executed(executed) => Ok(executed.closure),
        Execution::Relayed { .. } => Err(GatewayError::NotProvable {
            why: "the answer was relayed: which program gave it is not known",
        }),
    }
}

impl Endpoints {
    async fn prove(
        &self,
        text: &str,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Response, GatewayError> {
        let parameters = Parameters::of(uri, &["deadline_s"])?;
        let longest = self.config.proofs.longest();
        let within = parameters.parsed(
            "deadline_s",
            "expected seconds, at least 1 and at most what the node allows",
            |text| {
                let seconds = text.parse().ok().map(Duration::from_secs)?;
                (!seconds.is_zero() && seconds <= longest).then_some(seconds)
            },
        )?;
        let found = match self.find(headers, text).await? {
            Lookup::Found(found) => *found,
            Lookup::Pending(id) => return Ok(pending(&id.to_string())),
        };
        let id = found.id;
        if let Some(progress) = self
            .proof_of(&id)
            .filter(|progress| !matches!(progress, Progress::Failed { .. } | Progress::Cancelled))
        {
            return Ok(shown(&id, &progress));
        }
        let within = within.unwrap_or(longest);
        let reserved = self
            .config
            .proofs
            .reserve(&closure_of(&found.receipt)?, within)?;
        self.start_proof(found, reserved, within).await?;
        let progress = self.proof_of(&id).unwrap_or(Progress::Cancelled);
        Ok(shown(&id, &progress))
    }

    /// Opens what is to be proven, and puts it into the queue.
    async fn start_proof(
        &self,
        found: Found,
        reserved: Reserved,
        within: Duration,
    ) -> Result<(), GatewayError> {
        let slot = self
            .config
            .access
            .capacity()
            .bytes(found.bytes() as u64 * SUBJECT_FACTOR)
            .await?;
        let now_unix_s = self.now_unix_s();
        let opened = blocking(move || {
            let mut bundle = Bundle::of(found.receipt.as_bytes().to_vec());
            let salts = found.salts()?;
            bundle.disclosures = disclosures(&found, Wanted::ALL, now_unix_s)?;
            Ok((bundle, found.id, salts))
        });
        let (bundle, id, salts) = opened.await?;
        let deadline_unix_s = now_unix_s.saturating_add(within.as_secs());
        self.config
            .proofs
            .start(reserved, bundle, (id, salts), deadline_unix_s, slot);
        Ok(())
    }

    /// A place for a proof of the answer that is about to be made.
    pub(crate) fn reserve_proof(&self, closure: &[u8; 32]) -> Result<Reserved, GatewayError> {
        let proofs = &self.config.proofs;
        proofs.reserve(closure, proofs.longest())
    }

    /// Begins the proof of a receipt that was just issued.
    pub(crate) async fn prove_issued(
        &self,
        id: ReceiptId,
        reserved: Reserved,
    ) -> Result<(), GatewayError> {
        let found = self.find_own(id).await?;
        let within = self.config.proofs.longest();
        self.start_proof(found, reserved, within).await
    }

    /// How far the proof of a receipt is, also of one that was made before this process began.
    fn proof_of(&self, id: &ReceiptId) -> Option<Progress> {
        match self.config.proofs.progress(id) {
            // What is kept decides: a proof goes with the contents.
            None | Some(Progress::Done) => {
                let kept = self.config.proofs.kept().has(id);
                kept.then_some(Progress::Done)
            }
            progress => progress,
        }
    }

    async fn proof_progress(
        &self,
        text: &str,
        headers: &HeaderMap,
    ) -> Result<Response, GatewayError> {
        let id = match self.find(headers, text).await? {
            Lookup::Found(found) => found.id,
            Lookup::Pending(id) => return Ok(pending(&id.to_string())),
        };
        let progress = self.proof_of(&id).ok_or(GatewayError::UnknownProof)?;
        Ok(shown(&id, &progress))
    }

    async fn cancel_proof(
        &self,
        text: &str,
        headers: &HeaderMap,
    ) -> Result<Response, GatewayError> {
        let id = match self.find(headers, text).await? {
            Lookup::Found(found) => found.id,
            Lookup::Pending(id) => return Ok(pending(&id.to_string())),
        };
        if !self.config.proofs.cancel(&id) && self.proof_of(&id).is_none() {
            return Err(GatewayError::UnknownProof);
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// Evidence about a receipt's proof: attached, promised, or none. The proof is not zero-knowledge: only a bundle that opens what
    /// was executed carries it.
    pub(super) fn proof_evidence(&self, found: &Found) -> Option<Evidence> {
        let (id, claims) = (found.id, found.receipt.digest());
        if let Some(kept) = self.config.proofs.kept().read(&id, &found.salts().ok()?) {
            return Some(kept.attach(id, claims));
        }
        let (Progress::Waiting {
            deadline_unix_s, ..
        }
        | Progress::Proving {
            deadline_unix_s, ..
        }) = self.config.proofs.progress(&id)?
        else {
            return None;
        };
        Some(Evidence {
            kind: PROOF_EVIDENCE.into(),
            receipt: id,
            claims,
            state: EvidenceState::Pending,
            by: None,
            deadline: Some(deadline_unix_s),
            digest: None,
            data: None,
            location: Some(format!("/v1/receipts/{id}/prove")),
        })
    }
}
