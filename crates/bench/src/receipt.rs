//! What a receipt costs to make and to verify, without any server: one thread, wall clock.

use std::iter;
use std::time::Instant;

use proofmark_openai::{Answer, Fields, Members, Operation as OpenAiOperation};
use proofmark_receipt::{
    Body, Bundle, Choice, Claims, Execution, Finish, Issuer, KeyStatement, LogClaim, Operation,
    Outcome, Provenance, Provider, ReceiptId, ReceiptLeaf, ReceiptSecret, Relayed, Salts, ScopeKey,
    SignedKeyStatement, SignedReceipt, SigningKey, Status, Timing, Usage,
};
use proofmark_tlog::{
    Checkpoint, CosignatureSigner, CosignatureTime, Frontier, NoteKeyName, NoteSigner, Origin,
    TlogProof, leaf_hash, sign_checkpoint,
};
use proofmark_verify::{
    LogKind, LogRoot, OperatorRoot, Presented, Requirement, Roots, Verdict, WitnessGroup,
    WitnessMember, format_operator_key, verify,
};

use crate::BenchError;
use crate::load::QUESTION;
use crate::upstream::answer;

const NOW: u64 = 1_795_194_251;
/// Runs of one measurement.
const RUNS: u32 = 2_000;

/// Who signs.
struct Issuing {
    operator: SigningKey,
    node: SigningKey,
    log: NoteSigner,
    witnesses: Vec<CosignatureSigner>,
    statement: SignedKeyStatement,
}

fn fixture<T, E>(result: Result<T, E>, what: &'static str) -> Result<T, BenchError> {
    result.map_err(|_| BenchError::Fixture { what })
}

fn note_name(text: &str) -> Result<NoteKeyName, BenchError> {
    fixture(NoteKeyName::parse(text), "a key name")
}

impl Issuing {
    fn new() -> Result<Self, BenchError> {
        let operator = SigningKey::from_seed(&[1; 32]);
        let node = SigningKey::from_seed(&[2; 32]);
        let log = NoteSigner::from_seed(note_name("bench.example/receipts")?, &[3; 32]);
        let witnesses = (0..3_u8)
            .map(|i| {
                Ok(CosignatureSigner::from_seed(
                    note_name(&format!("witness-{i}.example"))?,
                    &[10 + i; 32],
                ))
            })
            .collect::<Result<_, BenchError>>()?;
        let statement = KeyStatement {
            node: "bench".into(),
            keys: vec![node.public()],
            hpke_key: None,
            config: [0; 32],
            release: [0; 32],
            model_policy: None,
            not_before: NOW - 1,
            not_after: NOW + 1_000_000,
            receipts_log: log.vkey().to_string(),
            registry_log: log.vkey().to_string(),
            mandatory_suites: vec![],
            operator_key_online: true,
        };
        let statement = fixture(
            SignedKeyStatement::sign(statement, &operator),
            "a key statement",
        )?;
        Ok(Self {
            operator,
            node,
            log,
            witnesses,
            statement,
        })
    }

    fn body(scope: &ScopeKey, bytes: &[u8]) -> Result<Body, BenchError> {
        let members = fixture(Members::parse(bytes), "the members of the question")?;
        let fields = Fields::of(&members).map(|field| (field.name(), field.value.as_bytes()));
        Ok(scope.commit_body(bytes.len() as u64, iter::once(bytes), fields))
    }

