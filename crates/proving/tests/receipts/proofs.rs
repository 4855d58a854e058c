//! Proofs of inference as evidence (specs/01-receipt.md §7.5, §7.6): each rule with a bundle that fails without it.

use proofmark_kernels::{Isa, Pool};
use proofmark_program::{
    CheckedProgram, FileDigest, InputKind, Interface, Manifest, ModelFile, NodeType, Operator,
    OutputKind, PROGRAM_PATH, ProgramBuilder, Source, TensorInput, TensorOutput, WEIGHTS_PATH,
    Weights, WeightsWriter, closure_digest, program_digest, reference, weights_root,
};
use proofmark_proof::{PublicWeights, SYSTEM, Statement, WeightsMode};
use proofmark_prover::{CommittedWeights, Machine, Model, Nobody, Options, prove};
use proofmark_receipt::{
    Bundle, Choice, Claims, DisclosedValues, Disclosure, Evidence, Executed, Execution,
    ProofEvidence, ProofWeights, SeedChooser, SignedReceipt, SignedWeights, VouchedWeights,
    WeightsStatement, commit_tokens,
};
use proofmark_tensors::{EncodedTensor, output_fields};
use proofmark_verify::{
    KnownModel, OperatorRoot, Presented, Report, Roots, RowName, State, Verdict, WeightsSource,
    format_operator_key, verify,
};

use crate::world::{NOW, World, report};

/// The numbers of the request, and the integers that they are.
const REQUEST: &[u8] = br#"{"model":"sums","inputs":{"x":[7,3]}}"#;

/// Another operator than the issuer.
pub(crate) fn replayer() -> World {
    World::new(50)
}

/// The manifest of a model of a program file and a weights file, and nothing else.
pub(crate) fn manifest(name: &str, program: &[u8], weights: &[u8]) -> Vec<u8> {
    let entry = |path: &str, bytes: &[u8]| ModelFile {
        path: path.into(),
        size: bytes.len() as u64,
        digest: FileDigest([0; 32]),
    };
    let manifest = Manifest {
        name: name.into(),
        program: program_digest(program),
        weights: weights_root(weights),
        files: vec![entry(PROGRAM_PATH, program), entry(WEIGHTS_PATH, weights)],
        source: Source {
            format: "test".into(),
            digest: FileDigest([0; 32]),
            text: String::new(),
        },
        recipe: vec![],
        loss: None,
        golden: None,
    };
    manifest.encode().unwrap()
}

/// The issuer's roots, and the other operator as a replayer.
pub(crate) fn replay_roots() -> Roots {
    let mut roots = World::new(1).roots();
    roots.replayers = vec![OperatorRoot {
        name: "audit-co".into(),
        key: format_operator_key(&replayer().operator.public()),
    }];
    roots
}

/// A model of one layer, with everything that a prover and a verifier need of it.
struct Sums {
    checked: CheckedProgram<Vec<u8>>,
    program: Vec<u8>,
    manifest: Vec<u8>,
}

impl Sums {
    /// y = first · x₀ − x₁ + 5.
    fn new(first: i8) -> Self {
        let mut weights = WeightsWriter::new();
        weights.i8("weight", &[1, 2], &[first, -1]).unwrap();
        weights.i32("bias", &[1], &[5]).unwrap();
        let mut builder = ProgramBuilder::new();
        let (weight, bias) = (builder.constant("weight"), builder.constant("bias"));
        let input = Operator::Input { name: "x".into() };
        let x = builder.node("x", input, &[], NodeType::fixed(&[2], -100, 100));
        let linear = Operator::Linear {
            weight,
            bias: Some(bias),
        };
        let y = builder.node("y", linear, &[x], NodeType::fixed(&[1], -1_000, 1_000));
        let interface = Interface::Tensor {
            inputs: vec![TensorInput {
                name: "x".into(),
                node: x,
                kind: InputKind::Integer,
            }],
            outputs: vec![TensorOutput {
                name: "y".into(),
                node: y,
                kind: OutputKind::Integer,
            }],
        };
        let program = builder.finish(interface).unwrap();
        let weights = weights.finish().unwrap();
        let file = program.encode().unwrap();
        let manifest = manifest("sums", &file, &weights);
        Self {
            checked: program.check(Weights::open(weights).unwrap()).unwrap(),
            program: file,
            manifest,
        }
    }

