//! The graph: nodes, operators, types, interfaces (§2, §3, §5).

use alloc::string::String;
use alloc::vec::Vec;

/// Index of a node in [`Program::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// Index of a constant's name in [`Program::constants`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConstantId(pub u32);

/// A whole program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Nodes in an order in which every input stands before its use.
    pub nodes: Vec<Node>,
    /// Names of the tensors in the weights file that nodes refer to, ascending.
    pub constants: Vec<String>,
    /// What goes in and comes out.
    pub interface: Interface,
}

/// One operator applied to earlier nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What is computed.
    pub operator: Operator,
    /// Earlier nodes, in the operator's order.
    pub inputs: Vec<NodeId>,
    /// Type of the result.
    pub result: NodeType,
    /// For people and messages, such as `layers.0.attention.query`.
    pub name: String,
}

/// Shape and range of a result (§2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeType {
    /// Whether there is one row per position of the sequence; that dimension is not in `shape`.
    pub by_position: bool,
    /// Dimensions, row-major; empty for a scalar.
    pub shape: Vec<u32>,
    /// Smallest value that an element may have.
    pub lo: i32,
    /// Largest value that an element may have.
    pub hi: i32,
}

impl NodeType {
    /// A type of one row.
    pub fn fixed(shape: &[u32], lo: i32, hi: i32) -> Self {
        Self {
            by_position: false,
            shape: shape.to_vec(),
            lo,
            hi,
        }
    }

    /// A type with one row for each position.
    pub fn by_position(shape: &[u32], lo: i32, hi: i32) -> Self {
        Self {
            by_position: true,
            shape: shape.to_vec(),
            lo,
            hi,
        }
    }

    /// Elements of one row (the whole tensor, if it is not by position).
    pub fn elements(&self) -> u64 {
        self.shape
            .iter()
            .fold(1, |product: u64, &d| product.saturating_mul(u64::from(d)))
    }

    /// Largest absolute value of an element.
    pub fn max_abs(&self) -> u32 {
        self.lo.unsigned_abs().max(self.hi.unsigned_abs())
    }
}

/// The window of a convolution or pooling (§3.5); a pooling's dilations are 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window2d {
    /// Rows and columns of the kernel.
    pub kernel: [u32; 2],
    /// Steps between outputs.
    pub strides: [u32; 2],
    /// Top, left, bottom, right.
    pub pads: [u32; 4],
    /// Steps between elements of the kernel.
    pub dilations: [u32; 2],
}

/// Constants of a tree ensemble (§3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeConstants {
    /// I32 `[trees]`: index of each root.
    pub roots: ConstantId,
    /// I32 `[nodes]`: feature, or -1 in a leaf.
    pub feature: ConstantId,
    /// I32 `[nodes]`: go left where the rank is smaller.
    pub threshold: ConstantId,
    /// I32 `[nodes]`.
    pub left: ConstantId,
    /// I32 `[nodes]`.
    pub right: ConstantId,
    /// I32 `[nodes]`: row of `values`, in a leaf.
    pub leaf: ConstantId,
    /// I32 `[leaves, outputs]`.
    pub values: ConstantId,
    /// I32 `[outputs]`.
    pub base: ConstantId,
}

