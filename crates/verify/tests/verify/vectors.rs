//! `vectors/verify/`: whole verifications for any language. One folder per case: `bundle.receipt`, `roots.toml`, the files that
//! the verifier is given beside them, and `case.json` with the time, the requirement and the expected report.
//!
//! `PROOFMARK_WRITE_VECTORS=1 cargo test -p proofmark-verify vectors` writes them; without it the test compares.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proofmark_receipt::{
    AuditStatement, Bundle, Evidence, EvidenceState, ReceiptSecret, RegistryLeaf, ReplayStep,
    ReplayVerdict, Revocation, RevocationReason, SignedReceipt, SignedRevocation, Snapshot,
    StatementDigest, Suite, TokenDifference,
};
use proofmark_verify::{Presented, Report, Requirement, Roots, verify};
use serde_json::{Value, json};

use crate::audit::audited;
use crate::replay::{billed, replay_by, replay_roots, replayed, replayer, verdict_about};
use crate::world::{ANSWER, NOW, QUESTION, World};

/// One verification, whole.
struct Case {
    description: &'static str,
    bundle: Vec<u8>,
    roots: Roots,
    require: &'static str,
    now: u64,
    answer: Option<Vec<u8>>,
    request: Option<Vec<u8>>,
    secret: Option<ReceiptSecret>,
    nonce: Option<Vec<u8>>,
    snapshot: Option<Snapshot>,
}

impl Case {
    fn new(description: &'static str, bundle: &Bundle) -> Self {
        Self {
            description,
            bundle: bundle.encode(),
            roots: World::new(1).roots(),
            require: "",
            now: NOW + 100,
            answer: None,
            request: None,
            secret: None,
            nonce: None,
            snapshot: None,
        }
    }

    fn require(mut self, require: &'static str) -> Self {
        self.require = require;
        self
    }

    fn roots(mut self, change: impl FnOnce(&mut Roots)) -> Self {
        change(&mut self.roots);
        self
    }

    fn report(&self) -> Report {
        let presented = Presented {
            answer: self.answer.as_deref(),
            request: self.request.as_deref(),
            secret: self.secret.clone(),
            nonce: self.nonce.as_deref(),
            snapshot: self.snapshot.clone(),
            model: None,
        };
        let requirement: Requirement = self.require.parse().unwrap();
        verify(
            &self.bundle,
            &presented,
            &requirement,
            &self.roots,
            self.now,
        )
    }

    fn files(&self) -> BTreeMap<&'static str, Vec<u8>> {
        let report = self.report();
        let rows: Vec<Value> = report
            .rows()
            .iter()
            .map(|row| json!({ "claim": row.name, "state": row.state.name(), "code": row.state.code() }))
            .collect();
        let given = [
            ("answer.json", self.answer.clone()),
            ("request.json", self.request.clone()),
            (
                "secret.bin",
                self.secret.as_ref().map(|secret| secret.expose().to_vec()),
            ),
            ("nonce.bin", self.nonce.clone()),
            (
                "registry-snapshot.cbor",
                self.snapshot.as_ref().map(Snapshot::encode),
            ),
        ];
        let case = json!({
            "description": self.description,
            "now": self.now,
            "require": self.require,
            "given": given.iter().filter(|(_, bytes)| bytes.is_some()).map(|(name, _)| *name).collect::<Vec<_>>(),
            "expect": report.verdict().name(),
            "exit_code": report.verdict().exit_code(),
            "code": report.verdict().code(),
            "grades": report.grades(),
            "rows": rows,
        });
        let mut json = serde_json::to_vec_pretty(&case).unwrap();
        json.push(b'\n');
        let mut files = BTreeMap::from([
            ("bundle.receipt", self.bundle.clone()),
            ("roots.toml", self.roots.to_toml().into_bytes()),
            ("case.json", json),
        ]);
        files.extend(
            given
                .into_iter()
                .filter_map(|(name, bytes)| Some((name, bytes?))),
        );
        files
    }
}

