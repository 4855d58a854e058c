//! The trace in memory: what an honest party has (specs/08-referee.md §2).

use alloc::vec::Vec;
use core::ops::Range;

use proofmark_program::{CheckedProgram, ConstantId, Program, Weights, reference};
use proofmark_tlog::{Hash, leaf_hash};

use crate::error::{malformed, unsound};
use crate::layout::{Layout, RowKind};
use crate::step::{Source, Steps};
use crate::tree::MerkleTree;
use crate::{RefereeError, Subject};

/// Elements of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Row {
    Narrow(Vec<i32>),
    Wide(Vec<i64>),
}

impl Row {
    fn new(elements: Vec<i64>, bytes: usize) -> Result<Self, RefereeError> {
        if bytes == 8 {
            return Ok(Self::Wide(elements));
        }
        let narrow: Result<Vec<i32>, _> = elements.into_iter().map(i32::try_from).collect();
        Ok(Self::Narrow(
            narrow.map_err(|_| unsound("a value of more than 32 bits"))?,
        ))
    }

    fn get(&self, range: Range<usize>) -> Option<Vec<i64>> {
        match self {
            Self::Narrow(row) => Some(row.get(range)?.iter().map(|x| i64::from(*x)).collect()),
            Self::Wide(row) => Some(row.get(range)?.to_vec()),
        }
    }

    fn bytes(&self, range: Range<usize>) -> Option<Vec<u8>> {
        match self {
            Self::Narrow(row) => Some(
                row.get(range)?
                    .iter()
                    .flat_map(|x| x.to_le_bytes())
                    .collect(),
            ),
            Self::Wide(row) => Some(
                row.get(range)?
                    .iter()
                    .flat_map(|x| x.to_le_bytes())
                    .collect(),
            ),
        }
    }
}

/// The rows of a trace so far, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    rows: Vec<Row>,
}

fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn indices(range: &Range<u64>) -> Range<usize> {
    index(range.start)..index(range.end)
}

impl Rows {
    /// Elements of a row, if it is there and has them.
    pub fn get(&self, row: u64, range: Range<u64>) -> Option<Vec<i64>> {
        self.rows.get(index(row))?.get(indices(&range))
    }
}

/// Rows and weights as the source of steps.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k, B> {
    /// The rows.
    pub rows: &'k Rows,
    /// The program, for names of constants.
    pub program: &'k Program,
    /// The weights file.
    pub weights: &'k Weights<B>,
}

impl<B: AsRef<[u8]>> Source for Known<'_, B> {
    fn row(&self, row: u64, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        let found = self.rows.get(row, range);
        found.ok_or(unsound("a value that is not there"))
    }

    fn constant(&self, id: ConstantId, range: Range<u64>) -> Result<Vec<i32>, RefereeError> {
        let found = self.program.constant_name(id).and_then(|name| {
            let view = self.weights.tensor(name)?;
            let Range { start, end } = indices(&range);
            let values = view.range(start, end)?;
            Some(values.collect())
        });
        found.ok_or(unsound("a constant that is not there"))
    }

    fn shape(&self, id: ConstantId) -> Result<&[u32], RefereeError> {
        let name = self.program.constant_name(id);
        let view = name.and_then(|name| self.weights.tensor(name));
        view.map(|view| view.shape())
            .ok_or(unsound("a constant that is not there"))
    }
}

/// All rows, and the tree over them.
#[derive(Debug, Clone)]
pub struct Trace {
    layout: Layout,
    rows: Rows,
    tree: MerkleTree,
    /// Row roots.
    roots: Vec<Hash>,
}

