//! Networks of known shapes with random weights, as exact programs.

use proofmark_program::{
    CheckedProgram, InputKind, Interface, NodeId, NodeType, Operator, OutputKind, ProgramBuilder,
    ProgramError, TensorInput, TensorOutput, Weights, WeightsWriter, Window2d,
};

use super::failed;
use super::subject::Subject;
use crate::BenchError;

/// A network by the name that it has in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// 784-64-10: 51 thousand parameters.
    Mlp51k,
    /// 256-256-256-256-10: 200 thousand.
    Mlp200k,
    /// 512-512-512-512-10: 793 thousand.
    Mlp793k,
    /// LeNet-5 on images of 28 × 28: 62 thousand.
    LeNet,
    /// 784-1024-2048-512-10: 4 million.
    Mlp4M,
}

impl Network {
    pub(super) const ALL: [Self; 5] = [
        Self::Mlp51k,
        Self::Mlp200k,
        Self::Mlp793k,
        Self::LeNet,
        Self::Mlp4M,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mlp51k => "MLP-51k",
            Self::Mlp200k => "MLP-200k",
            Self::Mlp793k => "MLP-793k",
            Self::LeNet => "LeNet-5",
            Self::Mlp4M => "MLP-4M",
        }
    }

    /// What a proof shall take at most on two cores.
    pub(super) fn target_s(self) -> &'static str {
        match self {
            Self::Mlp51k | Self::Mlp200k => "≤ 0.05",
            Self::Mlp793k | Self::LeNet => "≤ 0.1",
            Self::Mlp4M => "≤ 0.2",
        }
    }

    /// Widths of a network of dense layers; none for LeNet.
    fn widths(self) -> &'static [u32] {
        match self {
            Self::Mlp51k => &[784, 64, 10],
            Self::Mlp200k => &[256, 256, 256, 256, 10],
            Self::Mlp793k => &[512, 512, 512, 512, 10],
            Self::Mlp4M => &[784, 1024, 2048, 512, 10],
            Self::LeNet => &[],
        }
    }

    /// What the peer's script takes; `None` where the peer is not measured.
    pub(super) fn peer(self) -> Option<String> {
        match self {
            Self::LeNet => Some("lenet".to_owned()),
            Self::Mlp4M => None,
            mlp => {
                let widths: Vec<String> = mlp.widths().iter().map(ToString::to_string).collect();
                Some(widths.join("-"))
            }
        }
    }

    pub(super) fn subject(self) -> Result<Subject, BenchError> {
        let made = match self {
            Self::LeNet => lenet(),
            mlp => dense(mlp.widths()),
        };
        let (checked, parameters) = made.map_err(failed)?;
        Subject::new(self.name(), checked, parameters)
    }
}

/// A program, and how many weights and biases it has.
type Made = (CheckedProgram<Vec<u8>>, usize);

/// A network in the making: every layer's values are in [0, 255].
struct Maker {
    builder: ProgramBuilder,
    weights: WeightsWriter,
    state: u64,
    last: NodeId,
    shape: Vec<u32>,
    layers: u32,
    parameters: usize,
}

fn dense(widths: &[u32]) -> Result<Made, ProgramError> {
    let (input, layers) = widths.split_first().unwrap_or((&1, &[]));
    let mut maker = Maker::new(&[*input]);
    for (number, n) in layers.iter().enumerate() {
        let k = maker.linear(*n)?;
        if number + 1 < layers.len() {
            maker.activate(k)?;
        }
    }
    maker.finish()
}

fn lenet() -> Result<Made, ProgramError> {
    let mut maker = Maker::new(&[1, 28, 28]);
    maker.conv([6, 1], 28, 2)?;
    maker.pool([6, 14, 14]);
    maker.conv([16, 6], 10, 0)?;
    maker.pool([16, 5, 5]);
    maker.add(Operator::Reshape, &[400], (0, 255));
    for n in [120, 84] {
        let k = maker.linear(n)?;
        maker.activate(k)?;
    }
    maker.linear(10)?;
    maker.finish()
}

impl Maker {
    fn new(shape: &[u32]) -> Self {
        let mut builder = ProgramBuilder::new();
        let name = "x".to_owned();
        let input = Operator::Input { name };
        let last = builder.node("x", input, &[], NodeType::fixed(shape, 0, 255));
        Self {
            builder,
            weights: WeightsWriter::new(),
            state: 1,
            last,
            shape: shape.to_vec(),
            layers: 0,
            parameters: 0,
        }
    }

