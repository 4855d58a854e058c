//! Windows over images, channels last: as rows of a matrix (so that a convolution is a linear), and pooling
//! (specs/04-program.md §3.5).

#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "calls code compiled for the instruction set that was detected"
    )
)]

use crate::Isa;
use crate::isa::compiled;
use crate::round::Element;

/// A window that slides over the last two dimensions of [C, h, w].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Steps downwards and to the right, at least 1.
    pub strides: [usize; 2],
    /// Rows and columns around the image: top, left, bottom, right.
    pub pads: [usize; 4],
    /// Distance of the window's neighbors, at least 1.
    pub dilations: [usize; 2],
}

impl Window {
    /// Height and width of the result for an image of h × w; none if the window does not fit.
    #[must_use]
    pub fn output(&self, h: usize, w: usize) -> Option<[usize; 2]> {
        let [top, left, bottom, right] = self.pads;
        let along = |size: usize, before: usize, after: usize, axis: usize| {
            let span = self.dilations[axis]
                .checked_mul(self.kernel[axis].checked_sub(1)?)?
                .checked_add(1)?;
            let room = size
                .checked_add(before)?
                .checked_add(after)?
                .checked_sub(span)?;
            Some(room.checked_div(self.strides[axis])? + 1)
        };
        Some([along(h, top, bottom, 0)?, along(w, left, right, 1)?])
    }

    /// The places of the window along an axis that lie inside: pairs of (place in the window, place in the image).
    fn inside(&self, axis: usize, at: usize, size: usize) -> impl Iterator<Item = (usize, usize)> {
        let before = self.pads[axis];
        let (start, dilation) = (at * self.strides[axis], self.dilations[axis]);
        (0..self.kernel[axis]).filter_map(move |i| {
            let place = (start + i * dilation).checked_sub(before)?;
            (place < size).then_some((i, place))
        })
    }
}

/// The windows over some channels of an image, as rows of a matrix: with weights [O, kh, kw, c] as rows of kh·kw·c, `linear`
/// of it is the convolution as [oh·ow, O]. Places outside of the image are zeros.
#[derive(Debug, Clone, Copy)]
pub struct Windows<'a> {
    x: &'a [i16],
    shape: [usize; 3],
    channels: (usize, usize),
    window: Window,
    columns: usize,
    rows: usize,
}

impl<'a> Windows<'a> {
    /// Windows over `x`, [h, w, C] with its channels last, `shape` being its C, h and w; of the channels those from `first`
    /// on, `count` of them.
    ///
    /// # Panics
    /// If lengths and dimensions differ, the window does not fit, or there are no such channels.
    #[must_use]
    pub fn new(
        x: &'a [i16],
        shape: [usize; 3],
        (first, count): (usize, usize),
        window: &Window,
    ) -> Self {
        let [oh, ow] = fitting(window, shape, x.len());
        assert!(
            first + count <= shape[0],
            "channels {first} … of {}",
            shape[0]
        );
        Self {
            x,
            shape,
            channels: (first, count),
            window: *window,
            columns: ow,
            rows: oh * ow,
        }
    }

    /// Number of windows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Elements of a window.
    #[must_use]
    pub const fn elements(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1] * self.channels.1
    }

    /// Writes window `at`, [kh, kw, c].
    pub(crate) fn write(&self, at: usize, out: &mut [i16]) {
        let [all, h, w] = self.shape;
        let (first, count) = self.channels;
        let (y, x0) = (at / self.columns, at % self.columns);
        let kw = self.window.kernel[1];
        let [top, left, ..] = self.window.pads;
        let [down, across] = self.window.dilations;
        let inside = |start: usize, step: usize, before: usize, size: usize, i: usize| {
            (start + i * step)
                .checked_sub(before)
                .filter(|&at| at < size)
        };
        for (i, line) in out.chunks_exact_mut(kw * count).enumerate() {
            let Some(row) = inside(y * self.window.strides[0], down, top, h, i) else {
                line.fill(0);
                continue;
            };
            let row = &self.x[row * w * all..][..w * all];
            let start = x0 * self.window.strides[1];
            if across == 1 && count == all && start >= left && start - left + kw <= w {
                line.copy_from_slice(&row[(start - left) * all..][..kw * all]);
                continue;
            }
            for (j, cell) in line.chunks_exact_mut(count).enumerate() {
                match inside(start, across, left, w, j) {
                    Some(column) => cell.copy_from_slice(&row[column * all + first..][..count]),
                    None => cell.fill(0),
                }
            }
        }
    }

    /// Height of the image with its margins, and elements of a row of it.
    const fn spread_shape(&self) -> [usize; 2] {
        let [_, h, w] = self.shape;
        let [top, left, bottom, right] = self.window.pads;
        [top + h + bottom, (left + w + right) * self.channels.1]
    }

    /// Elements of the image with its margins, and room behind them as [`cut`](Self::cut) needs it.
    pub(crate) const fn spread_len(&self) -> usize {
        let [height, width] = self.spread_shape();
        height * width + SLACK
    }

    /// Hands over each row of the image, its channels being those of the windows, and where it begins in the image with its margins.
    pub(crate) fn spread(&self, mut row: impl FnMut(&[i16], usize)) {
        let [all, h, w] = self.shape;
        let (first, count) = self.channels;
        let [_, width] = self.spread_shape();
        let [top, left, ..] = self.window.pads;
        let mut some = Vec::new();
        for (y, line) in (0..h).zip(self.x.chunks_exact((w * all).max(1))) {
            let start = (top + y) * width + left * count;
            if count == all {
                row(line, start);
            } else {
                some.clear();
                for pixel in line.chunks_exact(all) {
                    some.extend_from_slice(&pixel[first..][..count]);
                }
                row(&some, start);
            }
        }
    }

    /// Copies window `at`, [kh, kw, c], out of an image with its margins, of which each element is a byte. Both have [`SLACK`] bytes
    /// behind them; what stands behind the window is anything.
    #[inline(always)]
    pub(crate) fn cut(&self, at: usize, image: &[u8], out: &mut [u8]) {
        let count = self.channels.1;
        let [kh, kw] = self.window.kernel;
        let [down, across] = self.window.dilations;
        let [_, width] = self.spread_shape();
        let [y, x] = [at / self.columns, at % self.columns];
        let start = y * self.window.strides[0] * width + x * self.window.strides[1] * count;
        for i in 0..kh {
            let from = &image[start + i * down * width..];
            let out = &mut out[i * kw * count..];
            if across == 1 {
                copy(from, out, kw * count);
                continue;
            }
            for j in 0..kw {
                copy(&from[j * across * count..], &mut out[j * count..], count);
            }
        }
    }
}

