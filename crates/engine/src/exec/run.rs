//! Runs a plan.

use std::mem::take;

use proofmark_kernels::{
    Attention, AttentionJob, BLOCK, Isa, KvBlock, Output, PackedActivations, Pool, Windows,
};

use super::kv::{BlockId, KvBlocks};
use super::op::{RowInputs, RowOp};
use super::plan::{Conv, Instruction, Linear, Plan, Slot, Work};
use super::value::{Place, Rows, Value, View, ViewMut};

/// Elementary steps that are worth sharing out among threads.
const WORTH_THREADS: usize = 1 << 15;
/// Most inputs of an operator that are viewed without allocating.
const FEW_INPUTS: usize = 4;

/// Rows of one sequence in a step: ids at consecutive positions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk<'a> {
    pub(crate) ids: &'a [u32],
    /// Position of the first id. Positions before it are in the cache.
    pub(crate) first: usize,
    /// Blocks of the sequence, from position 0, enough for all ids.
    pub(crate) blocks: &'a [BlockId],
    /// Of how many rows, the last ones, results are asked for.
    pub(crate) wanted: usize,
}

/// Which results a step makes of the rows asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Results {
    pub(crate) outputs: bool,
    pub(crate) hidden: bool,
}

/// Buffers of a plan, for steps of bounded size.
pub(crate) struct Workspace {
    narrow: Vec<Vec<i16>>,
    wide: Vec<Vec<i32>>,
    packed: PackedActivations,
    /// The buffer that `packed` was made of, while it is unchanged.
    packed_from: Option<(Place, usize)>,
    narrow_sums: Vec<i16>,
    sums: Vec<i32>,
    rows: usize,
    wanted: usize,
    /// Position of each row, and of each row asked for.
    positions: Vec<usize>,
    wanted_positions: Vec<usize>,
    /// Index among all rows of each row asked for.
    wanted_rows: Vec<usize>,
}

impl Workspace {
    /// Bytes of a workspace.
    pub(crate) fn bytes(plan: &Plan, rows: usize, wanted: usize) -> u64 {
        let of = |slots: &[Slot], width: u64| -> u64 {
            slots
                .iter()
                .map(|slot| slot.capacity(rows, wanted) as u64 * width)
                .sum()
        };
        let packed = 4 * (plan.widest as u64 * rows.max(wanted) as u64).max(plan.windows as u64);
        let groups = 6 * plan.sums as u64;
        of(&plan.narrow, 2) + of(&plan.wide, 4) + packed + groups
    }

    /// Buffers for steps of at most so many rows, and so many asked for.
    pub(crate) fn new(plan: &Plan, rows: usize, wanted: usize) -> Self {
        let capacity = |slot: &Slot| slot.capacity(rows, wanted);
        Self {
            narrow: plan
                .narrow
                .iter()
                .map(|slot| vec![0; capacity(slot)])
                .collect(),
            wide: plan
                .wide
                .iter()
                .map(|slot| vec![0; capacity(slot)])
                .collect(),
            packed: PackedActivations::new(),
            packed_from: None,
            narrow_sums: vec![0; plan.sums],
            sums: vec![0; plan.sums],
            rows: 0,
            wanted: 0,
            positions: Vec::with_capacity(rows),
            wanted_positions: Vec::with_capacity(wanted),
            wanted_rows: Vec::with_capacity(wanted),
        }
    }

    fn count(&self, rows: Rows) -> usize {
        match rows {
            Rows::All => self.rows,
            Rows::Wanted => self.wanted,
        }
    }

