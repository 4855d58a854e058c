//! Maxima (§8.8) and exponential weights (§8.12).

use proofmark_program::exp_weight;

use crate::Code;
use crate::integer::{Interval, Layout, P};
use crate::making::{Cells, Held, Making, TOO_WIDE};
use crate::map::Map;
use crate::plan::{Constraint, Place, Rule, Term, bound, free};
use crate::shape::Shape;

/// Candidates over choices, which are the leading axes, and cells.
#[derive(Debug)]
pub(crate) struct Candidates {
    pub(crate) shape: Shape,
    /// Axes of choices.
    pub(crate) choosing: usize,
    pub(crate) x: usize,
    pub(crate) interval: Interval,
}

/// Exponential weights, their sums, and the sums that are never zero.
pub(crate) struct Weighted {
    pub(crate) weights: usize,
    pub(crate) sum: usize,
    pub(crate) divisor: usize,
}

impl Candidates {
    fn cells(&self) -> Shape {
        Shape(self.shape.0[self.choosing..].to_vec())
    }

    /// Variables of the choices.
    fn choices(&self) -> usize {
        self.shape.variables() - self.cells().variables()
    }
}

/// First key of weight zero.
const FAR: i128 = 16_384;

impl Making {
    /// Σ over the choices of a tensor of the domain, and maybe of one of the choices alone.
    fn over_choices(
        &mut self,
        of: &Candidates,
        x: usize,
        interval: Interval,
        other: Option<usize>,
    ) -> usize {
        let choices = of.choices();
        let line = Shape(of.shape.0[..of.choosing].to_vec());
        let place = |at: usize| {
            if at < choices {
                Place::Bound(at)
            } else {
                Place::Free(at - choices)
            }
        };
        let mut factors = vec![(x, (0..of.shape.variables()).map(place).collect())];
        factors.extend(other.map(|other| (other, bound(0..choices))));
        self.sum(&of.cells(), interval, &line, vec![], factors)
    }

    /// The choices' sum of c is 1 in every cell.
    fn one_choice(&mut self, of: &Candidates, c: usize, real: usize) {
        let sum = self.over_choices(of, c, Interval::new(0, 1), None);
        self.equal(sum, real);
    }

    /// m and c.
    pub(crate) fn maxima(
        &mut self,
        of: &Candidates,
        maps: Vec<Map>,
        first: bool,
    ) -> Result<(usize, usize), Code> {
        let (shape, cells) = (&of.shape, of.cells());
        let valid = self.inside(shape, maps);
        let real = self.inside(&cells, vec![]);
        let m = self.column(&cells, of.interval, crate::plan::Kind::Other);
        let c = self.bit(shape);
        let width = of.interval.hi - of.interval.lo;
        let range = Interval::new(0, width);
        let layout = [Layout::of, Layout::tight]
            .map(|cut| cut(range, self.wide()))
            .into_iter()
            .find(|layout| width + layout.interval().hi < P)
            .ok_or(TOO_WIDE)?;
        let d = self.number(shape, &layout);
        let before = first.then(|| self.before(shape, c));
        let mut check = Cells::new(shape);
        let [v, c_, x] = [valid, c, of.x].map(|tensor| check.own(tensor));
        let over_cells: Vec<usize> = (of.choices()..shape.variables()).collect();
        let [m_, r] = [m, real].map(|of| check.wire(&self.factor(of, over_cells.clone()).wire));
        let mut apart: Constraint = vec![(1, vec![v, m_]), (-1, vec![x])];
        let mut none: Constraint = vec![];
        for &(digit, place) in &d.digits {
            let digit = check.own(digit);
            apart.push((-(1 << place), vec![digit]));
            none.push((1 << place, vec![c_, digit]));
        }
        if let Some(before) = before {
            apart.push((-1, vec![v, check.own(before)]));
        }
        check.constraints = vec![
            apart,
            none,
            vec![(1, vec![c_, c_]), (-1, vec![c_])],
            vec![(1, vec![c_]), (-1, vec![c_, v])],
            vec![(1, vec![m_]), (-1, vec![r, m_])],
        ];
        self.check(check);
        self.one_choice(of, c, real);
        Ok((m, c))
    }

