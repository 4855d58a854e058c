//! A world with a node, logs, witnesses and auditors, whose keys derive from the plan's seed.

use proofmark_receipt::{
    Audit, Body, Bundle, Claims, Evidence, Executed, Execution, Issuer, KeyId, KeyStatement,
    LogClaim, Operation, OperatorStatement, Outcome, Provenance, ReceiptId, ReceiptLeaf,
    ReceiptSecret, RegistryLeaf, ReplayEvidence, ReplayVerdict, Revocation, RevocationReason, Root,
    Salts, SeedChooser, SignedKeyStatement, SignedObject, SignedOperatorStatement, SignedReceipt,
    SignedReplay, SignedRevocation, SigningKey, Snapshot, Status, Timing, Typ, commit_tokens,
};
use proofmark_testkit::SeededRng;
use proofmark_tlog::{
    Checkpoint, CosignatureSigner, CosignatureTime, EMPTY_ROOT, Hash, Note, NoteKeyName,
    NoteSigner, Origin, TlogProof, leaf_hash, node_hash, sign_checkpoint,
};
use proofmark_verify::{
    LogKind, LogRoot, OperatorRoot, Roots, WitnessGroup, WitnessMember, format_operator_key,
};

use crate::error::fixture;
use crate::{BenchError, Cheat};

/// When everything happens, Unix seconds.
pub(crate) const NOW: u64 = 1_795_194_251;
const ORIGIN: &str = "bench.example/receipts";

/// What the benchmark takes of the product. Its errors end a run, and say nothing about a method.
pub trait Product {
    /// A provider answers `body`, cheats, and signs a receipt about the promised model with the keys of `bench`. `like` is what the
    /// receipt says of everything that the answer does not change.
    ///
    /// # Errors
    /// The engine or the request.
    fn answer(
        &mut self,
        bench: &Bench,
        cheat: &Cheat,
        like: &Claims,
        body: &[u8],
    ) -> Result<Bundle, String>;

    /// Executes a receipt again. A receipt that no node could have made is an error with its code.
    ///
    /// # Errors
    /// What refuses the bundle.
    fn replay(&mut self, bundle: &Bundle, now_s: u64) -> Result<ReplayVerdict, String>;

    /// Disputes a receipt as its challenger, against an executor that stands by it. The fraud proof, if there was one.
    ///
    /// # Errors
    /// The dispute could not be held.
    fn dispute(&mut self, bench: &Bench, bundle: &Bundle) -> Result<Option<Evidence>, String>;

    /// The closure of the promised model with `weights` in place of its own, opened as a reader opens a model.
    ///
    /// # Errors
    /// The code with which it is refused.
    fn closure_with(&mut self, weights: &[u8]) -> Result<[u8; 32], String>;

    /// The weights of the promised model.
    fn weights(&self) -> &[u8];
}

/// The parties.
#[derive(Debug)]
pub struct Bench {
    operator: SigningKey,
    /// Key of the node.
    pub node: SigningKey,
    /// The statement that endorses it.
    pub statement: SignedKeyStatement,
    /// Key of whoever disputes.
    pub challenger: SigningKey,
    receipts: NoteSigner,
    registry: NoteSigner,
    witnesses: Vec<CosignatureSigner>,
    leaves: Vec<Vec<u8>>,
    secret: ReceiptSecret,
}

/// What may be wrong about where a receipt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Regular,
    /// In no log.
    Nowhere,
    /// In a second history, which no witness saw.
    Fork,
    /// The registry says that the key was revoked.
    Revoked,
}

fn name(text: &str) -> Result<NoteKeyName, BenchError> {
    fixture(NoteKeyName::parse(text), "key name")
}

impl Bench {
    /// The world of a seed.
    ///
    /// # Errors
    /// A fault of this crate.
    pub fn new(seed: u64) -> Result<Self, BenchError> {
        let mut rng = SeededRng::new(seed);
        let operator = SigningKey::from_seed(&rng.bytes());
        let node = SigningKey::from_seed(&rng.bytes());
        let challenger = SigningKey::from_seed(&rng.bytes());
        let receipts = NoteSigner::from_seed(name(ORIGIN)?, &rng.bytes());
        let registry = NoteSigner::from_seed(name("bench.example/registry")?, &rng.bytes());
        let mut witnesses = Vec::new();
        for i in 0..4 {
            let name = name(&format!("witness-{i}.example"))?;
            witnesses.push(CosignatureSigner::from_seed(name, &rng.bytes()));
        }
        let statement = KeyStatement {
            node: "node-1".into(),
            keys: vec![node.public()],
            hpke_key: None,
            config: [1; 32],
            release: [2; 32],
            model_policy: None,
            not_before: NOW - 400 * 86_400,
            not_after: NOW + 86_400,
            receipts_log: receipts.vkey().to_string(),
            registry_log: registry.vkey().to_string(),
            mandatory_suites: vec![],
            operator_key_online: true,
        };
        let statement = fixture(
            SignedKeyStatement::sign(statement, &operator),
            "key statement",
        )?;
        let about = OperatorStatement {
            name: "bench".into(),
            key: operator.public(),
            created: NOW - 500 * 86_400,
        };
        let about = fixture(
            SignedOperatorStatement::sign(about, &operator),
            "operator statement",
        )?;
        let leaves = vec![
            RegistryLeaf::operator(&about).encode(),
            RegistryLeaf::key_statement(&statement).encode(),
        ];
        Ok(Self {
            operator,
            node,
            statement,
            challenger,
            receipts,
            registry,
            witnesses,
            leaves,
            secret: ReceiptSecret::new([9; 32]),
        })
    }

