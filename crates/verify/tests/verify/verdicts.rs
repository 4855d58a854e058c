//! The verdicts of specs/01-receipt.md §11, and one test for every code that the verifier decides.

use crate::world::{ANSWER, NOW, QUESTION, World, key_statement, report};
use proofmark_receipt::{
    Bundle, Countersignature, Evidence, EvidenceState, KeyId, RegistryLeaf, Revocation,
    RevocationReason, SignedKeyStatement, SignedReceipt, SignedRevocation, StatementDigest,
    StreamChain, Suite,
};
use proofmark_verify::{Presented, Report, Requirement, Roots, RowName, State, Verdict, verify};

fn code(report: &Report) -> (u8, Option<&'static str>) {
    (report.verdict().exit_code(), report.verdict().code())
}

fn row_code(report: &Report, name: RowName) -> Option<&'static str> {
    report.row(name).unwrap().state.code()
}

fn with_roots(change: impl FnOnce(&mut Roots)) -> Roots {
    let mut roots = World::new(1).roots();
    change(&mut roots);
    roots
}

#[test]
fn a_complete_bundle_is_accepted_by_someone_who_added_the_roots() {
    let world = World::new(1);
    let report = report(
        &world.bundle(),
        &world.roots(),
        "relayed,logged,witnessed,unrevoked",
    );
    let Verdict::Accepted(accepted) = report.verdict() else {
        panic!("{report:#?}")
    };
    assert_eq!(accepted.receipt(), world.id());
    assert_eq!(accepted.operator(), "lab");
    assert_eq!(report.node(), Some("lab-1"));
    for row in [
        RowName::Issuer,
        RowName::Revocation,
        RowName::Log,
        RowName::Time,
    ] {
        assert_eq!(report.row(row).unwrap().state, State::Accepted, "{row:?}");
    }
    // The second smallest of three times: one witness may be dishonest.
    assert!(
        report
            .row(RowName::Time)
            .unwrap()
            .text
            .contains(&proofmark_verify::format_utc(NOW + 3))
    );
}

#[test]
fn a_stranger_could_not_check() {
    let world = World::new(1);
    let report = report(&world.bundle(), &Roots::default(), "");
    assert_eq!(code(&report), (12, Some("receipt.issuer.unknown")));
    assert!(report.grades().is_empty());
}

#[test]
fn a_relayed_answer_never_claims_a_model() {
    let world = World::new(1);
    let report = report(&world.bundle(), &world.roots(), "");
    assert_eq!(report.row(RowName::Model).unwrap().state, State::NotClaimed);
    assert!(
        report
            .does_not_show()
            .iter()
            .any(|text| text.contains("which model ran"))
    );
    for required in ["signed", "attested", "replayed", "proven"] {
        let report = crate::world::report(&world.bundle(), &world.roots(), required);
        assert_eq!(report.verdict().exit_code(), 11, "{required}");
    }
}

#[test]
fn a_bundle_resigned_with_fresh_keys_is_never_accepted() {
    let (world, forger) = (World::new(1), World::new(99));
    let forged = report(&forger.bundle(), &world.roots(), "");
    assert_eq!(code(&forged), (12, Some("receipt.issuer.unknown")));

    // With the genuine statement: the forger's key is not in it.
    let mut stolen = forger.bundle_of(
        {
            let mut claims = forger.claims();
            claims.issuer.statement = world.statement.digest();
            claims
        },
        3,
    );
    stolen.key_statement = Some(world.statement.as_bytes().to_vec());
    assert_eq!(
        code(&report(&stolen, &world.roots(), "")),
        (10, Some("receipt.statement.key-not-listed"))
    );

    // With its own statement that names the genuine operator key: not signed by it.
    let said = key_statement(&forger.node, &forger.receipts_log, &forger.registry_log);
    let genuine = SignedKeyStatement::sign(said.clone(), &world.operator).unwrap();
    let own = SignedKeyStatement::sign(said, &forger.operator).unwrap();
    let at =
        |bytes: &[u8], kid: KeyId| bytes.windows(32).position(|w| w == kid.as_bytes()).unwrap();
    let mut spliced = own.as_bytes().to_vec();
    let kid_at = at(&spliced, forger.operator.kid());
    spliced[kid_at..kid_at + 32].copy_from_slice(world.operator.kid().as_bytes());
    assert_ne!(spliced, genuine.as_bytes());
    let statement = SignedKeyStatement::decode(&spliced).unwrap();
    let mut claims = forger.claims();
    claims.issuer.statement = statement.digest();
    let mut bundle = forger.bundle_of(claims, 3);
    bundle.key_statement = Some(spliced);
    assert_eq!(
        code(&report(&bundle, &world.roots(), "")),
        (10, Some("receipt.statement.signature-invalid"))
    );
}

