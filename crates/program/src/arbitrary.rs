//! Random well-formed programs for tests, from a seed (feature `arbitrary`): odd and one-sized shapes, weights, multipliers and inputs
//! at their extremes. The same seed gives the same case on every machine.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "for tests: it makes its own numbers, and a case that is not well-formed is a defect to stop at"
)]

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::graph::{
    InputKind, Interface, NodeId, NodeType, Operator, OutputKind, Program, TensorInput,
    TensorOutput,
};
use crate::{CheckedProgram, ProgramBuilder, Weights, WeightsWriter};

mod operators;
mod random;

pub use random::Random;

/// A program, its weights file, and what to run it on.
#[derive(Debug, Clone)]
pub struct Case {
    /// The program.
    pub program: Program,
    /// The weights file.
    pub weights: Vec<u8>,
    /// Token ids of some sequences, for a decoder.
    pub ids: Vec<Vec<u32>>,
    /// Integers of each input, for some calls of a tensor program.
    pub inputs: Vec<Vec<Vec<i32>>>,
}

impl Case {
    /// The checked program.
    pub fn checked(&self) -> CheckedProgram<&[u8]> {
        let weights =
            Weights::open(self.weights.as_slice()).expect("weights that were just written");
        self.program
            .clone()
            .check(weights)
            .expect("a well-formed program")
    }
}

/// Largest sum of products in a case, and largest bias.
const REACH: i64 = 1 << 30;

/// A decoder of a few random operators, attention among them.
pub fn decoder(seed: u64) -> Case {
    Maker::new(Random::new(seed), REACH)
        .decoder(&[])
        .expect("nothing is wanted of it")
}

/// A tensor program of a few random operators.
pub fn tensor(seed: u64) -> Case {
    tensor_within(REACH, seed)
}

/// As [`tensor`], with no sum of products and no bias beyond `reach`.
pub fn tensor_within(reach: i64, seed: u64) -> Case {
    Maker::new(Random::new(seed), reach)
        .tensor(&[])
        .expect("nothing is wanted of it")
}

/// A case in which the operator with this number (the table of §3) certainly occurs.
pub fn with_operator(code: u8, seed: u64) -> Case {
    with_operator_within(REACH, code, seed)
}

/// As [`with_operator`], with no sum of products and no bias beyond `reach`.
pub fn with_operator_within(reach: i64, code: u8, seed: u64) -> Case {
    let attempt = |attempt: u64| {
        let random = Random::new(seed.wrapping_add(attempt << 32));
        let maker = Maker::new(random, reach);
        match code {
            1 | 2 | 12 | 13 => maker.decoder(&[code]),
            _ => maker.tensor(&[code]),
        }
    };
    // A small program may have no place for the operator: then another one is made.
    let found = (0..100).find_map(attempt);
    found.expect("a program with this operator")
}

/// Puts a program together.
struct Maker {
    random: Random,
    builder: ProgramBuilder,
    weights: WeightsWriter,
    /// Nodes that operators may be applied to.
    pool: Vec<NodeId>,
    names: u32,
    max_positions: u32,
    /// No sum of products and no bias is beyond this.
    reach: i64,
}

