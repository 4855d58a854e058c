//! Pooling.

use super::linear::two_dimensions;
use super::{Builder, Node};
use crate::error::Result;
use crate::eval::window_places;
use crate::graph::{Op, ValueId, Window};

impl Builder {
    pub(super) fn max_pool(&mut self, node: &Node<'_>) -> Result<ValueId> {
        if node.outputs() > 1 {
            return Err(node.unsupported("the indices of maxima are not imported"));
        }
        let (window, declared, x, shape) = self.pooling(node)?;
        if window.dilations != [1, 1] {
            return Err(node.unsupported("with dilations"));
        }
        self.pooled(node, x, &shape, window, &declared, None)
    }

    pub(super) fn average_pool(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let (window, declared, x, shape) = self.pooling(node)?;
        if window.dilations != [1, 1] {
            return Err(node.unsupported("with dilations"));
        }
        let with_pads = node.int("count_include_pad", 0) != 0;
        self.pooled(node, x, &shape, window, &declared, Some(with_pads))
    }

    pub(super) fn global_pool(&mut self, node: &Node<'_>, maximum: bool) -> Result<ValueId> {
        let x = node.input(0)?;
        let shape = self.shape(x);
        if shape.len() < 3 {
            return Err(node.malformed("its input has no spatial dimensions"));
        }
        let mut y = x;
        for axis in (2..shape.len()).rev() {
            let mut rest = self.shape(y);
            let length = rest.remove(axis);
            #[expect(clippy::cast_precision_loss, reason = "a dimension")]
            let op = if maximum {
                Op::Max { axis }
            } else {
                Op::Sum {
                    axis,
                    factor: 1.0 / length as f64,
                }
            };
            y = self.push(op, &[y], rest, &node.place)?;
        }
        let mut ones = shape[..2].to_vec();
        ones.resize(shape.len(), 1);
        self.reshaped(y, &ones, &node.place)
    }

    /// The window (with what `ceil_mode` adds to its end), the window as declared, the input and its shape.
    fn pooling(&self, node: &Node<'_>) -> Result<(Window, Window, ValueId, Vec<usize>)> {
        let x = node.input(0)?;
        let shape = self.shape(x);
        if !(3..=4).contains(&shape.len()) {
            return Err(node.unsupported("in other than one or two dimensions"));
        }
        let kernel: Vec<usize> = node
            .ints("kernel_shape")
            .unwrap_or_default()
            .iter()
            .filter_map(|&k| usize::try_from(k).ok())
            .collect();
        if kernel.len() + 2 != shape.len() {
            return Err(node.malformed("its kernel does not fit its input"));
        }
        let declared = self.window(node, &kernel, &shape[2..])?;
        let mut window = declared.clone();
        if node.int("ceil_mode", 0) != 0 {
            let plane = two_dimensions(&shape[2..]);
            for (axis, size) in plane.into_iter().enumerate() {
                let reach = window.dilations[axis] * (window.kernel[axis] - 1) + 1;
                let padded = size + window.pads[axis] + window.pads[axis + 2];
                let free = padded
                    .checked_sub(reach)
                    .ok_or_else(|| node.malformed("its window does not fit"))?;
                let more = free.div_ceil(window.strides[axis]) * window.strides[axis] - free;
                // A last window that would begin outside of the input and its first padding is left out.
                let begins = (free + more) / window.strides[axis] * window.strides[axis];
                if more > 0 && begins < size + window.pads[axis] {
                    window.pads[axis + 2] += more;
                }
            }
        }
        Ok((window, declared, x, shape))
    }

    /// `average`: whether padding counts, for averages; none for maxima.
    fn pooled(
        &mut self,
        node: &Node<'_>,
        x: ValueId,
        shape: &[usize],
        window: Window,
        declared: &Window,
        average: Option<bool>,
    ) -> Result<ValueId> {
        let plane = two_dimensions(&shape[2..]);
        let channels = shape[0] * shape[1];
        let out = window
            .output(plane)
            .ok_or_else(|| node.malformed("its window does not fit"))?;
        let x = self.reshaped(x, &[1, channels, plane[0], plane[1]], &node.place)?;
        let op = match average {
            None => Op::MaxPool(window),
            Some(with_pads) => {
                let counts = counts(&window, declared, plane, out, with_pads);
                if counts.contains(&0.0) {
                    return Err(node.unsupported("a window has nothing inside"));
                }
                Op::AveragePool { window, counts }
            }
        };
        let y = self.push(op, &[x], vec![1, channels, out[0], out[1]], &node.place)?;
        let mut result = shape[..2].to_vec();
        result.extend_from_slice(if shape.len() == 3 { &out[1..] } else { &out });
        self.reshaped(y, &result, &node.place)
    }
}

/// What each sum is divided by: the places inside of the input, or inside of the declared padding too.
#[expect(clippy::cast_precision_loss, reason = "counts of places of a window")]
fn counts(
    window: &Window,
    declared: &Window,
    plane: [usize; 2],
    out: [usize; 2],
    with_pads: bool,
) -> Vec<f64> {
    // With padding: the padded plane counts as the inside, and there is no padding around it.
    let (seen, size) = if with_pads {
        let size = [
            plane[0] + declared.pads[0] + declared.pads[2],
            plane[1] + declared.pads[1] + declared.pads[3],
        ];
        (
            Window {
                pads: [0; 4],
                ..window.clone()
            },
            size,
        )
    } else {
        (window.clone(), plane)
    };
    let mut counts = Vec::with_capacity(out[0] * out[1]);
    for row in 0..out[0] {
        for column in 0..out[1] {
            let mut count = 0_usize;
            window_places(&seen, [row, column], size, |_, _| count += 1);
            counts.push(count as f64);
        }
    }
    counts
}
