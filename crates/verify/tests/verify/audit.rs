//! Audit statements (specs/01-receipt.md §7.4): each rule with a bundle that fails without it.

use proofmark_receipt::{
    AuditEvidence, AuditStatement, Bundle, Evidence, SignedAudit, SignedReceipt,
};
use proofmark_verify::{OperatorRoot, Report, Roots, RowName, State, format_operator_key};

use crate::replay::{executed, replay_roots, replayer};
use crate::world::{NOW, World, report};

/// What the auditor states of the log that the receipt is in: entries 0 to 1,000.
fn stated() -> AuditStatement {
    AuditStatement {
        log: World::new(1).statement.unverified().receipts_log.clone(),
        size: 2_000,
        root: [1; 32],
        sealed_at: NOW,
        from: 0,
        to: 1_000,
        beacon: (1, 7, [2; 32]),
        coin: 500_000_000_000,
        auditable: 900,
        without_permission: 60,
        relayed: 40,
        selected: 450,
        audited: 449,
        findings: 1,
        power: 1_000_000_000_000,
        power_alpha: 0,
        audited_at: NOW + 50,
        verdicts: [3; 32],
    }
}

/// The issuer's bundle of an executed answer, with the statement of `by` after `change`.
pub(crate) fn audited(by: &World, change: impl FnOnce(&mut AuditStatement)) -> Bundle {
    let world = World::new(1);
    let mut bundle = world.bundle_of(executed(&world), 3);
    let receipt = SignedReceipt::decode(&bundle.receipt).unwrap();
    let mut statement = stated();
    change(&mut statement);
    let evidence = AuditEvidence {
        signed: SignedAudit::sign(&statement, &by.node).unwrap(),
        key_statement: by.statement.as_bytes().to_vec(),
    };
    bundle.evidence = vec![evidence.attach(receipt.claims().id, receipt.digest())];
    bundle
}

fn outcome(bundle: &Bundle, roots: &Roots) -> (Report, Option<&'static str>) {
    let report = report(bundle, roots, "audited");
    let code = report.row(RowName::Audited).unwrap().state.code();
    (report, code)
}

#[test]
fn a_rooted_auditor_speaks_of_the_population() {
    let (report, _) = outcome(&audited(&replayer(), |_| {}), &replay_roots());
    let row = report.row(RowName::Audited).unwrap();
    assert_eq!(
        (report.verdict().exit_code(), &row.state),
        (0, &State::Accepted)
    );
    assert!(
        row.text.contains("900") && row.text.contains("449") && row.text.contains("1 findings"),
        "{}",
        row.text
    );
    let established = report.established();
    assert_eq!(established.audits[0].auditor, "audit-co");
    assert_eq!(established.audits[0].statement, stated());
    // It says nothing of this answer, and the report says so.
    assert!(
        report
            .does_not_show()
            .iter()
            .any(|text| text.contains("this one answer"))
    );
    assert_eq!(
        crate::world::report(&audited(&replayer(), |_| {}), &replay_roots(), "replayed")
            .verdict()
            .exit_code(),
        11
    );
}

#[test]
fn nobody_else_is_believed() {
    let mut roots = replay_roots();
    roots.replayers.clear();
    let (report, code) = outcome(&audited(&replayer(), |_| {}), &roots);
    assert_eq!(
        (code, report.verdict().exit_code()),
        (Some("receipt.audit.unknown-auditor"), 12)
    );
    let own = World::new(1);
    let mut roots = replay_roots();
    roots.replayers.push(OperatorRoot {
        name: "somebody else".into(),
        key: format_operator_key(&own.operator.public()),
    });
    let (report, code) = outcome(&audited(&own, |_| {}), &roots);
    assert_eq!(
        (code, report.verdict().exit_code()),
        (Some("receipt.audit.same-operator"), 11)
    );
    let mut roots = replay_roots();
    roots.replayers[0].name = "lab".into();
    assert_eq!(
        outcome(&audited(&replayer(), |_| {}), &roots).1,
        Some("receipt.audit.same-operator")
    );
}

#[test]
fn a_statement_fits_its_own_population_only() {
    let changes: [fn(&mut AuditStatement); 3] = [
        |s| s.log.push('x'),
        |s| (s.from, s.to) = (1_000, 2_000),
        |s| {
            (
                s.to,
                s.auditable,
                s.without_permission,
                s.relayed,
                s.selected,
                s.audited,
                s.findings,
            ) = (0, 0, 0, 0, 0, 0, 0);
        },
    ];
    for change in changes {
        let (report, code) = outcome(&audited(&replayer(), change), &replay_roots());
        assert_eq!(
            (code, report.verdict().exit_code()),
            (Some("receipt.audit.other-population"), 10)
        );
        assert!(report.established().audits.is_empty());
    }
    let mut bundle = audited(&replayer(), |_| {});
    bundle.log_proof = None;
    let (report, code) = outcome(&bundle, &replay_roots());
    assert_eq!(
        (code, report.verdict().exit_code()),
        (Some("receipt.audit.position-unknown"), 12)
    );
}

#[test]
fn statements_are_signed_by_an_endorsed_key_in_its_time() {
    for audited_at in [NOW + 1_000_000, u64::MAX] {
        let (_, code) = outcome(
            &audited(&replayer(), |s| s.audited_at = audited_at),
            &replay_roots(),
        );
        assert_eq!(
            code,
            Some("receipt.audit.signature-invalid"),
            "{audited_at}"
        );
    }
    // The signature of another node under the auditor's statement.
    let (auditor, other) = (replayer(), World::new(60));
    let mut forged = World::new(50);
    forged.node = other.node;
    forged.statement = auditor.statement;
    let (report, code) = outcome(&audited(&forged, |_| {}), &replay_roots());
    assert_eq!(
        (code, report.verdict().exit_code()),
        (Some("receipt.audit.signature-invalid"), 10)
    );
}

#[test]
fn damaged_statements_are_refused() {
    let mut bundle = audited(&replayer(), |_| {});
    let data = b"junk".to_vec();
    bundle.evidence[0].digest = Some(Evidence::digest_of(&data));
    bundle.evidence[0].data = Some(data);
    let (report, code) = outcome(&bundle, &replay_roots());
    assert_eq!(
        (code, report.verdict().exit_code()),
        (Some("receipt.audit.malformed"), 10)
    );
}
