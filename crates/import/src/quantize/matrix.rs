//! Matrices and vectors as integers, with multipliers that are exact.

use crate::ImportError;
use crate::decoder::Matrix;

/// Largest sum of magnitudes in an accumulator: below half of the field of proofs, so that an element stands for one integer
/// (specs/05-proof.md §1), with a little room for the rounding of doubles.
pub(crate) const ACCUMULATOR_MAX: f64 = 1_065_353_000.0;
/// Largest multiplier (§1.3).
const MULTIPLIER_MAX: f64 = 65_535.0;
const SHIFT_MAX: i32 = 62;

/// A matrix of which the products are requantized.
#[derive(Debug)]
pub(crate) struct QuantizedMatrix {
    pub(crate) rows: u32,
    pub(crate) columns: u32,
    pub(crate) weight: Vec<i8>,
    pub(crate) bias: Option<Vec<i32>>,
    pub(crate) multipliers: Vec<i32>,
    pub(crate) shift: u8,
    /// What one unit of each row's weights is worth, when the input's channels have the scales that were given.
    pub(crate) units: Vec<f64>,
}

/// Two to a power.
pub(crate) fn power(exponent: i32) -> f64 {
    2_f64.powi(exponent)
}

/// The largest shift with which every ratio times 2^shift is a multiplier.
pub(crate) fn shift_for(largest: f64, at: &str) -> Result<u8, ImportError> {
    if !largest.is_finite() {
        return Err(ImportError::quantization(at, "a scale is not finite"));
    }
    if largest <= 0.0 {
        return Ok(0);
    }
    let mut shift = ((MULTIPLIER_MAX / largest).log2().floor() as i32).clamp(-1, SHIFT_MAX);
    // The logarithm may have been rounded up.
    if largest * power(shift) > MULTIPLIER_MAX {
        shift -= 1;
    }
    u8::try_from(shift)
        .map_err(|_| ImportError::quantization(at, format!("a ratio of scales is {largest:e}")))
}

/// Rounds ratios, which may be negative, to multipliers, toward zero so that no channel leaves its range.
pub(crate) fn multipliers(ratios: &[f64], at: &str) -> Result<(Vec<i32>, u8), ImportError> {
    let largest = ratios.iter().map(|ratio| ratio.abs()).fold(0.0, f64::max);
    let shift = shift_for(largest, at)?;
    let factor = power(i32::from(shift));
    // Within ±65,535.
    let rounded = ratios
        .iter()
        .map(|ratio| (ratio * factor).trunc() as i32)
        .collect();
    Ok((rounded, shift))
}

/// Rounds to the nearest integer, ties to even, within ± `reach`.
pub(crate) fn round(value: f64, reach: i32) -> i32 {
    let reach = f64::from(reach);
    // Within an i32.
    value.round_ties_even().clamp(-reach, reach) as i32
}

