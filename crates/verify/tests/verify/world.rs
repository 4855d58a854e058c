//! A small world for the tests: an operator with a node and two logs, witnesses, and bundles of any kind.
//! All keys are deterministic.

use proofmark_receipt::{
    Bundle, Choice, Claims, DisclosedValues, Disclosure, Execution, Issuer, KeyStatement, LogClaim,
    Operation, Outcome, Provenance, Provider, ReceiptId, ReceiptLeaf, ReceiptSecret, RegistryLeaf,
    Relayed, Salts, SignedKeyStatement, SignedOperatorStatement, SignedReceipt, SigningKey,
    Snapshot, Status, Timing, Usage,
};
use proofmark_tlog::{
    Checkpoint, CosignatureSigner, CosignatureTime, EMPTY_ROOT, Hash, NoteKeyName, NoteSigner,
    Origin, Promise, TlogProof, leaf_hash, node_hash, sign_checkpoint, sign_promise,
};
use proofmark_verify::{
    LogKind, LogRoot, OperatorRoot, Presented, Report, Requirement, Roots, WitnessGroup,
    WitnessMember, format_operator_key, verify,
};

/// When everything happens.
pub(crate) const NOW: u64 = 1_795_194_251;

pub(crate) const QUESTION: &[u8] =
    br#"{"model":"gpt-x","messages":[{"role":"user","content":"What is 6 times 7?"}],"temperature":0.5}"#;
pub(crate) const ANSWER: &[u8] = br#"{"id":"x","object":"chat.completion","model":"gpt-x-2026","choices":[{"index":0,"message":{"role":"assistant","content":"It is 42."},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}}"#;

pub(crate) struct World {
    pub(crate) operator: SigningKey,
    pub(crate) node: SigningKey,
    pub(crate) receipts_log: NoteSigner,
    pub(crate) registry_log: NoteSigner,
    pub(crate) witnesses: Vec<CosignatureSigner>,
    pub(crate) statement: SignedKeyStatement,
    pub(crate) registry: Vec<Vec<u8>>,
    pub(crate) secret: ReceiptSecret,
}

fn name(text: &str) -> NoteKeyName {
    NoteKeyName::parse(text).unwrap()
}

impl World {
    /// The world whose keys derive from `seed`.
    pub(crate) fn new(seed: u8) -> Self {
        let operator = SigningKey::from_seed(&[seed; 32]);
        let node = SigningKey::from_seed(&[seed.wrapping_add(1); 32]);
        let receipts_log =
            NoteSigner::from_seed(name("lab.example/receipts"), &[seed.wrapping_add(2); 32]);
        let registry_log =
            NoteSigner::from_seed(name("lab.example/registry"), &[seed.wrapping_add(3); 32]);
        let witnesses = (0..4)
            .map(|i| {
                let name = name(&format!("witness-{i}.example"));
                CosignatureSigner::from_seed(name, &[seed.wrapping_add(10).wrapping_add(i); 32])
            })
            .collect();
        let statement = SignedKeyStatement::sign(
            key_statement(&node, &receipts_log, &registry_log),
            &operator,
        )
        .unwrap();
        let about = proofmark_receipt::OperatorStatement {
            name: "lab".into(),
            key: operator.public(),
            created: NOW - 1_000_000,
        };
        let about = SignedOperatorStatement::sign(about, &operator).unwrap();
        let registry = vec![
            RegistryLeaf::operator(&about).encode(),
            RegistryLeaf::key_statement(&statement).encode(),
        ];
        let secret = ReceiptSecret::new([seed.wrapping_add(4); 32]);
        Self {
            operator,
            node,
            receipts_log,
            registry_log,
            witnesses,
            statement,
            registry,
            secret,
        }
    }

    /// The world with another key statement, as a leaf of its registry too.
    pub(crate) fn with_statement(seed: u8, change: impl FnOnce(&mut KeyStatement)) -> Self {
        let mut world = Self::new(seed);
        let mut said = world.statement.unverified().clone();
        change(&mut said);
        world.statement = SignedKeyStatement::sign(said, &world.operator).unwrap();
        world.registry[1] = RegistryLeaf::key_statement(&world.statement).encode();
        world
    }

    /// Roots that believe this world: 3 of 4 witnesses, one of which may be dishonest.
    pub(crate) fn roots(&self) -> Roots {
        let log = |signer: &NoteSigner, kind| LogRoot {
            vkey: signer.vkey().to_string(),
            operator: "lab".into(),
            kind,
            witnesses: Some("public".into()),
        };
        let member = |(i, witness): (usize, &CosignatureSigner)| WitnessMember {
            vkey: witness.vkey().to_string(),
            operator: format!("witness operator {i}"),
        };
        Roots {
            operators: vec![OperatorRoot {
                name: "lab".into(),
                key: format_operator_key(&self.operator.public()),
            }],
            logs: vec![
                log(&self.receipts_log, LogKind::Receipts),
                log(&self.registry_log, LogKind::Registry),
            ],
            replayers: vec![],
            witness_groups: vec![WitnessGroup {
                name: "public".into(),
                k: 3,
                tolerated_faulty: 1,
                members: self.witnesses.iter().enumerate().map(member).collect(),
            }],
        }
    }

