//! Ids that are drawn: the inverse of the cumulative weights at a public draw (specs/05-proof.md §9.5).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use proofmark_program::{SAMPLING_WEIGHTS, draw};

use super::super::build::{Builder, Shared};
use super::super::check::Monomial;
use super::super::division::Division;
use super::super::identity::Interval;
use super::super::integer::{Cells, Integer, Item};
use super::super::number::Number;
use super::super::recipe::{Draw, Key, Recipe};
use super::super::rule::{Factor, Public, Rule, Sum, TensorId, Variable};
use super::super::shape::Shape;
use super::super::{ColumnKind, Lookup, Map, Unsupported};
use super::moves::stride;
use super::sampler::Rows;
use super::{Lower, refuse};
use crate::generation::Generation;

/// Units of a factor of two that a key counts, in units of 2^−16.
const KEY_UNIT: i64 = 16;
/// Keys to a factor of two.
const KEYS: usize = 4096;
/// Factors of two from which on a weight is zero.
const VANISHED: usize = 41;
/// The first key of weight zero.
const FAR: i64 = 167_936;
/// Bits of the largest weight, 2^40.
const WEIGHT_BITS: u32 = 41;
/// `94,548 · 10^6 / 65,536` is this over 256.
const GAP_FACTOR: i64 = 369_328_125;
/// Bits of a sum of limbs that is known as an element of F.
const SUM_BITS: u32 = 28;
/// Bits of the pieces of a draw.
const DRAW_BITS: u32 = 13;

const fn up_to(hi: i128) -> Interval {
    Interval { lo: 0, hi }
}

/// Weights of 04 §7.2 by key; those that are too small for min_p are none.
fn weights(least: u128) -> impl Iterator<Item = u64> {
    let table = |factor: usize| {
        SAMPLING_WEIGHTS
            .iter()
            .map(move |entry| entry >> factor.min(63))
    };
    (0..VANISHED).flat_map(table).map(move |weight| {
        if u128::from(weight).saturating_mul(1_000_000) >= least {
            weight
        } else {
            0
        }
    })
}

