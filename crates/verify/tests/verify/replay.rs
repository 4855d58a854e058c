//! Replay verdicts (specs/01-receipt.md §7.2, §7.3): each rule with a receipt that fails without it.

use proofmark_receipt::{
    Bundle, Claims, Evidence, Executed, Execution, Provenance, ReplayEvidence, ReplayStep,
    ReplayVerdict, SeedChooser, SignedKeyStatement, SignedObject, SignedReceipt, SignedReplay,
    TokenDifference, Typ, Usage, commit_tokens,
};
use proofmark_verify::{OperatorRoot, Report, Roots, RowName, State, Verdict, format_operator_key};

use crate::world::{NOW, World, key_statement, report};

/// The operator that re-executes: nobody of the issuer's world.
pub(crate) fn replayer() -> World {
    World::new(50)
}

/// The issuer's roots, and the replayer as such.
pub(crate) fn replay_roots() -> Roots {
    let mut roots = World::new(1).roots();
    roots.replayers = vec![OperatorRoot {
        name: "audit-co".into(),
        key: format_operator_key(&replayer().operator.public()),
    }];
    roots
}

/// Claims of a node that executed the model itself.
pub(crate) fn executed(world: &World) -> Claims {
    let scope = world.salts().scope("executed");
    let mut claims = world.claims();
    claims.execution = Execution::Executed(Executed {
        model: "fable".into(),
        closure: [0xb1; 32],
        engine: [0xb2; 32],
        prompt: scope.commit("prompt", b"a prompt"),
        input_tokens: commit_tokens(&scope, "in", &(1..=12).collect::<Vec<u32>>()),
        parameters: vec![],
        seed: 7,
        seed_chosen_by: SeedChooser::Caller,
        template_clock: None,
    });
    claims.finish = claims
        .finish
        .map(|(_, finish)| (Provenance::Observed, finish));
    let output = world.salts().scope("output/0");
    claims.output[0].tokens = Some(commit_tokens(&output, "out", &[5, 4, 3, 2, 1]));
    claims.usage = claims.usage.map(|(_, usage)| (Provenance::Observed, usage));
    claims.log.kind = 2;
    claims
}

/// A bundle whose receipt bills what `bill` makes of its usage, signed with the node's own key, and confirmed by a rooted replayer.
pub(crate) fn billed(bill: impl FnOnce(&mut Usage)) -> Bundle {
    let world = World::new(1);
    let mut claims = executed(&world);
    let honest = SignedReceipt::sign(claims.clone(), &world.node).unwrap();
    let mut verdict = verdict_about(&honest, [0xb1; 32]);
    let mut bundle = world.bundle_of(claims.clone(), 3);
    bill(&mut claims.usage.as_mut().unwrap().1);
    let signed = SignedObject::sign(Typ::Receipt, claims.encode(), &world.node);
    verdict.claims = claims.digest();
    bundle.receipt = signed.as_bytes().to_vec();
    bundle.evidence = vec![replay_by(&replayer(), &verdict)];
    bundle
}

/// A verdict that confirms `receipt`.
pub(crate) fn verdict_about(receipt: &SignedReceipt, closure: [u8; 32]) -> ReplayVerdict {
    ReplayVerdict {
        receipt: receipt.claims().id,
        claims: receipt.digest(),
        closure,
        engine: [0xb3; 32],
        replayed_at: NOW + 50,
        rendered: ReplayStep::Same,
        tokenized: ReplayStep::Same,
        executed: ReplayStep::Same,
        detokenized: ReplayStep::Same,
        compared: 5,
        difference: None,
    }
}

/// The evidence that `by` makes of `verdict`.
pub(crate) fn replay_by(by: &World, verdict: &ReplayVerdict) -> Evidence {
    ReplayEvidence {
        signed: SignedReplay::sign(verdict, &by.node).unwrap(),
        key_statement: by.statement.as_bytes().to_vec(),
    }
    .attach()
}

