//! The plan of a program of an input and trees (§8.9, §8.10, §9).

use proofmark_program::{Interface, Operator, Program, TreeConstants};

use crate::Code;
use crate::plan::{Check, Constraint, Kind, Mask, Place, Plan, Rule, Shape, Sum, Term, Window};

/// p.
const P: u64 = 2_130_706_433;

/// The plan, for constants of these shapes.
pub(crate) fn plan(
    program: &Program,
    constants: &[Shape],
    digit_bits: u32,
    places: u64,
) -> Result<Plan, Code> {
    let mut making = Making {
        plan: Plan {
            digit_bits,
            ..Plan::default()
        },
        constants,
        places,
    };
    let mut nodes = Vec::new();
    let mut inputs = 0;
    for node in &program.nodes {
        let shape = Shape(node.result.shape.iter().map(|n| u64::from(*n)).collect());
        nodes.push(match &node.operator {
            Operator::Input { .. } => {
                inputs += 1;
                making.plan.tensor(&shape, Rule::Input(inputs - 1))
            }
            Operator::Trees(trees) => {
                let from = node.inputs[0];
                let of = &program.nodes[from.0 as usize].result;
                let width = (i64::from(of.hi) - i64::from(of.lo)) as u64;
                making.trees(nodes[from.0 as usize], width, trees)?
            }
            _ => return Err("proof.unsupported"),
        });
    }
    let Interface::Tensor { outputs, .. } = &program.interface else {
        return Err("proof.unsupported");
    };
    for (at, output) in outputs.iter().enumerate() {
        let value = nodes[output.node.0 as usize];
        let shape = making.plan.tensors[value].shape.clone();
        let given = making.plan.tensor(&shape, Rule::Output(at));
        making.zero(&shape, value, given);
    }
    let rows = Shape(vec![2 << digit_bits]);
    making.plan.column(&rows, Kind::Other);
    Ok(making.plan)
}

struct Making<'c> {
    plan: Plan,
    constants: &'c [Shape],
    places: u64,
}

fn all(shape: &Shape) -> Vec<usize> {
    (0..shape.variables()).collect()
}

fn term(coefficient: i64, tensor: Option<(usize, Vec<usize>)>, masks: Vec<Mask>) -> Term {
    Term {
        coefficient,
        tensor,
        masks,
    }
}

