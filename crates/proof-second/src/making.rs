//! A plan in the making (§8): tensors, columns, digits, identities, tables.

use std::rc::Rc;

use crate::Code;
use crate::integer::{Factor, Integer, Interval, Layout, Number, P, Wire, levels};
use crate::map::Map;
use crate::plan::{Check, Constraint, Kind, Place, Plan, Rule, Sum, Tensor, Term};
use crate::shape::{Mask, Shape};

/// A constant of the program: bytes of an element, shape.
#[derive(Debug, Clone)]
pub(crate) struct ConstantType {
    pub(crate) bytes: usize,
    pub(crate) shape: Shape,
}

/// What a table holds that several lookups share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Rows(usize),
    Exponential,
    Limb(u32),
}

#[derive(Debug, Clone)]
pub(crate) struct Making {
    pub(crate) plan: Plan,
    pub(crate) constants: Rc<Vec<ConstantType>>,
    /// Tensors of constants, by index and interval.
    taken: Vec<(usize, Interval, usize)>,
    /// Digits of tensors, by tensor and width.
    cut: Vec<(usize, u32, Number)>,
    /// Tensors that are lo + b + 2·h, as that.
    pub(crate) halved: Vec<(usize, Integer)>,
    /// Tables by what they hold.
    held: Vec<(Held, usize)>,
}

/// Constraints over the cells of a domain.
#[derive(Debug, Clone)]
pub(crate) struct Cells {
    pub(crate) shape: Shape,
    pub(crate) wires: Vec<Wire>,
    pub(crate) constraints: Vec<Constraint>,
}

impl Cells {
    pub(crate) fn new(shape: &Shape) -> Self {
        Self {
            shape: shape.clone(),
            wires: Vec::new(),
            constraints: Vec::new(),
        }
    }

    /// The number of a wire.
    pub(crate) fn wire(&mut self, wire: &Wire) -> usize {
        if let Some(at) = self.wires.iter().position(|other| other == wire) {
            return at;
        }
        self.wires.push(wire.clone());
        self.wires.len() - 1
    }

    /// The number of a tensor of the domain's shape.
    pub(crate) fn own(&mut self, tensor: usize) -> usize {
        let variables = self.shape.all();
        self.wire(&Wire { tensor, variables })
    }

    pub(crate) fn bit(&mut self, tensor: usize) {
        let b = self.own(tensor);
        self.constraints.push(vec![(1, vec![b, b]), (-1, vec![b])]);
    }
}

/// Widest digit of an operand.
const OPERAND_BITS: u32 = 13;

pub(crate) const TOO_WIDE: Code = "proof.unsupported";

impl Making {
    pub(crate) fn new(digit_bits: u32, constants: Vec<ConstantType>) -> Self {
        Self {
            plan: Plan {
                digit_bits,
                ..Plan::default()
            },
            constants: Rc::new(constants),
            taken: Vec::new(),
            cut: Vec::new(),
            halved: Vec::new(),
            held: Vec::new(),
        }
    }

    /// D.
    pub(crate) fn wide(&self) -> u32 {
        self.plan.digit_bits
    }

    /// Width of an operand's digits.
    pub(crate) fn narrow(&self) -> u32 {
        self.wide().min(OPERAND_BITS)
    }

    pub(crate) fn shape(&self, tensor: usize) -> Shape {
        self.plan.tensors[tensor].shape.clone()
    }

    pub(crate) fn interval(&self, tensor: usize) -> Interval {
        self.plan.tensors[tensor].interval
    }

    pub(crate) fn tensor(&mut self, shape: &Shape, interval: Interval, rule: Rule) -> usize {
        self.plan.tensors.push(Tensor {
            shape: shape.clone(),
            interval,
            rule,
        });
        self.plan.tensors.len() - 1
    }

    pub(crate) fn given(&mut self, shape: &Shape, interval: Interval, of: Vec<i32>) -> usize {
        self.tensor(shape, interval, Rule::Given(Rc::new(of)))
    }

    /// 0, 1, 2 … along an axis.
    pub(crate) fn indices(&mut self, length: u64) -> usize {
        let interval = Interval::new(0, length.into());
        let elements = (0..length as i32).collect();
        self.given(&Shape(vec![length]), interval, elements)
    }

