//! Honest parties: what the executor answers, and how the challenger finds the first wrong tile (specs/08-referee.md §5.5).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use proofmark_program::{Program, WEIGHTS_LEAF_BYTES, Weights};
use proofmark_receipt::{SignedReceipt, SigningKey};
use proofmark_tlog::{Hash, leaf_hash};

use crate::error::{malformed, unsound};
use crate::game::{DEPTH, Game, TreeNode, Wanted};
use crate::moves::Move;
use crate::opening::{OpenedRow, Recorder, StepOpening};
use crate::statement::{SignedTrace, TraceStatement};
use crate::step::Steps;
use crate::trace::{Known, Trace};
use crate::tree::{MerkleTree, Nodes, Span, prove};
use crate::{OpenedSubject, RefereeError, Subject};

/// Bytes of a header's length at the beginning of a weights file.
const PREFIX: usize = 8;

/// The executor: it has the key of the receipt, and its trace.
#[derive(Debug)]
pub struct Executor<'e> {
    /// The receipt's key.
    pub key: &'e SigningKey,
    /// The trace.
    pub trace: &'e Trace,
}

fn frontier(nodes: &impl Nodes, span: Span) -> Result<Vec<Hash>, RefereeError> {
    let hashes = span
        .frontier(DEPTH)
        .into_iter()
        .map(|span| nodes.node(span));
    let hashes: Option<Vec<Hash>> = hashes.collect();
    hashes.ok_or(malformed("a node of the trace"))
}

/// The statement of a trace of one choice of a receipt.
pub fn trace_statement(
    receipt: &SignedReceipt,
    opened: &OpenedSubject,
    choice: u32,
    trace: &Trace,
) -> TraceStatement {
    TraceStatement {
        receipt: receipt.claims().id,
        claims: receipt.digest(),
        closure: opened.closure,
        choice,
        positions: opened.subject.positions(),
        root: trace.root(),
    }
}

impl Executor<'_> {
    /// The next move, if it is the executor's turn.
    ///
    /// # Errors
    /// [`RefereeError::Malformed`] if the trace is not of this dispute.
    pub fn answer(&self, game: &Game) -> Result<Option<Vec<u8>>, RefereeError> {
        let program = &game.opened().program;
        let body = match game.wanted() {
            Wanted::Commit => {
                let Subject::Answer(answer) = &game.opened().subject else {
                    return Err(malformed("an answer"));
                };
                let statement =
                    trace_statement(game.receipt(), game.opened(), answer.choice, self.trace);
                let span = Span::whole(self.trace.layout().rows());
                Move::Commit {
                    trace: SignedTrace::sign(&statement, self.key),
                    frontier: frontier(self.trace.tree(), span)?,
                }
            }
            Wanted::Opening(node) => self.open(program, node)?,
            _ => return Ok(None),
        };
        Ok(Some(game.sign(&body, self.key)))
    }

    fn open(&self, program: &Program, node: &TreeNode) -> Result<Move, RefereeError> {
        let leaf = node.span.len() == 1;
        let Some(row) = node.row else {
            if !leaf {
                return Ok(Move::Reveal {
                    row_root: None,
                    frontier: frontier(self.trace.tree(), node.span)?,
                });
            }
            let tree = self.trace.row_tree(program, node.span.start)?;
            return Ok(Move::Reveal {
                row_root: Some(tree.root()),
                frontier: frontier(&tree, Span::whole(tree.size()))?,
            });
        };
        if leaf {
            let tile = self.trace.tile(program, row, node.span.start)?;
            return Ok(Move::Show { tile });
        }
        Ok(Move::Reveal {
            row_root: None,
            frontier: frontier(&self.trace.row_tree(program, row)?, node.span)?,
        })
    }
}

/// The challenger: it has a key, its own trace, and the weights.
#[derive(Debug)]
pub struct Challenger<'c, B> {
    /// Any key.
    pub key: &'c SigningKey,
    /// Its own trace of the receipt's ids.
    pub trace: &'c Trace,
    /// The weights file.
    pub weights: &'c Weights<B>,
    /// The tree over the weights file.
    pub weights_tree: &'c MerkleTree,
}

