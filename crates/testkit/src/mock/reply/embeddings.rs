//! Embeddings: vectors that depend on the text, and are as meaningless as a mock's answers.

use serde_json::Value;

use super::{fnv, pieces};
use crate::mock::failure::Failure;
use crate::mock::params::{Params, wrong_type};
use crate::rng::SeededRng;

/// Vectors of length 1, one for each input.
#[derive(Debug)]
pub(in crate::mock) struct Vectors {
    pub(in crate::mock) rows: Vec<Vec<f32>>,
    pub(in crate::mock) base64: bool,
    pub(in crate::mock) tokens: usize,
}

/// The embeddings of a request's inputs.
pub(in crate::mock) fn embed(params: &Params) -> Result<Vectors, Failure> {
    let input = params.required("input")?;
    let rows: Vec<&Value> = match input {
        Value::String(_) => vec![input],
        Value::Array(list) if list.iter().all(Value::is_u64) && !list.is_empty() => vec![input],
        Value::Array(list)
            if !list.is_empty() && list.iter().all(|row| row.is_string() || row.is_array()) =>
        {
            list.iter().collect()
        }
        other => return Err(wrong_type("input", "a string or an array", other)),
    };
    let dimensions = params.count("dimensions", 1, 4096)?.unwrap_or(16);
    let base64 = match params.text("encoding_format")? {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            let message =
                "Invalid value for 'encoding_format': expected one of 'float' or 'base64'.";
            return Err(Failure::invalid(
                "encoding_format",
                "invalid_value",
                message,
            ));
        }
    };
    let tokens = rows.iter().map(|row| {
        row.as_str().map_or_else(
            || row.as_array().map_or(1, Vec::len),
            |text| pieces(text).len(),
        )
    });
    Ok(Vectors {
        tokens: tokens.sum(),
        rows: rows.iter().map(|row| vector(row, dimensions)).collect(),
        base64,
    })
}

fn vector(row: &Value, dimensions: u64) -> Vec<f32> {
    let mut rng = SeededRng::new(fnv(row.to_string().bytes()));
    // Integers below 2^17 are exact in f32.
    let exact = |value: u64| f32::from(u16::try_from(value).unwrap_or(0)) - 32_768.0;
    let raw: Vec<f32> = (0..dimensions).map(|_| exact(rng.below(65_536))).collect();
    let length = raw.iter().map(|x| x * x).sum::<f32>().sqrt().max(1.0);
    raw.into_iter().map(|x| x / length).collect()
}
