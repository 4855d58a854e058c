//! Scales of a matrix's input: how far the integers reach, and what one unit of each channel is worth.

use crate::decoder::Matrix;
use crate::quantize::matrix::ACCUMULATOR_MAX;

/// Exponents of the balance between weights and activations that are tried.
const BALANCES: [f64; 9] = [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0];
/// Activations keep at least this reach; rows of weights that do not fit it are made coarser.
const LEAST_REACH: f64 = 8191.0;
/// Channels that were (nearly) silent in the calibration are taken to reach this share of the loudest.
const SILENT: f64 = 1e-4;

/// Scales of an input.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// What one unit of each channel is worth.
    pub(crate) scales: Vec<f64>,
    /// Largest magnitude of the integers.
    pub(crate) reach: i32,
}

/// What is known of an input, and what is free.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Magnitude that each channel has to be able to have.
    pub(crate) max: &'a [f64],
    /// Root mean square of each channel.
    pub(crate) rms: &'a [f64],
    /// Matrices that read the input, with their biases.
    pub(crate) consumers: &'a [&'a Matrix],
    /// Whether channels may have different scales.
    pub(crate) balanced: bool,
    /// Most that the integers may reach.
    pub(crate) reach: i32,
    /// Levels on each side of zero that the input was rounded to, if fewer than `reach`.
    pub(crate) levels: i32,
}

/// Chooses the balance with the least expected error of the products, relative to their energy.
pub(crate) fn plan(wanted: Wanted<'_>) -> Plan {
    let loudest = wanted.max.iter().copied().fold(1e-9, f64::max);
    let max: Vec<f64> = wanted
        .max
        .iter()
        .map(|max| max.max(SILENT * loudest))
        .collect();
    let balances: &[f64] = if wanted.balanced { &BALANCES } else { &[0.0] };
    let mut best: Option<(f64, Plan)> = None;
    for balance in balances {
        let factors: Vec<f64> = max
            .iter()
            .map(|max| (max / loudest).powf(*balance))
            .collect();
        let (error, plan) = weigh(&wanted, &max, &factors);
        if best.as_ref().is_none_or(|(least, _)| error < *least) {
            best = Some((error, plan));
        }
    }
    best.map_or(
        Plan {
            scales: Vec::new(),
            reach: wanted.reach,
        },
        |(_, plan)| plan,
    )
}

/// Expected error with these factors, and the plan that they make.
fn weigh(wanted: &Wanted<'_>, max: &[f64], factors: &[f64]) -> (f64, Plan) {
    let amplitude = max
        .iter()
        .zip(factors)
        .map(|(max, t)| max / t)
        .fold(0.0, f64::max);
    let energy: f64 = wanted
        .rms
        .iter()
        .zip(factors)
        .map(|(rms, t)| (rms / t).powi(2))
        .sum();
    let mut reach = f64::from(wanted.reach);
    let mut parts = Vec::with_capacity(wanted.consumers.len());
    for matrix in wanted.consumers {
        let (mut weight_error, mut squares, mut output) = (0.0, 0.0, 0.0);
        for (r, row) in matrix
            .weight
            .chunks_exact(matrix.columns.max(1))
            .enumerate()
        {
            let (mut largest, mut sum) = (0.0_f64, 0.0);
            for ((w, t), rms) in row.iter().zip(factors).zip(wanted.rms) {
                let w = f64::from(*w);
                let scaled = (w * t).abs();
                largest = largest.max(scaled);
                sum += scaled;
                squares += scaled * scaled;
                output += (w * rms).powi(2);
            }
            let bias = f64::from(matrix.bias.get(r).copied().unwrap_or(0.0)).abs();
            if largest > 0.0 {
                let units = 127.0 * (sum + bias / amplitude) / largest + 0.5 * row.len() as f64;
                reach = reach.min(ACCUMULATOR_MAX / units);
            }
            weight_error += (largest / 127.0).powi(2) * energy;
        }
        parts.push((weight_error, squares, output));
    }
    let reach = reach.max(LEAST_REACH.min(f64::from(wanted.reach))).floor();
    let step = amplitude / reach;
    let noise = amplitude / reach.min(f64::from(wanted.levels));
    let error = parts
        .iter()
        .map(|(weight, squares, output)| (weight + noise * noise * squares) / output.max(1e-30))
        .sum();
    let plan = Plan {
        scales: factors.iter().map(|t| t * step).collect(),
        reach: reach as i32,
    };
    (error, plan)
}
