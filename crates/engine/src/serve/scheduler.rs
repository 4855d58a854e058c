//! The engine's thread: which rows of which sequences each step has.
//!
//! Sequences are served in the order of their arrival. A step holds one row of each answer in the making and, in what room is left,
//! equal shares of the prompts that are still being read. Blocks of the cache are taken when they are needed; when none is left the
//! youngest sequence gives up its own and begins again later, which changes nothing of its answer: it is the same function of the same ids.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use proofmark_kernels::Pool;
use proofmark_program::SamplerScratch;

use super::blocks::Blocks;
use super::events::{Doorbell, lock};
use super::sequence::{Purpose, Sampled, Sequence};
use crate::exec::{BLOCK, Chunk, Decoder, DecoderMemory, Results};
use crate::model::Model;

/// What the handles and the thread share.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) requests: Mutex<Requests>,
}

/// Requests that the thread did not take yet.
#[derive(Default)]
pub(super) struct Requests {
    /// Sequences of each request.
    pub(super) arrived: VecDeque<Vec<Sequence>>,
    /// Requests that wait, here and with the thread.
    pub(super) waiting: usize,
    pub(super) running: usize,
    pub(super) stopped: bool,
}

impl core::fmt::Debug for Requests {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Requests")
            .field("waiting", &self.waiting)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

/// Bounds of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) sequences: usize,
    pub(super) rows: usize,
    /// Rows of prompts in a step with answers in the making: what those wait for.
    pub(super) mixed_rows: usize,
    pub(super) wanted: usize,
}

/// A sequence's part of a step.
#[derive(Debug, Clone, Copy)]
struct Part {
    sequence: usize,
    rows: usize,
    wanted: usize,
}

pub(super) struct Scheduler {
    pub(super) model: Arc<Model>,
    pub(super) pool: Pool,
    pub(super) memory: DecoderMemory,
    pub(super) blocks: Blocks,
    pub(super) limits: Limits,
    pub(super) inbox: Arc<Inbox>,
    pub(super) doorbell: Arc<Doorbell>,
    pub(super) waiting: VecDeque<Sequence>,
    /// In the order of their arrival.
    pub(super) running: Vec<Sequence>,
    pub(super) scratch: SamplerScratch,
}

impl Scheduler {
    /// Works until the engine is dropped.
    pub(super) fn run(mut self) {
        let model = Arc::clone(&self.model);
        let Some(decoder) = model.decoder() else {
            return;
        };
        while self.take_requests() {
            self.drop_abandoned();
            self.admit();
            let answered = self.step(decoder, false);
            let embedded = self.step(decoder, true);
            self.drop_finished();
            if !answered && !embedded {
                self.doorbell.wait();
            }
        }
    }

    /// Whether the engine still runs.
    fn take_requests(&mut self) -> bool {
        let mut requests = lock(&self.inbox.requests);
        for sequences in requests.arrived.drain(..) {
            self.waiting.extend(sequences);
        }
        requests.waiting = self.waiting.len();
        requests.running = self.running.len();
        !requests.stopped
    }

    fn drop_abandoned(&mut self) {
        self.waiting
            .retain(|sequence| !sequence.shared.events.is_abandoned());
        for sequence in &mut self.running {
            sequence.finished |= sequence.shared.events.is_abandoned();
        }
        self.drop_finished();
    }

    fn drop_finished(&mut self) {
        let mut index = 0;
        while let Some(sequence) = self.running.get_mut(index) {
            if !sequence.finished && !sequence.evicted {
                index += 1;
                continue;
            }
            self.blocks.release(&mut sequence.blocks);
            let mut sequence = self.running.remove(index);
            if !sequence.finished {
                sequence.evicted = false;
                let place = self
                    .waiting
                    .partition_point(|other| other.number < sequence.number);
                self.waiting.insert(place, sequence);
            }
        }
    }

    /// Lets sequences run while there is room, and takes what is known of their prompts from the cache.
    fn admit(&mut self) {
        let mut skipped = 0;
        while self.running.len() < self.limits.sequences {
            let Some(sequence) = self.waiting.get(skipped) else {
                break;
            };
            // Answers to one prompt share its blocks: the first reads it.
            let follows = sequence.leader.is_some_and(|leader| {
                let mut others = self.running.iter().chain(self.waiting.iter().take(skipped));
                others.any(|other| other.number == leader && other.computed < other.prompt)
            });
            if follows {
                skipped += 1;
                continue;
            }
            let needed = (sequence.ids.len() + 1).div_ceil(BLOCK);
            if needed > self.blocks.available() && !self.running.is_empty() {
                break;
            }
            if let Some(mut sequence) = self.waiting.remove(skipped) {
                self.share_prefix(&mut sequence);
                let place = self
                    .running
                    .partition_point(|other| other.number < sequence.number);
                self.running.insert(place, sequence);
            }
        }
    }

    /// Full blocks of the sequence's beginning that are in the cache; at least one id is left to compute.
    fn share_prefix(&mut self, sequence: &mut Sequence) {
        // An embedding needs the rows themselves.
        if matches!(sequence.purpose, Purpose::Embedding { .. }) {
            return;
        }
        let full = sequence.ids.len().saturating_sub(1) / BLOCK;
        for ids in sequence.ids.chunks_exact(BLOCK).take(full) {
            let key = sequence.prefix.then(ids);
            let Some(block) = self.blocks.share(&key) else {
                break;
            };
            sequence.blocks.push(block);
            sequence.prefix = key;
            sequence.prefix_blocks += 1;
            sequence.computed += BLOCK;
        }
    }

