//! Receipts with fixed keys, ids and contents: what the vectors, the tests and the benchmark are made of.

use std::error::Error;

use proofmark_receipt::{
    Adjustment, AdjustmentKind, Attachment, AttachmentForm, Attempt, Audit, Body, Choice, Claims,
    ClaimsDigest, Cost, DisclosedValues, Disclosure, Executed, Execution, Finish, Issuer, KeyId,
    KeyStatement, LogClaim, Operation, OperatorStatement, Outcome, Parameter, Provenance, Provider,
    ReceiptId, ReceiptSecret, RegistryLeaf, Relayed, Retention, Revocation, RevocationReason,
    Salts, SeedChooser, SignedKeyStatement, SignedOperatorStatement, SignedReceipt,
    SignedRevocation, SigningKey, Snapshot, Status, StreamChain, Suite, Timing, TlsFacts,
    TokenCommitment, Usage, commit_tokens,
};

use proofmark_tlog::{
    Checkpoint, Frontier, NoteKeyName, NoteSigner, Origin, leaf_hash, sign_checkpoint,
};

pub(crate) type Result<T> = core::result::Result<T, Box<dyn Error>>;

/// When every request of the fixture was received, Unix milliseconds.
pub(crate) const RECEIVED_MS: u64 = 1_795_000_000_000;
/// When every receipt of the fixture was issued, Unix seconds.
pub(crate) const ISSUED_AT: u64 = 1_795_000_002;
/// The verifier's clock in every case.
pub(crate) const NOW: u64 = 1_795_000_100;
/// Origin and verifier key of the receipts log.
pub(crate) const RECEIPTS_LOG: &str = "example.com/receipts";
/// Seed of the node key, which signs receipts.
pub(crate) const NODE_SEED: [u8; 32] = [0x11; 32];
/// Seed of the operator key, which signs statements.
pub(crate) const OPERATOR_SEED: [u8; 32] = [0x22; 32];
/// Seed of a key that nobody endorsed.
pub(crate) const STRANGER_SEED: [u8; 32] = [0x33; 32];

pub(crate) fn node_key() -> SigningKey {
    SigningKey::from_seed(&NODE_SEED)
}

pub(crate) fn operator_key() -> SigningKey {
    SigningKey::from_seed(&OPERATOR_SEED)
}

pub(crate) fn stranger_key() -> SigningKey {
    SigningKey::from_seed(&STRANGER_SEED)
}

pub(crate) fn receipt_id(number: u8) -> ReceiptId {
    ReceiptId::from_parts(RECEIVED_MS + u64::from(number), [number; 10])
}

/// Signer of the log `example.com/<name>`.
pub(crate) fn log_signer(name: &str) -> Result<NoteSigner> {
    let name = NoteKeyName::parse(&format!("example.com/{name}"))?;
    Ok(NoteSigner::from_seed(name, &[0xdd; 32]))
}

pub(crate) fn key_statement() -> Result<KeyStatement> {
    Ok(KeyStatement {
        node: "example-node-1".into(),
        keys: vec![node_key().public()],
        hpke_key: Some(vec![0x44; 32]),
        config: [0x55; 32],
        release: [0x66; 32],
        model_policy: Some([0x77; 32]),
        not_before: ISSUED_AT - 3_600,
        not_after: ISSUED_AT + 86_400,
        receipts_log: log_signer("receipts")?.vkey().to_string(),
        registry_log: log_signer("registry")?.vkey().to_string(),
        mandatory_suites: vec![],
        operator_key_online: true,
    })
}

pub(crate) fn signed_key_statement() -> Result<SignedKeyStatement> {
    Ok(SignedKeyStatement::sign(key_statement()?, &operator_key())?)
}

pub(crate) fn signed_operator_statement() -> Result<SignedOperatorStatement> {
    let statement = OperatorStatement {
        name: "example.com".into(),
        key: operator_key().public(),
        created: ISSUED_AT - 7_200,
    };
    Ok(SignedOperatorStatement::sign(statement, &operator_key())?)
}

pub(crate) fn signed_revocation() -> Result<SignedRevocation> {
    let revocation = Revocation {
        kid: node_key().kid(),
        since: ISSUED_AT + 10,
        reason: RevocationReason::Compromised,
    };
    Ok(SignedRevocation::sign(revocation, &operator_key())?)
}

