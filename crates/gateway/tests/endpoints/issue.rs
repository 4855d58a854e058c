//! Receipts as the gateway would issue them, for requests that nobody made.

use bytes::Bytes;
use proofmark_gateway::store::{Kept, Meta, Payload, RequestKind, seal};
use proofmark_log::{Durability, Record, RecordKey, RecordSecret};
use proofmark_openai::{Answer, AttachmentSource, Operation, Request};
use proofmark_receipt::{
    Attachment, AttachmentForm, Audit, Choice, Claims, Execution, Issuer, LogClaim, Outcome,
    Provenance, Provider, ReceiptId, ReceiptLeaf, ReceiptSecret, Relayed, Salts, SignedReceipt,
    Status, Timing,
};

use crate::harness::{MAX_CONTENT_BYTES, NOW_MS, Node};

/// What was asked and answered.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) n: u8,
    pub(crate) unix_ms: u64,
    pub(crate) key_id: Option<String>,
    pub(crate) received: Bytes,
    /// Pieces of the forwarded body.
    pub(crate) forwarded: Vec<Bytes>,
    pub(crate) answer: Bytes,
    pub(crate) streamed: bool,
    pub(crate) audit: Option<Audit>,
}

impl Exchange {
    pub(crate) fn new(n: u8) -> Self {
        let received = Bytes::from(
            r#"{"model":"lab/m","messages":[{"role":"user","content":[{"type":"text","text":"MARKER question"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0="}},{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}"#,
        );
        let at = received.len() - 1;
        Self {
            n,
            unix_ms: NOW_MS + u64::from(n),
            key_id: None,
            forwarded: vec![received.slice(..at), Bytes::from_static(b",\"user\":\"x\"}")],
            received,
            answer: Bytes::from_static(
                br#"{"model":"m-1","choices":[{"index":0,"message":{"role":"assistant","content":"MARKER answer"},"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#,
            ),
            streamed: false,
            audit: None,
        }
    }

    pub(crate) fn of(mut self, key_id: &str) -> Self {
        self.key_id = Some(key_id.to_owned());
        self
    }

    pub(crate) fn id(&self) -> ReceiptId {
        ReceiptId::from_parts(self.unix_ms, [self.n; 10])
    }

    fn secret(&self) -> ReceiptSecret {
        ReceiptSecret::new([self.n; 32])
    }
}

fn attachments(request: &Request<'_>, salts: &Salts) -> Vec<Attachment> {
    let scope = salts.scope("attachments");
    let claim = |attachment: proofmark_openai::Attachment<'_>| {
        let bytes = attachment.decode(1 << 20).unwrap();
        let form = if bytes.is_some() {
            AttachmentForm::Inline
        } else {
            AttachmentForm::Reference
        };
        let bytes = bytes.unwrap_or_else(|| match &attachment.source {
            AttachmentSource::Reference(text) | AttachmentSource::Inline { text, .. } => {
                text.as_bytes().to_vec()
            }
        });
        Attachment {
            commitment: scope.commit(&attachment.path, &bytes),
            length: bytes.len() as u64,
            path: attachment.path,
            kind: "image_url".into(),
            form,
            media_type: attachment.media_type,
        }
    };
    request.attachments().map(claim).collect()
}

fn output(answer: &Answer, salts: &Salts) -> Vec<Choice> {
    let commit = |choice: &proofmark_openai::Choice| {
        let index = u32::try_from(choice.index).unwrap();
        let fields = choice
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.value.as_slice()));
        Choice::commit(
            index,
            &salts.scope(&format!("output/{index}")),
            choice.text.as_bytes(),
            fields,
        )
    };
    answer.choices.iter().map(commit).collect()
}

