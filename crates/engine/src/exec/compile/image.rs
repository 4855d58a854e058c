//! Layouts of images: convolutions and poolings read and make images with their channels last; so do operators on single elements
//! between them, and whatever else reads such an image gets it in the order of the program.

use proofmark_kernels::Bounds;
use proofmark_program::{Node, Operator};

use super::rows::{image, kernel_window};
use super::{Compiler, at, shape};
use crate::error::ModelError;
use crate::exec::op::RowOp;
use crate::exec::plan::{Instruction, Needed, Work};
use crate::exec::value::{Layout, Rows, Value};

impl<B: AsRef<[u8]>> Compiler<'_, B> {
    /// An input with its channels last, in a buffer.
    pub(super) fn image_input(&mut self, input: usize, rows: Rows) -> Result<Value, ModelError> {
        let value = self.value(input)?;
        if value.layout == Layout::ChannelsLast && value.rows == rows {
            return Ok(value);
        }
        let natural = self.input(input, rows)?;
        let natural = self.in_buffer(input, natural, rows);
        let [channels, h, w] = image(&shape(&self.nodes()[input].result));
        if channels == 1 || h * w == 1 {
            return Ok(natural);
        }
        self.relayout(input, natural, [channels, h * w], Layout::ChannelsLast)
    }

    /// A value in the order of the program.
    pub(super) fn natural(&mut self, index: usize, value: Value) -> Result<Value, ModelError> {
        if value.layout == Layout::Natural {
            return Ok(value);
        }
        let [channels, h, w] = image(&shape(&self.nodes()[index].result));
        if channels == 1 || h * w == 1 {
            return Ok(Value {
                layout: Layout::Natural,
                ..value
            });
        }
        self.relayout(index, value, [h * w, channels], Layout::Natural)
    }

    /// The value [rows, columns] of a node as [columns, rows]; made once.
    fn relayout(
        &mut self,
        index: usize,
        x: Value,
        [rows, columns]: [usize; 2],
        layout: Layout,
    ) -> Result<Value, ModelError> {
        if let Some(known) = self.other_layout[index].filter(|known| known.rows == x.rows) {
            return Ok(known);
        }
        let result = &self.program.program().nodes[index].result;
        let out = Value {
            layout,
            ..self.buffer(result, x.rows, self.last_use[index])
        };
        self.other_layout[index] = Some(out);
        self.plan.instructions.push(Instruction {
            work: Work::Row(RowOp::Relayout { rows, columns }),
            inputs: vec![x],
            out,
            needed: Needed {
                later: x.rows == Rows::All,
                ..self.needed[index]
            },
        });
        Ok(out)
    }

    /// A buffer for an image with its channels last.
    pub(super) fn make_image(&mut self, index: usize, rows: Rows) -> Value {
        let value = Value {
            layout: Layout::ChannelsLast,
            ..self.make(index, rows)
        };
        self.values[index] = Some(value);
        value
    }

    /// Decoders have no images but what they convert: the rows of a sequence that are asked for are gathered in the order of the
    /// program.
    pub(super) fn settle_image(&mut self, index: usize) -> Result<(), ModelError> {
        let value = self.value(index)?;
        if value.rows == Rows::All {
            let natural = self.natural(index, value)?;
            self.values[index] = Some(natural);
            self.other_layout[index] = None;
        }
        Ok(())
    }

    /// Poolings, and operators on the elements of images with their channels last; whether the node is one.
    pub(super) fn image_op(&mut self, index: usize) -> Result<bool, ModelError> {
        let program = self.program;
        let node = &program.program().nodes[index];
        let pooling = matches!(
            node.operator,
            Operator::MaxPool { .. } | Operator::SumPool { .. }
        );
        if !pooling && !self.keeps_layout(node) {
            return Ok(false);
        }
        let rows = self.rows_of(index);
        let inputs = node
            .inputs
            .iter()
            .map(|input| self.image_input(at(*input), rows))
            .collect::<Result<Vec<Value>, _>>()?;
        let op = self.image_operator(index, node, inputs[0])?;
        let out = self.make_image(index, rows);
        self.push(Work::Row(op), inputs, out, index);
        self.settle_image(index)?;
        Ok(true)
    }

    /// Whether an operator works on elements by themselves, or by their channels, and reads an image with its channels last.
    fn keeps_layout(&self, node: &Node) -> bool {
        let mut inputs = node.inputs.iter().map(|input| at(*input));
        let one_shape = inputs.clone().all(|input| {
            let result = &self.nodes()[input].result;
            result.shape == node.result.shape && result.by_position == node.result.by_position
        });
        let by_element = match &node.operator {
            Operator::Add
            | Operator::Multiply { .. }
            | Operator::Clamp
            | Operator::Table { .. }
            | Operator::ChannelScale { .. } => true,
            Operator::Requantize { multipliers, .. } => self
                .program
                .constant(*multipliers)
                .is_some_and(|m| m.len() == 1),
            _ => false,
        };
        by_element
            && one_shape
            && node.result.shape.len() == 3
            && inputs.any(|input| {
                self.values[input].is_some_and(|value| value.layout == Layout::ChannelsLast)
            })
    }

    fn image_operator(&self, index: usize, node: &Node, x: Value) -> Result<RowOp, ModelError> {
        let result = &node.result;
        let bounds = Bounds::new(result.lo, result.hi);
        let x_shape = || image(&shape(&self.nodes()[at(node.inputs[0])].result));
        Ok(match &node.operator {
            Operator::MaxPool { window } => RowOp::MaxPool {
                shape: x_shape(),
                window: kernel_window(window),
            },
            Operator::SumPool { window } => RowOp::SumPool {
                shape: x_shape(),
                window: kernel_window(window),
            },
            Operator::Requantize { multipliers, shift }
            | Operator::ChannelScale { multipliers, shift } => {
                RowOp::Requantize(self.scale(*multipliers, *shift, result)?)
            }
            Operator::Add => RowOp::Add,
            Operator::Multiply { shift } => RowOp::Multiply {
                shift: u32::from(*shift),
                bounds,
            },
            Operator::Table { table } => self.table(index, x, *table)?,
            _ => RowOp::Clamp(bounds),
        })
    }
}