impl Maker {
    fn new(random: Random, reach: i64) -> Self {
        Self {
            random,
            builder: ProgramBuilder::new(),
            weights: WeightsWriter::new(),
            pool: Vec::new(),
            names: 0,
            max_positions: 1,
            reach,
        }
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}.{}", self.names)
    }

    fn add(&mut self, operator: Operator, inputs: &[NodeId], result: NodeType) -> NodeId {
        let name = self.name("node");
        let id = self.builder.node(&name, operator, inputs, result);
        self.pool.push(id);
        id
    }

    fn of(&self, id: NodeId) -> NodeType {
        self.builder
            .result(id)
            .expect("a node of this program")
            .clone()
    }

    fn decoder(self, wanted: &[u8]) -> Option<Case> {
        let mut maker = self;
        let vocabulary = maker.random.dimension();
        let max_positions = maker.random.among(&[1, 2, 5, 17, 70]);
        maker.max_positions = max_positions;
        let by_position = |hi: u32| NodeType::by_position(&[], 0, hi as i32);
        let tokens = maker.add(Operator::Tokens, &[], by_position(vocabulary - 1));
        let positions = maker.add(Operator::Positions, &[], by_position(max_positions - 1));
        let width = maker.random.dimension();
        let token_rows = maker.embed(tokens, vocabulary, width);
        let position_rows = maker.embed(positions, max_positions, width);
        let rows = maker.sum(token_rows, position_rows);
        maker.pool = vec![token_rows, rows];
        maker.grow(wanted, true).then_some(())?;
        let rows = maker
            .pool
            .iter()
            .rev()
            .find(|id| maker.of(**id).by_position);
        let last = *rows.expect("a node by position");
        let hidden = maker.flat(last);
        let logits = maker.linear_to(hidden, vocabulary);
        let interface = Interface::Decoder {
            vocabulary,
            max_positions,
            logits,
            hidden: Some(hidden),
        };
        let lengths = [1, max_positions, 1 + maker.random.below(max_positions)];
        let mut ids = Vec::new();
        for length in lengths {
            ids.push(
                (0..length)
                    .map(|_| maker.random.below(vocabulary))
                    .collect(),
            );
        }
        Some(maker.case(interface, ids, Vec::new()))
    }

    fn tensor(self, wanted: &[u8]) -> Option<Case> {
        let mut maker = self;
        let mut inputs = Vec::new();
        for rank in [3, 1 + maker.random.below(4)] {
            let shape = maker.random.shape(rank);
            let (lo, hi) = maker.random.range();
            let name = maker.name("input");
            let result = NodeType::fixed(&shape, lo, hi);
            let node = maker.add(Operator::Input { name: name.clone() }, &[], result);
            let scale_bits = 1.5_f64.to_bits();
            let kind = match maker.random.below(2) {
                0 => InputKind::Integer,
                _ => InputKind::Real {
                    scale_bits,
                    zero_bits: 0,
                },
            };
            inputs.push(TensorInput { name, node, kind });
        }
        maker.grow(wanted, false).then_some(())?;
        let mut outputs = Vec::new();
        for node in maker.pool.split_off(maker.pool.len() - 2) {
            let name = maker.name("output");
            outputs.push(TensorOutput {
                name,
                node,
                kind: OutputKind::Integer,
            });
        }
        let mut calls = Vec::new();
        for _ in 0..3 {
            let elements = |maker: &mut Self, input: &TensorInput| {
                let of = maker.of(input.node);
                maker.random.elements(of.elements() as usize, of.lo, of.hi)
            };
            calls.push(
                inputs
                    .iter()
                    .map(|input| elements(&mut maker, input))
                    .collect(),
            );
        }
        Some(maker.case(Interface::Tensor { inputs, outputs }, Vec::new(), calls))
    }

    /// Applies the wanted operators, and some others; `false` if a wanted one fits nowhere.
    fn grow(&mut self, wanted: &[u8], decoder: bool) -> bool {
        for code in wanted {
            // A wanted operator may need other nodes first.
            let tried = (0..200).any(|_| self.apply(*code));
            if !tried && *code >= 3 {
                return false;
            }
        }
        let more = if wanted.is_empty() {
            2 + self.random.below(9)
        } else {
            0
        };
        for _ in 0..more {
            let first = if decoder { 12 } else { 15 };
            let code = if self.random.below(3) == 0 {
                first + self.random.below(2)
            } else {
                4 + self.random.below(26)
            };
            if decoder || !matches!(code, 12 | 13) {
                self.apply(code as u8);
            }
        }
        true
    }

    fn case(self, interface: Interface, ids: Vec<Vec<u32>>, inputs: Vec<Vec<Vec<i32>>>) -> Case {
        let program = match self.builder.finish(interface) {
            Ok(program) => program,
            Err(error) => panic!("{error}"),
        };
        Case {
            program,
            weights: self
                .weights
                .finish()
                .expect("constants with different names"),
            ids,
            inputs,
        }
    }
}
