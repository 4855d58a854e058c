//! What a referee is shown of a model of some size, and how long the last step takes it.

use std::time::{Duration, Instant};

use proofmark_engine::shapes::LlamaShape;
use proofmark_program::SamplingParameters;
use proofmark_program::arbitrary::{Case, Random};
use proofmark_referee::{
    Answer, Challenger, Executor, Game, Layout, Role, RowKind, Subject, Trace, Wanted,
};

use crate::world::World;

/// One dispute about a tile of a row.
pub(crate) struct Line {
    pub(crate) what: String,
    /// Bytes of all moves.
    pub(crate) bytes: u64,
    pub(crate) moves: u64,
    /// Bytes of the last move.
    pub(crate) step: usize,
    /// Time to judge it.
    pub(crate) took: Duration,
}

/// Values of the rows' types: what the values are changes nothing in what is shown and computed.
fn noise(world: &World, layout: Layout, change: Option<(u64, u64)>) -> Trace {
    let program = &world.case.program;
    Trace::build(program, layout, |layout, row, _| {
        let mut random = Random::new(row);
        let (kind, _) = layout.row(row).unwrap();
        let elements = layout.elements(program, row)?;
        let mut values: Vec<i64> = match kind {
            RowKind::Node(id) => {
                let of = &program.node(id).unwrap().result;
                let value = |_| i64::from(random.within(of.lo, of.hi));
                (0..elements).map(value).collect()
            }
            // No score is above it.
            RowKind::Maxima(_) => vec![i64::from(i32::MAX); elements as usize],
            _ => vec![0; elements as usize],
        };
        if let Some((_, element)) = change.filter(|(changed, _)| *changed == row) {
            let value = &mut values[element as usize];
            *value += if *value > 0 { -1 } else { 1 };
        }
        Ok(values)
    })
    .unwrap()
}

/// A dispute about each row of the first layer and about the last rows, at the last position.
pub(crate) fn measure(shape: LlamaShape, prompt: usize, generated: usize) -> Vec<Line> {
    let (program, weights) = shape.program(1).unwrap();
    let mut world = World::of(
        Case {
            program,
            weights: weights.into_inner(),
            ids: Vec::new(),
            inputs: Vec::new(),
        },
        1,
    );
    let ids = (0..prompt + generated).map(|_| world.random.below(shape.vocabulary));
    let answer = Answer {
        ids: ids.collect(),
        prompt,
        sampling: SamplingParameters::default(),
        seed: 7,
        choice: 0,
    };
    let (receipt, subject) = world.receipt(&answer);
    let positions = Subject::Answer(answer).positions();
    let layout = Layout::new(&world.case.program, positions).unwrap();
    let own = noise(&world, layout.clone(), None);
    let weights = proofmark_program::Weights::open(world.case.weights.as_slice()).unwrap();
    let rows = layout.rows();
    let per_position = layout.next_row(1).unwrap() - layout.next_row(0).unwrap();
    let first = rows - per_position;
    let name = |row| match layout.row(row).unwrap().0 {
        RowKind::Node(id) => world.case.program.node(id).unwrap().name.clone(),
        kind => format!("{kind:?}"),
    };
    let wanted = (first..rows).filter(|row| {
        let name = name(*row);
        let node = matches!(layout.row(*row), Some((RowKind::Node(_), _)));
        !node || !name.contains(|c: char| c.is_ascii_digit()) || name.contains(".0.")
    });
    let mut lines = Vec::new();
    for row in wanted {
        let elements = layout.elements(&world.case.program, row).unwrap();
        let theirs = noise(&world, layout.clone(), Some((row, elements / 2)));
        let executor = Executor {
            key: &world.node,
            trace: &theirs,
        };
        let challenger = Challenger {
            key: &world.challenger,
            trace: &own,
            weights: &weights,
            weights_tree: &world.tree,
        };
        let challenge = Game::challenge(subject.clone(), &world.challenger);
        let mut game = Game::open(receipt.clone(), world.node.public(), &challenge).unwrap();
        let (mut step, mut took) = (0, Duration::ZERO);
        while let Some(role) = game.turn() {
            let last = matches!(game.wanted(), Wanted::Accusation);
            let bytes = match role {
                Role::Executor => executor.answer(&game).unwrap().unwrap(),
                Role::Challenger => challenger.answer(&game).unwrap().unwrap(),
            };
            if last {
                // The best of some: what the step costs, not what else the machine does.
                let times = (0..5).map(|_| {
                    let mut game = game.clone();
                    let started = Instant::now();
                    game.accept(&bytes).unwrap();
                    started.elapsed()
                });
                (step, took) = (bytes.len(), times.min().unwrap());
            }
            game.accept(&bytes).unwrap();
        }
        let verdict = game.verdict().unwrap();
        assert_eq!(verdict.code, "receipt.fraud", "{}: {verdict:?}", name(row));
        lines.push(Line {
            what: name(row),
            bytes: game.bytes(),
            moves: game.moves(),
            step,
            took,
        });
    }
    lines
}

#[test]
fn a_dispute_of_a_110m_shape_shows_at_most_512_kib_in_40_moves() {
    // Fewer layers change the depth of the tree only.
    let shape = LlamaShape {
        layers: 1,
        ..proofmark_engine::shapes::LLAMA_110M
    };
    let lines = measure(shape, 65, 6);
    assert!(lines.len() > 15, "{}", lines.len());
    for line in lines {
        assert!(
            line.bytes <= 512 << 10,
            "{}: {} bytes",
            line.what,
            line.bytes
        );
        assert!(line.moves <= 40, "{}: {} moves", line.what, line.moves);
        assert!(line.step > 0 && line.took > Duration::ZERO);
    }
}
