//! Quantization: from a float decoder and the ranges of its calibration to a program.
//!
//! Every scale is chosen so that the multipliers of the program are exact: first the multiplier is rounded, then the weights are
//! quantized with the scale that the rounded multiplier stands for. Scales of single channels are free wherever a requantization with
//! a multiplier per channel stands before a matrix; they are used to balance weights against activations.

mod attention;
mod decoder;
mod matrix;
mod plan;
mod statistics;
mod tables;

pub use decoder::{QuantizeOptions, quantize_decoder};
pub use statistics::Statistics;
