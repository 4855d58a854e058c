//! Proofs of texts as evidence (specs/01-receipt.md §7.5, §7.6): each rule with a bundle that fails without it.

use proofmark_program::{
    CheckedProgram, Interface, NodeType, Operator, ProgramBuilder, Sampler, SamplerScratch,
    SamplingParameters, Weights, WeightsWriter, reference,
};
use proofmark_proof::{Generation, Statement, WeightsMode};
use proofmark_prover::{CommittedWeights, Model, Nobody, Options, ProverError, prove};
use proofmark_proving::{Mode, ProvableModel, ProvingError, Subject};
use proofmark_receipt::{
    Bundle, Choice, Claims, DisclosedValues, Disclosure, Evidence, Executed, Execution, Finish,
    Parameter, ParameterValue, ProofEvidence, Provenance, ReplayEvidence, ReplayStep,
    ReplayVerdict, SeedChooser, SignedReceipt, SignedReplay, Status, Usage, commit_tokens,
};
use proofmark_verify::{
    InferenceError, KnownModel, Presented, Report, Roots, State, TextSource, TextSteps, Verdict,
    verify,
};

use crate::proofs::{manifest, replay_roots, replayer, with_machine};
use crate::world::{NOW, QUESTION, World};

const VOCABULARY: u32 = 8;
const PROMPT: [u32; 3] = [1, 5, 2];
const IDS: usize = 4;
/// Everything came out the same.
const SAME: TextSteps = TextSteps {
    rendered: ReplayStep::Same,
    tokenized: ReplayStep::Same,
    detokenized: ReplayStep::Same,
};

/// A decoder that looks at the last id only.
struct Speller {
    checked: CheckedProgram<Vec<u8>>,
    provable: ProvableModel,
}

impl Speller {
    /// Weights without a pattern that matters, another one for each `kind`.
    fn new(kind: u32) -> Self {
        let elements = |salt: u32| -> Vec<i8> {
            let word = |i: u32| (i + salt + 64 * kind).wrapping_mul(0x9e37_79b9) >> 24;
            (0..VOCABULARY * 4).map(|i| word(i) as u8 as i8).collect()
        };
        let mut weights = WeightsWriter::new();
        weights.i8("table", &[VOCABULARY, 4], &elements(0)).unwrap();
        weights.i32("scale", &[1], &[1 << 8]).unwrap();
        weights.i8("head", &[VOCABULARY, 4], &elements(32)).unwrap();
        let mut builder = ProgramBuilder::new();
        let table = builder.constant("table");
        let multipliers = builder.constant("scale");
        let weight = builder.constant("head");
        let top = VOCABULARY as i32 - 1;
        let ids = builder.node(
            "ids",
            Operator::Tokens,
            &[],
            NodeType::by_position(&[], 0, top),
        );
        let embed = Operator::Embed {
            table,
            multipliers,
            shift: 8,
        };
        let x = builder.node("x", embed, &[ids], NodeType::by_position(&[4], -128, 127));
        let linear = Operator::Linear { weight, bias: None };
        let range = 4 * 128 * 128;
        let of = NodeType::by_position(&[VOCABULARY], -range, range);
        let logits = builder.node("logits", linear, &[x], of);
        let interface = Interface::Decoder {
            vocabulary: VOCABULARY,
            max_positions: 32,
            logits,
            hidden: None,
        };
        let program = builder.finish(interface).unwrap();
        let weights = weights.finish().unwrap();
        let file = program.encode().unwrap();
        let manifest = manifest("speller", &file, &weights);
        let provable = ProvableModel::from_files(&manifest, &file, weights.clone()).unwrap();
        Self {
            checked: program.check(Weights::open(weights).unwrap()).unwrap(),
            provable,
        }
    }

    fn commitment(&self) -> [u8; 32] {
        with_machine(|machine| self.provable.commit(machine).unwrap().public().digest())
    }

    fn ids(&self, asked: &Asked, choice: u32, count: usize) -> Vec<u32> {
        let parameters = asked.sampling.clone();
        let (seed, prompt) = (asked.seed, &asked.prompt);
        let mut sampler = Sampler::new(parameters, VOCABULARY, seed, choice, prompt).unwrap();
        let mut sequence = prompt.clone();
        for _ in 0..count {
            let logits = reference::decoder(&self.checked, &sequence).unwrap();
            let row = &logits.elements[logits.elements.len() - VOCABULARY as usize..];
            let id = sampler.sample(row, &mut SamplerScratch::default());
            sequence.push(id.unwrap());
        }
        sequence.split_off(prompt.len())
    }

