//! Programs that are chosen to keep a verifier busy are refused before it has done anything for them.
#![cfg(test)]

use proofmark_program::{
    CheckedProgram, InputKind, Interface, NodeId, NodeType, Operator, OutputKind, ProgramBuilder,
    TensorInput, TensorOutput, Weights, WeightsWriter,
};
use proofmark_proof::{PublicWeights, Statement as First, WeightsMode, verify};
use proofmark_proof_second::{Statement, verify_inference};

/// Nodes one after another, from an input of zero.
struct Making {
    builder: ProgramBuilder,
    last: NodeId,
    count: usize,
}

impl Making {
    fn new() -> Self {
        let mut builder = ProgramBuilder::new();
        let name = "x".to_owned();
        let input = NodeType::fixed(&[1], 0, 0);
        let last = builder.node("x", Operator::Input { name }, &[], input);
        Self {
            builder,
            last,
            count: 0,
        }
    }

    fn add(&mut self, operator: Operator, inputs: &[NodeId], shape: &[u32]) {
        self.count += 1;
        let (name, result) = (format!("n{}", self.count), NodeType::fixed(shape, 0, 0));
        self.last = self.builder.node(&name, operator, inputs, result);
    }

    fn next(&mut self, operator: Operator, shape: &[u32]) {
        self.add(operator, &[self.last], shape);
    }

    /// The first element of the last node.
    fn first(&mut self) {
        let first = Operator::Slice {
            axis: 0,
            start: 0,
            step: 1,
        };
        self.next(first, &[1]);
    }

    /// Its output is the last node's, of one element.
    fn finish(self) -> CheckedProgram<Vec<u8>> {
        let interface = Interface::Tensor {
            inputs: vec![TensorInput {
                name: "x".to_owned(),
                node: NodeId(0),
                kind: InputKind::Integer,
            }],
            outputs: vec![TensorOutput {
                name: "y".to_owned(),
                node: self.last,
                kind: OutputKind::Integer,
            }],
        };
        let weights = WeightsWriter::new().finish().unwrap();
        let program = self.builder.finish(interface).unwrap();
        program.check(Weights::open(weights).unwrap()).unwrap()
    }
}

/// What both verifiers say of a proof of nothing: digits of 12 bits, and then other bytes.
fn judged(checked: &CheckedProgram<Vec<u8>>) -> &'static str {
    let (program, zero) = (checked.program(), [vec![0]]);
    let public = PublicWeights::of(checked).unwrap();
    let first = First {
        program,
        closure_digest: [1; 32],
        weights: WeightsMode::Public(&public),
        receipt_id: [2; 16],
        claims_digest: [3; 32],
        inputs: &zero,
        outputs: &zero,
        generation: None,
    };
    let second = Statement {
        program,
        weights: checked.weights(),
        commitment: None,
        digests: [&[1; 32], &[2; 16], &[3; 32]],
        inputs: &zero,
        outputs: &zero,
        generation: None,
    };
    let proof = [12; 100];
    let said = verify(&proof, &first).unwrap_err().code();
    assert_eq!(verify_inference(&proof, &second), Err(said));
    said
}

/// So many times one element put beside itself, and taken out again.
fn wide(nodes: usize, inputs: usize) -> CheckedProgram<Vec<u8>> {
    let mut making = Making::new();
    for _ in 0..nodes {
        let same = vec![making.last; inputs];
        making.add(Operator::Concat { axis: 0 }, &same, &[inputs as u32]);
        making.first();
    }
    making.finish()
}

#[test]
fn plans_of_many_tensors_are_refused() {
    assert_eq!(judged(&wide(10, 100)), "proof.malformed");
    assert_eq!(judged(&wide(80, 1_000)), "proof.limit");
}

/// An axis that is reshaped, and reshaped back, and then so many times added to itself.
fn reshaped(length: [u32; 2], sums: usize) -> CheckedProgram<Vec<u8>> {
    let whole = length[0] * length[1];
    let mut making = Making::new();
    let pad = Operator::Pad {
        axis: 0,
        before: 0,
        value: 0,
    };
    making.next(pad, &[whole]);
    making.next(Operator::Reshape, &length);
    making.next(Operator::Reshape, &[whole]);
    for _ in 0..sums {
        let both = [making.last, making.last];
        making.add(Operator::Add, &both, &[whole]);
    }
    making.first();
    making.finish()
}

#[test]
fn maps_of_many_positions_are_refused() {
    assert_eq!(judged(&reshaped([5, 3], 10)), "proof.malformed");
    // Twice 2^20 positions, for 2^12 claims.
    assert_eq!(judged(&reshaped([349_525, 3], 12)), "proof.limit");
}

#[test]
fn claims_that_multiply_are_refused() {
    // 2^20 claims are too many to keep; 2^70 too many to count.
    for (sums, code) in [
        (5, "proof.malformed"),
        (20, "proof.limit"),
        (70, "proof.limit"),
    ] {
        let mut making = Making::new();
        for _ in 0..sums {
            let both = [making.last, making.last];
            making.add(Operator::Add, &both, &[1]);
        }
        assert_eq!(judged(&making.finish()), code, "{sums}");
    }
}
