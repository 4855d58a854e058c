//! Sampled ids (§9.4) and draws (§9.5).

use std::rc::Rc;

use proofmark_program::{NodeId, SAMPLING_WEIGHTS, draw};

use crate::Code;
use crate::inference::Generation;
use crate::integer::{Integer, Interval, Layout, Number, Term};
use crate::making::{Cells, Held, Making};
use crate::map::Map;
use crate::operators::Lowering;
use crate::plan::{Kind, Rule, bound, free};
use crate::shape::Shape;

/// Rows of logits, one for each generated id.
struct Rows {
    shape: Shape,
    /// [n].
    line: Shape,
    /// ℓ_v, over the rows and V.
    logits: Integer,
    /// ℓ_id, likewise.
    of_id: Integer,
    /// hi − lo.
    width: i128,
    real: usize,
    before: usize,
    /// Place of each row's id.
    places: Vec<usize>,
}

/// κ from which on weights are 0.
const FAR: i128 = 167_936;

impl Lowering<'_> {
    pub(crate) fn generation(&mut self, logits: NodeId, of: &Generation<'_>) -> Result<(), Code> {
        let p = of.parameters;
        let penalties = p.repetition_penalty != 1_000_000
            || p.presence_penalty != 0
            || p.frequency_penalty != 0
            || !p.logit_bias.is_empty();
        let truncated = p.temperature != 0 && (p.top_k != 0 || p.top_p != 1_000_000);
        if penalties || truncated {
            return Err("proof.unsupported");
        }
        let rows = self.rows(logits, of)?;
        let making = &mut self.making;
        if p.temperature != 0 {
            return making.drawn(&rows, of);
        }
        let gap = rows.of_id.clone() - rows.logits.clone();
        let gap = &gap * &making.integer(rows.real) - making.integer(rows.before);
        let layout = Layout::of(Interval::new(0, rows.width), making.wide());
        let mut cells = Cells::new(&rows.shape);
        making.derive(&mut cells, gap, &layout)?;
        making.check(cells);
        Ok(())
    }

    fn rows(&mut self, logits: NodeId, of: &Generation<'_>) -> Result<Rows, Code> {
        let value = self.value(logits).clone();
        let making = &mut self.making;
        let all = &value.shape;
        let (positions, vocabulary) = (all.0[0], all.0[1]);
        let n = of.generated.len() as u64;
        let first = positions - n;
        let halved = making.halved.iter().find(|known| known.0 == value.tensor);
        let digits = if let Some((_, halves)) = halved {
            halves.clone()
        } else {
            let mut cells = Cells::new(all);
            let operand = making.own(value.tensor);
            let digits = making.digits(&mut cells, &operand, making.wide())?;
            making.check(cells);
            digits
        };
        let shape = Shape(vec![n, vocabulary]);
        let line = Shape(vec![n]);
        let bits = all.axis(1).len();
        let place = |(row, id): (u64, &u32)| (row as usize) << bits | *id as usize;
        let from: Vec<usize> = (first..).zip(of.generated).map(place).collect();
        let places = (0..).zip(of.generated).map(place).collect();
        let mut rows = Integer::constant(digits.constant);
        let mut of_id = rows.clone();
        for term in &digits.terms {
            let (digit, interval) = (term.factors[0].wire.tensor, term.factors[0].interval);
            let by = (1, first as i64);
            let row = making.moved(digit, &shape, interval, 0, by);
            let map = Map::gather(line.all(), all.all(), &from);
            let factors = vec![(digit, bound(all.all()))];
            let picked = making.sum(&line, interval, all, vec![map], factors);
            let with = |factor| Term {
                factors: vec![factor],
                ..term.clone()
            };
            rows.terms.push(with(making.own(row)));
            let over_rows = making.factor(picked, shape.axis(0).collect());
            of_id.terms.push(with(over_rows));
        }
        let real = making.inside(&shape, vec![]);
        let ends = of.generated.iter().map(|end| u64::from(*end));
        let below = ends.flat_map(|end| (0..vocabulary).map(move |id| i32::from(id < end)));
        let below = Rule::Below(of.generated.to_vec(), Rc::new(below.collect()));
        let before = making.tensor(&shape, Interval::new(0, 1), below);
        Ok(Rows {
            logits: rows,
            of_id,
            width: value.interval.hi - value.interval.lo,
            shape,
            line,
            real,
            before,
            places,
        })
    }
}