#[test]
fn statement_checks_each_have_their_code() {
    let world = World::new(1);
    let rejected = |bundle: &Bundle| code(&report(bundle, &world.roots(), "")).1;

    let mut bundle = world.bundle();
    bundle.key_statement = None;
    assert_eq!(
        code(&report(&bundle, &world.roots(), "")),
        (12, Some("receipt.issuer.no-statement"))
    );

    let other = SignedKeyStatement::sign(
        proofmark_receipt::KeyStatement {
            node: "other".into(),
            ..world.statement.unverified().clone()
        },
        &world.operator,
    );
    bundle.key_statement = Some(other.unwrap().as_bytes().to_vec());
    assert_eq!(rejected(&bundle), Some("receipt.statement.digest-mismatch"));

    let junk = b"junk".to_vec();
    let mut bundle =
        world.with_claims(|claims| claims.issuer.statement = StatementDigest::of(&junk));
    bundle.key_statement = Some(junk);
    assert_eq!(rejected(&bundle), Some("receipt.statement.malformed"));

    let mut bundle = world.bundle();
    bundle.registry_proof = bundle.log_proof.clone();
    assert_eq!(
        report(&bundle, &world.roots(), "").verdict().exit_code(),
        10
    );

    for issued_at in [NOW - 1_001, NOW + 1_000_001] {
        let bundle = world.with_claims(|claims| claims.issued_at = issued_at);
        assert_eq!(
            rejected(&bundle),
            Some("receipt.statement.outside-validity")
        );
    }
    let future = world.with_claims(|claims| claims.issued_at = NOW + 100 + 301);
    assert_eq!(rejected(&future), Some("receipt.issued-in-future"));
    let tolerated = world.with_claims(|claims| claims.issued_at = NOW + 100 + 300);
    assert_eq!(rejected(&tolerated), None);

    let elsewhere =
        world.with_claims(|claims| claims.log.origin = "elsewhere.example/receipts".into());
    assert_eq!(rejected(&elsewhere), Some("receipt.statement.log-mismatch"));
}

#[test]
fn the_log_row_has_all_its_states() {
    let world = World::new(1);
    let row = |bundle: &Bundle, roots: &Roots| row_code(&report(bundle, roots, ""), RowName::Log);

    let mut bundle = world.bundle();
    bundle.log_proof = None;
    assert_eq!(row(&bundle, &world.roots()), Some("log.promise-broken"));
    let early = verify(
        &bundle.encode(),
        &Presented::default(),
        &Requirement::default(),
        &world.roots(),
        NOW + 10,
    );
    assert_eq!(row_code(&early, RowName::Log), Some("log.pending"));
    bundle.promise = None;
    assert_eq!(row(&bundle, &world.roots()), Some("log.absent"));
    assert_eq!(code(&report(&bundle, &world.roots(), "logged")), (11, None));

    let unrooted = with_roots(|roots| roots.logs.clear());
    assert_eq!(row(&world.bundle(), &unrooted), Some("log.unknown"));
    assert_eq!(
        code(&report(&world.bundle(), &unrooted, "logged")),
        (12, Some("log.unknown"))
    );

    let two = world.bundle_of(world.claims(), 2);
    assert_eq!(row(&two, &world.roots()), Some("log.unwitnessed"));
    assert_eq!(code(&report(&two, &world.roots(), "witnessed")), (11, None));
    assert_eq!(
        report(&two, &world.roots(), "logged").verdict().exit_code(),
        0
    );

    // 2k <= n + f: two views could both have a quorum.
    let unsafe_policy = with_roots(|roots| roots.witness_groups[0].tolerated_faulty = 2);
    assert_eq!(
        row(&world.bundle(), &unsafe_policy),
        Some("log.witness-policy-unsafe")
    );
    assert_eq!(
        code(&report(&world.bundle(), &unsafe_policy, "witnessed")),
        (12, Some("log.witness-policy-unsafe"))
    );
}

