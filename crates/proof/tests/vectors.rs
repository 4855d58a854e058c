//! `vectors/proof/`: what is said there of each proof is what the verifier says.

#![expect(clippy::unwrap_used, reason = "a test's helpers")]

use proofmark_program::{Program, SamplingParameters, Weights};
use proofmark_proof::commitment::{Commitment, verify};
use proofmark_proof::field::E;
use proofmark_proof::plan::constant_types;
use proofmark_proof::{
    Generation, Incoming, PublicWeights, Reader, Statement, Transcript, WeightsCommitment,
    WeightsMode, verify as verify_inference,
};
use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = text(value).as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

struct Case<'a> {
    transcript: &'a Transcript,
    commitment: Commitment,
    point: Vec<E>,
    value: E,
}

impl Case<'_> {
    /// Bits, or a code.
    fn outcome(&self, proof: &[u8]) -> Result<u64, &'static str> {
        let mut incoming = Incoming::new(self.transcript.clone(), proof);
        let account = verify(&self.commitment, &self.point, self.value, &mut incoming)
            .map_err(|rejection| rejection.code())?;
        incoming.finish().map_err(|rejection| rejection.code())?;
        Ok(u64::from(account.bits()))
    }
}

fn file(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/proof/");
    let text = std::fs::read_to_string(format!("{folder}{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_opening_is_judged_as_its_vector_says() {
    let file = file("openings");
    let mut transcript = Transcript::new(text(&file["protocol"]));
    for pair in file["absorbed"].as_array().unwrap() {
        transcript.absorb(text(&pair[0]), &bytes(&pair[1]));
    }
    let mut codes = std::collections::BTreeSet::new();
    for vector in file["cases"].as_array().unwrap() {
        let description = text(&vector["description"]);
        let point = bytes(&vector["point"]);
        let commitment = bytes(&vector["commitment"]);
        let value = bytes(&vector["value"]);
        let case = Case {
            transcript: &transcript,
            commitment: Commitment::decode(&mut Reader::new(&commitment)).unwrap(),
            point: Reader::new(&point).extensions(point.len() / 20).unwrap(),
            value: Reader::new(&value).extension().unwrap(),
        };
        let proof = bytes(&vector["proof"]);
        match case.outcome(&proof) {
            Ok(bits) => assert_eq!(vector["bits"].as_u64(), Some(bits), "{description}"),
            Err(code) => {
                assert_eq!(vector["code"].as_str(), Some(code), "{description}");
                codes.insert(code);
            }
        }
        for change in vector["changes"].as_array().unwrap() {
            let mut proof = proof.clone();
            match (change["flip"].as_u64(), change["cut"].as_u64()) {
                (Some(at), None) => proof[at as usize] ^= 1,
                (None, Some(length)) => proof.truncate(length as usize),
                _ => panic!("{description}: {change}"),
            }
            let code = case.outcome(&proof).unwrap_err();
            assert_eq!(
                change["code"].as_str(),
                Some(code),
                "{description}: {change}"
            );
            codes.insert(code);
        }
    }
    let all = [
        "proof.malformed",
        "proof.opening.position",
        "proof.opening.root",
        "proof.opening.value",
        "proof.opening.work",
        "proof.weak",
    ];
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), all);
}

/// A statement, owned.
struct Said {
    program: Program,
    weights: Weights<Vec<u8>>,
    commitment: Option<WeightsCommitment>,
    digests: [Vec<u8>; 3],
    inputs: Vec<Vec<i32>>,
    outputs: Vec<Vec<i32>>,
    generation: Option<Generated>,
}

/// A generation with the largest logit taken, owned.
struct Generated {
    prompt: Vec<u32>,
    generated: Vec<u32>,
    seed: u64,
    choice: u32,
}

impl Generated {
    fn of(said: &Value) -> Option<Self> {
        let ids = |name: &str| serde_json::from_value(said[name].clone()).unwrap();
        said.is_object().then(|| Self {
            prompt: ids("prompt"),
            generated: ids("generated"),
            seed: said["seed"].as_u64().unwrap(),
            choice: u32::try_from(said["choice"].as_u64().unwrap()).unwrap(),
        })
    }
}

fn integers(lists: &Value) -> Vec<Vec<i32>> {
    let list = |list: &Value| {
        let elements = list.as_array().unwrap().iter();
        let elements = elements.map(|x| i32::try_from(x.as_i64().unwrap()).unwrap());
        elements.collect()
    };
    lists.as_array().unwrap().iter().map(list).collect()
}