/// The registry log's leaves with a checkpoint over them.
pub(crate) fn snapshot(leaves: Vec<Vec<u8>>) -> Result<Snapshot> {
    let signer = log_signer("registry")?;
    let mut frontier = Frontier::new();
    for leaf in &leaves {
        frontier.append(leaf_hash(leaf))?;
    }
    let checkpoint = Checkpoint {
        origin: Origin::of_key(signer.name())?,
        size: frontier.size(),
        root: frontier.root(),
    };
    Ok(Snapshot {
        checkpoint: sign_checkpoint(&checkpoint, &signer)?.to_bytes(),
        leaves,
    })
}

/// Leaves of the registry log before anything was revoked.
pub(crate) fn registry_leaves() -> Result<Vec<Vec<u8>>> {
    Ok(vec![
        RegistryLeaf::operator(&signed_operator_statement()?).encode(),
        RegistryLeaf::key_statement(&signed_key_statement()?).encode(),
    ])
}

/// A request body, written with its fields so that each field's text is in the body as it stands.
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fields: Vec<(String, String)>,
}

impl Request {
    /// A body from members; a member's elements become fields of their own where there are any.
    pub(crate) fn of(members: &[(&str, &[&str])], split: &[&str]) -> Self {
        let mut fields = Vec::new();
        let mut texts = Vec::new();
        for (name, elements) in members {
            if split.contains(name) {
                for (i, element) in elements.iter().enumerate() {
                    fields.push((format!("{name}/{i}"), (*element).to_string()));
                }
                texts.push(format!("\"{name}\":[{}]", elements.join(",")));
            } else {
                let value = elements.concat();
                texts.push(format!("\"{name}\":{value}"));
                fields.push(((*name).to_string(), value));
            }
        }
        Self {
            bytes: format!("{{{}}}", texts.join(",")).into_bytes(),
            fields,
        }
    }

    pub(crate) fn commit(&self, salts: &Salts, scope: &str) -> Body {
        salts.scope(scope).commit_body(
            self.bytes.len() as u64,
            core::iter::once(self.bytes.as_slice()),
            self.fields
                .iter()
                .map(|(name, value)| (name.clone(), value.as_bytes())),
        )
    }
}

/// One choice of an answer: text and other fields.
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
}

impl Said {
    pub(crate) fn of(text: &str, fields: &[(&str, &str)]) -> Self {
        Self {
            text: text.into(),
            fields: fields
                .iter()
                .map(|(name, value)| ((*name).to_string(), value.as_bytes().to_vec()))
                .collect(),
        }
    }
}

/// A request and its answer, from which a receipt is issued.
pub(crate) struct Exchange {
    pub(crate) number: u8,
    pub(crate) operation: &'static str,
    pub(crate) received: Request,
    pub(crate) forwarded: Request,
    pub(crate) answer: Option<Vec<u8>>,
    pub(crate) events: Option<Vec<Vec<u8>>>,
    pub(crate) said: Vec<Said>,
    pub(crate) reasons: Vec<Option<&'static str>>,
    pub(crate) attachments: Vec<(Attachment, Vec<u8>)>,
    pub(crate) status: Status,
}

/// Id of the API key that every request of the fixture came with.
pub(crate) const API_KEY_ID: &[u8] = b"key_01hzexample";

impl Exchange {
    pub(crate) fn id(&self) -> ReceiptId {
        receipt_id(self.number)
    }

    pub(crate) fn secret(&self) -> ReceiptSecret {
        ReceiptSecret::new([0x80 ^ self.number; 32])
    }

    pub(crate) fn salts(&self) -> Salts {
        Salts::new(&self.secret(), &self.id())
    }

    fn stream_claim(&self) -> Option<proofmark_receipt::StreamClaim> {
        let mut chain = StreamChain::new(&self.id(), self.salts().scope("stream"));
        for event in self.events.as_ref()? {
            chain.push(event);
        }
        Some(chain.claim())
    }

