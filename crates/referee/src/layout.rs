//! Which rows a trace has, and how they are cut into tiles (specs/08-referee.md §2).

use alloc::vec::Vec;

use proofmark_program::{Interface, Node, NodeId, Operator, Program};

use crate::RefereeError;
use crate::error::{malformed, unsound};

/// Positions of a piece of attention.
pub const PIECE: u64 = 64;
/// Largest number of elements of a tile, but for those of sums.
const TILE: u64 = 64;
/// Factors of the sums of one tile.
const TILE_FACTORS: u64 = 1 << 17;

/// What a row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// The value of a node.
    Node(NodeId),
    /// Running maxima of an attention's scores.
    Maxima(NodeId),
    /// Running sums of an attention.
    Sums(NodeId),
    /// The id that follows.
    Next,
    /// An output of a tensor program, by its number in the interface.
    Output(u32),
}

/// Where a node's row is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Fixed(u64),
    ByPosition(u64),
}

/// The rows of the trace of one program over a number of positions.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Kind and elements of a tile.
    fixed: Vec<(RowKind, u64)>,
    by_position: Vec<(RowKind, u64)>,
    places: Vec<Place>,
    positions: u64,
}

impl Layout {
    /// The layout for `positions` positions; 1 for a tensor program.
    ///
    /// # Errors
    /// [`RefereeError::Malformed`] without positions, or with more than the program's.
    pub fn new(program: &Program, positions: u64) -> Result<Self, RefereeError> {
        if !(1..=u64::from(program.max_positions())).contains(&positions) {
            return Err(malformed("positions that the program does not have"));
        }
        let mut layout = Self {
            fixed: Vec::new(),
            by_position: Vec::new(),
            places: Vec::new(),
            positions,
        };
        for (node, id) in program.nodes.iter().zip((0..).map(NodeId)) {
            let tile = tile_elements(program, node);
            let list = if node.result.by_position {
                &mut layout.by_position
            } else {
                &mut layout.fixed
            };
            if let Operator::Attention { .. } = node.operator {
                let e = node.result.shape.last().copied().map_or(1, u64::from);
                list.push((RowKind::Maxima(id), TILE));
                list.push((RowKind::Sums(id), e.saturating_add(1)));
            }
            let at = list.len() as u64;
            list.push((RowKind::Node(id), tile));
            layout.places.push(if node.result.by_position {
                Place::ByPosition(at)
            } else {
                Place::Fixed(at)
            });
        }
        match &program.interface {
            Interface::Decoder { .. } => layout.by_position.push((RowKind::Next, 1)),
            Interface::Tensor { outputs, .. } => layout.fixed.extend(
                outputs
                    .iter()
                    .zip(0..)
                    .map(|(_, number)| (RowKind::Output(number), TILE)),
            ),
        }
        Ok(layout)
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        (self.by_position.len() as u64)
            .saturating_mul(self.positions)
            .saturating_add(self.fixed.len() as u64)
    }

    /// Number of positions.
    pub fn positions(&self) -> u64 {
        self.positions
    }

    /// What the row has, and its position (0 for fixed rows).
    pub fn row(&self, row: u64) -> Option<(RowKind, u64)> {
        let ((kind, _), position) = self.slot(row)?;
        Some((*kind, position))
    }

    fn slot(&self, row: u64) -> Option<(&(RowKind, u64), u64)> {
        if let Some(slot) = self.fixed.get(usize::try_from(row).ok()?) {
            return Some((slot, 0));
        }
        let above = row.checked_sub(self.fixed.len() as u64)?;
        let width = self.by_position.len() as u64;
        let position = above.checked_div(width).filter(|t| *t < self.positions)?;
        let at = usize::try_from(above.checked_rem(width)?).ok()?;
        Some((self.by_position.get(at)?, position))
    }

    /// The row of a node's value at a position; its only row, if it has one.
    pub fn node_row(&self, id: NodeId, position: u64) -> Option<u64> {
        match *self.places.get(usize::try_from(id.0).ok()?)? {
            Place::Fixed(at) => Some(at),
            Place::ByPosition(at) if position < self.positions => self.at(position, at),
            Place::ByPosition(_) => None,
        }
    }

    /// The next row of a position.
    pub fn next_row(&self, position: u64) -> Option<u64> {
        let last = (self.by_position.len() as u64).checked_sub(1)?;
        self.at(position, last)
    }

