//! The dispute as a state machine: moves in, a verdict out (specs/08-referee.md §5). Every party and every later reader runs the same.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use proofmark_receipt::{PublicKey, SignedReceipt, SigningKey};
use proofmark_tlog::{Hash, leaf_hash};

use crate::claim::{OpenedSubject, SubjectOpening};
use crate::error::malformed;
use crate::fraud::{FraudProof, check_statement};
use crate::layout::Layout;
use crate::moves::{Move, Received, Seat, digest, sign};
use crate::statement::SignedTrace;
use crate::tree::{Span, fold_frontier};
use crate::{RefereeError, StepOpening};

/// Levels of a tree that one move reveals.
pub const DEPTH: u32 = 6;

/// A side of a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whoever signed the receipt.
    Executor,
    /// Whoever says that it is wrong.
    Challenger,
}

/// How a dispute ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Who lost.
    pub loser: Role,
    /// Code of specs/08-referee.md §7; `receipt.fraud` if fraud was shown.
    pub code: &'static str,
    /// One sentence.
    pub why: String,
    /// The proof that the receipt is wrong, if there is one.
    pub proof: Option<FraudProof>,
}

/// A node of the executor's trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeNode {
    /// The row in whose tree it is; none for the upper tree.
    pub row: Option<u64>,
    /// Its leaves.
    pub span: Span,
    /// Its hash.
    pub hash: Hash,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The executor commits.
    Commit,
    /// The challenger chooses a node, accuses or concedes.
    Choice,
    /// The executor opens this node.
    Opening(TreeNode),
    /// The challenger accuses or concedes: the tile was shown.
    Accusation,
    /// Nothing.
    Over(Box<Verdict>),
}

/// A dispute.
#[derive(Debug, Clone)]
pub struct Game {
    receipt: SignedReceipt,
    executor: PublicKey,
    challenger: PublicKey,
    subject: SubjectOpening,
    opened: OpenedSubject,
    /// None if the ids are impossible.
    layout: Option<Layout>,
    trace: Option<SignedTrace>,
    /// Nodes of the executor's trees, as they were revealed.
    revealed: Vec<TreeNode>,
    frontier: Vec<TreeNode>,
    shown: Option<(TreeNode, Vec<u8>)>,
    seat: Seat,
    bytes: u64,
    wanted: Wanted,
}

impl Game {
    /// Opens a dispute about `receipt` with a signed challenge. `executor` is the receipt's public key.
    ///
    /// # Errors
    /// Whatever is wrong with the challenge: then no dispute begins.
    pub fn open(
        receipt: SignedReceipt,
        executor: PublicKey,
        challenge: &[u8],
    ) -> Result<Self, RefereeError> {
        if executor.kid() != receipt.kid() {
            return Err(malformed("the receipt's public key"));
        }
        let signature = receipt.verify_signature(&executor);
        signature.map_err(|_| malformed("a receipt signed by its key"))?;
        let received = Received::decode(challenge)?;
        let Move::Challenge { key, subject } = received.body()? else {
            return Err(malformed("a challenge"));
        };
        received.check(&Seat::FIRST, &key)?;
        let opened = subject.open(receipt.claims())?;
        let id = digest(challenge);
        let mut game = Self {
            receipt,
            executor,
            challenger: key,
            layout: None,
            trace: None,
            revealed: Vec::new(),
            frontier: Vec::new(),
            shown: None,
            seat: Seat {
                dispute: id,
                number: 1,
                previous: id,
            },
            bytes: challenge.len() as u64,
            wanted: Wanted::Commit,
            subject,
            opened,
        };
        if game.opened.impossible {
            game.accuse(None);
        } else {
            let positions = game.opened.subject.positions();
            game.layout = Some(Layout::new(&game.opened.program, positions)?);
        }
        Ok(game)
    }

    /// Signs a challenge.
    pub fn challenge(subject: SubjectOpening, key: &SigningKey) -> Vec<u8> {
        let challenge = Move::Challenge {
            key: key.public(),
            subject,
        };
        sign(&Seat::FIRST, &challenge, key)
    }

