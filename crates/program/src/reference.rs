//! The reference interpreter: §3, written plainly, one element after another. It defines what every faster one has to compute, and
//! is fit for small programs only: it keeps the values of all nodes.

use alloc::string::ToString as _;
use alloc::vec::Vec;

use crate::check::CheckedProgram;
use crate::graph::{Interface, Node, NodeId, NodeType, Operator};
use crate::{ProgramError, TensorDigest, tensor_digest};

mod moves;
mod pointwise;
mod sums;

/// A tensor of integers with all its dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Dimensions, the position axis first if there is one.
    pub dimensions: Vec<u32>,
    /// Elements, row-major.
    pub elements: Vec<i32>,
}

impl Tensor {
    /// Digest of the tensor (§6.4).
    pub fn digest(&self) -> TensorDigest {
        tensor_digest(&self.dimensions, &self.elements)
    }
}

/// Logits of a decoder for each of the ids: dimensions `[ids, vocabulary]`.
pub fn decoder<B: AsRef<[u8]>>(
    program: &CheckedProgram<B>,
    ids: &[u32],
) -> Result<Tensor, ProgramError> {
    let Interface::Decoder { logits, .. } = program.program().interface else {
        return Err(ProgramError::input("ids", "the program is no decoder"));
    };
    pick(&decoder_nodes(program, ids)?, logits)
}

/// Values of all nodes of a decoder, in the order of the nodes: to find the first that another executor has differently.
pub fn decoder_nodes<B: AsRef<[u8]>>(
    program: &CheckedProgram<B>,
    ids: &[u32],
) -> Result<Vec<Tensor>, ProgramError> {
    let Interface::Decoder {
        vocabulary,
        max_positions,
        ..
    } = program.program().interface
    else {
        return Err(ProgramError::input("ids", "the program is no decoder"));
    };
    if ids.is_empty() || ids.len() as u64 > u64::from(max_positions) {
        return Err(ProgramError::input(
            "ids",
            "there are none, or more than positions",
        ));
    }
    if ids.iter().any(|id| *id >= vocabulary) {
        return Err(ProgramError::input("ids", "an id is not in the vocabulary"));
    }
    run(program, &Given { ids, inputs: &[] })
}

/// Outputs of a tensor program, in the order of its interface. `inputs` are the integers of each input in the order of the interface,
/// as [`crate::TensorInput::encode`] makes them.
pub fn tensors<B: AsRef<[u8]>>(
    program: &CheckedProgram<B>,
    inputs: &[&[i32]],
) -> Result<Vec<Tensor>, ProgramError> {
    let Interface::Tensor { outputs, .. } = &program.program().interface else {
        return Err(ProgramError::input("inputs", "the program is a decoder"));
    };
    let values = tensor_nodes(program, inputs)?;
    outputs
        .iter()
        .map(|output| pick(&values, output.node))
        .collect()
}

/// Values of all nodes of a tensor program, in the order of the nodes.
pub fn tensor_nodes<B: AsRef<[u8]>>(
    program: &CheckedProgram<B>,
    inputs: &[&[i32]],
) -> Result<Vec<Tensor>, ProgramError> {
    let Interface::Tensor { inputs: wanted, .. } = &program.program().interface else {
        return Err(ProgramError::input("inputs", "the program is a decoder"));
    };
    if wanted.len() != inputs.len() {
        return Err(ProgramError::input(
            "inputs",
            "there are not as many as the program takes",
        ));
    }
    let mut given = Vec::with_capacity(inputs.len());
    for (input, elements) in wanted.iter().zip(inputs) {
        let node = program.program().node(input.node);
        let result = node.map(|node| &node.result);
        let fits = result.is_some_and(|result| {
            let inside = |x: &i32| (result.lo..=result.hi).contains(x);
            elements.len() as u64 == result.elements() && elements.iter().all(inside)
        });
        if !fits {
            return Err(ProgramError::input(
                &input.name,
                "it has another number of elements, or one out of its range",
            ));
        }
        given.push((input.node, *elements));
    }
    run(
        program,
        &Given {
            ids: &[0],
            inputs: &given,
        },
    )
}