fn revoked(since: u64, reason: RevocationReason, witnesses: usize) -> Bundle {
    let mut world = World::new(1);
    let revocation = Revocation {
        kid: world.node.kid(),
        since,
        reason,
    };
    let signed = SignedRevocation::sign(revocation, &world.operator).unwrap();
    world
        .registry
        .push(RegistryLeaf::revocation(&signed).encode());
    world.bundle_of(world.claims(), witnesses)
}

fn changed(change: impl FnOnce(&mut Bundle)) -> Bundle {
    let mut bundle = World::new(1).bundle();
    change(&mut bundle);
    bundle
}

/// The genuine operator's kid over a signature with another operator key.
fn forged_statement() -> Bundle {
    let (world, forger) = (World::new(1), World::new(99));
    let mut forged = forger.statement.as_bytes().to_vec();
    let kid = forger.operator.kid();
    let at = forged
        .windows(32)
        .position(|window| window == kid.as_bytes())
        .unwrap();
    forged[at..at + 32].copy_from_slice(world.operator.kid().as_bytes());
    let mut claims = forger.claims();
    claims.issuer.statement = StatementDigest::of(&forged);
    let mut bundle = forger.bundle_of(claims, 3);
    bundle.key_statement = Some(forged);
    bundle
}

fn disclosed() -> Bundle {
    changed(|bundle| bundle.disclosures = World::new(1).disclosures())
}

fn evidence(change: impl FnOnce(&mut Evidence)) -> Bundle {
    changed(|bundle| {
        let receipt = SignedReceipt::decode(&bundle.receipt).unwrap();
        let mut evidence = Evidence {
            kind: "later".into(),
            receipt: receipt.claims().id,
            claims: receipt.digest(),
            state: EvidenceState::Attached,
            by: None,
            deadline: None,
            digest: Some(Evidence::digest_of(b"data")),
            data: Some(b"data".to_vec()),
            location: None,
        };
        change(&mut evidence);
        bundle.evidence = vec![evidence];
    })
}

fn log_cases() -> Vec<(&'static str, Case)> {
    let world = World::new(1);
    let without_proof = changed(|b| b.log_proof = None);
    let mut pending =
        Case::new("promised, and the promise is still good", &without_proof).require("logged");
    pending.now = NOW + 10;
    vec![
        (
            "log-absent",
            Case::new(
                "neither a log proof nor a promise",
                &changed(|b| (b.log_proof, b.promise) = (None, None)),
            ),
        ),
        ("log-pending", pending),
        (
            "log-promise-broken",
            Case::new("promised, and the time is over", &without_proof),
        ),
        (
            "log-unknown",
            Case::new("the log is not among the roots", &world.bundle())
                .roots(|r| r.logs.clear())
                .require("logged"),
        ),
        (
            "log-unwitnessed",
            Case::new(
                "two cosignatures where three are needed",
                &world.bundle_of(world.claims(), 2),
            )
            .require("witnessed"),
        ),
        (
            "log-witness-same-operator",
            Case::new("one witness is run by the log's operator", &world.bundle())
                .roots(|r| r.witness_groups[0].members[0].operator = "lab".into())
                .require("witnessed"),
        ),
        (
            "log-witness-policy-unsafe",
            Case::new(
                "3 of 4 with two dishonest ones do not exclude two views",
                &world.bundle(),
            )
            .roots(|r| r.witness_groups[0].tolerated_faulty = 2)
            .require("witnessed"),
        ),
        (
            "log-proof-of-another-receipt",
            Case::new("a genuine proof, of another leaf", &{
                let mut bundle = world.with_claims(|claims| claims.issued_at += 1);
                (bundle.log_proof, bundle.promise) = (world.bundle().log_proof, None);
                bundle
            }),
        ),
    ]
}

