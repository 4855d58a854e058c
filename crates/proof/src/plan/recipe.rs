//! How a prover computes columns from the tensors before them. Nothing of this is trusted: the constraints decide.

use alloc::vec::Vec;

use super::check::{Monomial, Wire};
use super::number::Number;
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
    /// A number that is Σ weight·Π wires + constant.
    Integer {
        /// Domain.
        shape: Shape,
        /// Weights and wires.
        products: Vec<(i128, Vec<Wire>)>,
        /// The constant.
        constant: i128,
        /// The number.
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
    /// Bits: 1 where the last index is that of the cell.
    OneHot {
        /// Indices, over the cells.
        index: TensorId,
        /// Which cells have one.
        real: TensorId,
        /// Length of the last axis.
        length: u32,
        /// The bits, over cells and last axis.
        hot: TensorId,
    },
    /// Bits: 1 at the first of the largest elements of each row.
    Best {
        /// Rows.
        shape: Shape,
        /// Elements.
        values: TensorId,
        /// The bits.
        chosen: TensorId,
    },
    /// Integers as keys and what they leave.
    Key(alloc::boxed::Box<Key>),
    /// Draws from weights.
    Draw(alloc::boxed::Box<Draw>),
    /// Quotients and remainders of a division.
    Divide(alloc::boxed::Box<Divide>),
    /// Inverses where a result is odd.
    Inverse(alloc::boxed::Box<Inverse>),
    /// Means of rows.
    Mean(alloc::boxed::Box<Mean>),
    /// Norms of rows.
    Norm(alloc::boxed::Box<Norm>),
    /// Maxima, and distances to them.
    Distances(alloc::boxed::Box<Distances>),
}

/// A value Σ weight·Π wires + constant, rounded by 2^shift and clamped.
#[derive(Debug, Clone)]
pub struct Round {
    /// Domain.
    pub shape: Shape,
    /// Weights and wires.
    pub products: Vec<(i128, Vec<Wire>)>,
    /// The constant.
    pub constant: i128,
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

/// An integer as unit·key + low, or, from unit·far on, as unit·far + low + rest.
#[derive(Debug, Clone)]
pub struct Key {
    /// Domain.
    pub shape: Shape,
    /// Weights and wires of the integer, and its constant.
    pub integer: (Vec<(i128, Vec<Wire>)>, i128),
    /// What a key counts.
    pub unit: i64,
    /// Largest key.
    pub far: i64,
    /// The key.
    pub key: TensorId,
    /// Less than a unit.
    pub low: Number,
    /// What a far key leaves.
    pub rest: Number,
}

/// ⌊draw·total / 2^64⌋ of each row.
#[derive(Debug, Clone)]
pub struct Draw {
    /// Rows.
    pub shape: Shape,
    /// Weights and wires of the total, and its constant.
    pub total: (Vec<(i128, Vec<Wire>)>, i128),
    /// The draws.
    pub draws: Vec<u64>,
    /// The total.
    pub z: Number,
    /// The result.
    pub scaled: Number,
    /// What is left of draw·total, its low 32 bits first.
    pub remainder: [Number; 2],
}

/// `rdiv(N, Z)`.
#[derive(Debug, Clone)]
pub struct Divide {
    /// Domain.
    pub shape: Shape,
    /// Weights and wires of N, and its constant.
    pub dividend: (Vec<(i128, Vec<Wire>)>, i128),
    /// Likewise Z.
    pub divisor: (Vec<(i128, Vec<Wire>)>, i128),
    /// The quotient is lo + bit + 2·high.
    pub lo: i64,
    /// Its lowest bit, counted from lo.
    pub bit: TensorId,
    /// A tie that was rounded down.
    pub tie: TensorId,
    /// What is left of quotient − lo.
    pub high: Number,
    /// 2N + Z − 2Z·(quotient + tie).
    pub remainder: Number,
}

/// The inverse of the sum of a number's digits where lo + bit is odd, 0 elsewhere.
#[derive(Debug, Clone)]
pub struct Inverse {
    /// Domain.
    pub shape: Shape,
    /// The bit.
    pub bit: TensorId,
    /// Whether lo is odd.
    pub lo_odd: bool,
    /// The number.
    pub number: Number,
    /// The inverse.
    pub inverse: TensorId,
}

/// The rounded mean of each row, as lo + bit + 2·high.
#[derive(Debug, Clone)]
pub struct Mean {
    /// Domain of x; the last axis is the row.
    pub shape: Shape,
    /// Elements.
    pub x: TensorId,
    /// Smallest mean.
    pub lo: i64,
    /// Its lowest bit, counted from lo.
    pub bit: TensorId,
    /// The rest.
    pub high: Number,
}

/// S = eps + Σ z² of each row, e, and r, the largest integer with r²·S ≤ 2^(2e + 60).
#[derive(Debug, Clone)]
pub struct Norm {
    /// Domain of z; the last axis is the row.
    pub shape: Shape,
    /// Elements.
    pub z: TensorId,
    /// Added to the squares.
    pub eps: u64,
    /// S.
    pub sum: Number,
    /// Smallest e.
    pub first_exponent: u32,
    /// Bits, one for each e.
    pub exponents: Vec<TensorId>,
    /// ⌊2^(2e + 60) / S⌋.
    pub quotient: Number,
    /// What the quotient leaves.
    pub remainder: Number,
    /// r − 2^29.
    pub root: Number,
}

/// Exponential weights of distances to a maximum (04 §1.4).
#[derive(Debug, Clone)]
pub struct Distances {
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
    /// A place that has it, over the domain.
    pub chosen: TensorId,
    /// The distance, at most `far`; `far` where candidates do not count.
    pub key: TensorId,
    /// From here on weights are zero.
    pub far: i32,
    /// What is left of the distance, if there can be more.
    pub rest: Option<Number>,
}