    fn closure(&self) -> [u8; 32] {
        *closure_digest(&self.manifest).as_bytes()
    }

    /// Bytes of the commitment to the weights, and W.
    fn commitment(&self) -> (Vec<u8>, [u8; 32]) {
        with_machine(|machine| {
            let model = Model::new(&self.checked).unwrap();
            let limbs = model.limbs();
            let weights = CommittedWeights::new(machine, &model, &limbs).unwrap();
            (weights.public().to_bytes(), weights.public().digest())
        })
    }

    fn outputs(&self, x: &[i32; 2]) -> Vec<Vec<i32>> {
        let outputs = reference::tensors(&self.checked, &[x]).unwrap();
        outputs.into_iter().map(|tensor| tensor.elements).collect()
    }

    /// A proof that `x` gives what it gives, for a receipt; with public weights if `public`.
    fn prove(&self, x: &[i32; 2], receipt: &SignedReceipt, public: bool) -> Vec<u8> {
        with_machine(|machine| {
            let model = Model::new(&self.checked).unwrap();
            let limbs = model.limbs();
            let weights = CommittedWeights::new(machine, &model, &limbs).unwrap();
            let read = PublicWeights::of(&self.checked).unwrap();
            let statement = Statement {
                program: self.checked.program(),
                closure_digest: self.closure(),
                weights: if public {
                    WeightsMode::Public(&read)
                } else {
                    WeightsMode::Committed(weights.public())
                },
                receipt_id: *receipt.claims().id.as_bytes(),
                claims_digest: *receipt.digest().as_bytes(),
                inputs: &[x.to_vec()],
                outputs: &self.outputs(x),
                generation: None,
            };
            let options = Options::default();
            prove(
                machine,
                &model,
                Some(&weights),
                &statement,
                &options,
                &Nobody,
            )
            .unwrap()
        })
    }
}

