//! From a checked program to a plan.
//!
//! A node is computed for all rows of a step if keys or values depend on it, for the rows asked for otherwise: so the last layer of a
//! decoder runs for one row of a prompt. Buffers are used again when their value was read for the last time. A linear takes the
//! requantization along that alone reads it; reshapes are other names for their input.

use proofmark_kernels::{Attention, Bounds, Isa, KvLayout, PackedLinear, Span};
use proofmark_program::{
    CheckedProgram, ConstantId, Interface, Node, NodeId, NodeType, Operator, TensorView,
};

use super::op::{Entries, RowOp, Scale};
use super::plan::{Instruction, Linear, Needed, Plan, Slot, Work};
use super::value::{Layout, Place, Rows, Value, is_narrow};
use crate::error::ModelError;

mod conv;
mod image;
mod rows;

/// Compiles for an instruction set.
pub(super) fn compile<B: AsRef<[u8]>>(
    program: &CheckedProgram<B>,
    isa: Isa,
) -> Result<Plan, ModelError> {
    let nodes = &program.program().nodes;
    let (outputs, hidden) = results(program);
    let mut compiler = Compiler {
        program,
        isa,
        uses: uses(nodes, &outputs, hidden),
        reader: readers(nodes),
        needed: needed(nodes, &outputs, hidden),
        plan: Plan::default(),
        values: vec![None; nodes.len()],
        gathered: vec![None; nodes.len()],
        other_layout: vec![None; nodes.len()],
        free: Vec::new(),
        last_use: vec![0; nodes.len()],
        slot_users: Vec::new(),
    };
    compiler.find_last_uses(&outputs, hidden);
    for index in 0..nodes.len() {
        compiler.node(index)?;
        compiler.release(index);
    }
    // Samplers read logits as i32.
    let wide = matches!(program.program().interface, Interface::Decoder { .. });
    compiler.plan.outputs = outputs
        .iter()
        .map(|id| compiler.result(*id, wide))
        .collect::<Result<_, _>>()?;
    compiler.plan.hidden = hidden.map(|id| compiler.result(id, false)).transpose()?;
    Ok(compiler.plan)
}

/// Nodes whose values leave the program: logits or outputs, and the hidden node.
fn results<B: AsRef<[u8]>>(program: &CheckedProgram<B>) -> (Vec<usize>, Option<usize>) {
    match &program.program().interface {
        Interface::Decoder { logits, hidden, .. } => (vec![at(*logits)], hidden.map(at)),
        Interface::Tensor { outputs, .. } => {
            (outputs.iter().map(|output| at(output.node)).collect(), None)
        }
    }
}

fn at(id: NodeId) -> usize {
    id.0 as usize
}

/// How many nodes and results read each node.
fn uses(nodes: &[Node], outputs: &[usize], hidden: Option<usize>) -> Vec<usize> {
    let mut uses = vec![0; nodes.len()];
    let inputs = nodes
        .iter()
        .flat_map(|node| node.inputs.iter().copied().map(at));
    for index in inputs.chain(outputs.iter().copied()).chain(hidden) {
        uses[index] += 1;
    }
    uses
}

/// The last node that reads each node.
fn readers(nodes: &[Node]) -> Vec<Option<usize>> {
    let mut readers = vec![None; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for input in &node.inputs {
            readers[at(*input)] = Some(index);
        }
    }
    readers
}

/// For what each node is needed.
fn needed(nodes: &[Node], outputs: &[usize], hidden: Option<usize>) -> Vec<Needed> {
    let mut needed = vec![Needed::default(); nodes.len()];
    for &index in outputs {
        needed[index].outputs = true;
    }
    if let Some(index) = hidden {
        needed[index].hidden = true;
    }
    for (index, node) in nodes.iter().enumerate().rev() {
        let mine = needed[index];
        for (number, input) in node.inputs.iter().enumerate() {
            let theirs = &mut needed[at(*input)];
            let cached = matches!(node.operator, Operator::Attention { .. }) && number > 0;
            theirs.later |= mine.later || cached;
            theirs.outputs |= mine.outputs;
            theirs.hidden |= mine.hidden;
        }
    }
    needed
}

