//! Activations as the kernels read them, packed once per matrix and shared by all outputs and threads.

#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(
        unsafe_code,
        reason = "calls code compiled for the instruction set that was detected"
    )
)]

#[cfg(target_arch = "aarch64")]
use super::neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use super::simd128;
use super::{Panel, QUAD, TASKS_PER_THREAD, Tile, scalar};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::Isa;
use crate::aligned::Aligned;
use crate::conv::{SLACK, Windows};
#[cfg(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_feature = "simd128"
))]
use crate::isa::Kind;
use crate::isa::compiled;
use crate::pool::Pool;

/// Elements that are worth sharing out among threads.
const WORTH_THREADS: usize = 1 << 14;

/// Rows of limbs of a tile.
pub(super) const LIMBS: usize = 6;

/// A declared range of activations: the narrower, the fewer passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// [−128, 127].
    I8,
    /// [−32768, 32767].
    I16,
}

impl Span {
    /// The narrowest that holds [lo, hi]; none if `i16` does not hold it.
    #[must_use]
    pub fn of(lo: i32, hi: i32) -> Option<Self> {
        if lo >= i32::from(i8::MIN) && hi <= i32::from(i8::MAX) {
            Some(Self::I8)
        } else if lo >= i32::from(i16::MIN) && hi <= i32::from(i16::MAX) {
            Some(Self::I16)
        } else {
            None
        }
    }

    /// Rows of limbs that a row of activations makes.
    const fn limbs(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
        }
    }
}

/// How activations are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    expect(dead_code, reason = "no kernel of this target reads limbs")
)]
enum Form {
    /// As they are: rows of `quads · 4`.
    Wide,
    /// Limbs of 8 bits, in tiles of 6 rows of limbs: `[tile][quad][6][4]`. With [`Span::I16`] a row makes two of them,
    /// x = 256·high + low. Limbs are unsigned (x + 2^15, or x + 2^7), or signed (low less 2^7); what that adds to the
    /// sums is taken off by [`PackedActivations::correction`].
    Limbs { signed: bool },
}

impl Form {
    const fn of(isa: Isa) -> Self {
        match isa.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => Self::Limbs { signed: false },
            #[cfg(target_arch = "aarch64")]
            Kind::NeonDot => Self::Limbs { signed: true },
            _ => Self::Wide,
        }
    }
}

/// A matrix of activations [rows, k] in the form that an instruction set's kernels read.
#[derive(Clone)]
pub struct PackedActivations {
    form: Form,
    span: Span,
    rows: usize,
    k: usize,
    wide: Aligned<i16>,
    limbs: Aligned<u8>,
    /// The bytes of a row on their way.
    bytes: Aligned<u8>,
}

