//! `"proofmark": {"require": ["proven"]}`: answers that are wanted with a proof only (specs/03-http.md §7.3, §8).

use axum::response::Response;
use proofmark_openai::{OpenAiError, Operation, Request};
use proofmark_receipt::ReceiptId;
use proofmark_tensors::read_require;

use super::Relay;
use crate::error::GatewayError;
use crate::exchange::Issuer;
use crate::local::LocalModel;
use crate::proofs::Reserved;

/// What can be required of an answer.
const PROVEN: &str = "proven";

/// Whether these requirements ask for a proof; others there are none.
pub(super) fn requires_proof(required: &[String]) -> Result<bool, GatewayError> {
    if required.iter().all(|grade| grade == PROVEN) {
        return Ok(!required.is_empty());
    }
    Err(OpenAiError::InvalidValue {
        param: "proofmark.require".to_owned(),
        expected: "expected 'proven'",
    }
    .into())
}

fn unsupported(param: &str, reason: &str) -> GatewayError {
    GatewayError::NotExecutable {
        code: "unsupported_parameter",
        param: Some(param.to_owned()),
        message: format!("Unsupported parameter: '{param}'. {reason}"),
    }
}

impl<I: Issuer> Relay<I> {
    /// A place for the proof of a text, if the request requires one. A requirement that nobody meets is never passed over.
    pub(super) fn reserve_text(
        &self,
        request: &Request<'_>,
    ) -> Result<Option<Reserved>, GatewayError> {
        let Some(said) = request.members().get_non_null("proofmark") else {
            return Ok(None);
        };
        let is_text = matches!(
            request.operation(),
            Operation::ChatCompletions | Operation::Completions
        );
        let model = self.local.find(request.model());
        let Some(model) = model.filter(|model| is_text && model.engine().is_some()) else {
            return Err(unsupported(
                "proofmark",
                "Texts and tensors of models of this node's own can be required to be proven, other answers cannot.",
            ));
        };
        if !requires_proof(&read_require(said)?)? {
            return Ok(None);
        }
        if request.stream() {
            return Err(unsupported(
                "stream",
                "An answer that has to be proven is given whole, once its proof is in the making.",
            ));
        }
        self.reserve_proof(model).map(Some)
    }

    /// A place for the proof of an answer that has to be proven.
    pub(super) fn reserve_proof(&self, model: &LocalModel) -> Result<Reserved, GatewayError> {
        let endpoints = self.endpoints.as_ref().ok_or(GatewayError::NotProvable {
            why: "this node makes no proofs",
        })?;
        endpoints.reserve_proof(model.model().closure().as_bytes())
    }

    /// The answer, with its proof begun if a place was reserved. Without its proof it is withheld; its receipt stands.
    pub(super) async fn with_proof(
        &self,
        response: Response,
        id: Option<ReceiptId>,
        reserved: Option<Reserved>,
    ) -> Result<Response, GatewayError> {
        if let (Some(reserved), Some(id), Some(endpoints)) = (reserved, id, &self.endpoints)
            && response.status().is_success()
        {
            endpoints.prove_issued(id, reserved).await?;
        }
        Ok(response)
    }
}
