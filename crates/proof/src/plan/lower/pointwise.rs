//! Operators on single elements: requantize, channel_scale, add, multiply, clamp, table.

use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::{ConstantId, ElementType, Node, NodeType};

use super::super::build::Builder;
use super::super::identity::Interval;
use super::super::integer::{Integer, Item};
use super::super::round::Rounding;
use super::super::rule::{Rule, TensorId, Term};
use super::super::{ColumnKind, Unsupported};
use super::lookups::Rows;
use super::{Lower, MALFORMED, interval_of, shape_of};

/// Multipliers of 04 §1.3.
pub(super) const MULTIPLIERS: Interval = Interval {
    lo: -65_535,
    hi: 65_535,
};

/// Elements of a constant by its type.
pub(super) fn element_interval(element: ElementType) -> Interval {
    let bits = match element {
        ElementType::I8 => 7,
        ElementType::I16 => 15,
        ElementType::I32 => 31,
    };
    let end = 1_i128 << bits;
    Interval {
        lo: end.saturating_neg(),
        hi: end.saturating_sub(1),
    }
}

impl Lower<'_> {
    pub(super) fn rounding(node: &Node, value: Integer, shift: u8) -> Rounding {
        Rounding {
            shape: shape_of(&node.result),
            value,
            shift: shift.into(),
            lo: node.result.lo.into(),
            hi: node.result.hi.into(),
            quotients: None,
        }
    }

    pub(super) fn requantize(
        &mut self,
        node: &Node,
        multipliers: ConstantId,
        shift: u8,
        first_axis: bool,
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let shape = shape_of(&of);
        let axis = if first_axis {
            usize::from(of.by_position)
        } else {
            of.shape.len().saturating_sub(1)
        };
        let one_for_all = self.constant_type(multipliers)?.shape.lengths() == [1];
        let (channels, variables): (u32, Vec<usize>) = if one_for_all {
            (1, Vec::new())
        } else {
            (shape.length(axis), shape.axis(axis).collect())
        };
        let m = self.constant(multipliers, &[channels], MULTIPLIERS)?;
        let m = self.builder.operand_at(m, variables);
        let product = Item::product(1, self.builder.operand(x), m);
        self.builder
            .round(&Self::rounding(node, product.into(), shift))
    }

    /// The axes of the first operand of add and multiply that the second has, too.
    fn shared_axes(x: &NodeType, y: &NodeType) -> Vec<usize> {
        let own = usize::from(y.by_position);
        let suffix = y.shape.len().saturating_sub(own);
        let last = x.shape.len().saturating_sub(suffix)..x.shape.len();
        (0..own).chain(last).collect()
    }

    pub(super) fn multiply(&mut self, node: &Node, shift: u8) -> Result<TensorId, Unsupported> {
        let ((x, x_of), (y, y_of)) = (self.input(node, 0)?, self.input(node, 1)?);
        let axes = Self::shared_axes(&x_of, &y_of);
        let y = self.builder.operand_at(y, shape_of(&x_of).axes(axes));
        let product = Item::product(1, self.builder.operand(x), y);
        self.builder
            .round(&Self::rounding(node, product.into(), shift))
    }

    pub(super) fn clamp(&mut self, node: &Node) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        if of.lo >= node.result.lo && of.hi <= node.result.hi {
            let all = (0..shape_of(&of).variables()).collect();
            return Ok(self.view_as(x, &node.result, all));
        }
        let value = self.builder.integer(x);
        self.builder.round(&Self::rounding(node, value, 0))
    }

    pub(super) fn add(&mut self, node: &Node) -> Result<TensorId, Unsupported> {
        let ((x, x_of), (y, y_of)) = (self.input(node, 0)?, self.input(node, 1)?);
        let shape = shape_of(&x_of);
        let axes = Self::shared_axes(&x_of, &y_of);
        let others = (0..x_of.shape.len()).filter(|axis| !axes.contains(axis));
        let terms = vec![
            Term {
                coefficient: 1,
                tensor: Some((x, (0..shape.variables()).collect())),
                masks: Vec::new(),
            },
            Term {
                coefficient: 1,
                masks: Builder::masks(&shape, others),
                tensor: Some((y, shape.axes(axes))),
            },
        ];
        let interval = interval_of(&node.result);
        Ok(self.builder.tensor(&shape, interval, Rule::Linear(terms)))
    }

    pub(super) fn table(
        &mut self,
        node: &Node,
        table: ConstantId,
    ) -> Result<TensorId, Unsupported> {
        let (x, of) = self.input(node, 0)?;
        let element = self.constant_type(table)?.element;
        let entries = i64::from(of.hi)
            .saturating_sub(of.lo.into())
            .saturating_add(1);
        let entries = u32::try_from(entries).map_err(|_| MALFORMED)?;
        let values = self.constant(table, &[entries], element_interval(element))?;
        let rows = Rows {
            values,
            entries,
            first: of.lo.into(),
        };
        let kind = ColumnKind::Free {
            lo: node.result.lo.into(),
            hi: node.result.hi.into(),
        };
        Ok(self.looked_up(rows, x, kind))
    }
}