fn pick(values: &[Tensor], id: NodeId) -> Result<Tensor, ProgramError> {
    let at = usize::try_from(id.0).unwrap_or(usize::MAX);
    values.get(at).cloned().ok_or(ProgramError::Program {
        what: "a node does not exist",
    })
}

/// What a program is given.
struct Given<'g> {
    ids: &'g [u32],
    inputs: &'g [(NodeId, &'g [i32])],
}

/// A value with its declared type.
#[derive(Clone, Copy)]
struct Value<'v> {
    of: &'v NodeType,
    elements: &'v [i32],
}

impl<'v> Value<'v> {
    /// Elements of one row; the only one, if there is one.
    fn row(&self, position: usize) -> Self {
        let width = usize::try_from(self.of.elements()).unwrap_or(usize::MAX);
        let row = if self.of.by_position { position } else { 0 };
        let elements = self.elements.chunks(width).nth(row).unwrap_or(&[]);
        Self {
            of: self.of,
            elements,
        }
    }

    /// The element at a row-major index. The checker has proven that it exists.
    fn at(&self, index: usize) -> i64 {
        self.elements.get(index).copied().map_or(0, i64::from)
    }

    /// Length of a dimension.
    fn length(&self, axis: usize) -> usize {
        self.of
            .shape
            .get(axis)
            .and_then(|length| usize::try_from(*length).ok())
            .unwrap_or(1)
    }

    /// Length of the last dimension.
    fn width(&self) -> usize {
        self.length(self.of.shape.len().saturating_sub(1))
    }
}

fn run<B: AsRef<[u8]>>(
    program: &CheckedProgram<B>,
    given: &Given<'_>,
) -> Result<Vec<Tensor>, ProgramError> {
    let mut values: Vec<Tensor> = Vec::new();
    for (node, id) in program.program().nodes.iter().zip(0..) {
        let mut inputs = Vec::new();
        for input in &node.inputs {
            let at = usize::try_from(input.0).unwrap_or(usize::MAX);
            let value = values.get(at).zip(program.program().node(*input));
            let (value, from) = value.ok_or(ProgramError::Program {
                what: "a reference to a later node",
            })?;
            inputs.push(Value {
                of: &from.result,
                elements: &value.elements,
            });
        }
        let positions = if node.result.by_position {
            given.ids.len()
        } else {
            1
        };
        let mut elements = Vec::new();
        for position in 0..positions {
            let step = Step {
                program,
                node,
                inputs: &inputs,
                position,
            };
            elements.append(&mut step.row(given, NodeId(id)));
        }
        let rows = node
            .result
            .by_position
            .then(|| u32::try_from(positions).unwrap_or(u32::MAX));
        let dimensions = rows
            .into_iter()
            .chain(node.result.shape.iter().copied())
            .collect();
        let tensor = Tensor {
            dimensions,
            elements,
        };
        sound(node, &tensor, positions)?;
        values.push(tensor);
    }
    Ok(values)
}

/// What the checker has proven: it would be a fault of this crate.
fn sound(node: &Node, tensor: &Tensor, positions: usize) -> Result<(), ProgramError> {
    let count = node.result.elements().saturating_mul(positions as u64);
    let inside = |x: &i32| (node.result.lo..=node.result.hi).contains(x);
    if tensor.elements.len() as u64 == count && tensor.elements.iter().all(inside) {
        return Ok(());
    }
    Err(ProgramError::Node {
        node: 0,
        name: node.name.to_string(),
        what: "a value left its range although the program was checked",
    })
}

/// One row of one node.
struct Step<'r, B> {
    program: &'r CheckedProgram<B>,
    node: &'r Node,
    inputs: &'r [Value<'r>],
    position: usize,
}

/// An integer that the checker has proven to fit.
fn exact(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(0)
}