impl Trace {
    /// The trace of a checked program: values of nodes by the reference interpreter, everything else by steps.
    ///
    /// # Errors
    /// [`RefereeError::Malformed`] and [`RefereeError::Program`] for a subject that is not the program's.
    pub fn of<B: AsRef<[u8]>>(
        checked: &CheckedProgram<B>,
        subject: &Subject,
    ) -> Result<Self, RefereeError> {
        let program = checked.program();
        subject.check(program)?;
        let nodes = match subject {
            Subject::Answer(answer) => reference::decoder_nodes(checked, answer.fed())?,
            Subject::Tensors { inputs, .. } => {
                let inputs: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
                reference::tensor_nodes(checked, &inputs)?
            }
        };
        let layout = Layout::new(program, subject.positions())?;
        Self::build(program, layout, |layout, row, rows| {
            let elements = layout.elements(program, row)?;
            if let Some((RowKind::Node(id), position)) = layout.row(row) {
                let start = position.saturating_mul(elements);
                let node = nodes.get(index(u64::from(id.0)));
                let values = node.and_then(|node| {
                    let range = start..start.saturating_add(elements);
                    node.elements.get(indices(&range))
                });
                let values = values.ok_or(malformed("a node without values"))?;
                return Ok(values.iter().map(|x| i64::from(*x)).collect());
            }
            let source = Known {
                rows,
                program,
                weights: checked.weights(),
            };
            let steps = Steps {
                program,
                layout,
                subject,
                source: &source,
            };
            steps.elements(row, 0..elements)
        })
    }

    /// A trace whose rows `make` gives, one after another, seeing those before.
    ///
    /// # Errors
    /// Those of `make`, and [`RefereeError::Malformed`] for a row of another length.
    pub fn build(
        program: &Program,
        layout: Layout,
        mut make: impl FnMut(&Layout, u64, &Rows) -> Result<Vec<i64>, RefereeError>,
    ) -> Result<Self, RefereeError> {
        let mut rows = Rows::default();
        for row in 0..layout.rows() {
            let elements = make(&layout, row, &rows)?;
            if elements.len() as u64 != layout.elements(program, row)? {
                return Err(malformed("a row of another length"));
            }
            rows.rows
                .push(Row::new(elements, layout.element_bytes(row))?);
        }
        let mut roots = Vec::new();
        for row in 0..layout.rows() {
            roots.push(row_tree(program, &layout, &rows, row)?.root());
        }
        let leaves = roots
            .iter()
            .map(|root| leaf_hash(root.as_bytes()))
            .collect();
        Ok(Self {
            tree: MerkleTree::new(leaves),
            layout,
            rows,
            roots,
        })
    }

    /// Which rows there are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The rows.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The trace root.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// The tree over the row roots.
    pub fn tree(&self) -> &MerkleTree {
        &self.tree
    }

    /// The root of a row.
    pub fn row_root(&self, row: u64) -> Option<Hash> {
        self.roots.get(index(row)).copied()
    }

    /// The tree of a row's tiles.
    ///
    /// # Errors
    /// [`RefereeError::Malformed`] for a row beyond the trace.
    pub fn row_tree(&self, program: &Program, row: u64) -> Result<MerkleTree, RefereeError> {
        row_tree(program, &self.layout, &self.rows, row)
    }

    /// The bytes of a tile.
    ///
    /// # Errors
    /// [`RefereeError::Malformed`] for a tile beyond the trace.
    pub fn tile(&self, program: &Program, row: u64, tile: u64) -> Result<Vec<u8>, RefereeError> {
        tile_bytes(program, &self.layout, &self.rows, row, tile)
    }
}

fn tile_bytes(
    program: &Program,
    layout: &Layout,
    rows: &Rows,
    row: u64,
    tile: u64,
) -> Result<Vec<u8>, RefereeError> {
    let range = layout.tile_range(program, row, tile)?;
    let found = rows.rows.get(index(row));
    found
        .and_then(|found| found.bytes(indices(&range)))
        .ok_or(malformed("a tile beyond the trace"))
}

fn row_tree(
    program: &Program,
    layout: &Layout,
    rows: &Rows,
    row: u64,
) -> Result<MerkleTree, RefereeError> {
    let tiles = 0..layout.tiles(program, row)?;
    let leaves: Result<Vec<Hash>, RefereeError> = tiles
        .map(|tile| Ok(leaf_hash(&tile_bytes(program, layout, rows, row, tile)?)))
        .collect();
    Ok(MerkleTree::new(leaves?))
}
