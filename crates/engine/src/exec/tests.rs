//! Everything is the same bits as the reference interpreter's.

use proofmark_kernels::{BLOCK, Isa, Pool};
use proofmark_program::{
    CheckedProgram, InputKind, Interface, NodeId, NodeType, Operator, OutputKind, ProgramBuilder,
    TensorInput, TensorOutput, TreeConstants, Weights, WeightsWriter, Window2d, reference,
};
use proptest::prelude::*;

use super::{Chunk, Decoder, DecoderMemory, Results, TensorRunner};
use crate::shapes::LlamaShape;

const TINY: LlamaShape = LlamaShape {
    vocabulary: 61,
    max_positions: 200,
    width: 24,
    layers: 2,
    heads: 4,
    groups: 2,
    head: 6,
    inner: 40,
};

fn tiny(seed: u64) -> CheckedProgram {
    let (program, weights) = TINY.program(seed).unwrap();
    program.check(weights).unwrap()
}

fn ids(seed: u32, count: usize) -> Vec<u32> {
    (0..count as u32)
        .map(|t| {
            (seed
                .wrapping_mul(2_654_435_761)
                .wrapping_add(t * t * 7 + t * 13)
                >> 3)
                % TINY.vocabulary
        })
        .collect()
}

/// Values of a node for all rows, by the reference interpreter.
fn expected(program: &CheckedProgram, ids: &[u32]) -> (Vec<i32>, Vec<i32>) {
    let Interface::Decoder {
        logits,
        hidden: Some(hidden),
        ..
    } = program.program().interface
    else {
        return Default::default();
    };
    let mut nodes = reference::decoder_nodes(program, ids).unwrap();
    let take = |nodes: &mut Vec<reference::Tensor>, id: NodeId| {
        std::mem::take(&mut nodes[id.0 as usize].elements)
    };
    (take(&mut nodes, logits), take(&mut nodes, hidden))
}

#[test]
fn random_weights_do_not_give_trivial_values() {
    let program = tiny(1);
    let nodes = reference::decoder_nodes(&program, &ids(1, 40)).unwrap();
    for (node, value) in program.program().nodes.iter().zip(&nodes) {
        let different = value
            .elements
            .iter()
            .collect::<std::collections::HashSet<_>>();
        let clamped = value
            .elements
            .iter()
            .filter(|x| **x == node.result.hi || **x == node.result.lo)
            .count();
        assert!(
            different.len() > 10 || matches!(node.operator, Operator::Tokens),
            "{}",
            node.name
        );
        assert!(
            clamped * 4 < value.elements.len(),
            "{}: {clamped} of {}",
            node.name,
            value.elements.len()
        );
    }
}

/// A sequence that is fed in chunks, with the rows that results are asked for.
#[derive(Debug)]
struct Feed {
    ids: Vec<u32>,
    /// Length and rows asked for.
    chunks: Vec<(usize, usize)>,
}

fn feed() -> impl Strategy<Value = Feed> {
    let chunk = (1_usize..40).prop_flat_map(|length| (Just(length), 0..=length));
    (any::<u32>(), proptest::collection::vec(chunk, 1..6)).prop_map(|(seed, chunks)| {
        let count = chunks.iter().map(|(length, _)| length).sum();
        Feed {
            ids: ids(seed, count),
            chunks,
        }
    })
}

