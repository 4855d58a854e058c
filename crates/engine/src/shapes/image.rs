//! Networks for images of given shapes with random weights.

use proofmark_program::{
    ConstantId, ElementType, InputKind, Interface, NodeId, NodeType, Operator, OutputKind, Program,
    ProgramBuilder, ProgramError, TensorInput, TensorOutput, Weights, WeightsWriter, Window2d,
};

use super::{WEIGHT_SIGMA, random_weights};

/// Range of activations: with it no sum of products of the layers here leaves 32 bits.
const RANGE: i32 = 2047;

/// A network for one image: a program whose input is `image` and whose output is `scores`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageShape {
    /// LeNet-5 (LeCun and others, 1998) with ReLU and maxima: 28 × 28 pixels, 61,706 parameters.
    LeNet,
    /// ResNet-18 (He and others, 2015), batch normalisation folded: 3 × 224 × 224 pixels, 11.7 million parameters.
    ResNet18,
}

impl ImageShape {
    /// Channels, rows and columns of the image.
    #[must_use]
    pub fn image(self) -> [u32; 3] {
        match self {
            Self::LeNet => [1, 28, 28],
            Self::ResNet18 => [3, 224, 224],
        }
    }

    /// The program with random weights.
    ///
    /// # Errors
    /// [`ProgramError`] if the shape is no program; it always is one.
    pub fn program(self, seed: u64) -> Result<(Program, Weights), ProgramError> {
        let mut maker = Maker {
            builder: ProgramBuilder::new(),
            writer: WeightsWriter::new(),
            random: seed,
            layers: 0,
        };
        let shape = self.image();
        let operator = Operator::Input {
            name: "image".to_owned(),
        };
        let node = maker.builder.node(
            "image",
            operator,
            &[],
            NodeType::fixed(&shape, -RANGE, RANGE),
        );
        let image = Signal { node, shape };
        let scores = match self {
            Self::LeNet => maker.lenet(image)?,
            Self::ResNet18 => maker.resnet18(image)?,
        };
        let program = maker.builder.finish(Interface::Tensor {
            inputs: vec![TensorInput {
                name: "image".to_owned(),
                node,
                kind: InputKind::Integer,
            }],
            outputs: vec![TensorOutput {
                name: "scores".to_owned(),
                node: scores,
                kind: OutputKind::Integer,
            }],
        })?;
        Ok((program, Weights::open(maker.writer.finish()?)?))
    }
}

/// A node that is an image with channels.
#[derive(Clone, Copy)]
struct Signal {
    node: NodeId,
    shape: [u32; 3],
}

struct Maker {
    builder: ProgramBuilder,
    writer: WeightsWriter,
    random: u64,
    layers: u32,
}

fn window(size: u32, stride: u32, pad: u32) -> Window2d {
    Window2d {
        kernel: [size; 2],
        strides: [stride; 2],
        pads: [pad; 4],
        dilations: [1; 2],
    }
}

fn slid([_, h, w]: [u32; 3], window: &Window2d, channels: u32) -> [u32; 3] {
    let along = |size: u32| (size + 2 * window.pads[0] - window.kernel[0]) / window.strides[0] + 1;
    [channels, along(h), along(w)]
}

impl Maker {
    fn lenet(&mut self, image: Signal) -> Result<NodeId, ProgramError> {
        let x = self.conv(image, 6, window(5, 1, 2), 0)?;
        let x = self.max_pool(x, window(2, 2, 0));
        let x = self.conv(x, 16, window(5, 1, 0), 0)?;
        let x = self.max_pool(x, window(2, 2, 0));
        let x = self.flat(x.node, 400);
        let x = self.linear(x, 400, 120, 0)?;
        let x = self.linear(x, 120, 84, 0)?;
        self.linear(x, 84, 10, -RANGE)
    }

    fn resnet18(&mut self, image: Signal) -> Result<NodeId, ProgramError> {
        let x = self.conv(image, 64, window(7, 2, 3), 0)?;
        let mut x = self.max_pool(x, window(3, 2, 1));
        for (stage, channels) in [64, 128, 256, 512].into_iter().enumerate() {
            for block in 0..2 {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                x = self.residual(x, channels, stride)?;
            }
        }
        let [channels, size, _] = x.shape;
        let sums = self.builder.node(
            "mean.sums",
            Operator::SumPool {
                window: window(size, 1, 0),
            },
            &[x.node],
            NodeType::fixed(
                &[channels, 1, 1],
                0,
                RANGE * i32::try_from(size * size).unwrap_or(1),
            ),
        );
        let flat = self.builder.node(
            "mean.flat",
            Operator::Reshape,
            &[sums],
            NodeType::fixed(
                &[channels],
                0,
                RANGE * i32::try_from(size * size).unwrap_or(1),
            ),
        );
        let multipliers = self.multiplier("mean", 1, 65_536 / i64::from(size * size))?;
        let mean = self.builder.node(
            "mean",
            Operator::Requantize {
                multipliers,
                shift: 16,
            },
            &[flat],
            NodeType::fixed(&[channels], 0, RANGE),
        );
        self.linear(mean, channels, 1000, -RANGE)
    }

