//! Every refusal of §4 has a program here that is refused for it, beside one that is just inside and accepted.

use std::string::String;
use std::vec;
use std::vec::Vec;

use crate::graph::{
    InputKind, Interface, NodeId, NodeType, Operator, OutputKind, TensorInput, TensorOutput,
    TreeConstants, Window2d,
};
use crate::{
    CheckedProgram, ConstantId, ElementType, ProgramBuilder, ProgramError, Weights, WeightsWriter,
    reference,
};

const MAX: i32 = i32::MAX;
const MIN: i32 = i32::MIN;

/// One operator over inputs of given types; by position in a decoder, otherwise in a tensor program.
struct Bench {
    builder: ProgramBuilder,
    weights: WeightsWriter,
    inputs: Vec<TensorInput>,
    given: Vec<NodeId>,
    max_positions: u32,
    decoder: bool,
    next: u32,
}

impl Bench {
    fn new(types: &[NodeType]) -> Self {
        let mut bench = Self {
            builder: ProgramBuilder::new(),
            weights: WeightsWriter::new(),
            inputs: Vec::new(),
            given: Vec::new(),
            max_positions: 4,
            decoder: types.iter().any(|of| of.by_position),
            next: 0,
        };
        for of in types {
            let id = if of.by_position {
                bench.rows(of)
            } else {
                bench.input(of)
            };
            bench.given.push(id);
        }
        bench
    }

    fn name(&mut self) -> String {
        self.next += 1;
        std::format!("n{}", self.next)
    }

    fn input(&mut self, of: &NodeType) -> NodeId {
        let name = self.name();
        let node = self.builder.node(
            &name,
            Operator::Input { name: name.clone() },
            &[],
            of.clone(),
        );
        self.inputs.push(TensorInput {
            name,
            node,
            kind: InputKind::Integer,
        });
        node
    }

    /// Rows of any type: an embedding of zeros declares any range.
    fn rows(&mut self, of: &NodeType) -> NodeId {
        let width = u32::try_from(of.elements()).unwrap();
        let tokens = self.builder.node(
            "tokens",
            Operator::Tokens,
            &[],
            NodeType::by_position(&[], 0, 0),
        );
        let table = self.i8(&[1, width], &vec![0; width as usize]);
        let multipliers = self.i32(&[1], &[1]);
        let flat = NodeType {
            shape: vec![width],
            ..of.clone()
        };
        let rows = self.builder.node(
            "rows",
            Operator::Embed {
                table,
                multipliers,
                shift: 0,
            },
            &[tokens],
            flat,
        );
        self.builder
            .node("shaped", Operator::Reshape, &[rows], of.clone())
    }

    fn i8(&mut self, shape: &[u32], elements: &[i8]) -> ConstantId {
        let name = self.name();
        self.weights.i8(&name, shape, elements).unwrap();
        self.builder.constant(&name)
    }

    fn i16(&mut self, shape: &[u32], elements: &[i16]) -> ConstantId {
        let name = self.name();
        self.weights.i16(&name, shape, elements).unwrap();
        self.builder.constant(&name)
    }

    fn i32(&mut self, shape: &[u32], elements: &[i32]) -> ConstantId {
        let name = self.name();
        self.weights.i32(&name, shape, elements).unwrap();
        self.builder.constant(&name)
    }

    fn checked(
        mut self,
        operator: Operator,
        result: NodeType,
    ) -> Result<(CheckedProgram, NodeId), ProgramError> {
        let given = self.given.clone();
        let node = self.builder.node("it", operator, &given, result);
        let interface = if self.decoder {
            let tokens = self.builder.node(
                "tokens",
                Operator::Tokens,
                &[],
                NodeType::by_position(&[], 0, 0),
            );
            let logits = self.builder.node(
                "logits",
                Operator::Reshape,
                &[tokens],
                NodeType::by_position(&[1], 0, 0),
            );
            Interface::Decoder {
                vocabulary: 1,
                max_positions: self.max_positions,
                logits,
                hidden: None,
            }
        } else {
            let output = TensorOutput {
                name: "y".into(),
                node,
                kind: OutputKind::Integer,
            };
            Interface::Tensor {
                inputs: self.inputs,
                outputs: vec![output],
            }
        };
        let program = self.builder.finish(interface)?;
        let again = crate::Program::decode(&program.encode()?)?;
        assert_eq!(again, program, "one encoding for one program");
        let weights = Weights::open(self.weights.finish()?)?;
        Ok((again.check(weights)?, node))
    }