    /// A proof of something true: that this is what comes of `asked`.
    fn proof(&self, asked: &Asked, choice: u32, count: usize, receipt: &SignedReceipt) -> Vec<u8> {
        let ids = self.ids(asked, choice, count);
        with_machine(|machine| {
            let model = Model::new(&self.checked).unwrap();
            let limbs = model.limbs();
            let weights = CommittedWeights::new(machine, &model, &limbs).unwrap();
            let statement = Statement {
                program: self.checked.program(),
                closure_digest: *self.provable.closure().as_bytes(),
                weights: WeightsMode::Committed(weights.public()),
                receipt_id: *receipt.claims().id.as_bytes(),
                claims_digest: *receipt.digest().as_bytes(),
                inputs: &[],
                outputs: &[],
                generation: Some(Generation {
                    prompt: &asked.prompt,
                    generated: &ids,
                    parameters: &asked.sampling,
                    seed: asked.seed,
                    choice,
                }),
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

/// What a decoder is asked.
#[derive(Clone)]
struct Asked {
    prompt: Vec<u32>,
    sampling: SamplingParameters,
    seed: u64,
    choices: u32,
    max_tokens: usize,
}

impl Asked {
    /// The best ids, whatever the seed and the choice: two proofs that differ in these only say the same ids.
    fn greedy() -> Self {
        Self {
            prompt: PROMPT.to_vec(),
            sampling: SamplingParameters::greedy(),
            seed: 7,
            choices: 1,
            max_tokens: IDS,
        }
    }

    fn drawn() -> Self {
        Self {
            sampling: SamplingParameters::default(),
            choices: 2,
            ..Self::greedy()
        }
    }

    fn parameters(&self) -> Vec<Parameter> {
        let s = &self.sampling;
        let mut numbers: Vec<(&str, i64)> = vec![
            ("choices", self.choices.into()),
            ("frequency_penalty", s.frequency_penalty.into()),
            ("max_tokens", self.max_tokens as i64),
            ("min_p", s.min_p.into()),
            ("presence_penalty", s.presence_penalty.into()),
            ("repetition_penalty", s.repetition_penalty.into()),
            ("temperature", s.temperature.into()),
            ("top_k", s.top_k.into()),
            ("top_p", s.top_p.into()),
        ];
        numbers.sort_unstable();
        let scope = World::new(1).salts().scope("executed");
        let numbers = numbers.into_iter();
        let mut all: Vec<Parameter> = numbers
            .map(|(name, value)| Parameter::new(&scope, name, &value.to_string()))
            .collect();
        if let Some((_, json)) = self.biases() {
            all.insert(2, Parameter::new(&scope, "logit_bias", &json));
        }
        all
    }

    /// The parameter that a receipt does not show, if it is there.
    fn biases(&self) -> Option<(String, String)> {
        let (id, units) = self.sampling.logit_bias.first()?;
        Some(("logit_bias".into(), format!("{{\"{id}\":{units}}}")))
    }
}

/// One answer: what was asked, and what the receipt says that came of it.
#[derive(Clone)]
struct Answer {
    asked: Asked,
    /// Text and ids of each choice.
    choices: Vec<(Vec<u8>, Vec<u32>)>,
}

impl Answer {
    fn of(model: &Speller, asked: Asked) -> Self {
        let choice = |index| {
            let ids = model.ids(&asked, index, asked.max_tokens);
            (format!("{ids:?}").into_bytes(), ids)
        };
        Self {
            choices: (0..asked.choices).map(choice).collect(),
            asked,
        }
    }

    fn claims(&self, world: &World, closure: [u8; 32]) -> Claims {
        let salts = world.salts();
        let scope = salts.scope("executed");
        let mut claims = world.claims();
        claims.execution = Execution::Executed(Executed {
            model: "speller".into(),
            closure,
            engine: [0xb2; 32],
            prompt: scope.commit("prompt", b"a prompt"),
            input_tokens: commit_tokens(&scope, "in", &self.asked.prompt),
            parameters: self.asked.parameters(),
            seed: self.asked.seed,
            seed_chosen_by: SeedChooser::Caller,
            template_clock: None,
        });
        let choice = |(index, (text, ids)): (u32, &(Vec<u8>, Vec<u32>))| {
            let scope = salts.scope(&format!("output/{index}"));
            let mut choice = Choice::commit(index, &scope, text, std::iter::empty());
            choice.tokens = Some(commit_tokens(&scope, "out", ids));
            choice
        };
        claims.output = (0..).zip(&self.choices).map(choice).collect();
        let finish = |(index, _)| Finish {
            index,
            reason: Some("length".into()),
        };
        let finish = (0..).zip(&self.choices).map(finish).collect();
        claims.finish = Some((Provenance::Observed, finish));
        let sampled: usize = self.choices.iter().map(|(_, ids)| ids.len()).sum();
        let usage = Usage {
            input_tokens: self.asked.prompt.len() as u64,
            output_tokens: sampled as u64,
        };
        claims.usage = Some((Provenance::Observed, usage));
        claims.log.kind = 2;
        claims
    }

    fn disclosures(&self, world: &World) -> Vec<Disclosure> {
        let open = |scope: &str, values| Disclosure::Scope {
            scope: scope.into(),
            key: world.salts().scope(scope),
            values,
        };
        let executed = DisclosedValues::Executed {
            prompt: b"a prompt".to_vec(),
            input_tokens: self.asked.prompt.clone(),
            parameters: self
                .asked
                .biases()
                .map(|(name, json)| (name, json.into_bytes()))
                .into_iter()
                .collect(),
        };
        let mut all = vec![
            open("executed", executed),
            open("received", DisclosedValues::Body(QUESTION.to_vec())),
        ];
        for (index, (text, ids)) in self.choices.iter().enumerate() {
            let values = DisclosedValues::Choice {
                text: text.clone(),
                fields: vec![],
                tokens: Some(ids.clone()),
            };
            all.push(open(&format!("output/{index}"), values));
        }
        all
    }
}

/// What a test may change of a bundle with proofs.
struct Parts {
    model: Speller,
    answer: Answer,
    bundle: Bundle,
    /// What the verifier found of the texts.
    steps: Option<TextSteps>,
}

impl Parts {
    /// An answer without a proof.
    fn unproven(asked: Asked, change: impl FnOnce(&mut Answer, &mut Vec<Parameter>)) -> Self {
        let (world, model) = (World::new(1), Speller::new(0));
        let mut answer = Answer::of(&model, asked);
        let mut parameters = answer.asked.parameters();
        change(&mut answer, &mut parameters);
        let mut claims = answer.claims(&world, *model.provable.closure().as_bytes());
        if let Execution::Executed(executed) = &mut claims.execution {
            executed.parameters = parameters;
        }
        let mut bundle = world.bundle_of(claims, 3);
        bundle.disclosures = answer.disclosures(&world);
        Self {
            model,
            answer,
            bundle,
            steps: Some(SAME),
        }
    }

    fn new(asked: Asked) -> Self {
        let mut parts = Self::unproven(asked, |_, _| {});
        let proven = parts.prove().unwrap();
        parts.bundle.evidence = vec![proven];
        parts
    }

    fn receipt(&self) -> SignedReceipt {
        SignedReceipt::decode(&self.bundle.receipt).unwrap()
    }

    fn prove(&self) -> Result<Evidence, ProvingError> {
        let subject = Subject::of(&self.bundle, &self.model.provable)?;
        let options = Options::default();
        with_machine(|machine| {
            let proven = subject.prove(machine, Mode::Committed, vec![], &options, &Nobody)?;
            Ok(proven.evidence)
        })
    }

    /// The proofs in the place of those that are there.
    fn with_proofs(mut self, proofs: Vec<Vec<u8>>) -> Self {
        let receipt = self.receipt();
        let data = self.bundle.evidence[0].data.as_ref().unwrap();
        let mut evidence = ProofEvidence::decode(data).unwrap();
        evidence.proofs = proofs;
        self.bundle.evidence = vec![evidence.attach(receipt.claims().id, receipt.digest())];
        self
    }

    fn report_with(&self, roots: &Roots) -> Report {
        let presented = Presented {
            model: Some(KnownModel {
                closure: *self.model.provable.closure().as_bytes(),
                commitment: Some(self.model.commitment()),
                weights: None,
                text: self.steps,
            }),
            ..Presented::default()
        };
        let required = "proven".parse().unwrap();
        let bundle = self.bundle.encode();
        verify(&bundle, &presented, &required, roots, NOW + 100)
    }

    fn report(&self) -> Report {
        self.report_with(&replay_roots())
    }

    /// Exit code and code of a report that is not green.
    fn refused(&self) -> (u8, &'static str) {
        let report = self.report();
        assert!(report.grades().iter().all(|grade| grade.name() != "proven"));
        assert_ne!(report.verdict().exit_code(), 0);
        (
            report.verdict().exit_code(),
            report.verdict().code().unwrap(),
        )
    }
}

fn assert_accepted(report: &Report) {
    assert!(
        matches!(report.verdict(), Verdict::Accepted(_)),
        "{report:#?}"
    );
}

#[test]
fn all_choices_of_a_text_are_proven() {
    let parts = Parts::new(Asked::drawn());
    let [(_, first), (_, second)] = parts.answer.choices.as_slice() else {
        panic!("two choices");
    };
    assert_ne!(first, second);
    let report = parts.report();
    assert_accepted(&report);
    let [proven] = report.established().proofs.as_slice() else {
        panic!("{report:#?}");
    };
    let text = proven.text.unwrap();
    assert_eq!((proven.runs, text.ids), (2, 2 * IDS as u64));
    assert_eq!(text.source, TextSource::Compared);
    assert!(proven.from_question && proven.account.bits() >= 100);
    let row = report.row(proofmark_verify::RowName::Proof).unwrap();
    assert_eq!(row.state, State::Accepted);
    assert!(row.text.contains("8 ids of 2 choices"), "{}", row.text);
    let not_shown = report.does_not_show().join("; ");
    assert!(not_shown.contains("not zero-knowledge"), "{not_shown}");
    assert!(!not_shown.contains("your request"), "{not_shown}");
}

#[test]
fn ids_that_nobody_compared_with_the_text_are_no_proof_of_it() {
    let mut parts = Parts::new(Asked::greedy());
    parts.steps = None;
    let unchecked = (12, "receipt.proof.text-unchecked");
    assert_eq!(parts.refused(), unchecked);
    parts.steps = Some(TextSteps {
        detokenized: ReplayStep::NotChecked,
        ..SAME
    });
    assert_eq!(parts.refused(), unchecked);
    // A question that was not compared is said not to be shown.
    for not_compared in [
        TextSteps {
            rendered: ReplayStep::NotChecked,
            ..SAME
        },
        TextSteps {
            tokenized: ReplayStep::NotChecked,
            ..SAME
        },
    ] {
        parts.steps = Some(not_compared);
        let report = parts.report();
        assert_accepted(&report);
        assert!(!report.established().proofs[0].from_question);
        let not_shown = report.does_not_show().join("; ");
        assert!(not_shown.contains("your request"), "{not_shown}");
    }
}

#[test]
fn a_rooted_replayer_compares_the_texts_and_nobody_else_does() {
    let mut parts = Parts::new(Asked::greedy());
    parts.steps = None;
    let receipt = parts.receipt();
    let replayed = |by: &World, detokenized| {
        let verdict = ReplayVerdict {
            receipt: receipt.claims().id,
            claims: receipt.digest(),
            closure: *parts.model.provable.closure().as_bytes(),
            engine: [0xb3; 32],
            replayed_at: NOW + 50,
            rendered: ReplayStep::Same,
            tokenized: ReplayStep::Same,
            executed: ReplayStep::Same,
            detokenized,
            compared: IDS as u64,
            difference: None,
        };
        let evidence = ReplayEvidence {
            signed: SignedReplay::sign(&verdict, &by.node).unwrap(),
            key_statement: by.statement.as_bytes().to_vec(),
        };
        let mut parts = Parts::new(Asked::greedy());
        parts.steps = None;
        // After the proof, which has to wait for it.
        parts.bundle.evidence.push(evidence.attach());
        parts
    };
    let report = replayed(&replayer(), ReplayStep::Same).report();
    assert_accepted(&report);
    let proven = &report.established().proofs[0];
    assert_eq!(proven.text.unwrap().source, TextSource::Replayed);
    assert!(proven.from_question);
    let trust = report.still_trust().join("; ");
    assert!(trust.contains("that the ids are the texts"), "{trust}");
    // Somebody whom nobody rooted, the issuer itself, and a rooted one who did not look at the text.
    for (by, detokenized) in [
        (World::new(70), ReplayStep::Same),
        (World::new(1), ReplayStep::Same),
        (replayer(), ReplayStep::NotChecked),
    ] {
        let (exit, code) = replayed(&by, detokenized).refused();
        assert_eq!((exit, code), (12, "receipt.proof.text-unchecked"));
    }
}

#[test]
fn texts_that_are_not_those_of_the_ids_are_refused() {
    let mut parts = Parts::new(Asked::greedy());
    let differs = ReplayStep::Differs;
    for steps in [
        TextSteps {
            rendered: differs,
            ..SAME
        },
        TextSteps {
            tokenized: differs,
            ..SAME
        },
        TextSteps {
            detokenized: differs,
            ..SAME
        },
    ] {
        parts.steps = Some(steps);
        assert_eq!(parts.refused(), (10, "receipt.proof.other-content"));
    }
    // An answer that is not what was signed does not open the receipt.
    parts.steps = Some(SAME);
    for disclosure in &mut parts.bundle.disclosures {
        if let Disclosure::Scope {
            values: DisclosedValues::Choice { text, .. },
            ..
        } = disclosure
        {
            text[0] ^= 1;
        }
    }
    let (exit, code) = parts.refused();
    assert_eq!((exit, code), (10, "receipt.disclosure.mismatch"));
}

/// Proofs of something true, each of something else than the receipt says.
#[test]
fn a_proof_of_another_generation_does_not_fit() {
    let asked = Asked::greedy();
    let receipt = Parts::unproven(asked.clone(), |_, _| {}).receipt();
    let model = Speller::new(0);
    let with = |proof: Vec<u8>| Parts::new(asked.clone()).with_proofs(vec![proof]);
    // The fixture is right: the same statement passes.
    assert_accepted(&with(model.proof(&asked, 0, IDS, &receipt)).report());
    let other = |change: fn(&mut Asked)| {
        let mut asked = asked.clone();
        change(&mut asked);
        asked
    };
    // The ids depend on the last id of the prompt only, so all but the last of these say the same ids.
    let others = [
        other(|a| a.prompt[0] = 3),
        other(|a| a.prompt.insert(0, 3)),
        other(|a| a.seed = 8),
        other(|a| a.sampling.min_p = 1),
        other(|a| a.sampling.top_k = 1),
        other(|a| a.sampling.top_p = 1),
        other(|a| a.prompt[2] = 7),
    ];
    let last = others.len() - 1;
    for (number, other) in others.iter().enumerate() {
        let same = model.ids(other, 0, IDS) == model.ids(&asked, 0, IDS);
        assert_eq!(same, number < last, "{number}");
        let (exit, code) = with(model.proof(other, 0, IDS, &receipt)).refused();
        assert!(exit == 10 && code.starts_with("proof."), "{number}: {code}");
    }
    let proofs = [
        // Another choice, with the same ids.
        model.proof(&asked, 1, IDS, &receipt),
        // Cut short, and gone on.
        model.proof(&asked, 0, IDS - 1, &receipt),
        model.proof(&asked, 0, IDS + 1, &receipt),
        // Other weights of the same shape.
        Speller::new(1).proof(&asked, 0, IDS, &receipt),
        // Another receipt about the same answer.
        {
            let world = World::new(1);
            let closure = *model.provable.closure().as_bytes();
            let mut claims = Answer::of(&model, asked.clone()).claims(&world, closure);
            claims.timing.done_us += 1;
            let other = SignedReceipt::sign(claims, &world.node).unwrap();
            model.proof(&asked, 0, IDS, &other)
        },
    ];
    for (number, proof) in proofs.into_iter().enumerate() {
        let (exit, code) = with(proof).refused();
        assert!(exit == 10 && code.starts_with("proof."), "{number}: {code}");
    }
}

#[test]
fn each_choice_has_its_own_proof() {
    let parts = Parts::new(Asked::drawn());
    let data = parts.bundle.evidence[0].data.as_ref().unwrap();
    let proofs = ProofEvidence::decode(data).unwrap().proofs;
    let [first, second] = proofs.as_slice() else {
        panic!("two proofs");
    };
    let with = |proofs: Vec<Vec<u8>>| Parts::new(Asked::drawn()).with_proofs(proofs).refused();
    let (exit, code) = with(vec![second.clone(), first.clone()]);
    assert!(exit == 10 && code.starts_with("proof."), "{code}");
    assert_eq!(
        with(vec![first.clone()]),
        (10, "receipt.proof.other-content")
    );
}

#[test]
fn a_receipt_that_says_other_ids_can_not_be_proven() {
    let changes: [fn(&mut Vec<u32>); 3] = [
        |ids| ids[1] = (ids[1] + 1) % VOCABULARY,
        |ids| ids.swap(0, 1),
        |ids| ids[IDS - 1] = (ids[IDS - 1] + 1) % VOCABULARY,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut parts = Parts::unproven(Asked::greedy(), |answer, _| {
            let ids = &mut answer.choices[0].1;
            let before = ids.clone();
            change(ids);
            assert_ne!(*ids, before);
        });
        assert_eq!(
            parts.prove().unwrap_err(),
            ProvingError::Prover(ProverError::False),
            "{number}"
        );
        // Nor is the proof of what the model gives one of what the receipt says.
        parts.bundle.evidence = Parts::new(Asked::greedy()).bundle.evidence;
        let honest = parts
            .model
            .proof(&Asked::greedy(), 0, IDS, &parts.receipt());
        let (exit, code) = parts.with_proofs(vec![honest]).refused();
        assert!(exit == 10 && code.starts_with("proof."), "{number}: {code}");
    }
}

#[test]
fn what_a_statement_does_not_cover_is_refused_by_name_before_any_work() {
    type Change = fn(&mut SamplingParameters);
    let changes: [(&str, Change); 6] = [
        ("repetition_penalty", |p| p.repetition_penalty = 1_100_000),
        ("presence_penalty", |p| p.presence_penalty = 1),
        ("frequency_penalty", |p| p.frequency_penalty = -1),
        ("top_k", |p| p.top_k = 4),
        ("top_p", |p| p.top_p = 900_000),
        ("logit_bias", |p| p.logit_bias = vec![(1, 5)]),
    ];
    for (parameter, change) in changes {
        let mut asked = Asked::drawn();
        change(&mut asked.sampling);
        let mut parts = Parts::unproven(asked, |_, _| {});
        let refused = ProvingError::Content(InferenceError::Parameter { parameter });
        let subject = Subject::of(&parts.bundle, &parts.model.provable).map(|_| ());
        assert_eq!(subject.unwrap_err(), refused);
        // Whoever attaches a proof all the same is not believed, and not called a liar either.
        parts.bundle.evidence = vec![reattached(&parts)];
        assert_eq!(parts.refused(), (12, "proof.unsupported"), "{parameter}");
    }
}

/// The evidence of another receipt, as if it were about this one.
fn reattached(parts: &Parts) -> Evidence {
    let other = Parts::new(Asked::greedy());
    let data = other.bundle.evidence[0].data.as_ref().unwrap();
    let receipt = parts.receipt();
    let evidence = ProofEvidence::decode(data).unwrap();
    evidence.attach(receipt.claims().id, receipt.digest())
}

#[test]
fn receipts_that_do_not_say_what_was_sampled_are_refused() {
    let number = |name: &str, value: &str| Parameter {
        name: name.into(),
        value: ParameterValue::Clear(value.into()),
    };
    let cases: [(&str, Parts); 6] = [
        (
            "more ids than max_tokens",
            Parts::unproven(Asked::greedy(), |_, parameters| {
                parameters.retain(|p| p.name != "max_tokens");
                parameters.insert(2, number("max_tokens", "3"));
            }),
        ),
        (
            "a parameter is not there",
            Parts::unproven(Asked::greedy(), |_, parameters| {
                parameters.retain(|p| p.name != "temperature");
            }),
        ),
        (
            "a parameter is not one",
            Parts::unproven(Asked::greedy(), |_, parameters| {
                parameters.retain(|p| p.name != "temperature");
                parameters.insert(6, number("temperature", "0.5"));
            }),
        ),
        (
            "a choice is withheld",
            Parts::unproven(Asked::drawn(), |answer, _| {
                answer.choices.pop();
            }),
        ),
        (
            "a choice too many",
            Parts::unproven(Asked::greedy(), |answer, _| {
                let again = answer.choices[0].clone();
                answer.choices.push(again);
            }),
        ),
        ("an answer without ids", {
            let mut parts = Parts::unproven(Asked::greedy(), |_, _| {});
            let world = World::new(1);
            let closure = *parts.model.provable.closure().as_bytes();
            let mut claims = parts.answer.claims(&world, closure);
            claims.output[0].tokens = None;
            claims.usage = None;
            parts.bundle = world.bundle_of(claims, 3);
            parts.bundle.disclosures = parts.answer.disclosures(&world);
            parts.bundle.disclosures.pop();
            parts
        }),
    ];
    for (what, mut parts) in cases {
        parts.bundle.evidence = vec![reattached(&parts)];
        assert_eq!(
            parts.refused(),
            (10, "receipt.proof.other-content"),
            "{what}"
        );
    }
    // What this version has no proofs of, and what is not shown, is not refused.
    let mut parts = Parts::unproven(Asked::greedy(), |_, parameters| {
        parameters.push(number("typical_p", "3"));
    });
    parts.bundle.evidence = vec![reattached(&parts)];
    assert_eq!(parts.refused(), (12, "proof.unsupported"));
    let mut parts = Parts::unproven(Asked::greedy(), |answer, _| {
        answer.choices[0] = (vec![], vec![]);
    });
    parts.bundle.evidence = vec![reattached(&parts)];
    assert_eq!(parts.refused(), (12, "proof.unsupported"));
    for scope in ["executed", "output/0"] {
        let mut parts = Parts::new(Asked::greedy());
        parts.bundle.disclosures.retain(|d| d.scope() != scope);
        assert_eq!(parts.refused(), (12, "receipt.proof.not-opened"), "{scope}");
    }
}

#[test]
fn an_answer_that_was_cut_short_is_proven_as_far_as_it_goes() {
    let (world, model) = (World::new(1), Speller::new(0));
    let mut answer = Answer::of(&model, Asked::drawn());
    // The second choice had not begun.
    answer.choices.pop();
    let mut claims = answer.claims(&world, *model.provable.closure().as_bytes());
    claims.outcome.status = Status::AbortedByClient;
    let mut bundle = world.bundle_of(claims, 3);
    bundle.disclosures = answer.disclosures(&world);
    let mut parts = Parts {
        model,
        answer,
        bundle,
        steps: Some(SAME),
    };
    let proven = parts.prove().unwrap();
    parts.bundle.evidence = vec![proven];
    let report = parts.report();
    assert_accepted(&report);
    let not_shown = report.does_not_show().join("; ");
    assert!(not_shown.contains("cut short"), "{not_shown}");
}

#[test]
fn costs_of_a_text_are_those_of_its_choices() {
    let cost = |asked: Asked| {
        let parts = Parts::unproven(asked, |_, _| {});
        let subject = Subject::of(&parts.bundle, &parts.model.provable).unwrap();
        subject.cost(Mode::Committed).unwrap()
    };
    let (two, one) = (
        cost(Asked::drawn()),
        cost(Asked {
            choices: 1,
            ..Asked::drawn()
        }),
    );
    assert_eq!((one.runs, two.runs), (1, 2));
    assert_eq!(two.cells, 2 * one.cells);
    assert_eq!(two.proof_bytes, 2 * one.proof_bytes);
    assert_eq!(two.memory_bytes, one.memory_bytes);
    // Too little memory is said before anything is begun.
    let parts = Parts::unproven(Asked::greedy(), |_, _| {});
    let subject = Subject::of(&parts.bundle, &parts.model.provable).unwrap();
    let options = Options {
        max_memory_bytes: 1 << 10,
    };
    let refused =
        with_machine(|machine| subject.prove(machine, Mode::Committed, vec![], &options, &Nobody));
    assert!(matches!(
        refused.unwrap_err(),
        ProvingError::Prover(ProverError::Memory { .. })
    ));
}
