//! Numbers to integers, at their edges.

use std::vec;
use std::vec::Vec;

use super::*;
use crate::graph::{Interface, NodeId, Operator, TensorOutput};
use crate::{ProgramBuilder, WeightsWriter};

fn real(scale: f64, zero: f64) -> TensorInput {
    let kind = InputKind::Real {
        scale_bits: scale.to_bits(),
        zero_bits: zero.to_bits(),
    };
    TensorInput {
        name: "x".into(),
        node: NodeId(0),
        kind,
    }
}

#[test]
fn real_numbers_round_to_even_and_clamp() {
    let encode = |x: f64, scale, zero, lo, hi| {
        let of = NodeType::fixed(&[1], lo, hi);
        real(scale, zero)
            .encode(&of, Numbers::Real(&[x]), |_| None)
            .map(|x| x[0])
    };
    let all = |x| encode(x, 1.0, 0.0, i32::MIN, i32::MAX).unwrap();
    let cases = [
        (0.5, 0),
        (1.5, 2),
        (2.5, 2),
        (-0.5, 0),
        (-1.5, -2),
        (-2.5, -2),
        (0.499_999_999_999_999_94, 0),
        (0.500_000_000_000_000_1, 1),
        (2_147_483_646.5, 2_147_483_646),
        (2_147_483_647.5, i32::MAX),
        (1e300, i32::MAX),
        (-1e300, i32::MIN),
        (-2_147_483_648.5, i32::MIN),
        (5e-324, 0),
        (-0.0, 0),
        (4_294_967_295.9, i32::MAX),
    ];
    for (x, expected) in cases {
        assert_eq!(all(x), expected, "{x}");
    }
    assert_eq!(encode(7.0, 0.5, 4.0, -9, 9), Ok(2));
    assert_eq!(encode(f64::MAX, f64::MAX, 0.0, -9, 9), Ok(9));
    assert_eq!(encode(f64::MAX, 1.0, -f64::MAX, -9, 9), Ok(9));
    for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            encode(x, 1.0, 0.0, -9, 9).unwrap_err().code(),
            "program.input"
        );
    }
    let of = NodeType::fixed(&[2], -9, 9);
    assert!(
        real(1.0, 0.0)
            .encode(&of, Numbers::Real(&[1.0]), |_| None)
            .is_err()
    );
    assert_eq!(
        real(1.0, 0.0)
            .encode(&of, Numbers::Integer(&[3, -300]), |_| None)
            .unwrap(),
        [3, -9]
    );
    assert_eq!(
        OutputKind::Real {
            scale_bits: 0.25_f64.to_bits()
        }
        .decode(-3),
        -0.75
    );
}

#[test]
fn integers_are_not_clamped() {
    let input = TensorInput {
        kind: InputKind::Integer,
        ..real(1.0, 0.0)
    };
    let of = NodeType::fixed(&[1], -9, 9);
    assert_eq!(
        input.encode(&of, Numbers::Integer(&[9]), |_| None).unwrap(),
        [9]
    );
    assert!(
        input
            .encode(&of, Numbers::Integer(&[10]), |_| None)
            .is_err()
    );
    assert!(
        input
            .encode(&of, Numbers::Integer(&[i64::MIN]), |_| None)
            .is_err()
    );
    assert!(input.encode(&of, Numbers::Real(&[1.0]), |_| None).is_err());
}