    /// The derived interval, or the code with which the program is refused.
    fn code(self, operator: Operator, result: NodeType) -> Result<(i32, i32), &'static str> {
        match self.checked(operator, result) {
            Ok((program, node)) => Ok(program.interval(node).unwrap()),
            Err(error) => Err(error.code()),
        }
    }
}

const MALFORMED: Result<(i32, i32), &str> = Err("program.malformed");
const RANGE: Result<(i32, i32), &str> = Err("program.range");

fn fixed(shape: &[u32], lo: i32, hi: i32) -> NodeType {
    NodeType::fixed(shape, lo, hi)
}

fn rows(shape: &[u32], lo: i32, hi: i32) -> NodeType {
    NodeType::by_position(shape, lo, hi)
}

#[test]
fn linear_sums_stay_in_32_bits() {
    let linear = |x: NodeType, weight: i8, k: u32, bias: i32, y: (i32, i32)| {
        let mut bench = Bench::new(&[x]);
        let weight = bench.i8(&[1, k], &vec![weight; k as usize]);
        let bias = Some(bench.i32(&[1], &[bias]));
        bench.checked(Operator::Linear { weight, bias }, fixed(&[1], y.0, y.1))
    };
    let x = || fixed(&[511], -32_768, 32_767);
    // 511 · 128 · 32,768 = 2^31 - 2^22.
    let (program, node) = linear(x(), -128, 511, (1 << 22) - 1, (MIN, MAX)).unwrap();
    assert_eq!(program.interval(node).unwrap().1, MAX);
    let most = vec![-32_768; 511];
    let y = reference::tensors(&program, &[&most]).unwrap();
    assert_eq!(y[0].elements, [MAX], "the bound is reached");
    let code = |result: Result<_, ProgramError>| result.map(|_| ()).map_err(|error| error.code());
    assert_eq!(
        code(linear(x(), -128, 511, 1 << 22, (MIN, MAX))),
        Err("program.range")
    );
    // The sum itself fits, but not a partial sum without the negative bias.
    let wide = || fixed(&[513], -32_768, 0);
    assert_eq!(
        code(linear(wide(), -128, 513, -(1 << 30), (MIN, MAX))),
        Err("program.range")
    );
    // The other end.
    let (program, _) = linear(x(), 127, 511, -(511 << 15), (MIN, MAX)).unwrap();
    assert_eq!(
        reference::tensors(&program, &[&most]).unwrap()[0].elements,
        [-(511 << 22)]
    );
    // A one-sided range counts one-sided.
    assert!(linear(fixed(&[1], 0, 100), -128, 1, 0, (-12_800, 0)).is_ok());
    assert_eq!(
        code(linear(fixed(&[1], -1, 100), -128, 1, 0, (-12_800, 0))),
        Err("program.range")
    );
    assert_eq!(
        code(linear(fixed(&[1], 0, 100), -128, 1, 0, (-12_799, 0))),
        Err("program.range")
    );
    // Operands have 16 bits.
    assert!(linear(fixed(&[1], -32_768, 32_767), 1, 1, 0, (MIN, MAX)).is_ok());
    assert_eq!(
        code(linear(fixed(&[1], 0, 32_768), 1, 1, 0, (MIN, MAX))),
        Err("program.range")
    );
    assert_eq!(
        code(linear(fixed(&[1], -32_769, 0), 1, 1, 0, (MIN, MAX))),
        Err("program.range")
    );
    // Shapes.
    assert_eq!(
        code(linear(fixed(&[2], 0, 1), 1, 1, 0, (MIN, MAX))),
        Err("program.malformed")
    );
    assert_eq!(
        code(linear(fixed(&[], 0, 1), 1, 1, 0, (MIN, MAX))),
        Err("program.malformed")
    );
    assert_eq!(
        code(linear(fixed(&[2, 1], 0, 1), 1, 1, 0, (MIN, MAX))),
        Err("program.malformed")
    );
}

#[test]
fn constants_exist_with_their_type_and_shape() {
    let with = |make: fn(&mut Bench) -> (ConstantId, Option<ConstantId>)| {
        let mut bench = Bench::new(&[fixed(&[2], -5, 5)]);
        let (weight, bias) = make(&mut bench);
        bench.code(Operator::Linear { weight, bias }, fixed(&[3], -10, 10))
    };
    assert_eq!(with(|b| (b.i8(&[3, 2], &[1; 6]), None)), Ok((-10, 10)));
    assert_eq!(with(|b| (b.i16(&[3, 2], &[1; 6]), None)), MALFORMED);
    assert_eq!(with(|b| (b.i8(&[2, 3], &[1; 6]), None)), MALFORMED);
    assert_eq!(with(|b| (b.builder.constant("none"), None)), MALFORMED);
    assert_eq!(
        with(|b| (b.i8(&[3, 2], &[1; 6]), Some(b.i32(&[3], &[0; 3])))),
        Ok((-10, 10))
    );
    assert_eq!(
        with(|b| (b.i8(&[3, 2], &[1; 6]), Some(b.i32(&[2], &[0; 2])))),
        MALFORMED
    );
    assert_eq!(
        with(|b| (b.i8(&[3, 2], &[1; 6]), Some(b.i16(&[3], &[0; 3])))),
        MALFORMED
    );
}