    /// All rows of a result, which is never a constant.
    pub(crate) fn rows_of(&self, value: &Value) -> View<'_> {
        let len = self.count(value.rows) * value.elements;
        match value.place {
            Place::Narrow(slot) => View::Narrow(&self.narrow[slot][..len]),
            Place::Wide(slot) => View::Wide(&self.wide[slot][..len]),
            Place::NarrowConstant(_) | Place::WideConstant(_) => View::Narrow(&[]),
        }
    }

    /// All rows of a value.
    fn view<'a>(&'a self, plan: &'a Plan, value: &Value) -> View<'a> {
        match value.place {
            Place::NarrowConstant(index) => View::Narrow(&plan.narrow_constants[index]),
            Place::WideConstant(index) => View::Wide(&plan.wide_constants[index]),
            Place::Narrow(_) | Place::Wide(_) => self.rows_of(value),
        }
    }

    /// Sets the rows of an input.
    fn set(&mut self, value: &Value, elements: impl Iterator<Item = i32>) {
        let len = self.count(value.rows) * value.elements;
        let mut out = match value.place {
            Place::Narrow(slot) => ViewMut::Narrow(&mut self.narrow[slot][..len]),
            Place::Wide(slot) => ViewMut::Wide(&mut self.wide[slot][..len]),
            Place::NarrowConstant(_) | Place::WideConstant(_) => return,
        };
        for (index, element) in elements.take(len).enumerate() {
            out.set(index, element);
        }
    }

    fn take(&mut self, place: Place) -> Buffer {
        match place {
            Place::Narrow(slot) => Buffer::Narrow(take(&mut self.narrow[slot])),
            Place::Wide(slot) => Buffer::Wide(take(&mut self.wide[slot])),
            Place::NarrowConstant(_) | Place::WideConstant(_) => Buffer::Narrow(Vec::new()),
        }
    }

    fn put(&mut self, place: Place, buffer: Buffer) {
        match (place, buffer) {
            (Place::Narrow(slot), Buffer::Narrow(x)) => self.narrow[slot] = x,
            (Place::Wide(slot), Buffer::Wide(x)) => self.wide[slot] = x,
            _ => {}
        }
    }
}

impl Slot {
    fn capacity(&self, rows: usize, wanted: usize) -> usize {
        let rows = match self.rows {
            Rows::All => rows,
            Rows::Wanted => wanted,
        };
        self.elements * rows
    }
}

/// A buffer that an instruction writes, taken out of the workspace meanwhile.
enum Buffer {
    Narrow(Vec<i16>),
    Wide(Vec<i32>),
}

impl Buffer {
    fn view_mut(&mut self, len: usize) -> ViewMut<'_> {
        match self {
            Self::Narrow(x) => ViewMut::Narrow(&mut x[..len]),
            Self::Wide(x) => ViewMut::Wide(&mut x[..len]),
        }
    }
}

/// What a step runs on.
pub(crate) struct Runner<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) isa: Isa,
    pub(crate) pool: &'a Pool,
}