    /// The dispute's id.
    pub fn id(&self) -> &[u8; 32] {
        &self.seat.dispute
    }

    /// The receipt that it is about.
    pub fn receipt(&self) -> &SignedReceipt {
        &self.receipt
    }

    /// What it is about, opened.
    pub fn opened(&self) -> &OpenedSubject {
        &self.opened
    }

    /// The trace's rows; none if the ids are impossible.
    pub fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// What is to be done next.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Whose turn it is; none when it is over.
    pub fn turn(&self) -> Option<Role> {
        match self.wanted {
            Wanted::Commit | Wanted::Opening(_) => Some(Role::Executor),
            Wanted::Choice | Wanted::Accusation => Some(Role::Challenger),
            Wanted::Over(_) => None,
        }
    }

    /// How it ended, if it did.
    pub fn verdict(&self) -> Option<&Verdict> {
        match &self.wanted {
            Wanted::Over(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// Moves so far.
    pub fn moves(&self) -> u64 {
        self.seat.number
    }

    /// Bytes of all moves so far: what the referee was shown.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The last frontier.
    pub fn frontier(&self) -> &[TreeNode] {
        &self.frontier
    }

    /// Nodes of the executor's trees that were revealed.
    pub fn revealed(&self) -> &[TreeNode] {
        &self.revealed
    }

    /// The tile that was shown, and its node.
    pub fn shown(&self) -> Option<(&TreeNode, &[u8])> {
        self.shown
            .as_ref()
            .map(|(node, tile)| (node, tile.as_slice()))
    }

    /// Signs a move for this place.
    pub fn sign(&self, body: &Move, key: &SigningKey) -> Vec<u8> {
        sign(&self.seat, body, key)
    }

    /// Takes the next move.
    ///
    /// # Errors
    /// [`RefereeError::Ignored`] and others for bytes that the party whose turn it is did not sign for this place: nothing has changed.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<(), RefereeError> {
        let role = self.turn().ok_or(RefereeError::Ignored {
            what: "the dispute is over",
        })?;
        let received = Received::decode(bytes)?;
        let key = match role {
            Role::Executor => &self.executor,
            Role::Challenger => &self.challenger,
        };
        received.check(&self.seat, key)?;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.seat.number = self.seat.number.saturating_add(1);
        self.seat.previous = digest(bytes);
        if let Err(error) = received.body().and_then(|body| self.apply(body)) {
            self.end(role, error.code(), error.to_string(), None);
        }
        Ok(())
    }

    /// Takes the referee's word that the party whose turn it is was too late.
    ///
    /// # Errors
    /// As [`Game::accept`].
    pub fn expire(&mut self, bytes: &[u8], referee: &PublicKey) -> Result<(), RefereeError> {
        let role = self.turn().ok_or(RefereeError::Ignored {
            what: "the dispute is over",
        })?;
        let received = Received::decode(bytes)?;
        received.check(&self.seat, referee)?;
        if received.body()? != Move::Expire {
            return Err(malformed("an expiry"));
        }
        let why = "no move before the referee's deadline".to_string();
        self.end(role, "referee.deadline", why, None);
        Ok(())
    }

    fn end(&mut self, loser: Role, code: &'static str, why: String, proof: Option<FraudProof>) {
        self.wanted = Wanted::Over(Box::new(Verdict {
            loser,
            code,
            why,
            proof,
        }));
    }

    fn apply(&mut self, body: Move) -> Result<(), RefereeError> {
        match (self.wanted.clone(), body) {
            (Wanted::Commit, Move::Commit { trace, frontier }) => self.commit(trace, &frontier),
            (Wanted::Opening(node), Move::Reveal { row_root, frontier }) => {
                self.reveal(node, row_root, &frontier)
            }
            (Wanted::Opening(node), Move::Show { tile }) => self.show(node, tile),
            (Wanted::Choice, Move::Descend { index }) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                let node = self.frontier.get(index).copied();
                self.wanted = Wanted::Opening(node.ok_or(RefereeError::Move {
                    what: "an index beyond the frontier",
                })?);
                Ok(())
            }
            (Wanted::Choice | Wanted::Accusation, Move::Accuse { step }) => {
                self.accuse(Some(step));
                Ok(())
            }
            (Wanted::Choice | Wanted::Accusation, Move::Concede) => {
                let why = "the challenger found nothing wrong".to_string();
                self.end(Role::Challenger, "referee.conceded", why, None);
                Ok(())
            }
            _ => Err(RefereeError::Move {
                what: "not what is to be done next",
            }),
        }
    }

    fn commit(&mut self, trace: SignedTrace, frontier: &[Hash]) -> Result<(), RefereeError> {
        let choice = self.subject.choice;
        let root = check_statement(&trace, &self.receipt, &self.executor, choice, &self.opened)?;
        let rows = self.layout.as_ref().map_or(0, Layout::rows);
        self.trace = Some(trace);
        self.below(None, Span::whole(rows), root, frontier)
    }

    /// Takes the frontier below a node.
    fn below(
        &mut self,
        row: Option<u64>,
        span: Span,
        hash: Hash,
        frontier: &[Hash],
    ) -> Result<(), RefereeError> {
        if fold_frontier(span, DEPTH, frontier) != Some(hash) {
            return Err(RefereeError::Move {
                what: "a frontier that is not below its node",
            });
        }
        let nodes = span.frontier(DEPTH).into_iter().zip(frontier);
        self.frontier = nodes
            .map(|(span, hash)| TreeNode {
                row,
                span,
                hash: *hash,
            })
            .collect();
        self.revealed.push(TreeNode { row, span, hash });
        self.revealed.extend_from_slice(&self.frontier);
        self.wanted = Wanted::Choice;
        Ok(())
    }

    fn reveal(
        &mut self,
        node: TreeNode,
        row_root: Option<Hash>,
        frontier: &[Hash],
    ) -> Result<(), RefereeError> {
        let leaf = node.span.len() == 1;
        match (node.row, leaf, row_root) {
            (None, true, Some(root)) if leaf_hash(root.as_bytes()) == node.hash => {
                let row = node.span.start;
                let layout = self.layout.as_ref().ok_or(malformed("a trace"))?;
                let tiles = layout.tiles(&self.opened.program, row)?;
                self.below(Some(row), Span::whole(tiles), root, frontier)
            }
            (_, false, None) => self.below(node.row, node.span, node.hash, frontier),
            _ => Err(RefereeError::Move {
                what: "a reveal that does not open its node",
            }),
        }
    }

    fn show(&mut self, node: TreeNode, tile: Vec<u8>) -> Result<(), RefereeError> {
        let layout = self.layout.as_ref().ok_or(malformed("a trace"))?;
        let (Some(row), 1) = (node.row, node.span.len()) else {
            return Err(RefereeError::Move {
                what: "a tile that is not a leaf",
            });
        };
        let range = layout.tile_range(&self.opened.program, row, node.span.start)?;
        let elements = range.end.saturating_sub(range.start);
        let length = elements.saturating_mul(layout.element_bytes(row) as u64);
        if leaf_hash(&tile) != node.hash || tile.len() as u64 != length {
            return Err(RefereeError::Move {
                what: "a tile that does not open its node",
            });
        }
        self.shown = Some((node, tile));
        self.wanted = Wanted::Accusation;
        Ok(())
    }

    /// The end, with or without fraud.
    fn accuse(&mut self, step: Option<StepOpening>) {
        let proof = FraudProof {
            subject: self.subject.clone(),
            step: self.trace.clone().zip(step),
        };
        match proof.judge(&self.receipt, &self.executor) {
            Ok(fraud) => {
                let why = fraud.to_string();
                self.end(Role::Executor, "receipt.fraud", why, Some(proof));
            }
            Err(error) => self.end(Role::Challenger, error.code(), error.to_string(), None),
        }
    }
}
