//! The float graph run in double precision: for constants, for the ranges of calibration, and as one side of the loss report.

use crate::error::{Result, malformed};
use crate::graph::{Affine, Graph, Op, ValueId, Window};
use crate::tensor::{Tensor, broadcast_strides, checked_elements, dot, indices, strides};

/// Every value of the graph for these inputs (in the order of [`Graph::inputs`]); `None` for values that nothing needs.
pub(crate) fn run(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
    let mut values: Vec<Option<Tensor>> = graph
        .values
        .iter()
        .map(|value| value.constant.clone())
        .collect();
    for (&id, tensor) in graph.inputs.iter().zip(inputs) {
        values[id.0] = Some(tensor.reshaped(graph.shape(id))?);
    }
    for step in &graph.steps {
        let mut result = {
            let arguments = step
                .inputs
                .iter()
                .map(|id| taken(&values, *id))
                .collect::<Result<Vec<_>>>()?;
            apply(&step.op, &arguments, graph.shape(step.output))?
        };
        if let Some((lo, hi)) = step.clip {
            result.data.iter_mut().for_each(|v| *v = v.clamp(lo, hi));
        }
        values[step.output.0] = Some(result);
    }
    Ok(values)
}

fn taken(values: &[Option<Tensor>], id: ValueId) -> Result<&Tensor> {
    values
        .get(id.0)
        .and_then(Option::as_ref)
        .ok_or_else(|| malformed("a value is used that nothing makes"))
}