    /// Runs one step of answers, or of embeddings; whether there was anything to do.
    fn step(&mut self, decoder: &Decoder, embeddings: bool) -> bool {
        let parts = self.plan(embeddings);
        if parts.is_empty() {
            return false;
        }
        let chunks: Vec<Chunk<'_>> = parts
            .iter()
            .map(|part| {
                let sequence = &self.running[part.sequence];
                Chunk {
                    ids: &sequence.ids[sequence.computed..sequence.computed + part.rows],
                    first: sequence.computed,
                    blocks: &sequence.blocks,
                    wanted: part.wanted,
                }
            })
            .collect();
        let results = Results {
            outputs: !embeddings,
            hidden: embeddings,
        };
        decoder.step(&self.pool, &mut self.memory, &chunks, results);
        let mut row = 0;
        for part in &parts {
            self.after(decoder, *part, row, embeddings);
            row += part.wanted;
        }
        true
    }

    /// Takes the results of a sequence's part of a step.
    fn after(&mut self, decoder: &Decoder, part: Part, row: usize, embeddings: bool) {
        let sequence = &mut self.running[part.sequence];
        sequence.computed += part.rows;
        publish(&mut self.blocks, sequence);
        if part.wanted == 0 {
            return;
        }
        if embeddings {
            let width = decoder.hidden_width();
            let hidden = |index: usize| decoder.hidden_at(&self.memory, row * width + index);
            sequence.add_hidden(hidden, part.wanted);
            if sequence.computed == sequence.ids.len() {
                sequence.finish_embedding();
            }
            return;
        }
        let sampled = match decoder.logits(&self.memory, row) {
            Some(logits) => sequence.sample(logits, &mut self.scratch),
            None => Sampled::Failed("the step made no logits".to_owned()),
        };
        sequence.accept(&self.model, sampled);
    }

    /// Chooses rows for a step, and makes sure that they have blocks.
    fn plan(&mut self, embeddings: bool) -> Vec<Part> {
        let eligible = |sequence: &Sequence| {
            matches!(sequence.purpose, Purpose::Embedding { .. }) == embeddings
                && !sequence.is_paused()
                && !sequence.evicted
                && !sequence.finished
        };
        let (mut decoding, mut reading) = (0, 0);
        for sequence in self.running.iter().filter(|sequence| eligible(sequence)) {
            if sequence.is_decoding() {
                decoding += 1;
            } else {
                reading += 1;
            }
        }
        if decoding + reading == 0 {
            return Vec::new();
        }
        let mut room = match (embeddings, decoding) {
            (true, _) => self.limits.wanted.min(self.limits.rows),
            (false, 0) => self.limits.rows,
            (false, _) => self.limits.mixed_rows.min(self.limits.rows - decoding),
        };
        let share = (room / reading.max(1)).max(1);
        let mut parts = Vec::with_capacity(decoding + reading);
        let mut index = 0;
        while index < self.running.len() {
            let sequence = &self.running[index];
            let rows = match (eligible(sequence), sequence.is_decoding()) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => (sequence.ids.len() - sequence.computed)
                    .min(share)
                    .min(room),
            };
            if rows > 0 && self.reserve(index, rows, &parts) {
                let sequence = &self.running[index];
                if !sequence.is_decoding() {
                    room -= rows;
                }
                let is_last = sequence.computed + rows == sequence.ids.len();
                parts.push(Part {
                    sequence: index,
                    rows,
                    wanted: if embeddings {
                        rows
                    } else {
                        usize::from(is_last)
                    },
                });
            }
            index += 1;
        }
        parts
    }

    /// Blocks for more rows of a sequence. If there are none, a younger sequence that is not part of the step gives up its own, or one
    /// whose reader is behind.
    fn reserve(&mut self, index: usize, rows: usize, parts: &[Part]) -> bool {
        let needed = (self.running[index].computed + rows).div_ceil(BLOCK);
        while self.running[index].blocks.len() < needed {
            if let Some(block) = self.blocks.take() {
                self.memory.allocate(block);
                self.running[index].blocks.push(block);
                continue;
            }
            let victim = (0..self.running.len()).rev().find(|&other| {
                let sequence = &self.running[other];
                !sequence.blocks.is_empty()
                    && (other > index || (other < index && sequence.is_paused()))
                    && !parts.iter().any(|part| part.sequence == other)
            });
            let Some(victim) = victim else {
                return false;
            };
            let victim = &mut self.running[victim];
            self.blocks.release(&mut victim.blocks);
            victim.evict();
        }
        true
    }
}

/// Blocks that became full are there for other sequences.
fn publish(blocks: &mut Blocks, sequence: &mut Sequence) {
    while (sequence.prefix_blocks + 1) * BLOCK <= sequence.computed {
        let start = sequence.prefix_blocks * BLOCK;
        sequence.prefix = sequence.prefix.then(&sequence.ids[start..start + BLOCK]);
        blocks.publish(sequence.blocks[sequence.prefix_blocks], sequence.prefix);
        sequence.prefix_blocks += 1;
    }
}