pub(crate) fn with_machine<T>(then: impl FnOnce(Machine<'_>) -> T) -> T {
    let pool = Pool::new(1);
    then(Machine {
        pool: &pool,
        isa: Isa::detect(),
    })
}

fn tensor(name: &str, shape: &[u32], elements: Vec<i32>) -> EncodedTensor {
    EncodedTensor {
        name: name.into(),
        shape: shape.to_vec(),
        elements,
        scale_bits: None,
    }
}

/// Inputs and outputs of one answer, as they stand in a receipt.
struct Content {
    prompt: Vec<u8>,
    fields: Vec<(String, Vec<u8>)>,
    request: Vec<u8>,
}

impl Content {
    fn of(rows: &[[i32; 2]], model: &Sums) -> Self {
        let shape = |rows: usize, of: &[u32]| match rows {
            1 => of.to_vec(),
            rows => [&[rows as u32], of].concat(),
        };
        let x = rows.concat();
        let y = rows.iter().flat_map(|row| model.outputs(row)).flatten();
        let y: Vec<i32> = y.collect();
        let y_shape = if y.len() == 1 {
            vec![1]
        } else {
            vec![y.len() as u32]
        };
        Self {
            prompt: EncodedTensor::encode_inputs(&[tensor("x", &shape(rows.len(), &[2]), x)]),
            fields: output_fields(&[tensor("y", &y_shape, y)]),
            request: REQUEST.to_vec(),
        }
    }

    fn claims(&self, world: &World, closure: [u8; 32]) -> Claims {
        let salts = world.salts();
        let scope = salts.scope("executed");
        let mut claims = world.claims();
        claims.operation.name = "infer".into();
        claims.execution = Execution::Executed(Executed {
            model: "sums".into(),
            closure,
            engine: [0xb2; 32],
            prompt: scope.commit("prompt", &self.prompt),
            input_tokens: commit_tokens(&scope, "in", &[]),
            parameters: vec![],
            seed: 0,
            seed_chosen_by: SeedChooser::Nobody,
            template_clock: None,
        });
        let fields = self.fields.iter();
        let fields = fields.map(|(name, value)| (name.as_str(), value.as_slice()));
        claims.output = vec![Choice::commit(0, &salts.scope("output/0"), b"", fields)];
        let members = proofmark_openai::Members::parse(&self.request).unwrap();
        let of = proofmark_openai::Fields::of(&members);
        let of = of.map(|field| (field.name(), field.value.as_bytes()));
        claims.received = salts.scope("received").commit_body(
            self.request.len() as u64,
            std::iter::once(self.request.as_slice()),
            of,
        );
        claims.finish = None;
        claims.usage = None;
        claims.log.kind = 2;
        claims
    }

    fn disclosures(&self, world: &World) -> Vec<Disclosure> {
        let open = |scope: &str, values| Disclosure::Scope {
            scope: scope.into(),
            key: world.salts().scope(scope),
            values,
        };
        vec![
            open(
                "executed",
                DisclosedValues::Executed {
                    prompt: self.prompt.clone(),
                    input_tokens: vec![],
                    parameters: vec![],
                },
            ),
            open(
                "output/0",
                DisclosedValues::Choice {
                    text: vec![],
                    fields: self.fields.clone(),
                    tokens: None,
                },
            ),
            open("received", DisclosedValues::Body(self.request.clone())),
        ]
    }
}

/// What a test may change of a bundle with a proof.
struct Parts {
    model: Sums,
    content: Content,
    receipt: SignedReceipt,
    bundle: Bundle,
    evidence: ProofEvidence,
}

impl Parts {
    fn new() -> Self {
        Self::about(&[[7, 3]], false)
    }

    fn about(rows: &[[i32; 2]], public: bool) -> Self {
        let world = World::new(1);
        let model = Sums::new(2);
        let content = Content::of(rows, &model);
        let mut bundle = world.bundle_of(content.claims(&world, model.closure()), 3);
        bundle.disclosures = content.disclosures(&world);
        let receipt = SignedReceipt::decode(&bundle.receipt).unwrap();
        let weights = if public {
            ProofWeights::Public
        } else {
            ProofWeights::Committed {
                commitment: model.commitment().0,
                vouchers: vec![vouched_by(&replayer(), &model, |_| {})],
            }
        };
        let proofs = rows.iter().map(|row| model.prove(row, &receipt, public));
        let evidence = ProofEvidence {
            system: SYSTEM.into(),
            manifest: model.manifest.clone(),
            program: model.program.clone(),
            weights,
            proofs: proofs.collect(),
        };
        Self {
            model,
            content,
            receipt,
            bundle,
            evidence,
        }
    }

    fn attached(&self) -> Evidence {
        self.evidence
            .attach(self.receipt.claims().id, self.receipt.digest())
    }

    /// What the bundle shows to whoever has these roots and this much of the model.
    fn report_with(&self, roots: &Roots, model: Option<KnownModel<'_>>) -> Report {
        let mut bundle = self.bundle.clone();
        bundle.evidence = vec![self.attached()];
        let presented = Presented {
            model,
            ..Presented::default()
        };
        let required = "proven".parse().unwrap();
        verify(&bundle.encode(), &presented, &required, roots, NOW + 100)
    }

    fn report(&self) -> Report {
        self.report_with(&replay_roots(), None)
    }

    /// The code of a report that is not green.
    fn code(&self) -> Option<&'static str> {
        let report = self.report();
        assert!(report.grades().iter().all(|grade| grade.name() != "proven"));
        assert_ne!(report.verdict().exit_code(), 0);
        report.verdict().code()
    }

    fn vouchers(&mut self) -> &mut Vec<VouchedWeights> {
        match &mut self.evidence.weights {
            ProofWeights::Committed { vouchers, .. } => vouchers,
            ProofWeights::Public => panic!("no commitment"),
        }
    }
}

