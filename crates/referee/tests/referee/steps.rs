//! Each step against the reference interpreter, and each operator's step with a wrong tile.

use std::collections::BTreeSet;

use proofmark_program::arbitrary::{self, Case, Random};
use proofmark_program::{
    CheckedProgram, NodeId, Operator, SamplingParameters, Weights, reference, weights_root,
};
use proofmark_referee::{
    Answer, Known, OpenedSubject, RefereeError, RowKind, StepMaker, Steps, Subject, Trace,
    judge_step, weights_tree,
};

/// The subjects of a case: its sequences, or its calls with the outputs that they give.
pub(crate) fn subjects(case: &Case) -> Vec<Subject> {
    let checked = case.checked();
    let answers = case.ids.iter().map(|ids| {
        let mut ids = ids.clone();
        // Whatever the last id is: it needs no position.
        ids.push(ids[0]);
        Subject::Answer(Answer {
            prompt: ids.len().div_ceil(2),
            ids,
            sampling: SamplingParameters::default(),
            seed: 7,
            choice: 0,
        })
    });
    let calls = case.inputs.iter().map(|inputs| {
        let slices: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
        let outputs = reference::tensors(&checked, &slices).unwrap();
        Subject::Tensors {
            inputs: inputs.clone(),
            outputs: outputs.into_iter().map(|tensor| tensor.elements).collect(),
        }
    });
    answers.chain(calls).collect()
}

fn compare_all(case: &Case, what: &str) -> u64 {
    let checked: CheckedProgram<&[u8]> = case.checked();
    let program = checked.program();
    let mut tiles = 0;
    for subject in subjects(case) {
        let trace = Trace::of(&checked, &subject).unwrap();
        let known = Known {
            rows: trace.rows(),
            program,
            weights: checked.weights(),
        };
        let steps = Steps {
            program,
            layout: trace.layout(),
            subject: &subject,
            source: &known,
        };
        for row in 0..trace.layout().rows() {
            for tile in 0..trace.layout().tiles(program, row).unwrap() {
                let range = trace.layout().tile_range(program, row, tile).unwrap();
                let got = steps.elements(row, range.clone());
                let kind = trace.layout().row(row);
                assert_eq!(
                    got.ok(),
                    trace.rows().get(row, range),
                    "{what}: {kind:?} {tile}"
                );
                tiles += 1;
            }
        }
    }
    tiles
}

#[test]
fn every_tile_is_what_the_reference_interpreter_gives() {
    let mut tiles = 0;
    for code in 0..30 {
        for seed in 0..12 {
            let case = arbitrary::with_operator(code, seed);
            tiles += compare_all(&case, &format!("operator {code} seed {seed}"));
        }
    }
    for seed in 0..150 {
        tiles += compare_all(&arbitrary::decoder(seed), &format!("decoder {seed}"));
        tiles += compare_all(&arbitrary::tensor(seed), &format!("tensor {seed}"));
    }
    assert!(tiles > 10_000, "{tiles}");
}

/// The same trace with one element changed.
fn altered(trace: &Trace, case: &Case, row: u64, element: u64, by: i64) -> Trace {
    let layout = trace.layout().clone();
    Trace::build(&case.program, layout, |layout, at, _| {
        let length = layout.elements(&case.program, at)?;
        let mut elements = trace.rows().get(at, 0..length).unwrap();
        if at == row {
            let element = &mut elements[element as usize];
            // Still in 32 bits.
            *element = if *element > i64::from(i32::MAX) - by {
                *element - by
            } else {
                *element + by
            };
        }
        Ok(elements)
    })
    .unwrap()
}

/// Opens a tile of `trace` as a stranger who has `honest`, and judges it.
fn judged(
    case: &Case,
    subject: &Subject,
    (honest, trace): (&Trace, &Trace),
    (row, tile): (u64, u64),
) -> Result<proofmark_referee::Fraud, RefereeError> {
    let program = &case.program;
    let weights = Weights::open(case.weights.as_slice()).unwrap();
    let maker = StepMaker {
        trace: honest,
        program,
        subject,
        weights: &weights,
        weights_tree: &weights_tree(&case.weights),
    };
    let claimed = trace.tile(program, row, tile).unwrap();
    let lower = trace.row_tree(program, row).unwrap();
    let step = maker
        .open((row, tile), &claimed, trace.tree(), &lower)
        .unwrap();
    let opened = OpenedSubject::of(
        program.clone(),
        subject.clone(),
        weights_root(&case.weights),
        case.weights.len() as u64,
    );
    judge_step(&opened.unwrap(), &trace.root(), &step)
}

#[test]
fn a_wrong_tile_of_each_operator_is_fraud_and_a_right_one_is_not() {
    let mut seen = BTreeSet::new();
    for code in 0..30 {
        for seed in 100..104 {
            let case = arbitrary::with_operator(code, seed);
            let mut random = Random::new(seed);
            for subject in subjects(&case) {
                let checked = case.checked();
                let honest = Trace::of(&checked, &subject).unwrap();
                let rows = honest.layout().rows();
                let wanted = (0..rows).filter(|row| match honest.layout().row(*row) {
                    Some((RowKind::Node(NodeId(id)), _)) => {
                        case.program.nodes[id as usize].operator.code() == code
                    }
                    Some((RowKind::Maxima(_), _)) => code == 13,
                    Some((RowKind::Sums(_), _)) => code == 13,
                    _ => code == 0 || code == 1,
                });
                let wanted: Vec<u64> = wanted.collect();
                for row in wanted.iter().rev().take(6) {
                    let elements = honest.layout().elements(&case.program, *row).unwrap();
                    let element = u64::from(random.below(elements as u32));
                    let tile = element / honest.layout().tile_elements(*row);
                    let what = format!("operator {code} seed {seed} row {row} element {element}");
                    let right = judged(&case, &subject, (&honest, &honest), (*row, tile));
                    let (kind, _) = honest.layout().row(*row).unwrap();
                    if kind == RowKind::Next {
                        // The subjects of these cases are not what the sampler gives.
                        assert!(matches!(right, Ok(_) | Err(RefereeError::Honest)), "{what}");
                    } else {
                        assert_eq!(right, Err(RefereeError::Honest), "{what}");
                    }
                    let wrong = altered(
                        &honest,
                        &case,
                        *row,
                        element,
                        1 + i64::from(random.below(9)),
                    );
                    let fraud = judged(&case, &subject, (&honest, &wrong), (*row, tile));
                    assert!(fraud.is_ok(), "{what}: {fraud:?}");
                    seen.insert(code);
                }
            }
        }
    }
    assert_eq!(seen.len(), 30, "{seen:?}");
}

#[test]
fn attention_beyond_one_piece_and_with_a_window_is_taken_in_pieces() {
    let (mut pieces, mut windows) = (0, 0);
    for seed in 0..60 {
        let case = arbitrary::with_operator(13, seed);
        let windowed =
            case.program.nodes.iter().any(
                |node| matches!(node.operator, Operator::Attention { window, .. } if window > 0),
            );
        for subject in subjects(&case) {
            if subject.positions() > 64 {
                pieces += 1;
                windows += u32::from(windowed);
            }
        }
    }
    // Those of the tests above are among them.
    assert!(pieces > 10 && windows > 0, "{pieces} {windows}");
}
