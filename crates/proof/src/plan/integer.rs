//! Integers as sums of products of tensors, and the constraints that say that one is zero (specs/05-proof.md §8.5).

use alloc::vec;
use alloc::vec::Vec;

use super::Unsupported;
use super::build::{Builder, Operand};
use super::check::{Check, Monomial, Wire};
use super::identity::{Interval, Summand, levels};
use super::number::{Number, NumberLayout};
use super::recipe::Recipe;
use super::rule::TensorId;
use super::shape::Shape;

/// 2^place · coefficient · Π factors, at most two of them.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) place: u32,
    pub(super) coefficient: i64,
    pub(super) factors: Vec<Operand>,
}

impl Item {
    /// coefficient · a · b.
    pub(super) fn product(coefficient: i64, a: Operand, b: Operand) -> Self {
        Self {
            place: 0,
            coefficient,
            factors: vec![a, b],
        }
    }

    /// Of the product of the factors.
    fn factors_interval(&self) -> Interval {
        self.factors
            .iter()
            .fold(Interval::of(1), |product, x| product.times(x.interval))
    }

    fn weight(&self) -> i128 {
        1_i128
            .checked_shl(self.place)
            .unwrap_or(i128::MAX)
            .saturating_mul(self.coefficient.into())
    }
}

/// Σ items + constant, in every cell of a domain.
#[derive(Debug, Clone, Default)]
pub(super) struct Integer {
    pub(super) items: Vec<Item>,
    pub(super) constant: i128,
}

impl Integer {
    /// The same number in every cell.
    pub(super) const fn constant(constant: i128) -> Self {
        Self {
            items: Vec::new(),
            constant,
        }
    }

    /// One tensor.
    pub(super) fn whole(operand: Operand) -> Self {
        Self::from(Item {
            place: 0,
            coefficient: 1,
            factors: vec![operand],
        })
    }

    /// Σ 2^place·digit − offset, with the variables of the digits as those of the domain.
    pub(super) fn number(builder: &Builder, number: &Number, variables: &[usize]) -> Self {
        let items = number.digits.iter().map(|&(tensor, place)| Item {
            place,
            coefficient: 1,
            factors: vec![builder.operand_at(tensor, variables.to_vec())],
        });
        Self {
            items: items.collect(),
            constant: i128::from(number.layout.offset).saturating_neg(),
        }
    }

    /// What [`Builder::digits`] would give for an operand: digits with the operand's wire in their place.
    pub(super) fn digits_of_layout(layout: &NumberLayout, operand: &Operand) -> Self {
        let items = layout.digits.iter().map(|&(place, width)| Item {
            place,
            coefficient: 1,
            factors: vec![Operand {
                wire: operand.wire.clone(),
                interval: Interval {
                    lo: 0,
                    hi: (1_i128 << width).saturating_sub(1),
                },
            }],
        });
        Self {
            items: items.collect(),
            constant: i128::from(layout.offset).saturating_neg(),
        }
    }

    pub(super) fn plus(mut self, other: Self) -> Self {
        self.items.extend(other.items);
        self.constant = self.constant.saturating_add(other.constant);
        self
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(other.scaled(-1))
    }

    pub(super) fn scaled(mut self, factor: i64) -> Self {
        for item in &mut self.items {
            item.coefficient = item.coefficient.saturating_mul(factor);
        }
        self.constant = self.constant.saturating_mul(factor.into());
        self
    }

    /// Times 2^places.
    pub(super) fn shifted(mut self, places: u32) -> Self {
        for item in &mut self.items {
            item.place = item.place.saturating_add(places);
        }
        let power = 1_i128.checked_shl(places).unwrap_or(i128::MAX);
        self.constant = self.constant.saturating_mul(power);
        self
    }

    /// The product of two integers without products.
    pub(super) fn times(&self, other: &Self) -> Self {
        let with_constant = |x: &Self| [x.items.clone(), pieces(x.constant)].concat();
        let mut product = Self::default();
        for a in with_constant(self) {
            for b in with_constant(other) {
                let factors = [a.factors.as_slice(), b.factors.as_slice()].concat();
                let item = Item {
                    place: a.place.saturating_add(b.place),
                    coefficient: a.coefficient.saturating_mul(b.coefficient),
                    factors,
                };
                if item.factors.is_empty() {
                    product.constant = product.constant.saturating_add(item.weight());
                } else {
                    product.items.push(item);
                }
            }
        }
        product
    }