impl Runner<'_> {
    /// Runs rows of sequences of a decoder. Rows of results lie one after another, in the order of the chunks.
    pub(crate) fn step(
        &self,
        workspace: &mut Workspace,
        cache: &mut KvBlocks,
        chunks: &[Chunk<'_>],
        results: Results,
    ) {
        workspace.positions.clear();
        workspace.wanted_positions.clear();
        workspace.wanted_rows.clear();
        for chunk in chunks {
            let start = workspace.positions.len();
            let positions = chunk.first..chunk.first + chunk.ids.len();
            let skipped = chunk.ids.len() - chunk.wanted;
            workspace.positions.extend(positions.clone());
            workspace.wanted_positions.extend(positions.skip(skipped));
            workspace
                .wanted_rows
                .extend(start + skipped..start + chunk.ids.len());
        }
        workspace.rows = workspace.positions.len();
        workspace.wanted = workspace.wanted_rows.len();
        workspace.packed_from = None;
        if let Some(tokens) = &self.plan.tokens {
            let ids = chunks.iter().flat_map(|chunk| chunk.ids);
            workspace.set(tokens, ids.map(|id| *id as i32));
        }
        if let Some(value) = &self.plan.positions {
            let positions = take(&mut workspace.positions);
            workspace.set(value, positions.iter().map(|position| *position as i32));
            workspace.positions = positions;
        }
        for instruction in &self.plan.instructions {
            let needed = instruction.needed;
            let asked = (needed.outputs && results.outputs) || (needed.hidden && results.hidden);
            if needed.later || (asked && workspace.wanted > 0) {
                self.instruction(instruction, workspace, cache, chunks);
            }
        }
    }

    /// Runs independent inputs of a tensor program: for each input of the interface its rows, one after another.
    pub(crate) fn batch(&self, workspace: &mut Workspace, rows: usize, inputs: &[&[i32]]) {
        workspace.rows = rows;
        workspace.wanted = rows;
        workspace.packed_from = None;
        workspace.positions.clear();
        workspace.wanted_positions.clear();
        workspace.wanted_positions.resize(rows, 0);
        workspace.wanted_rows.clear();
        workspace.wanted_rows.extend(0..rows);
        for (value, input) in self.plan.inputs.iter().zip(inputs) {
            workspace.set(value, input.iter().copied());
        }
        let mut cache = KvBlocks::none();
        for instruction in &self.plan.instructions {
            self.instruction(instruction, workspace, &mut cache, &[]);
        }
    }

    fn instruction(
        &self,
        instruction: &Instruction,
        workspace: &mut Workspace,
        cache: &mut KvBlocks,
        chunks: &[Chunk<'_>],
    ) {
        let out = &instruction.out;
        if let Work::Store { layer } = instruction.work {
            self.store(layer, &instruction.inputs, workspace, cache, chunks);
            return;
        }
        let mut buffer = workspace.take(out.place);
        let len = workspace.count(out.rows) * out.elements;
        match &instruction.work {
            Work::Row(op) => self.rows(op, instruction, workspace, buffer.view_mut(len)),
            Work::Linear(linear) => self.linear(
                linear,
                &instruction.inputs[0],
                workspace,
                buffer.view_mut(len),
            ),
            Work::Conv(conv) => self.conv(conv, instruction, workspace, buffer.view_mut(len)),
            Work::Attend { layer, attention } => {
                if let (ViewMut::Narrow(y), View::Narrow(q)) = (
                    buffer.view_mut(len),
                    workspace.view(self.plan, &instruction.inputs[0]),
                ) {
                    self.attend((*layer, attention), out.rows, q, y, cache, chunks);
                }
            }
            Work::Store { .. } => {}
        }
        workspace.put(out.place, buffer);
        if workspace
            .packed_from
            .is_some_and(|(place, _)| place == out.place)
        {
            workspace.packed_from = None;
        }
    }

    fn rows(&self, op: &RowOp, instruction: &Instruction, workspace: &Workspace, out: ViewMut<'_>) {
        let target = &instruction.out;
        let rows = workspace.count(target.rows);
        let positions = match target.rows {
            Rows::All => &workspace.positions,
            Rows::Wanted => &workspace.wanted_positions,
        };
        let one = |row: usize, out: ViewMut<'_>| {
            let mut few = [View::Narrow(&[]); FEW_INPUTS];
            let many: Vec<View<'_>>;
            let view = |input: &Value| self.row_of(workspace, input, target.rows, row);
            let views: &[View<'_>] = if instruction.inputs.len() <= FEW_INPUTS {
                for (place, input) in few.iter_mut().zip(&instruction.inputs) {
                    *place = view(input);
                }
                &few
            } else {
                many = instruction.inputs.iter().map(view).collect();
                &many
            };
            let inputs = RowInputs {
                views: &views[..instruction.inputs.len()],
                position: positions.get(row).copied().unwrap_or(0),
            };
            op.run(self.isa, &inputs, out);
        };
        let per_task = self.rows_per_task(rows, target.elements.max(1) * op.cost());
        match out {
            ViewMut::Narrow(out) => self.each_row(out, target.elements, per_task, |row, out| {
                one(row, ViewMut::Narrow(out));
            }),
            ViewMut::Wide(out) => self.each_row(out, target.elements, per_task, |row, out| {
                one(row, ViewMut::Wide(out));
            }),
        }
    }

    /// One row of an input, for a result that has rows of a kind.
    fn row_of<'w>(
        &'w self,
        workspace: &'w Workspace,
        input: &Value,
        rows: Rows,
        row: usize,
    ) -> View<'w> {
        let view = workspace.view(self.plan, input);
        let row = match (input.place, input.rows, rows) {
            (Place::NarrowConstant(_) | Place::WideConstant(_), ..) => 0,
            (_, Rows::All, Rows::Wanted) => workspace.wanted_rows[row],
            _ => row,
        };
        view.part(row * input.elements, input.elements)
    }

    fn rows_per_task(&self, rows: usize, cost: usize) -> usize {
        let threads = self.pool.threads();
        if threads == 1 || rows.saturating_mul(cost) < WORTH_THREADS {
            return rows.max(1);
        }
        rows.div_ceil(4 * threads).max(1)
    }

    fn each_row<T: Send>(
        &self,
        out: &mut [T],
        elements: usize,
        per_task: usize,
        one: impl Fn(usize, &mut [T]) + Sync,
    ) {
        if elements == 0 {
            return;
        }
        if out.len() <= per_task * elements {
            out.chunks_exact_mut(elements)
                .enumerate()
                .for_each(|(row, out)| one(row, out));
            return;
        }
        self.pool
            .for_each_chunk(out, per_task * elements, |task, out| {
                for (offset, out) in out.chunks_exact_mut(elements).enumerate() {
                    one(task * per_task + offset, out);
                }
            });
    }

    fn linear(&self, linear: &Linear, x: &Value, workspace: &mut Workspace, out: ViewMut<'_>) {
        let rows = workspace.count(x.rows) * linear.rows;
        let k = linear.packed.inputs();
        if workspace.packed_from != Some((x.place, k)) {
            let mut packed = take(&mut workspace.packed);
            if let View::Narrow(x) = workspace.view(self.plan, x) {
                packed.pack(self.isa, x, rows, k, linear.span);
            }
            workspace.packed = packed;
            workspace.packed_from = Some((x.place, k));
        }
        let out = match (out, &linear.scale) {
            (ViewMut::Narrow(out), Some(scale)) => Output::I16(out, scale.requant()),
            (ViewMut::Wide(out), Some(scale)) => Output::I32(out, scale.requant()),
            (ViewMut::Wide(out), None) => Output::Raw(out),
            (ViewMut::Narrow(_), None) => return,
        };
        linear.packed.run_on(self.pool, &workspace.packed, out);
    }

    fn store(
        &self,
        layer: usize,
        inputs: &[Value],
        workspace: &Workspace,
        cache: &mut KvBlocks,
        chunks: &[Chunk<'_>],
    ) {
        let (keys, values) = (&inputs[0], &inputs[1]);
        let (View::Narrow(k), View::Narrow(v)) = (
            workspace.view(self.plan, keys),
            workspace.view(self.plan, values),
        ) else {
            return;
        };
        let mut rows = k
            .chunks_exact(keys.elements)
            .zip(v.chunks_exact(values.elements));
        for chunk in chunks {
            let positions = chunk.first..chunk.first + chunk.ids.len();
            for (position, (k, v)) in positions.zip(&mut rows) {
                cache.write(chunk.blocks[position / BLOCK], layer, position, k, v);
            }
        }
    }

    fn attend(
        &self,
        (layer, attention): (usize, &Attention),
        rows: Rows,
        mut q: &[i16],
        mut y: &mut [i16],
        cache: &KvBlocks,
        chunks: &[Chunk<'_>],
    ) {
        let heads = attention.layout.groups * attention.heads;
        let (q_row, y_row) = (heads * attention.layout.key, heads * attention.layout.value);
        let blocks: Vec<Vec<KvBlock<'_>>> = chunks
            .iter()
            .map(|chunk| {
                let end = (chunk.first + chunk.ids.len()).div_ceil(BLOCK);
                chunk.blocks[..end]
                    .iter()
                    .map(|id| cache.layer(*id, layer))
                    .collect()
            })
            .collect();
        let mut jobs = Vec::with_capacity(chunks.len());
        for (chunk, blocks) in chunks.iter().zip(&blocks) {
            let count = match rows {
                Rows::All => chunk.ids.len(),
                Rows::Wanted => chunk.wanted,
            };
            if count == 0 {
                continue;
            }
            let (mine, rest) = q.split_at(count * q_row);
            let (out, rest_out) = take(&mut y).split_at_mut(count * y_row);
            (q, y) = (rest, rest_out);
            jobs.push(AttentionJob {
                q: mine,
                first: chunk.first + chunk.ids.len() - count,
                blocks,
                start: 0,
                out,
            });
        }
        attention.run(self.isa, self.pool, &mut jobs);
    }

    fn conv(
        &self,
        conv: &Conv,
        instruction: &Instruction,
        workspace: &mut Workspace,
        mut out: ViewMut<'_>,
    ) {
        let (x, target) = (&instruction.inputs[0], &instruction.out);
        workspace.packed_from = None;
        let mut packed = take(&mut workspace.packed);
        let (mut sums, mut narrow) = (take(&mut workspace.sums), take(&mut workspace.narrow_sums));
        let all: usize = conv.groups.iter().map(|group| group.packed.outputs()).sum();
        let channels = conv.shape[0] / conv.groups.len();
        for row in 0..workspace.count(target.rows) {
            let View::Narrow(x) = self.row_of(workspace, x, target.rows, row) else {
                break;
            };
            let mut out = out.part(row * target.elements, target.elements);
            for (number, group) in conv.groups.iter().enumerate() {
                let mine = (number * channels, channels);
                let windows = Windows::new(x, conv.shape, mine, &conv.window);
                packed.pack_windows(self.isa, self.pool, &windows, conv.span);
                let outputs = group.packed.outputs();
                let apart = (conv.groups.len() > 1).then_some((number * outputs, all));
                match (&mut out, &group.scale) {
                    (ViewMut::Narrow(out), Some(scale)) => {
                        put(
                            out,
                            &mut narrow,
                            conv.places * outputs,
                            outputs,
                            apart,
                            |out| {
                                let out = Output::I16(out, scale.requant());
                                group.packed.run_on(self.pool, &packed, out);
                            },
                        );
                    }
                    (ViewMut::Wide(out), scale) => {
                        put(
                            out,
                            &mut sums,
                            conv.places * outputs,
                            outputs,
                            apart,
                            |out| {
                                let out = match scale {
                                    Some(scale) => Output::I32(out, scale.requant()),
                                    None => Output::Raw(out),
                                };
                                group.packed.run_on(self.pool, &packed, out);
                            },
                        );
                    }
                    (ViewMut::Narrow(_), None) => {}
                }
            }
        }
        workspace.packed = packed;
        (workspace.sums, workspace.narrow_sums) = (sums, narrow);
    }
}

/// Makes a matrix of `width` columns with `len` elements: in `out` itself, or, if it is columns (first, of how many) of `out`, in
/// `apart`, from where they are copied.
fn put<T: Copy>(
    out: &mut [T],
    apart: &mut [T],
    len: usize,
    width: usize,
    columns: Option<(usize, usize)>,
    make: impl FnOnce(&mut [T]),
) {
    let Some((first, all)) = columns else {
        make(&mut out[..len]);
        return;
    };
    let apart = &mut apart[..len];
    make(apart);
    for (out, row) in out.chunks_exact_mut(all).zip(apart.chunks_exact(width)) {
        out[first..first + width].copy_from_slice(row);
    }
}
