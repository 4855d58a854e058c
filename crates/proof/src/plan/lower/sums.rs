//! Operators that sum products: linear, conv, matmul, pooling.

use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::{ConstantId, ElementType, Node, Window2d};

use super::super::build::Builder;
use super::super::identity::Interval;
use super::super::rule::{Factor, Rule, Sum, TensorId, Term, Variable};
use super::super::select::Candidates;
use super::super::shape::Shape;
use super::super::{Map, Unsupported, Window};
use super::moves::stride;
use super::pointwise::element_interval;
use super::{Lower, MALFORMED, interval_of, shape_of};

fn free(variables: impl IntoIterator<Item = usize>) -> Vec<Variable> {
    variables.into_iter().map(Variable::Free).collect()
}

fn bound(variables: impl IntoIterator<Item = usize>) -> Vec<Variable> {
    variables.into_iter().map(Variable::Bound).collect()
}

/// The two axes of a window, with the inner index among the result's variables or summed.
struct Windowed<'w> {
    window: &'w Window2d,
    /// Variables and length of the result's rows and columns.
    outer: [(Vec<usize>, u32); 2],
    /// Variables of the kernel's rows and columns, if they are in the result.
    inner: Option<[Vec<usize>; 2]>,
    /// The bound shape's two axes.
    input: &'w Shape,
}

impl Windowed<'_> {
    fn maps(self) -> Vec<Map> {
        let Self {
            window,
            outer,
            inner,
            input,
        } = self;
        let [rows, columns] = outer;
        let [top, left, _, _] = window.pads;
        let inner = inner.map_or([None, None], |[a, b]| [Some(a), Some(b)]);
        let [inner_rows, inner_columns] = inner;
        let axis = |at: usize| (input.axis(at).collect(), input.length(at));
        let ([sh, sw], [kh, kw], [dh, dw]) = (window.strides, window.kernel, window.dilations);
        vec![
            Map::Window(Window {
                outer: rows,
                stride: sh,
                inner: inner_rows,
                inner_length: kh,
                dilation: dh,
                offset: i64::from(top).saturating_neg(),
                bound: axis(0),
            }),
            Map::Window(Window {
                outer: columns,
                stride: sw,
                inner: inner_columns,
                inner_length: kw,
                dilation: dw,
                offset: i64::from(left).saturating_neg(),
                bound: axis(1),
            }),
        ]
    }
}

