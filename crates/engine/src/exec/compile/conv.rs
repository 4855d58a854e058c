//! Convolutions: each image becomes a matrix of its windows, and the convolution a matrix product.

use proofmark_kernels::{PackedLinear, Span};
use proofmark_program::{ConstantId, Operator};

use super::rows::{group_scale, image, kernel_window};
use super::{Compiler, at, shape, unscaled};
use crate::error::ModelError;
use crate::exec::op::Scale;
use crate::exec::plan::{Conv, ConvGroup, Work};

impl<B: AsRef<[u8]>> Compiler<'_, B> {
    pub(super) fn conv(
        &mut self,
        conv: usize,
        result: usize,
        scale: Option<Scale>,
    ) -> Result<(), ModelError> {
        let program = self.program;
        let node = &program.program().nodes[conv];
        let Operator::Conv {
            weight,
            bias,
            window,
            groups,
        } = &node.operator
        else {
            return Ok(());
        };
        let input = at(node.inputs[0]);
        let x_shape = image(&shape(&self.nodes()[input].result));
        let out_shape = image(&shape(&node.result));
        let rows = self.rows_of(result);
        let x = self.image_input(input, rows)?;
        // Operands of products have 16 bits (spec 04 §4.1).
        let span = Span::of(x.lo, x.hi).unwrap_or(Span::I16);
        let groups = *groups as usize;
        let out = self.make_image(result, rows);
        let scale = scale.or_else(|| unscaled(out));
        let outputs = out_shape[0] / groups;
        let work = Conv {
            groups: self.conv_groups(
                conv,
                (*weight, *bias),
                [groups, outputs, x_shape[0] / groups],
                scale.as_ref(),
            )?,
            span,
            shape: x_shape,
            window: kernel_window(window),
            places: out_shape[1] * out_shape[2],
        };
        self.plan.windows = self.plan.windows.max(work.windows());
        if groups > 1 {
            self.plan.sums = self.plan.sums.max(work.places * outputs);
        }
        self.push(Work::Conv(work), vec![x], out, result);
        self.settle_image(result)
    }

    fn conv_groups(
        &self,
        conv: usize,
        (weight, bias): (ConstantId, Option<ConstantId>),
        [groups, outputs, channels]: [usize; 3],
        scale: Option<&Scale>,
    ) -> Result<Vec<ConvGroup>, ModelError> {
        let weights = self.constant(conv, weight)?.to_i8().unwrap_or_default();
        let weights = channels_last(&weights, channels, weights.len() / (groups * outputs));
        let bias = bias.map(|id| Ok::<_, ModelError>(self.constant(conv, id)?.to_vec()));
        let bias = bias.transpose()?;
        let size = weights.len() / groups;
        let pack = |group: usize| ConvGroup {
            packed: PackedLinear::pack(
                self.isa,
                &weights[group * size..(group + 1) * size],
                bias.as_ref()
                    .map(|bias| &bias[group * outputs..(group + 1) * outputs]),
                outputs,
                size / outputs,
            ),
            scale: scale.map(|scale| group_scale(scale, group, outputs)),
        };
        Ok((0..groups).map(pack).collect())
    }
}

/// Weights [O, c, kh·kw] as [O, kh·kw, c], `size` being c·kh·kw.
fn channels_last(weights: &[i8], channels: usize, size: usize) -> Vec<i8> {
    let places = size / channels;
    weights
        .chunks_exact(size)
        .flat_map(|weights| {
            (0..size).map(move |at| weights[at % channels * places + at / channels])
        })
        .collect()
}