    pub(crate) fn constant(
        &mut self,
        id: proofmark_program::ConstantId,
        shape: &[u64],
        interval: Interval,
    ) -> Result<usize, Code> {
        let index = id.0 as usize;
        if self.constants[index].shape.0 != shape {
            return Err("proof.unsupported");
        }
        let mut taken = self.taken.iter();
        if let Some(known) = taken.find(|known| (known.0, known.1) == (index, interval)) {
            return Ok(known.2);
        }
        let rule = Rule::Constant(index);
        let tensor = self.tensor(&Shape(shape.to_vec()), interval, rule);
        self.taken.push((index, interval, tensor));
        Ok(tensor)
    }

    pub(crate) fn lengths(&self, id: proofmark_program::ConstantId) -> Vec<u64> {
        self.constants[id.0 as usize].shape.0.clone()
    }

    /// Range of a constant's element type.
    pub(crate) fn elements(&self, id: proofmark_program::ConstantId) -> Interval {
        let end = 1 << (8 * self.constants[id.0 as usize].bytes - 1);
        Interval::new(-end, end - 1)
    }

    pub(crate) fn column(&mut self, shape: &Shape, interval: Interval, kind: Kind) -> usize {
        let rule = Rule::Column(self.plan.columns.len());
        let tensor = self.tensor(shape, interval, rule);
        self.plan.columns.push((tensor, kind));
        tensor
    }

    pub(crate) fn bit(&mut self, shape: &Shape) -> usize {
        self.column(shape, Interval::new(0, 1), Kind::Other)
    }

    /// A column that may have any element of F.
    pub(crate) fn field(&mut self, shape: &Shape) -> usize {
        self.column(shape, Interval::new(0, P), Kind::Other)
    }

    pub(crate) fn number(&mut self, shape: &Shape, layout: &Layout) -> Number {
        let digit = |&(place, width): &(u32, u32)| {
            let interval = Interval::new(0, (1 << width) - 1);
            (self.column(shape, interval, Kind::Digit(width)), place)
        };
        Number {
            digits: layout.digits.iter().map(digit).collect(),
            layout: layout.clone(),
        }
    }

    /// A number for [0, hi].
    pub(crate) fn up_to(&mut self, shape: &Shape, hi: i128, width: u32) -> Number {
        self.number(shape, &Layout::of(Interval::new(0, hi), width))
    }

    pub(crate) fn factor(&self, tensor: usize, variables: Vec<usize>) -> Factor {
        Factor {
            wire: Wire { tensor, variables },
            interval: self.interval(tensor),
        }
    }

    /// A tensor over its own domain.
    pub(crate) fn own(&self, tensor: usize) -> Factor {
        self.factor(tensor, self.shape(tensor).all())
    }

    pub(crate) fn integer(&self, tensor: usize) -> Integer {
        Integer::of(self.own(tensor))
    }

    /// Digits with these variables of a domain, and −o.
    pub(crate) fn number_at(&self, number: &Number, variables: &[usize]) -> Integer {
        let mut sum = Integer::constant(-number.layout.offset);
        for &(tensor, place) in &number.digits {
            sum = sum + Integer::of(self.factor(tensor, variables.to_vec())).shifted(place);
        }
        sum
    }

    /// A number over its own domain.
    pub(crate) fn number_of(&self, number: &Number) -> Integer {
        match number.digits.first() {
            Some(digit) => self.number_at(number, &self.shape(digit.0).all()),
            None => Integer::constant(-number.layout.offset),
        }
    }

    pub(crate) fn check(&mut self, cells: Cells) {
        if !cells.constraints.is_empty() {
            self.plan.checks.push(Check {
                variables: cells.shape.variables(),
                wires: cells.wires,
                constraints: cells.constraints,
            });
        }
    }

