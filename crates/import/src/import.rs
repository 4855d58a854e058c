//! One import from beginning to end: calibrate, quantize, prove, compare.

use proofmark_program::{CheckedProgram, Weights, WeightsWriter};

use crate::evaluate::{Executor, compare};
use crate::float::forward;
use crate::quantize::{QuantizeOptions, Statistics, quantize_decoder};
use crate::{Built, DecoderLoss, Elements, ImportError, LossReport, decoder::DecoderSource};

/// Most nodes whose clamps a loss report names.
const CLAMPS_SHOWN: usize = 16;

/// What an import reports while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The float model runs on the calibration's tokens.
    Calibrate,
    /// Scales are chosen and weights are rounded.
    Quantize,
    /// The checker proves that no value leaves its type.
    Check,
    /// Float model and exact program run on the held-out tokens.
    Compare,
}

/// Tokens that an import is calibrated on and judged by.
#[derive(Debug, Clone, Default)]
pub struct TokenData {
    /// What it is, for people.
    pub label: String,
    /// For ranges.
    pub calibration: Vec<Vec<u32>>,
    /// For the loss report.
    pub held_out: Vec<Vec<u32>>,
}

/// Choices of an import.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecoderOptions {
    /// Longest sequence; the model's own if that is shorter.
    pub max_positions: usize,
    /// Whether a tied embedding is stored once, as int8; none decides by its size.
    pub share_embedding: Option<bool>,
    /// Share of values that clamps may not touch, up to 1.
    pub percentile: f64,
}

/// Positions unless others are asked for: rotary tables and caches grow with them.
pub const DEFAULT_MAX_POSITIONS: usize = 8192;
/// Tied embeddings of more elements than this are stored once.
const SHARE_FROM: usize = 16 << 20;

impl Default for DecoderOptions {
    fn default() -> Self {
        Self {
            max_positions: DEFAULT_MAX_POSITIONS,
            share_embedding: None,
            percentile: 1.0,
        }
    }
}

/// An exact program with what its import lost.
#[derive(Debug)]
pub struct Imported {
    /// The program with its weights, proven.
    pub program: CheckedProgram,
    /// The loss.
    pub loss: LossReport,
}

/// The weights file of what was built, and the proof that the program is one.
///
/// # Errors
/// The checker refuses it.
pub fn check_built(built: Built) -> Result<CheckedProgram, ImportError> {
    let mut writer = WeightsWriter::new();
    for (name, constant) in built.constants {
        let shape = &constant.shape;
        match constant.elements {
            Elements::I8(values) => writer.i8(&name, shape, &values)?,
            Elements::I16(values) => writer.i16(&name, shape, &values)?,
            Elements::I32(values) => writer.i32(&name, shape, &values)?,
        }
    }
    let weights = Weights::open(writer.finish()?)?;
    Ok(built.program.check(weights)?)
}

/// Makes a float decoder an exact program.
///
/// # Errors
/// The weights cannot be read or quantized, or the program is refused.
pub fn import_decoder(
    source: &DecoderSource,
    data: &TokenData,
    options: DecoderOptions,
    executor: &mut dyn Executor,
    progress: &mut dyn FnMut(Step),
) -> Result<Imported, ImportError> {
    let config = &source.config;
    progress(Step::Calibrate);
    let mut statistics = Statistics::new(options.percentile);
    forward(source, &data.calibration, &mut statistics)?;
    progress(Step::Quantize);
    let size = config.vocabulary.saturating_mul(config.hidden);
    let max_positions = options.max_positions.min(config.max_positions);
    let quantize = QuantizeOptions {
        max_positions,
        share_embedding: options.share_embedding.unwrap_or(size > SHARE_FROM),
    };
    let built = quantize_decoder(source, &statistics, quantize)?;
    progress(Step::Check);
    let program = check_built(built)?;
    progress(Step::Compare);
    let decoder: DecoderLoss = compare(source, &program, &data.held_out, executor)?;
    let mut clamps = executor.clamps();
    clamps.truncate(CLAMPS_SHOWN);
    let mut notes = Vec::new();
    if max_positions < config.max_positions {
        notes.push(format!(
            "sequences are cut to {max_positions} positions; the float model has {}",
            config.max_positions
        ));
    }
    let loss = LossReport {
        data: data.label.clone(),
        decoder: Some(decoder),
        tensor: None,
        clamps,
        notes,
    };
    Ok(Imported { program, loss })
}