/// What a node computes (§3). Numbers in the specification's table are [`Operator::code`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operator {
    /// The tensor input of this name.
    Input {
        /// Name in the interface.
        name: String,
    },
    /// The token ids.
    Tokens,
    /// The positions 0, 1, ….
    Positions,
    /// Rows of a table, requantized per row.
    Embed {
        /// I8 or I16 `[vocabulary, d]`.
        table: ConstantId,
        /// I32 `[vocabulary]` or `[1]`.
        multipliers: ConstantId,
        /// s.
        shift: u8,
    },
    /// Matrix product with int8 weights.
    Linear {
        /// I8 `[n, k]`.
        weight: ConstantId,
        /// I32 `[n]`.
        bias: Option<ConstantId>,
    },
    /// Multiply, shift, round, clamp.
    Requantize {
        /// I32 `[last dimension]` or `[1]`.
        multipliers: ConstantId,
        /// s.
        shift: u8,
    },
    /// Sum.
    Add,
    /// Product, shifted, rounded, clamped.
    Multiply {
        /// s.
        shift: u8,
    },
    /// Clamp to the range of the result.
    Clamp,
    /// Lookup.
    Table {
        /// I16 or I32, one entry per value of the input's range.
        table: ConstantId,
    },
    /// `z · 2^f / sqrt(eps + Σ z²)` with z = x.
    RmsNorm {
        /// Added to the sum of squares, at least 1.
        eps: u64,
        /// f, fractional bits.
        fraction: u8,
    },
    /// As [`Operator::RmsNorm`], with z = x minus its rounded mean.
    LayerNorm {
        /// Added to the sum of squares, at least 1.
        eps: u64,
        /// f, fractional bits.
        fraction: u8,
    },
    /// Rotary position embedding of `[heads, d]`, halves rotated against each other.
    Rope {
        /// I16 `[max_positions, r/2]` in Q14.
        cosines: ConstantId,
        /// I16 `[max_positions, r/2]` in Q14.
        sines: ConstantId,
    },
    /// Causal attention.
    Attention {
        /// m of the scores.
        multiplier: i32,
        /// s of the scores.
        shift: u8,
        /// a: the result has 2^a times the scale of v.
        output_shift: u8,
        /// Positions that a row sees, itself included; 0 is all.
        window: u32,
    },
    /// Exponential weights over the last dimension, in Q15.
    Softmax {
        /// m of the scores.
        multiplier: i32,
        /// s of the scores.
        shift: u8,
    },
    /// Cross-correlation with int8 weights.
    Conv {
        /// I8 `[outputs, channels / groups, rows, columns]`.
        weight: ConstantId,
        /// I32 `[outputs]`.
        bias: Option<ConstantId>,
        /// Window.
        window: Window2d,
        /// Groups.
        groups: u32,
    },
    /// Maximum of each window.
    MaxPool {
        /// Window.
        window: Window2d,
    },
    /// Sum of each window, zeros outside.
    SumPool {
        /// Window.
        window: Window2d,
    },
    /// Product of two activations, leading dimensions equal.
    MatMul,
    /// The same elements in another shape.
    Reshape,
    /// Dimensions in another order: j of the result is `permutation[j]` of the input.
    Transpose {
        /// One entry per dimension.
        permutation: Vec<u8>,
    },
    /// One after another.
    Concat {
        /// Dimension.
        axis: u8,
    },
    /// Some indices of a dimension.
    Slice {
        /// Dimension.
        axis: u8,
        /// First index.
        start: u32,
        /// Distance.
        step: u32,
    },
    /// A value before and after.
    Pad {
        /// Dimension.
        axis: u8,
        /// How many before.
        before: u32,
        /// What value.
        value: i32,
    },
    /// Sum over a dimension.
    ReduceSum {
        /// Dimension.
        axis: u8,
    },
    /// Maximum over a dimension.
    ReduceMax {
        /// Dimension.
        axis: u8,
    },
    /// Index of the maximum of the last dimension, the lowest of equals.
    ArgMax,
    /// Tree ensemble over ranks.
    Trees(TreeConstants),
    /// Requantize with a multiplier per index of the first dimension.
    ChannelScale {
        /// I32 `[channels]`.
        multipliers: ConstantId,
        /// s.
        shift: u8,
    },
    /// A constant as a tensor that is not by position.
    Constant {
        /// I8, I16 or I32, of the shape of the result.
        value: ConstantId,
    },
}

impl Operator {
    /// The number in the table of §3.
    pub fn code(&self) -> u8 {
        match self {
            Self::Input { .. } => 0,
            Self::Tokens => 1,
            Self::Positions => 2,
            Self::Embed { .. } => 3,
            Self::Linear { .. } => 4,
            Self::Requantize { .. } => 5,
            Self::Add => 6,
            Self::Multiply { .. } => 7,
            Self::Clamp => 8,
            Self::Table { .. } => 9,
            Self::RmsNorm { .. } => 10,
            Self::LayerNorm { .. } => 11,
            Self::Rope { .. } => 12,
            Self::Attention { .. } => 13,
            Self::Softmax { .. } => 14,
            Self::Conv { .. } => 15,
            Self::MaxPool { .. } => 16,
            Self::SumPool { .. } => 17,
            Self::MatMul => 18,
            Self::Reshape => 19,
            Self::Transpose { .. } => 20,
            Self::Concat { .. } => 21,
            Self::Slice { .. } => 22,
            Self::Pad { .. } => 23,
            Self::ReduceSum { .. } => 24,
            Self::ReduceMax { .. } => 25,
            Self::ArgMax => 26,
            Self::Trees(_) => 27,
            Self::ChannelScale { .. } => 28,
            Self::Constant { .. } => 29,
        }
    }