    fn at(&self, position: u64, at: u64) -> Option<u64> {
        (self.by_position.len() as u64)
            .checked_mul(position)?
            .checked_add(self.fixed.len() as u64)?
            .checked_add(at)
    }

    /// Number of elements of a row.
    pub fn elements(&self, program: &Program, row: u64) -> Result<u64, RefereeError> {
        let (kind, position) = self.row(row).ok_or(malformed("a row beyond the trace"))?;
        let elements = match kind {
            RowKind::Next => Some(1),
            RowKind::Node(id) => program.node(id).map(|node| node.result.elements()),
            RowKind::Output(number) => output_node(program, number)
                .and_then(|id| program.node(id))
                .map(|node| node.result.elements()),
            RowKind::Maxima(id) => program
                .node(id)
                .and_then(|node| heads(node).checked_mul(pieces(node, position))),
            RowKind::Sums(id) => program.node(id).and_then(|node| {
                node.result
                    .elements()
                    .checked_add(heads(node))?
                    .checked_mul(pieces(node, position))
            }),
        };
        elements
            .filter(|elements| *elements > 0)
            .ok_or(unsound("a row without elements"))
    }

    /// Number of elements of the row's tiles, but for the last.
    pub fn tile_elements(&self, row: u64) -> u64 {
        self.slot(row).map_or(1, |((_, tile), _)| *tile)
    }

    /// Number of tiles of a row.
    pub fn tiles(&self, program: &Program, row: u64) -> Result<u64, RefereeError> {
        let elements = self.elements(program, row)?;
        Ok(elements.div_ceil(self.tile_elements(row).max(1)))
    }

    /// Bytes of an element.
    pub fn element_bytes(&self, row: u64) -> usize {
        match self.row(row) {
            Some((RowKind::Maxima(_) | RowKind::Sums(_), _)) => 8,
            _ => 4,
        }
    }

    /// First and last (exclusive) element of a tile.
    pub fn tile_range(
        &self,
        program: &Program,
        row: u64,
        tile: u64,
    ) -> Result<core::ops::Range<u64>, RefereeError> {
        let elements = self.elements(program, row)?;
        let width = self.tile_elements(row);
        let start = tile.saturating_mul(width);
        if start >= elements {
            return Err(malformed("a tile beyond its row"));
        }
        Ok(start..start.saturating_add(width).min(elements))
    }
}

/// The node of an output of a tensor program.
pub(crate) fn output_node(program: &Program, number: u32) -> Option<NodeId> {
    let Interface::Tensor { outputs, .. } = &program.interface else {
        return None;
    };
    outputs
        .get(usize::try_from(number).ok()?)
        .map(|output| output.node)
}

/// Heads of an attention.
pub(crate) fn heads(node: &Node) -> u64 {
    node.result.shape.first().copied().map_or(1, u64::from)
}

/// First position that an attention's row sees.
pub(crate) fn first_position(node: &Node, position: u64) -> u64 {
    match node.operator {
        Operator::Attention { window, .. } if window > 0 => {
            position.saturating_add(1).saturating_sub(u64::from(window))
        }
        _ => 0,
    }
}

/// Pieces of an attention's row.
pub(crate) fn pieces(node: &Node, position: u64) -> u64 {
    position
        .saturating_sub(first_position(node, position))
        .saturating_add(1)
        .div_ceil(PIECE)
}

/// Elements of a tile of a node's value.
fn tile_elements(program: &Program, node: &Node) -> u64 {
    let shape = |at: usize| {
        let input = node.inputs.get(at).and_then(|id| program.node(*id));
        input.map_or(&[] as &[u32], |input| &input.result.shape)
    };
    let factors = match &node.operator {
        Operator::Linear { .. } => shape(0).last().copied().map_or(1, u64::from),
        Operator::Conv { window, groups, .. } => {
            let channels = shape(0).first().copied().map_or(1, u64::from);
            let inner = channels.checked_div(u64::from(*groups)).unwrap_or(1);
            let [rows, columns] = window.kernel.map(u64::from);
            inner.saturating_mul(rows).saturating_mul(columns)
        }
        _ => 1,
    };
    TILE_FACTORS
        .checked_div(factors)
        .unwrap_or(TILE)
        .clamp(1, TILE)
}
