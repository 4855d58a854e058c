//! Of all bytes, the genuine proof of an inference is accepted for its statement and nothing else, whatever the program is.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use proofmark_program::{Interface, NodeId, Program, SamplingParameters, Weights};
use proofmark_proof::commitment::Commitment;
use proofmark_proof::plan::constant_types;
use proofmark_proof::{
    Generation, PublicWeights, Reader, Statement, WeightsCommitment, WeightsMode, verify,
};
use serde_json::Value;

struct Genuine {
    program: Program,
    public: PublicWeights,
    committed: Option<WeightsCommitment>,
    inputs: Vec<Vec<i32>>,
    outputs: Vec<Vec<i32>>,
    generated: Option<Generated>,
    proof: Vec<u8>,
}

struct Generated {
    prompt: Vec<u32>,
    ids: Vec<u32>,
    seed: u64,
    parameters: SamplingParameters,
}

impl Generated {
    fn of(said: &Value) -> Option<Self> {
        let ids = |name: &str| serde_json::from_value(said[name].clone()).expect("ids");
        said.is_object().then(|| Self {
            prompt: ids("prompt"),
            ids: ids("generated"),
            seed: said["seed"].as_u64().expect("a seed"),
            parameters: SamplingParameters::greedy(),
        })
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().expect("hexadecimal").as_bytes().chunks(2);
    digits
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("a byte")
        })
        .collect()
}

fn integers(value: &Value) -> Vec<Vec<i32>> {
    serde_json::from_value(value.clone()).expect("lists of integers")
}

static GENUINE: LazyLock<Vec<Genuine>> = LazyLock::new(|| {
    let file = include_str!("../../vectors/proof/inferences.json");
    let file: Value = serde_json::from_str(file).expect("JSON");
    let cases = file["cases"].as_array().expect("cases").iter();
    let accepted = cases.filter(|case| case["bits"].is_u64());
    accepted
        .map(|case| {
            let said = &case["statement"];
            let program = Program::decode(&bytes(&said["program"])).expect("a program");
            let weights = Weights::open(bytes(&said["weights"])).expect("weights");
            let types = constant_types(&program, &weights).expect("constants");
            let committed = said["commitment"].as_str().map(|_| {
                let commitment = bytes(&said["commitment"]);
                let commitment = Commitment::decode(&mut Reader::new(&commitment));
                WeightsCommitment {
                    types: types.clone(),
                    commitment: commitment.expect("a commitment"),
                }
            });
            let checked = program.clone().check(weights).expect("a checked program");
            Genuine {
                public: PublicWeights::of(&checked).expect("constants"),
                program,
                committed,
                inputs: integers(&said["inputs"]),
                outputs: integers(&said["outputs"]),
                generated: Generated::of(&said["generation"]),
                proof: bytes(&case["proof"]),
            }
        })
        .collect()
});

/// Elements of nodes, as small as they may be; none of more than there is time for.
fn smallest(program: &Program, nodes: impl Iterator<Item = NodeId>) -> Option<Vec<Vec<i32>>> {
    let of = |node: NodeId| {
        let result = &program.node(node)?.result;
        let length = usize::try_from(result.elements()).ok()?;
        (length <= 1 << 16).then(|| vec![result.lo; length])
    };
    nodes.map(of).collect()
}

impl Genuine {
    fn statement<'s>(
        &'s self,
        program: &'s Program,
        inputs: &'s [Vec<i32>],
        outputs: &'s [Vec<i32>],
    ) -> Statement<'s> {
        Statement {
            program,
            closure_digest: [1; 32],
            weights: match &self.committed {
                Some(committed) => WeightsMode::Committed(committed),
                None => WeightsMode::Public(&self.public),
            },
            receipt_id: [2; 16],
            claims_digest: [3; 32],
            inputs,
            outputs,
            generation: self.generated.as_ref().map(|of| Generation {
                prompt: &of.prompt,
                generated: &of.ids,
                parameters: &of.parameters,
                seed: of.seed,
                choice: 0,
            }),
        }
    }

    fn accepts(&self, proof: &[u8]) -> bool {
        let statement = self.statement(&self.program, &self.inputs, &self.outputs);
        verify(proof, &statement).is_ok()
    }

    /// Another program, with the genuine one's weights and proof.
    fn accepts_for(&self, program: &Program) -> bool {
        let Interface::Tensor { inputs, outputs } = &program.interface else {
            return verify(&self.proof, &self.statement(program, &[], &[])).is_ok();
        };
        let inputs = smallest(program, inputs.iter().map(|input| input.node));
        let outputs = smallest(program, outputs.iter().map(|output| output.node));
        let (Some(inputs), Some(outputs)) = (inputs, outputs) else {
            return false;
        };
        let statement = self.statement(program, &inputs, &outputs);
        verify(&self.proof, &statement).is_ok()
    }
}

fn changed(bytes: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] = bytes[at].wrapping_add(change[2]);
    }
    bytes
}

fuzz_target!(|data: &[u8]| {
    let Some((&selector, data)) = data.split_first() else {
        return;
    };
    let genuine = &GENUINE[usize::from(selector >> 2) % GENUINE.len()];
    let mut proof = genuine.proof.clone();
    match selector & 3 {
        // Bytes of the fuzzer's.
        0 => proof = data.to_vec(),
        // The genuine proof up to some place, and then bytes of the fuzzer's.
        1 => {
            let (place, rest) = data.split_at(data.len().min(2));
            let place = place
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            proof.truncate(place);
            proof.extend_from_slice(rest);
        }
        // Changes: places, and what is added there.
        2 => proof = changed(&proof, data),
        // Changes of the program, or a program of the fuzzer's.
        _ => {
            let own = genuine.program.encode().expect("a file");
            for file in [changed(&own, data), data.to_vec()] {
                if let Ok(program) = Program::decode(&file) {
                    let same = program == genuine.program;
                    assert!(same || !genuine.accepts_for(&program));
                }
            }
            return;
        }
    }
    assert_eq!(genuine.accepts(&proof), proof == genuine.proof);
});