#[test]
fn witnesses_of_the_logs_operator_do_not_count() {
    let world = World::new(1);
    let own = with_roots(|roots| roots.witness_groups[0].members[0].operator = "lab".into());
    assert_eq!(
        row_code(&report(&world.bundle(), &own, ""), RowName::Log),
        Some("log.unwitnessed")
    );
    let same = with_roots(|roots| {
        let name = roots.witness_groups[0].members[0].operator.clone();
        roots.witness_groups[0].members[1].operator = name;
    });
    assert_eq!(
        row_code(&report(&world.bundle(), &same, ""), RowName::Log),
        Some("log.unwitnessed")
    );
}

#[test]
fn a_receipt_with_another_receipts_proof_is_rejected() {
    let world = World::new(1);
    let mut bundle = world.with_claims(|claims| claims.issued_at += 1);
    bundle.log_proof = world.bundle().log_proof;
    bundle.promise = None;
    assert_eq!(
        code(&report(&bundle, &world.roots(), "")),
        (10, Some("log.inclusion.root-mismatch"))
    );
    bundle.log_proof = None;
    bundle.promise = world.bundle().promise;
    assert_eq!(
        report(&bundle, &world.roots(), "").verdict().exit_code(),
        10
    );
}

fn revoke(world: &mut World, kid: KeyId, since: u64, reason: RevocationReason) {
    let revocation =
        SignedRevocation::sign(Revocation { kid, since, reason }, &world.operator).unwrap();
    world
        .registry
        .push(RegistryLeaf::revocation(&revocation).encode());
}

#[test]
fn revocation_follows_the_witnessed_time_and_the_reason() {
    use RevocationReason::{Ceased, Compromised, Superseded, Unspecified};
    // The witnessed time is NOW + 3, issued-at is NOW.
    for (since, reason, witnesses, revoked) in [
        (NOW + 3, Compromised, 3, true),
        (NOW + 4, Compromised, 3, false),
        (NOW + 4, Compromised, 0, true),
        (NOW + 4, Unspecified, 0, true),
        (NOW + 4, Superseded, 0, false),
        (NOW, Superseded, 0, true),
        (NOW + 1, Ceased, 0, false),
        (NOW, Ceased, 3, true),
    ] {
        let mut world = World::new(1);
        let kid = world.node.kid();
        revoke(&mut world, kid, since, reason);
        let report = report(
            &world.bundle_of(world.claims(), witnesses),
            &world.roots(),
            "",
        );
        let expected = revoked.then_some("receipt.revoked");
        assert_eq!(
            report.verdict().code(),
            expected,
            "{since} {reason:?} {witnesses}"
        );
    }
    let mut world = World::new(1);
    let kid = world.operator.kid();
    revoke(&mut world, kid, NOW, Compromised);
    assert_eq!(
        code(&report(&world.bundle(), &world.roots(), "")),
        (10, Some("receipt.revoked"))
    );
    let mut world = World::new(1);
    revoke(&mut world, KeyId([5; 32]), NOW, Compromised);
    assert_eq!(
        report(&world.bundle(), &world.roots(), "unrevoked")
            .verdict()
            .exit_code(),
        0
    );
}

#[test]
fn a_revocation_by_somebody_else_is_no_revocation() {
    let mut world = World::new(1);
    let revocation = Revocation {
        kid: world.node.kid(),
        since: 0,
        reason: RevocationReason::Compromised,
    };
    let forged = SignedRevocation::sign(revocation, &World::new(99).operator).unwrap();
    world
        .registry
        .push(RegistryLeaf::revocation(&forged).encode());
    assert_eq!(
        report(&world.bundle(), &world.roots(), "unrevoked")
            .verdict()
            .exit_code(),
        0
    );
}