/// What `by` says of the model's weights, after `change`.
fn vouched_by(
    by: &World,
    model: &Sums,
    change: impl FnOnce(&mut WeightsStatement),
) -> VouchedWeights {
    let mut statement = WeightsStatement {
        closure: model.closure(),
        system: SYSTEM.into(),
        weights: model.commitment().1,
        computed_at: NOW - 10,
    };
    change(&mut statement);
    VouchedWeights {
        signed: SignedWeights::sign(&statement, &by.node).unwrap(),
        key_statement: by.statement.as_bytes().to_vec(),
    }
}

fn assert_accepted(report: &Report) {
    assert!(
        matches!(report.verdict(), Verdict::Accepted(_)),
        "{report:#?}"
    );
    assert_eq!(report.row(RowName::Proof).unwrap().state, State::Accepted);
}

#[test]
fn a_proof_with_weights_that_a_rooted_party_recomputed_is_proven() {
    let report = Parts::new().report();
    assert_accepted(&report);
    let [proven] = report.established().proofs.as_slice() else {
        panic!("{report:#?}");
    };
    assert_eq!(
        proven.weights,
        WeightsSource::Vouched(vec!["audit-co".into()])
    );
    assert!(proven.from_question && proven.account.bits() >= 100);
    assert_eq!(report.row(RowName::Model).unwrap().state, State::Accepted);
    let trust = report.still_trust().join("; ");
    assert!(
        trust.contains("audit-co") && trust.contains("random oracle"),
        "{trust}"
    );
    assert!(!trust.contains("the node, that it ran"), "{trust}");
    let not_shown = report.does_not_show().join("; ");
    assert!(not_shown.contains("not zero-knowledge"), "{not_shown}");
    assert!(
        report
            .row(RowName::Proof)
            .unwrap()
            .text
            .contains("not zero-knowledge")
    );
}

#[test]
fn whoever_recomputes_the_weights_relies_on_nobody() {
    let mut parts = Parts::new();
    parts.vouchers().clear();
    let (closure, commitment) = (parts.model.closure(), parts.model.commitment().1);
    let known = |commitment| KnownModel {
        closure,
        commitment: Some(commitment),
        weights: None,
        text: None,
    };
    let report = parts.report_with(&replay_roots(), Some(known(commitment)));
    assert_accepted(&report);
    assert_eq!(
        report.established().proofs[0].weights,
        WeightsSource::Recomputed
    );
    assert!(!report.still_trust().join("; ").contains("audit-co"));
    let report = parts.report_with(&replay_roots(), Some(known([1; 32])));
    assert_eq!(report.verdict().code(), Some("receipt.proof.other-weights"));
    // A model that the verifier has and the receipt is not about says nothing here.
    let other = KnownModel {
        closure: [9; 32],
        ..known(commitment)
    };
    let report = parts.report_with(&replay_roots(), Some(other));
    assert_eq!(
        report.verdict().code(),
        Some("receipt.proof.weights-unvouched")
    );
}

#[test]
fn public_weights_need_the_weights() {
    let parts = Parts::about(&[[7, 3]], true);
    assert_eq!(parts.code(), Some("receipt.proof.weights-missing"));
    assert_eq!(parts.report().verdict().exit_code(), 12);
    let (own, other) = (Sums::new(2), Sums::new(3));
    let report = |sums: &Sums| {
        let weights = PublicWeights::of(&sums.checked).unwrap();
        let known = KnownModel {
            closure: own.closure(),
            commitment: None,
            weights: Some(&weights),
            text: None,
        };
        parts.report_with(&replay_roots(), Some(known))
    };
    assert_accepted(&report(&own));
    // Other weights than the manifest's, whatever the verifier believes that they are.
    assert_eq!(
        report(&other).verdict().code(),
        Some("receipt.proof.weights-missing")
    );
}

