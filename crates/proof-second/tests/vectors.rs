//! The second verifier says of every vector what the vector says.
#![cfg(test)]

use proofmark_field::{E, F};
use proofmark_program::{Program, SamplingParameters, Weights};
use proofmark_proof_second::{
    Commitment, Generation, Input, Opening, Statement, Transcript, verify, verify_inference,
};
use serde_json::Value;

fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn extensions(value: &Value) -> Vec<E> {
    let word = |word: &[u8]| F::new(u32::from_le_bytes(word.try_into().unwrap()));
    let bytes = bytes(value);
    bytes
        .chunks(20)
        .map(|element| {
            let coordinates: Vec<F> = element.chunks(4).map(word).collect();
            E(coordinates.try_into().unwrap())
        })
        .collect()
}

fn file(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/proof/");
    let text = std::fs::read_to_string(format!("{folder}{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_opening_is_judged_as_its_vector_says() {
    let file = file("openings");
    let mut transcript = Transcript::new(file["protocol"].as_str().unwrap());
    for pair in file["absorbed"].as_array().unwrap() {
        transcript.absorb(pair[0].as_str().unwrap(), &bytes(&pair[1]));
    }
    let mut judged = 0;
    for vector in file["cases"].as_array().unwrap() {
        let commitment = Commitment::decode(&bytes(&vector["commitment"])).unwrap();
        let (point, value) = (extensions(&vector["point"]), extensions(&vector["value"]));
        let opening = Opening {
            commitment: &commitment,
            point: &point,
            value: value[0],
        };
        let judge = |proof: &[u8]| {
            let mut input = Input::new(transcript.clone(), proof);
            let bits = verify(&opening, &mut input)?;
            input.end().map(|()| bits)
        };
        let expected = |of: &Value| match of["code"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(of["bits"].as_u64().unwrap() as u32),
        };
        let proof = bytes(&vector["proof"]);
        let found = judge(&proof).map_err(str::to_owned);
        assert_eq!(found, expected(vector), "{}", vector["description"]);
        judged += 1;
        for change in vector["changes"].as_array().unwrap() {
            let mut proof = proof.clone();
            if let Some(at) = change["flip"].as_u64() {
                proof[at as usize] ^= 1;
            }
            if let Some(length) = change["cut"].as_u64() {
                proof.truncate(length as usize);
            }
            let found = judge(&proof).map_err(str::to_owned);
            assert_eq!(
                found,
                expected(change),
                "{}: {change}",
                vector["description"]
            );
            judged += 1;
        }
    }
    assert!(judged > 30, "{judged}");
}

fn judge(statement: &Value, proof: &[u8]) -> Result<u32, String> {
    let integers =
        |name: &str| -> Vec<Vec<i32>> { serde_json::from_value(statement[name].clone()).unwrap() };
    let commitment = statement["commitment"].as_str();
    let commitment =
        commitment.map(|_| Commitment::decode(&bytes(&statement["commitment"])).unwrap());
    let digests = ["closure", "receipt", "claims"].map(|name| bytes(&statement[name]));
    let said = &statement["generation"];
    let ids = |name: &str| -> Vec<u32> {
        let ids = said[name].as_array().into_iter().flatten();
        ids.map(|id| id.as_u64().unwrap() as u32).collect()
    };
    let (prompt, generated) = (ids("prompt"), ids("generated"));
    let parameters = SamplingParameters::greedy();
    let generation = said.is_object().then(|| Generation {
        prompt: &prompt,
        generated: &generated,
        parameters: &parameters,
        seed: said["seed"].as_u64().unwrap(),
        choice: said["choice"].as_u64().unwrap() as u32,
    });
    let statement = Statement {
        program: &Program::decode(&bytes(&statement["program"])).unwrap(),
        weights: &Weights::open(bytes(&statement["weights"])).unwrap(),
        commitment: commitment.as_ref(),
        digests: [&digests[0], &digests[1], &digests[2]],
        inputs: &integers("inputs"),
        outputs: &integers("outputs"),
        generation,
    };
    verify_inference(proof, &statement).map_err(str::to_owned)
}

fn expected(of: &Value) -> Result<u32, String> {
    match of["code"].as_str() {
        Some(code) => Err(code.to_owned()),
        None => Ok(of["bits"].as_u64().unwrap() as u32),
    }
}

#[test]
fn every_proof_is_judged_as_its_vector_says() {
    let file = file("inferences");
    let mut judged = 0;
    for vector in file["cases"].as_array().unwrap() {
        let description = &vector["description"];
        let (statement, proof) = (&vector["statement"], bytes(&vector["proof"]));
        assert_eq!(judge(statement, &proof), expected(vector), "{description}");
        for change in vector["changes"].as_array().into_iter().flatten() {
            let mut proof = proof.clone();
            if let Some(length) = change["cut"].as_u64() {
                proof.truncate(length as usize);
            } else {
                let new = bytes(&change["bytes"]);
                let at = change["at"].as_u64().unwrap() as usize;
                let end = proof.len().min(at + new.len());
                proof.splice(at..end, new);
            }
            let found = judge(statement, &proof);
            assert_eq!(found, expected(change), "{description}: {change}");
            judged += 1;
        }
        for other in vector["others"].as_array().into_iter().flatten() {
            let mut statement = statement.clone();
            for (name, value) in other["statement"].as_object().unwrap() {
                statement[name] = value.clone();
            }
            let found = judge(&statement, &proof);
            assert_eq!(found, expected(other), "{description}: {other}");
            judged += 1;
        }
    }
    assert!(judged > 250, "{judged}");
}