impl PackedActivations {
    /// An empty matrix; its memory is kept from one [`pack`](Self::pack) to the next.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            form: Form::Wide,
            span: Span::I16,
            rows: 0,
            k: 0,
            wide: Aligned::new(),
            limbs: Aligned::new(),
            bytes: Aligned::new(),
        }
    }

    /// Packs x [rows, k], row-major. That x is in the span is the caller's.
    ///
    /// # Panics
    /// If lengths and dimensions differ.
    pub fn pack(&mut self, isa: Isa, x: &[i16], rows: usize, k: usize, span: Span) {
        assert_eq!(Some(x.len()), rows.checked_mul(k), "x is [{rows}, {k}]");
        debug_assert!(span == Span::I16 || x.iter().all(|&x| i8::try_from(x).is_ok()));
        (self.form, self.span, self.rows, self.k) = (Form::of(isa), span, rows, k);
        if k == 0 {
            return;
        }
        match self.form {
            Form::Wide => self.pack_wide(x),
            Form::Limbs { signed } => self.pack_limbs(isa, x, signed),
        }
    }

    /// Packs the windows of an image, shared out among the threads of a pool. That their elements are in the span is the caller's.
    pub fn pack_windows(&mut self, isa: Isa, pool: &Pool, x: &Windows<'_>, span: Span) {
        let (rows, k) = (x.rows(), x.elements());
        (self.form, self.span, self.rows, self.k) = (Form::of(isa), span, rows, k);
        if k == 0 || rows == 0 {
            return;
        }
        let padded = k.next_multiple_of(QUAD);
        let per_tile = self.tile_rows();
        let tiles = rows.div_ceil(per_tile);
        let tasks = pool.threads()
            * if pool.threads() > 1 {
                TASKS_PER_THREAD
            } else {
                1
            };
        // Less than this is done before another thread has begun.
        let tiles_per_task = if rows * k < WORTH_THREADS {
            tiles
        } else {
            tiles.div_ceil(tasks)
        };
        if let Form::Limbs { signed } = self.form {
            let (tile, flips) = (self.tile_bytes(), self.flips(signed));
            let len = x.spread_len();
            self.bytes.resize(2 * len);
            let (low, high) = self.bytes.as_mut_slice().split_at_mut(len);
            // Places outside of the image are zeros.
            low.fill(flips[0]);
            high.fill(flips[1]);
            x.spread(|row, start| split(isa, row, &mut low[start..], &mut high[start..], flips));
            let (low, high): (&[u8], &[u8]) = (low, high);
            self.limbs.resize(tiles * tile);
            pool.for_each_chunk(
                self.limbs.as_mut_slice(),
                tiles_per_task * tile,
                |task, limbs| {
                    let mut window = vec![0; padded + SLACK];
                    let first = task * tiles_per_task * per_tile;
                    for (tile, first) in limbs
                        .chunks_exact_mut(tile)
                        .zip((first..).step_by(per_tile))
                    {
                        for r in 0..per_tile.min(rows - first) {
                            if span == Span::I16 {
                                x.cut(first + r, high, &mut window);
                                place(&window[..padded], 2 * r, tile);
                            }
                            x.cut(first + r, low, &mut window);
                            let limb = r * span.limbs() + usize::from(span == Span::I16);
                            place(&window[..padded], limb, tile);
                        }
                    }
                },
            );
            return;
        }
        self.wide.resize(rows * padded);
        let per_task = tiles_per_task * per_tile;
        pool.for_each_chunk(self.wide.as_mut_slice(), per_task * padded, |task, wide| {
            for (r, place) in wide.chunks_exact_mut(padded).enumerate() {
                x.write(task * per_task + r, &mut place[..k]);
                place[k..].fill(0);
            }
        });
    }

    fn pack_wide(&mut self, x: &[i16]) {
        let padded = self.k.next_multiple_of(QUAD);
        self.wide.resize(self.rows * padded);
        let rows = self.wide.as_mut_slice().chunks_exact_mut(padded);
        for (place, row) in rows.zip(x.chunks_exact(self.k)) {
            place[..self.k].copy_from_slice(row);
            place[self.k..].fill(0);
        }
    }

    fn pack_limbs(&mut self, isa: Isa, x: &[i16], signed: bool) {
        let k = self.k;
        let tile = self.tile_bytes();
        let rows = self.tile_rows();
        self.limbs.resize(self.rows.div_ceil(rows) * tile);
        let flips = self.flips(signed);
        let padded = k.next_multiple_of(QUAD);
        self.bytes.resize(2 * padded);
        let (low, high) = self.bytes.as_mut_slice().split_at_mut(padded);
        let tiles = self.limbs.as_mut_slice().chunks_exact_mut(tile);
        for (tile, x) in tiles.zip(x.chunks(rows * k)) {
            for (r, x) in x.chunks_exact(k).enumerate() {
                split(isa, x, low, high, flips);
                place_row(low, high, r, self.span, tile);
            }
        }
    }

    /// The bits to turn in the low byte and in the high one.
    const fn flips(&self, signed: bool) -> [u8; 2] {
        match (signed, self.span) {
            (false, Span::I16) => [0, 0x80],
            (false, Span::I8) | (true, Span::I16) => [0x80, 0],
            (true, Span::I8) => [0, 0],
        }
    }

    /// Rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// k.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.k
    }

    /// Whether an instruction set's kernels read this form.
    pub(super) fn is_for(&self, isa: Isa) -> bool {
        self.form == Form::of(isa)
    }

    /// Rows that a kernel computes at a time.
    pub(super) const fn tile_rows(&self) -> usize {
        match self.form {
            Form::Wide => 3,
            Form::Limbs { .. } => LIMBS / self.span.limbs(),
        }
    }

    const fn tile_bytes(&self) -> usize {
        self.k.div_ceil(QUAD) * LIMBS * QUAD
    }

    /// What to add to a sum for each unit of its weights' sum: the limbs stand for x plus a constant.
    pub(super) const fn correction(&self) -> i32 {
        match (self.form, self.span) {
            (Form::Wide, _) | (Form::Limbs { signed: true }, Span::I8) => 0,
            (Form::Limbs { signed: true }, Span::I16) => 1 << 7,
            (Form::Limbs { signed: false }, Span::I8) => -(1 << 7),
            (Form::Limbs { signed: false }, Span::I16) => -(1 << 15),
        }
    }

    /// Groups of inputs that a kernel goes through at a time. One that computes a panel's outputs in several passes gets
    /// no more than the innermost cache holds, so that it reads memory once and in order.
    pub(super) const fn quads_at_once(&self) -> usize {
        match self.form {
            Form::Limbs { signed: false } => usize::MAX,
            Form::Wide | Form::Limbs { signed: true } => 64,
        }
    }

    /// `tile[r, c] += Σ_j w[c, j] · u[first + r, j]` for `count` rows and the outputs and inputs of a panel, `quad` being
    /// its first group of inputs and u being x plus the constant that the [`correction`](Self::correction) takes off.
    /// `first` begins a tile, and `isa` is one that the activations are packed for.
    pub(super) fn multiply(
        &self,
        isa: Isa,
        panel: &Panel<'_>,
        quad: usize,
        first: usize,
        count: usize,
        tile: &mut Tile,
    ) {
        debug_assert!(self.is_for(isa) && first.is_multiple_of(self.tile_rows()));
        match self.form {
            Form::Wide => {
                let stride = self.k.next_multiple_of(QUAD);
                let x = &self.wide.as_slice()[first * stride..][..count * stride];
                let x = Rows {
                    x: &x[quad * QUAD..],
                    stride,
                };
                multiply_wide(isa, panel, &x, count, tile);
            }
            Form::Limbs { .. } => {
                let bytes = self.tile_bytes();
                let x = &self.limbs.as_slice()[first / self.tile_rows() * bytes..][..bytes];
                let x = &x[quad * LIMBS * QUAD..];
                let limbs = count * self.span.limbs();
                let paired = self.span == Span::I16;
                multiply_limbs(isa, panel, x, limbs, paired, tile);
            }
        }
    }
}