/// Runs all feeds side by side and compares each row asked for.
fn run_feeds(program: &CheckedProgram, isa: Isa, threads: usize, feeds: &[Feed]) {
    let decoder = Decoder::new(program, isa).unwrap();
    let pool = Pool::new(threads);
    let mut memory = DecoderMemory::new(&decoder, 256, 256);
    let blocks: Vec<Vec<usize>> = (0..feeds.len())
        .map(|feed| (0..4).map(|block| block * feeds.len() + feed).collect())
        .collect();
    for block in blocks.iter().flatten() {
        memory.allocate(*block);
    }
    let all: Vec<_> = feeds
        .iter()
        .map(|feed| expected(program, &feed.ids))
        .collect();
    let mut first = vec![0; feeds.len()];
    for step in 0..feeds
        .iter()
        .map(|feed| feed.chunks.len())
        .max()
        .unwrap_or(0)
    {
        let live: Vec<usize> = (0..feeds.len())
            .filter(|feed| step < feeds[*feed].chunks.len())
            .collect();
        let chunks: Vec<Chunk<'_>> = live
            .iter()
            .map(|&feed| {
                let (length, wanted) = feeds[feed].chunks[step];
                Chunk {
                    ids: &feeds[feed].ids[first[feed]..first[feed] + length],
                    first: first[feed],
                    blocks: &blocks[feed],
                    wanted,
                }
            })
            .collect();
        decoder.step(
            &pool,
            &mut memory,
            &chunks,
            Results {
                outputs: true,
                hidden: true,
            },
        );
        let (mut row, width) = (0, decoder.hidden_width());
        for &feed in &live {
            let (length, wanted) = feeds[feed].chunks[step];
            first[feed] += length;
            for position in first[feed] - wanted..first[feed] {
                let (logits, hidden) = &all[feed];
                let expected = &logits[position * 61..(position + 1) * 61];
                assert_eq!(
                    decoder.logits(&memory, row),
                    Some(expected),
                    "{isa:?} {threads} position {position}"
                );
                let computed: Vec<i32> = (0..width)
                    .map(|i| decoder.hidden_at(&memory, row * width + i))
                    .collect();
                assert_eq!(computed, hidden[position * width..(position + 1) * width]);
                row += 1;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn chunks_and_batches_make_no_difference(
        seed in 0_u64..4,
        feeds in proptest::collection::vec(feed(), 1..5),
        threads in 1_usize..5,
    ) {
        let program = tiny(seed);
        for isa in Isa::available() {
            run_feeds(&program, isa, threads, &feeds);
        }
    }
}

#[test]
fn threads_make_no_difference() {
    let program = tiny(9);
    let feeds = [Feed {
        ids: ids(3, 150),
        chunks: vec![(130, 1), (1, 1), (19, 19)],
    }];
    for threads in [1, 2, 3, 4, 8, 16] {
        run_feeds(&program, Isa::detect(), threads, &feeds);
    }
}

#[test]
fn blocks_of_another_sequence_with_the_same_beginning_will_do() {
    let program = tiny(2);
    let decoder = Decoder::new(&program, Isa::detect()).unwrap();
    let pool = Pool::new(1);
    let mut memory = DecoderMemory::new(&decoder, 128, 1);
    (0..3).for_each(|block| memory.allocate(block));
    let mut sequence = ids(5, 100);
    let results = Results {
        outputs: true,
        hidden: false,
    };
    let first = Chunk {
        ids: &sequence,
        first: 0,
        blocks: &[0, 1],
        wanted: 0,
    };
    decoder.step(&pool, &mut memory, &[first], results);
    sequence[80] ^= 1;
    let second = Chunk {
        ids: &sequence[BLOCK..],
        first: BLOCK,
        blocks: &[0, 2],
        wanted: 1,
    };
    decoder.step(&pool, &mut memory, &[second], results);
    let (logits, _) = expected(&program, &sequence);
    assert_eq!(decoder.logits(&memory, 0), Some(&logits[99 * 61..]));
}

/// A tensor program of most operators.
struct Picture {
    builder: ProgramBuilder,
    writer: WeightsWriter,
    random: u32,
}

impl Picture {
    fn noise(&mut self, count: usize, range: i32) -> Vec<i32> {
        (0..count)
            .map(|_| {
                self.random = self
                    .random
                    .wrapping_mul(1_664_525)
                    .wrapping_add(1_013_904_223);
                (self.random >> 8) as i32 % (range + 1)
                    * if self.random & 128 == 0 { 1 } else { -1 }
            })
            .collect()
    }

    fn node(
        &mut self,
        name: &str,
        operator: Operator,
        inputs: &[NodeId],
        shape: &[u32],
        range: i32,
    ) -> NodeId {
        self.builder.node(
            name,
            operator,
            inputs,
            NodeType::fixed(shape, -range, range),
        )
    }

    fn i8(&mut self, name: &str, shape: &[u32]) -> proofmark_program::ConstantId {
        let count = shape.iter().product::<u32>() as usize;
        let noise: Vec<i8> = self.noise(count, 127).iter().map(|x| *x as i8).collect();
        self.writer.i8(name, shape, &noise).unwrap();
        self.builder.constant(name)
    }

    fn i32(&mut self, name: &str, values: &[i32]) -> proofmark_program::ConstantId {
        self.writer
            .i32(name, &[values.len() as u32], values)
            .unwrap();
        self.builder.constant(name)
    }

    /// conv → channel_scale → max_pool → conv by groups → requantize → sum_pool → transpose → … → outputs.
    #[expect(clippy::too_many_lines, reason = "one node after another")]
    fn image(&mut self) -> Vec<(String, NodeId)> {
        let window = |kernel, strides, pads| Window2d {
            kernel,
            strides,
            pads,
            dilations: [1, 1],
        };
        let x = self.node(
            "image",
            Operator::Input {
                name: "image".into(),
            },
            &[],
            &[2, 9, 8],
            127,
        );
        let (weight, bias) = (self.i8("a.weight", &[4, 2, 3, 3]), self.noise(4, 9999));
        let bias = Some(self.i32("a.bias", &bias));
        let conv = Operator::Conv {
            weight,
            bias,
            window: window([3, 3], [1, 1], [1, 1, 1, 1]),
            groups: 1,
        };
        let a = self.node("a", conv, &[x], &[4, 9, 8], 1 << 24);
        let multipliers = self.i32("a.scale", &[3000, -2000, 1500, 900]);
        let a = self.node(
            "a.scaled",
            Operator::ChannelScale {
                multipliers,
                shift: 18,
            },
            &[a],
            &[4, 9, 8],
            1000,
        );
        let pool = Operator::MaxPool {
            window: window([2, 2], [2, 2], [0, 0, 1, 0]),
        };
        let a = self.node("a.pool", pool, &[a], &[4, 5, 4], 1000);
        let weight = self.i8("b.weight", &[6, 2, 2, 2]);
        let conv = Operator::Conv {
            weight,
            bias: None,
            window: window([2, 2], [1, 1], [0, 0, 0, 0]),
            groups: 2,
        };
        let b = self.node("b", conv, &[a], &[6, 4, 3], 1 << 24);
        let multipliers = self.i32("b.scale", &[700]);
        let b = self.node(
            "b.scaled",
            Operator::Requantize {
                multipliers,
                shift: 14,
            },
            &[b],
            &[6, 4, 3],
            32_000,
        );
        let sums = self.node(
            "c",
            Operator::SumPool {
                window: window([2, 3], [2, 1], [0, 0, 0, 0]),
            },
            &[b],
            &[6, 2, 1],
            1 << 20,
        );
        let turned = self.node(
            "turned",
            Operator::Transpose {
                permutation: vec![2, 0, 1],
            },
            &[b],
            &[3, 6, 4],
            32_000,
        );
        let sliced = self.node(
            "sliced",
            Operator::Slice {
                axis: 1,
                start: 1,
                step: 2,
            },
            &[turned],
            &[3, 3, 4],
            32_000,
        );
        let padded = self.node(
            "padded",
            Operator::Pad {
                axis: 2,
                before: 1,
                value: -7,
            },
            &[sliced],
            &[3, 3, 6],
            32_000,
        );
        let joined = self.node(
            "joined",
            Operator::Concat { axis: 1 },
            &[sliced, sliced],
            &[3, 6, 4],
            32_000,
        );
        let small = self.node("small", Operator::Clamp, &[joined], &[3, 6, 4], 300);
        let other = turned_small(self, turned);
        let product = self.node(
            "product",
            Operator::MatMul,
            &[small, other],
            &[3, 6, 6],
            1 << 22,
        );
        let best = self.node("best", Operator::ArgMax, &[product], &[3, 6], 8);
        let total = self.node(
            "total",
            Operator::ReduceSum { axis: 1 },
            &[padded],
            &[3, 6],
            1 << 20,
        );
        let most = self.node(
            "most",
            Operator::ReduceMax { axis: 0 },
            &[padded],
            &[3, 6],
            32_000,
        );
        let soft = self.node(
            "soft",
            Operator::Softmax {
                multiplier: 77,
                shift: 4,
            },
            &[total],
            &[3, 6],
            32_768,
        );
        let normed = self.node(
            "normed",
            Operator::LayerNorm {
                eps: 3,
                fraction: 12,
            },
            &[most],
            &[3, 6],
            4096,
        );
        let values = self.noise(6, 500);
        let value = self.i32("shift", &values);
        let shift = self.node("shift", Operator::Constant { value }, &[], &[6], 500);
        let shifted = self.node("shifted", Operator::Add, &[normed, shift], &[3, 6], 5000);
        let squared = self.node(
            "squared",
            Operator::Multiply { shift: 3 },
            &[shifted, shifted],
            &[3, 6],
            70_000,
        );
        let flat = self.node("flat", Operator::Reshape, &[shifted], &[18], 5000);
        let weight = self.i8("d.weight", &[5, 18]);
        let dense = self.node(
            "dense",
            Operator::Linear { weight, bias: None },
            &[flat],
            &[5],
            1 << 24,
        );
        let table = self.noise(10_001, 30_000);
        let table = self.i32("table", &table);
        let looked = self.node(
            "looked",
            Operator::Table { table },
            &[shifted],
            &[3, 6],
            30_000,
        );
        let trees = self.trees(flat);
        let outputs = [sums, best, soft, squared, dense, looked, trees, small];
        outputs
            .iter()
            .enumerate()
            .map(|(number, id)| (format!("y{number}"), *id))
            .collect()
    }

    fn trees(&mut self, x: NodeId) -> NodeId {
        let values = self.noise(4 * 2, 1000);
        self.writer.i32("t.values", &[4, 2], &values).unwrap();
        let constants = TreeConstants {
            roots: self.i32("t.roots", &[0, 3]),
            feature: self.i32("t.feature", &[4, -1, -1, 17, -1, -1]),
            threshold: self.i32("t.threshold", &[10, 0, 0, -5, 0, 0]),
            left: self.i32("t.left", &[1, 0, 0, 4, 0, 0]),
            right: self.i32("t.right", &[2, 0, 0, 5, 0, 0]),
            leaf: self.i32("t.leaf", &[0, 0, 1, 0, 2, 3]),
            values: self.builder.constant("t.values"),
            base: self.i32("t.base", &[7, -7]),
        };
        self.node("trees", Operator::Trees(constants), &[x], &[2], 5000)
    }
}

fn turned_small(picture: &mut Picture, turned: NodeId) -> NodeId {
    let clamped = picture.node("turned.small", Operator::Clamp, &[turned], &[3, 6, 4], 300);
    picture.node(
        "turned.back",
        Operator::Transpose {
            permutation: vec![0, 2, 1],
        },
        &[clamped],
        &[3, 4, 6],
        300,
    )
}

fn picture() -> CheckedProgram {
    let mut picture = Picture {
        builder: ProgramBuilder::new(),
        writer: WeightsWriter::new(),
        random: 5,
    };
    let outputs = picture.image();
    let program = picture
        .builder
        .finish(Interface::Tensor {
            inputs: vec![TensorInput {
                name: "image".into(),
                node: NodeId(0),
                kind: InputKind::Integer,
            }],
            outputs: outputs
                .into_iter()
                .map(|(name, node)| TensorOutput {
                    name,
                    node,
                    kind: OutputKind::Integer,
                })
                .collect(),
        })
        .unwrap();
    let weights = Weights::open(picture.writer.finish().unwrap()).unwrap();
    program.check(weights).unwrap()
}

#[test]
fn tensor_programs_are_the_reference_bit_for_bit() {
    let program = picture();
    let batch = 70;
    let inputs: Vec<i32> = (0..batch * 144)
        .map(|i: i32| ((i64::from(i) * i64::from(i) * 31 + i64::from(i) * 7) % 255) as i32 - 127)
        .collect();
    let alone: Vec<Vec<Vec<i32>>> = inputs
        .chunks(144)
        .map(|input| {
            let outputs = reference::tensors(&program, &[input]).unwrap();
            outputs.into_iter().map(|tensor| tensor.elements).collect()
        })
        .collect();
    for isa in Isa::available() {
        for threads in [1, 3] {
            let mut runner = TensorRunner::new(&program, isa, threads).unwrap();
            let outputs = runner.run(batch as usize, &[&inputs]).unwrap();
            for (number, output) in outputs.iter().enumerate() {
                let expected: Vec<i32> = alone
                    .iter()
                    .flat_map(|outputs| outputs[number].clone())
                    .collect();
                assert_eq!(output, &expected, "{isa:?}, output {number}");
            }
        }
    }
}

#[test]
fn inputs_out_of_range_are_refused() {
    let program = picture();
    let mut runner = TensorRunner::new(&program, Isa::SCALAR, 1).unwrap();
    assert!(runner.run(1, &[&[0; 143]]).is_err());
    assert!(runner.run(1, &[&[128; 144]]).is_err());
    assert!(runner.run(1, &[]).is_err());
    assert!(runner.run(usize::MAX, &[&[0; 144]]).is_err());
    assert!(runner.run(0, &[&[]]).is_ok());
}