impl Making {
    fn drawn(&mut self, rows: &Rows, of: &Generation<'_>) -> Result<(), Code> {
        let gap = self.gap(rows)?;
        let key = self.key(rows, &gap, of.parameters.temperature)?;
        let bits = rows.shape.axis(1).len() as u32;
        let width = 28_u32.saturating_sub(bits);
        if width < 8 {
            return Err("proof.unsupported");
        }
        let least = u128::from(of.parameters.min_p) << 40;
        let mut sums = [const { Integer::constant(0) }; 3];
        for place in (0..41).step_by(width as usize) {
            let limb = self.limb(key, (place, width), least);
            let all = self.row_sum_of(rows, &[limb], width);
            let below = self.row_sum_of(rows, &[limb, rows.before], width);
            let map = Map::gather(rows.line.all(), rows.shape.all(), &rows.places);
            let factors = vec![(limb, bound(rows.shape.all()))];
            let most = Interval::new(0, 1 << width);
            let own = self.sum(&rows.line, most, &rows.shape, vec![map], factors);
            for (sum, part) in sums.iter_mut().zip([all, below, own]) {
                let part = self.integer(part).shifted(place);
                *sum = std::mem::take(sum) + part;
            }
        }
        self.draws(rows, sums, of)
    }

    /// max ℓ − ℓ.
    fn gap(&mut self, rows: &Rows) -> Result<Number, Code> {
        let shape = &rows.shape;
        let c = self.bit(shape);
        let mut best = Integer::constant(rows.logits.constant);
        for term in &rows.logits.terms {
            let digit = &term.factors[0];
            let factors = [digit.wire.tensor, c];
            let tie = Map::tie(rows.line.side(0), shape.side(0));
            let places = |tensor| (tensor, bound(shape.all()));
            let factors = factors.map(places).to_vec();
            let sum = self.sum(&rows.line, digit.interval, shape, vec![tie], factors);
            best.terms.push(Term {
                factors: vec![self.factor(sum, shape.axis(0).collect())],
                ..term.clone()
            });
        }
        let ids = Shape(vec![shape.0[1]]);
        let places = [free(shape.axis(0)), bound(ids.axis(0))].concat();
        let bit = Interval::new(0, 1);
        let count = self.sum(&rows.line, bit, &ids, vec![], vec![(c, places)]);
        let real = self.inside(&rows.line, vec![]);
        self.equal(count, real);
        let mut cells = Cells::new(shape);
        cells.bit(c);
        let [c, real] = [c, rows.real].map(|tensor| cells.own(tensor));
        cells
            .constraints
            .push(vec![(1, vec![c]), (-1, vec![c, real])]);
        let gap = &(best - rows.logits.clone()) * &self.integer(rows.real);
        let layout = Layout::of(Interval::new(0, rows.width), self.wide());
        let gap = self.derive(&mut cells, gap, &layout)?;
        self.check(cells);
        Ok(gap)
    }