    /// mask − Σ over choices up to this one, of one axis.
    fn before(&mut self, shape: &Shape, c: usize) -> usize {
        let line = Shape(vec![shape.0[0]]);
        let choices: Vec<usize> = shape.axis(0).collect();
        let places = [
            bound(choices.clone()),
            free(choices.len()..shape.variables()),
        ];
        let map = Map::up_to(choices.clone(), choices, shape.0[0]);
        let bit = Interval::new(0, 1);
        let up_to = self.sum(shape, bit, &line, vec![map], vec![(c, places.concat())]);
        let terms = vec![
            Term {
                coefficient: 1,
                tensor: None,
                masks: shape.real(),
            },
            Term {
                coefficient: -1,
                tensor: Some((up_to, shape.all())),
                masks: vec![],
            },
        ];
        self.tensor(shape, bit, Rule::Linear(terms))
    }

    /// Σ over the choices of index·c.
    pub(crate) fn chosen_index(&mut self, of: &Candidates, c: usize, interval: Interval) -> usize {
        let indices = self.indices(of.shape.0[0]);
        self.over_choices(of, c, interval, Some(indices))
    }

    /// §8.12; valid is 1 where candidates count.
    pub(crate) fn exponential(&mut self, of: &Candidates, valid: usize) -> Result<Weighted, Code> {
        let table = self.table(Held::Exponential, 32_768, |making| {
            let weights = (0..16_384).map(|delta| exp_weight(delta) as i32);
            let shape = Shape(vec![16_384]);
            making.given(&shape, Interval::new(0, 16_384), weights.collect())
        });
        let (shape, cells) = (&of.shape, of.cells());
        let real = self.inside(&cells, vec![]);
        let m = self.column(&cells, of.interval, crate::plan::Kind::Other);
        let c = self.bit(shape);
        let k = self.column(shape, Interval::new(0, 32_767), crate::plan::Kind::Other);
        let width = of.interval.hi - of.interval.lo;
        let r = (width >= 32_768).then(|| self.up_to(shape, width - FAR, self.wide()));
        let most = r.as_ref().map_or(0, |r| r.layout.interval().hi);
        if width + 32_768 + most >= P {
            return Err(TOO_WIDE);
        }
        let weights = self.read(table, k, Interval::new(0, 16_384));
        let mut check = Cells::new(shape);
        check.bit(c);
        let [v, x, k_] = [valid, of.x, k].map(|tensor| check.own(tensor));
        let over_cells: Vec<usize> = (of.choices()..shape.variables()).collect();
        let [m_, real_] = [m, real].map(|of| check.wire(&self.factor(of, over_cells.clone()).wire));
        let mut apart: Constraint = vec![
            (1, vec![v, m_]),
            (-1, vec![x]),
            (-1, vec![k_]),
            (FAR, vec![]),
            (-FAR, vec![v]),
        ];
        for (digit, place) in r.iter().flat_map(|r| &r.digits) {
            let digit = check.own(*digit);
            apart.push((-(1 << place), vec![digit]));
            let far = vec![(1, vec![digit, k_]), (-FAR, vec![digit])];
            check.constraints.push(far);
        }
        let c_ = check.own(c);
        check.constraints.extend([
            apart,
            vec![(1, vec![c_, k_])],
            vec![(1, vec![m_]), (-1, vec![real_, m_])],
        ]);
        self.check(check);
        self.one_choice(of, c, real);
        let choices = of.shape.0[..of.choosing].iter();
        let most = choices.fold(16_384, |most, n| most * i128::from(*n));
        let range = Interval::new(0, most);
        let sum = self.over_choices(of, weights, range, None);
        let divisor = self.linear(&cells, range, &[(1, sum), (-1, real)], 1);
        Ok(Weighted {
            weights,
            sum,
            divisor,
        })
    }
}