/// The tree over the leaves of a weights file (04 §6.2).
pub fn weights_tree(file: &[u8]) -> MerkleTree {
    MerkleTree::new(file.chunks(WEIGHTS_LEAF_BYTES).map(leaf_hash).collect())
}

impl<B: AsRef<[u8]>> Challenger<'_, B> {
    /// The next move, if it is the challenger's turn.
    ///
    /// # Errors
    /// [`RefereeError::Malformed`] if the trace is not of this dispute.
    pub fn answer(&self, game: &Game) -> Result<Option<Vec<u8>>, RefereeError> {
        let body = match game.wanted() {
            Wanted::Choice => self.choose(game)?,
            Wanted::Accusation => match game.shown() {
                Some((node, tile)) => self.accuse(game, node, tile)?,
                None => Move::Concede,
            },
            _ => return Ok(None),
        };
        Ok(Some(game.sign(&body, self.key)))
    }

    /// The first node of the frontier that differs from the own trace.
    fn choose(&self, game: &Game) -> Result<Move, RefereeError> {
        let program = &game.opened().program;
        let row = game.frontier().first().and_then(|node| node.row);
        let tree = row
            .map(|row| self.trace.row_tree(program, row))
            .transpose()?;
        let own = |span| match &tree {
            Some(tree) => tree.node(span),
            None => self.trace.tree().node(span),
        };
        let mut nodes = game.frontier().iter().zip(0..);
        if let Some((_, index)) = nodes.find(|(node, _)| own(node.span) != Some(node.hash)) {
            return Ok(Move::Descend { index });
        }
        // The same trace: only what the receipt says can be wrong.
        let Some((row, tile)) = self.wrong_id(game) else {
            return Ok(Move::Concede);
        };
        let node = TreeNode {
            row: Some(row),
            span: Span::whole(1),
            hash: leaf_hash(&tile),
        };
        self.accuse(game, &node, &tile)
    }

    /// A next row of the own trace that is not what the receipt says.
    fn wrong_id(&self, game: &Game) -> Option<(u64, Vec<u8>)> {
        let Subject::Answer(answer) = &game.opened().subject else {
            return None;
        };
        let mut said = answer.ids.iter().skip(1).zip(0..);
        said.find_map(|(said, position)| {
            let row = self.trace.layout().next_row(position)?;
            let own = self.trace.rows().get(row, 0..1)?;
            let wrong = own.first() != Some(&i64::from(*said));
            let tile = self.trace.tile(&game.opened().program, row, 0).ok()?;
            wrong.then_some((row, tile))
        })
    }

    fn accuse(&self, game: &Game, node: &TreeNode, claimed: &[u8]) -> Result<Move, RefereeError> {
        let program = &game.opened().program;
        let (row, tile) = (node.row.ok_or(malformed("a row"))?, node.span.start);
        let theirs = |row| move |node: &&TreeNode| node.row == row;
        let revealed = |row| {
            game.revealed()
                .iter()
                .filter(theirs(row))
                .copied()
                .collect()
        };
        let first = |leaf| game.shown().map_or(u64::MAX, |_| leaf);
        let upper = Theirs {
            own: self.trace.tree(),
            disputed: first(row),
            revealed: revealed(None),
        };
        let own_row = self.trace.row_tree(program, row)?;
        let lower = Theirs {
            own: &own_row,
            disputed: first(tile),
            revealed: revealed(Some(row)),
        };
        let maker = StepMaker {
            trace: self.trace,
            program,
            subject: &game.opened().subject,
            weights: self.weights,
            weights_tree: self.weights_tree,
        };
        let step = maker.open((row, tile), claimed, &upper, &lower)?;
        Ok(Move::Accuse { step })
    }
}

/// The executor's tree as the challenger knows it: its own left of the disputed leaf, what was revealed on the way to it.
struct Theirs<'t> {
    own: &'t MerkleTree,
    /// The first leaf that differs; beyond all leaves if none does.
    disputed: u64,
    revealed: Vec<TreeNode>,
}

