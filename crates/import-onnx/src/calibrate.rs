//! Data that ranges are taken from.

use crate::error::{ImportError, Result, malformed};
use crate::graph::Graph;
use crate::tensor::{Element, Tensor};

/// One run: a tensor for each input, in the model's order.
pub type Row = Vec<Tensor>;

/// Margin around the ranges seen in given data.
const MARGIN: f64 = 1.25;
/// Margin around ranges that were drawn.
const DRAWN_MARGIN: f64 = 2.0;
/// Rows that are drawn.
const DRAWN: usize = 64;

/// What ranges are taken from.
#[derive(Debug, Clone)]
pub enum Calibration {
    /// Inputs like those that the model will see.
    Rows(Vec<Row>),
    /// Numbers drawn evenly between these bounds: for inputs of known range when there are no data.
    Drawn {
        /// Least.
        lo: f64,
        /// Most.
        hi: f64,
        /// Seed of the generator, for the recipe.
        seed: u64,
    },
}

impl Calibration {
    /// The rows, and the margin that their ranges get.
    pub(crate) fn rows(&self, graph: &Graph) -> Result<(Vec<Row>, f64)> {
        match self {
            Self::Rows(rows) => {
                if rows.is_empty() {
                    return Err(ImportError::missing("calibration data", "no rows"));
                }
                for (at, row) in rows.iter().enumerate() {
                    check(graph, row)
                        .map_err(|why| malformed(format!("row {at} of the data: {why}")))?;
                }
                Ok((rows.clone(), MARGIN))
            }
            Self::Drawn { lo, hi, seed } => Ok((draw(graph, *lo, *hi, *seed), DRAWN_MARGIN)),
        }
    }
}

/// Rows of numbers that a generator draws evenly between bounds.
pub(crate) fn draw(graph: &Graph, lo: f64, hi: f64, seed: u64) -> Vec<Row> {
    let mut state = seed;
    (0..DRAWN)
        .map(|_| drawn(graph, lo, hi, &mut state))
        .collect()
}

/// Whether a row fits the inputs.
pub(crate) fn check(graph: &Graph, row: &Row) -> std::result::Result<(), String> {
    if row.len() != graph.inputs.len() {
        return Err(format!(
            "{} tensors for {} inputs",
            row.len(),
            graph.inputs.len()
        ));
    }
    for (tensor, &id) in row.iter().zip(&graph.inputs) {
        let value = graph.value(id);
        let wanted: usize = value.shape.iter().product();
        if tensor.data.len() != wanted {
            return Err(format!(
                "{} elements for input {:?} of shape {:?}",
                tensor.data.len(),
                value.name,
                value.shape
            ));
        }
        if tensor.data.iter().any(|v| !v.is_finite()) {
            return Err(format!(
                "input {:?} has a number that is not finite",
                value.name
            ));
        }
    }
    Ok(())
}

/// SplitMix64, mapped to [lo, hi].
#[expect(clippy::cast_precision_loss, reason = "53 bits become a double")]
fn drawn(graph: &Graph, lo: f64, hi: f64, state: &mut u64) -> Row {
    let mut next = || {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((z ^ (z >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0;
        lo + unit * (hi - lo)
    };
    graph
        .inputs
        .iter()
        .map(|&id| {
            let value = graph.value(id);
            let count = value.shape.iter().product();
            let data = (0..count)
                .map(|_| match value.element {
                    Element::Integer => next().round(),
                    _ => next(),
                })
                .collect();
            Tensor {
                shape: value.shape.clone(),
                data,
            }
        })
        .collect()
}