#[test]
fn each_run_has_its_proof() {
    let rows = [[7, 3], [-100, 100], [0, 0]];
    let mut parts = Parts::about(&rows, false);
    // The request says other numbers: nothing is claimed of it.
    parts.bundle.disclosures.pop();
    let report = parts.report();
    assert_accepted(&report);
    assert_eq!(report.established().proofs[0].runs, 3);
    assert!(
        report
            .does_not_show()
            .join("; ")
            .contains("the numbers of your request")
    );
    parts.evidence.proofs.swap(0, 1);
    assert!(parts.code().unwrap().starts_with("proof."));
    parts.evidence.proofs.pop();
    assert_eq!(parts.code(), Some("receipt.proof.other-content"));
}

#[test]
fn a_proof_for_another_receipt_does_not_fit() {
    let mut parts = Parts::new();
    // The same answer to the same question, issued at another time.
    let world = World::new(1);
    let mut claims = parts.content.claims(&world, parts.model.closure());
    claims.timing.done_us += 1;
    let other = SignedReceipt::sign(claims, &world.node).unwrap();
    parts.evidence.proofs = vec![parts.model.prove(&[7, 3], &other, false)];
    let code = parts.code().unwrap();
    assert!(code.starts_with("proof."), "{code}");
    // Nor is evidence that says itself that it is about another one.
    let mut bundle = parts.bundle.clone();
    bundle.evidence = vec![parts.evidence.attach(other.claims().id, other.digest())];
    let report = report(&bundle, &replay_roots(), "proven");
    assert_eq!(
        report.verdict().code(),
        Some("receipt.evidence.other-receipt")
    );
}

#[test]
fn a_proof_for_another_input_does_not_fit() {
    let mut parts = Parts::new();
    // It has the same output.
    assert_eq!(parts.model.outputs(&[8, 5]), parts.model.outputs(&[7, 3]));
    parts.evidence.proofs = vec![parts.model.prove(&[8, 5], &parts.receipt, false)];
    let code = parts.code().unwrap();
    assert!(code.starts_with("proof."), "{code}");
}

#[test]
fn a_proof_of_another_program_does_not_fit() {
    let mut parts = Parts::new();
    let other = Sums::new(3);
    let own = parts.evidence.clone();
    // The whole of another model: its own manifest, program, weights and proof.
    parts.evidence.manifest = other.manifest.clone();
    parts.evidence.proofs = vec![other.prove(&[7, 3], &parts.receipt, false)];
    assert_eq!(parts.code(), Some("receipt.proof.other-program"));
    // The receipt's manifest with another program in it.
    parts.evidence = own;
    *parts.evidence.program.last_mut().unwrap() ^= 1;
    assert_eq!(parts.code(), Some("receipt.proof.other-program"));
}

#[test]
fn a_proof_with_other_weights_does_not_fit() {
    let mut parts = Parts::new();
    let other = Sums::new(3);
    // Other weights that give an output of their own, proven well, for the commitment of the model …
    parts.evidence.proofs = vec![other.prove(&[7, 3], &parts.receipt, false)];
    assert!(parts.code().unwrap().starts_with("proof."));
    // … and a commitment that the proof was not made for.
    let mut parts = Parts::new();
    let (bytes, w) = other.commitment();
    parts.evidence.weights = ProofWeights::Committed {
        commitment: bytes,
        vouchers: vec![vouched_by(&replayer(), &other, |said| {
            said.closure = Sums::new(2).closure();
            said.weights = w;
        })],
    };
    assert!(parts.code().unwrap().starts_with("proof."));
}

/// Weights that give the same answer, committed to and proven well: only whoever recomputes them sees it.
#[test]
fn other_weights_with_the_same_output_are_what_vouchers_are_for() {
    let mut parts = Parts::about(&[[0, 3]], false);
    // The request is about other numbers.
    parts.bundle.disclosures.pop();
    let other = Sums::new(3);
    assert_eq!(parts.model.outputs(&[0, 3]), other.outputs(&[0, 3]));
    let (own_w, (bytes, w)) = (parts.model.commitment().1, other.commitment());
    let mut forged = Sums::new(3);
    forged.manifest = parts.model.manifest.clone();
    parts.evidence.proofs = vec![forged.prove(&[0, 3], &parts.receipt, false)];
    parts.evidence.weights = ProofWeights::Committed {
        commitment: bytes,
        vouchers: vec![],
    };
    assert_eq!(parts.code(), Some("receipt.proof.weights-unvouched"));
    // The issuer's own word changes nothing.
    let issuer = vouched_by(&World::new(1), &parts.model, |said| said.weights = w);
    parts.vouchers().push(issuer);
    assert_eq!(parts.code(), Some("receipt.proof.weights-unvouched"));
    // A rooted party that computed the model's own refutes it.
    let honest = vouched_by(&replayer(), &parts.model, |said| said.weights = own_w);
    parts.vouchers().push(honest);
    assert_eq!(parts.code(), Some("receipt.proof.other-weights"));
}