#[test]
fn multipliers_and_shifts() {
    let requantize = |count: u32, m: i32, shift: u8| {
        let mut bench = Bench::new(&[fixed(&[2, 3], -100, 100)]);
        let multipliers = bench.i32(&[count], &vec![m; count as usize]);
        bench.code(
            Operator::Requantize { multipliers, shift },
            fixed(&[2, 3], -50, 40),
        )
    };
    assert_eq!(requantize(3, 65_535, 16), Ok((-50, 40)));
    assert_eq!(requantize(1, -4, 4), Ok((-25, 25)));
    assert_eq!(requantize(1, 65_535, 62), Ok((0, 0)));
    assert_eq!(requantize(1, 1, 63), MALFORMED);
    assert_eq!(requantize(1, 65_536, 16), MALFORMED);
    assert_eq!(requantize(1, -65_536, 16), MALFORMED);
    assert_eq!(requantize(1, MIN, 16), MALFORMED);
    assert_eq!(requantize(2, 1, 0), MALFORMED);
    let by_channel = |count: u32| {
        let mut bench = Bench::new(&[fixed(&[2, 3], -100, 100)]);
        let multipliers = bench.i32(&[count], &vec![1; count as usize]);
        bench.code(
            Operator::ChannelScale {
                multipliers,
                shift: 1,
            },
            fixed(&[2, 3], -50, 50),
        )
    };
    assert_eq!(by_channel(2), Ok((-50, 50)));
    assert_eq!(by_channel(3), MALFORMED);
    assert_eq!(by_channel(1), MALFORMED);
}

#[test]
fn elementwise() {
    let two = |operator: Operator, x: NodeType, y: NodeType, lo, hi| {
        let shape = x.shape.clone();
        Bench::new(&[x, y]).code(operator, fixed(&shape, lo, hi))
    };
    assert_eq!(
        two(
            Operator::Add,
            fixed(&[2, 3], -5, 7),
            fixed(&[3], -1, 1),
            -6,
            8
        ),
        Ok((-6, 8))
    );
    assert_eq!(
        two(
            Operator::Add,
            fixed(&[2, 3], -5, 7),
            fixed(&[], -1, 1),
            -6,
            8
        ),
        Ok((-6, 8))
    );
    assert_eq!(
        two(
            Operator::Add,
            fixed(&[2, 3], -5, 7),
            fixed(&[3], -1, 1),
            -6,
            7
        ),
        RANGE
    );
    assert_eq!(
        two(
            Operator::Add,
            fixed(&[2], MIN, 0),
            fixed(&[2], -1, 0),
            MIN,
            0
        ),
        RANGE
    );
    assert_eq!(
        two(
            Operator::Add,
            fixed(&[2, 3], -5, 7),
            fixed(&[2], -1, 1),
            -6,
            8
        ),
        MALFORMED
    );
    assert_eq!(
        two(
            Operator::Add,
            fixed(&[3], -5, 7),
            fixed(&[2, 3], -1, 1),
            -6,
            8
        ),
        MALFORMED
    );
    let product = |lo| {
        two(
            Operator::Multiply { shift: 31 },
            fixed(&[1], lo, 0),
            fixed(&[1], MIN, 0),
            0,
            9,
        )
    };
    assert_eq!(product(MIN + 1), Ok((0, 9)));
    assert_eq!(product(MIN), RANGE);
    assert_eq!(
        two(
            Operator::Multiply { shift: 63 },
            fixed(&[1], 0, 1),
            fixed(&[1], 0, 1),
            0,
            1
        ),
        MALFORMED
    );
    let clamp = |shape: &[u32]| {
        Bench::new(&[fixed(&[2], -9, 9)]).code(Operator::Clamp, fixed(shape, -3, 90))
    };
    assert_eq!(clamp(&[2]), Ok((-3, 9)));
    assert_eq!(clamp(&[1]), MALFORMED);
    let table = |lo: i32, entries: u32| {
        let mut bench = Bench::new(&[fixed(&[1], lo, 3)]);
        let table = bench.i16(&[entries], &vec![7; entries as usize]);
        bench.code(Operator::Table { table }, fixed(&[1], 0, 7))
    };
    assert_eq!(table(-4, 8), Ok((7, 7)));
    assert_eq!(table(-4, 7), MALFORMED);
    assert_eq!(table(-4, 9), MALFORMED);
    assert_eq!(table(-65_532, 65_536), Ok((7, 7)));
    assert_eq!(table(-65_533, 65_537), MALFORMED);
}

