//! Attention in pieces (04 §3.3, 08 §2.2).
#![expect(
    clippy::arithmetic_side_effects,
    reason = "shapes have at most 2^28 elements, positions are below 2^20; sums are in i128"
)]

use alloc::vec::Vec;
use core::ops::Range;

use proofmark_program::{Operator, rdiv};

use super::pointwise::{by_rows, score, weight};
use super::{Operand, Source, Step};
use crate::RefereeError;
use crate::error::{malformed, unsound};
use crate::layout::{PIECE, first_position, heads, pieces};

impl<S: Source> Step<'_, S> {
    /// Positions of a piece.
    fn piece(&self, piece: u64) -> Range<u64> {
        let start = first_position(self.node, self.position) + piece * PIECE;
        start..(start + PIECE).min(self.position + 1)
    }

    /// An element of an earlier row, or earlier in this one, that belongs to this node.
    fn auxiliary(&self, row: Option<u64>, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        let row = row.ok_or(malformed("an attention without its rows"))?;
        let of = self.result();
        self.read(Operand { row, of }, range)
    }

    /// Scores of a head with the positions of a piece.
    fn scores(&self, head: u64, piece: u64) -> Result<Vec<i32>, RefereeError> {
        let Operator::Attention {
            multiplier, shift, ..
        } = self.node.operator
        else {
            return Err(malformed("an attention"));
        };
        let q = self.x(0)?;
        let d = q.width();
        let query = self.read(q, head * d..(head + 1) * d)?;
        let group = self.group(head)?;
        let mut scores = Vec::new();
        for position in self.piece(piece) {
            let k = self.x_at(1, position)?;
            let key = self.read(k, group * d..(group + 1) * d)?;
            let products = query
                .iter()
                .zip(&key)
                .map(|(q, k)| i128::from(*q) * i128::from(*k));
            scores.push(score(products.sum(), multiplier, shift)?);
        }
        Ok(scores)
    }

    /// The group of keys and values of a head.
    fn group(&self, head: u64) -> Result<u64, RefereeError> {
        let groups = self.x(1)?.length(0);
        heads(self.node)
            .checked_div(groups)
            .and_then(|per_group| head.checked_div(per_group))
            .ok_or(unsound("fewer heads than groups"))
    }

    /// Running maxima: element (head, piece).
    pub(super) fn maxima(&self, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        let pieces = pieces(self.node, self.position);
        let mut y: Vec<i64> = Vec::new();
        for index in range {
            let (head, piece) = (index / pieces, index % pieces);
            let scores = self.scores(head, piece)?;
            let own = scores.into_iter().max().map(i64::from);
            let before = match (piece, y.last()) {
                (0, _) => None,
                (_, Some(last)) => Some(*last),
                (_, None) => self
                    .auxiliary(Some(self.row), index - 1..index)?
                    .first()
                    .copied(),
            };
            y.push(
                own.max(before)
                    .ok_or(unsound("a piece without positions"))?,
            );
        }
        Ok(y)
    }

    /// Running sums: for (head, piece) Z and the sums o.
    pub(super) fn sums(&self, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        let pieces = pieces(self.node, self.position);
        let e = self.y().width();
        let mut y = Vec::new();
        // The sums before, if they were just made.
        let mut last_made: Option<(u64, Vec<i64>)> = None;
        for (at, columns) in by_rows(range, e + 1) {
            let (head, piece) = (at / pieces, at % pieces);
            let last = head * pieces + pieces - 1;
            // The maxima row stands right before this one.
            let max = self.auxiliary(self.row.checked_sub(1), last..last + 1)?;
            let max = max.first().copied().ok_or(unsound("no maximum"))?;
            let weights: Result<Vec<i128>, _> = self
                .scores(head, piece)?
                .into_iter()
                .map(|score| weight(max, score))
                .collect();
            let weights = weights?;
            let group = self.group(head)?;
            let mut sums = Vec::from([weights.iter().sum::<i128>()]);
            if columns.end > 1 {
                for (position, weight) in self.piece(piece).zip(&weights) {
                    let v = self.x_at(2, position)?;
                    let value = self.read(v, group * e..(group + 1) * e)?;
                    sums.resize(value.len() + 1, 0);
                    for (sum, v) in sums.iter_mut().skip(1).zip(value) {
                        *sum += weight * i128::from(v);
                    }
                }
            }
            let before = match (piece, last_made.take()) {
                (0, _) => Vec::new(),
                (_, Some((made, before))) if made + 1 == at => before,
                _ => self.auxiliary(Some(self.row), (at - 1) * (e + 1)..at * (e + 1))?,
            };
            let mut totals = Vec::new();
            for (i, sum) in sums.into_iter().enumerate() {
                let total = sum + before.get(i).copied().map_or(0, i128::from);
                totals.push(i64::try_from(total).map_err(|_| unsound("a sum leaves its type"))?);
            }
            let wanted = totals.iter().zip(0..).filter(|(_, i)| columns.contains(i));
            y.extend(wanted.map(|(total, _)| *total));
            if totals.len() as u64 == e + 1 {
                last_made = Some((at, totals));
            }
        }
        Ok(y)
    }

    /// Results from the last sums of each head.
    pub(super) fn attention(
        &self,
        output_shift: u8,
        range: Range<u64>,
    ) -> Result<Vec<i64>, RefereeError> {
        if output_shift > 16 {
            return Err(unsound("a shift of more than 16"));
        }
        let pieces = pieces(self.node, self.position);
        let e = self.y().width();
        let mut y = Vec::new();
        for (head, columns) in by_rows(range, e) {
            let last = (head * pieces + pieces - 1) * (e + 1);
            let sums = self.auxiliary(self.row.checked_sub(1), last..last + e + 1)?;
            let Some((z, o)) = sums.split_first() else {
                return Err(unsound("no sums"));
            };
            for (o, i) in o.iter().zip(0..) {
                if columns.contains(&i) {
                    y.push(self.clamped(rdiv(i128::from(*o) << output_shift, i128::from(*z))));
                }
            }
        }
        Ok(y)
    }
}
