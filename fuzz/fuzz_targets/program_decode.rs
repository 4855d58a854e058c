//! One encoding: a program that decodes is encoded back byte for byte. What passes the checker keeps its promises when it runs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_program::{Interface, Operator, Program, Weights, WeightsWriter, reference};

fuzz_target!(|data: &[u8]| {
    let Ok(program) = Program::decode(data) else {
        return;
    };
    assert_eq!(program.encode().expect("it was decoded"), data);
    let work: u64 = program
        .nodes
        .iter()
        .map(|node| node.result.elements())
        .sum();
    let weights = WeightsWriter::new().finish().expect("without tensors");
    let weights = Weights::open(weights).expect("it was written");
    let Ok(checked) = program.check(weights) else {
        return;
    };
    // The checker bounds values, not work.
    let slow = checked
        .program()
        .nodes
        .iter()
        .any(|node| match &node.operator {
            Operator::MaxPool { window } | Operator::SumPool { window } => {
                window.kernel.iter().any(|n| *n > 64)
            }
            _ => false,
        });
    if slow || work > 1 << 12 {
        return;
    }
    let inputs: Vec<Vec<i32>> = match &checked.program().interface {
        Interface::Decoder { .. } => {
            reference::decoder(&checked, &[0]).expect("a checked program runs");
            return;
        }
        Interface::Tensor { inputs, .. } => {
            let nodes = inputs
                .iter()
                .filter_map(|input| checked.program().node(input.node));
            nodes
                .map(|node| vec![node.result.lo; node.result.elements() as usize])
                .collect()
        }
    };
    let inputs: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
    reference::tensors(&checked, &inputs).expect("a checked program runs");
});
