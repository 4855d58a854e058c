//! Whole proofs: accepted ones, changes of their bytes and of their statements, and proofs by provers that cheat.

use proofmark_kernels::{Isa, Pool};
use proofmark_program::{CheckedProgram, Sampler, SamplerScratch, SamplingParameters, reference};
use proofmark_proof::plan::{Choices, ColumnKind, Plan, plan, plan_generation};
use proofmark_proof::{Generation, PublicWeights, Statement, WeightsMode, verify};
use proofmark_prover::witness::{Given, Witness, longest_walk};
use proofmark_prover::{CommittedWeights, Machine, Model, Nobody, prove_witness};
use serde_json::{Value, json};

use crate::trace::Trace;
use crate::{hex, programs};

/// Narrow digits: their table is small, and so are the proofs.
const DIGIT_BITS: u32 = 8;

/// One inference, and what its proofs need.
struct Inference {
    checked: CheckedProgram<Vec<u8>>,
    model: Model,
    weights: PublicWeights,
    plan: Plan,
    inputs: Vec<Vec<i32>>,
    outputs: Vec<Vec<i32>>,
    generation: Option<Generated>,
}

/// A generation of a decoder, with the largest logit taken.
struct Generated {
    prompt: Vec<u32>,
    generated: Vec<u32>,
    parameters: SamplingParameters,
}

impl Generated {
    /// `count` ids after a prompt.
    fn new(checked: &CheckedProgram<Vec<u8>>, prompt: Vec<u32>, count: usize) -> Self {
        let parameters = SamplingParameters::greedy();
        let vocabulary = programs::VOCABULARY;
        let mut sampler = Sampler::new(parameters.clone(), vocabulary, SEED, 0, &prompt).unwrap();
        let mut scratch = SamplerScratch::default();
        let mut sequence = prompt.clone();
        for _ in 0..count {
            let logits = reference::decoder(checked, &sequence).unwrap();
            let row = &logits.elements[logits.elements.len() - vocabulary as usize..];
            sequence.push(sampler.sample(row, &mut scratch).unwrap());
        }
        Self {
            generated: sequence.split_off(prompt.len()),
            prompt,
            parameters,
        }
    }

    fn said(&self) -> Generation<'_> {
        Generation {
            prompt: &self.prompt,
            generated: &self.generated,
            parameters: &self.parameters,
            seed: SEED,
            choice: 0,
        }
    }
}

/// Of the sampler.
const SEED: u64 = 7;

impl Inference {
    fn decoder(checked: CheckedProgram<Vec<u8>>, prompt: Vec<u32>, count: usize) -> Self {
        let generated = Generated::new(&checked, prompt, count);
        let model = Model::new(&checked).unwrap();
        let choices = Choices {
            digit_bits: DIGIT_BITS,
            walk: 0,
        };
        let (program, said) = (model.program(), generated.said());
        Self {
            weights: PublicWeights::of(&checked).unwrap(),
            plan: plan_generation(program, model.types(), choices, &said).unwrap(),
            generation: Some(generated),
            inputs: Vec::new(),
            outputs: Vec::new(),
            checked,
            model,
        }
    }

    fn new(checked: CheckedProgram<Vec<u8>>, inputs: Vec<Vec<i32>>) -> Self {
        let slices: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
        let outputs = reference::tensors(&checked, &slices).unwrap();
        let model = Model::new(&checked).unwrap();
        let choices = Choices {
            digit_bits: DIGIT_BITS,
            walk: longest_walk(model.program(), model.constants()),
        };
        Self {
            weights: PublicWeights::of(&checked).unwrap(),
            plan: plan(model.program(), model.types(), choices).unwrap(),
            outputs: outputs.into_iter().map(|tensor| tensor.elements).collect(),
            generation: None,
            checked,
            model,
            inputs,
        }
    }

    fn statement<'s>(&'s self, weights: WeightsMode<'s>) -> Statement<'s> {
        Statement {
            program: self.model.program(),
            closure_digest: [1; 32],
            weights,
            receipt_id: [2; 16],
            claims_digest: [3; 32],
            inputs: &self.inputs,
            outputs: &self.outputs,
            generation: self.generation.as_ref().map(Generated::said),
        }
    }

    fn public(&self) -> Statement<'_> {
        self.statement(WeightsMode::Public(&self.weights))
    }

    fn witness(&self, machine: Machine<'_>) -> Witness {
        let inputs: Vec<&[i32]> = self.inputs.iter().map(Vec::as_slice).collect();
        let given = Given {
            inputs: &inputs,
            constants: self.model.constants(),
        };
        Witness::compute(&self.plan, given, machine.pool).unwrap()
    }

    /// The statement as the file has it.
    fn described(&self, statement: &Statement<'_>) -> Value {
        let commitment = match statement.weights {
            WeightsMode::Committed(weights) => Some(hex(&weights.commitment.to_bytes())),
            WeightsMode::Public(_) => None,
        };
        let mut said = json!({
            "program": hex(&statement.program.encode().unwrap()),
            "weights": hex(self.checked.weights().bytes()),
            "commitment": commitment,
            "closure": hex(&statement.closure_digest),
            "receipt": hex(&statement.receipt_id),
            "claims": hex(&statement.claims_digest),
            "inputs": statement.inputs,
            "outputs": statement.outputs,
        });
        if let Some(generation) = &statement.generation {
            said["generation"] = json!({
                "prompt": generation.prompt,
                "generated": generation.generated,
                "seed": generation.seed,
                "choice": generation.choice,
            });
        }
        said
    }
}