/// A program with one input of ranks, or why it is refused.
fn ranks(
    thresholds: &[f32],
    offsets: &[i32],
    features: u32,
    hi: i32,
    strict: bool,
) -> Result<crate::CheckedProgram, ProgramError> {
    let bits: Vec<i32> = thresholds
        .iter()
        .map(|x| i32::from_le_bytes(x.to_le_bytes()))
        .collect();
    let (mut builder, mut weights) = (ProgramBuilder::new(), WeightsWriter::new());
    weights.i32("t", &[u32::try_from(bits.len()).unwrap()], &bits)?;
    weights.i32("o", &[u32::try_from(offsets.len()).unwrap()], offsets)?;
    let node = builder.node(
        "x",
        Operator::Input { name: "x".into() },
        &[],
        NodeType::fixed(&[features], 0, hi),
    );
    let kind = InputKind::Rank {
        thresholds: builder.constant("t"),
        offsets: builder.constant("o"),
        strict,
    };
    let inputs = vec![TensorInput {
        name: "x".into(),
        node,
        kind,
    }];
    let outputs = vec![TensorOutput {
        name: "y".into(),
        node,
        kind: OutputKind::Integer,
    }];
    builder
        .finish(Interface::Tensor { inputs, outputs })?
        .check(Weights::open(weights.finish()?)?)
}

#[test]
fn ranks_count_thresholds() {
    let thresholds = [-1.5, 0.0, 2.0, 7.0];
    for strict in [false, true] {
        let program = ranks(&thresholds, &[0, 3, 3, 4], 3, 3, strict).unwrap();
        let Interface::Tensor { inputs, .. } = &program.program().interface else {
            panic!("a tensor program")
        };
        let of = &program.program().nodes[0].result;
        let encode =
            |x: [f64; 3]| inputs[0].encode(of, Numbers::Real(&x), |id| program.constant(id));
        assert_eq!(encode([-2.0, 1.0, 8.0]).unwrap(), [0, 0, 1]);
        assert_eq!(
            encode([0.0, 1.0, 7.0]).unwrap(),
            if strict { [1, 0, 0] } else { [2, 0, 1] }
        );
        assert_eq!(
            encode([-0.0, 1.0, 6.9]).unwrap(),
            if strict { [1, 0, 0] } else { [2, 0, 0] }
        );
        // 7 minus less than half an ulp of f32 is 7.
        assert_eq!(
            encode([f64::INFINITY, f64::NEG_INFINITY, 6.999_999_999]).unwrap(),
            if strict { [3, 0, 0] } else { [3, 0, 1] }
        );
        assert_eq!(
            encode([f64::NAN, 0.0, 0.0]).unwrap_err().code(),
            "program.input"
        );
    }
}

#[test]
fn thresholds_are_checked() {
    assert!(ranks(&[1.0, 2.0], &[0, 2], 1, 2, false).is_ok());
    assert!(
        ranks(&[1.0, 2.0], &[0, 2], 1, 1, false).is_err(),
        "more thresholds than ranks"
    );
    assert!(
        ranks(&[2.0, 1.0], &[0, 2], 1, 2, false).is_err(),
        "descending"
    );
    assert!(ranks(&[1.0, 1.0], &[0, 2], 1, 2, false).is_err(), "twice");
    assert!(
        ranks(&[-0.0, 0.0], &[0, 2], 1, 2, false).is_err(),
        "twice zero"
    );
    assert!(
        ranks(&[1.0, f32::INFINITY], &[0, 2], 1, 2, false).is_err(),
        "infinite"
    );
    assert!(
        ranks(&[f32::NAN], &[0, 1], 1, 2, false).is_err(),
        "not a number"
    );
    assert!(
        ranks(&[1.0, 2.0], &[0, 1], 1, 2, false).is_err(),
        "one left over"
    );
    assert!(
        ranks(&[1.0, 2.0], &[1, 2], 1, 2, false).is_err(),
        "first offset"
    );
    assert!(
        ranks(&[1.0, 2.0], &[0, 2, 2], 1, 2, false).is_err(),
        "an offset too many"
    );
    assert!(
        ranks(&[1.0, 2.0], &[0, 3, 2], 2, 3, false).is_err(),
        "beyond the end"
    );
    assert!(
        ranks(&[1.0, 2.0], &[0, -1, 2], 2, 3, false).is_err(),
        "negative"
    );
}