    pub(crate) fn id(&self) -> ReceiptId {
        ReceiptId::from_parts(NOW * 1_000, [7; 10])
    }

    pub(crate) fn salts(&self) -> Salts {
        Salts::new(&self.secret, &self.id())
    }

    /// Claims about [`QUESTION`] and [`ANSWER`].
    pub(crate) fn claims(&self) -> Claims {
        let salts = self.salts();
        let members = proofmark_openai::Members::parse(QUESTION).unwrap();
        let body = |scope: &str| {
            let fields = proofmark_openai::Fields::of(&members)
                .map(|field| (field.name(), field.value.as_bytes()));
            salts
                .scope(scope)
                .commit_body(QUESTION.len() as u64, std::iter::once(QUESTION), fields)
        };
        let answer = salts.scope("answer").commit("raw", ANSWER);
        Claims {
            id: self.id(),
            issued_at: NOW,
            nonce: Some(b"a nonce of the caller".to_vec()),
            issuer: Issuer {
                kid: self.node.kid(),
                statement: self.statement.digest(),
            },
            previous: None,
            operation: Operation {
                name: "chat.completions".into(),
                stream: false,
            },
            caller: Some(salts.scope("caller").commit("api-key", b"key-1")),
            received: body("received"),
            attachments: vec![],
            execution: Execution::Relayed {
                relayed: Relayed {
                    upstream: "prov".into(),
                    host: "api.provider.example".into(),
                    forwarded: body("forwarded"),
                    adjustments: vec![],
                    attempts: vec![],
                    tls: None,
                    answer: Some((ANSWER.len() as u64, answer)),
                },
                asked: "gpt-x".into(),
                provider: Provider {
                    served_model: Some("gpt-x-2026".into()),
                    ..Provider::default()
                },
            },
            output: self.output(ANSWER),
            finish: Some((
                Provenance::Provider,
                vec![proofmark_receipt::Finish {
                    index: 0,
                    reason: Some("stop".into()),
                }],
            )),
            outcome: Outcome {
                status: Status::Completed,
                http_status: 200,
                code: None,
            },
            usage: Some((
                Provenance::Provider,
                Usage {
                    input_tokens: 12,
                    output_tokens: 5,
                },
            )),
            cost: None,
            timing: Timing {
                received_ms: NOW * 1_000,
                first_byte_us: Some(900),
                done_us: 1_200,
            },
            stream: None,
            policy: None,
            log: LogClaim {
                origin: "lab.example/receipts".into(),
                kind: 1,
                value_class: 0,
            },
            audit: None,
            token_commitment: None,
            retention: None,
            unknown: vec![],
        }
    }