#[test]
fn snapshots_are_checked_against_their_checkpoint() {
    let mut world = World::new(1);
    let kid = world.node.kid();
    revoke(&mut world, kid, NOW, RevocationReason::Compromised);
    let mut bundle = world.bundle();
    bundle.snapshot.as_mut().unwrap().leaves.pop();
    assert_eq!(
        code(&report(&bundle, &world.roots(), "")),
        (10, Some("receipt.snapshot.root-mismatch"))
    );

    let mut bundle = World::new(1).bundle();
    bundle.snapshot = None;
    assert_eq!(
        row_code(&report(&bundle, &world.roots(), ""), RowName::Revocation),
        Some("receipt.revocation.unknown")
    );
    assert_eq!(
        code(&report(&bundle, &world.roots(), "unrevoked")),
        (12, Some("receipt.revocation.unknown"))
    );
    // A newer snapshot than the bundle's is presented: it counts.
    let presented = Presented {
        snapshot: Some(world.snapshot(3)),
        ..Presented::default()
    };
    let old = World::new(1).bundle();
    let newer = verify(
        &old.encode(),
        &presented,
        &Requirement::default(),
        &world.roots(),
        NOW + 100,
    );
    assert_eq!(code(&newer), (10, Some("receipt.revoked")));

    let mut junk = World::new(1);
    junk.registry.push(b"junk".to_vec());
    assert_eq!(
        code(&report(&junk.bundle(), &junk.roots(), "")),
        (10, Some("receipt.revocation.malformed"))
    );

    let unwitnessed = World::new(1).snapshot(2);
    let mut bundle = World::new(1).bundle();
    bundle.snapshot = Some(unwitnessed);
    assert_eq!(
        row_code(&report(&bundle, &world.roots(), ""), RowName::Revocation),
        Some("log.unwitnessed")
    );
}

#[test]
fn question_and_answer_are_compared_with_what_was_signed() {
    let world = World::new(1);
    let check = |bundle: &Bundle, presented: &Presented<'_>| {
        code(&verify(
            &bundle.encode(),
            presented,
            &"answer,question".parse().unwrap(),
            &world.roots(),
            NOW + 100,
        ))
    };
    let secret = Some(world.secret.clone());
    let plain = world.bundle();
    let mut disclosed = world.bundle();
    disclosed.disclosures = world.disclosures();
    let edited_answer = ANSWER
        .to_vec()
        .iter()
        .map(|b| if *b == b'4' { b'5' } else { *b })
        .collect::<Vec<_>>();
    let edited_question = [QUESTION, b" "].concat();

    let both = Presented {
        answer: Some(ANSWER),
        request: Some(QUESTION),
        ..Presented::default()
    };
    assert_eq!(check(&plain, &Presented::default()), (11, None));
    assert_eq!(check(&plain, &both), (12, Some("receipt.secret.missing")));
    assert_eq!(
        check(
            &plain,
            &Presented {
                secret: secret.clone(),
                ..both.clone()
            }
        ),
        (0, None)
    );
    assert_eq!(check(&disclosed, &Presented::default()), (0, None));
    assert_eq!(check(&disclosed, &both), (0, None));
    for secret in [None, secret] {
        let wrong = Presented {
            answer: Some(&edited_answer),
            secret: secret.clone(),
            ..Presented::default()
        };
        assert_eq!(
            check(&disclosed, &wrong),
            (10, Some("receipt.answer.mismatch"))
        );
        let wrong = Presented {
            request: Some(&edited_question),
            secret,
            ..Presented::default()
        };
        assert_eq!(
            check(&disclosed, &wrong),
            (10, Some("receipt.question.mismatch"))
        );
    }
    let nonce = Presented {
        nonce: Some(b"another nonce"),
        ..Presented::default()
    };
    assert_eq!(
        check(&disclosed, &nonce),
        (10, Some("receipt.nonce.mismatch"))
    );
    let nonce = Presented {
        nonce: Some(b"a nonce of the caller"),
        ..Presented::default()
    };
    assert_eq!(check(&disclosed, &nonce), (0, None));
}