#[test]
fn norms_and_softmax() {
    let rms = |lo: i32, d: u32, eps, fraction| {
        Bench::new(&[fixed(&[d], lo, 0)])
            .code(Operator::RmsNorm { eps, fraction }, fixed(&[d], MIN, MAX))
    };
    assert_eq!(rms(MIN + 1, 1, 1, 14), Ok((-16_384, 0)));
    assert_eq!(rms(MIN, 1, 1, 14), RANGE);
    assert_eq!(rms(MIN / 2 + 1, 4, 1, 14), Ok((-16_384, 0)));
    assert_eq!(rms(MIN / 2, 4, 1, 14), RANGE);
    assert_eq!(rms(-1, 1, 1 << 62, 14), RANGE);
    assert_eq!(rms(-1, 1, 0, 14), MALFORMED);
    assert_eq!(rms(-1, 1, 1, 30), Ok((-(1 << 30), 0)));
    assert_eq!(rms(-1, 1, 1, 31), MALFORMED);
    let layer = |lo: i32, hi: i32| {
        Bench::new(&[fixed(&[1], lo, hi)]).code(
            Operator::LayerNorm {
                eps: 1,
                fraction: 3,
            },
            fixed(&[1], -8, 8),
        )
    };
    assert_eq!(layer(-(1 << 30), (1 << 30) - 1), Ok((-8, 8)));
    assert_eq!(layer(-(1 << 30), 1 << 30), RANGE);
    let softmax = |hi: i32, multiplier, shift| {
        Bench::new(&[fixed(&[3], 0, hi)])
            .code(Operator::Softmax { multiplier, shift }, fixed(&[3], 0, MAX))
    };
    assert_eq!(softmax(32_768, 65_535, 0), Ok((0, 32_768)));
    assert_eq!(softmax(32_769, 65_535, 0), RANGE);
    assert_eq!(softmax(1, 65_536, 0), MALFORMED);
    assert_eq!(softmax(1, 1, 63), MALFORMED);
}

#[test]
fn positions() {
    let rope = |half: u32, count: u32, entry: i16, width: u32| {
        let mut bench = Bench::new(&[rows(&[2, width], -9, 9)]);
        let elements = vec![entry; (half * count) as usize];
        let (cosines, sines) = (
            bench.i16(&[count, half], &elements),
            bench.i16(&[count, half], &elements),
        );
        bench.code(
            Operator::Rope { cosines, sines },
            rows(&[2, width], -30, 30),
        )
    };
    assert_eq!(rope(2, 4, -16_384, 5), Ok((-18, 18)));
    assert_eq!(rope(2, 4, 16_385, 5), MALFORMED);
    assert_eq!(rope(2, 4, i16::MIN, 5), MALFORMED);
    assert_eq!(rope(3, 4, 0, 5), MALFORMED);
    assert_eq!(rope(2, 3, 0, 5), MALFORMED);
    let embed = |hi: i32, rows: u32| {
        let mut bench = Bench::new(&[fixed(&[2], 0, hi)]);
        let table = bench.i8(&[rows, 3], &vec![5; 3 * rows as usize]);
        let multipliers = bench.i32(&[1], &[2]);
        bench.code(
            Operator::Embed {
                table,
                multipliers,
                shift: 0,
            },
            fixed(&[2, 3], 0, 99),
        )
    };
    assert_eq!(embed(6, 7), Ok((10, 10)));
    assert_eq!(embed(7, 7), RANGE);
    let tokens = |operator: Operator, hi| {
        let bench = Bench {
            decoder: true,
            ..Bench::new(&[])
        };
        bench.code(operator, rows(&[], 0, hi))
    };
    assert_eq!(tokens(Operator::Positions, 3), Ok((0, 3)));
    assert_eq!(tokens(Operator::Positions, 2), RANGE);
    assert_eq!(tokens(Operator::Tokens, 0), Ok((0, 0)));
    assert_eq!(
        Bench::new(&[]).code(Operator::Tokens, rows(&[], 0, 0)),
        MALFORMED
    );
}