#[test]
fn only_rooted_parties_vouch_and_only_for_this_model() {
    let vouched = |by: &World, change: fn(&mut WeightsStatement)| {
        let mut parts = Parts::new();
        *parts.vouchers() = vec![vouched_by(by, &Sums::new(2), change)];
        parts
    };
    let stranger = vouched(&World::new(70), |_| {});
    assert_eq!(stranger.code(), Some("receipt.proof.weights-unvouched"));
    assert_eq!(stranger.report().verdict().exit_code(), 12);
    // Under a second key of the issuer's own name.
    let mut roots = replay_roots();
    roots.replayers[0].name = "lab".into();
    let report = Parts::new().report_with(&roots, None);
    assert_eq!(
        report.verdict().code(),
        Some("receipt.proof.weights-unvouched")
    );
    for (change, code) in [
        (
            (|said| said.closure = [1; 32]) as fn(&mut WeightsStatement),
            "receipt.weights.mismatch",
        ),
        (|said| said.system.push('x'), "receipt.weights.mismatch"),
        (|said| said.weights[0] ^= 1, "receipt.proof.other-weights"),
        (
            |said| said.computed_at = NOW - 1_001,
            "receipt.weights.signature-invalid",
        ),
        (
            |said| said.computed_at = NOW + 401,
            "receipt.weights.signature-invalid",
        ),
    ] {
        assert_eq!(vouched(&replayer(), change).code(), Some(code));
    }
    // Signed by a key that the rooted party's statement does not list.
    let mut forger = World::new(70);
    forger.statement = replayer().statement;
    assert_eq!(
        vouched(&forger, |_| {}).code(),
        Some("receipt.weights.signature-invalid")
    );
}

#[test]
fn content_that_is_not_open_or_not_the_programs_proves_nothing() {
    for (gone, open) in [("executed", 2), ("output/0", 2), ("received", 2)] {
        let mut parts = Parts::new();
        parts.bundle.disclosures.retain(|d| d.scope() != gone);
        assert_eq!(parts.bundle.disclosures.len(), open);
        if gone == "received" {
            assert_accepted(&parts.report());
        } else {
            assert_eq!(parts.code(), Some("receipt.proof.not-opened"), "{gone}");
            assert_eq!(parts.report().verdict().exit_code(), 12);
        }
    }
    let world = World::new(1);
    let with = |change: fn(&mut Content)| {
        let mut parts = Parts::new();
        change(&mut parts.content);
        let claims = parts.content.claims(&world, parts.model.closure());
        parts.bundle = world.bundle_of(claims, 3);
        parts.bundle.disclosures = parts.content.disclosures(&world);
        parts.receipt = SignedReceipt::decode(&parts.bundle.receipt).unwrap();
        parts.evidence.proofs = vec![parts.model.prove(&[7, 3], &parts.receipt, false)];
        parts
    };
    assert_accepted(&with(|_| {}).report());
    let changes: [fn(&mut Content); 8] = [
        |c| c.prompt = EncodedTensor::encode_inputs(&[tensor("z", &[2], vec![7, 3])]),
        |c| c.prompt = EncodedTensor::encode_inputs(&[tensor("x", &[1, 2], vec![7, 3])]),
        |c| c.prompt = EncodedTensor::encode_inputs(&[]),
        |c| c.fields = output_fields(&[tensor("z", &[1], vec![16])]),
        |c| c.fields = output_fields(&[tensor("y", &[1, 1], vec![16])]),
        |c| {
            let mut scaled = tensor("y", &[1], vec![16]);
            scaled.scale_bits = Some(1_f64.to_bits());
            c.fields = output_fields(&[scaled]);
        },
        |c| {
            let both = [tensor("y", &[1], vec![16]), tensor("z", &[1], vec![16])];
            c.fields = output_fields(&both);
        },
        // The caller asked for something else than what went in.
        |c| c.request = br#"{"model":"sums","inputs":{"x":[7,4]}}"#.to_vec(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let code = with(change).code();
        assert_eq!(code, Some("receipt.proof.other-content"), "{number}");
    }
    // Another output than the proof's.
    let wrong = with(|c| c.fields = output_fields(&[tensor("y", &[1], vec![17])]));
    assert!(wrong.code().unwrap().starts_with("proof."));
}

