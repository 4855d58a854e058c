//! The second verifier says of every vector what the vector says.
#![cfg(test)]

use proofmark_field::{E, F};
use proofmark_proof_second::{Commitment, Input, Opening, Transcript, verify};
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

#[test]
fn every_opening_is_judged_as_its_vector_says() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../vectors/proof/openings.json"
    );
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
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