    fn residual(&mut self, x: Signal, channels: u32, stride: u32) -> Result<Signal, ProgramError> {
        let branch = self.conv(x, channels, window(3, stride, 1), 0)?;
        let branch = self.conv(branch, channels, window(3, 1, 1), -RANGE)?;
        let skip = if stride == 1 && x.shape[0] == channels {
            x
        } else {
            self.conv(x, channels, window(1, stride, 0), -RANGE)?
        };
        let name = format!("sum.{}", self.layers);
        let sum = self.builder.node(
            &name,
            Operator::Add,
            &[branch.node, skip.node],
            NodeType::fixed(&branch.shape, -2 * RANGE, 2 * RANGE),
        );
        let node = self.builder.node(
            &format!("{name}.relu"),
            Operator::Clamp,
            &[sum],
            NodeType::fixed(&branch.shape, 0, RANGE),
        );
        Ok(Signal {
            node,
            shape: branch.shape,
        })
    }

    /// A convolution and its scale; `lo` is 0 with a ReLU, else the least activation.
    fn conv(
        &mut self,
        x: Signal,
        channels: u32,
        window: Window2d,
        lo: i32,
    ) -> Result<Signal, ProgramError> {
        self.layers += 1;
        let name = format!("conv.{}", self.layers);
        let [kh, kw] = window.kernel;
        let weight = self.weights(&name, &[channels, x.shape[0], kh, kw])?;
        let bias = Some(self.bias(&name, channels)?);
        let shape = slid(x.shape, &window, channels);
        let operator = Operator::Conv {
            weight,
            bias,
            window,
            groups: 1,
        };
        let sums = self.builder.node(
            &format!("{name}.sums"),
            operator,
            &[x.node],
            NodeType::fixed(&shape, i32::MIN, i32::MAX),
        );
        let terms = x.shape[0] * kh * kw;
        let multipliers = self.multiplier(&name, channels, scale(terms))?;
        let operator = Operator::ChannelScale {
            multipliers,
            shift: SCALE_SHIFT,
        };
        let node = self
            .builder
            .node(&name, operator, &[sums], NodeType::fixed(&shape, lo, RANGE));
        Ok(Signal { node, shape })
    }

    fn linear(
        &mut self,
        x: NodeId,
        inputs: u32,
        outputs: u32,
        lo: i32,
    ) -> Result<NodeId, ProgramError> {
        self.layers += 1;
        let name = format!("linear.{}", self.layers);
        let weight = self.weights(&name, &[outputs, inputs])?;
        let bias = Some(self.bias(&name, outputs)?);
        let sums = self.builder.node(
            &format!("{name}.sums"),
            Operator::Linear { weight, bias },
            &[x],
            NodeType::fixed(&[outputs], i32::MIN, i32::MAX),
        );
        let multipliers = self.multiplier(&name, outputs, scale(inputs))?;
        let operator = Operator::Requantize {
            multipliers,
            shift: SCALE_SHIFT,
        };
        Ok(self.builder.node(
            &name,
            operator,
            &[sums],
            NodeType::fixed(&[outputs], lo, RANGE),
        ))
    }

    fn max_pool(&mut self, x: Signal, window: Window2d) -> Signal {
        let shape = slid(x.shape, &window, x.shape[0]);
        let name = format!("pool.{}", self.layers);
        let node = self.builder.node(
            &name,
            Operator::MaxPool { window },
            &[x.node],
            NodeType::fixed(&shape, 0, RANGE),
        );
        Signal { node, shape }
    }

    fn flat(&mut self, x: NodeId, elements: u32) -> NodeId {
        self.builder.node(
            "flat",
            Operator::Reshape,
            &[x],
            NodeType::fixed(&[elements], 0, RANGE),
        )
    }

    fn weights(&mut self, name: &str, shape: &[u32]) -> Result<ConstantId, ProgramError> {
        let count = shape.iter().map(|&d| d as usize).product();
        let name = format!("{name}.weight");
        let data = random_weights(&mut self.random, count);
        self.writer.push(ElementType::I8, &name, shape, data)?;
        Ok(self.builder.constant(&name))
    }

    fn bias(&mut self, name: &str, outputs: u32) -> Result<ConstantId, ProgramError> {
        let name = format!("{name}.bias");
        let values: Vec<i32> = (0..outputs).map(|c| (c % 64) as i32 * 16 - 512).collect();
        self.writer.i32(&name, &[outputs], &values)?;
        Ok(self.builder.constant(&name))
    }

    fn multiplier(
        &mut self,
        name: &str,
        channels: u32,
        value: i64,
    ) -> Result<ConstantId, ProgramError> {
        let name = format!("{name}.multipliers");
        let value = i32::try_from(value.clamp(1, 65_535)).unwrap_or(1);
        self.writer
            .i32(&name, &[channels], &vec![value; channels as usize])?;
        Ok(self.builder.constant(&name))
    }
}

/// Shift of the scales after sums of products.
const SCALE_SHIFT: u8 = 24;

/// The multiplier that keeps the standard deviation of activations through a layer of so many terms, halves of them being 0.
fn scale(terms: u32) -> i64 {
    let grown = u64::from(terms).isqrt().max(1) * WEIGHT_SIGMA;
    i64::try_from((1_u64 << SCALE_SHIFT) * 7 / 5 / grown).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::ImageShape;

    #[test]
    fn shapes_have_the_parameters_that_their_papers_say() {
        for (shape, parameters) in [
            (ImageShape::LeNet, 61_706),
            (ImageShape::ResNet18, 11_684_712),
        ] {
            let (program, weights) = shape.program(1).expect("a program");
            let count: u64 = program
                .constants
                .iter()
                .filter(|name| !name.ends_with("multipliers"))
                .map(|name| {
                    let tensor = weights.tensor(name).expect("a constant");
                    tensor
                        .shape()
                        .iter()
                        .map(|&d| u64::from(d))
                        .product::<u64>()
                })
                .sum();
            assert_eq!(count, parameters, "{shape:?}");
            program.check(weights).expect("within its ranges");
        }
    }
}