    pub(super) fn interval(&self) -> Interval {
        self.items
            .iter()
            .fold(Interval::of(self.constant), |sum, item| {
                sum.plus(item.factors_interval().scaled(item.weight()))
            })
    }

    /// Weights and wires of the items, for a prover.
    pub(super) fn products(&self) -> Vec<(i128, Vec<Wire>)> {
        let wires = |item: &Item| item.factors.iter().map(|x| x.wire.clone()).collect();
        self.items
            .iter()
            .map(|item| (item.weight(), wires(item)))
            .collect()
    }
}

/// Bits of the pieces that a constant factor is cut into.
const PIECE_BITS: u32 = 13;

/// A constant as items without factors, none for zero and one for a power of two.
fn pieces(constant: i128) -> Vec<Item> {
    let sign: i64 = if constant < 0 { -1 } else { 1 };
    let mut rest = constant.unsigned_abs();
    let mut place = 0_u32;
    let mut items = Vec::new();
    while rest > 0 {
        let zeros = rest.trailing_zeros();
        rest = rest.wrapping_shr(zeros);
        place = place.saturating_add(zeros);
        let piece = rest & ((1 << PIECE_BITS) - 1);
        items.push(Item {
            place,
            coefficient: i64::try_from(piece).unwrap_or(0).saturating_mul(sign),
            factors: Vec::new(),
        });
        rest = rest.wrapping_shr(PIECE_BITS);
        place = place.saturating_add(PIECE_BITS);
    }
    items
}

impl From<Item> for Integer {
    fn from(item: Item) -> Self {
        Self {
            items: vec![item],
            constant: 0,
        }
    }
}

/// Constraints over the cells of a domain, in the making.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) shape: Shape,
    wires: Vec<Wire>,
    pub(super) constraints: Vec<Vec<Monomial>>,
}

impl Cells {
    pub(super) fn new(shape: &Shape) -> Self {
        Self {
            shape: shape.clone(),
            wires: Vec::new(),
            constraints: Vec::new(),
        }
    }

    /// The number of a wire.
    pub(super) fn at(&mut self, wire: &Wire) -> usize {
        if let Some(at) = self.wires.iter().position(|other| other == wire) {
            return at;
        }
        self.wires.push(wire.clone());
        self.wires.len().saturating_sub(1)
    }

    /// The number of the wire of a tensor of this domain.
    pub(super) fn own(&mut self, tensor: TensorId) -> usize {
        let variables = (0..self.shape.variables()).collect();
        self.at(&Wire { tensor, variables })
    }

    /// x² = x.
    pub(super) fn bit(&mut self, tensor: TensorId) {
        let w = self.own(tensor);
        self.constraints
            .push(vec![Monomial::product(1, w, w), Monomial::linear(-1, w)]);
    }
}

impl Builder {
    /// The constraints are part of the plan.
    pub(super) fn cells(&mut self, cells: Cells) {
        self.check(Check {
            shape: cells.shape,
            wires: cells.wires,
            constraints: cells.constraints,
        });
    }

    /// A tensor of a domain, as an integer.
    pub(super) fn integer(&self, tensor: TensorId) -> Integer {
        Integer::whole(self.operand(tensor))
    }

    /// A number of a domain, as an integer.
    pub(super) fn own_number(&self, number: &Number, domain: &Shape) -> Integer {
        let all: Vec<usize> = (0..domain.variables()).collect();
        Integer::number(self, number, &all)
    }

    /// Whether an integer can be required to be zero.
    pub(super) fn provable(&self, integer: &Integer) -> bool {
        let wires = |_: &Wire| 0;
        levels(&summands(integer, wires), integer.constant, |carry| {
            self.carry_interval(carry)
        })
        .is_some()
    }

    fn carry_interval(&self, carry: Interval) -> Interval {
        NumberLayout::of(carry, self.digit_bits()).map_or(carry, |layout| layout.interval())
    }