    /// All that a gateway computes for one answer: parse, commit, digest, sign.
    fn issue(
        &self,
        id: ReceiptId,
        question: &[u8],
        raw_answer: &[u8],
    ) -> Result<SignedReceipt, BenchError> {
        let salts = Salts::new(&ReceiptSecret::new([7; 32]), &id);
        let answer = fixture(
            Answer::parse(OpenAiOperation::ChatCompletions, raw_answer),
            "the answer",
        )?;
        let output = answer
            .choices
            .iter()
            .map(|choice| {
                let index = u32::try_from(choice.index).unwrap_or_default();
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
            })
            .collect();
        let claims = Claims {
            id,
            issued_at: NOW,
            nonce: None,
            issuer: Issuer {
                kid: self.node.kid(),
                statement: self.statement.digest(),
            },
            previous: None,
            operation: Operation {
                name: "chat.completions".into(),
                stream: false,
            },
            caller: Some(salts.scope("caller").commit("api-key", b"key")),
            received: Self::body(&salts.scope("received"), question)?,
            attachments: vec![],
            execution: Execution::Relayed {
                relayed: Relayed {
                    upstream: "mock".into(),
                    host: "127.0.0.1".into(),
                    forwarded: Self::body(&salts.scope("forwarded"), question)?,
                    adjustments: vec![],
                    attempts: vec![],
                    tls: None,
                    answer: Some((
                        raw_answer.len() as u64,
                        salts.scope("answer").commit("raw", raw_answer),
                    )),
                },
                asked: "mock-1".into(),
                provider: Provider {
                    served_model: answer.model,
                    ..Provider::default()
                },
            },
            output,
            finish: Some((
                Provenance::Provider,
                vec![Finish {
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
                    input_tokens: 40,
                    output_tokens: 200,
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
                origin: "bench.example/receipts".into(),
                kind: 1,
                value_class: 0,
            },
            audit: None,
            token_commitment: None,
            retention: None,
            unknown: vec![],
        };
        fixture(SignedReceipt::sign(claims, &self.node), "the receipt")
    }

    /// A bundle with proof and three cosignatures, and roots that believe it.
    fn bundle(&self, receipt: &SignedReceipt) -> Result<(Vec<u8>, Roots), BenchError> {
        let leaf = leaf_hash(&ReceiptLeaf::of(receipt.claims()).encode());
        let mut frontier = Frontier::new();
        fixture(frontier.append(leaf), "a leaf")?;
        let origin = fixture(Origin::parse("bench.example/receipts"), "an origin")?;
        let checkpoint = Checkpoint {
            origin,
            size: 1,
            root: frontier.root(),
        };
        let mut checkpoint = fixture(sign_checkpoint(&checkpoint, &self.log), "a checkpoint")?;
        let time =
            CosignatureTime::from_unix_s(NOW).ok_or(BenchError::Fixture { what: "a time" })?;
        for witness in &self.witnesses {
            let cosignature = witness.cosign(&checkpoint, time);
            fixture(
                checkpoint.add_cosignature(&cosignature, witness.vkey()),
                "a cosignature",
            )?;
        }
        let proof = fixture(
            TlogProof::new(0, vec![], checkpoint.note().clone()),
            "a proof",
        )?;
        let bundle = Bundle {
            receipt: receipt.as_bytes().to_vec(),
            key_statement: Some(self.statement.as_bytes().to_vec()),
            log_proof: Some(proof.encode().into_bytes()),
            ..Bundle::default()
        };
        let member = |(i, witness): (usize, &CosignatureSigner)| WitnessMember {
            vkey: witness.vkey().to_string(),
            operator: format!("witness {i}"),
        };
        let roots = Roots {
            operators: vec![OperatorRoot {
                name: "bench".into(),
                key: format_operator_key(&self.operator.public()),
            }],
            logs: vec![LogRoot {
                vkey: self.log.vkey().to_string(),
                operator: "bench".into(),
                kind: LogKind::Receipts,
                witnesses: Some("all".into()),
            }],
            replayers: Vec::new(),
            witness_groups: vec![WitnessGroup {
                name: "all".into(),
                k: 3,
                tolerated_faulty: 1,
                members: self.witnesses.iter().enumerate().map(member).collect(),
            }],
        };
        Ok((bundle.encode(), roots))
    }
}

fn id(n: u64) -> ReceiptId {
    let [a, b, c, d, e, f, g, h] = n.to_be_bytes();
    ReceiptId::from_parts(NOW * 1_000, [a, b, c, d, e, f, g, h, 0, 0])
}

/// Milliseconds of one thread to make one receipt: a 0.3 KiB question and an answer of about a KiB.
pub(crate) fn issue_ms() -> Result<f64, BenchError> {
    let (issuing, answer) = (Issuing::new()?, answer());
    let start = Instant::now();
    for n in 0..RUNS {
        std::hint::black_box(issuing.issue(
            id(n.into()),
            QUESTION.as_bytes(),
            answer.as_bytes(),
        )?);
    }
    Ok(start.elapsed().as_secs_f64() * 1e3 / f64::from(RUNS))
}

/// Milliseconds of one thread to verify one bundle with a log proof and three cosignatures, and the bundle's size in KiB.
pub(crate) fn verify_ms() -> Result<(f64, f64), BenchError> {
    let issuing = Issuing::new()?;
    let receipt = issuing.issue(id(0), QUESTION.as_bytes(), answer().as_bytes())?;
    let (bundle, roots) = issuing.bundle(&receipt)?;
    let requirement: Requirement = fixture("logged,witnessed".parse(), "a requirement")?;
    let check = || verify(&bundle, &Presented::default(), &requirement, &roots, NOW);
    if !matches!(check().verdict(), Verdict::Accepted(_)) {
        return Err(BenchError::Fixture {
            what: "a bundle that is accepted",
        });
    }
    let start = Instant::now();
    for _ in 0..RUNS {
        std::hint::black_box(check());
    }
    let size_kib = f64::from(u32::try_from(bundle.len()).unwrap_or(u32::MAX)) / 1024.0;
    Ok((
        start.elapsed().as_secs_f64() * 1e3 / f64::from(RUNS),
        size_kib,
    ))
}