impl Lower<'_> {
    /// A temperature: the row's id is the first whose weights, with those of all ids before it, exceed the draw.
    pub(super) fn drawn(
        &mut self,
        rows: &Rows,
        generation: &Generation<'_>,
    ) -> Result<(), Unsupported> {
        let gap = self.gaps(rows)?;
        let key = self.keys(rows, &gap, generation.parameters.temperature)?;
        let vocabulary = u32::try_from(rows.shape.axis(1).len()).unwrap_or(u32::MAX);
        let width = SUM_BITS.saturating_sub(vocabulary);
        if width < 8 {
            return refuse("a vocabulary of more than 2^20 ids");
        }
        // max W is 2^40.
        let least = u128::from(generation.parameters.min_p) << 40;
        let line = Shape::new(&[rows.shape.length(0)]);
        let (mut total, mut before, mut own) =
            (Integer::default(), Integer::default(), Integer::default());
        for limb in 0..WEIGHT_BITS.div_ceil(width) {
            let place = limb.saturating_mul(width);
            let weight = self.weight_limb(rows, key, place, width, least);
            let sums = [
                self.weight_sum(rows, &line, weight, None, width),
                self.weight_sum(rows, &line, weight, Some(rows.before), width),
                self.at_ids(rows, &line, weight, generation.generated, width),
            ];
            let [all, up_to, here] =
                sums.map(|sum| Integer::whole(self.builder.operand(sum)).shifted(place));
            total = total.plus(all);
            before = before.plus(up_to);
            own = own.plus(here);
        }
        self.draws(&line, &total, &before, &own, generation)
    }

    /// max ℓ − ℓ in every real cell.
    fn gaps(&mut self, rows: &Rows) -> Result<Number, Unsupported> {
        let shape = &rows.shape;
        let line = Shape::new(&[shape.length(0)]);
        let b = &mut self.builder;
        let chosen = b.column(shape, ColumnKind::Bit);
        b.recipe(Recipe::Best {
            shape: shape.clone(),
            values: rows.values,
            chosen,
        });
        let mut best = Integer::constant(rows.logits.constant);
        for item in &rows.logits.items {
            let mut factors = Vec::new();
            let mut interval = Interval::of(1);
            for tensor in item
                .factors
                .iter()
                .map(|factor| factor.wire.tensor)
                .chain([chosen])
            {
                interval = interval.times(b.interval(tensor));
                factors.push(Factor {
                    tensor,
                    variables: (0..shape.variables()).map(Variable::Bound).collect(),
                });
            }
            let picked = b.sum(&line, interval, tied(shape, &line, factors));
            let operand = b.operand_at(picked, shape.axis(0).collect());
            best.items.push(Item {
                factors: vec![operand],
                ..item.clone()
            });
        }
        let bit = Interval { lo: 0, hi: 1 };
        let of_chosen = Factor {
            tensor: chosen,
            variables: shape
                .axis(0)
                .map(Variable::Free)
                .chain((0..shape.axis(1).len()).map(Variable::Bound))
                .collect(),
        };
        let count = b.sum(
            &line,
            bit,
            Sum {
                bound: Shape::new(&[shape.length(1)]),
                maps: Vec::new(),
                factors: vec![of_chosen],
            },
        );
        let real = b.inside(&line, &[]);
        let difference = b.linear(&line, Interval::of(0), &[(1, count), (-1, real)], 0);
        b.plan.zeros.push(difference);
        let mut cells = Cells::new(shape);
        cells.bit(chosen);
        let [c, r] = [chosen, rows.real].map(|id| cells.own(id));
        cells
            .constraints
            .push(vec![Monomial::linear(1, c), Monomial::product(-1, c, r)]);
        let gap = best.minus(rows.logits.clone()).times(&b.integer(rows.real));
        let layout = b.layout(up_to(rows.range.hi.saturating_sub(rows.range.lo)))?;
        let gap = b.derive(&mut cells, &gap, layout)?;
        b.cells(cells);
        Ok(gap)
    }

    /// ⌊δ / 16⌋ of each cell, or the first key of weight zero.
    fn keys(
        &mut self,
        rows: &Rows,
        gap: &Number,
        temperature: u32,
    ) -> Result<TensorId, Unsupported> {
        let shape = &rows.shape;
        let b = &mut self.builder;
        let divisor = i64::from(temperature).saturating_mul(256);
        let most = rows
            .range
            .hi
            .saturating_sub(rows.range.lo)
            .saturating_mul(GAP_FACTOR.into())
            .checked_div(divisor.into())
            .unwrap_or(0)
            .saturating_add(1);
        let gap = b.own_number(gap, shape);
        let delta = b.divide(&Division {
            shape: shape.clone(),
            dividend: gap.times(&Integer::constant(GAP_FACTOR.into())),
            divisor: Integer::constant(divisor.into()),
            quotient: up_to(most),
        })?;
        let key = b.column(
            shape,
            ColumnKind::Free {
                lo: 0,
                hi: (1 << 18) - 1,
            },
        );
        let layout = b.layout(up_to(i128::from(KEY_UNIT).saturating_sub(1)))?;
        let low = b.number(shape, layout);
        let layout = b.layout(up_to(most))?;
        let rest = b.number(shape, layout);
        // Padding is far.
        let far = KEY_UNIT.saturating_mul(FAR);
        let outside = Integer::constant(1).minus(b.integer(rows.real)).scaled(far);
        let padded = delta.value.plus(outside);
        b.recipe(Recipe::Key(Box::new(Key {
            shape: shape.clone(),
            integer: (padded.products(), padded.constant),
            unit: KEY_UNIT,
            far: FAR,
            key,
            low: low.clone(),
            rest: rest.clone(),
        })));
        let mut cells = Cells::new(shape);
        let parts = b
            .integer(key)
            .scaled(KEY_UNIT)
            .plus(b.own_number(&low, shape))
            .plus(b.own_number(&rest, shape));
        b.zero(&mut cells, &padded.minus(parts))?;
        let k = cells.own(key);
        for &(tensor, _) in &rest.digits {
            let digit = cells.own(tensor);
            cells.constraints.push(vec![
                Monomial::product(1, digit, k),
                Monomial::linear(FAR.saturating_neg(), digit),
            ]);
        }
        b.cells(cells);
        Ok(key)
    }

    /// Some bits of each cell's weight, looked up by its key.
    fn weight_limb(
        &mut self,
        rows: &Rows,
        key: TensorId,
        place: u32,
        width: u32,
        least: u128,
    ) -> TensorId {
        let mask = (1_u64 << width.min(63)).saturating_sub(1);
        let most = i128::from(mask);
        let b = &mut self.builder;
        let table = b.shared_table(Shared::Sampling(place), |b| {
            let values = weights(least).map(|weight| {
                let limb = weight >> place.min(63) & mask;
                i32::try_from(limb).unwrap_or(0)
            });
            let line = Shape::new(&[u32::try_from(KEYS.saturating_mul(VANISHED)).unwrap_or(0)]);
            let values = Rule::Public(Public::Values(values.collect()));
            let near = b.tensor(&line, up_to(most), values);
            (near, Shape::new(&[1 << 18]))
        });
        let weight = b.column(
            &rows.shape,
            ColumnKind::Free {
                lo: 0,
                hi: i64::try_from(most).unwrap_or(0),
            },
        );
        let values = b.plan.tables.get(table).map_or(0, |table| table.values);
        b.recipe(Recipe::Table {
            key,
            rows: values,
            result: weight,
        });
        b.lookup(Lookup {
            table,
            keys: (key, weight),
        });
        weight
    }

    /// Σ over each row, of all or of what `only` has.
    fn weight_sum(
        &mut self,
        rows: &Rows,
        line: &Shape,
        weight: TensorId,
        only: Option<TensorId>,
        width: u32,
    ) -> TensorId {
        let whole = (0..rows.shape.variables()).map(Variable::Bound);
        let factors = [Some(weight), only].into_iter().flatten();
        let factors = factors.map(|tensor| Factor {
            tensor,
            variables: whole.clone().collect(),
        });
        let sum = tied(&rows.shape, line, factors.collect());
        let most = i128::from(rows.shape.length(1)) << width;
        self.builder.sum(line, up_to(most), sum)
    }

    /// The cell of each row's id.
    fn at_ids(
        &mut self,
        rows: &Rows,
        line: &Shape,
        weight: TensorId,
        ids: &[u32],
        width: u32,
    ) -> TensorId {
        let all = rows.shape.variables();
        let bits = u32::try_from(rows.shape.axis(1).len()).unwrap_or(0);
        let places = (0_u32..).zip(ids);
        let places = places.map(|(row, id)| row.checked_shl(bits).unwrap_or(0) | id);
        let sum = Sum {
            bound: rows.shape.clone(),
            maps: vec![Map::Gather {
                rows: (0..line.variables()).collect(),
                ids: places.collect(),
                bound: (0..all).collect(),
            }],
            factors: vec![Factor {
                tensor: weight,
                variables: (0..all).map(Variable::Bound).collect(),
            }],
        };
        self.builder.sum(line, up_to(1_i128 << width), sum)
    }

    /// With x = ⌊u·Z / 2^64⌋: before ≤ x < before + own.
    fn draws(
        &mut self,
        line: &Shape,
        total: &Integer,
        before: &Integer,
        own: &Integer,
        generation: &Generation<'_>,
    ) -> Result<(), Unsupported> {
        let b = &mut self.builder;
        let prompt = u64::try_from(generation.prompt.len()).unwrap_or(u64::MAX);
        let draws: Vec<u64> = (prompt..)
            .take(generation.generated.len())
            .map(|position| draw(generation.seed, generation.choice, position))
            .collect();
        let mut u = Integer::default();
        for place in (0..u64::BITS).step_by(13) {
            let mask = (1_u64 << DRAW_BITS).saturating_sub(1);
            let piece = |draw: &u64| i32::try_from(draw >> place & mask).unwrap_or(0);
            let pieces = Public::Values(draws.iter().map(piece).collect());
            let tensor = b.tensor(line, up_to(mask.into()), Rule::Public(pieces));
            u = u.plus(b.integer(tensor).shifted(place));
        }
        let number = |b: &mut Builder, bits: u32, narrow: bool| -> Result<Number, Unsupported> {
            let interval = up_to((1_i128 << bits).saturating_sub(1));
            let layout = if narrow {
                b.narrow_layout(interval)?
            } else {
                b.layout(interval)?
            };
            Ok(b.number(line, layout))
        };
        let scaled = number(b, 62, false)?;
        let remainder = [number(b, 32, false)?, number(b, 32, false)?];
        let z = number(b, 62, true)?;
        b.recipe(Recipe::Draw(Box::new(Draw {
            shape: line.clone(),
            total: (total.products(), total.constant),
            draws,
            z: z.clone(),
            scaled: scaled.clone(),
            remainder: remainder.clone(),
        })));
        let mut cells = Cells::new(line);
        let z = b.own_number(&z, line);
        b.zero(&mut cells, &total.clone().minus(z.clone()))?;
        let x = b.own_number(&scaled, line);
        let [low, high] = remainder.map(|part| b.own_number(&part, line));
        let rest = low.plus(high.shifted(32));
        b.zero(
            &mut cells,
            &u.times(&z).minus(x.clone().shifted(64)).minus(rest),
        )?;
        let layout = b.layout(up_to((1_i128 << 62).saturating_sub(1)))?;
        let under = x.clone().minus(before.clone());
        b.derive(&mut cells, &under, layout.clone())?;
        let real = b.inside(line, &[]);
        let over = before
            .clone()
            .plus(own.clone())
            .minus(x)
            .minus(b.integer(real));
        b.derive(&mut cells, &over, layout)?;
        b.cells(cells);
        Ok(())
    }
}

/// Sums over the rows of tensors that all have the rows' variables.
fn tied(shape: &Shape, line: &Shape, factors: Vec<Factor>) -> Sum {
    let side = |of: &Shape| (of.axis(0).collect(), of.length(0));
    Sum {
        bound: shape.clone(),
        maps: vec![stride(side(line), 1, 0, side(shape))],
        factors,
    }
}