    /// κ.
    fn key(&mut self, rows: &Rows, gap: &Number, temperature: u32) -> Result<usize, Code> {
        let shape = &rows.shape;
        let divisor = 256 * i128::from(temperature);
        let most = 369_328_125 * rows.width / divisor + 1;
        let dividend = &self.number_of(gap) * &Integer::constant(369_328_125);
        let quotients = Interval::new(0, most);
        let divisor = Integer::constant(divisor);
        let (delta, _) = self.divide(shape, dividend, &divisor, quotients)?;
        let key = self.column(shape, Interval::new(0, (1 << 18) - 1), Kind::Other);
        let g = self.up_to(shape, 15, self.wide());
        let e = self.up_to(shape, most, self.wide());
        let outside = Integer::constant(1) - self.integer(rows.real);
        let parts = self.integer(key).scaled(16) + self.number_of(&g) + self.number_of(&e);
        let mut cells = Cells::new(shape);
        let identity = delta + outside.scaled(16 * FAR) - parts;
        self.zero(&mut cells, &identity)?;
        let wire = cells.own(key);
        for (digit, _) in e.digits {
            let digit = cells.own(digit);
            let far = vec![(1, vec![digit, wire]), (-FAR, vec![digit])];
            cells.constraints.push(far);
        }
        self.check(cells);
        Ok(key)
    }

    /// A limb of each weight.
    fn limb(&mut self, key: usize, (place, width): (u32, u32), least: u128) -> usize {
        let most = Interval::new(0, (1 << width) - 1);
        let table = self.table(Held::Limb(place), 1 << 18, |making| {
            let limb = |key: usize| {
                let weight = SAMPLING_WEIGHTS[key % 4096] >> (key / 4096);
                if u128::from(weight) * 1_000_000 < least {
                    0
                } else {
                    (weight >> place) as i32 & ((1 << width) - 1)
                }
            };
            let rows = (0..FAR as usize).map(limb).collect();
            making.given(&Shape(vec![FAR as u64]), most, rows)
        });
        self.read(table, key, most)
    }

    /// Σ over each row of a product.
    fn row_sum_of(&mut self, rows: &Rows, factors: &[usize], width: u32) -> usize {
        let most = Interval::new(0, i128::from(rows.shape.0[1]) << width);
        let tie = Map::tie(rows.line.side(0), rows.shape.side(0));
        let places = |tensor: &usize| (*tensor, bound(rows.shape.all()));
        let factors = factors.iter().map(places).collect();
        self.sum(&rows.line, most, &rows.shape, vec![tie], factors)
    }

    fn draws(
        &mut self,
        rows: &Rows,
        [total, before, own]: [Integer; 3],
        of: &Generation<'_>,
    ) -> Result<(), Code> {
        let line = &rows.line;
        let first = of.prompt.len() as u64;
        let at = first..first + of.generated.len() as u64;
        let draws: Vec<u64> = at.map(|at| draw(of.seed, of.choice, at)).collect();
        let mut u = Integer::default();
        for place in (0..64).step_by(13) {
            let pieces = draws.iter().map(|draw| (draw >> place) as i32 & 8191);
            let pieces = self.given(line, Interval::new(0, 8191), pieces.collect());
            u = u + self.integer(pieces).shifted(place);
        }
        let (wide, narrow) = (self.wide(), self.narrow());
        let x = self.up_to(line, (1 << 62) - 1, wide);
        let low = self.up_to(line, (1 << 32) - 1, wide);
        let high = self.up_to(line, (1 << 32) - 1, wide);
        let z = self.up_to(line, (1 << 62) - 1, narrow);
        let [x, low, high, z] = [&x, &low, &high, &z].map(|number| self.number_of(number));
        let mut cells = Cells::new(line);
        self.zero(&mut cells, &(total - z.clone()))?;
        let remainder = low + high.shifted(32);
        let identity = &u * &z - x.clone().shifted(64) - remainder;
        self.zero(&mut cells, &identity)?;
        let layout = Layout::of(Interval::new(0, (1 << 62) - 1), wide);
        self.derive(&mut cells, x.clone() - before.clone(), &layout)?;
        let real = self.inside(line, vec![]);
        let above = before + own - x - self.integer(real);
        self.derive(&mut cells, above, &layout)?;
        self.check(cells);
        Ok(())
    }
}
