//! `vectors/proof/`: what is said there of each proof is what the verifier says.

#![expect(clippy::unwrap_used, reason = "a test's helpers")]

use proofmark_proof::commitment::{Commitment, verify};
use proofmark_proof::field::E;
use proofmark_proof::{Incoming, Reader, Transcript};
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

#[test]
fn every_opening_is_judged_as_its_vector_says() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../vectors/proof/openings.json"
    );
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
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