impl Nodes for Theirs<'_> {
    fn node(&self, span: Span) -> Option<Hash> {
        if let Some(node) = self.revealed.iter().find(|node| node.span == span) {
            return Some(node.hash);
        }
        if span.end <= self.disputed {
            return self.own.node(span);
        }
        let [left, right] = span.halves()?;
        let hash = proofmark_tlog::node_hash(&self.node(left)?, &self.node(right)?);
        Some(hash)
    }
}

/// Opens steps of a trace.
pub struct StepMaker<'m, B> {
    /// The trace that is right up to the step.
    pub trace: &'m Trace,
    /// The program.
    pub program: &'m Program,
    /// What the trace is of.
    pub subject: &'m Subject,
    /// The weights file.
    pub weights: &'m Weights<B>,
    /// The tree over it.
    pub weights_tree: &'m MerkleTree,
}

impl<B> core::fmt::Debug for StepMaker<'_, B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StepMaker").finish_non_exhaustive()
    }
}

impl<B: AsRef<[u8]>> StepMaker<'_, B> {
    /// Opens the step of a tile under trees in which only the disputed tile, `claimed`, and what is right of it may differ from the
    /// trace's: `upper` over the row roots, `lower` over the disputed row.
    ///
    /// # Errors
    /// [`RefereeError::Malformed`] for a tile that the trace does not have, or trees of which too little is known.
    pub fn open(
        &self,
        (row, tile): (u64, u64),
        claimed: &[u8],
        upper: &impl Nodes,
        lower: &impl Nodes,
    ) -> Result<StepOpening, RefereeError> {
        let (layout, program) = (self.trace.layout(), self.program);
        let known = Known {
            rows: self.trace.rows(),
            program,
            weights: self.weights,
        };
        let header = self.weights.header();
        let file = self.weights.bytes();
        let length = file.first_chunk::<PREFIX>().copied();
        let length = length.map_or(0, u64::from_le_bytes);
        let head = length.saturating_add(PREFIX as u64);
        let source = Recorder::new(&known, layout, program, header, head);
        let steps = Steps {
            program,
            layout,
            subject: self.subject,
            source: &source,
        };
        steps.elements(row, layout.tile_range(program, row, tile)?)?;
        let mut needed = source.needed();
        needed.tiles.entry(row).or_default().insert(tile);
        let unknown = || malformed("a tree of which enough is known");
        let mut rows = Vec::new();
        for (at, tiles) in &needed.tiles {
            let mut bytes = Vec::new();
            for number in tiles {
                if (*at, *number) == (row, tile) {
                    bytes.extend_from_slice(claimed);
                } else {
                    bytes.extend(self.trace.tile(program, *at, *number)?);
                }
            }
            let span = Span::whole(layout.tiles(program, *at)?);
            let tiles = listed(tiles);
            let proof = if *at == row {
                prove(lower, span, &tiles)
            } else {
                prove(&self.trace.row_tree(program, *at)?, span, &tiles)
            };
            rows.push(OpenedRow {
                row: *at,
                tiles,
                bytes,
                proof: proof.ok_or_else(unknown)?,
            });
        }
        let wanted: Vec<u64> = needed.tiles.keys().copied().collect();
        let leaves = listed(&needed.leaves);
        let mut leaf_bytes = Vec::new();
        for leaf in &leaves {
            let at = usize::try_from(*leaf).unwrap_or(usize::MAX);
            let bytes = file.chunks(WEIGHTS_LEAF_BYTES).nth(at);
            leaf_bytes.extend_from_slice(bytes.ok_or(unsound("a leaf of the weights"))?);
        }
        Ok(StepOpening {
            row,
            tile,
            rows,
            proof: prove(upper, Span::whole(layout.rows()), &wanted).ok_or_else(unknown)?,
            leaf_proof: prove(
                self.weights_tree,
                Span::whole(self.weights_tree.size()),
                &leaves,
            )
            .ok_or_else(unknown)?,
            leaves,
            leaf_bytes,
        })
    }
}

fn listed(set: &BTreeSet<u64>) -> Vec<u64> {
    set.iter().copied().collect()
}