/// One operation. Shapes were checked when the graph was built.
pub(crate) fn apply(op: &Op, x: &[&Tensor], shape: &[usize]) -> Result<Tensor> {
    checked_elements(shape)?;
    let data = match op {
        Op::Function(function) => x[0].data.iter().map(|&v| function.at(v)).collect(),
        Op::Affine(affine) => affined(affine, x[0]),
        Op::Binary(binary) => {
            let (left, right) = (
                broadcast_strides(&x[0].shape, shape),
                broadcast_strides(&x[1].shape, shape),
            );
            indices(shape)
                .map(|index| {
                    binary.apply(
                        x[0].data[dot(&index, &left)],
                        x[1].data[dot(&index, &right)],
                    )
                })
                .collect()
        }
        Op::Linear { weight, bias, .. } => linear(x[0], weight, bias),
        Op::MatMul => matmul(x[0], x[1]),
        Op::Conv {
            weight,
            bias,
            window,
            groups,
        } => convolved(x[0], weight, bias, window, *groups, shape),
        Op::MaxPool(window) => pooled(x[0], window, shape, f64::NEG_INFINITY, f64::max),
        Op::AveragePool { window, counts } => {
            let mut sums = pooled(x[0], window, shape, 0.0, |a, b| a + b);
            for (at, sum) in sums.iter_mut().enumerate() {
                *sum /= counts[at % counts.len()];
            }
            sums
        }
        Op::Sum { axis, factor } => reduced(x[0], *axis, 0.0, |a, b| a + b)
            .into_iter()
            .map(|sum| sum * factor)
            .collect(),
        Op::Max { axis } => reduced(x[0], *axis, f64::NEG_INFINITY, f64::max),
        Op::Reshape => x[0].data.clone(),
        Op::Transpose(permutation) => x[0].transposed(permutation).data,
        Op::Concat { axis } => concatenated(x, *axis),
        Op::Slice { axis, start, step } => sliced(x[0], *axis, *start, *step, shape),
        Op::Pad {
            axis,
            before,
            value,
        } => padded(x[0], *axis, *before, *value, shape),
        Op::Softmax => by_row(x[0], softmax),
        Op::Normalize {
            centered,
            eps,
            factor,
        } => by_row(x[0], |row| normalize(row, *centered, *eps, *factor)),
        Op::ArgMax => x[0].data.chunks(last(x[0])).map(arg_max).collect(),
        Op::Positive => x[0]
            .data
            .iter()
            .map(|&v| f64::from(u8::from(v > 0.0)))
            .collect(),
        Op::Label(labels) => x[0]
            .data
            .iter()
            .map(|&index| index_of(labels, index))
            .collect(),
        Op::Trees(forest) => forest.sums(&x[0].data),
    };
    Tensor::new(shape.to_vec(), data)
        .ok_or_else(|| malformed("a result has not the shape that was derived for it"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index among labels, made by arg max"
)]
fn index_of(labels: &[f64], index: f64) -> f64 {
    labels.get(index as usize).copied().unwrap_or(0.0)
}

fn last(x: &Tensor) -> usize {
    x.shape.last().copied().unwrap_or(1).max(1)
}

fn affined(affine: &Affine, x: &Tensor) -> Vec<f64> {
    let channels = affine.scale.len();
    x.data
        .iter()
        .enumerate()
        .map(|(at, &v)| {
            let channel = at / affine.inner % channels;
            v * affine.scale[channel] + affine.offset[channel]
        })
        .collect()
}

fn linear(x: &Tensor, weight: &Tensor, bias: &[f64]) -> Vec<f64> {
    let k = weight.shape[1];
    let mut out = Vec::with_capacity(x.data.len() / k * bias.len());
    for row in x.data.chunks(k) {
        for (weights, bias) in weight.data.chunks(k).zip(bias) {
            out.push(bias + row.iter().zip(weights).map(|(a, b)| a * b).sum::<f64>());
        }
    }
    out
}

fn matmul(x: &Tensor, y: &Tensor) -> Vec<f64> {
    let rank = x.shape.len();
    let (p, k, q) = (x.shape[rank - 2], x.shape[rank - 1], y.shape[rank - 1]);
    let mut out = Vec::with_capacity(x.data.len() / k * q);
    for (a, b) in x.data.chunks(p * k).zip(y.data.chunks(k * q)) {
        for row in a.chunks(k) {
            for column in 0..q {
                out.push((0..k).map(|j| row[j] * b[j * q + column]).sum());
            }
        }
    }
    out
}

/// Calls `visit` with the offsets (of the kernel, of the plane) that one place of the result sees.
pub(crate) fn window_places(
    window: &Window,
    place: [usize; 2],
    size: [usize; 2],
    mut visit: impl FnMut(usize, usize),
) {
    for row in 0..window.kernel[0] {
        let Some(y) = (place[0] * window.strides[0] + row * window.dilations[0])
            .checked_sub(window.pads[0])
            .filter(|&y| y < size[0])
        else {
            continue;
        };
        for column in 0..window.kernel[1] {
            let Some(x) = (place[1] * window.strides[1] + column * window.dilations[1])
                .checked_sub(window.pads[1])
                .filter(|&x| x < size[1])
            else {
                continue;
            };
            visit(row * window.kernel[1] + column, y * size[1] + x);
        }
    }
}

fn convolved(
    x: &Tensor,
    weight: &Tensor,
    bias: &[f64],
    window: &Window,
    groups: usize,
    shape: &[usize],
) -> Vec<f64> {
    let size = [x.shape[2], x.shape[3]];
    let plane = size[0] * size[1];
    let (outputs, per_group) = (weight.shape[0], weight.shape[1]);
    let taps = window.kernel[0] * window.kernel[1];
    let mut out = vec![0.0; shape.iter().product()];
    let places = shape[2] * shape[3];
    for row in 0..shape[2] {
        for column in 0..shape[3] {
            let mut seen = Vec::with_capacity(taps);
            window_places(window, [row, column], size, |tap, at| seen.push((tap, at)));
            for channel in 0..outputs {
                let group = channel / (outputs / groups);
                let mut sum = bias[channel];
                for input in 0..per_group {
                    let weights = &weight.data[(channel * per_group + input) * taps..];
                    let values = &x.data[(group * per_group + input) * plane..];
                    sum += seen
                        .iter()
                        .map(|&(tap, at)| weights[tap] * values[at])
                        .sum::<f64>();
                }
                out[channel * places + row * shape[3] + column] = sum;
            }
        }
    }
    out
}

fn pooled(
    x: &Tensor,
    window: &Window,
    shape: &[usize],
    start: f64,
    combine: impl Fn(f64, f64) -> f64,
) -> Vec<f64> {
    let size = [x.shape[2], x.shape[3]];
    let mut out = Vec::with_capacity(shape.iter().product());
    for values in x.data.chunks((size[0] * size[1]).max(1)) {
        for row in 0..shape[2] {
            for column in 0..shape[3] {
                let mut result = start;
                window_places(window, [row, column], size, |_, at| {
                    result = combine(result, values[at]);
                });
                out.push(result);
            }
        }
    }
    out
}

fn reduced(x: &Tensor, axis: usize, start: f64, combine: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let inner = strides(&x.shape)[axis];
    let length = x.shape[axis];
    let mut out = Vec::with_capacity(x.data.len() / length.max(1));
    for block in x.data.chunks((inner * length).max(1)) {
        for at in 0..inner {
            out.push((0..length).fold(start, |sum, i| combine(sum, block[i * inner + at])));
        }
    }
    out
}

fn concatenated(x: &[&Tensor], axis: usize) -> Vec<f64> {
    let outer: usize = x[0].shape[..axis].iter().product();
    let mut out = Vec::new();
    for block in 0..outer {
        for tensor in x {
            let length = tensor.data.len() / outer;
            out.extend_from_slice(&tensor.data[block * length..(block + 1) * length]);
        }
    }
    out
}

fn sliced(x: &Tensor, axis: usize, start: usize, step: usize, shape: &[usize]) -> Vec<f64> {
    let inner = strides(&x.shape)[axis];
    let block = inner * x.shape[axis];
    let mut out = Vec::with_capacity(shape.iter().product());
    for values in x.data.chunks(block.max(1)) {
        for i in 0..shape[axis] {
            let at = (start + i * step) * inner;
            out.extend_from_slice(&values[at..at + inner]);
        }
    }
    out
}

fn padded(x: &Tensor, axis: usize, before: usize, value: f64, shape: &[usize]) -> Vec<f64> {
    let inner = strides(&x.shape)[axis];
    let block = inner * x.shape[axis];
    let after = shape[axis] - before - x.shape[axis];
    let mut out = Vec::with_capacity(shape.iter().product());
    for values in x.data.chunks(block.max(1)) {
        out.extend(std::iter::repeat_n(value, before * inner));
        out.extend_from_slice(values);
        out.extend(std::iter::repeat_n(value, after * inner));
    }
    out
}

fn by_row(x: &Tensor, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    x.data.chunks(last(x)).flat_map(f).collect()
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = row.iter().map(|v| (v - most).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "lengths of rows are far below 2^52"
)]
fn normalize(row: &[f64], centered: bool, eps: f64, factor: f64) -> Vec<f64> {
    let mean = if centered {
        row.iter().sum::<f64>() / row.len() as f64
    } else {
        0.0
    };
    let squares: f64 = row.iter().map(|v| (v - mean) * (v - mean)).sum();
    let root = (eps + squares).sqrt();
    row.iter().map(|v| (v - mean) / root * factor).collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "lengths of rows are far below 2^52"
)]
fn arg_max(row: &[f64]) -> f64 {
    let mut best = 0;
    for (at, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = at;
        }
    }
    best as f64
}