    pub(crate) fn output(&self, answer: &[u8]) -> Vec<Choice> {
        let salts = self.salts();
        proofmark_verify::choices_of_answer("chat.completions", answer)
            .unwrap()
            .iter()
            .map(|(index, text, fields)| {
                let fields = fields
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_slice()));
                Choice::commit(
                    *index,
                    &salts.scope(&format!("output/{index}")),
                    text,
                    fields,
                )
            })
            .collect()
    }

    /// A complete bundle about `claims`, cosigned by the first `witnesses`.
    pub(crate) fn bundle_of(&self, claims: Claims, witnesses: usize) -> Bundle {
        let receipt = SignedReceipt::sign(claims, &self.node).unwrap();
        let leaf = leaf_hash(&ReceiptLeaf::of(receipt.claims()).encode());
        let mut leaves: Vec<Hash> = (0..11_u8).map(|i| leaf_hash(&[i])).collect();
        leaves[6] = leaf;
        let note = self.checkpoint(&self.receipts_log, &leaves, witnesses);
        let proof = TlogProof::new(
            6,
            path(&leaves, 6),
            proofmark_tlog::Note::parse(note.as_bytes()).unwrap(),
        )
        .unwrap();
        Bundle {
            receipt: receipt.as_bytes().to_vec(),
            key_statement: Some(self.statement.as_bytes().to_vec()),
            log_proof: Some(proof.encode().into_bytes()),
            registry_proof: Some(self.registry_proof().into_bytes()),
            snapshot: Some(self.snapshot(witnesses)),
            promise: Some(self.promise(leaf).into_bytes()),
            ..Bundle::default()
        }
    }

    /// The usual bundle: three witnesses.
    pub(crate) fn bundle(&self) -> Bundle {
        self.bundle_of(self.claims(), 3)
    }

    /// Proof of the key statement's leaf in the registry log.
    pub(crate) fn registry_proof(&self) -> String {
        let leaves: Vec<Hash> = self.registry.iter().map(|leaf| leaf_hash(leaf)).collect();
        let note = self.checkpoint(&self.registry_log, &leaves, 0);
        TlogProof::new(
            1,
            path(&leaves, 1),
            proofmark_tlog::Note::parse(note.as_bytes()).unwrap(),
        )
        .unwrap()
        .encode()
    }

    pub(crate) fn snapshot(&self, witnesses: usize) -> Snapshot {
        let leaves: Vec<Hash> = self.registry.iter().map(|leaf| leaf_hash(leaf)).collect();
        let checkpoint = self
            .checkpoint(&self.registry_log, &leaves, witnesses)
            .into_bytes();
        Snapshot {
            checkpoint,
            leaves: self.registry.clone(),
        }
    }

    pub(crate) fn promise(&self, leaf: Hash) -> String {
        let origin = Origin::parse("lab.example/receipts").unwrap();
        let promise = Promise {
            origin,
            leaf,
            issued_ms: NOW * 1_000,
            due_ms: (NOW + 60) * 1_000,
        };
        sign_promise(&promise, &self.receipts_log)
            .unwrap()
            .to_string()
    }

    /// A checkpoint over `leaves` with cosignatures one second apart, the first 2 seconds after [`NOW`].
    pub(crate) fn checkpoint(&self, log: &NoteSigner, leaves: &[Hash], witnesses: usize) -> String {
        let origin = Origin::parse(log.name().as_str()).unwrap();
        let checkpoint = Checkpoint {
            origin,
            size: leaves.len() as u64,
            root: root(leaves),
        };
        let mut checkpoint = sign_checkpoint(&checkpoint, log).unwrap();
        for (i, witness) in self.witnesses.iter().take(witnesses).enumerate() {
            let time = CosignatureTime::from_unix_s(NOW + 2 + i as u64).unwrap();
            let cosignature = witness.cosign(&checkpoint, time);
            checkpoint
                .add_cosignature(&cosignature, witness.vkey())
                .unwrap();
        }
        String::from_utf8(checkpoint.to_bytes()).unwrap()
    }

    /// Opens question and answer.
    pub(crate) fn disclosures(&self) -> Vec<Disclosure> {
        let salts = self.salts();
        let mut disclosures = vec![Disclosure::Scope {
            scope: "received".into(),
            key: salts.scope("received"),
            values: DisclosedValues::Body(QUESTION.to_vec()),
        }];
        for (index, text, fields) in
            proofmark_verify::choices_of_answer("chat.completions", ANSWER).unwrap()
        {
            disclosures.push(Disclosure::Scope {
                scope: format!("output/{index}"),
                key: salts.scope(&format!("output/{index}")),
                values: DisclosedValues::Choice {
                    text,
                    fields,
                    tokens: None,
                },
            });
        }
        disclosures
    }

    /// Signs `claims` into a bundle like [`World::bundle`], whatever they say.
    pub(crate) fn with_claims(&self, change: impl FnOnce(&mut Claims)) -> Bundle {
        let mut claims = self.claims();
        change(&mut claims);
        self.bundle_of(claims, 3)
    }
}

pub(crate) fn key_statement(
    node: &SigningKey,
    receipts_log: &NoteSigner,
    registry_log: &NoteSigner,
) -> KeyStatement {
    KeyStatement {
        node: "lab-1".into(),
        keys: vec![node.public()],
        hpke_key: None,
        config: [1; 32],
        release: [2; 32],
        model_policy: None,
        not_before: NOW - 1_000,
        not_after: NOW + 1_000_000,
        receipts_log: receipts_log.vkey().to_string(),
        registry_log: registry_log.vkey().to_string(),
        mandatory_suites: vec![],
        operator_key_online: true,
    }
}

/// RFC 9162 §2.1.1, as it is written.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

/// RFC 9162 §2.1.3.1, as it is written.
pub(crate) fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() == 1 {
        return vec![];
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut below, sibling) = if index < left.len() {
        (path(left, index), root(right))
    } else {
        (path(right, index - left.len()), root(left))
    };
    below.push(sibling);
    below
}

/// Verifies with nothing presented.
pub(crate) fn report(bundle: &Bundle, roots: &Roots, requirement: &str) -> Report {
    let requirement: Requirement = requirement.parse().unwrap();
    verify(
        &bundle.encode(),
        &Presented::default(),
        &requirement,
        roots,
        NOW + 100,
    )
}