fn issuer_cases() -> Vec<(&'static str, Case)> {
    let world = World::new(1);
    vec![
        (
            "accepted",
            Case::new("a complete bundle", &world.bundle())
                .require("relayed,logged,witnessed,unrevoked"),
        ),
        (
            "accepted-disclosed",
            Case::new("question and answer are opened by the bundle", &disclosed())
                .require("answer,question"),
        ),
        (
            "bare-receipt",
            Case::new(
                "a receipt without anything else",
                &Bundle::of(world.bundle().receipt),
            ),
        ),
        (
            "stranger",
            Case::new("the operator is not among the roots", &world.bundle())
                .roots(|r| *r = Roots::default()),
        ),
        (
            "forged-with-fresh-keys",
            Case::new(
                "re-signed with fresh keys, statement, logs and witnesses",
                &World::new(99).bundle(),
            ),
        ),
        (
            "below-requirement",
            Case::new(
                "a relayed receipt never says which model ran",
                &world.bundle(),
            )
            .require("signed"),
        ),
        (
            "no-statement",
            Case::new("no key statement", &changed(|b| b.key_statement = None)),
        ),
    ]
}

fn statement_cases() -> Vec<(&'static str, Case)> {
    let world = World::new(1);
    let junk = b"junk".to_vec();
    let future = world.with_claims(|claims| claims.issued_at = NOW + 1_000);
    vec![
        (
            "statement-digest-mismatch",
            Case::new(
                "another key statement",
                &changed(|b| b.key_statement = Some(b"x".to_vec())),
            ),
        ),
        (
            "statement-malformed",
            Case::new("a key statement that is none", &{
                let mut bundle = world
                    .with_claims(|claims| claims.issuer.statement = StatementDigest::of(&junk));
                bundle.key_statement = Some(junk);
                bundle
            }),
        ),
        (
            "statement-signature-invalid",
            Case::new(
                "a statement that names the operator key and is signed by another",
                &forged_statement(),
            ),
        ),
        (
            "statement-outside-validity",
            Case::new(
                "issued before the statement holds",
                &world.with_claims(|c| c.issued_at = NOW - 1_001),
            ),
        ),
        (
            "statement-log-mismatch",
            Case::new(
                "names another log",
                &world.with_claims(|c| c.log.origin = "elsewhere.example/receipts".into()),
            ),
        ),
        (
            "statement-key-not-listed",
            Case::new("signed with a key that the statement does not list", &{
                let forger = World::new(99);
                let mut claims = forger.claims();
                claims.issuer.statement = world.statement.digest();
                let mut bundle = forger.bundle_of(claims, 3);
                bundle.key_statement = Some(world.statement.as_bytes().to_vec());
                bundle
            }),
        ),
        (
            "issued-in-future",
            Case::new("issued more than five minutes after now", &future),
        ),
        (
            "signature-invalid",
            Case::new(
                "one bit of the signature flipped",
                &changed(|b| *b.receipt.last_mut().unwrap() ^= 1),
            ),
        ),
        ("countersignature-missing", {
            let world = World::with_statement(1, |said| said.mandatory_suites = vec![Suite::P256]);
            Case::new("a mandatory countersignature was stripped", &world.bundle())
        }),
    ]
}