    /// The constants, in the order of the table of §3.
    pub fn constants(&self) -> Vec<ConstantId> {
        let mut found = Vec::new();
        let _ = self.clone().map_constants(|id| {
            found.push(id);
            id
        });
        found
    }

    /// The same operator over other constants: `map` is called for each, in the order of the table of §3.
    #[must_use]
    pub fn map_constants(mut self, mut map: impl FnMut(ConstantId) -> ConstantId) -> Self {
        match &mut self {
            Self::Embed {
                table, multipliers, ..
            } => {
                *table = map(*table);
                *multipliers = map(*multipliers);
            }
            Self::Linear { weight, bias } | Self::Conv { weight, bias, .. } => {
                *weight = map(*weight);
                *bias = bias.map(map);
            }
            Self::Requantize { multipliers, .. } | Self::ChannelScale { multipliers, .. } => {
                *multipliers = map(*multipliers);
            }
            Self::Table { table: one } | Self::Constant { value: one } => *one = map(*one),
            Self::Rope { cosines, sines } => {
                *cosines = map(*cosines);
                *sines = map(*sines);
            }
            Self::Trees(trees) => {
                for id in [
                    &mut trees.roots,
                    &mut trees.feature,
                    &mut trees.threshold,
                    &mut trees.left,
                    &mut trees.right,
                    &mut trees.leaf,
                    &mut trees.values,
                    &mut trees.base,
                ] {
                    *id = map(*id);
                }
            }
            _ => {}
        }
        self
    }
}

/// What goes in and comes out (§5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interface {
    /// A function of token ids.
    Decoder {
        /// Ids are below this.
        vocabulary: u32,
        /// Longest sequence.
        max_positions: u32,
        /// By position, shape `[vocabulary]`, in units of 2^-16.
        logits: NodeId,
        /// By position, for embeddings.
        hidden: Option<NodeId>,
    },
    /// A function of named tensors.
    Tensor {
        /// Inputs, in the order of their nodes.
        inputs: Vec<TensorInput>,
        /// Outputs.
        outputs: Vec<TensorOutput>,
    },
}

/// A named input of a tensor program; its type is that of its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInput {
    /// Name.
    pub name: String,
    /// The node with [`Operator::Input`].
    pub node: NodeId,
    /// How numbers become integers.
    pub kind: InputKind,
}

/// How numbers become integers (§5.2, §5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputKind {
    /// `clamp(rne((x - zero) · k), lo, hi)`.
    Real {
        /// k, the bits of a double.
        scale_bits: u64,
        /// Subtracted first, the bits of a double.
        zero_bits: u64,
    },
    /// Integers as they are; outside of the range is an error.
    Integer,
    /// Ranks among thresholds of each feature (I32 bits of f32, in the weights file).
    Rank {
        /// I32 `[thresholds of all features]`: bits of f32, ascending within a feature.
        thresholds: ConstantId,
        /// I32 `[features + 1]`: where each feature's thresholds begin.
        offsets: ConstantId,
        /// Whether a threshold is passed by greater values only (trees with `<=`), or by equal ones too (trees with `<`).
        strict: bool,
    },
}

/// A named output of a tensor program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorOutput {
    /// Name.
    pub name: String,
    /// The node whose value it is.
    pub node: NodeId,
    /// How integers become numbers.
    pub kind: OutputKind,
}

/// How integers become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// `q · k` as a double.
    Real {
        /// k, the bits of a double.
        scale_bits: u64,
    },
    /// Integers as they are.
    Integer,
}