fn code(proof: &[u8], statement: &Statement<'_>) -> &'static str {
    verify(proof, statement).map_or_else(|error| error.code(), |_| "")
}

/// Changes of each part's first byte or word, and of the proof's length.
fn changes(plan: &Plan, statement: &Statement<'_>, proof: &[u8]) -> Vec<Value> {
    let mut changes = Vec::new();
    let mut add = |part: &str, at: usize, bytes: &[u8]| {
        let mut changed = proof.to_vec();
        changed.splice(at..proof.len().min(at + bytes.len()), bytes.iter().copied());
        let code = code(&changed, statement);
        assert_ne!(code, "", "{part} does not matter");
        changes.push(json!({ "part": part, "at": at, "bytes": hex(bytes), "code": code }));
    };
    for (part, at) in Trace::of(plan, statement, proof) {
        add(&part, at, &[proof[at] ^ 1]);
        if part.ends_with("queries") {
            // Four queries: too few.
            add(&part, at, &[4, 0]);
        } else if part.ends_with("vector") || part == "wires" {
            add(&part, at, &[0xff; 4]);
        }
    }
    add("end", proof.len(), &[0]);
    let mut cuts: Vec<usize> = vec![0, 20, proof.len() / 2, proof.len() - 1];
    cuts.dedup();
    for cut in cuts {
        let code = code(&proof[..cut], statement);
        changes.push(json!({ "part": "end", "cut": cut, "code": code }));
    }
    changes
}

/// Other generations, for which the proof is none.
fn other_generations(generated: &Generated, statement: &Statement<'_>, proof: &[u8]) -> Vec<Value> {
    let honest = generated.said();
    let other = |ids: &[u32]| -> Vec<u32> {
        let first = (ids[0] + 1) % programs::VOCABULARY;
        [&[first][..], &ids[1..]].concat()
    };
    let (prompt, ids) = (other(honest.prompt), other(honest.generated));
    let beyond = [&[programs::VOCABULARY][..], &honest.prompt[1..]].concat();
    let long = [2; 8];
    let all = [
        Generation {
            prompt: &prompt,
            ..honest
        },
        Generation {
            generated: &ids,
            ..honest
        },
        Generation {
            generated: &honest.generated[1..],
            ..honest
        },
        Generation { seed: 8, ..honest },
        Generation {
            choice: 1,
            ..honest
        },
        Generation {
            prompt: &beyond,
            ..honest
        },
        Generation {
            prompt: &[],
            ..honest
        },
        Generation {
            generated: &[],
            ..honest
        },
        Generation {
            generated: &long,
            ..honest
        },
    ];
    let judged = all.into_iter().map(|generation| {
        let said = json!({
            "prompt": generation.prompt,
            "generated": generation.generated,
            "seed": generation.seed,
            "choice": generation.choice,
        });
        let statement = Statement {
            generation: Some(generation),
            ..*statement
        };
        let code = code(proof, &statement);
        assert_ne!(code, "", "{said} does not matter");
        json!({ "statement": { "generation": said }, "code": code })
    });
    judged.collect()
}

/// Other statements, for which the proof is none: the members that differ.
fn others(inference: &Inference, statement: &Statement<'_>, proof: &[u8]) -> Vec<Value> {
    if let Some(generated) = &inference.generation {
        return other_generations(generated, statement, proof);
    }
    let mut inputs = inference.inputs.clone();
    inputs[0][0] += 1;
    let mut outputs = inference.outputs.clone();
    outputs[0][0] += if outputs[0][0] > 0 { -1 } else { 1 };
    let mut beyond = inference.inputs.clone();
    beyond[0][0] = 1_000;
    let short = vec![inference.inputs[0][1..].to_vec()];
    let of = |closure: u8, receipt: u8, claims: u8| Statement {
        closure_digest: [closure; 32],
        receipt_id: [receipt; 16],
        claims_digest: [claims; 32],
        ..*statement
    };
    let with = |inputs, outputs| Statement {
        inputs,
        outputs,
        ..*statement
    };
    let (x, y) = (inference.inputs.as_slice(), inference.outputs.as_slice());
    let all = [
        (json!({ "closure": hex(&[9; 32]) }), of(9, 2, 3)),
        (json!({ "receipt": hex(&[9; 16]) }), of(1, 9, 3)),
        (json!({ "claims": hex(&[9; 32]) }), of(1, 2, 9)),
        (json!({ "inputs": inputs }), with(&inputs, y)),
        (json!({ "outputs": outputs }), with(x, &outputs)),
        (json!({ "inputs": beyond }), with(&beyond, y)),
        (json!({ "inputs": short }), with(&short, y)),
        (json!({ "outputs": [] }), with(x, &[])),
    ];
    let judged = all.into_iter().map(|(change, statement)| {
        let code = code(proof, &statement);
        assert_ne!(code, "", "{change} does not matter");
        json!({ "statement": change, "code": code })
    });
    judged.collect()
}

fn accepted(
    machine: Machine<'_>,
    name: &str,
    inference: &Inference,
    statement: &Statement<'_>,
    weights: Option<&CommittedWeights<'_>>,
) -> Value {
    let (plan, witness) = (&inference.plan, inference.witness(machine));
    let proof = prove_witness(machine, plan, &witness, weights, statement, &Nobody).unwrap();
    let account = verify(&proof, statement).unwrap();
    json!({
        "description": name,
        "statement": inference.described(statement),
        "proof": hex(&proof),
        "bits": account.bits(),
        "changes": changes(plan, statement, &proof),
        "others": others(inference, statement, &proof),
    })
}

/// A proof with a witness, or a statement, that is not what the program computes.
fn cheat(
    machine: Machine<'_>,
    name: &str,
    inference: &Inference,
    statement: &Statement<'_>,
    change: impl FnOnce(&Plan, &mut Witness),
) -> Value {
    let plan = &inference.plan;
    let mut witness = inference.witness(machine);
    change(plan, &mut witness);
    let proof = prove_witness(machine, plan, &witness, None, statement, &Nobody).unwrap();
    let code = code(&proof, statement);
    assert_ne!(code, "", "{name} was accepted");
    json!({
        "description": name,
        "statement": inference.described(statement),
        "proof": hex(&proof),
        "code": code,
    })
}

/// The first column of a kind.
fn column(plan: &Plan, kind: impl Fn(ColumnKind) -> bool) -> usize {
    let column = plan.columns.iter().find(|column| kind(column.kind));
    column.unwrap().tensor
}

fn cheats(machine: Machine<'_>, inference: &Inference) -> Vec<Value> {
    let honest = inference.public();
    let mut outputs = inference.outputs.clone();
    outputs[0][0] += 1;
    let lie = Statement {
        outputs: &outputs,
        generation: None,
        ..honest
    };
    let nothing = |_: &Plan, _: &mut Witness| ();
    let digit = |kind| matches!(kind, ColumnKind::Digit(_));
    vec![
        cheat(machine, "another output", inference, &lie, nothing),
        cheat(
            machine,
            "another remainder",
            inference,
            &honest,
            |plan, witness| {
                witness.values[column(plan, digit)][0] ^= 1;
                witness.count(plan);
            },
        ),
        cheat(
            machine,
            "a digit beyond its width",
            inference,
            &honest,
            |plan, witness| {
                witness.values[column(plan, digit)][0] = 1 << DIGIT_BITS;
                witness.count(plan);
            },
        ),
        cheat(
            machine,
            "a count that is not the lookups'",
            inference,
            &honest,
            |plan, witness| {
                let counts = |kind| kind == ColumnKind::Multiplicity(Some(0));
                witness.values[column(plan, counts)][0] += 1;
            },
        ),
        cheat(
            machine,
            "other weights",
            inference,
            &honest,
            |plan, witness| {
                let constant = plan.tensors.iter().position(|tensor| {
                    matches!(tensor.rule, proofmark_proof::plan::Rule::Constant(0))
                });
                witness.values[constant.unwrap()][0] ^= 1;
            },
        ),
    ]
}

pub(crate) fn all() -> Value {
    let pool = Pool::new(1);
    let machine = Machine {
        pool: &pool,
        isa: Isa::SCALAR,
    };
    let layers = Inference::new(programs::layers(), vec![vec![-128, 5, 127, 0, 33]]);
    let image = (0..25).map(|i| 5 * i).collect();
    let convolutions = Inference::new(programs::convolutions(), vec![image]);
    let trees = Inference::new(programs::trees(), vec![vec![9, 20, 20, 5]]);
    let decoder = Inference::decoder(programs::decoder(), vec![1, 4], 2);
    let mut cases = Vec::new();
    for (name, inference) in [
        ("layers", &layers),
        ("convolutions", &convolutions),
        ("trees", &trees),
    ] {
        let bytes = inference.model.limbs();
        let weights = CommittedWeights::new(machine, &inference.model, &bytes).unwrap();
        let statement = inference.public();
        let public = format!("{name}, public weights");
        cases.push(accepted(machine, &public, inference, &statement, None));
        let statement = inference.statement(WeightsMode::Committed(weights.public()));
        let committed = format!("{name}, committed weights");
        cases.push(accepted(
            machine,
            &committed,
            inference,
            &statement,
            Some(&weights),
        ));
    }
    let statement = decoder.public();
    let name = "a decoder, public weights";
    cases.push(accepted(machine, name, &decoder, &statement, None));
    cases.extend(cheats(machine, &layers));
    json!({ "cases": cases })
}