fn revocation_cases() -> Vec<(&'static str, Case)> {
    use RevocationReason::{Compromised, Superseded};
    let mut newer = World::new(1);
    let revocation = Revocation {
        kid: newer.node.kid(),
        since: NOW,
        reason: Compromised,
    };
    let signed = SignedRevocation::sign(revocation, &newer.operator).unwrap();
    newer
        .registry
        .push(RegistryLeaf::revocation(&signed).encode());
    let mut presented = Case::new(
        "a newer snapshot than the bundle's revokes the key",
        &World::new(1).bundle(),
    );
    presented.snapshot = Some(newer.snapshot(3));
    vec![
        (
            "revoked-compromised",
            Case::new(
                "compromised before the witnessed time",
                &revoked(NOW + 3, Compromised, 3),
            ),
        ),
        (
            "witnessed-before-compromise",
            Case::new(
                "witnessed before the key was compromised",
                &revoked(NOW + 4, Compromised, 3),
            )
            .require("unrevoked"),
        ),
        (
            "revoked-unwitnessed",
            Case::new(
                "compromised, and no witness says when the receipt existed",
                &revoked(NOW + 4, Compromised, 0),
            ),
        ),
        (
            "superseded-later",
            Case::new(
                "rotated after the receipt was issued",
                &revoked(NOW + 4, Superseded, 0),
            ),
        ),
        ("revoked-by-newer-snapshot", presented),
        (
            "revocation-unknown",
            Case::new("no snapshot", &changed(|b| b.snapshot = None)).require("unrevoked"),
        ),
        (
            "revocation-malformed",
            Case::new("a registry leaf that is none", &{
                let mut world = World::new(1);
                world.registry.push(b"junk".to_vec());
                world.bundle()
            }),
        ),
        (
            "revocation-left-out",
            Case::new("a revocation was left out of the snapshot", &{
                let mut bundle = revoked(NOW, Compromised, 3);
                bundle.snapshot.as_mut().unwrap().leaves.pop();
                bundle
            }),
        ),
    ]
}

fn content_cases() -> Vec<(&'static str, Case)> {
    let world = World::new(1);
    let given = |description, bundle: &Bundle, answer: &[u8], request: &[u8]| {
        let mut case = Case::new(description, bundle).require("answer,question");
        (case.answer, case.request) = (Some(answer.to_vec()), Some(request.to_vec()));
        case
    };
    let with_secret = |mut case: Case| {
        case.secret = Some(world.secret.clone());
        case
    };
    let forged = String::from_utf8(ANSWER.to_vec())
        .unwrap()
        .replace("42", "43")
        .into_bytes();
    let asked_otherwise = String::from_utf8(QUESTION.to_vec())
        .unwrap()
        .replace("0.5", "0.9")
        .into_bytes();
    let mut nonce = Case::new("the caller sent another nonce", &world.bundle());
    nonce.nonce = Some(b"another nonce".to_vec());
    vec![
        (
            "given-and-secret",
            with_secret(given(
                "question and answer compared under the secret",
                &world.bundle(),
                ANSWER,
                QUESTION,
            )),
        ),
        (
            "given-and-disclosed",
            given(
                "question and answer compared with what the bundle opens",
                &disclosed(),
                ANSWER,
                QUESTION,
            ),
        ),
        (
            "secret-missing",
            given("nothing to compare with", &world.bundle(), ANSWER, QUESTION),
        ),
        (
            "answer-mismatch",
            with_secret(given(
                "a forged answer beside a genuine receipt",
                &world.bundle(),
                &forged,
                QUESTION,
            )),
        ),
        (
            "question-mismatch",
            with_secret(given(
                "another parameter than was sent",
                &world.bundle(),
                ANSWER,
                &asked_otherwise,
            )),
        ),
        ("nonce-mismatch", nonce),
        (
            "evidence-unknown-type",
            Case::new("evidence of a later version", &evidence(|_| {})).require("attested"),
        ),
        (
            "evidence-other-receipt",
            Case::new(
                "evidence about another receipt",
                &evidence(|e| e.claims = proofmark_receipt::ClaimsDigest([1; 32])),
            ),
        ),
        (
            "evidence-digest-mismatch",
            Case::new(
                "edited evidence",
                &evidence(|e| e.data = Some(b"dato".to_vec())),
            ),
        ),
        (
            "evidence-pending",
            Case::new(
                "promised evidence claims nothing",
                &evidence(|e| e.state = EvidenceState::Pending),
            )
            .require("replayed"),
        ),
        (
            "operator-of-another-kid",
            Case::new("roots with another operator key", &world.bundle())
                .roots(|r| r.operators[0].key = World::new(99).roots().operators[0].key.clone()),
        ),
    ]
}

