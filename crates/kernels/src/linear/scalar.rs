//! The linear operator in plain Rust.

use super::{LANES, PANEL, QUAD, Tile};

/// `tile[r, c] = base[c] + Σ_j w[c, j] · x[r, j]`, modulo 2^32. `weights` is a panel, `x` holds `count` rows.
pub(super) fn multiply(
    weights: &[i8],
    vectors: usize,
    base: &[i32; PANEL],
    x: &[i16],
    count: usize,
    tile: &mut Tile,
) {
    let width = vectors * LANES;
    for (r, sums) in tile[..count].iter_mut().enumerate() {
        let row = &x[x.len() / count * r..][..x.len() / count];
        *sums = *base;
        for (x, w) in row
            .chunks_exact(QUAD)
            .zip(weights.chunks_exact(width * QUAD))
        {
            for (sum, w) in sums.iter_mut().zip(w.chunks_exact(QUAD)) {
                for (&w, &x) in w.iter().zip(x) {
                    *sum = sum.wrapping_add(i32::from(w) * i32::from(x));
                }
            }
        }
    }
}