#[test]
fn what_an_answer_says_beside_its_text_is_compared_too() {
    let world = World::new(1);
    let mut disclosed = world.bundle();
    disclosed.disclosures = world.disclosures();
    let edits: [(&str, &str, &str); 6] = [
        ("gpt-x-2026", "gpt-y-2026", "the model of"),
        (
            "\"finish_reason\":\"stop\"",
            "\"finish_reason\":\"length\"",
            "the finish reason of",
        ),
        (",\"finish_reason\":\"stop\"", "", "the finish reason of"),
        (
            "\"completion_tokens\":5",
            "\"completion_tokens\":50",
            "the token count of",
        ),
        (
            "\"object\"",
            "\"system_fingerprint\":\"fp\",\"object\"",
            "the fingerprint of",
        ),
        (
            "\"object\"",
            "\"service_tier\":\"best\",\"object\"",
            "the service tier of",
        ),
    ];
    let genuine = std::str::from_utf8(ANSWER).unwrap();
    for (from, to, why) in edits {
        let edited = genuine.replace(from, to);
        assert_ne!(edited, genuine);
        for secret in [None, Some(world.secret.clone())] {
            let presented = Presented {
                answer: Some(edited.as_bytes()),
                secret,
                ..Presented::default()
            };
            let report = verify(
                &disclosed.encode(),
                &presented,
                &"answer".parse().unwrap(),
                &world.roots(),
                NOW + 100,
            );
            assert_eq!(
                code(&report),
                (10, Some("receipt.answer.mismatch")),
                "{edited}"
            );
            let rejected = report.verdict();
            assert!(
                matches!(&rejected, Verdict::Rejected { why: got, .. } if got.starts_with(why)),
                "{rejected:?}"
            );
        }
    }
}

#[test]
fn with_the_secret_a_stream_is_its_very_events() {
    let world = World::new(1);
    let events = [
        "{\"created\":1,\"model\":\"gpt-x-2026\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"It \"}}]}",
        "{\"created\":1,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"is 42.\"},\"finish_reason\":\"stop\"}]}",
    ];
    let mut chain = StreamChain::new(&world.id(), world.salts().scope("stream"));
    events.iter().for_each(|event| chain.push(event.as_bytes()));
    let bundle = world.with_claims(|claims| {
        claims.operation.stream = true;
        claims.stream = Some(chain.claim());
    });
    let check = |stream: &str, secret: bool| {
        let presented = Presented {
            answer: Some(stream.as_bytes()),
            secret: secret.then(|| world.secret.clone()),
            ..Presented::default()
        };
        let mut bundle = bundle.clone();
        bundle.disclosures = world.disclosures();
        code(&verify(
            &bundle.encode(),
            &presented,
            &"answer".parse().unwrap(),
            &world.roots(),
            NOW + 100,
        ))
    };
    let genuine = format!(
        "data: {}\n\ndata: {}\n\ndata: [DONE]\n\n",
        events[0], events[1]
    );
    let rejected = (10, Some("receipt.answer.mismatch"));
    assert_eq!(check(&genuine, true), (0, None));
    assert_eq!(check(&genuine, false), (0, None));
    let other_time = genuine.replace("\"created\":1", "\"created\":2");
    assert_eq!(check(&other_time, true), rejected);
    let behind = format!("{genuine}data: {{\"choices\":[]}}\n\n");
    assert_eq!(check(&behind, true), rejected);
    let other_model = genuine.replace("gpt-x", "gpt-y");
    assert_eq!(check(&other_model, false), rejected);
    let other_end = genuine.replace("\"stop\"", "\"length\"");
    assert_eq!(check(&other_end, false), rejected);
}

#[test]
fn the_same_answer_as_a_stream_is_the_same_answer() {
    let world = World::new(1);
    let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"It \"}}]}\n\n\
                  data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"is 42.\"},\"finish_reason\":\"stop\"}]}\n\n\
                  data: [DONE]\n\n";
    let presented = Presented {
        answer: Some(stream.as_bytes()),
        secret: Some(world.secret.clone()),
        ..Presented::default()
    };
    let report = verify(
        &world.bundle().encode(),
        &presented,
        &"answer".parse().unwrap(),
        &world.roots(),
        NOW + 100,
    );
    assert_eq!(code(&report), (0, None), "{report:#?}");
}