fn replay_cases() -> Vec<(&'static str, Case)> {
    let case = |description, replayer: &World, change: fn(&mut ReplayVerdict)| {
        Case::new(description, &replayed(replayer, change))
            .roots(|roots| *roots = replay_roots())
            .require("replayed")
    };
    let auditor = replayer();
    let mut unknown = case("by somebody who is not a root", &auditor, |_| {});
    unknown.roots.replayers.clear();
    let mut relayed = Case::new("a replay of a relayed answer", &{
        let mut bundle = World::new(1).bundle();
        let receipt = SignedReceipt::decode(&bundle.receipt).unwrap();
        bundle.evidence = vec![replay_by(&auditor, &verdict_about(&receipt, [0xb1; 32]))];
        bundle
    });
    relayed.roots = replay_roots();
    let mut malformed = Case::new("a replay verdict that is none", &{
        let mut bundle = replayed(&auditor, |_| {});
        bundle.evidence[0].data = Some(b"data".to_vec());
        bundle.evidence[0].digest = Some(Evidence::digest_of(b"data"));
        bundle
    });
    malformed.roots = replay_roots();
    vec![
        (
            "replayed",
            case("re-executed by a rooted replayer", &auditor, |_| {}),
        ),
        ("replay-unknown-replayer", unknown),
        (
            "replay-same-operator",
            case(
                "re-executed by the issuer's operator",
                &World::new(1),
                |_| {},
            )
            .roots(|roots| {
                let mut own = roots.operators[0].clone();
                own.name = "the lab again".into();
                roots.replayers.push(own);
            }),
        ),
        (
            "replay-differs",
            case("the program gives another token", &auditor, |verdict| {
                verdict.executed = ReplayStep::Differs;
                verdict.difference = Some(TokenDifference {
                    choice: 0,
                    position: 3,
                    expected: 17,
                    got: 4,
                });
            }),
        ),
        (
            "replay-partial",
            case("the request was not rendered again", &auditor, |verdict| {
                verdict.rendered = ReplayStep::NotChecked;
            }),
        ),
        (
            "replay-mismatch",
            case("of another program", &auditor, |verdict| {
                verdict.closure = [0; 32];
            }),
        ),
        (
            "replay-signature-invalid",
            case("dated before the replayer's key", &auditor, |verdict| {
                verdict.replayed_at = 1;
            }),
        ),
        ("replay-not-executed", relayed),
        (
            "usage-inflated",
            Case::new(
                "more output tokens billed than ids committed to, and a replayer that confirms them",
                &billed(|usage| usage.output_tokens += 1_000),
            )
            .roots(|roots| *roots = replay_roots())
            .require("replayed"),
        ),
        ("replay-malformed", malformed),
    ]
}

fn audit_cases() -> Vec<(&'static str, Case)> {
    let case = |description, auditor: &World, change: fn(&mut AuditStatement)| {
        Case::new(description, &audited(auditor, change))
            .roots(|roots| *roots = replay_roots())
            .require("audited")
    };
    let auditor = replayer();
    let mut unknown = case("by somebody who is not a root", &auditor, |_| {});
    unknown.roots.replayers.clear();
    let mut malformed = audited(&auditor, |_| {});
    malformed.evidence[0].data = Some(b"data".to_vec());
    malformed.evidence[0].digest = Some(Evidence::digest_of(b"data"));
    let mut nowhere = audited(&auditor, |_| {});
    nowhere.log_proof = None;
    let other = |description, bundle: &Bundle| {
        Case::new(description, bundle)
            .roots(|roots| *roots = replay_roots())
            .require("audited")
    };
    vec![
        (
            "audited",
            case(
                "in a population that a rooted auditor audited",
                &auditor,
                |_| {},
            ),
        ),
        ("audit-unknown-auditor", unknown),
        (
            "audit-same-operator",
            case("audited by the issuer's operator", &World::new(1), |_| {}).roots(|roots| {
                let mut own = roots.operators[0].clone();
                own.name = "the lab again".into();
                roots.replayers.push(own);
            }),
        ),
        (
            "audit-signature-invalid",
            case("dated after the auditor's key", &auditor, |statement| {
                statement.audited_at = u64::MAX;
            }),
        ),
        (
            "audit-other-population",
            case(
                "of entries that the receipt is not among",
                &auditor,
                |statement| {
                    (statement.from, statement.to) = (1_000, 2_000);
                },
            ),
        ),
        (
            "audit-position-unknown",
            other("without a proof of where the receipt stands", &nowhere),
        ),
        (
            "audit-malformed",
            other("an audit statement that is none", &malformed),
        ),
    ]
}