impl Said {
    fn of(statement: &Value) -> Self {
        let program = Program::decode(&bytes(&statement["program"])).unwrap();
        let weights = Weights::open(bytes(&statement["weights"])).unwrap();
        let commitment = statement["commitment"].as_str().map(|_| WeightsCommitment {
            types: constant_types(&program, &weights).unwrap(),
            commitment: Commitment::decode(&mut Reader::new(&bytes(&statement["commitment"])))
                .unwrap(),
        });
        Self {
            program,
            weights,
            commitment,
            digests: ["closure", "receipt", "claims"].map(|name| bytes(&statement[name])),
            inputs: integers(&statement["inputs"]),
            outputs: integers(&statement["outputs"]),
            generation: Generated::of(&statement["generation"]),
        }
    }

    /// Bits, or a code.
    fn judge(&self, proof: &[u8]) -> Result<u64, &'static str> {
        let weights = Weights::open(self.weights.bytes().to_vec()).unwrap();
        let public = PublicWeights::of(&self.program.clone().check(weights).unwrap()).unwrap();
        let [closure, receipt, claims] = &self.digests;
        let greedy = SamplingParameters::greedy();
        let generation = self.generation.as_ref().map(|of| Generation {
            prompt: &of.prompt,
            generated: &of.generated,
            parameters: &greedy,
            seed: of.seed,
            choice: of.choice,
        });
        let statement = Statement {
            program: &self.program,
            closure_digest: closure.as_slice().try_into().unwrap(),
            weights: match &self.commitment {
                Some(commitment) => WeightsMode::Committed(commitment),
                None => WeightsMode::Public(&public),
            },
            receipt_id: receipt.as_slice().try_into().unwrap(),
            claims_digest: claims.as_slice().try_into().unwrap(),
            inputs: &self.inputs,
            outputs: &self.outputs,
            generation,
        };
        let account = verify_inference(proof, &statement).map_err(|rejection| rejection.code())?;
        Ok(u64::from(account.bits()))
    }
}

/// A proof that was changed as a vector says.
fn changed(proof: &[u8], change: &Value) -> Vec<u8> {
    let mut proof = proof.to_vec();
    if let Some(length) = change["cut"].as_u64() {
        proof.truncate(length as usize);
    } else {
        let (at, new) = (
            change["at"].as_u64().unwrap() as usize,
            bytes(&change["bytes"]),
        );
        let end = proof.len().min(at + new.len());
        proof.splice(at..end, new);
    }
    proof
}

#[test]
fn every_inference_is_judged_as_its_vector_says() {
    let file = file("inferences");
    let mut codes = std::collections::BTreeSet::new();
    let mut accepted = 0;
    for vector in file["cases"].as_array().unwrap() {
        let description = text(&vector["description"]);
        let said = Said::of(&vector["statement"]);
        let proof = bytes(&vector["proof"]);
        match said.judge(&proof) {
            Ok(bits) => {
                assert_eq!(vector["bits"].as_u64(), Some(bits), "{description}");
                accepted += 1;
            }
            Err(code) => {
                assert_eq!(vector["code"].as_str(), Some(code), "{description}");
                codes.insert(code);
            }
        }
        for change in vector["changes"].as_array().into_iter().flatten() {
            let code = said.judge(&changed(&proof, change)).unwrap_err();
            assert_eq!(
                change["code"].as_str(),
                Some(code),
                "{description}: {change}"
            );
            codes.insert(code);
        }
        for other in vector["others"].as_array().into_iter().flatten() {
            let mut statement = vector["statement"].clone();
            for (name, value) in other["statement"].as_object().unwrap() {
                statement[name] = value.clone();
            }
            let code = Said::of(&statement).judge(&proof).unwrap_err();
            assert_eq!(other["code"].as_str(), Some(code), "{description}: {other}");
            codes.insert(code);
        }
    }
    assert_eq!(accepted, 7);
    let all = [
        "proof.constraint",
        "proof.lookup",
        "proof.malformed",
        "proof.opening.claims",
        "proof.opening.root",
        "proof.opening.work",
        "proof.statement",
        "proof.sum",
        "proof.weak",
        "proof.weights",
        "proof.witness",
    ];
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), all);
}
