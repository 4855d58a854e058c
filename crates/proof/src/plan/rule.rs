//! What a tensor of the plan is, in terms of others (specs/05-proof.md §8.2).

use alloc::vec::Vec;

use super::map::Map;
use super::shape::Shape;

/// Index of a tensor in [`super::Plan::tensors`].
pub type TensorId = usize;

/// A tensor of the plan: integers, or elements of F that are no integers for inverses.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// Axes.
    pub shape: Shape,
    /// Smallest value that an element has, if the constraints hold.
    pub lo: i64,
    /// Largest value that an element has, if the constraints hold.
    pub hi: i64,
    /// What it is.
    pub rule: Rule,
}

/// How a claim on a tensor becomes claims on others, or is checked.
#[derive(Debug, Clone)]
pub enum Rule {
    /// The verifier evaluates it.
    Public(Public),
    /// A column of the witness, by its index.
    Column(usize),
    /// A constant of the program, by its index.
    Constant(usize),
    /// A sum of other tensors, the same variables in another order.
    Linear(Vec<Term>),
    /// Products summed over other variables.
    Sum(Sum),
}

/// Tensors that the verifier evaluates itself.
#[derive(Debug, Clone)]
pub enum Public {
    /// The program's input of this index.
    Input(usize),
    /// The program's output of this index, as the statement has it.
    Output(usize),
    /// 0, 1, … along the only axis.
    Positions,
    /// These elements.
    Values(Vec<i32>),
    /// 1 at the indices of the last axis that are below the end of the row, 0 elsewhere.
    Below(Vec<u32>),
    /// 1 where all masks allow it and each map has an entry in the row, 0 elsewhere.
    Inside {
        /// Masks, of axes that no map has.
        masks: Vec<Mask>,
        /// Maps with at most one entry in a row, over different variables.
        maps: Vec<Map>,
    },
}

/// Indices [from, to) of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mask {
    /// Axis.
    pub axis: usize,
    /// First index.
    pub from: u32,
    /// One more than the last index.
    pub to: u32,
}

/// A summand of [`Rule::Linear`]: coefficient · masks · tensor.
#[derive(Debug, Clone)]
pub struct Term {
    /// An integer.
    pub coefficient: i64,
    /// A tensor and, for each of its variables, the variable of the result; the constant 1 if none.
    pub tensor: Option<(TensorId, Vec<usize>)>,
    /// Where the summand is not zero.
    pub masks: Vec<Mask>,
}

/// `y(p) = Σ_s Π_maps M(p, s) · Π_factors T(p, s)` over all s of the bound axes.
#[derive(Debug, Clone)]
pub struct Sum {
    /// The bound axes.
    pub bound: Shape,
    /// Sparse matrices that the verifier evaluates.
    pub maps: Vec<Map>,
    /// One or two tensors, with a variable for each of theirs.
    pub factors: Vec<Factor>,
}

/// A tensor within a sum.
#[derive(Debug, Clone)]
pub struct Factor {
    /// Which.
    pub tensor: TensorId,
    /// Its variables.
    pub variables: Vec<Variable>,
}

/// A variable of a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// A variable of the result, by its index.
    Free(usize),
    /// A variable that is summed over, by its index.
    Bound(usize),
}