/// Attention with these attributes.
fn attention_of(multiplier: i32, shift: u8, output_shift: u8, window: u32) -> Operator {
    Operator::Attention {
        multiplier,
        shift,
        output_shift,
        window,
    }
}

fn attend(
    q: NodeType,
    k: NodeType,
    v: NodeType,
    y: &[u32],
    max_positions: u32,
    operator: Operator,
) -> Result<(i32, i32), &'static str> {
    let mut bench = Bench::new(&[q, k, v]);
    bench.max_positions = max_positions;
    bench.code(operator, rows(y, -100_000, 100_000))
}

fn wide(shape: &[u32]) -> NodeType {
    rows(shape, -32_768, 32_767)
}

fn small(shape: &[u32]) -> NodeType {
    rows(shape, -9, 9)
}

#[test]
fn shapes_of_attention() {
    let plain = attention_of(1, 0, 2, 0);
    assert_eq!(
        attend(
            small(&[4, 3]),
            small(&[2, 3]),
            small(&[2, 5]),
            &[4, 5],
            9,
            plain.clone()
        ),
        Ok((-36, 36))
    );
    assert_eq!(
        attend(
            small(&[3, 3]),
            small(&[2, 3]),
            small(&[2, 5]),
            &[3, 5],
            9,
            plain.clone()
        ),
        MALFORMED
    );
    assert_eq!(
        attend(
            small(&[4, 3]),
            small(&[2, 2]),
            small(&[2, 5]),
            &[4, 5],
            9,
            plain.clone()
        ),
        MALFORMED
    );
    assert_eq!(
        attend(
            small(&[4, 3]),
            small(&[2, 3]),
            small(&[1, 5]),
            &[4, 5],
            9,
            plain.clone()
        ),
        MALFORMED
    );
    assert_eq!(
        attend(
            small(&[4, 3]),
            small(&[2, 3]),
            small(&[2, 5]),
            &[4, 3],
            9,
            plain.clone()
        ),
        MALFORMED
    );
}

#[test]
fn sums_of_attention() {
    let plain = attention_of(1, 0, 2, 0);
    // Sums of products: 2^30 fits once, not twice.
    assert!(
        attend(
            wide(&[1, 1]),
            wide(&[1, 1]),
            small(&[1, 1]),
            &[1, 1],
            9,
            plain.clone()
        )
        .is_ok()
    );
    assert_eq!(
        attend(
            wide(&[1, 2]),
            wide(&[1, 2]),
            small(&[1, 1]),
            &[1, 1],
            9,
            plain.clone()
        ),
        RANGE
    );
    assert_eq!(
        attend(
            rows(&[1, 1], 0, 32_768),
            small(&[1, 1]),
            small(&[1, 1]),
            &[1, 1],
            9,
            plain.clone()
        ),
        RANGE
    );
    assert_eq!(
        attend(
            small(&[1, 1]),
            small(&[1, 1]),
            rows(&[1, 1], 0, 32_768),
            &[1, 1],
            9,
            plain
        ),
        RANGE
    );
    // Scores.
    let scores = |operator| {
        attend(
            wide(&[1, 1]),
            wide(&[1, 1]),
            small(&[1, 1]),
            &[1, 1],
            9,
            operator,
        )
    };
    assert_eq!(scores(attention_of(2, 0, 0, 0)), RANGE);
    assert!(scores(attention_of(65_535, 16, 0, 0)).is_ok());
    assert_eq!(scores(attention_of(65_536, 16, 0, 0)), MALFORMED);
    assert_eq!(scores(attention_of(1, 63, 0, 0)), MALFORMED);
    assert_eq!(scores(attention_of(1, 0, 17, 0)), MALFORMED);
    // Weighted sums: positions · 2^14 · 2^15 · 2^16.
    let sums = |max_positions, window| {
        attend(
            small(&[1, 1]),
            small(&[1, 1]),
            wide(&[1, 1]),
            &[1, 1],
            max_positions,
            attention_of(1, 0, 16, window),
        )
    };
    assert_eq!(sums((1 << 17) - 1, 0), Ok((-100_000, 100_000)));
    assert_eq!(sums(1 << 17, 0), RANGE);
    assert_eq!(sums(1 << 17, 64), Ok((-100_000, 100_000)));
}

fn window(kernel: [u32; 2], strides: [u32; 2], pads: [u32; 4], dilations: [u32; 2]) -> Window2d {
    Window2d {
        kernel,
        strides,
        pads,
        dilations,
    }
}