    fn random(&mut self) -> u32 {
        self.state = self
            .state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(1);
        (self.state >> 32) as u32
    }

    fn add(&mut self, operator: Operator, shape: &[u32], (lo, hi): (i32, i32)) {
        self.layers += 1;
        let name = format!("layer.{}", self.layers);
        let result = NodeType::fixed(shape, lo, hi);
        self.last = self.builder.node(&name, operator, &[self.last], result);
        self.shape = shape.to_vec();
    }

    /// Random weights and biases, and the largest sum that they can make.
    fn constants(&mut self, shape: &[u32]) -> Result<([String; 2], i32), ProgramError> {
        self.layers += 1;
        let names = [
            format!("weight.{}", self.layers),
            format!("bias.{}", self.layers),
        ];
        let count: u32 = shape.iter().product();
        let outputs = shape.first().copied().unwrap_or(1);
        let weights: Vec<i8> = (0..count)
            .map(|_| (self.random() % 255) as i32 - 127)
            .map(|weight| weight as i8)
            .collect();
        let biases: Vec<i32> = (0..outputs)
            .map(|_| (self.random() % 200_001) as i32 - 100_000)
            .collect();
        let [weight, bias] = &names;
        self.weights.i8(weight, shape, &weights)?;
        self.weights.i32(bias, &[outputs], &biases)?;
        self.parameters += weights.len() + biases.len();
        let summands = (count / outputs.max(1)) as i32;
        Ok((names, summands * 127 * 255 + 100_000))
    }

    /// A dense layer; how many products each of its sums has.
    fn linear(&mut self, n: u32) -> Result<u32, ProgramError> {
        let k = self.shape.last().copied().unwrap_or(1);
        let ([weight, bias], reach) = self.constants(&[n, k])?;
        let (weight, bias) = (
            self.builder.constant(&weight),
            Some(self.builder.constant(&bias)),
        );
        self.add(Operator::Linear { weight, bias }, &[n], (-reach, reach));
        Ok(k)
    }

    /// Scales sums of this many random products back to [0, 255]; what is negative becomes zero.
    fn activate(&mut self, summands: u32) -> Result<(), ProgramError> {
        let name = format!("scale.{}", self.layers);
        // Such sums are about 127/√3 · 127 · √summands.
        let scale = 120.0 / (9_300.0 * f64::from(summands).sqrt());
        let shift = (65_535.0 / scale).log2().floor();
        let multiplier = (scale * shift.exp2()) as i32;
        self.weights.i32(&name, &[1], &[multiplier])?;
        let multipliers = self.builder.constant(&name);
        let shape = self.shape.clone();
        let operator = Operator::Requantize {
            multipliers,
            shift: shift as u8,
        };
        self.add(operator, &shape, (0, 255));
        Ok(())
    }

    /// A convolution of 5 × 5 with a result of size × size, and its activation.
    fn conv(
        &mut self,
        [outputs, inputs]: [u32; 2],
        size: u32,
        pad: u32,
    ) -> Result<(), ProgramError> {
        let ([weight, bias], reach) = self.constants(&[outputs, inputs, 5, 5])?;
        let (weight, bias) = (
            self.builder.constant(&weight),
            Some(self.builder.constant(&bias)),
        );
        let operator = Operator::Conv {
            weight,
            bias,
            window: Window2d {
                kernel: [5; 2],
                strides: [1; 2],
                pads: [pad; 4],
                dilations: [1; 2],
            },
            groups: 1,
        };
        self.add(operator, &[outputs, size, size], (-reach, reach));
        self.activate(inputs * 25)
    }

    fn pool(&mut self, shape: [u32; 3]) {
        let window = Window2d {
            kernel: [2; 2],
            strides: [2; 2],
            pads: [0; 4],
            dilations: [1; 2],
        };
        self.add(Operator::MaxPool { window }, &shape, (0, 255));
    }

    fn finish(self) -> Result<Made, ProgramError> {
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
        let program = self.builder.finish(interface)?;
        let weights = Weights::open(self.weights.finish()?)?;
        Ok((program.check(weights)?, self.parameters))
    }
}