    /// Roots that believe this world's operator and logs with 3 of 4 witnesses, and `auditors` as replayers.
    pub(crate) fn roots(&self, auditors: &[(&str, &Self)]) -> Roots {
        let log = |signer: &NoteSigner, kind| LogRoot {
            vkey: signer.vkey().to_string(),
            operator: "bench".into(),
            kind,
            witnesses: Some("public".into()),
        };
        let member = |(i, witness): (usize, &CosignatureSigner)| WitnessMember {
            vkey: witness.vkey().to_string(),
            operator: format!("witness operator {i}"),
        };
        let root = |name: &str, key: &SigningKey| OperatorRoot {
            name: name.into(),
            key: format_operator_key(&key.public()),
        };
        Roots {
            operators: vec![root("bench", &self.operator)],
            logs: vec![
                log(&self.receipts, LogKind::Receipts),
                log(&self.registry, LogKind::Registry),
            ],
            replayers: auditors
                .iter()
                .map(|(name, bench)| root(name, &bench.operator))
                .collect(),
            witness_groups: vec![WitnessGroup {
                name: "public".into(),
                k: 3,
                tolerated_faulty: 1,
                members: self.witnesses.iter().enumerate().map(member).collect(),
            }],
        }
    }

    /// Salts of receipt `id`.
    pub fn salts(&self, id: &ReceiptId) -> Salts {
        Salts::new(&self.secret, id)
    }

    /// What receipt `number` says of everything but the answer.
    pub(crate) fn claims(&self, number: u64, nonce: &[u8]) -> Claims {
        let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
        let id = ReceiptId::from_parts(NOW * 1_000, [a, b, c, d, e, f, g, h, 0, 0]);
        let salts = self.salts(&id);
        let scope = salts.scope("executed");
        Claims {
            id,
            issued_at: NOW,
            nonce: Some(nonce.to_vec()),
            issuer: Issuer {
                kid: self.node.kid(),
                statement: self.statement.digest(),
            },
            previous: None,
            operation: Operation {
                name: "chat.completions".into(),
                stream: false,
            },
            caller: None,
            received: Body {
                length: 2,
                raw: salts.scope("received").commit("raw", b"{}"),
                fields_root: Root::EMPTY,
                fields: 0,
            },
            attachments: vec![],
            execution: Execution::Executed(Executed {
                model: String::new(),
                closure: [0; 32],
                engine: [0; 32],
                prompt: scope.commit("prompt", b""),
                input_tokens: commit_tokens(&scope, "in", &[]),
                parameters: vec![],
                seed: 0,
                seed_chosen_by: SeedChooser::Caller,
                template_clock: None,
            }),
            output: vec![],
            finish: None,
            outcome: Outcome {
                status: Status::Completed,
                http_status: 200,
                code: None,
            },
            usage: None,
            cost: None,
            timing: Timing {
                received_ms: NOW * 1_000,
                first_byte_us: Some(900),
                done_us: 1_200,
            },
            stream: None,
            policy: None,
            log: LogClaim {
                origin: ORIGIN.into(),
                kind: 2,
                value_class: 0,
            },
            audit: Some((Provenance::Operator, Audit::Given)),
            token_commitment: None,
            retention: None,
            unknown: vec![],
        }
    }

    /// Signs what a bundle's receipt says after `change`, with `key`.
    pub(crate) fn resigned(
        &self,
        bundle: &Bundle,
        key: &SigningKey,
        change: impl FnOnce(&mut Claims),
    ) -> Result<Bundle, BenchError> {
        let receipt = fixture(SignedReceipt::decode(&bundle.receipt), "receipt")?;
        let mut claims = receipt.claims().clone();
        claims.issuer.kid = key.kid();
        change(&mut claims);
        let receipt = fixture(SignedReceipt::sign(claims, key), "receipt")?;
        Ok(Bundle {
            receipt: receipt.as_bytes().to_vec(),
            ..bundle.clone()
        })
    }

