//! How a prover computes columns from the tensors before them. Nothing of this is trusted: the constraints decide.

use alloc::vec::Vec;

use super::build::Number;
use super::check::{Monomial, Wire};
use super::rule::TensorId;
use super::shape::Shape;

/// A recipe, once all tensors below `after` that are no columns of its own are known.
#[derive(Debug, Clone)]
pub struct Scheduled {
    /// Number of tensors that stand before.
    pub after: usize,
    /// What to do.
    pub recipe: Recipe,
}

/// What fills columns.
#[derive(Debug, Clone)]
pub enum Recipe {
    /// Digits of a tensor.
    Digits {
        /// Over the number's own domain.
        source: TensorId,
        /// The digits.
        number: Number,
    },
    /// Quotients, remainders and flags of a rounded, clamped value.
    Round(alloc::boxed::Box<Round>),
    /// A carry between levels: ⌊(Σ monomials + constant) / 2^bits⌋, exact.
    Carry {
        /// Domain.
        shape: Shape,
        /// Wires of the level.
        wires: Vec<Wire>,
        /// Its monomials.
        monomials: Vec<Monomial>,
        /// Its constant.
        constant: i64,
        /// Its width.
        bits: u32,
        /// The carry.
        number: Number,
    },
    /// `table[key]`, zero beyond the table.
    Table {
        /// Keys, from 0.
        key: TensorId,
        /// A tensor of the table's rows.
        rows: TensorId,
        /// The column.
        result: TensorId,
    },
    /// Which place has the maximum.
    Select(alloc::boxed::Box<Select>),
    /// The ways through trees.
    Walk(alloc::boxed::Box<Walk>),
}

/// A value Σ sign·a·b, rounded by 2^shift and clamped.
#[derive(Debug, Clone)]
pub struct Round {
    /// Domain.
    pub shape: Shape,
    /// Sign and up to two factors.
    pub products: Vec<(i64, Wire, Option<Wire>)>,
    /// s.
    pub shift: u32,
    /// Smallest result.
    pub lo: i64,
    /// Largest result.
    pub hi: i64,
    /// ρ: the remainder.
    pub remainder: Number,
    /// The result's lowest bit counted from lo, when there is a remainder.
    pub bit: Option<TensorId>,
    /// What is left of result − lo.
    pub high: Number,
    /// hi − result, when the digits of the result allow more.
    pub room: Option<Number>,
    /// A tie that was rounded down.
    pub tie: Option<TensorId>,
    /// Clamped to hi.
    pub over: Option<TensorId>,
    /// Clamped to lo.
    pub under: Option<TensorId>,
    /// By how much, less one.
    pub excess: Option<Number>,
    /// Inverse of the sum of the remainder's digits where the result is odd and not clamped.
    pub inverse: Option<TensorId>,
}

/// The maximum over the leading axes of a domain.
#[derive(Debug, Clone)]
pub struct Select {
    /// The domain: leading variables choose, the others are cells.
    pub shape: Shape,
    /// How many variables choose.
    pub choices: usize,
    /// Candidates, over the domain.
    pub candidates: TensorId,
    /// Which of them count.
    pub valid: TensorId,
    /// The maximum, over the cells.
    pub maximum: TensorId,
    /// Where it is first, over the domain.
    pub chosen: TensorId,
    /// The distance to it, over the domain; 0 where candidates do not count.
    pub distance: Number,
    /// Whether candidates before the chosen one are one further away than they need to be.
    pub strict: bool,
}

/// Ways from roots to leaves.
#[derive(Debug, Clone)]
pub struct Walk {
    /// The domain: trees, places.
    pub shape: Shape,
    /// The first node of each tree.
    pub roots: TensorId,
    /// The feature of each node; −1 in a leaf.
    pub feature: TensorId,
    /// What each node compares with.
    pub threshold: TensorId,
    /// Where each node leads if the feature's value is smaller.
    pub left: TensorId,
    /// Where it leads otherwise.
    pub right: TensorId,
    /// The features' values.
    pub x: TensorId,
    /// The node at each place.
    pub node: TensorId,
    /// Whether the walk goes on to the left.
    pub goes_left: TensorId,
    /// Whether it goes on to the right.
    pub goes_right: TensorId,
    /// threshold − 1 − value to the left, value − threshold to the right; 0 in leaves.
    pub distance: Number,
    /// Inverse of feature + 1 where the walk goes on.
    pub inverse: TensorId,
}
