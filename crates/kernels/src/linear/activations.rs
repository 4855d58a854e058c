//! Activations as the kernels read them, packed once per matrix and shared by all outputs and threads.

use super::{PANEL, QUAD, Tile, scalar};
use crate::Isa;
use crate::aligned::Aligned;

/// A declared range of activations: the narrower, the fewer passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// [−128, 127].
    I8,
    /// [−32768, 32767].
    I16,
}

impl Span {
    /// The narrowest that holds [lo, hi]; none if `i16` does not hold it.
    #[must_use]
    pub fn of(lo: i32, hi: i32) -> Option<Self> {
        if lo >= i32::from(i8::MIN) && hi <= i32::from(i8::MAX) {
            Some(Self::I8)
        } else if lo >= i32::from(i16::MIN) && hi <= i32::from(i16::MAX) {
            Some(Self::I16)
        } else {
            None
        }
    }
}

/// How activations are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As they are: rows of `quads · 4`.
    Wide,
}

impl Form {
    const fn of(_isa: Isa) -> Self {
        Self::Wide
    }
}

/// A matrix of activations [rows, k] in the form that an instruction set's kernels read.
#[derive(Clone)]
pub struct PackedActivations {
    form: Form,
    span: Span,
    rows: usize,
    k: usize,
    wide: Aligned<i16>,
}

impl PackedActivations {
    /// An empty matrix; its memory is kept from one [`pack`](Self::pack) to the next.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            form: Form::Wide,
            span: Span::I16,
            rows: 0,
            k: 0,
            wide: Aligned::new(),
        }
    }

    /// Packs x [rows, k], row-major. That x is in the span is the caller's.
    ///
    /// # Panics
    /// If lengths and dimensions differ.
    pub fn pack(&mut self, isa: Isa, x: &[i16], rows: usize, k: usize, span: Span) {
        assert_eq!(Some(x.len()), rows.checked_mul(k), "x is [{rows}, {k}]");
        debug_assert!(span == Span::I16 || x.iter().all(|&x| i8::try_from(x).is_ok()));
        (self.form, self.span, self.rows, self.k) = (Form::of(isa), span, rows, k);
        let padded = k.next_multiple_of(QUAD);
        self.wide.resize(rows * padded);
        if k == 0 {
            return;
        }
        for (place, row) in self
            .wide
            .as_mut_slice()
            .chunks_exact_mut(padded)
            .zip(x.chunks_exact(k))
        {
            place[..k].copy_from_slice(row);
            place[k..].fill(0);
        }
    }

    /// Rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// k.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.k
    }

    /// Whether an instruction set's kernels read this form.
    pub(super) fn is_for(&self, isa: Isa) -> bool {
        self.form == Form::of(isa)
    }

    /// Rows that a kernel computes at a time.
    pub(super) const fn tile_rows(&self) -> usize {
        3
    }

    /// What to add to a sum for each unit of its weights' sum.
    pub(super) const fn correction(&self) -> i32 {
        0
    }

    /// `tile[r, c] = base[c] + Σ_j w[c, j] · x[first + r, j]` for `count` rows and `vectors` · 16 outputs of a panel.
    pub(super) fn multiply(
        &self,
        weights: &[i8],
        vectors: usize,
        base: &[i32; PANEL],
        first: usize,
        count: usize,
        tile: &mut Tile,
    ) {
        let padded = self.k.next_multiple_of(QUAD);
        let x = &self.wide.as_slice()[first * padded..][..count * padded];
        scalar::multiply(weights, vectors, base, x, count, tile);
    }
}

impl Default for PackedActivations {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for PackedActivations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackedActivations")
            .field("form", &self.form)
            .field("span", &self.span)
            .field("rows", &self.rows)
            .field("inputs", &self.k)
            .finish_non_exhaustive()
    }
}