    fn output(&self, salts: &Salts) -> Vec<Choice> {
        (0..)
            .zip(&self.said)
            .map(|(index, said)| {
                let key = salts.scope(&format!("output/{index}"));
                let fields = said
                    .fields
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_slice()));
                Choice::commit(index, &key, said.text.as_bytes(), fields)
            })
            .collect()
    }

    fn relayed(&self, salts: &Salts) -> Execution {
        let answer = self.answer.as_ref().map(|bytes| {
            (
                bytes.len() as u64,
                salts.scope("answer").commit("raw", bytes),
            )
        });
        Execution::Relayed {
            relayed: Relayed {
                upstream: "primary".into(),
                host: "api.example.net".into(),
                forwarded: self.forwarded.commit(salts, "forwarded"),
                adjustments: vec![Adjustment {
                    kind: AdjustmentKind::Replaced,
                    member: "model".into(),
                    detail: "\"small\" -> \"small-2026-08\"".into(),
                }],
                attempts: vec![Attempt {
                    upstream: "spare".into(),
                    http_status: 503,
                    reason: "overloaded".into(),
                }],
                tls: Some(TlsFacts {
                    version: "TLSv1.3".into(),
                    certificate_sha256: [0x88; 32],
                }),
                answer,
            },
            asked: "small".into(),
            provider: Provider {
                served_model: Some("small-2026-08".into()),
                fingerprint: Some("fp_0a1b2c3d4e".into()),
                request_id: Some("req_7f".into()),
                service_tier: Some("default".into()),
            },
        }
    }

    /// The claims of a relay by the node.
    pub(crate) fn claims(&self) -> Result<Claims> {
        Ok(self.claims_by(Issuer {
            kid: node_key().kid(),
            statement: signed_key_statement()?.digest(),
        }))
    }

    /// The claims of a relay, with all commitments.
    pub(crate) fn claims_by(&self, issuer: Issuer) -> Claims {
        let salts = self.salts();
        Claims {
            id: self.id(),
            issued_at: ISSUED_AT,
            nonce: Some(vec![0xa0 | (self.number & 0x0f); 16]),
            issuer,
            previous: Some((receipt_id(0), ClaimsDigest([0x99; 32]))),
            operation: Operation {
                name: self.operation.into(),
                stream: self.events.is_some(),
            },
            caller: Some(salts.scope("caller").commit("api-key", API_KEY_ID)),
            received: self.received.commit(&salts, "received"),
            attachments: self.attachments.iter().map(|(a, _)| a.clone()).collect(),
            execution: self.relayed(&salts),
            output: self.output(&salts),
            finish: (!self.reasons.is_empty()).then(|| {
                let finish = (0..).zip(&self.reasons).map(|(index, reason)| Finish {
                    index,
                    reason: reason.map(Into::into),
                });
                (Provenance::Provider, finish.collect())
            }),
            outcome: Outcome {
                status: self.status,
                http_status: if self.status == Status::ProviderError {
                    502
                } else {
                    200
                },
                code: (self.status == Status::ProviderError).then(|| "upstream_malformed".into()),
            },
            usage: Some((
                Provenance::Provider,
                Usage {
                    input_tokens: 24,
                    output_tokens: 310,
                },
            )),
            cost: Some(Cost {
                currency: "USD".into(),
                amount_nano: 1_234_000,
            }),
            timing: Timing {
                received_ms: RECEIVED_MS,
                first_byte_us: Some(210_000),
                done_us: 1_900_000,
            },
            stream: self.stream_claim(),
            policy: Some([0xaa; 32]),
            log: LogClaim {
                origin: RECEIPTS_LOG.into(),
                kind: 1,
                value_class: 3,
            },
            audit: Some((Provenance::Caller, Audit::Given)),
            token_commitment: None,
            retention: Some(Retention {
                stored: true,
                until: ISSUED_AT + 15_552_000,
            }),
            unknown: vec![],
        }
    }

    pub(crate) fn issue(&self) -> Result<SignedReceipt> {
        Ok(SignedReceipt::sign(self.claims()?, &node_key())?)
    }

    /// Every scope of the exchange, wholly disclosed.
    pub(crate) fn disclosures(&self) -> Vec<Disclosure> {
        let salts = self.salts();
        let scope = |scope: &str, values| Disclosure::Scope {
            scope: scope.into(),
            key: salts.scope(scope),
            values,
        };
        let body = |bytes: &[u8]| DisclosedValues::Body(bytes.to_vec());
        let mut all = vec![
            scope("received", body(&self.received.bytes)),
            scope("forwarded", body(&self.forwarded.bytes)),
        ];
        all.extend(self.answer.iter().map(|bytes| scope("answer", body(bytes))));
        if !self.attachments.is_empty() {
            let values = self
                .attachments
                .iter()
                .map(|(a, bytes)| (a.path.clone(), bytes.clone()));
            all.push(scope(
                "attachments",
                DisclosedValues::Attachments(values.collect()),
            ));
        }
        all.push(scope(
            "caller",
            DisclosedValues::Caller(API_KEY_ID.to_vec()),
        ));
        for (index, said) in self.said.iter().enumerate() {
            let values = DisclosedValues::Choice {
                text: said.text.clone().into_bytes(),
                fields: said.fields.clone(),
                tokens: None,
            };
            all.push(scope(&format!("output/{index}"), values));
        }
        all
    }
}

