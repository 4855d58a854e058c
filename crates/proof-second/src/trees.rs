//! Tree ensembles (§8.10).

use proofmark_program::{ConstantId, TreeConstants};

use crate::Code;
use crate::integer::{Interval, Layout, P};
use crate::making::{Cells, TOO_WIDE};
use crate::operators::{Lowering, Value};
use crate::plan::{Constraint, Rule, Term, bound, free};
use crate::shape::{Mask, Shape};

/// Any element of a constant.
const ANY: Interval = Interval::new(-(1 << 31), (1 << 31) - 1);

fn term(coefficient: i128, tensor: Option<(usize, Vec<usize>)>, masks: Vec<Mask>) -> Term {
    Term {
        coefficient,
        tensor,
        masks,
    }
}

impl Lowering<'_> {
    fn whole(&mut self, id: ConstantId) -> Result<usize, Code> {
        let lengths = self.making.lengths(id);
        self.making.constant(id, &lengths, ANY)
    }

    pub(crate) fn trees(
        &mut self,
        x: &Value,
        range: Interval,
        of: &TreeConstants,
    ) -> Result<usize, Code> {
        let nodes = [of.feature, of.threshold, of.left, of.right, of.leaf];
        let mut constants = Vec::new();
        for id in nodes {
            constants.push(self.whole(id)?);
        }
        let roots = self.whole(of.roots)?;
        let places = self.places;
        let making = &mut self.making;
        let count = making.shape(roots).0[0];
        let shape = Shape(vec![count, places]);
        let n = making.field(&shape);
        let [l, r] = [(); 2].map(|()| making.bit(&shape));
        let width = x.interval.hi - x.interval.lo;
        let layout = [Layout::of, Layout::tight]
            .map(|cut| cut(Interval::new(0, width), making.wide()))
            .into_iter()
            .find(|layout| layout.interval().hi + width + 1 < P)
            .ok_or(TOO_WIDE)?;
        let d = making.number(&shape, &layout);
        let i = making.field(&shape);
        let mut looked_up = [n; 4];
        for (at, rows) in looked_up.iter_mut().zip(&constants) {
            *at = making.looked_up(*rows, 0, n, ANY);
        }
        let [f, t, a, b] = looked_up;
        let terms = vec![
            term(1, Some((f, shape.all())), vec![]),
            term(1, None, shape.real()),
        ];
        let g = making.tensor(&shape, ANY, Rule::Linear(terms));
        let ranks = Shape(vec![x.shape.0[0] + 1]);
        let ranks = making.moved(x.tensor, &ranks, x.interval, 0, (1, -1));
        let table = making.counted(ranks);
        let v = making.read(table, g, x.interval);
        let next = making.moved(n, &shape, ANY, 1, (1, 1));
        let real = making.within(&shape, shape.real());
        let mut going = shape.real();
        going[1].to -= 1;
        let going = making.within(&shape, going);
        let mut cells = Cells::new(&shape);
        for wire in [n, l, r, i, g, t, a, b, v, next, real, going] {
            cells.own(wire);
        }
        for (digit, _) in &d.digits {
            cells.own(*digit);
        }
        let places_of: Vec<u32> = d.digits.iter().map(|digit| digit.1).collect();
        cells.constraints = constraints(&places_of);
        making.check(cells);
        let line = Shape(vec![count, 1]);
        let first = making.moved(n, &line, ANY, 1, (1, 0));
        making.equal(first, roots);
        let last = making.moved(n, &line, ANY, 1, (1, places as i64 - 1));
        let leaf = making.looked_up(constants[4], 0, last, ANY);
        self.leaf_values(of, range, count, leaf)
    }

    fn leaf_values(
        &mut self,
        of: &TreeConstants,
        range: Interval,
        count: u64,
        leaf: usize,
    ) -> Result<usize, Code> {
        let (values, base) = (self.whole(of.values)?, self.whole(of.base)?);
        let making = &mut self.making;
        let (shape, line) = (making.shape(values), making.shape(base));
        let outputs = line.0[0];
        let flat = Shape(vec![shape.0[0] << line.variables()]);
        let flat = making.view(values, &flat, ANY, flat.all());
        let c = making.indices(outputs);
        let cells = Shape(vec![count, outputs]);
        let terms = vec![
            term(
                1 << line.variables(),
                Some((leaf, cells.axis(0).collect())),
                cells.real_of([1]),
            ),
            term(1, Some((c, cells.axis(1).collect())), cells.real_of([0])),
        ];
        let index = making.tensor(&cells, ANY, Rule::Linear(terms));
        let value = making.looked_up(flat, 0, index, ANY);
        let trees = Shape(vec![count]);
        let places = [bound(trees.axis(0)), free(0..line.variables())].concat();
        let sum = making.sum(&line, ANY, &trees, vec![], vec![(value, places)]);
        Ok(making.linear(&line, range, &[(1, sum), (1, base)], 0))
    }
}

/// §8.10, over the wires in their order; d's digits are at these places.
fn constraints(places: &[u32]) -> Vec<Constraint> {
    let [n, l, r, i, g, t, a, b, v, next, real, w] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    let mut apart: Constraint = vec![
        (1, vec![l, t]),
        (-1, vec![l, v]),
        (-1, vec![l]),
        (1, vec![r, v]),
        (-1, vec![r, t]),
    ];
    for (digit, place) in (12..).zip(places) {
        apart.push((-(1 << place), vec![digit]));
    }
    vec![
        vec![(1, vec![l, l]), (-1, vec![l])],
        vec![(1, vec![r, r]), (-1, vec![r])],
        vec![(1, vec![l, r])],
        vec![
            (1, vec![l]),
            (1, vec![r]),
            (-1, vec![l, w]),
            (-1, vec![r, w]),
        ],
        vec![(1, vec![g]), (-1, vec![l, g]), (-1, vec![r, g])],
        vec![(1, vec![l]), (1, vec![r]), (-1, vec![g, i])],
        vec![(1, vec![n]), (-1, vec![real, n])],
        vec![
            (1, vec![w, n]),
            (1, vec![l, a]),
            (-1, vec![l, n]),
            (1, vec![r, b]),
            (-1, vec![r, n]),
            (-1, vec![next]),
        ],
        apart,
    ]
}