#[test]
fn windows() {
    let plain = window([3, 2], [2, 1], [1, 0, 1, 1], [1, 1]);
    let conv = |window: Window2d, groups: u32, weight: &[u32], y: &[u32]| {
        let mut bench = Bench::new(&[fixed(&[4, 5, 6], -1, 1)]);
        let count = weight.iter().product::<u32>() as usize;
        let weight = bench.i8(weight, &vec![1; count]);
        bench.code(
            Operator::Conv {
                weight,
                bias: None,
                window,
                groups,
            },
            fixed(y, -99, 99),
        )
    };
    assert_eq!(conv(plain, 2, &[6, 2, 3, 2], &[6, 3, 6]), Ok((-12, 12)));
    assert_eq!(conv(plain, 2, &[6, 2, 2, 3], &[6, 3, 6]), MALFORMED);
    assert_eq!(conv(plain, 3, &[6, 1, 3, 2], &[6, 3, 6]), MALFORMED);
    assert_eq!(conv(plain, 4, &[6, 1, 3, 2], &[6, 3, 6]), MALFORMED);
    assert_eq!(conv(plain, 0, &[6, 2, 3, 2], &[6, 3, 6]), MALFORMED);
    assert_eq!(conv(plain, 2, &[6, 2, 3, 2], &[6, 2, 6]), MALFORMED);
    assert_eq!(conv(plain, 2, &[6, 2, 3, 2], &[6, 3, 5]), MALFORMED);
    assert_eq!(
        conv(
            window([3, 2], [0, 1], [1, 0, 1, 1], [1, 1]),
            2,
            &[6, 2, 3, 2],
            &[6, 3, 6]
        ),
        MALFORMED
    );
    assert_eq!(
        conv(
            window([3, 2], [2, 1], [1, 0, 1, 1], [2, 1]),
            2,
            &[6, 2, 3, 2],
            &[6, 2, 6]
        ),
        Ok((-12, 12))
    );
    assert_eq!(
        conv(
            window([8, 2], [1, 1], [1, 0, 1, 1], [1, 1]),
            2,
            &[6, 2, 8, 2],
            &[6, 1, 6]
        ),
        MALFORMED
    );
    let mut bench = Bench::new(&[fixed(&[512, 1, 1], -32_768, 0)]);
    let weight = bench.i8(&[1, 512, 1, 1], &[-128; 512]);
    let point = window([1, 1], [1, 1], [0; 4], [1, 1]);
    let operator = Operator::Conv {
        weight,
        bias: None,
        window: point,
        groups: 1,
    };
    assert_eq!(bench.code(operator, fixed(&[1, 1, 1], 0, MAX)), RANGE);
}

#[test]
fn pools() {
    let plain = window([3, 2], [2, 1], [1, 0, 1, 1], [1, 1]);
    let pool = |operator: Operator, x: (i32, i32), y: &[u32]| {
        Bench::new(&[fixed(&[4, 5, 6], x.0, x.1)]).code(operator, fixed(y, MIN, MAX))
    };
    assert_eq!(
        pool(Operator::MaxPool { window: plain }, (-3, 5), &[4, 3, 6]),
        Ok((-3, 5))
    );
    assert_eq!(
        pool(Operator::MaxPool { window: plain }, (-3, 5), &[3, 3, 6]),
        MALFORMED
    );
    assert_eq!(
        pool(Operator::SumPool { window: plain }, (-3, 5), &[4, 3, 6]),
        Ok((-18, 30))
    );
    assert_eq!(
        pool(
            Operator::SumPool { window: plain },
            (MIN / 6, 5),
            &[4, 3, 6]
        ),
        Ok((MIN + 2, 30))
    );
    assert_eq!(
        pool(
            Operator::SumPool { window: plain },
            (MIN / 6 - 1, 5),
            &[4, 3, 6]
        ),
        RANGE
    );
    let dilated = window([2, 2], [1, 1], [0; 4], [2, 1]);
    assert_eq!(
        pool(Operator::MaxPool { window: dilated }, (-3, 5), &[4, 3, 5]),
        MALFORMED
    );
    // A window that lies outside: sums may, maxima may not.
    let outside = window([1, 1], [1, 1], [1, 0, 0, 0], [1, 1]);
    assert_eq!(
        pool(Operator::MaxPool { window: outside }, (0, 5), &[4, 6, 6]),
        MALFORMED
    );
    assert_eq!(
        pool(Operator::SumPool { window: outside }, (0, 5), &[4, 6, 6]),
        Ok((0, 5))
    );
    let behind = window([1, 1], [1, 1], [0, 0, 0, 1], [1, 1]);
    assert_eq!(
        pool(Operator::MaxPool { window: behind }, (0, 5), &[4, 5, 7]),
        MALFORMED
    );
}