/// Bytes behind a place that [`copy`] writes to or reads from.
pub(crate) const SLACK: usize = 16;

/// Copies so many bytes, and up to [`SLACK`] more if they are few: what follows overwrites those.
#[inline(always)]
fn copy(from: &[u8], to: &mut [u8], len: usize) {
    if len > 4 * SLACK {
        to[..len].copy_from_slice(&from[..len]);
        return;
    }
    for at in (0..len).step_by(SLACK) {
        to[at..][..SLACK].copy_from_slice(&from[at..][..SLACK]);
    }
}

/// `out[c, r] = x[r, c]`: x is [rows, columns]. So [h, w, C] becomes [C, h, w], and the other way.
///
/// # Panics
/// If lengths and dimensions differ.
pub fn transpose<T: Element>(x: &[T], rows: usize, columns: usize, out: &mut [T]) {
    // Squares that the innermost cache holds.
    const SIDE: usize = 32;
    assert_eq!(x.len(), rows * columns, "x is [{rows}, {columns}]");
    assert_eq!(out.len(), x.len(), "out is [{columns}, {rows}]");
    for top in (0..rows).step_by(SIDE) {
        let below = rows.min(top + SIDE);
        for left in (0..columns).step_by(SIDE) {
            for c in left..columns.min(left + SIDE) {
                let line = &mut out[c * rows + top..c * rows + below];
                for (r, place) in (top..below).zip(line) {
                    *place = x[r * columns + c];
                }
            }
        }
    }
}

/// The largest element of each window that lies inside: x is [h, w, C], its channels last, `shape` being its C, h and w; `out`
/// is [oh, ow, C]. That every window has a place inside is the caller's; one that has none gives the lowest value of the type.
///
/// # Panics
/// If lengths and dimensions differ, or the window does not fit.
pub fn max_pool<T: Element>(isa: Isa, x: &[T], shape: [usize; 3], window: &Window, out: &mut [T]) {
    check_pool(x.len(), shape, window, out.len());
    compiled!(isa, <T: Element> max_pool_body(x: &[T], shape: [usize; 3], window: &Window, out: &mut [T]));
}

#[inline(always)]
fn max_pool_body<T: Element>(x: &[T], shape: [usize; 3], window: &Window, out: &mut [T]) {
    out.fill(T::narrow(T::LOWEST));
    pooled(x, shape, window, out, |out, x| {
        if x.wide() > out.wide() {
            *out = x;
        }
    });
}

/// The sum of each window's elements, zeros outside; dimensions as in [`max_pool`]. That each sum fits is the caller's.
///
/// # Panics
/// If lengths and dimensions differ, or the window does not fit.
pub fn sum_pool<T: Element>(
    isa: Isa,
    x: &[T],
    shape: [usize; 3],
    window: &Window,
    out: &mut [i32],
) {
    check_pool(x.len(), shape, window, out.len());
    compiled!(isa, <T: Element> sum_pool_body(x: &[T], shape: [usize; 3], window: &Window, out: &mut [i32]));
}

#[inline(always)]
fn sum_pool_body<T: Element>(x: &[T], shape: [usize; 3], window: &Window, out: &mut [i32]) {
    out.fill(0);
    pooled(x, shape, window, out, |out, x| {
        *out = out.wrapping_add(x.wide() as i32);
    });
}

