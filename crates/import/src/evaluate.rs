//! The exact program against the float model, on the same tokens.

use std::collections::BTreeMap;

use proofmark_program::{CheckedProgram, Interface, Operator, reference};

use crate::decoder::DecoderSource;
use crate::float::{Observe, forward};
use crate::{ClampCount, DecoderLoss, ImportError};

/// One unit of a logit in nats (§5.1).
const LOGIT_UNIT: f64 = 1.0 / 65_536.0;

/// Runs exact decoders: the reference interpreter, or an engine.
pub trait Executor {
    /// Logits of all rows, `[ids, vocabulary]`, in units of 2^−16.
    ///
    /// # Errors
    /// The program does not take these ids, or cannot be run.
    fn logits(&mut self, program: &CheckedProgram, ids: &[u32]) -> Result<Vec<i32>, ImportError>;

    /// How often each node's clamp left a value at an end of its range, as far as that is counted.
    fn clamps(&self) -> Vec<ClampCount> {
        Vec::new()
    }
}

/// Runs exact tensor programs: the reference interpreter, or an engine.
pub trait TensorExecutor {
    /// Elements of every output, for the elements of every input.
    ///
    /// # Errors
    /// The program does not take these inputs, or cannot be run.
    fn outputs(
        &mut self,
        program: &CheckedProgram,
        inputs: &[&[i32]],
    ) -> Result<Vec<Vec<i32>>, ImportError>;
}

impl TensorExecutor for ReferenceExecutor {
    fn outputs(
        &mut self,
        program: &CheckedProgram,
        inputs: &[&[i32]],
    ) -> Result<Vec<Vec<i32>>, ImportError> {
        let outputs = reference::tensors(program, inputs)?;
        Ok(outputs.into_iter().map(|output| output.elements).collect())
    }
}

/// The reference interpreter, with counts of clamps.
#[derive(Debug, Default)]
pub struct ReferenceExecutor {
    counts: BTreeMap<String, [u64; 2]>,
}

impl Executor for ReferenceExecutor {
    fn logits(&mut self, program: &CheckedProgram, ids: &[u32]) -> Result<Vec<i32>, ImportError> {
        let values = reference::decoder_nodes(program, ids)?;
        let nodes = &program.program().nodes;
        for (node, value) in nodes.iter().zip(&values) {
            let clamps = matches!(
                node.operator,
                Operator::Requantize { .. }
                    | Operator::Multiply { .. }
                    | Operator::Clamp
                    | Operator::Rope { .. }
                    | Operator::Attention { .. }
            );
            if !clamps {
                continue;
            }
            let (lo, hi) = (node.result.lo, node.result.hi);
            let ends = value.elements.iter().filter(|x| **x == lo || **x == hi);
            let count = self.counts.entry(node.name.clone()).or_default();
            count[0] += ends.count() as u64;
            count[1] += value.elements.len() as u64;
        }
        let Interface::Decoder { logits, .. } = &program.program().interface else {
            return Err(ImportError::unsupported(
                "a tensor program",
                "comparison of decoders",
            ));
        };
        let logits = values.into_iter().nth(logits.0 as usize);
        Ok(logits.map(|tensor| tensor.elements).unwrap_or_default())
    }

    fn clamps(&self) -> Vec<ClampCount> {
        let mut clamps: Vec<ClampCount> = self
            .counts
            .iter()
            .filter(|(_, count)| count[0] > 0)
            .map(|(node, [clamped, of])| ClampCount {
                node: node.clone(),
                clamped: *clamped,
                of: *of,
            })
            .collect();
        clamps.sort_by_key(|count| std::cmp::Reverse(count.clamped));
        clamps
    }
}

/// Compares logits of both on these sequences.
///
/// # Errors
/// One of them cannot be run.
pub fn compare(
    source: &DecoderSource,
    program: &CheckedProgram,
    sequences: &[Vec<u32>],
    executor: &mut dyn Executor,
) -> Result<DecoderLoss, ImportError> {
    let mut exact = Vec::with_capacity(sequences.len());
    for ids in sequences {
        exact.push(executor.logits(program, ids)?);
    }
    let mut comparison = Comparison {
        sequences,
        exact: &exact,
        sums: Sums::default(),
    };
    forward(source, sequences, &mut comparison)?;
    Ok(comparison.sums.loss())
}

#[derive(Debug, Default)]
struct Sums {
    rows: u64,
    predicted: u64,
    float: f64,
    exact: f64,
    kl: f64,
    same_top: u64,
    square: f64,
    logits: u64,
    largest: f64,
}

impl Sums {
    fn loss(&self) -> DecoderLoss {
        let predicted = self.predicted.max(1) as f64;
        let rows = self.rows.max(1) as f64;
        DecoderLoss {
            tokens: self.predicted,
            perplexity_float: (self.float / predicted).exp(),
            perplexity_exact: (self.exact / predicted).exp(),
            kl_nats: self.kl / rows,
            top1_agreement: self.same_top as f64 / rows,
            logit_rms_error: (self.square / self.logits.max(1) as f64).sqrt(),
            logit_max_error: self.largest,
        }
    }
}

struct Comparison<'a> {
    sequences: &'a [Vec<u32>],
    exact: &'a [Vec<i32>],
    sums: Sums,
}

impl Observe for Comparison<'_> {
    fn logits(&mut self, sequence: usize, position: usize, row: &[f32]) {
        let exact = self.exact.get(sequence).map_or(&[][..], Vec::as_slice);
        let start = position * row.len();
        let Some(exact) = exact.get(start..start + row.len()) else {
            return;
        };
        let float: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
        let exact: Vec<f64> = exact.iter().map(|x| f64::from(*x) * LOGIT_UNIT).collect();
        let next = self
            .sequences
            .get(sequence)
            .and_then(|ids| ids.get(position + 1));
        self.sums.add(&float, &exact, next.map(|id| *id as usize));
    }
}

impl Sums {
    fn add(&mut self, float: &[f64], exact: &[f64], next: Option<usize>) {
        let (float_total, exact_total) = (log_sum(float), log_sum(exact));
        let (float_top, exact_top) = (top(float), top(exact));
        let mean =
            float.iter().zip(exact).map(|(a, b)| b - a).sum::<f64>() / float.len().max(1) as f64;
        for (a, b) in float.iter().zip(exact) {
            let (log_p, log_q) = (a - float_total, b - exact_total);
            self.kl += log_p.exp() * (log_p - log_q);
            let error = b - a - mean;
            self.square += error * error;
            self.largest = self.largest.max(error.abs());
        }
        self.logits += float.len() as u64;
        self.rows += 1;
        self.same_top += u64::from(float_top == exact_top);
        if let Some(next) = next {
            self.predicted += 1;
            self.float += float_total - float.get(next).copied().unwrap_or(0.0);
            self.exact += exact_total - exact.get(next).copied().unwrap_or(0.0);
        }
    }
}

/// Logarithm of the sum of exponentials.
fn log_sum(row: &[f64]) -> f64 {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + row.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}

fn top(row: &[f64]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (id, logit) in row.iter().enumerate() {
        if *logit > best.1 {
            best = (id, *logit);
        }
    }
    best.0
}