#[test]
fn a_relayed_answer_has_no_program_to_prove() {
    let mut parts = Parts::new();
    let world = World::new(1);
    parts.bundle = world.bundle();
    parts.receipt = SignedReceipt::decode(&parts.bundle.receipt).unwrap();
    assert_eq!(parts.code(), Some("receipt.proof.not-executed"));
}

#[test]
fn cut_and_weakened_proofs_are_refused() {
    let whole = Parts::new().evidence.proofs.remove(0);
    let code = |proof: Vec<u8>| {
        let mut parts = Parts::new();
        parts.evidence.proofs = vec![proof];
        parts.code()
    };
    for length in [0, 1, 36, whole.len() / 2, whole.len() - 1] {
        assert_eq!(code(whole[..length].to_vec()), Some("proof.malformed"));
    }
    assert_eq!(
        code([whole.as_slice(), &[0]].concat()),
        Some("proof.malformed")
    );
    // The first plan of an opening: number of levels, then lanes, rate, work and queries of the first. Byte 0 is the width of digits,
    // then comes the shape that the plan repeats.
    let plan = [1, whole[2], whole[3]];
    let at = whole.windows(3).skip(36).position(|window| window == plan);
    let queries = 36 + at.unwrap() + 4;
    let mut weak = whole;
    weak[queries] -= 4;
    assert_eq!(code(weak), Some("proof.weak"));
}

#[test]
fn what_this_version_does_not_know_is_not_refused() {
    let mut parts = Parts::new();
    parts.evidence.system = "proofmark:proof:2".into();
    assert_eq!(parts.code(), Some("receipt.proof.unknown-system"));
    assert_eq!(parts.report().verdict().exit_code(), 12);
    let mut parts = Parts::new();
    let world = World::new(1);
    let mut claims = parts.content.claims(&world, parts.model.closure());
    claims.operation.name = "embeddings".into();
    parts.bundle = world.bundle_of(claims, 3);
    parts.receipt = SignedReceipt::decode(&parts.bundle.receipt).unwrap();
    assert_eq!(parts.code(), Some("proof.unsupported"));
    assert_eq!(parts.report().verdict().exit_code(), 12);
}

#[test]
fn a_strangers_receipt_reaches_no_grade_by_a_proof() {
    let roots = Roots {
        replayers: replay_roots().replayers,
        ..Roots::default()
    };
    let report = Parts::new().report_with(&roots, None);
    assert_eq!(report.verdict().code(), Some("receipt.issuer.unknown"));
    assert!(report.grades().is_empty());
}

#[test]
fn damaged_evidence_is_malformed() {
    let parts = Parts::new();
    let data = parts.evidence.encode();
    for length in 0..data.len().min(600) {
        let cut = data[..length].to_vec();
        let mut bundle = parts.bundle.clone();
        bundle.evidence = vec![Evidence {
            digest: Some(Evidence::digest_of(&cut)),
            data: Some(cut),
            ..parts.attached()
        }];
        let report = report(&bundle, &replay_roots(), "proven");
        assert_eq!(report.verdict().exit_code(), 10, "{length}");
    }
}