impl Lower<'_> {
    /// y + bias along an axis, in all cells of the other axes.
    fn biased(
        &mut self,
        node: &Node,
        sums: TensorId,
        bias: Option<ConstantId>,
        axis: usize,
    ) -> Result<TensorId, Unsupported> {
        let Some(bias) = bias else {
            return Ok(sums);
        };
        let shape = shape_of(&node.result);
        let bias = self.constant(
            bias,
            &[shape.length(axis)],
            element_interval(ElementType::I32),
        )?;
        let others = (0..shape.lengths().len()).filter(|a| *a != axis);
        let terms = vec![
            Term {
                coefficient: 1,
                tensor: Some((sums, (0..shape.variables()).collect())),
                masks: Vec::new(),
            },
            Term {
                coefficient: 1,
                tensor: Some((bias, shape.axis(axis).collect())),
                masks: Builder::masks(&shape, others),
            },
        ];
        let interval = interval_of(&node.result);
        Ok(self.builder.tensor(&shape, interval, Rule::Linear(terms)))
    }

    pub(super) fn linear(
        &mut self,
        node: &Node,
        weight: ConstantId,
        bias: Option<ConstantId>,
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let shape = shape_of(&node.result);
        let last = of.shape.len().checked_sub(1).ok_or(MALFORMED)?;
        let contracted = Shape::new(&[*of.shape.get(last).ok_or(MALFORMED)?]);
        let w = self.constant(
            weight,
            &[shape.length(last), contracted.length(0)],
            element_interval(ElementType::I8),
        )?;
        let k: Vec<usize> = contracted.axis(0).collect();
        let sum = Sum {
            factors: vec![
                Factor {
                    tensor: w,
                    variables: [free(shape.axis(last)), bound(k.clone())].concat(),
                },
                Factor {
                    tensor: x,
                    variables: [free(shape.axes(0..last)), bound(k)].concat(),
                },
            ],
            bound: contracted,
            maps: Vec::new(),
        };
        let sums = self.builder.sum(&shape, interval_of(&node.result), sum);
        self.biased(node, sums, bias, last)
    }

    pub(super) fn matmul(&mut self, node: &Node) -> Result<TensorId, Unsupported> {
        let ((x, of), (y, _)) = (self.input(node, 0)?, self.input(node, 1)?);
        let shape = shape_of(&node.result);
        let rank = of.shape.len();
        let lead = rank.checked_sub(2).ok_or(MALFORMED)?;
        // Bound axes: the leading ones, which are tied to the result's, and the contracted one.
        let mut lengths = of.shape.clone();
        lengths.remove(lead);
        let contracted = Shape::new(&lengths);
        let leading: Vec<usize> = contracted.axes(0..lead);
        let k: Vec<usize> = contracted.axis(lead).collect();
        let maps = (0..lead)
            .map(|axis| {
                let of = |s: &Shape| (s.axis(axis).collect(), s.length(axis));
                stride(of(&shape), 1, 0, of(&contracted))
            })
            .collect();
        let x_variables = [
            bound(leading.clone()),
            free(shape.axis(lead)),
            bound(k.clone()),
        ];
        let columns = free(shape.axis(lead.saturating_add(1)));
        let y_variables = [bound(leading), bound(k), columns];
        let sum = Sum {
            factors: vec![
                Factor {
                    tensor: x,
                    variables: x_variables.concat(),
                },
                Factor {
                    tensor: y,
                    variables: y_variables.concat(),
                },
            ],
            bound: contracted,
            maps,
        };
        Ok(self.builder.sum(&shape, interval_of(&node.result), sum))
    }

    /// Patches of x [.., h, w]: [.., kh, kw, h′, w′], zero outside; the kernel's axes come first if it chooses.
    fn patches(
        &mut self,
        x: TensorId,
        interval: Interval,
        window: &Window2d,
        outer: [u32; 2],
        kernel_first: bool,
    ) -> (TensorId, Vec<Map>) {
        let from = self.builder.shape(x);
        let images = from.lengths().len().saturating_sub(2);
        let (leading, input) = from.lengths().split_at(images);
        let input = Shape::new(input);
        let (lengths, first, kernel) = if kernel_first {
            ([&window.kernel, leading, &outer].concat(), 2_usize, 0)
        } else {
            ([leading, &window.kernel, &outer].concat(), 0, images)
        };
        let shape = Shape::new(&lengths);
        let axis = |at: usize| shape.axis(at).collect::<Vec<usize>>();
        let places = images.saturating_add(2);
        let maps = Windowed {
            window,
            outer: [0, 1].map(|at| {
                let at = places.saturating_add(at);
                (axis(at), shape.length(at))
            }),
            inner: Some([kernel, kernel.saturating_add(1)].map(axis)),
            input: &input,
        }
        .maps();
        let of_images = shape.axes(first..first.saturating_add(images));
        let sum = Sum {
            maps: maps.clone(),
            factors: vec![Factor {
                tensor: x,
                variables: [free(of_images), bound(0..input.variables())].concat(),
            }],
            bound: input,
        };
        (self.builder.sum(&shape, interval, sum), maps)
    }

    pub(super) fn conv(
        &mut self,
        node: &Node,
        weight: ConstantId,
        bias: Option<ConstantId>,
        window: &Window2d,
        groups: u32,
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let shape = shape_of(&node.result);
        // With positions: one image for each.
        let lead = usize::from(of.by_position);
        let (Some(&channels), &[.., outputs, rows, columns]) =
            (of.shape.get(lead), node.result.shape.as_slice())
        else {
            return Err(MALFORMED);
        };
        let [kh, kw] = window.kernel;
        let interval = interval_of(&of);
        let (patches, _) = self.patches(x, interval, window, [rows, columns], false);
        let eight = element_interval(ElementType::I8);
        let inner = channels.checked_div(groups).ok_or(MALFORMED)?;
        let w = self.constant(weight, &[outputs, inner, kh, kw], eight)?;
        let each = outputs.checked_div(groups).ok_or(MALFORMED)?;
        // By group: weights [g, outputs, inner, kh, kw], patches [.., g, inner, kh, kw, h′, w′].
        let w = self.reshape(w, &Shape::new(&[groups, each, inner, kh, kw]), eight);
        let sequence = of.shape.get(..lead).unwrap_or(&[]);
        let grouped = [sequence, &[groups, inner, kh, kw, rows, columns]].concat();
        let patches = self.reshape(patches, &Shape::new(&grouped), interval);
        let by_group = Shape::new(&[sequence, &[groups, each, rows, columns]].concat());
        let contracted = Shape::new(&[groups, inner, kh, kw]);
        let axis = |at: usize| by_group.axis(lead.saturating_add(at));
        let rest = || bound(contracted.axes(1..4));
        let maps = if groups == 1 {
            Vec::new()
        } else {
            let ends = (axis(0).collect(), groups);
            let start = (contracted.axis(0).collect(), groups);
            vec![stride(ends, 1, 0, start)]
        };
        let sum = Sum {
            maps,
            factors: vec![
                Factor {
                    tensor: w,
                    variables: [bound(contracted.axis(0)), free(axis(1)), rest()].concat(),
                },
                Factor {
                    tensor: patches,
                    variables: [
                        free(by_group.axes(0..lead)),
                        bound(contracted.axis(0)),
                        rest(),
                        free(axis(2).chain(axis(3))),
                    ]
                    .concat(),
                },
            ],
            bound: contracted.clone(),
        };
        let sums = self.builder.sum(&by_group, interval_of(&node.result), sum);
        let sums = self.reshape(sums, &shape, interval_of(&node.result));
        self.biased(node, sums, bias, lead)
    }

    pub(super) fn sum_pool(
        &mut self,
        node: &Node,
        window: &Window2d,
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let shape = shape_of(&node.result);
        let images = of.shape.len().checked_sub(2).ok_or(MALFORMED)?;
        let input = Shape::new(of.shape.get(images..).ok_or(MALFORMED)?);
        let outer = |at: usize| (shape.axis(at).collect(), shape.length(at));
        let maps = Windowed {
            window,
            outer: [outer(images), outer(images.saturating_add(1))],
            inner: None,
            input: &input,
        }
        .maps();
        let sum = Sum {
            maps,
            factors: vec![Factor {
                tensor: x,
                variables: [free(shape.axes(0..images)), bound(0..input.variables())].concat(),
            }],
            bound: input,
        };
        Ok(self.builder.sum(&shape, interval_of(&node.result), sum))
    }

    pub(super) fn max_pool(
        &mut self,
        node: &Node,
        window: &Window2d,
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let &[.., rows, columns] = node.result.shape.as_slice() else {
            return Err(MALFORMED);
        };
        let interval = interval_of(&of);
        let (candidates, maps) = self.patches(x, interval, window, [rows, columns], true);
        let domain = self.builder.shape(candidates);
        let selected = self.builder.select(
            &Candidates {
                shape: domain,
                choosing: 2,
                candidates,
                interval,
                maps,
            },
            false,
        )?;
        let all = (0..shape_of(&node.result).variables()).collect();
        Ok(self.view_as(selected.maximum, &node.result, all))
    }
}