/// The issuer's bundle of an executed answer, with the verdict of `by` after `change`.
pub(crate) fn replayed(by: &World, change: impl FnOnce(&mut ReplayVerdict)) -> Bundle {
    let world = World::new(1);
    let mut bundle = world.bundle_of(executed(&world), 3);
    let receipt = SignedReceipt::decode(&bundle.receipt).unwrap();
    let mut verdict = verdict_about(&receipt, [0xb1; 32]);
    change(&mut verdict);
    let mut evidence = replay_by(by, &verdict);
    // The evidence is bound to this receipt even where the verdict inside is about another one.
    (evidence.receipt, evidence.claims) = (receipt.claims().id, receipt.digest());
    bundle.evidence = vec![evidence];
    bundle
}

fn outcome(bundle: &Bundle, roots: &Roots) -> (Report, Option<&'static str>) {
    let report = report(bundle, roots, "replayed");
    let code = report.row(RowName::Reexecuted).unwrap().state.code();
    (report, code)
}

#[test]
fn a_rooted_replayer_confirms() {
    let (report, _) = outcome(&replayed(&replayer(), |_| {}), &replay_roots());
    assert!(
        matches!(report.verdict(), Verdict::Accepted(_)),
        "{report:#?}"
    );
    assert_eq!(
        report.row(RowName::Reexecuted).unwrap().state,
        State::Accepted
    );
    assert_eq!(report.row(RowName::Model).unwrap().state, State::Accepted);
    assert!(
        report
            .still_trust()
            .iter()
            .any(|text| text.contains("the replayer"))
    );
}

#[test]
fn tokens_that_nobody_committed_to_are_not_billed() {
    let verdict = |bundle: &Bundle| {
        let report = report(bundle, &replay_roots(), "signed");
        (report.verdict().exit_code(), report.verdict().code())
    };
    let refused = (10, Some("receipt.claim.inconsistent"));
    assert_eq!(
        verdict(&billed(|usage| usage.output_tokens += 1_000)),
        refused
    );
    assert_eq!(verdict(&billed(|usage| usage.output_tokens -= 1)), refused);
    assert_eq!(verdict(&billed(|usage| usage.input_tokens += 1)), refused);
    // A provider that relays is not held to ids that it never saw, and the report says so.
    let relayed = report(&World::new(1).bundle(), &World::new(1).roots(), "relayed");
    assert!(matches!(relayed.verdict(), Verdict::Accepted(_)));
    let says = |text: &String| text.contains("how many tokens there were");
    assert!(relayed.does_not_show().iter().any(says));
}

#[test]
fn being_an_operator_is_not_being_a_replayer() {
    let mut roots = replay_roots();
    roots.operators.append(&mut roots.replayers);
    let (report, code) = outcome(&replayed(&replayer(), |_| {}), &roots);
    assert_eq!(code, Some("receipt.replay.unknown-replayer"));
    assert_eq!(report.verdict().exit_code(), 12);
}

#[test]
fn the_issuer_does_not_confirm_itself() {
    let own = World::new(1);
    let mut roots = replay_roots();
    roots.replayers.push(OperatorRoot {
        name: "somebody else".into(),
        key: format_operator_key(&own.operator.public()),
    });
    let (report, code) = outcome(&replayed(&own, |_| {}), &roots);
    assert_eq!(code, Some("receipt.replay.same-operator"));
    assert_eq!(report.verdict().exit_code(), 11);
    // Nor under a second key of its own name.
    let mut roots = replay_roots();
    roots.replayers[0].name = "lab".into();
    let (_, code) = outcome(&replayed(&replayer(), |_| {}), &roots);
    assert_eq!(code, Some("receipt.replay.same-operator"));
}