    /// The same for what no code of the product would sign: claims that contradict each other, logged as they are.
    pub(crate) fn resigned_raw(
        &self,
        bundle: &Bundle,
        change: impl FnOnce(&mut Claims),
    ) -> Result<(Bundle, Claims), BenchError> {
        let receipt = fixture(SignedReceipt::decode(&bundle.receipt), "receipt")?;
        let mut claims = receipt.claims().clone();
        change(&mut claims);
        let signed = SignedObject::sign(Typ::Receipt, claims.encode(), &self.node);
        let bundle = Bundle {
            receipt: signed.as_bytes().to_vec(),
            ..bundle.clone()
        };
        let bundle = self.logged(&bundle, &claims, Standing::Regular)?;
        Ok((bundle, claims))
    }

    /// Puts a receipt where it stands: log, registry, cosignatures.
    pub(crate) fn standing(
        &self,
        bundle: &Bundle,
        standing: Standing,
    ) -> Result<Bundle, BenchError> {
        let receipt = fixture(SignedReceipt::decode(&bundle.receipt), "receipt")?;
        self.logged(bundle, receipt.claims(), standing)
    }

    fn logged(
        &self,
        bundle: &Bundle,
        claims: &Claims,
        standing: Standing,
    ) -> Result<Bundle, BenchError> {
        let mut leaves: Vec<Hash> = (0..11_u8).map(|i| leaf_hash(&[i])).collect();
        let leaf = leaf_hash(&ReceiptLeaf::of(claims).encode());
        if let Some(place) = leaves.get_mut(6) {
            *place = leaf;
        }
        let seen_by = if standing == Standing::Fork { 0 } else { 3 };
        let note = self.checkpoint(&self.receipts, &leaves, seen_by)?;
        let proof = fixture(TlogProof::new(6, path(&leaves, 6), note), "log proof")?;
        let mut registry = self.leaves.clone();
        if standing == Standing::Revoked {
            registry.push(self.revocation(self.node.kid())?);
        }
        let hashes: Vec<Hash> = registry.iter().map(|leaf| leaf_hash(leaf)).collect();
        let note = self.checkpoint(&self.registry, &hashes, 0)?;
        let entry = fixture(TlogProof::new(1, path(&hashes, 1), note), "registry proof")?;
        let checkpoint = self.checkpoint(&self.registry, &hashes, 3)?;
        let logged = standing != Standing::Nowhere;
        Ok(Bundle {
            key_statement: Some(self.statement.as_bytes().to_vec()),
            log_proof: logged.then(|| proof.encode().into_bytes()),
            registry_proof: Some(entry.encode().into_bytes()),
            snapshot: Some(Snapshot {
                checkpoint: checkpoint.to_string().into_bytes(),
                leaves: registry,
            }),
            ..bundle.clone()
        })
    }

    fn revocation(&self, kid: KeyId) -> Result<Vec<u8>, BenchError> {
        let revocation = Revocation {
            kid,
            since: NOW - 86_400,
            reason: RevocationReason::Compromised,
        };
        let signed = fixture(
            SignedRevocation::sign(revocation, &self.operator),
            "revocation",
        )?;
        Ok(RegistryLeaf::revocation(&signed).encode())
    }

    fn checkpoint(
        &self,
        log: &NoteSigner,
        leaves: &[Hash],
        witnesses: usize,
    ) -> Result<Note, BenchError> {
        let checkpoint = Checkpoint {
            origin: fixture(Origin::parse(log.name().as_str()), "origin")?,
            size: leaves.len() as u64,
            root: root(leaves),
        };
        let mut checkpoint = fixture(sign_checkpoint(&checkpoint, log), "checkpoint")?;
        for (i, witness) in (0..).zip(self.witnesses.iter().take(witnesses)) {
            let time = CosignatureTime::from_unix_s(NOW + 2 + i)
                .ok_or(BenchError::Fixture { what: "time" })?;
            let cosignature = witness.cosign(&checkpoint, time);
            fixture(
                checkpoint.add_cosignature(&cosignature, witness.vkey()),
                "cosignature",
            )?;
        }
        fixture(Note::parse(&checkpoint.to_bytes()), "checkpoint")
    }

    /// The evidence that this party makes of a verdict.
    pub(crate) fn verdict(&self, verdict: &ReplayVerdict) -> Result<Evidence, BenchError> {
        let signed = fixture(SignedReplay::sign(verdict, &self.node), "verdict")?;
        let evidence = ReplayEvidence {
            signed,
            key_statement: self.statement.as_bytes().to_vec(),
        };
        Ok(evidence.attach())
    }
}

fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
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
