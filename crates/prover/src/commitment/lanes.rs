//! What an opening computes of the committed values themselves, as a matrix of lanes.

use proofmark_field::{DEGREE, E, F, eq_table};
use proofmark_kernels::field::{Columns, fold_rows, fold_words, sum_words};

use super::Values;
use crate::Machine;

/// Columns that [`Columns`] hands over at a time.
const STRIP: usize = 64;

/// Σ_h eq(point, h)·M[h][l] for each lane l.
pub(super) fn sum_over_rows(
    machine: Machine<'_>,
    values: Values<'_>,
    width: usize,
    point: &[E],
) -> Vec<E> {
    let Machine { pool, isa } = machine;
    match values {
        Values::Base(rows) => sum_words(pool, isa, rows, width, &eq_table(point)),
        Values::I8(matrix) => {
            let tile_rows = Columns::tile_rows(1 << point.len());
            let (tiles, rows) = point.split_at(point.len() - tile_rows.ilog2() as usize);
            let (tiles, rows) = (eq_table(tiles), eq_table(rows));
            let coordinates: Vec<F> = (0..DEGREE)
                .flat_map(|c| rows.iter().map(move |weight| weight.0[c]))
                .collect();
            let columns = Columns::new(isa, &coordinates, tile_rows);
            let mut sums = vec![E::ZERO; width];
            columns.for_each_strip(pool, matrix, width, &mut sums, 1, |tile, terms, sums| {
                for (lane, sum) in sums.iter_mut().enumerate() {
                    let term = E(std::array::from_fn(|c| terms[c * STRIP + lane]));
                    *sum += tiles[tile] * term;
                }
            });
            sums
        }
    }
}

/// Σ_l weights[l]·M[h][l] for each row h.
pub(super) fn fold(machine: Machine<'_>, values: Values<'_>, weights: &[E]) -> Vec<E> {
    let Machine { pool, isa } = machine;
    match values {
        Values::I8(matrix) => fold_rows(pool, isa, matrix, weights),
        Values::Base(rows) => fold_words(pool, isa, rows, weights),
    }
}

/// Canonical words of the lanes at `places` of the code, [places, width], computed from small integers.
pub(super) fn at_places(
    machine: Machine<'_>,
    matrix: &[i8],
    width: usize,
    places: &[F],
) -> Vec<u32> {
    let Machine { pool, isa } = machine;
    let tile_rows = Columns::tile_rows(matrix.len() / width);
    let tiles = matrix.len() / width / tile_rows;
    let mut powers = vec![F::ZERO; places.len() * tile_rows];
    pool.for_each_chunk(&mut powers, tile_rows, |q, powers| {
        let mut power = F::ONE;
        for place in powers {
            *place = power;
            power *= places[q];
        }
    });
    let columns = Columns::new(isa, &powers, tile_rows);
    // x^(tile·tile_rows), what a tile's sums are multiplied with.
    let scales: Vec<F> = (0..tiles)
        .flat_map(|tile| places.iter().map(move |x| x.pow((tile * tile_rows) as u64)))
        .collect();
    let count = places.len();
    let mut lanes = vec![F::ZERO; width * count];
    columns.for_each_strip(
        pool,
        matrix,
        width,
        &mut lanes,
        count,
        |tile, terms, lanes| {
            let scales = &scales[tile * count..][..count];
            for (lane, sums) in lanes.chunks_exact_mut(count).enumerate() {
                for (q, (sum, &scale)) in sums.iter_mut().zip(scales).enumerate() {
                    *sum += terms[q * STRIP + lane] * scale;
                }
            }
        },
    );
    let mut words = vec![0; width * count];
    for (q, words) in words.chunks_exact_mut(width).enumerate() {
        for (lane, word) in words.iter_mut().enumerate() {
            *word = lanes[lane * count + q].canonical();
        }
    }
    words
}