const SPLIT: &[&str] = &["messages", "tools", "input", "prompt"];
const SYSTEM: &str = r#"{"role":"system","content":"Answer briefly."}"#;
const USER: &str = r#"{"role":"user","content":"Which bird is on the mark? é"}"#;

/// A text of three pieces, the last one shorter.
pub(crate) fn long_text() -> String {
    let mut text: String = (0..60).map(|i| format!("line {i}: ")).collect();
    text.push('é');
    text
}

/// A chat with two choices, relayed.
pub(crate) fn chat() -> Exchange {
    let members = |model: &'static str| -> Vec<(&'static str, Vec<&'static str>)> {
        vec![
            ("model", vec![model]),
            ("messages", vec![SYSTEM, USER]),
            ("temperature", vec!["0.7"]),
            ("n", vec!["2"]),
        ]
    };
    Exchange {
        number: 1,
        operation: "chat.completions",
        received: request(&members("\"small\"")),
        forwarded: request(&members("\"small-2026-08\"")),
        answer: Some(br#"{"id":"x","choices":[{"index":0},{"index":1}]}"#.to_vec()),
        events: None,
        said: vec![
            Said::of(&long_text(), &[("refusal", ""), ("role", "assistant")]),
            Said::of("", &[("role", "assistant")]),
        ],
        reasons: vec![Some("stop"), Some("content_filter")],
        attachments: vec![],
        status: Status::Completed,
    }
}

fn request(members: &[(&str, Vec<&str>)]) -> Request {
    let members: Vec<(&str, &[&str])> = members
        .iter()
        .map(|(name, elements)| (*name, elements.as_slice()))
        .collect();
    Request::of(&members, SPLIT)
}

/// A streamed chat that was cut: the second event is the last.
pub(crate) fn stream() -> Exchange {
    let members = [
        ("model", vec!["\"small\""]),
        ("messages", vec![USER]),
        ("stream", vec!["true"]),
    ];
    Exchange {
        number: 2,
        received: request(&members),
        forwarded: request(&members),
        answer: Some(b"data: {\"choices\":[]}\n\ndata: {\"choices\":[{}]}\n\n".to_vec()),
        events: Some(vec![
            br#"{"choices":[]}"#.to_vec(),
            br#"{"choices":[{"index":0,"delta":{"content":"The "}}]}"#.to_vec(),
        ]),
        said: vec![Said::of("The ", &[("role", "assistant")])],
        reasons: vec![None],
        status: Status::AbortedByProvider,
        ..chat()
    }
}

