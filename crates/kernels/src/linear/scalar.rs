//! The linear operator in plain Rust.

use super::{LANES, Panel, QUAD, Tile};

/// `tile[r, c] = base[c] + Σ_j w[c, j] · x[r, j]`, modulo 2^32. `x` holds `count` rows.
pub(super) fn multiply(panel: &Panel<'_>, x: &[i16], count: usize, tile: &mut Tile) {
    let width = panel.vectors * LANES;
    for (r, sums) in tile[..count].iter_mut().enumerate() {
        let row = &x[x.len() / count * r..][..x.len() / count];
        *sums = *panel.base;
        for (x, w) in row
            .chunks_exact(QUAD)
            .zip(panel.weights.chunks_exact(width * QUAD))
        {
            for (sum, w) in sums.iter_mut().zip(w.chunks_exact(QUAD)) {
                for (&w, &x) in w.iter().zip(x) {
                    *sum = sum.wrapping_add(i32::from(w) * i32::from(x));
                }
            }
        }
    }
}