impl<'r, B: AsRef<[u8]>> Step<'r, B> {
    fn result(&self) -> &'r NodeType {
        &self.node.result
    }

    /// The row of an input.
    fn input(&self, at: usize) -> Value<'r> {
        let none = Value {
            of: self.result(),
            elements: &[],
        };
        self.inputs
            .get(at)
            .map_or(none, |value| value.row(self.position))
    }

    fn constant(&self, id: crate::ConstantId) -> Constant<'r> {
        Constant(self.program.constant(id))
    }

    fn row(&self, given: &Given<'_>, id: NodeId) -> Vec<i32> {
        match &self.node.operator {
            Operator::Input { .. } => {
                let found = given.inputs.iter().find(|(node, _)| *node == id);
                found.map_or(Vec::new(), |(_, elements)| elements.to_vec())
            }
            Operator::Tokens => {
                let id = given.ids.get(self.position).copied().unwrap_or(0);
                Vec::from([exact(i64::from(id))])
            }
            Operator::Positions => Vec::from([i32::try_from(self.position).unwrap_or(0)]),
            Operator::Constant { value } => self.constant(*value).all(),
            Operator::Embed {
                table,
                multipliers,
                shift,
            } => self.embed(*table, *multipliers, *shift),
            Operator::Linear { weight, bias } => self.linear(*weight, *bias),
            Operator::Requantize { multipliers, shift } => self.requantize(*multipliers, *shift),
            Operator::ChannelScale { multipliers, shift } => {
                self.channel_scale(*multipliers, *shift)
            }
            Operator::Add => self.add(),
            Operator::Multiply { shift } => self.multiply(*shift),
            Operator::Clamp => self.clamp(),
            Operator::Table { table } => self.table(*table),
            Operator::RmsNorm { eps, fraction } => self.norm(*eps, *fraction, false),
            Operator::LayerNorm { eps, fraction } => self.norm(*eps, *fraction, true),
            Operator::Rope { cosines, sines } => self.rope(*cosines, *sines),
            Operator::Attention {
                multiplier,
                shift,
                output_shift,
                window,
            } => self.attention(*multiplier, *shift, *output_shift, *window),
            Operator::Softmax { multiplier, shift } => self.softmax(*multiplier, *shift),
            Operator::Conv {
                weight,
                bias,
                window,
                groups,
            } => self.conv(*weight, *bias, window, *groups),
            Operator::MaxPool { window } => self.pool(window, false),
            Operator::SumPool { window } => self.pool(window, true),
            Operator::MatMul => self.matmul(),
            Operator::Trees(trees) => self.trees(trees),
            Operator::Reshape => self.input(0).elements.to_vec(),
            Operator::Transpose { permutation } => self.transpose(permutation),
            Operator::Concat { axis } => self.concat(usize::from(*axis)),
            Operator::Slice { axis, start, step } => self.slice(usize::from(*axis), *start, *step),
            Operator::Pad {
                axis,
                before,
                value,
            } => self.pad(usize::from(*axis), *before, *value),
            Operator::ReduceSum { axis } => self.reduce(usize::from(*axis), true),
            Operator::ReduceMax { axis } => self.reduce(usize::from(*axis), false),
            Operator::ArgMax => self.arg_max(),
        }
    }
}

/// A constant's elements.
#[derive(Clone, Copy)]
struct Constant<'r>(Option<crate::TensorView<'r>>);

impl Constant<'_> {
    fn at(&self, index: usize) -> i64 {
        self.0.and_then(|view| view.at(index)).map_or(0, i64::from)
    }

    /// The element for a channel, or the one for all.
    fn channel(&self, channel: usize) -> i32 {
        let one = self.0.is_some_and(|view| view.len() == 1);
        exact(self.at(if one { 0 } else { channel }))
    }

    fn all(&self) -> Vec<i32> {
        self.0.map_or(Vec::new(), |view| view.to_vec())
    }

    /// Length of the last dimension.
    fn width(&self) -> usize {
        let last = self.0.and_then(|view| view.shape().last().copied());
        last.and_then(|length| usize::try_from(length).ok())
            .unwrap_or(0)
    }
}
