//! One suite against what receipts of others do not cover: the list of weaknesses that docs/threat-model.md numbers,
//! each on real bytes, through a real gateway over sockets, with the verdict of the real verifier.

mod binding;
mod content;
mod handling;
mod lasting;

use proofmark_receipt::{
    Bundle, Claims, DisclosedValues, Disclosure, Execution, Relayed, SignedReceipt,
};
use proofmark_verify::{Presented, Report, verify};
use serde_json::{Value, json};

use crate::harness::Node;
use crate::support::{Answered, NOW_MS};

const CHAT: &str = "/v1/chat/completions";
/// What the verifier's clock shows, Unix seconds.
const NOW: u64 = NOW_MS / 1000;

fn chat(model: &str, text: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": text }] })
}

/// An answer with its bundle, in which everything is disclosed.
struct Got {
    answered: Answered,
    bundle: Vec<u8>,
}

impl Got {
    async fn of(node: &Node, answered: Answered) -> Self {
        let id = answered.header("x-proofmark-receipt");
        let path = format!("/v1/receipts/{id}/bundle?disclose=all&wait=logged");
        let bundle = node.get(None, &path).await;
        assert_eq!(bundle.status, 200, "{}", bundle.text());
        Self {
            bundle: bundle.body,
            answered,
        }
    }

    async fn asked(node: &Node, body: &Value) -> Self {
        Self::of(node, node.post(None, CHAT, body).await).await
    }

    fn opened(&self) -> Bundle {
        Bundle::decode(&self.bundle).unwrap()
    }

    fn claims(&self) -> Claims {
        let receipt = SignedReceipt::decode(&self.opened().receipt).unwrap();
        receipt.claims().clone()
    }

    fn relayed(&self) -> Relayed {
        let relayed = match self.claims().execution {
            Execution::Relayed { relayed, .. } => Some(relayed),
            Execution::Executed(_) => None,
        };
        relayed.unwrap()
    }

    /// The body that a scope opens.
    fn body(&self, scope: &str) -> Vec<u8> {
        let found = self
            .opened()
            .disclosures
            .into_iter()
            .find_map(|one| match one {
                Disclosure::Scope {
                    scope: name,
                    values: DisclosedValues::Body(bytes),
                    ..
                } if name == scope => Some(bytes),
                _ => None,
            });
        found.unwrap()
    }

    /// The bundle with the only place of `from` replaced; both are as long.
    fn with(&self, from: &[u8], to: &[u8]) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let places: Vec<usize> = (0..self.bundle.len())
            .filter(|at| self.bundle[*at..].starts_with(from))
            .collect();
        assert_eq!(places.len(), 1, "{from:x?}");
        let mut forged = self.bundle.clone();
        forged[places[0]..places[0] + to.len()].copy_from_slice(to);
        forged
    }
}

/// What somebody says who has the node's roots.
fn judged(node: &Node, bundle: &[u8], presented: &Presented<'_>, required: &str) -> Report {
    verify(
        bundle,
        presented,
        &required.parse().unwrap(),
        &node.roots,
        NOW,
    )
}

#[track_caller]
fn assert_accepted(node: &Node, bundle: &[u8], presented: &Presented<'_>) {
    let report = judged(node, bundle, presented, "logged");
    assert_eq!(report.verdict().exit_code(), 0, "{report:#?}");
}

#[track_caller]
fn assert_rejected(node: &Node, bundle: &[u8], presented: &Presented<'_>, code: &str) {
    let report = judged(node, bundle, presented, "");
    assert_eq!(
        (report.verdict().exit_code(), report.verdict().code()),
        (10, Some(code)),
        "{report:#?}"
    );
}

fn answer(bytes: &[u8]) -> Presented<'_> {
    Presented {
        answer: Some(bytes),
        ..Presented::default()
    }
}

fn request(bytes: &[u8]) -> Presented<'_> {
    Presented {
        request: Some(bytes),
        ..Presented::default()
    }
}