struct Compiler<'a, B> {
    program: &'a CheckedProgram<B>,
    isa: Isa,
    uses: Vec<usize>,
    /// Of a node that is used once and is no result: the node that uses it.
    reader: Vec<Option<usize>>,
    needed: Vec<Needed>,
    plan: Plan,
    /// Where each node's value lies.
    values: Vec<Option<Value>>,
    /// Where its rows asked for lie, if they were gathered.
    gathered: Vec<Option<Value>>,
    /// Where its image lies with channels last, or not, if it was converted.
    other_layout: Vec<Option<Value>>,
    /// Buffers whose value nobody reads any more.
    free: Vec<Place>,
    /// The last node that reads each node, reshapes and what became one with another followed.
    last_use: Vec<usize>,
    /// Buffers in use, with the node after which they are free.
    slot_users: Vec<(Place, usize)>,
}

impl<B: AsRef<[u8]>> Compiler<'_, B> {
    fn nodes(&self) -> &[Node] {
        &self.program.program().nodes
    }

    fn find_last_uses(&mut self, outputs: &[usize], hidden: Option<usize>) {
        let program = self.program;
        for (index, node) in program.program().nodes.iter().enumerate().rev() {
            let until = match node.operator {
                // Another name for the input, which lives as long as this node.
                Operator::Reshape => self.last_use[index].max(index),
                // The input is read when the node that takes this one along is computed.
                _ => self.taken_along_by(index).unwrap_or(index),
            };
            for input in &node.inputs {
                let last = &mut self.last_use[at(*input)];
                *last = (*last).max(until);
            }
        }
        // What an output names lives for ever; nodes that an output names through reshapes, too.
        let mut forever: Vec<usize> = outputs.iter().copied().chain(hidden).collect();
        while let Some(index) = forever.pop() {
            self.last_use[index] = usize::MAX;
            let node = &program.program().nodes[index];
            if matches!(node.operator, Operator::Reshape) {
                forever.extend(node.inputs.iter().copied().map(at));
            }
        }
    }

    /// Whether a node is the requantization that its input, a linear or convolution, takes along.
    fn is_scaled_product(&self, index: usize) -> bool {
        let node = &self.nodes()[index];
        let Some(input) = node.inputs.first().copied().map(at) else {
            return false;
        };
        let product = &self.nodes()[input];
        if self.uses[input] != 1 {
            return false;
        }
        match (&product.operator, &node.operator) {
            (Operator::Linear { .. }, Operator::Requantize { .. })
            | (Operator::Conv { .. }, Operator::ChannelScale { .. }) => true,
            (Operator::Conv { .. }, Operator::Requantize { multipliers, .. }) => self
                .program
                .constant(*multipliers)
                .is_some_and(|m| m.len() == 1),
            _ => false,
        }
    }

    /// The requantization that reads this node alone and makes its value along with its own.
    fn taken_along_by(&self, index: usize) -> Option<usize> {
        let operator = &self.nodes()[index].operator;
        let is_product = matches!(operator, Operator::Linear { .. } | Operator::Conv { .. });
        self.reader[index].filter(|reader| is_product && self.is_scaled_product(*reader))
    }

    fn node(&mut self, index: usize) -> Result<(), ModelError> {
        let program = self.program;
        let node = &program.program().nodes[index];
        let needed = self.needed[index];
        if needed == Needed::default() && !matches!(node.operator, Operator::Input { .. }) {
            return Ok(());
        }
        match &node.operator {
            Operator::Input { .. } => {
                let value = self.make(index, Rows::Wanted);
                self.plan.inputs.push(value);
            }
            Operator::Tokens => self.plan.tokens = Some(self.make(index, Rows::All)),
            Operator::Positions => self.plan.positions = Some(self.make(index, Rows::All)),
            Operator::Constant { value } => self.constant_value(index, *value)?,
            Operator::Reshape => self.reshape(index)?,
            Operator::Attention { .. } => self.attention(index)?,
            Operator::Linear { .. } | Operator::Conv { .. }
                if self.taken_along_by(index).is_some() => {}
            Operator::Linear { weight, bias } => {
                self.linear(index, index, (*weight, *bias), None)?;
            }
            Operator::Conv { .. } => self.conv(index, index, None)?,
            Operator::Requantize { multipliers, shift }
            | Operator::ChannelScale { multipliers, shift }
                if self.is_scaled_product(index) =>
            {
                let scale = self.scale(*multipliers, *shift, &node.result)?;
                let product = at(node.inputs[0]);
                match &program.program().nodes[product].operator {
                    Operator::Linear { weight, bias } => {
                        self.linear(product, index, (*weight, *bias), Some(scale))?;
                    }
                    _ => self.conv(product, index, Some(scale))?,
                }
            }
            _ if self.image_op(index)? => {}
            _ => self.row_op(index)?,
        }
        Ok(())
    }

    fn rows_of(&self, index: usize) -> Rows {
        if self.needed[index].later {
            Rows::All
        } else {
            Rows::Wanted
        }
    }

    /// A buffer for a node's value.
    fn make(&mut self, index: usize, rows: Rows) -> Value {
        let result = &self.program.program().nodes[index].result;
        let value = self.buffer(result, rows, self.last_use[index]);
        self.values[index] = Some(value);
        value
    }

    fn buffer(&mut self, result: &NodeType, rows: Rows, until: usize) -> Value {
        let elements = elements(result);
        let narrow = is_narrow(result.lo, result.hi);
        let place = self.place(narrow, rows, elements);
        self.slot_users.push((place, until));
        Value {
            place,
            elements,
            rows,
            layout: Layout::Natural,
            lo: result.lo,
            hi: result.hi,
        }
    }

    /// The free buffer that fits best, or a new one.
    fn place(&mut self, narrow: bool, rows: Rows, elements: usize) -> Place {
        let slots = if narrow {
            &mut self.plan.narrow
        } else {
            &mut self.plan.wide
        };
        let candidates = self.free.iter().enumerate().filter_map(|(number, place)| {
            let slot = match place {
                Place::Narrow(slot) if narrow => *slot,
                Place::Wide(slot) if !narrow => *slot,
                _ => return None,
            };
            (slots[slot].rows == rows).then_some((number, slot))
        });
        let best = candidates.min_by_key(|(_, slot)| {
            let size = slots[*slot].elements;
            // The smallest that is large enough, else the largest.
            if size >= elements {
                (0, size - elements)
            } else {
                (1, elements - size)
            }
        });
        let Some((number, slot)) = best else {
            slots.push(Slot { rows, elements });
            let slot = slots.len() - 1;
            return if narrow {
                Place::Narrow(slot)
            } else {
                Place::Wide(slot)
            };
        };
        slots[slot].elements = slots[slot].elements.max(elements);
        self.free.swap_remove(number)
    }

    /// Buffers whose last reader this node was are free.
    fn release(&mut self, index: usize) {
        let free = &mut self.free;
        self.slot_users.retain(|(place, until)| {
            let keep = *until > index;
            if !keep {
                free.push(*place);
            }
            keep
        });
    }

    /// An input's value for rows of a kind: gathered, if it has all rows and some are asked for.
    fn input(&mut self, input: usize, rows: Rows) -> Result<Value, ModelError> {
        let value = self.value(input)?;
        let value = self.natural(input, value)?;
        let is_constant = matches!(
            value.place,
            Place::NarrowConstant(_) | Place::WideConstant(_)
        );
        if is_constant || value.rows == rows {
            return Ok(value);
        }
        if let Some(gathered) = self.gathered[input] {
            return Ok(gathered);
        }
        let result = &self.program.program().nodes[input].result;
        let out = self.buffer(result, Rows::Wanted, self.last_use[input]);
        self.gathered[input] = Some(out);
        let needed = self.needed[input];
        self.plan.instructions.push(Instruction {
            work: Work::Row(RowOp::Copy),
            inputs: vec![value],
            out,
            needed: Needed {
                later: false,
                ..needed
            },
        });
        Ok(out)
    }

    fn value(&self, index: usize) -> Result<Value, ModelError> {
        self.values[index]
            .ok_or_else(|| self.unsupported(index, "its value is used before it is made"))
    }

    /// A result's value, of the rows asked for: in a buffer, of `i32` if it has to be.
    fn result(&mut self, index: usize, wide: bool) -> Result<Value, ModelError> {
        let value = self.input(index, Rows::Wanted)?;
        match value.place {
            Place::Wide(_) => return Ok(value),
            Place::Narrow(_) if !wide => return Ok(value),
            _ => {}
        }
        let wide = wide || matches!(value.place, Place::WideConstant(_));
        let out = Value {
            place: self.place(!wide, Rows::Wanted, value.elements),
            rows: Rows::Wanted,
            ..value
        };
        self.push(Work::Row(RowOp::Copy), vec![value], out, index);
        Ok(out)
    }

    fn push(&mut self, work: Work, inputs: Vec<Value>, out: Value, node: usize) {
        self.plan.instructions.push(Instruction {
            work,
            inputs,
            out,
            needed: self.needed[node],
        });
    }

    fn constant_value(&mut self, index: usize, id: ConstantId) -> Result<(), ModelError> {
        let result = &self.nodes()[index].result;
        let (lo, hi, elements) = (result.lo, result.hi, elements(result));
        let values = self.constant(index, id)?.to_vec();
        let place = if is_narrow(lo, hi) {
            self.plan
                .narrow_constants
                .push(values.iter().map(|v| *v as i16).collect());
            Place::NarrowConstant(self.plan.narrow_constants.len() - 1)
        } else {
            self.plan.wide_constants.push(values);
            Place::WideConstant(self.plan.wide_constants.len() - 1)
        };
        self.values[index] = Some(Value {
            place,
            elements,
            rows: Rows::All,
            layout: Layout::Natural,
            lo,
            hi,
        });
        Ok(())
    }

    /// Another name for the input; a copy, if the declared range changes how elements are stored.
    fn reshape(&mut self, index: usize) -> Result<(), ModelError> {
        let node = &self.program.program().nodes[index];
        let rows = self.rows_of(index);
        let x = self.input(at(node.inputs[0]), rows)?;
        let (lo, hi) = (node.result.lo, node.result.hi);
        if is_narrow(x.lo, x.hi) == is_narrow(lo, hi) {
            self.values[index] = Some(Value { lo, hi, ..x });
            return Ok(());
        }
        let out = self.make(index, rows);
        self.push(Work::Row(RowOp::Copy), vec![x], out, index);
        Ok(())
    }

    fn linear(
        &mut self,
        linear: usize,
        result: usize,
        (weight, bias): (ConstantId, Option<ConstantId>),
        scale: Option<Scale>,
    ) -> Result<(), ModelError> {
        let program = self.program;
        let rows = self.rows_of(result);
        let input = at(program.program().nodes[linear].inputs[0]);
        let x = self.input(input, rows)?;
        let x = self.in_buffer(input, x, rows);
        let weights = self.constant(linear, weight)?;
        let [n, k] = dimensions(&weights)?;
        let weights = weights.to_i8().unwrap_or_default();
        let bias = bias.map(|id| Ok::<_, ModelError>(self.constant(linear, id)?.to_vec()));
        let bias = bias.transpose()?;
        let out = self.make(result, rows);
        // Operands of products have 16 bits (spec 04 §4.1).
        let span = Span::of(x.lo, x.hi).unwrap_or(Span::I16);
        self.plan.widest = self.plan.widest.max(x.elements);
        let work = Work::Linear(Linear {
            packed: PackedLinear::pack(self.isa, &weights, bias.as_deref(), n, k),
            span,
            scale: scale.or_else(|| unscaled(out)),
            rows: x.elements / k,
        });
        self.push(work, vec![x], out, result);
        Ok(())
    }

    /// A constant copied into a buffer, for work that reads many rows at once.
    fn in_buffer(&mut self, index: usize, x: Value, rows: Rows) -> Value {
        if matches!(x.place, Place::Narrow(_) | Place::Wide(_)) {
            return x;
        }
        let result = &self.program.program().nodes[index].result;
        let out = self.buffer(result, rows, self.last_use[index]);
        let needed = Needed {
            later: rows == Rows::All,
            ..self.needed[index]
        };
        self.plan.instructions.push(Instruction {
            work: Work::Row(RowOp::Copy),
            inputs: vec![x],
            out,
            needed,
        });
        out
    }

    fn attention(&mut self, index: usize) -> Result<(), ModelError> {
        let node = &self.program.program().nodes[index];
        let Operator::Attention {
            multiplier,
            shift,
            output_shift,
            window,
        } = node.operator
        else {
            return Ok(());
        };
        let [q, k, v] = [0, 1, 2].map(|number| at(node.inputs[number]));
        let last = |index: usize, axis: usize| self.nodes()[index].result.shape[axis] as usize;
        let layout = KvLayout {
            groups: last(k, 0),
            key: last(k, 1),
            value: last(v, 1),
        };
        let attention = Attention {
            layout,
            heads: last(q, 0) / layout.groups,
            multiplier,
            shift: u32::from(shift),
            fraction: u32::from(output_shift),
            window: window as usize,
            bounds: Bounds::new(node.result.lo, node.result.hi),
        };
        let narrow = [q, k, v, index].into_iter().all(|index| {
            let result = &self.nodes()[index].result;
            is_narrow(result.lo, result.hi)
        });
        if !narrow {
            return Err(self.unsupported(index, "an attention with a result beyond 16 bits"));
        }
        let layer = self.plan.layers.len();
        self.plan.layers.push(layout);
        let keys = self.input(k, Rows::All)?;
        let values = self.input(v, Rows::All)?;
        let (keys, values) = (
            self.in_buffer(k, keys, Rows::All),
            self.in_buffer(v, values, Rows::All),
        );
        self.plan.instructions.push(Instruction {
            work: Work::Store { layer },
            inputs: vec![keys, values],
            out: keys,
            needed: Needed {
                later: true,
                outputs: true,
                hidden: true,
            },
        });
        let rows = self.rows_of(index);
        let queries = self.input(q, rows)?;
        let queries = self.in_buffer(q, queries, rows);
        let out = self.make(index, rows);
        self.push(Work::Attend { layer, attention }, vec![queries], out, index);
        Ok(())
    }

    fn constant(&self, node: usize, id: ConstantId) -> Result<TensorView<'_>, ModelError> {
        self.program
            .constant(id)
            .ok_or_else(|| self.unsupported(node, "a constant is missing"))
    }

    fn scale(&self, id: ConstantId, shift: u8, result: &NodeType) -> Result<Scale, ModelError> {
        let multipliers = self.program.constant(id).map(|m| m.to_vec());
        Ok(Scale {
            multipliers: multipliers.ok_or_else(|| self.unsupported(0, "a constant is missing"))?,
            shift: u32::from(shift),
            bounds: Bounds::new(result.lo, result.hi),
        })
    }

    fn entries(&self, node: usize, id: ConstantId) -> Result<Entries, ModelError> {
        let view = self.constant(node, id)?;
        let narrow = view
            .to_i8()
            .map(Entries::I8)
            .or_else(|| view.to_i16().map(Entries::I16));
        Ok(narrow.unwrap_or_else(|| Entries::I32(view.to_vec())))
    }

    fn unsupported(&self, node: usize, reason: &str) -> ModelError {
        ModelError::Unsupported {
            node: self.nodes()[node].name.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// Elements of a row.
fn elements(result: &NodeType) -> usize {
    usize::try_from(result.elements()).unwrap_or(usize::MAX)
}

fn shape(result: &NodeType) -> Vec<usize> {
    result.shape.iter().map(|d| *d as usize).collect()
}

/// Sums that are stored as `i16` go through a requantization that changes nothing.
fn unscaled(out: Value) -> Option<Scale> {
    is_narrow(out.lo, out.hi).then(|| Scale {
        multipliers: vec![1],
        shift: 0,
        bounds: Bounds::new(out.lo, out.hi),
    })
}

/// Dimensions of a matrix of weights.
fn dimensions(weights: &TensorView<'_>) -> Result<[usize; 2], ModelError> {
    match weights.shape() {
        [n, k] => Ok([*n as usize, *k as usize]),
        _ => Err(ModelError::malformed(
            proofmark_program::WEIGHTS_PATH,
            format!("{} is not a matrix", weights.name()),
        )),
    }
}
