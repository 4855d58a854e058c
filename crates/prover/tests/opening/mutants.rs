//! Openings that were changed are refused, with the code that says why.

use proofmark_proof::Reader;

use super::plain::{Cheat, Made};
use super::*;

/// Two levels over 2^10 values, and no work.
fn made() -> (Made, Vec<E>, Shape) {
    let shape = Shape::new(10, 4, 2).unwrap();
    let point = point(3, 10);
    let plan = two_levels(&shape, 0);
    let made = plain::prove(&elements(4, 10), shape, &plan, &point, Cheat::Nothing);
    (made, point, shape)
}

#[test]
fn every_part_that_is_changed_is_refused_with_its_code() {
    let (made, point, _) = made();
    assert_eq!(
        code(verified(&made.commitment, &point, made.value, &made.proof)),
        "accepted"
    );
    for pair in made.parts.windows(2) {
        let [(part, start), (_, end)] = pair else {
            panic!("windows of two")
        };
        // First, last and some bytes of the part; the lowest bit, so that words stay below p.
        for at in [*start, (start + end) / 2, end.saturating_sub(4).max(*start)] {
            let mut proof = made.proof.clone();
            proof[at] ^= 1;
            let found = code(verified(&made.commitment, &point, made.value, &proof));
            let expected: &[&str] = match *part {
                "levels" => &["proof.malformed"],
                // More lanes, another rate, work, or fewer queries.
                "plan" => &[
                    "proof.malformed",
                    "proof.weak",
                    "proof.opening.root",
                    "proof.opening.work",
                ],
                "lanes" | "digests" => &["proof.opening.root"],
                // Positions are others than those that were opened, and may take more or fewer digests.
                "round" | "root" | "vector" => &["proof.opening.root", "proof.malformed"],
                part => panic!("{part}"),
            };
            assert!(expected.contains(&found), "{part} at {at}: {found}");
        }
    }
}

#[test]
fn another_value_point_or_commitment_is_refused() {
    let (made, point, shape) = made();
    let refused = |commitment: &Commitment, point: &[E], value| {
        let found = code(verified(commitment, point, value, &made.proof));
        assert!(found.starts_with("proof.opening."), "{found}");
    };
    refused(&made.commitment, &point, made.value + E::ONE);
    let mut other = point.clone();
    other[9] += E::X;
    refused(&made.commitment, &other, made.value);
    let mut root = made.commitment.root;
    root[31] ^= 0x80;
    refused(&Commitment { shape, root }, &point, made.value);
    let found = code(verified(
        &made.commitment,
        &point[1..],
        made.value,
        &made.proof,
    ));
    assert_eq!(found, "proof.opening.point");
    // Another transcript: a proof of something else.
    let mut incoming = Incoming::new(Transcript::new("something else"), &made.proof);
    let found = verify(&made.commitment, &point, made.value, &mut incoming);
    assert_eq!(code(found), "proof.opening.root");
    // The same values in another shape are another commitment.
    let shape = Shape::new(10, 5, 1).unwrap();
    let commitment = Commitment {
        shape,
        root: made.commitment.root,
    };
    let found = code(verified(&commitment, &point, made.value, &made.proof));
    assert_eq!(found, "proof.malformed");
}

#[test]
fn every_length_but_the_right_one_is_malformed() {
    let (made, point, _) = made();
    let mut cuts: Vec<usize> = made.parts.iter().map(|(_, start)| *start).collect();
    cuts.extend((0..made.proof.len()).step_by(97));
    for cut in cuts.into_iter().filter(|&cut| cut < made.proof.len()) {
        let found = code(verified(
            &made.commitment,
            &point,
            made.value,
            &made.proof[..cut],
        ));
        assert_eq!(found, "proof.malformed", "cut at {cut}");
    }
    for more in [1, 4, 100_000] {
        let mut proof = made.proof.clone();
        proof.resize(proof.len() + more, 0);
        assert_eq!(
            code(verified(&made.commitment, &point, made.value, &proof)),
            "proof.malformed"
        );
    }
}

#[test]
fn words_that_are_not_canonical_are_malformed() {
    let (made, point, _) = made();
    for (part, start) in &made.parts {
        if ["round", "vector"].contains(part) {
            let mut proof = made.proof.clone();
            proof[*start..start + 4].copy_from_slice(&P.to_le_bytes());
            let found = code(verified(&made.commitment, &point, made.value, &proof));
            assert_eq!(found, "proof.malformed", "{part}");
        }
    }
}

