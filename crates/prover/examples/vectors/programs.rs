//! Small programs: a network of layers, one of convolutions, an ensemble of trees, a decoder.

use proofmark_program::{
    CheckedProgram, InputKind, Interface, NodeId, NodeType, Operator, OutputKind, ProgramBuilder,
    TensorInput, TensorOutput, TreeConstants, Weights, WeightsWriter, Window2d,
};

use crate::noise;

struct Making {
    builder: ProgramBuilder,
    weights: WeightsWriter,
    noise: Box<dyn Iterator<Item = u32>>,
    last: NodeId,
    count: u32,
}

impl Making {
    fn new(shape: &[u32], lo: i32, hi: i32) -> Self {
        let name = "x".to_owned();
        Self::from(Operator::Input { name }, NodeType::fixed(shape, lo, hi))
    }

    fn from(operator: Operator, result: NodeType) -> Self {
        let mut builder = ProgramBuilder::new();
        let last = builder.node("x", operator, &[], result);
        Self {
            builder,
            weights: WeightsWriter::new(),
            noise: Box::new(noise(5)),
            last,
            count: 0,
        }
    }

    fn name(&mut self) -> String {
        self.count += 1;
        format!("c{:02}", self.count)
    }

    fn i8(&mut self, shape: &[u32]) -> proofmark_program::ConstantId {
        let name = self.name();
        let count = shape.iter().product::<u32>() as usize;
        let elements: Vec<i8> = self.noise.by_ref().map(|x| x as i8).take(count).collect();
        self.weights.i8(&name, shape, &elements).unwrap();
        self.builder.constant(&name)
    }

    fn i16(&mut self, shape: &[u32], elements: &[i16]) -> proofmark_program::ConstantId {
        let name = self.name();
        self.weights.i16(&name, shape, elements).unwrap();
        self.builder.constant(&name)
    }

    fn i32(&mut self, shape: &[u32], elements: &[i32]) -> proofmark_program::ConstantId {
        let name = self.name();
        self.weights.i32(&name, shape, elements).unwrap();
        self.builder.constant(&name)
    }

    fn add(&mut self, operator: Operator, shape: &[u32], lo: i32, hi: i32) {
        self.node(operator, NodeType::fixed(shape, lo, hi));
    }

    /// One row for each position.
    fn add_rows(&mut self, operator: Operator, shape: &[u32], lo: i32, hi: i32) {
        self.node(operator, NodeType::by_position(shape, lo, hi));
    }

    fn node(&mut self, operator: Operator, result: NodeType) {
        let name = self.name();
        self.last = self.builder.node(&name, operator, &[self.last], result);
    }

    fn linear(&mut self, n: u32, k: u32) {
        let weight = self.i8(&[n, k]);
        let biases: Vec<i32> = (0..n).map(|i| 1_000 - 700 * i.cast_signed()).collect();
        let bias = Some(self.i32(&[n], &biases));
        let reach = 128 * 128 * k.cast_signed() + 4_000;
        self.add(Operator::Linear { weight, bias }, &[n], -reach, reach);
    }

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
        self.finish_as(interface)
    }

    fn finish_as(self, interface: Interface) -> CheckedProgram<Vec<u8>> {
        let weights = Weights::open(self.weights.finish().unwrap()).unwrap();
        let program = self.builder.finish(interface).unwrap();
        program.check(weights).unwrap()
    }
}

/// linear, requantize, table, linear.
pub(crate) fn layers() -> CheckedProgram<Vec<u8>> {
    let mut of = Making::new(&[5], -128, 127);
    of.linear(3, 5);
    let multipliers = of.i32(&[3], &[900, 1_000, 1_100]);
    of.add(
        Operator::Requantize {
            multipliers,
            shift: 20,
        },
        &[3],
        -8,
        7,
    );
    let entries: Vec<i32> = (-8..8).map(|x: i32| x * x - 20).collect();
    let table = of.i32(&[16], &entries);
    of.add(Operator::Table { table }, &[3], -100, 100);
    of.linear(2, 3);
    of.finish()
}