impl Making<'_> {
    fn shape(&self, tensor: usize) -> Shape {
        self.plan.tensors[tensor].shape.clone()
    }

    fn constant(&mut self, id: proofmark_program::ConstantId) -> usize {
        let shape = &self.constants[id.0 as usize];
        self.plan.tensor(shape, Rule::Constant(id.0 as usize))
    }

    /// value − other is zero everywhere.
    fn zero(&mut self, shape: &Shape, value: usize, other: usize) {
        let terms = vec![
            term(1, Some((value, all(shape))), vec![]),
            term(-1, Some((other, all(shape))), vec![]),
        ];
        let zero = self.plan.tensor(shape, Rule::Linear(terms));
        self.plan.zeros.push(zero);
    }

    /// A tensor with one axis of another length: its index is less by an offset.
    fn moved(&mut self, x: usize, shape: &Shape, axis: usize, offset: i64) -> usize {
        let from = self.shape(x);
        let mut places = Vec::new();
        for other in 0..from.0.len() {
            if other == axis {
                places.extend((0..from.axis(axis).len()).map(Place::Bound));
            } else {
                places.extend(shape.axis(other).map(Place::Free));
            }
        }
        let sum = Sum {
            bound: from.axis(axis).len(),
            window: Some(Window {
                outer: shape.axis(axis),
                outer_length: shape.0[axis],
                offset,
                bound_length: from.0[axis],
            }),
            factor: x,
            places,
        };
        self.plan.tensor(shape, Rule::Sum(sum))
    }

    /// A table of its own, and the column that is looked up in it.
    fn read(&mut self, rows: usize, key: impl FnOnce(&mut Self) -> usize) -> usize {
        let count = self.plan.column(&self.shape(rows), Kind::Other);
        self.plan.tables.push((rows, count));
        let key = key(self);
        let value = self.plan.column(&self.shape(key), Kind::Other);
        let table = self.plan.tables.len() - 1;
        self.plan.lookups.push((table, key, value));
        value
    }

    /// §8.9, the first entry being for zero.
    fn looked_up(&mut self, values: usize, index: usize) -> usize {
        let entries = self.shape(values).0[0];
        let rows = Shape(vec![entries + 1]);
        let rows = if entries.is_power_of_two() {
            self.moved(values, &rows, 0, 0)
        } else {
            let terms = vec![term(1, Some((values, all(&rows))), vec![])];
            self.plan.tensor(&rows, Rule::Linear(terms))
        };
        self.read(rows, |making| {
            let (shape, entries) = (making.shape(index), entries as i64);
            let terms = vec![
                term(1, Some((index, all(&shape))), vec![]),
                term(entries, None, vec![]),
                term(-entries, None, shape.real()),
            ];
            making.plan.tensor(&shape, Rule::Linear(terms))
        })
    }

    fn trees(&mut self, x: usize, width: u64, of: &TreeConstants) -> Result<usize, Code> {
        let nodes = [of.feature, of.threshold, of.left, of.right, of.leaf];
        let [feature, threshold, left, right, leaf] = nodes.map(|id| self.constant(id));
        let roots = self.constant(of.roots);
        let count = self.shape(roots).0[0];
        let shape = Shape(vec![count, self.places]);
        let [n, l, r] = [(); 3].map(|()| self.plan.column(&shape, Kind::Other));
        let bits = u64::BITS - width.leading_zeros();
        // The tight number is beyond what is here.
        if (1 << bits) - 1 + width + 1 >= P {
            return Err("proof.unsupported");
        }
        let mut digits = Vec::new();
        for place in (0..bits).step_by(self.plan.digit_bits as usize) {
            let width = self.plan.digit_bits.min(bits - place);
            digits.push((place, self.plan.column(&shape, Kind::Digit(width))));
        }
        let i = self.plan.column(&shape, Kind::Other);
        let [f, t, a, b] = [feature, threshold, left, right].map(|rows| self.looked_up(rows, n));
        let terms = vec![
            term(1, Some((f, all(&shape))), vec![]),
            term(1, None, shape.real()),
        ];
        let g = self.plan.tensor(&shape, Rule::Linear(terms));
        let ranks = Shape(vec![self.shape(x).0[0] + 1]);
        let ranks = self.moved(x, &ranks, 0, -1);
        let v = self.read(ranks, |_| g);
        let next = self.moved(n, &shape, 1, 1);
        let real = self.plan.tensor(&shape, Rule::Inside(shape.real()));
        let mut going = shape.real();
        going[1].to -= 1;
        let going = self.plan.tensor(&shape, Rule::Inside(going));
        let mut wires = vec![n, l, r, i, g, t, a, b, v, next, real, going];
        wires.extend(digits.iter().map(|digit| digit.1));
        let places: Vec<u32> = digits.iter().map(|digit| digit.0).collect();
        self.plan.checks.push(Check {
            variables: shape.variables(),
            wires,
            constraints: constraints(&places),
        });
        let line = Shape(vec![count, 1]);
        let first = self.moved(n, &line, 1, 0);
        self.zero(&line, first, roots);
        let last = self.moved(n, &line, 1, self.places as i64 - 1);
        let leaf = self.looked_up(leaf, last);
        Ok(self.values(of, count, leaf))
    }

    fn values(&mut self, of: &TreeConstants, count: u64, leaf: usize) -> usize {
        let (values, base) = (self.constant(of.values), self.constant(of.base));
        let (shape, line) = (self.shape(values), self.shape(base));
        let outputs = line.0[0];
        let flat = Shape(vec![shape.0[0] << line.variables()]);
        let terms = vec![term(1, Some((values, all(&flat))), vec![])];
        let flat = self.plan.tensor(&flat, Rule::Linear(terms));
        let c = self.plan.tensor(&line, Rule::Positions);
        let cells = Shape(vec![count, outputs]);
        let [tree, output] = [0, 1].map(|axis| cells.real()[axis].clone());
        let terms = vec![
            term(
                1 << line.variables(),
                Some((leaf, cells.axis(0).collect())),
                vec![output],
            ),
            term(1, Some((c, cells.axis(1).collect())), vec![tree]),
        ];
        let index = self.plan.tensor(&cells, Rule::Linear(terms));
        let value = self.looked_up(flat, index);
        let bound = cells.axis(0).len();
        let sum = Sum {
            bound,
            window: None,
            factor: value,
            places: (0..bound)
                .map(Place::Bound)
                .chain((0..line.variables()).map(Place::Free))
                .collect(),
        };
        let sum = self.plan.tensor(&line, Rule::Sum(sum));
        let terms = vec![
            term(1, Some((sum, all(&line))), vec![]),
            term(1, Some((base, all(&line))), vec![]),
        ];
        self.plan.tensor(&line, Rule::Linear(terms))
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