#[test]
fn lanes_that_a_tree_has_but_no_canonical_word_are_malformed() {
    // A prover may commit to any bytes: the root fits, the word does not.
    let shape = Shape::new(4, 4, 1).unwrap();
    let point = point(1, 4);
    let level = Level {
        log2_width: 4,
        log2_message: 0,
        log2_inverse_rate: 1,
        queries: queries_for(1),
        work_bits: 0,
    };
    let plan = Plan::new(&shape, vec![level]).unwrap();
    let words = elements(1, 4);
    let made = plain::prove(&words, shape, &plan, &point, Cheat::Nothing);
    // Both positions of this code are opened, and have the same lanes.
    let lanes = made
        .parts
        .iter()
        .find(|(part, _)| *part == "lanes")
        .unwrap()
        .1;
    let mut leaf = made.proof[lanes..lanes + 64].to_vec();
    leaf[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let hash = |separator: &str, message: &[u8]| {
        *blake3::keyed_hash(blake3::hash(separator.as_bytes()).as_bytes(), message).as_bytes()
    };
    let digest = hash("proofmark/proof/1/leaf\n", &leaf);
    let root = hash("proofmark/proof/1/node\n", &[digest, digest].concat());
    let commitment = Commitment { shape, root };
    // Whatever is sent before the lanes, they are opened in the end.
    let mut proof = made.proof[..lanes].to_vec();
    proof.extend([leaf.clone(), leaf].concat());
    assert_eq!(
        code(verified(&commitment, &point, made.value, &proof)),
        "proof.malformed"
    );
}

#[test]
fn weak_plans_are_refused_whatever_else_they_say() {
    let shape = Shape::for_size(18).unwrap();
    let words = elements(4, 18);
    let point = point(3, 18);
    let good = Plan::for_shape(&shape);
    let weaker: [fn(&mut Level); 3] = [
        |level| level.queries -= 4,
        |level| level.work_bits -= 4,
        |level| level.queries = 0,
    ];
    for number in 0..good.levels().len() {
        for change in weaker {
            let mut levels = good.levels().to_vec();
            change(&mut levels[number]);
            let plan = Plan::new(&shape, levels).unwrap();
            let made = opened(1, Isa::detect(), Values::Base(&words), &plan, shape, &point);
            let found = verified(&made.commitment, &point, made.value, &made.proof);
            assert_eq!(code(found), "proof.weak");
        }
    }
}

#[test]
fn plans_beyond_their_bounds_are_malformed() {
    let shape = Shape::for_size(18).unwrap();
    let good = Plan::for_shape(&shape).levels().to_vec();
    let wrong: [fn(&mut Vec<Level>); 9] = [
        |levels| levels.clear(),
        |levels| levels[0].work_bits = 21,
        |levels| levels[0].queries = 1025,
        |levels| levels[0].log2_width += 1,
        |levels| levels[0].log2_inverse_rate += 1,
        |levels| levels[0].log2_message -= 1,
        |levels| levels[1].log2_width = 3,
        |levels| levels[1].log2_inverse_rate = 0,
        |levels| levels.extend([levels[1]; 5]),
    ];
    for (number, change) in wrong.iter().enumerate() {
        let mut levels = good.clone();
        change(&mut levels);
        assert!(Plan::new(&shape, levels).is_err(), "{number}");
    }
    // A vector that is too long to be sent.
    let shape = Shape::new(19, 4, 1).unwrap();
    let levels = Plan::for_shape(&shape).levels()[..1].to_vec();
    assert!(Plan::new(&shape, levels).is_err());
}

#[test]
fn commitments_beyond_their_bounds_are_malformed() {
    let good = [[15, 4, 2].as_slice(), &[7; 32]].concat();
    let commitment = Commitment::decode(&mut Reader::new(&good)).unwrap();
    assert_eq!(commitment.to_bytes().as_slice(), good);
    for (size, width, rate) in [
        (3, 4, 1),
        (15, 3, 2),
        (15, 13, 2),
        (15, 4, 0),
        (15, 4, 7),
        (28, 4, 1),
        (255, 255, 255),
    ] {
        let mut bytes = good.clone();
        bytes[..3].copy_from_slice(&[size, width, rate]);
        let found = Commitment::decode(&mut Reader::new(&bytes));
        assert_eq!(found.map_err(|error| error.code()), Err("proof.malformed"));
    }
    assert!(Commitment::decode(&mut Reader::new(&good[..34])).is_err());
}

#[test]
fn work_that_was_not_done_is_refused() {
    let shape = Shape::for_size(8).unwrap();
    let point = point(1, 8);
    let plan = Plan::for_shape(&shape);
    let made = plain::prove(&elements(1, 8), shape, &plan, &point, Cheat::Nothing);
    let work = made
        .parts
        .iter()
        .find(|(part, _)| *part == "work")
        .unwrap()
        .1;
    let mut proof = made.proof.clone();
    // A nonce that does the work by chance would be refused for its positions.
    proof[work + 7] ^= 1;
    assert_eq!(
        code(verified(&made.commitment, &point, made.value, &proof)),
        "proof.opening.work"
    );
}
