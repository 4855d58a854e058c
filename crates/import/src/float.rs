//! The float model: a plain forward pass of every family, which the exact program is calibrated on and compared with.
//!
//! It goes layer by layer over all sequences at once and reads each layer's weights when their turn comes, so that memory holds one
//! layer and the embedding.

mod forward;
mod ops;

pub use forward::{Observe, Site, forward};
pub use ops::multiply;

use crate::ImportError;
use crate::decoder::DecoderSource;

/// Continues a sequence with the most likely ids, the lowest of equals.
///
/// # Errors
/// The weights cannot be read, or an id is not in the vocabulary.
pub fn greedy(
    source: &DecoderSource,
    prompt: &[u32],
    count: usize,
) -> Result<Vec<u32>, ImportError> {
    struct Last {
        at: usize,
        best: u32,
    }
    impl Observe for Last {
        fn logits(&mut self, _: usize, position: usize, row: &[f32]) {
            if position == self.at {
                let mut best = (0, f32::NEG_INFINITY);
                for (id, logit) in (0..).zip(row) {
                    if *logit > best.1 {
                        best = (id, *logit);
                    }
                }
                self.best = best.0;
            }
        }
    }
    let mut ids = prompt.to_vec();
    for _ in 0..count {
        let mut last = Last {
            at: ids.len().saturating_sub(1),
            best: 0,
        };
        forward(source, std::slice::from_ref(&ids), &mut last)?;
        ids.push(last.best);
    }
    Ok(ids)
}
