//! The float graph: what an ONNX file says, in few operators, with static shapes and constants folded.

use crate::function::Function;
use crate::tensor::{Element, Tensor};
use crate::trees::Forest;

/// Index into [`Graph::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ValueId(pub(crate) usize);

/// A model as a sequence of steps over values.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) values: Vec<Value>,
    pub(crate) steps: Vec<Step>,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) outputs: Vec<Output>,
    /// Dimension 0 of every input was left open by the file, and is 1 here: the caller may send several rows.
    pub(crate) rows_open: bool,
}

/// A tensor of the model.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) element: Element,
    pub(crate) constant: Option<Tensor>,
}

/// A named result.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) value: ValueId,
    /// What an index among classes stands for.
    pub(crate) labels: Option<Vec<String>>,
}

/// One operation. It has one result.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) output: ValueId,
    /// Bounds that the result is clipped to.
    pub(crate) clip: Option<(f64, f64)>,
    pub(crate) place: Place,
}

/// Where a step comes from, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) operator: String,
    pub(crate) node: String,
}

/// Window of a convolution or pooling, in two dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: [usize; 2],
    pub(crate) strides: [usize; 2],
    /// Top, left, bottom, right.
    pub(crate) pads: [usize; 4],
    pub(crate) dilations: [usize; 2],
}

impl Window {
    /// Rows and columns of the result; `None` if the window does not fit.
    pub(crate) fn output(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let mut out = [0; 2];
        for axis in 0..2 {
            let padded = size[axis]
                .checked_add(self.pads[axis])?
                .checked_add(self.pads[axis + 2])?;
            let reach = self.dilations[axis]
                .checked_mul(self.kernel[axis].checked_sub(1)?)?
                .checked_add(1)?;
            out[axis] = padded.checked_sub(reach)? / self.strides[axis] + 1;
        }
        Some(out)
    }
}

/// Elementwise operations on two tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Max,
    Min,
}

impl Binary {
    pub(crate) fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow => a.powf(b),
            Self::Max => a.max(b),
            Self::Min => a.min(b),
        }
    }
}

/// `x · scale + offset`, the value seen as `[outer, channels, inner]` with one scale and offset per channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Affine {
    pub(crate) outer: usize,
    pub(crate) inner: usize,
    pub(crate) scale: Vec<f64>,
    pub(crate) offset: Vec<f64>,
}

/// What a step computes.
#[derive(Debug)]
pub(crate) enum Op {
    /// A function of each element.
    Function(Function),
    /// See [`Affine`].
    Affine(Affine),
    /// With broadcasting.
    Binary(Binary),
    /// `x[.., k] · weightᵀ + bias`.
    Linear {
        /// `[n, k]`.
        weight: Tensor,
        bias: Vec<f64>,
        /// Whether int8 weights are too coarse (models with a handful of coefficients).
        fine: bool,
    },
    /// Product of two activations; leading dimensions are equal.
    MatMul,
    /// On `[1, C, h, w]`.
    Conv {
        /// `[O, C / groups, rows, columns]`.
        weight: Tensor,
        bias: Vec<f64>,
        window: Window,
        groups: usize,
    },
    /// On `[1, C, h, w]`.
    MaxPool(Window),
    /// On `[1, C, h, w]`; each sum is divided by the count of its place.
    AveragePool {
        window: Window,
        /// One for each place of the result.
        counts: Vec<f64>,
    },
    /// Sum over one dimension, which is taken out, times a factor.
    Sum {
        axis: usize,
        factor: f64,
    },
    /// Maximum over one dimension, which is taken out.
    Max {
        axis: usize,
    },
    /// To the shape of the result.
    Reshape,
    /// See [`Tensor::transposed`].
    Transpose(Vec<usize>),
    Concat {
        axis: usize,
    },
    /// As many elements as the result has.
    Slice {
        axis: usize,
        start: usize,
        step: usize,
    },
    Pad {
        axis: usize,
        before: usize,
        value: f64,
    },
    /// Over the last dimension.
    Softmax,
    /// `x / sqrt(eps + Σ x²)` over the last dimension, of `x` or of `x` minus its mean, times a factor.
    Normalize {
        centered: bool,
        eps: f64,
        factor: f64,
    },
    /// Of the last dimension, which is taken out.
    ArgMax,
    /// 1 where the element is positive, else 0.
    Positive,
    /// Index to the number that it stands for.
    Label(Vec<f64>),
    /// Sums of leaves, `[1, outputs]`.
    Trees(Forest),
}

impl Graph {
    pub(crate) fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    pub(crate) fn shape(&self, id: ValueId) -> &[usize] {
        &self.values[id.0].shape
    }

    /// How often each value is used, as an input of a step or as a result.
    pub(crate) fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.values.len()];
        for step in &self.steps {
            for input in &step.inputs {
                uses[input.0] += 1;
            }
        }
        for output in &self.outputs {
            uses[output.value.0] += 1;
        }
        uses
    }

    /// The step that makes each value.
    pub(crate) fn makers(&self) -> Vec<Option<usize>> {
        let mut makers = vec![None; self.values.len()];
        for (at, step) in self.steps.iter().enumerate() {
            makers[step.output.0] = Some(at);
        }
        makers
    }

    /// Drops steps whose result nobody uses.
    pub(crate) fn sweep(&mut self) {
        let mut needed = vec![false; self.values.len()];
        for output in &self.outputs {
            needed[output.value.0] = true;
        }
        let mut keep = vec![false; self.steps.len()];
        for (at, step) in self.steps.iter().enumerate().rev() {
            if needed[step.output.0] {
                keep[at] = true;
                for input in &step.inputs {
                    needed[input.0] = true;
                }
            }
        }
        let mut keep = keep.into_iter();
        self.steps.retain(|_| keep.next().unwrap_or(false));
    }
}
