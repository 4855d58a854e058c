//! The linear operator in plain Rust.

use super::activations::Rows;
use super::{LANES, Panel, QUAD, Tile};

/// `tile[r, c] += Σ_j w[c, j] · x[r, j]`, modulo 2^32, for `count` rows.
pub(super) fn multiply(panel: &Panel<'_>, x: &Rows<'_>, count: usize, tile: &mut Tile) {
    let group = panel.vectors * LANES * QUAD;
    for (r, sums) in tile[..count].iter_mut().enumerate() {
        for (at, w) in panel.weights.chunks_exact(group).enumerate() {
            let x = x.quad(r, at);
            for (sum, w) in sums.iter_mut().zip(w.chunks_exact(QUAD)) {
                for (&w, &x) in w.iter().zip(x) {
                    *sum = sum.wrapping_add(i32::from(w) * i32::from(x));
                }
            }
        }
    }
}