#[test]
fn matrices() {
    let product = |a: &[u32], b: &[u32], y: &[u32], hi: i32| {
        Bench::new(&[fixed(a, 0, hi), fixed(b, 0, hi)]).code(Operator::MatMul, fixed(y, 0, MAX))
    };
    assert_eq!(product(&[2, 3, 4], &[2, 4, 5], &[2, 3, 5], 7), Ok((0, 196)));
    assert_eq!(product(&[2, 3, 4], &[1, 4, 5], &[2, 3, 5], 7), MALFORMED);
    assert_eq!(product(&[3, 4], &[3, 5], &[3, 5], 7), MALFORMED);
    assert_eq!(product(&[4], &[4, 5], &[5], 7), MALFORMED);
    assert_eq!(
        product(&[1, 2], &[2, 1], &[1, 1], 32_767),
        Ok((0, 2 * 32_767 * 32_767))
    );
    assert_eq!(product(&[1, 3], &[3, 1], &[1, 1], 32_767), RANGE);
    assert_eq!(product(&[1, 1], &[1, 1], &[1, 1], 32_768), RANGE);
}

#[test]
fn movements() {
    let one = |operator: Operator, x: &[u32], y: &[u32]| {
        Bench::new(&[fixed(x, -2, 3)]).code(operator, fixed(y, -100, 100))
    };
    assert_eq!(one(Operator::Reshape, &[2, 3], &[3, 2]), Ok((-2, 3)));
    assert_eq!(one(Operator::Reshape, &[2, 3], &[5]), MALFORMED);
    let transpose = |permutation: &[u8]| {
        one(
            Operator::Transpose {
                permutation: permutation.to_vec(),
            },
            &[2, 3],
            &[3, 2],
        )
    };
    assert_eq!(transpose(&[1, 0]), Ok((-2, 3)));
    for wrong in [&[0, 1][..], &[1, 1], &[1], &[1, 0, 2], &[2, 0]] {
        assert_eq!(transpose(wrong), MALFORMED, "{wrong:?}");
    }
    let concat = |axis, y: &[u32]| {
        let types = [fixed(&[2, 3], -2, 3), fixed(&[2, 4], -7, 0)];
        Bench::new(&types).code(Operator::Concat { axis }, fixed(y, -7, 3))
    };
    assert_eq!(concat(1, &[2, 7]), Ok((-7, 3)));
    assert_eq!(concat(1, &[2, 6]), MALFORMED);
    assert_eq!(concat(0, &[4, 3]), MALFORMED);
    assert_eq!(concat(2, &[2, 7]), MALFORMED);
    let slice = |start, step, y| {
        one(
            Operator::Slice {
                axis: 1,
                start,
                step,
            },
            &[2, 9],
            &[2, y],
        )
    };
    assert_eq!(slice(2, 3, 3), Ok((-2, 3)));
    assert_eq!(slice(3, 3, 3), MALFORMED);
    assert_eq!(slice(0, 0, 3), MALFORMED);
    assert_eq!(slice(u32::MAX, u32::MAX, 3), MALFORMED);
    let pad = |axis, before, value, y: &[u32]| {
        one(
            Operator::Pad {
                axis,
                before,
                value,
            },
            &[2, 3],
            y,
        )
    };
    assert_eq!(pad(1, 1, -50, &[2, 5]), Ok((-50, 3)));
    assert_eq!(pad(1, 3, 0, &[2, 5]), MALFORMED);
    assert_eq!(pad(1, 1, 101, &[2, 5]), RANGE);
    assert_eq!(pad(2, 1, 0, &[2, 5]), MALFORMED);
    assert_eq!(
        one(Operator::ReduceSum { axis: 1 }, &[2, 3], &[2]),
        Ok((-6, 9))
    );
    assert_eq!(one(Operator::ReduceSum { axis: 1 }, &[2, 34], &[2]), RANGE);
    assert_eq!(
        one(Operator::ReduceSum { axis: 2 }, &[2, 3], &[2]),
        MALFORMED
    );
    assert_eq!(
        one(Operator::ReduceMax { axis: 0 }, &[2, 3], &[3]),
        Ok((-2, 3))
    );
    assert_eq!(
        one(Operator::ReduceMax { axis: 0 }, &[2, 3], &[2]),
        MALFORMED
    );
    assert_eq!(one(Operator::ArgMax, &[2, 3], &[2]), Ok((0, 2)));
    assert_eq!(one(Operator::ArgMax, &[2, 102], &[2]), RANGE);
    assert_eq!(one(Operator::ArgMax, &[], &[]), MALFORMED);
    let constant = |shape: &[u32], hi| {
        let mut bench = Bench::new(&[]);
        let value = bench.i32(&[2], &[-7, 9]);
        bench.code(Operator::Constant { value }, fixed(shape, -7, hi))
    };
    assert_eq!(constant(&[2], 9), Ok((-7, 9)));
    assert_eq!(constant(&[2], 8), RANGE);
    assert_eq!(constant(&[1, 2], 9), MALFORMED);
}