/// Quantizes a matrix for an input of these scales and reach. `outputs` is what one unit of each row's result shall be worth.
pub(crate) fn quantize_matrix(
    matrix: &Matrix,
    bias: &[f64],
    inputs: &[f64],
    reach: i32,
    outputs: &[f64],
    at: &str,
) -> Result<QuantizedMatrix, ImportError> {
    let k = matrix.columns;
    let room = ACCUMULATOR_MAX - 0.5 * (k as f64 + 1.0) * f64::from(reach);
    if room <= 0.0 || inputs.len() != k || outputs.len() != matrix.rows {
        return Err(ImportError::quantization(
            at,
            format!("{k} inputs do not fit an accumulator"),
        ));
    }
    let rows = || matrix.weight.chunks_exact(k.max(1));
    let bias_of = |r: usize| bias.get(r).copied().unwrap_or(0.0);
    let ratios: Vec<f64> = rows()
        .zip(outputs)
        .enumerate()
        .map(|(r, (row, output))| {
            let (mut largest, mut sum) = (0.0_f64, 0.0);
            for (w, s) in row.iter().zip(inputs) {
                let scaled = (f64::from(*w) * s).abs();
                largest = largest.max(scaled);
                sum += scaled;
            }
            let unit = (largest / 127.0).max((bias_of(r).abs() + sum * f64::from(reach)) / room);
            unit / output
        })
        .collect();
    let shift = shift_for(ratios.iter().copied().fold(0.0, f64::max), at)?;
    let factor = power(i32::from(shift));
    let mut quantized = QuantizedMatrix {
        rows: u32::try_from(matrix.rows).unwrap_or(u32::MAX),
        columns: u32::try_from(k).unwrap_or(u32::MAX),
        weight: Vec::with_capacity(matrix.weight.len()),
        bias: None,
        multipliers: Vec::with_capacity(matrix.rows),
        shift,
        units: Vec::with_capacity(matrix.rows),
    };
    let mut biases = Vec::with_capacity(matrix.rows);
    for (r, (row, (ratio, output))) in rows().zip(ratios.iter().zip(outputs)).enumerate() {
        let multiplier = (ratio * factor).ceil().clamp(1.0, MULTIPLIER_MAX);
        let unit = multiplier / factor * output;
        let inverse: f64 = 1.0 / unit;
        let values = row.iter().zip(inputs);
        quantized
            .weight
            .extend(values.map(|(w, s)| round(f64::from(*w) * s * inverse, 127) as i8));
        biases.push(round(bias_of(r) * inverse, i32::MAX));
        quantized.multipliers.push(multiplier as i32);
        quantized.units.push(unit);
    }
    if biases.iter().any(|bias| *bias != 0) {
        quantized.bias = Some(biases);
    }
    Ok(quantized)
}

/// Rows of a table as integers within ± `reach`, requantized per row to units of `output`.
#[derive(Debug)]
pub(crate) struct QuantizedTable {
    pub(crate) values: Vec<i32>,
    pub(crate) multipliers: Vec<i32>,
    pub(crate) shift: u8,
    /// Largest magnitude of a requantized element.
    pub(crate) largest: i32,
}

/// Quantizes a table of embeddings.
pub(crate) fn quantize_table(
    table: &Matrix,
    reach: i32,
    output: f64,
    at: &str,
) -> Result<QuantizedTable, ImportError> {
    let rows = || table.weight.chunks_exact(table.columns.max(1));
    let largest = |row: &[f32]| row.iter().map(|v| f64::from(v.abs())).fold(0.0, f64::max);
    let ratios: Vec<f64> = rows()
        .map(|row| largest(row) / f64::from(reach) / output)
        .collect();
    let shift = shift_for(ratios.iter().copied().fold(0.0, f64::max), at)?;
    let factor = power(i32::from(shift));
    let mut values = Vec::with_capacity(table.weight.len());
    let mut multipliers = Vec::with_capacity(table.rows);
    for (row, ratio) in rows().zip(&ratios) {
        let multiplier = (ratio * factor).ceil().clamp(1.0, MULTIPLIER_MAX);
        let inverse = factor / (multiplier * output);
        values.extend(row.iter().map(|v| round(f64::from(*v) * inverse, reach)));
        multipliers.push(multiplier as i32);
    }
    let largest = largest_result(&values, table.columns, &multipliers, shift);
    Ok(QuantizedTable {
        values,
        multipliers,
        shift,
        largest,
    })
}

/// Largest magnitude of `rq(value; multiplier of its row, shift)`, rounded up.
pub(crate) fn largest_result(
    values: &[i32],
    columns: usize,
    multipliers: &[i32],
    shift: u8,
) -> i32 {
    let mut largest = 0_i64;
    for (row, multiplier) in values.chunks_exact(columns.max(1)).zip(multipliers) {
        let reach = row
            .iter()
            .map(|v| i64::from(v.unsigned_abs()))
            .max()
            .unwrap_or(0);
        largest = largest.max(((reach * i64::from(multiplier.unsigned_abs())) >> shift) + 1);
    }
    i32::try_from(largest).unwrap_or(i32::MAX)
}
