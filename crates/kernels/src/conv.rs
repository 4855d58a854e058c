//! Windows over images: im2col (so that a convolution is a linear) and pooling (specs/04-program.md §3.5).

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

/// The windows of x [C, h, w] as rows: `out` is [oh·ow, C·kh·kw], zeros outside of the image. With weights
/// [O, C, kh, kw] as rows of C·kh·kw, `linear` of it is the convolution as [oh·ow, O].
///
/// # Panics
/// If lengths and dimensions differ, or the window does not fit.
pub fn im2col(x: &[i16], shape: [usize; 3], window: &Window, out: &mut [i16]) {
    let [channels, h, w] = shape;
    let [oh, ow] = fitting(window, shape, x.len());
    let [kh, kw] = window.kernel;
    let k = channels * kh * kw;
    assert_eq!(out.len(), oh * ow * k, "out is [{}, {k}]", oh * ow);
    out.fill(0);
    if k == 0 {
        return;
    }
    for (at, row) in out.chunks_exact_mut(k).enumerate() {
        let (y, x0) = (at / ow, at % ow);
        for (channel, cell) in row.chunks_exact_mut(kh * kw).enumerate() {
            for (i, place_y) in window.inside(0, y, h) {
                let line = &x[(channel * h + place_y) * w..][..w];
                for (j, place_x) in window.inside(1, x0, w) {
                    cell[i * kw + j] = line[place_x];
                }
            }
        }
    }
}

/// `out[c, r] = x[r, c]`: x is [rows, columns]. So [oh·ow, O], which [`im2col`] and a linear make, becomes [O, oh·ow].
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

/// The largest element of each window that lies inside: x is [C, h, w], `out` is [C, oh, ow]. That every window has a
/// place inside is the caller's; one that has none gives the lowest value of the type.
///
/// # Panics
/// If lengths and dimensions differ, or the window does not fit.
pub fn max_pool<T: Element>(x: &[T], shape: [usize; 3], window: &Window, out: &mut [T]) {
    pooled(x, shape, window, out, |places| {
        T::narrow(places.map(T::wide).max().unwrap_or(T::LOWEST))
    });
}

/// The sum of each window's elements, zeros outside: x is [C, h, w], `out` is [C, oh, ow]. That each sum fits is the
/// caller's.
///
/// # Panics
/// If lengths and dimensions differ, or the window does not fit.
pub fn sum_pool<T: Element>(x: &[T], shape: [usize; 3], window: &Window, out: &mut [i32]) {
    pooled(x, shape, window, out, |places| {
        places.map(T::wide).sum::<i64>() as i32
    });
}

fn pooled<S: Element, T>(
    x: &[S],
    shape: [usize; 3],
    window: &Window,
    out: &mut [T],
    of: impl Fn(&mut dyn Iterator<Item = S>) -> T,
) {
    let [channels, h, w] = shape;
    let [oh, ow] = fitting(window, shape, x.len());
    assert_eq!(
        out.len(),
        channels * oh * ow,
        "out is [{channels}, {oh}, {ow}]"
    );
    for (at, out) in out.iter_mut().enumerate() {
        let (channel, y, x0) = (at / (oh * ow), at / ow % oh, at % ow);
        let image = &x[channel * h * w..][..h * w];
        *out = of(&mut window.inside(0, y, h).flat_map(|(_, place_y)| {
            window
                .inside(1, x0, w)
                .map(move |(_, place_x)| image[place_y * w + place_x])
        }));
    }
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
        let mut rows = [0_i16; 16];
        im2col(&x, [1, 2, 3], &SQUARE, &mut rows);
        assert_eq!(rows, [0, 0, 1, 2, 0, 0, 3, 0, 1, 2, 4, 5, 3, 0, 6, 0]);
        let mut largest = [0_i16; 4];
        max_pool(&x.map(|v| -v), [1, 2, 3], &SQUARE, &mut largest);
        assert_eq!(largest, [-1, -3, -1, -3]);
        let mut sums = [0; 4];
        sum_pool(&x, [1, 2, 3], &SQUARE, &mut sums);
        assert_eq!(sums, [3, 3, 12, 9]);
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
        let mut rows = [0_i16; 4];
        im2col(&x, [1, 3, 3], &window, &mut rows);
        assert_eq!(rows, [0, 2, 6, 8]);
    }
}