    /// An operand's digits of at most this width.
    pub(crate) fn digits(
        &mut self,
        cells: &mut Cells,
        operand: &Factor,
        width: u32,
    ) -> Result<Integer, Code> {
        let Wire { tensor, variables } = &operand.wire;
        let mut cut = self.cut.iter();
        if let Some(known) = cut.find(|known| (known.0, known.1) == (*tensor, width)) {
            return Ok(self.number_at(&known.2, variables));
        }
        let layout = operand_layout(operand.interval, width).ok_or(TOO_WIDE)?;
        let number = self.number(&self.shape(*tensor), &layout);
        let digits = self.number_at(&number, variables);
        let mut constraint = vec![(-1, vec![cells.wire(&operand.wire)])];
        for term in &digits.terms {
            let digit = cells.wire(&term.factors[0].wire);
            constraint.push((1 << term.exponent, vec![digit]));
        }
        constraint.push((-layout.offset, vec![]));
        cells.constraints.push(constraint);
        self.cut.push((*tensor, width, number));
        Ok(digits)
    }

    /// An integer is zero.
    pub(crate) fn zero(&mut self, cells: &mut Cells, integer: &Integer) -> Result<(), Code> {
        for term in integer.terms.iter().filter(|term| term.coefficient != 0) {
            for factor in &term.factors {
                cells.wire(&factor.wire);
            }
        }
        let mut carried: Constraint = Vec::new();
        for level in levels(integer, self.wide()).ok_or(TOO_WIDE)? {
            let mut constraint = std::mem::take(&mut carried);
            for (coefficient, wires) in &level.terms {
                let wires = wires.iter().map(|wire| cells.wire(wire)).collect();
                constraint.push((*coefficient, wires));
            }
            constraint.push((level.constant, vec![]));
            if let Some((delta, interval)) = level.carry {
                let layout = Layout::of(interval, self.wide());
                let number = self.number(&cells.shape, &layout);
                for (digit, place) in number.digits {
                    let wire = cells.own(digit);
                    constraint.push((-(1 << (place + delta)), vec![wire]));
                    carried.push((1 << place, vec![wire]));
                }
                constraint.push((layout.offset << delta, vec![]));
                carried.push((-layout.offset, vec![]));
            }
            cells.constraints.push(constraint);
        }
        Ok(())
    }

    /// A number that is an integer.
    pub(crate) fn derive(
        &mut self,
        cells: &mut Cells,
        integer: Integer,
        layout: &Layout,
    ) -> Result<Number, Code> {
        let number = self.number(&cells.shape, layout);
        let variables = cells.shape.all();
        let minus = self.number_at(&number, &variables);
        self.zero(cells, &(integer - minus))?;
        Ok(number)
    }

    /// Terms without masks over one shape, and a constant.
    pub(crate) fn linear(
        &mut self,
        shape: &Shape,
        interval: Interval,
        parts: &[(i128, usize)],
        constant: i128,
    ) -> usize {
        let term = |coefficient, tensor| Term {
            coefficient,
            tensor,
            masks: vec![],
        };
        let mut terms: Vec<Term> = parts
            .iter()
            .map(|(coefficient, tensor)| term(*coefficient, Some((*tensor, shape.all()))))
            .collect();
        if constant != 0 {
            terms.push(term(constant, None));
        }
        self.tensor(shape, interval, Rule::Linear(terms))
    }

    /// The same elements with other variables.
    pub(crate) fn view(
        &mut self,
        x: usize,
        shape: &Shape,
        interval: Interval,
        variables: Vec<usize>,
    ) -> usize {
        let term = Term {
            coefficient: 1,
            tensor: Some((x, variables)),
            masks: vec![],
        };
        self.tensor(shape, interval, Rule::Linear(vec![term]))
    }

    /// a − b is zero everywhere.
    pub(crate) fn equal(&mut self, a: usize, b: usize) {
        let shape = self.shape(a);
        let interval = Interval::new(0, 0);
        let zero = self.linear(&shape, interval, &[(1, a), (-1, b)], 0);
        self.plan.zeros.push(zero);
    }

    pub(crate) fn sum(
        &mut self,
        shape: &Shape,
        interval: Interval,
        bound: &Shape,
        maps: Vec<Map>,
        factors: Vec<(usize, Vec<Place>)>,
    ) -> usize {
        let sum = Sum {
            bound: bound.variables(),
            maps,
            factors,
        };
        self.tensor(shape, interval, Rule::Sum(sum))
    }