/// Rows of activations as they are, the first one's beginning and how far it is to the next one's.
pub(super) struct Rows<'a> {
    x: &'a [i16],
    stride: usize,
}

impl Rows<'_> {
    /// Four inputs of a row.
    #[inline(always)]
    pub(super) fn quad(&self, row: usize, at: usize) -> &[i16] {
        &self.x[row * self.stride + at * QUAD..][..QUAD]
    }
}

/// Rows of activations as they are.
fn multiply_wide(isa: Isa, panel: &Panel<'_>, x: &Rows<'_>, count: usize, tile: &mut Tile) {
    match isa.kind() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Isa` is made only where the processor has the features.
        Kind::Avx2 => unsafe { avx2::multiply(panel, x, count, tile) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        Kind::Neon => unsafe { neon::multiply(panel, x, count, tile) },
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Kind::Simd128 => simd128::multiply(panel, x, count, tile),
        _ => scalar::multiply(panel, x, count, tile),
    }
}

/// Rows of limbs.
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    expect(unused_variables, reason = "no kernel of this target reads limbs")
)]
fn multiply_limbs(
    isa: Isa,
    panel: &Panel<'_>,
    x: &[u8],
    limbs: usize,
    paired: bool,
    tile: &mut Tile,
) {
    match isa.kind() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Isa` is made only where the processor has the features.
        Kind::Avx512Vnni => unsafe { avx512::multiply(panel, x, limbs, paired, tile) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        Kind::NeonDot => unsafe { neon::multiply_limbs(panel, x, limbs, paired, tile) },
        _ => debug_assert!(false, "limbs are for other instruction sets"),
    }
}

/// The low and the high bytes of a row, some bits of each turned. What is beyond the row's end is multiplied by
/// weights of 0.
fn split(isa: Isa, x: &[i16], low: &mut [u8], high: &mut [u8], flips: [u8; 2]) {
    compiled!(isa, <> split_body(x: &[i16], low: &mut [u8], high: &mut [u8], flips: [u8; 2]));
}

#[inline(always)]
fn split_body(x: &[i16], low: &mut [u8], high: &mut [u8], flips: [u8; 2]) {
    for ((&x, low), high) in x.iter().zip(low).zip(high) {
        *low = x as u8 ^ flips[0];
        *high = (x >> 8) as u8 ^ flips[1];
    }
}

/// Writes the limbs of row `r` of a tile.
fn place_row(low: &[u8], high: &[u8], r: usize, span: Span, tile: &mut [u8]) {
    match span {
        Span::I8 => place(low, r, tile),
        Span::I16 => {
            place(high, 2 * r, tile);
            place(low, 2 * r + 1, tile);
        }
    }
}

/// Writes a row of limbs to its places in a tile.
fn place(limbs: &[u8], row: usize, tile: &mut [u8]) {
    let (quads, _) = limbs.as_chunks::<QUAD>();
    let (groups, _) = tile.as_chunks_mut::<{ LIMBS * QUAD }>();
    for (group, quad) in groups.iter_mut().zip(quads) {
        group[row * QUAD..][..QUAD].copy_from_slice(quad);
    }
}

impl Default for PackedActivations {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for PackedActivations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackedActivations")
            .field("form", &self.form)
            .field("span", &self.span)
            .field("rows", &self.rows)
            .field("inputs", &self.k)
            .finish_non_exhaustive()
    }
}
