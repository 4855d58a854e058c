//! Honest openings are accepted, and are the same bytes on any machine.

use super::*;
use crate::plain::Cheat;

#[test]
fn every_size_is_opened_and_verified() {
    for log2_size in 4..=17 {
        let shape = Shape::for_size(log2_size).unwrap();
        let plan = Plan::for_shape(&shape);
        let point = point(u64::from(log2_size), log2_size);
        let (bytes, words) = (small(1, log2_size), elements(2, log2_size));
        for values in [Values::I8(&bytes), Values::Base(&words)] {
            let made = opened(2, Isa::detect(), values, &plan, shape, &point);
            let account = verified(&made.commitment, &point, made.value, &made.proof).unwrap();
            assert!(
                account.bits() >= 112,
                "2^{log2_size}: {} bits",
                account.bits()
            );
        }
    }
}

#[test]
fn the_value_is_that_of_the_multilinear_polynomial() {
    for (log2_size, seed) in [(4, 1), (7, 2), (10, 3)] {
        let shape = Shape::for_size(log2_size).unwrap();
        let words = elements(seed, log2_size);
        let mut point = point(seed, log2_size);
        point[1] = E::ONE;
        point[2] = E::ZERO;
        let plan = Plan::for_shape(&shape);
        let made = opened(1, Isa::SCALAR, Values::Base(&words), &plan, shape, &point);
        let extended: Vec<E> = words.iter().map(|&word| E::from_base(word)).collect();
        assert_eq!(
            Some(made.value),
            proofmark_proof::field::evaluate(&extended, &point)
        );
    }
}

#[test]
fn proofs_do_not_depend_on_the_machine() {
    // The second size computes positions again from int8, in several tiles of rows; the third has lanes of several chunks.
    for (log2_size, width, rate) in [(15, 4, 1), (21, 5, 1), (15, 10, 3)] {
        let shape = Shape::new(log2_size, width, rate).unwrap();
        let plan = Plan::for_shape(&shape);
        let point = point(7, log2_size);
        let bytes = small(3, log2_size);
        let words: Vec<F> = bytes
            .iter()
            .map(|&value| F::from_i32(i32::from(value)))
            .collect();
        let first = opened(1, Isa::detect(), Values::I8(&bytes), &plan, shape, &point);
        for isa in Isa::available() {
            for threads in [1, 3] {
                for values in [Values::I8(&bytes), Values::Base(&words)] {
                    let other = opened(threads, isa, values, &plan, shape, &point);
                    assert_eq!(other.commitment, first.commitment, "{isa:?}");
                    assert_eq!(other.value, first.value, "{isa:?}");
                    assert!(other.proof == first.proof, "{isa:?}, {threads} threads");
                }
            }
        }
        verified(&first.commitment, &point, first.value, &first.proof).unwrap();
    }
}

#[test]
fn a_prover_written_from_the_specification_makes_the_same_proof() {
    for (log2_size, levels) in [(6, 1), (9, 1), (10, 2), (12, 2)] {
        let shape = Shape::new(log2_size, 4, 1).unwrap();
        let plan = match levels {
            1 => Plan::for_shape(&shape),
            _ => two_levels(&shape, 5),
        };
        let point = point(9, log2_size);
        let words = elements(5, log2_size);
        let made = opened(2, Isa::detect(), Values::Base(&words), &plan, shape, &point);
        let slow = plain::prove(&words, shape, &plan, &point, Cheat::Nothing);
        assert_eq!((slow.commitment, slow.value), (made.commitment, made.value));
        assert!(slow.proof == made.proof, "2^{log2_size}");
    }
}

#[test]
fn what_does_not_fit_is_not_proven() {
    let shape = Shape::for_size(8).unwrap();
    let pool = Pool::new(1);
    let machine = Machine {
        pool: &pool,
        isa: Isa::SCALAR,
    };
    assert!(commit(machine, Values::I8(&[0; 255]), shape).is_err());
    let committed = commit(machine, Values::I8(&[1; 256]), shape).unwrap();
    let mut outgoing = Outgoing::new(transcript());
    let plan = Plan::for_shape(&shape);
    assert!(open_with(machine, &committed, &plan, &[E::ONE; 7], &mut outgoing).is_err());
    assert!(outgoing.is_empty());
}