#[test]
fn each_step_that_differs_rejects_and_each_that_is_missing_does_not_confirm() {
    let steps: [fn(&mut ReplayVerdict) -> &mut ReplayStep; 4] = [
        |v| &mut v.rendered,
        |v| &mut v.tokenized,
        |v| &mut v.executed,
        |v| &mut v.detokenized,
    ];
    for step in steps {
        let differs = replayed(&replayer(), |v| *step(v) = ReplayStep::Differs);
        let (report, _) = outcome(&differs, &replay_roots());
        assert_eq!(report.verdict().code(), Some("receipt.replay.differs"));
        assert!(report.grades().is_empty());
        let missing = replayed(&replayer(), |v| *step(v) = ReplayStep::NotChecked);
        let (report, code) = outcome(&missing, &replay_roots());
        assert_eq!(code, Some("receipt.replay.partial"));
        assert_eq!(report.verdict().exit_code(), 12);
    }
}

#[test]
fn one_refutation_outweighs_a_confirmation() {
    let mut bundle = replayed(&replayer(), |_| {});
    let other = replayed(&replayer(), |v| {
        v.executed = ReplayStep::Differs;
        v.difference = Some(TokenDifference {
            choice: 0,
            position: 1,
            expected: 2,
            got: 3,
        });
    });
    bundle.evidence.extend(other.evidence);
    let report = report(&bundle, &replay_roots(), "replayed");
    assert_eq!(report.verdict().code(), Some("receipt.replay.differs"));
}

#[test]
fn a_verdict_about_something_else_says_nothing_here() {
    let changes: [fn(&mut ReplayVerdict); 3] = [
        |v| v.receipt = proofmark_receipt::ReceiptId::from_parts(1, [1; 10]),
        |v| v.claims = proofmark_receipt::ClaimsDigest([1; 32]),
        |v| v.closure = [1; 32],
    ];
    for change in changes {
        let (report, _) = outcome(&replayed(&replayer(), change), &replay_roots());
        assert_eq!(report.verdict().code(), Some("receipt.replay.mismatch"));
    }
}

#[test]
fn the_replayers_key_must_be_endorsed_and_in_time() {
    let at = |replayed_at| replayed(&replayer(), move |v| v.replayed_at = replayed_at);
    for bundle in [at(NOW - 1_001), at(NOW + 401), at(NOW + 1_000_001)] {
        let (report, _) = outcome(&bundle, &replay_roots());
        assert_eq!(
            report.verdict().code(),
            Some("receipt.replay.signature-invalid")
        );
    }
    // Signed by a key that the statement does not list.
    let mut stranger = World::new(70);
    stranger.statement = replayer().statement;
    let (report, _) = outcome(&replayed(&stranger, |_| {}), &replay_roots());
    assert_eq!(
        report.verdict().code(),
        Some("receipt.replay.signature-invalid")
    );
    // A statement that names the replayer's operator key and was signed by another.
    let mut forger = World::new(70);
    let said = key_statement(&forger.node, &forger.receipts_log, &forger.registry_log);
    let signed = SignedKeyStatement::sign(said, &forger.operator).unwrap();
    let mut forged = signed.as_bytes().to_vec();
    let kid = forger.operator.kid();
    let place = forged
        .windows(32)
        .position(|w| w == kid.as_bytes())
        .unwrap();
    forged[place..place + 32].copy_from_slice(replayer().operator.kid().as_bytes());
    forger.statement = SignedKeyStatement::decode(&forged).unwrap();
    let (report, _) = outcome(&replayed(&forger, |_| {}), &replay_roots());
    assert_eq!(report.verdict().exit_code(), 10);
}

#[test]
fn a_stranger_reaches_no_grade_by_a_replay() {
    let roots = Roots {
        replayers: replay_roots().replayers,
        ..Roots::default()
    };
    let (report, _) = outcome(&replayed(&replayer(), |_| {}), &roots);
    assert_eq!(report.verdict().code(), Some("receipt.issuer.unknown"));
    assert!(report.grades().is_empty());
}