    /// x with an axis of another length: `index in x = stride·index + offset`.
    pub(crate) fn moved(
        &mut self,
        x: usize,
        shape: &Shape,
        interval: Interval,
        axis: usize,
        (stride, offset): (u64, i64),
    ) -> usize {
        let from = self.shape(x);
        let line = Shape(vec![from.0[axis]]);
        let places = (0..from.0.len()).flat_map(|other| {
            if other == axis {
                crate::plan::bound(line.axis(0))
            } else {
                crate::plan::free(shape.axis(other))
            }
        });
        let places = places.collect();
        let map = Map::stride(shape.side(axis), stride, offset, line.side(0));
        self.sum(shape, interval, &line, vec![map], vec![(x, places)])
    }

    /// 1 within the lengths and in the rows of maps.
    pub(crate) fn inside(&mut self, shape: &Shape, maps: Vec<Map>) -> usize {
        let of_maps = |axis: &usize| {
            let mut rows = maps.iter().flat_map(|map| &map.rows);
            rows.any(|row| shape.axis(*axis).contains(row))
        };
        let axes: Vec<usize> = (0..shape.0.len()).filter(|axis| !of_maps(axis)).collect();
        let rule = Rule::Inside(shape.real_of(axes), maps);
        self.tensor(shape, Interval::new(0, 1), rule)
    }

    /// 1 within these masks.
    pub(crate) fn within(&mut self, shape: &Shape, masks: Vec<Mask>) -> usize {
        self.tensor(shape, Interval::new(0, 1), Rule::Inside(masks, vec![]))
    }

    /// A table of rows and how often each is looked up.
    pub(crate) fn counted(&mut self, rows: usize) -> usize {
        let count = self.field(&self.shape(rows));
        self.plan.tables.push((rows, count));
        self.plan.tables.len() - 1
    }

    /// What a table has for each key.
    pub(crate) fn read(&mut self, table: usize, key: usize, interval: Interval) -> usize {
        let value = self.column(&self.shape(key), interval, Kind::Other);
        self.plan.lookups.push((table, key, value));
        value
    }

    /// The table that holds something, with so many rows.
    pub(crate) fn table(
        &mut self,
        held: Held,
        rows: u64,
        make: impl FnOnce(&mut Self) -> usize,
    ) -> usize {
        if let Some(known) = self.held.iter().find(|known| known.0 == held) {
            return known.1;
        }
        let entries = make(self);
        let (rows, interval) = (Shape(vec![rows]), self.interval(entries));
        let rows = if rows.variables() == self.shape(entries).variables() {
            self.view(entries, &rows, interval, rows.all())
        } else {
            self.moved(entries, &rows, interval, 0, (1, 0))
        };
        let table = self.counted(rows);
        self.held.push((held, table));
        table
    }

    /// §8.9.
    pub(crate) fn looked_up(
        &mut self,
        values: usize,
        first: i128,
        index: usize,
        interval: Interval,
    ) -> usize {
        let entries = self.shape(values).0[0];
        let table = self.table(Held::Rows(values), entries + 1, |_| values);
        let (shape, entries) = (self.shape(index), i128::from(entries));
        let term = |coefficient, tensor, masks| Term {
            coefficient,
            tensor,
            masks,
        };
        let terms = vec![
            term(1, Some((index, shape.all())), vec![]),
            term(entries, None, vec![]),
            term(-(entries + first), None, shape.real()),
        ];
        let key = self.tensor(&shape, Interval::new(0, entries), Rule::Linear(terms));
        self.read(table, key, interval)
    }
}

/// How an operand is cut (§8.5).
fn operand_layout(interval: Interval, width: u32) -> Option<Layout> {
    let one = |layout: &Layout| {
        let digits = layout.interval();
        interval.lo + P > digits.hi && interval.hi - P < digits.lo
    };
    [Layout::of, Layout::tight]
        .map(|cut| cut(interval, width))
        .into_iter()
        .find(one)
}

/// Whether an operand has digits.
pub(crate) fn has_digits(interval: Interval, width: u32) -> bool {
    operand_layout(interval, width).is_some()
}
