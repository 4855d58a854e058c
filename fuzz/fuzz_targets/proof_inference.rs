//! Of all bytes, the genuine proof of an inference is accepted for its statement and nothing else.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use proofmark_program::{Program, Weights};
use proofmark_proof::commitment::Commitment;
use proofmark_proof::plan::constant_types;
use proofmark_proof::{PublicWeights, Reader, Statement, WeightsCommitment, WeightsMode, verify};
use serde_json::Value;

struct Genuine {
    program: Program,
    public: PublicWeights,
    committed: Option<WeightsCommitment>,
    inputs: Vec<Vec<i32>>,
    outputs: Vec<Vec<i32>>,
    proof: Vec<u8>,
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
                proof: bytes(&case["proof"]),
            }
        })
        .collect()
});

impl Genuine {
    fn accepts(&self, proof: &[u8]) -> bool {
        let weights = match &self.committed {
            Some(committed) => WeightsMode::Committed(committed),
            None => WeightsMode::Public(&self.public),
        };
        let statement = Statement {
            program: &self.program,
            closure_digest: [1; 32],
            weights,
            receipt_id: [2; 16],
            claims_digest: [3; 32],
            inputs: &self.inputs,
            outputs: &self.outputs,
            generation: None,
        };
        verify(proof, &statement).is_ok()
    }
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
        _ => {
            for change in data.chunks_exact(3) {
                let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % proof.len();
                proof[at] = proof[at].wrapping_add(change[2]);
            }
        }
    }
    assert_eq!(genuine.accepts(&proof), proof == genuine.proof);
});