#[test]
fn fields_that_are_not_those_of_the_body_are_rejected() {
    let world = World::new(1);
    let mut bundle =
        world.with_claims(|claims| claims.received.fields_root = proofmark_receipt::Root([3; 32]));
    bundle.disclosures = world.disclosures();
    assert_eq!(
        code(&report(&bundle, &world.roots(), "")),
        (10, Some("receipt.disclosure.mismatch"))
    );
}

#[test]
fn evidence_must_be_about_this_receipt() {
    let world = World::new(1);
    let receipt = SignedReceipt::decode(&world.bundle().receipt).unwrap();
    let evidence = Evidence {
        kind: "later".into(),
        receipt: world.id(),
        claims: receipt.digest(),
        state: EvidenceState::Attached,
        by: None,
        deadline: None,
        digest: Some(Evidence::digest_of(b"data")),
        data: Some(b"data".to_vec()),
        location: None,
    };
    let check = |change: &dyn Fn(&mut Evidence), required: &str| {
        let mut bundle = world.bundle();
        bundle.evidence = vec![evidence.clone()];
        change(&mut bundle.evidence[0]);
        let report = report(&bundle, &world.roots(), required);
        (code(&report), row_code(&report, RowName::Evidence))
    };
    assert_eq!(
        check(&|_| {}, ""),
        ((0, None), Some("receipt.evidence.unknown-type"))
    );
    assert_eq!(
        check(&|_| {}, "attested").0,
        (12, Some("receipt.evidence.unknown-type"))
    );
    let other = |e: &mut Evidence| e.receipt = proofmark_receipt::ReceiptId::from_parts(1, [1; 10]);
    assert_eq!(
        check(&other, "").0,
        (10, Some("receipt.evidence.other-receipt"))
    );
    let other = |e: &mut Evidence| e.claims = proofmark_receipt::ClaimsDigest([1; 32]);
    assert_eq!(
        check(&other, "").0,
        (10, Some("receipt.evidence.other-receipt"))
    );
    let edited = |e: &mut Evidence| e.data = Some(b"dato".to_vec());
    assert_eq!(
        check(&edited, "").0,
        (10, Some("receipt.evidence.digest-mismatch"))
    );
    let pending = |e: &mut Evidence| e.state = EvidenceState::Pending;
    assert_eq!(check(&pending, "replayed").0, (11, None));
}

#[test]
fn mandatory_suites_cannot_be_stripped() {
    let world = World::with_statement(1, |said| said.mandatory_suites = vec![Suite::MlDsa65]);
    let mut bundle = world.bundle();
    assert_eq!(
        code(&report(&bundle, &world.roots(), "")),
        (10, Some("receipt.countersignature.missing"))
    );
    bundle.countersignatures = vec![Countersignature {
        suite: Suite::MlDsa65,
        kid: KeyId([0; 32]),
        signature: vec![0; 3309],
        index: 0,
        size: 1,
        path: vec![],
    }];
    let report = report(&bundle, &world.roots(), "");
    assert_eq!(
        code(&report),
        (12, Some("receipt.countersignature.unsupported-suite"))
    );
}

#[test]
fn unknown_critical_claims_are_never_passed_over() {
    let world = World::new(1);
    let critical = world.with_claims(|claims| claims.unknown = vec![(30, vec![0x82, 0x00, 0x01])]);
    assert_eq!(
        code(&report(&critical, &world.roots(), "")),
        (12, Some("receipt.claim.unknown-critical"))
    );
    let harmless = world.with_claims(|claims| claims.unknown = vec![(50, vec![0x82, 0x00, 0x01])]);
    assert_eq!(code(&report(&harmless, &world.roots(), "")), (0, None));
}

#[test]
fn a_bundle_is_small() {
    let bundle = World::new(1).bundle().encode();
    assert!(bundle.len() <= 16 * 1024, "{} bytes", bundle.len());
}
