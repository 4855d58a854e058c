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
        let x = self.input(input, rows)?;
        let x = self.in_buffer(input, x, rows);
        // Operands of products have 16 bits (spec 04 §4.1).
        let span = Span::of(x.lo, x.hi).unwrap_or(Span::I16);
        let groups = *groups as usize;
        let out = self.make(result, rows);
        let scale = scale.or_else(|| unscaled(out));
        let outputs = out_shape[0] / groups;
        let work = Conv {
            groups: self.conv_groups(conv, (*weight, *bias), (groups, outputs), scale.as_ref())?,
            span,
            shape: [x_shape[0] / groups, x_shape[1], x_shape[2]],
            window: kernel_window(window),
            places: out_shape[1] * out_shape[2],
        };
        self.plan.windows = self.plan.windows.max(work.windows());
        self.plan.sums = self.plan.sums.max(work.places * outputs);
        self.push(Work::Conv(work), vec![x], out, result);
        Ok(())
    }

    fn conv_groups(
        &self,
        conv: usize,
        (weight, bias): (ConstantId, Option<ConstantId>),
        (groups, outputs): (usize, usize),
        scale: Option<&Scale>,
    ) -> Result<Vec<ConvGroup>, ModelError> {
        let weights = self.constant(conv, weight)?.to_i8().unwrap_or_default();
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