    /// Requires an integer to be zero, with columns for the carries.
    pub(super) fn zero(&mut self, cells: &mut Cells, integer: &Integer) -> Result<(), Unsupported> {
        let summands = summands(integer, |wire| cells.at(wire));
        let found = levels(&summands, integer.constant, |carry| {
            self.carry_interval(carry)
        })
        .ok_or(Unsupported::new(
            "an identity that is too wide for its constraints",
        ))?;
        let mut incoming: Vec<Monomial> = Vec::new();
        for level in found {
            let mut monomials = level.monomials;
            monomials.append(&mut incoming);
            let mut constraint = monomials.clone();
            constraint.push(Monomial::constant(level.constant));
            if let Some((bits, interval)) = level.carry {
                let layout = self.layout(interval)?;
                let number = self.number(&cells.shape, layout);
                self.recipe(Recipe::Carry {
                    shape: cells.shape.clone(),
                    wires: cells.wires.clone(),
                    monomials,
                    constant: level.constant,
                    bits,
                    number: number.clone(),
                });
                for &(tensor, place) in &number.digits {
                    let wire = cells.own(tensor);
                    let value = 1_i64 << place.min(62);
                    constraint.push(Monomial::linear(
                        value.saturating_mul(1_i64 << bits).saturating_neg(),
                        wire,
                    ));
                    incoming.push(Monomial::linear(value, wire));
                }
                let offset = number.layout.offset;
                constraint.push(Monomial::constant(offset.saturating_mul(1_i64 << bits)));
                incoming.push(Monomial::constant(offset.saturating_neg()));
            }
            cells.constraints.push(constraint);
        }
        Ok(())
    }

    /// A number of this layout that is this integer: that there is one is a constraint.
    pub(super) fn derive(
        &mut self,
        cells: &mut Cells,
        integer: &Integer,
        layout: NumberLayout,
    ) -> Result<Number, Unsupported> {
        let number = self.number(&cells.shape, layout);
        self.recipe(Recipe::Integer {
            shape: cells.shape.clone(),
            products: integer.products(),
            constant: integer.constant,
            number: number.clone(),
        });
        let stands_for = self.own_number(&number, &cells.shape);
        self.zero(cells, &integer.clone().minus(stands_for))?;
        Ok(number)
    }

    /// An operand as its digits of at most this width, which are made and constrained once.
    pub(super) fn digits(
        &mut self,
        cells: &mut Cells,
        operand: &Operand,
        width: u32,
    ) -> Result<Integer, Unsupported> {
        let tensor = operand.wire.tensor;
        let variables = &operand.wire.variables;
        let known = self
            .splits
            .iter()
            .find(|split| (split.tensor, split.width) == (tensor, width));
        if let Some(split) = known {
            return Ok(Integer::number(self, &split.number, variables));
        }
        let layout = split_layout(operand.interval, width)?;
        let own = self.shape(tensor);
        let number = self.number(&own, layout);
        self.recipe(Recipe::Digits {
            source: tensor,
            number: number.clone(),
        });
        let digits = Integer::number(self, &number, variables);
        // The element of F has one integer that these digits can stand for.
        let whole = cells.at(&operand.wire);
        let mut sum = vec![
            Monomial::linear(-1, whole),
            Monomial::constant(number.layout.offset.saturating_neg()),
        ];
        for item in &digits.items {
            if let [digit] = item.factors.as_slice() {
                let wire = cells.at(&digit.wire);
                sum.push(Monomial::linear(1_i64 << item.place.min(62), wire));
            }
        }
        cells.constraints.push(sum);
        self.splits.push(Split {
            tensor,
            width,
            number,
        });
        Ok(digits)
    }
}

/// Digits that a tensor was cut into.
#[derive(Debug, Clone)]
pub(super) struct Split {
    tensor: TensorId,
    width: u32,
    number: Number,
}

/// Digits of a tensor: the field element must have one integer only that they can stand for.
pub(super) fn split_layout(interval: Interval, width: u32) -> Result<NumberLayout, Unsupported> {
    let fits = |layout: &NumberLayout| {
        let digits = layout.interval();
        let p = i128::from(crate::field::P);
        interval.lo.saturating_add(p) > digits.hi && interval.hi.saturating_sub(p) < digits.lo
    };
    NumberLayout::of(interval, width)
        .filter(fits)
        .or_else(|| NumberLayout::tight(interval, width).filter(fits))
        .ok_or(Unsupported::new("a declared range wider than the field"))
}

fn summands(integer: &Integer, mut wire: impl FnMut(&Wire) -> usize) -> Vec<Summand> {
    integer
        .items
        .iter()
        .filter(|item| item.coefficient != 0)
        .map(|item| {
            let mut factors = item.factors.iter().map(|factor| wire(&factor.wire));
            Summand {
                exponent: item.place,
                coefficient: item.coefficient,
                wires: [factors.next(), factors.next()],
                interval: item.factors_interval(),
            }
        })
        .collect()
}