/// conv, requantize, max_pool, reshape, linear, arg_max.
pub(crate) fn convolutions() -> CheckedProgram<Vec<u8>> {
    let mut of = Making::new(&[1, 5, 5], 0, 127);
    let weight = of.i8(&[2, 1, 2, 2]);
    let bias = Some(of.i32(&[2], &[300, -300]));
    let window = |kernel, stride| Window2d {
        kernel: [kernel; 2],
        strides: [stride; 2],
        pads: [0; 4],
        dilations: [1; 2],
    };
    let conv = Operator::Conv {
        weight,
        bias,
        window: window(2, 1),
        groups: 1,
    };
    of.add(conv, &[2, 4, 4], -80_000, 80_000);
    let multipliers = of.i32(&[1], &[1_500]);
    let relu = Operator::Requantize {
        multipliers,
        shift: 20,
    };
    of.add(relu, &[2, 4, 4], 0, 100);
    let pool = Operator::MaxPool {
        window: window(2, 2),
    };
    of.add(pool, &[2, 2, 2], 0, 100);
    of.add(Operator::Reshape, &[8], 0, 100);
    of.linear(3, 8);
    of.add(Operator::Reshape, &[1, 3], -200_000, 200_000);
    of.add(Operator::ArgMax, &[1], 0, 2);
    of.finish()
}

/// Three trees over four ranks, with two outputs.
pub(crate) fn trees() -> CheckedProgram<Vec<u8>> {
    let mut of = Making::new(&[4], 0, 20);
    let feature = [0, 3, -1, -1, -1, 2, -1, -1, -1];
    let threshold = [10, 5, 0, 0, 0, 21, 0, 0, 0];
    let left = [1, 2, 0, 0, 0, 6, 0, 0, 0];
    let right = [4, 3, 0, 0, 0, 7, 0, 0, 0];
    let leaf = [0, 0, 0, 1, 2, 0, 3, 4, 5];
    let values: Vec<i32> = (0..12).map(|i| 100 * i - 500).collect();
    let constants = TreeConstants {
        roots: of.i32(&[3], &[0, 5, 8]),
        feature: of.i32(&[9], &feature),
        threshold: of.i32(&[9], &threshold),
        left: of.i32(&[9], &left),
        right: of.i32(&[9], &right),
        leaf: of.i32(&[9], &leaf),
        values: of.i32(&[6, 2], &values),
        base: of.i32(&[2], &[7, -7]),
    };
    of.add(Operator::Trees(constants), &[2], -10_000, 10_000);
    of.finish()
}

/// Ids of the decoder.
pub(crate) const VOCABULARY: u32 = 6;

/// embed, rms_norm, rope, linear, requantize: no position sees another.
pub(crate) fn decoder() -> CheckedProgram<Vec<u8>> {
    let ids = NodeType::by_position(&[], 0, VOCABULARY.cast_signed() - 1);
    let mut of = Making::from(Operator::Tokens, ids);
    let embed = Operator::Embed {
        table: of.i8(&[VOCABULARY, 4]),
        multipliers: of.i32(&[1], &[4_096]),
        shift: 12,
    };
    of.add_rows(embed, &[4], -128, 127);
    let norm = Operator::RmsNorm {
        eps: 1_000,
        fraction: 8,
    };
    of.add_rows(norm, &[4], -256, 256);
    of.add_rows(Operator::Reshape, &[1, 4], -256, 256);
    // Any turns: what is proven is the product.
    let mut turns = noise(9).map(|x| (x % 32_769) as i32 - 16_384);
    let mut turns = || -> Vec<i16> { turns.by_ref().map(|x| x as i16).take(16).collect() };
    let (cosines, sines) = (turns(), turns());
    let rope = Operator::Rope {
        cosines: of.i16(&[8, 2], &cosines),
        sines: of.i16(&[8, 2], &sines),
    };
    of.add_rows(rope, &[1, 4], -400, 400);
    of.add_rows(Operator::Reshape, &[4], -400, 400);
    let weight = of.i8(&[VOCABULARY, 4]);
    let linear = Operator::Linear { weight, bias: None };
    of.add_rows(linear, &[VOCABULARY], -204_800, 204_800);
    let multipliers = of.i32(&[1], &[30_000]);
    let logits = Operator::Requantize {
        multipliers,
        shift: 16,
    };
    of.add_rows(logits, &[VOCABULARY], -100_000, 100_000);
    let interface = Interface::Decoder {
        vocabulary: VOCABULARY,
        max_positions: 8,
        logits: of.last,
        hidden: None,
    };
    of.finish_as(interface)
}