/// Calls `add` with each result and each element of its window.
#[inline(always)]
fn pooled<S: Element, T>(
    x: &[S],
    [channels, h, w]: [usize; 3],
    window: &Window,
    out: &mut [T],
    add: impl Fn(&mut T, S),
) {
    let [_, ow] = window.output(h, w).unwrap_or_default();
    for (at, out) in out.chunks_exact_mut(channels).enumerate() {
        for (_, y) in window.inside(0, at / ow, h) {
            for (_, column) in window.inside(1, at % ow, w) {
                let pixel = &x[(y * w + column) * channels..][..channels];
                for (out, &x) in out.iter_mut().zip(pixel) {
                    add(out, x);
                }
            }
        }
    }
}

fn check_pool(len: usize, shape: [usize; 3], window: &Window, out: usize) {
    let [oh, ow] = fitting(window, shape, len);
    assert!(shape[0] > 0, "no channels");
    assert_eq!(out, shape[0] * oh * ow, "out is [{oh}, {ow}, {}]", shape[0]);
}

fn fitting(window: &Window, shape: [usize; 3], len: usize) -> [usize; 2] {
    let [channels, h, w] = shape;
    assert_eq!(len, channels * h * w, "x is {shape:?}");
    let output = window.output(h, w);
    assert!(output.is_some(), "{window:?} over {shape:?}");
    output.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: Window = Window {
        kernel: [2, 2],
        strides: [1, 2],
        pads: [1, 0, 0, 1],
        dilations: [1, 1],
    };

    #[test]
    fn windows_see_zeros_outside_and_the_image_inside() {
        // 2×3: a pad above and one to the right give 2×2 windows.
        let x = [1, 2, 3, 4, 5, 6];
        assert_eq!(SQUARE.output(2, 3), Some([2, 2]));
        assert_eq!(
            rows_of(&x, [1, 2, 3], (0, 1), &SQUARE),
            [0, 0, 1, 2, 0, 0, 3, 0, 1, 2, 4, 5, 3, 0, 6, 0]
        );
        for isa in Isa::available() {
            let mut largest = [0_i16; 4];
            max_pool(isa, &x.map(|v| -v), [1, 2, 3], &SQUARE, &mut largest);
            assert_eq!(largest, [-1, -3, -1, -3]);
            let mut sums = [0; 4];
            sum_pool(isa, &x, [1, 2, 3], &SQUARE, &mut sums);
            assert_eq!(sums, [3, 3, 12, 9]);
        }
    }

    #[test]
    fn channels_lie_side_by_side_and_some_of_them_can_be_taken() {
        // 1×2 pixels of three channels, one window over both.
        let x = [1, 2, 3, 4, 5, 6];
        let window = Window {
            kernel: [1, 2],
            strides: [1, 1],
            pads: [0; 4],
            dilations: [1, 1],
        };
        assert_eq!(rows_of(&x, [3, 1, 2], (0, 3), &window), x);
        assert_eq!(rows_of(&x, [3, 1, 2], (1, 2), &window), [2, 3, 5, 6]);
        let mut largest = [0_i16; 3];
        max_pool(Isa::detect(), &x, [3, 1, 2], &window, &mut largest);
        assert_eq!(largest, [4, 5, 6]);
    }

    fn rows_of(
        x: &[i16],
        shape: [usize; 3],
        channels: (usize, usize),
        window: &Window,
    ) -> Vec<i16> {
        let windows = Windows::new(x, shape, channels, window);
        let mut rows = vec![-1; windows.rows() * windows.elements()];
        for (at, row) in rows.chunks_exact_mut(windows.elements()).enumerate() {
            windows.write(at, row);
        }
        rows
    }

    #[test]
    fn a_window_that_does_not_fit_has_no_result() {
        let large = Window {
            kernel: [4, 1],
            ..SQUARE
        };
        assert_eq!(large.output(2, 3), None);
        let still = Window {
            strides: [0, 1],
            ..SQUARE
        };
        assert_eq!(still.output(2, 3), None);
    }

    #[test]
    fn transposing_twice_changes_nothing() {
        for (rows, columns) in [(0, 3), (1, 1), (2, 3), (70, 33), (32, 64)] {
            let x: Vec<i32> = (0..).take(rows * columns).collect();
            let (mut y, mut z) = (x.clone(), x.clone());
            transpose(&x, rows, columns, &mut y);
            for r in 0..rows {
                for c in 0..columns {
                    assert_eq!(y[c * rows + r], x[r * columns + c]);
                }
            }
            transpose(&y, columns, rows, &mut z);
            assert_eq!(x, z);
        }
    }

    #[test]
    fn dilation_spreads_the_window() {
        let window = Window {
            kernel: [2, 2],
            strides: [1, 1],
            pads: [0; 4],
            dilations: [2, 2],
        };
        let x: Vec<i16> = (0..9).collect();
        assert_eq!(rows_of(&x, [1, 3, 3], (0, 1), &window), [0, 2, 6, 8]);
    }
}