fn claims(node: &Node, exchange: &Exchange, salts: &Salts, stored: bool) -> Claims {
    let request = Request::open(Operation::ChatCompletions, &exchange.received).unwrap();
    let answer = Answer::parse(Operation::ChatCompletions, &exchange.answer).unwrap();
    let body = |scope: &str, bytes: &[u8]| {
        let request = Request::open(Operation::ChatCompletions, bytes).unwrap();
        let fields = request
            .fields()
            .map(|field| (field.name(), field.value.as_bytes()));
        salts
            .scope(scope)
            .commit_body(bytes.len() as u64, std::iter::once(bytes), fields)
    };
    let raw = (!exchange.streamed).then(|| {
        let length = exchange.answer.len() as u64;
        (
            length,
            salts.scope("answer").commit("raw", &exchange.answer),
        )
    });
    let relayed = Relayed {
        upstream: "lab".into(),
        host: "127.0.0.1:1".into(),
        forwarded: body("forwarded", &exchange.forwarded.concat()),
        adjustments: Vec::new(),
        attempts: Vec::new(),
        tls: None,
        answer: raw,
    };
    let issued_at = exchange.unix_ms / 1000;
    Claims {
        id: exchange.id(),
        issued_at,
        nonce: None,
        issuer: Issuer {
            kid: node.serving.key.kid(),
            statement: node.serving.statement.digest(),
        },
        previous: None,
        operation: proofmark_receipt::Operation {
            name: Operation::ChatCompletions.name().into(),
            stream: exchange.streamed,
        },
        caller: exchange
            .key_id
            .as_ref()
            .map(|id| salts.scope("caller").commit("api-key", id.as_bytes())),
        received: body("received", &exchange.received),
        attachments: attachments(&request, salts),
        execution: Execution::Relayed {
            relayed,
            asked: request.model().to_owned(),
            provider: Provider::default(),
        },
        output: output(&answer, salts),
        finish: None,
        outcome: Outcome {
            status: Status::Completed,
            http_status: 200,
            code: None,
        },
        usage: None,
        cost: None,
        timing: Timing {
            received_ms: exchange.unix_ms,
            first_byte_us: Some(5),
            done_us: 9,
        },
        stream: None,
        policy: None,
        log: LogClaim {
            origin: node.receipts.origin().to_string(),
            kind: 1,
            value_class: 0,
        },
        audit: exchange.audit.map(|audit| (Provenance::Caller, audit)),
        token_commitment: None,
        retention: Some(node.retention.claim(issued_at, stored)),
        unknown: Vec::new(),
    }
}

impl Node {
    /// Issues the receipt of an exchange, and keeps its contents if they are not too large.
    pub(crate) async fn issue(&self, exchange: &Exchange) -> SignedReceipt {
        let id = exchange.id();
        let secret = exchange.secret();
        let salts = Salts::new(&secret, &id);
        let answer = Answer::parse(Operation::ChatCompletions, &exchange.answer).unwrap();
        let kept = Kept {
            received: &exchange.received,
            forwarded: &exchange.forwarded,
            raw: (!exchange.streamed).then_some(&exchange.answer),
            choices: &answer.choices,
            executed: None,
        };
        let sealed = if self.retention.keeps() {
            seal(kept, &salts, &id, [exchange.n; 12], MAX_CONTENT_BYTES)
        } else {
            None
        };
        let claims = claims(self, exchange, &salts, sealed.is_some());
        let meta = Meta {
            key_id: exchange.key_id.clone(),
            model: "lab/m".into(),
            kind: RequestKind {
                operation: Operation::ChatCompletions,
                streamed: exchange.streamed,
            },
            status: Status::Completed,
            http_status: 200,
            stored: sealed.is_some(),
        };
        let leaf = ReceiptLeaf::of(&claims).encode();
        let receipt = SignedReceipt::sign(claims, &self.serving.key).unwrap();
        let payload = Payload {
            receipt: receipt.as_bytes(),
            sealed: sealed.as_deref(),
        };
        let record = Record {
            key: RecordKey::from_bytes(*id.as_bytes()),
            entry: leaf.to_vec().into(),
            meta: meta.encode().into(),
            secret: sealed
                .is_some()
                .then(|| RecordSecret::from_bytes(*secret.expose())),
            payload: payload.encode().into(),
        };
        self.receipts
            .append(record, Durability::Durable)
            .await
            .unwrap();
        receipt
    }

    /// Issues a receipt and waits until it is in the published tree.
    pub(crate) async fn log(&self, exchange: &Exchange) -> SignedReceipt {
        let receipt = self.issue(exchange).await;
        let key = RecordKey::from_bytes(*exchange.id().as_bytes());
        let index = self.receipts.index_of(key).await.unwrap().unwrap();
        self.receipts.wait_integrated(index).await.unwrap();
        receipt
    }
}