/// A chat that was answered with two tool calls.
pub(crate) fn tools() -> Exchange {
    let tool = r#"{"type":"function","function":{"name":"weather","parameters":{}}}"#;
    let members = [
        ("model", vec!["\"small\""]),
        ("messages", vec![USER]),
        ("tools", vec![tool, tool]),
    ];
    Exchange {
        number: 3,
        received: request(&members),
        forwarded: request(&members),
        said: vec![Said::of(
            "",
            &[
                ("role", "assistant"),
                ("tool_calls/0/function/arguments", r#"{"at":"Ulm"}"#),
                ("tool_calls/0/function/name", "weather"),
                ("tool_calls/0/id", "call_0"),
                ("tool_calls/0/type", "function"),
                ("tool_calls/1/function/arguments", "{}"),
                ("tool_calls/1/function/name", "weather"),
                ("tool_calls/1/id", "call_1"),
                ("tool_calls/1/type", "function"),
            ],
        )],
        reasons: vec![Some("tool_calls")],
        ..chat()
    }
}

/// Embeddings of two inputs.
pub(crate) fn embeddings() -> Exchange {
    let members = [
        ("model", vec!["\"embed\""]),
        ("input", vec!["\"first\"", "\"second\""]),
    ];
    Exchange {
        number: 4,
        operation: "embeddings",
        received: request(&members),
        forwarded: request(&members),
        said: vec![Said::of(
            "",
            &[
                ("data/0/embedding", "[0.25,-0.5]"),
                ("data/1/embedding", "[1,0]"),
            ],
        )],
        reasons: vec![],
        ..chat()
    }
}

/// A chat with an image in the request and one by reference.
pub(crate) fn attachments() -> Exchange {
    let user = r#"{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0K"}},{"type":"image_url","image_url":{"url":"https://example.org/a.png"}}]}"#;
    let members = [("model", vec!["\"small\""]), ("messages", vec![user])];
    let mut exchange = Exchange {
        number: 5,
        received: request(&members),
        forwarded: request(&members),
        said: vec![Said::of("A bird.", &[("role", "assistant")])],
        reasons: vec![Some("stop")],
        ..chat()
    };
    let key = exchange.salts().scope("attachments");
    for (path, form, media_type, bytes) in [
        (
            "messages/0/content/1",
            AttachmentForm::Inline,
            Some("image/png"),
            &b"\x89PNG\r\n"[..],
        ),
        (
            "messages/0/content/2",
            AttachmentForm::Reference,
            None,
            &b"https://example.org/a.png"[..],
        ),
    ] {
        let attachment = Attachment {
            path: path.into(),
            kind: "image_url".into(),
            form,
            media_type: media_type.map(Into::into),
            length: bytes.len() as u64,
            commitment: key.commit(path, bytes),
        };
        exchange.attachments.push((attachment, bytes.to_vec()));
    }
    exchange
}

/// A request that the provider did not answer.
pub(crate) fn provider_error() -> Exchange {
    Exchange {
        number: 6,
        answer: None,
        said: vec![],
        reasons: vec![],
        status: Status::ProviderError,
        ..chat()
    }
}

/// Token ids of the prompt and of the answer of [`executed`].
pub(crate) fn tokens() -> (Vec<u32>, Vec<u32>) {
    ((1..=300).collect(), (0..256).map(|i| i * 65_537).collect())
}

/// Claims of a model that the signer executed.
pub(crate) fn executed() -> Result<(Exchange, Claims)> {
    let exchange = Exchange {
        number: 7,
        answer: None,
        said: vec![Said::of("The kingfisher.", &[("role", "assistant")])],
        reasons: vec![Some("stop")],
        ..chat()
    };
    let salts = exchange.salts();
    let (input, output) = tokens();
    let mut claims = exchange.claims()?;
    claims.execution = Execution::Executed(Executed {
        model: "kingfisher-1".into(),
        closure: [0xb1; 32],
        engine: [0xb2; 32],
        prompt: salts.scope("executed").commit("prompt", PROMPT),
        input_tokens: commit_tokens(&salts.scope("executed"), "in", &input),
        parameters: vec![
            Parameter::new(&salts.scope("executed"), "temperature", "0.7"),
            Parameter::new(&salts.scope("executed"), "max_tokens", "256"),
            Parameter::new(&salts.scope("executed"), "stop", STOP),
        ],
        seed: u64::MAX,
        seed_chosen_by: SeedChooser::Caller,
        template_clock: Some(RECEIVED_MS / 1_000),
    });
    for choice in &mut claims.output {
        choice.tokens = Some(commit_tokens(&salts.scope("output/0"), "out", &output));
    }
    claims.finish = claims
        .finish
        .map(|(_, finish)| (Provenance::Observed, finish));
    claims.usage = Some((
        Provenance::Observed,
        Usage {
            input_tokens: 300,
            output_tokens: 256,
        },
    ));
    claims.log.kind = 2;
    claims.audit = Some((Provenance::Operator, Audit::Refused));
    claims.token_commitment = Some(TokenCommitment {
        suite: 1,
        value: vec![0xb3; 32],
    });
    Ok((exchange, claims))
}

/// Every scope of the executed chat, wholly disclosed.
pub(crate) fn executed_disclosures(exchange: &Exchange) -> Vec<Disclosure> {
    let (input_tokens, output) = tokens();
    let mut all: Vec<Disclosure> = exchange
        .disclosures()
        .into_iter()
        .filter(|disclosure| disclosure.scope() != "forwarded")
        .collect();
    for disclosure in &mut all {
        if let Disclosure::Scope {
            values: DisclosedValues::Choice { tokens, .. },
            ..
        } = disclosure
        {
            *tokens = Some(output.clone());
        }
    }
    all.push(Disclosure::Scope {
        scope: "executed".into(),
        key: exchange.salts().scope("executed"),
        values: DisclosedValues::Executed {
            prompt: PROMPT.to_vec(),
            input_tokens,
            parameters: vec![("stop".into(), STOP.into())],
        },
    });
    all
}

/// The rendered prompt of the executed chat.
pub(crate) const PROMPT: &[u8] = b"<s>Which bird";
/// The committed parameter of the executed chat.
pub(crate) const STOP: &str = r#"["\n\n"]"#;

/// The key that a countersignature of a suite without code names.
pub(crate) fn unchecked_kid() -> Result<KeyId> {
    Ok(proofmark_receipt::PublicKey::new(Suite::MlDsa65, &[0xcc; 1_952])?.kid())
}
