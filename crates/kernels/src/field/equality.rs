//! Tables of eq(point, ·).

#![expect(unsafe_code, reason = "vector loads and stores")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for the instruction set of the one that it is inlined into"
)]

use proofmark_field::{DEGREE, E, eq_table};

use super::Planes;
use super::lanes::{add, load, load_mut, mul, splat, store};
use super::vector::{Vector, vectors};
use crate::{Isa, Pool};

/// Variables whose table stays near while it is multiplied with that of the others.
const NEAR: usize = 10;

impl Planes {
    /// eq(point, b) for all points b of the hypercube.
    #[must_use]
    pub fn eq(point: &[E], pool: &Pool, isa: Isa) -> Self {
        let mut table = Self::zeros(1 << point.len());
        table.set_eq(0, point, E::ONE, pool, isa);
        table
    }

    /// Sets the elements from `offset` on to factor·eq(point, b).
    ///
    /// # Panics
    /// If there are not as many elements.
    pub fn set_eq(&mut self, offset: usize, point: &[E], factor: E, pool: &Pool, isa: Isa) {
        self.for_each_multiple(offset, point, factor, pool, |factor, near, out| {
            let isa = isa.for_length(near[0].len());
            vectors!(isa, set_scaled(factor: E, near: [&[u32]; DEGREE], out: &mut [&mut [u32]; DEGREE]));
        });
    }

    /// Adds factor·eq(point, b) to the elements from `offset` on.
    ///
    /// # Panics
    /// If there are not as many elements.
    pub fn add_eq(&mut self, offset: usize, point: &[E], factor: E, pool: &Pool, isa: Isa) {
        self.for_each_multiple(offset, point, factor, pool, |factor, near, out| {
            let isa = isa.for_length(near[0].len());
            vectors!(isa, add_scaled(factor: E, near: [&[u32]; DEGREE], out: &mut [&mut [u32]; DEGREE]));
        });
    }

    /// Calls `task` with the factors that the last variables' table has for the values of the others.
    fn for_each_multiple(
        &mut self,
        offset: usize,
        point: &[E],
        factor: E,
        pool: &Pool,
        task: impl Fn(E, [&[u32]; DEGREE], &mut [&mut [u32]; DEGREE]) + Sync,
    ) {
        let (far, near) = point.split_at(point.len().saturating_sub(NEAR));
        let far: Vec<E> = eq_table(far)
            .into_iter()
            .map(|weight| factor * weight)
            .collect();
        let near = eq_table(near);
        let size = near.len();
        let near = Self::new(size, |i| near[i]);
        let near = near.planes();
        let range = offset..offset + far.len() * size;
        self.for_each_piece_of(size, range, pool, |start, out| {
            task(far[start / size], near, out);
        });
    }
}

/// # Safety
/// The instruction set of `V` is there; planes have one length, of whole vectors.
#[inline(always)]
unsafe fn set_scaled<V: Vector>(
    factor: E,
    table: [&[u32]; DEGREE],
    out: &mut [&mut [u32]; DEGREE],
) {
    // SAFETY: the caller's word.
    let factor = unsafe { splat::<V>(factor) };
    for i in (0..table[0].len()).step_by(V::LANES) {
        // SAFETY: the caller's word.
        let value = unsafe { load::<V>(table, i) };
        store(mul(value, factor), out, i);
    }
}

/// # Safety
/// The instruction set of `V` is there; planes have one length, of whole vectors.
#[inline(always)]
unsafe fn add_scaled<V: Vector>(
    factor: E,
    table: [&[u32]; DEGREE],
    out: &mut [&mut [u32]; DEGREE],
) {
    // SAFETY: the caller's word.
    let factor = unsafe { splat::<V>(factor) };
    for i in (0..table[0].len()).step_by(V::LANES) {
        // SAFETY: the caller's word.
        let (value, before) = unsafe { (load::<V>(table, i), load_mut::<V>(out, i)) };
        store(add(before, mul(value, factor)), out, i);
    }
}
