//! Fraud proofs as evidence (specs/08-referee.md §4.4): one that shows fraud vetoes, any other takes nothing away.

use proofmark_program::arbitrary;
use proofmark_program::{
    FileDigest, Interface, Manifest, ModelFile, PROGRAM_PATH, Source, WEIGHTS_PATH, closure_digest,
    program_digest, weights_root,
};
use proofmark_receipt::{
    Bundle, Evidence, Execution, Parameter, ParameterValue, SignedReceipt, SigningKey,
    commit_tokens,
};
use proofmark_referee::{
    FraudProof, SignedTrace, StepMaker, SubjectOpening, Trace, trace_statement, weights_tree,
};
use proofmark_verify::{RowName, State, Verdict};

use crate::replay::executed;
use crate::world::{World, report};

/// A bundle whose answer is one wrong id, and the proof of it; `right` makes the id the right one instead. The trace is signed by `by`.
fn disputed(right: bool, by: Option<&SigningKey>) -> (Bundle, FraudProof) {
    let world = World::new(1);
    let vocabulary = |case: &arbitrary::Case| match case.program.interface {
        Interface::Decoder { vocabulary, .. } => vocabulary,
        Interface::Tensor { .. } => 0,
    };
    let mut cases = (0..).map(arbitrary::decoder);
    let case = cases.find(|case| vocabulary(case) > 2).unwrap();
    let program = case.program.encode().unwrap();
    let file = |path: &str, bytes: &[u8]| ModelFile {
        path: path.into(),
        size: bytes.len() as u64,
        digest: FileDigest([0; 32]),
    };
    let manifest = Manifest {
        name: "arbitrary".into(),
        program: program_digest(&program),
        weights: weights_root(&case.weights),
        files: vec![
            file(PROGRAM_PATH, &program),
            file(WEIGHTS_PATH, &case.weights),
        ],
        source: Source {
            format: "test".into(),
            digest: FileDigest([0; 32]),
            text: String::new(),
        },
        recipe: vec![],
        loss: None,
        golden: None,
    };
    let manifest = manifest.encode().unwrap();
    let salts = world.salts();
    let (inner, output) = (salts.scope("executed"), salts.scope("output/0"));
    let parameter = |name: &str, value: &str| Parameter {
        name: name.into(),
        value: ParameterValue::Clear(value.into()),
    };
    let receipt_of = |id: u32| {
        let mut claims = executed(&world);
        if let Execution::Executed(executed) = &mut claims.execution {
            executed.closure = *closure_digest(&manifest).as_bytes();
            executed.input_tokens = commit_tokens(&inner, "in", &[0]);
            executed.parameters = vec![
                parameter("frequency_penalty", "0"),
                parameter("min_p", "0"),
                parameter("presence_penalty", "0"),
                parameter("repetition_penalty", "1000000"),
                parameter("temperature", "0"),
                parameter("top_k", "0"),
                parameter("top_p", "1000000"),
            ];
        }
        claims.output[0].tokens = Some(commit_tokens(&output, "out", &[id]));
        claims.usage = None;
        let scopes = [&inner, &output];
        let parts = [manifest.as_slice(), &program];
        let subject = SubjectOpening::new(0, scopes, [&[0], &[id]], None, parts);
        (world.bundle_of(claims, 3), subject)
    };
    let checked = case.checked();
    let trace_of = |subject: &SubjectOpening, bundle: &Bundle| {
        let receipt = SignedReceipt::decode(&bundle.receipt).unwrap();
        let opened = subject.open(receipt.claims()).unwrap();
        let trace = Trace::of(&checked, &opened.subject).unwrap();
        (receipt, opened, trace)
    };
    let (bundle, subject) = receipt_of(0);
    let (_, _, trace) = trace_of(&subject, &bundle);
    let next = trace.layout().next_row(0).unwrap();
    let sampled = trace.rows().get(next, 0..1).unwrap()[0];
    let sampled = u32::try_from(sampled).unwrap();
    let id = if right {
        sampled
    } else {
        (sampled + 1) % vocabulary(&case)
    };
    let (bundle, subject) = receipt_of(id);
    let (receipt, opened, trace) = trace_of(&subject, &bundle);
    let maker = StepMaker {
        trace: &trace,
        program: &opened.program,
        subject: &opened.subject,
        weights: checked.weights(),
        weights_tree: &weights_tree(&case.weights),
    };
    let tile = trace.tile(&opened.program, next, 0).unwrap();
    let row = trace.row_tree(&opened.program, next).unwrap();
    let step = maker.open((next, 0), &tile, trace.tree(), &row).unwrap();
    let statement = trace_statement(&receipt, &opened, 0, &trace);
    let signed = SignedTrace::sign(&statement, by.unwrap_or(&world.node));
    let proof = FraudProof {
        subject,
        step: Some((signed, step)),
    };
    (bundle, proof)
}

fn attached(mut bundle: Bundle, data: Vec<u8>) -> Bundle {
    let receipt = SignedReceipt::decode(&bundle.receipt).unwrap();
    let (_, proof) = disputed(false, None);
    let mut evidence = proof.attach(&receipt);
    evidence.digest = Some(Evidence::digest_of(&data));
    evidence.data = Some(data);
    bundle.evidence.push(evidence);
    bundle
}

#[test]
fn a_fraud_proof_vetoes() {
    let (bundle, proof) = disputed(false, None);
    let roots = World::new(1).roots();
    let before = report(&bundle, &roots, "signed");
    assert!(
        matches!(before.verdict(), Verdict::Accepted(_)),
        "{before:#?}"
    );
    let after = report(&attached(bundle, proof.encode()), &roots, "signed");
    assert_eq!(after.verdict().code(), Some("receipt.fraud"));
    assert_eq!(after.verdict().exit_code(), 10);
    assert!(after.grades().is_empty());
    let row = after.row(RowName::Reexecuted).unwrap();
    assert_eq!(
        row.state,
        State::Rejected {
            code: "receipt.fraud"
        }
    );
}

#[test]
fn what_shows_no_fraud_takes_nothing_away() {
    let roots = World::new(1).roots();
    let (bundle, good) = disputed(false, None);
    let (right, honest) = disputed(true, None);
    let stranger = SigningKey::from_seed(&[77; 32]);
    let (_, forged) = disputed(false, Some(&stranger));
    let truncated = good.encode()[..200].to_vec();
    let oversize = vec![0; proofmark_referee::MAX_PROOF_BYTES + 1];
    let cases = [
        ("an honest tile", &right, honest.encode()),
        ("of another receipt", &right, good.encode()),
        ("of another key", &bundle, forged.encode()),
        ("truncated", &bundle, truncated),
        ("oversize", &bundle, oversize),
        ("nothing", &bundle, vec![]),
    ];
    for (what, bundle, data) in cases {
        let report = report(&attached(bundle.clone(), data), &roots, "signed");
        assert!(
            matches!(report.verdict(), Verdict::Accepted(_)),
            "{what}: {report:#?}"
        );
        let row = report.row(RowName::Evidence).unwrap();
        let invalid = State::CouldNotCheck {
            code: "receipt.fraud.invalid",
        };
        assert_eq!(row.state, invalid, "{what}");
    }
}

#[test]
fn fraud_can_not_be_shown_without_the_key() {
    let (mut bundle, proof) = disputed(false, None);
    bundle.key_statement = None;
    let report = report(
        &attached(bundle, proof.encode()),
        &World::new(1).roots(),
        "signed",
    );
    let row = report.row(RowName::Evidence).unwrap();
    let code = "receipt.issuer.no-statement";
    assert_eq!(row.state, State::CouldNotCheck { code });
}