fn cases() -> BTreeMap<&'static str, Case> {
    let all = [
        log_cases(),
        issuer_cases(),
        statement_cases(),
        revocation_cases(),
        content_cases(),
        replay_cases(),
        audit_cases(),
    ];
    let count = all.iter().map(Vec::len).sum::<usize>();
    let cases: BTreeMap<_, _> = all.into_iter().flatten().collect();
    assert_eq!(cases.len(), count, "two cases of one name");
    cases
}

#[test]
fn the_vectors_are_what_this_verifier_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/verify");
    let write = std::env::var_os("PROOFMARK_WRITE_VECTORS").is_some();
    let cases = cases();
    for (name, case) in &cases {
        for (file, bytes) in case.files() {
            let path = folder.join(name).join(file);
            if write {
                fs::create_dir_all(folder.join(name)).unwrap();
                fs::write(&path, &bytes).unwrap();
            }
            let committed =
                fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(
                committed == bytes,
                "{} is not what is made now",
                path.display()
            );
        }
    }
    let folders: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        folders,
        cases.keys().map(ToString::to_string).collect(),
        "folders and cases"
    );
}

/// Codes that only the whole verification decides; those of the formats are in `vectors/receipt/`.
const VERIFICATION_CODES: [&str; 35] = [
    "receipt.issuer.no-statement",
    "receipt.issuer.unknown",
    "receipt.statement.malformed",
    "receipt.statement.digest-mismatch",
    "receipt.statement.signature-invalid",
    "receipt.revocation.malformed",
    "receipt.statement.key-not-listed",
    "receipt.statement.outside-validity",
    "receipt.statement.log-mismatch",
    "receipt.issued-in-future",
    "receipt.signature.invalid",
    "receipt.revoked",
    "receipt.revocation.unknown",
    "receipt.snapshot.root-mismatch",
    "receipt.answer.mismatch",
    "receipt.question.mismatch",
    "receipt.nonce.mismatch",
    "receipt.secret.missing",
    "receipt.evidence.unknown-type",
    "receipt.evidence.other-receipt",
    "receipt.evidence.digest-mismatch",
    "receipt.audit.malformed",
    "receipt.audit.unknown-auditor",
    "receipt.audit.same-operator",
    "receipt.audit.signature-invalid",
    "receipt.audit.position-unknown",
    "receipt.audit.other-population",
    "receipt.countersignature.missing",
    "log.pending",
    "log.unknown",
    "log.absent",
    "log.unwitnessed",
    "log.witness-policy-unsafe",
    "log.promise-broken",
    "log.inclusion.root-mismatch",
];

#[test]
fn every_code_of_the_verifier_has_a_vector() {
    let seen: BTreeSet<&str> = cases()
        .values()
        .flat_map(|case| {
            let report = case.report();
            let rows: Vec<_> = report
                .rows()
                .iter()
                .filter_map(|row| row.state.code())
                .collect();
            rows.into_iter().chain(report.verdict().code())
        })
        .collect();
    for code in VERIFICATION_CODES {
        assert!(seen.contains(code), "no vector for {code}");
    }
}