#[test]
fn trees() {
    let of = |threshold: [i32; 3],
              feature: &[i32],
              left: &[i32],
              leaf: &[i32],
              roots: &[i32],
              values: &[i32],
              base: i32| {
        let mut bench = Bench::new(&[fixed(&[2], 0, 9)]);
        let n = u32::try_from(feature.len()).unwrap();
        let right: Vec<i32> = left.iter().map(|left| left + 1).collect();
        let trees = TreeConstants {
            roots: bench.i32(&[u32::try_from(roots.len()).unwrap()], roots),
            feature: bench.i32(&[n], feature),
            threshold: bench.i32(&[n], &threshold[..feature.len()]),
            left: bench.i32(&[n], left),
            right: bench.i32(&[n], &right),
            leaf: bench.i32(&[n], leaf),
            values: bench.i32(&[u32::try_from(values.len()).unwrap(), 1], values),
            base: bench.i32(&[1], &[base]),
        };
        bench.code(Operator::Trees(trees), fixed(&[1], MIN, MAX))
    };
    let with =
        |feature: &[i32], left: &[i32], leaf: &[i32], roots: &[i32], values: &[i32], base: i32| {
            of([5; 3], feature, left, leaf, roots, values, base)
        };
    let (feature, left, leaf) = ([1, -1, -1], [1, 0, 0], [0, 0, 1]);
    // Thresholds of inner nodes are ranks, or one more; those of leaves mean nothing.
    let at = |threshold| {
        of(
            [threshold, -7, 77],
            &feature,
            &left,
            &leaf,
            &[0, 0],
            &[-4, 7],
            1,
        )
    };
    assert_eq!([at(0), at(10)], [Ok((-7, 15)), Ok((-7, 15))]);
    assert_eq!([at(-1), at(11)], [MALFORMED, MALFORMED]);
    assert_eq!(
        with(&feature, &left, &leaf, &[0, 0], &[-4, 7], 1),
        Ok((-7, 15))
    );
    // The values are those of reachable leaves.
    assert_eq!(
        with(&feature, &left, &leaf, &[1], &[-4, 7], 0),
        Ok((-4, -4))
    );
    assert_eq!(
        with(&[2, -1, -1], &left, &leaf, &[0], &[-4, 7], 1),
        MALFORMED
    );
    assert_eq!(
        with(&[-2, -1, -1], &left, &leaf, &[0], &[-4, 7], 1),
        MALFORMED
    );
    assert_eq!(
        with(&feature, &[2, 0, 0], &leaf, &[0], &[-4, 7], 1),
        MALFORMED
    );
    assert_eq!(
        with(&feature, &[0, 0, 0], &leaf, &[0], &[-4, 7], 1),
        MALFORMED
    );
    assert_eq!(
        with(&feature, &left, &[0, 0, 2], &[0], &[-4, 7], 1),
        MALFORMED
    );
    assert_eq!(with(&feature, &left, &leaf, &[3], &[-4, 7], 1), MALFORMED);
    assert_eq!(with(&feature, &left, &leaf, &[-1], &[-4, 7], 1), MALFORMED);
    assert_eq!(
        with(&feature, &left, &leaf, &[0, 0], &[0, 1 << 30], -1),
        RANGE
    );
    assert_eq!(
        with(&feature, &left, &leaf, &[0], &[0, 1 << 30], (1 << 30) - 1),
        Ok(((1 << 30) - 1, MAX))
    );
    assert_eq!(
        with(&feature, &left, &leaf, &[0], &[0, 1 << 30], 1 << 30),
        RANGE
    );
}

#[test]
fn elements_of_constants_are_what_is_declared() {
    let mut bench = Bench::new(&[]);
    let value = bench.i8(&[2], &[1, 2]);
    let (program, node) = bench
        .checked(Operator::Constant { value }, fixed(&[2], 0, 2))
        .unwrap();
    let id = program.program().nodes[node.0 as usize]
        .operator
        .constants()[0];
    assert_eq!(program.constant(id).unwrap().element(), ElementType::I8);
    assert_eq!(program.constant(id).unwrap().to_i8().unwrap(), [1, 2]);
    assert!(program.constant(ConstantId(9)).is_none());
    assert!(program.interval(NodeId(9)).is_none());
}
