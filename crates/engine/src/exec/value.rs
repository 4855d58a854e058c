//! Values of nodes: where they lie, and views of their rows.

/// Which rows of a step a value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// All: later positions of the sequence need them.
    All,
    /// Those whose result was asked for.
    Wanted,
}

/// The order in which a row's elements lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The order of the program: the last dimension runs fastest.
    Natural,
    /// An image [C, h, w] as [h, w, C].
    ChannelsLast,
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A buffer of `i16`.
    Narrow(usize),
    /// A buffer of `i32`.
    Wide(usize),
    /// A constant of `i16`, the same for all rows.
    NarrowConstant(usize),
    /// A constant of `i32`, the same for all rows.
    WideConstant(usize),
}

/// A value: its place, and what one row of it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value {
    pub(crate) place: Place,
    /// Elements of a row.
    pub(crate) elements: usize,
    pub(crate) rows: Rows,
    pub(crate) layout: Layout,
    /// Declared range.
    pub(crate) lo: i32,
    pub(crate) hi: i32,
}

/// Whether elements of a range are stored as `i16`.
pub(crate) fn is_narrow(lo: i32, hi: i32) -> bool {
    lo >= i32::from(i16::MIN) && hi <= i32::from(i16::MAX)
}

/// Elements of one or more rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'a> {
    /// Stored as `i16`.
    Narrow(&'a [i16]),
    /// Stored as `i32`.
    Wide(&'a [i32]),
}

/// Elements that are being made.
#[derive(Debug)]
pub(crate) enum ViewMut<'a> {
    /// Stored as `i16`.
    Narrow(&'a mut [i16]),
    /// Stored as `i32`.
    Wide(&'a mut [i32]),
}

impl View<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Narrow(x) => x.len(),
            Self::Wide(x) => x.len(),
        }
    }

    pub(crate) fn at(&self, index: usize) -> i32 {
        match self {
            Self::Narrow(x) => i32::from(x[index]),
            Self::Wide(x) => x[index],
        }
    }

    pub(crate) fn part(&self, start: usize, len: usize) -> Self {
        match self {
            Self::Narrow(x) => Self::Narrow(&x[start..start + len]),
            Self::Wide(x) => Self::Wide(&x[start..start + len]),
        }
    }

    /// Calls `f` with the elements as `i32`, widened a piece at a time: f gets the index of the piece's first element.
    pub(crate) fn pieces(&self, mut f: impl FnMut(usize, &[i32])) {
        const PIECE: usize = 256;
        match self {
            Self::Wide(x) => f(0, x),
            Self::Narrow(x) => {
                let mut wide = [0; PIECE];
                for (number, piece) in x.chunks(PIECE).enumerate() {
                    for (wide, narrow) in wide.iter_mut().zip(piece) {
                        *wide = i32::from(*narrow);
                    }
                    f(number * PIECE, &wide[..piece.len()]);
                }
            }
        }
    }

    /// Calls `f` with all elements as `i32`.
    pub(crate) fn widened<T>(&self, f: impl FnOnce(&[i32]) -> T) -> T {
        const STACK: usize = 512;
        match self {
            Self::Wide(x) => f(x),
            Self::Narrow(x) if x.len() <= STACK => {
                let mut wide = [0; STACK];
                for (wide, narrow) in wide.iter_mut().zip(*x) {
                    *wide = i32::from(*narrow);
                }
                f(&wide[..x.len()])
            }
            Self::Narrow(x) => {
                let wide: Vec<i32> = x.iter().map(|x| i32::from(*x)).collect();
                f(&wide)
            }
        }
    }
}

impl ViewMut<'_> {
    /// Stores a value that is in the declared range of the result.
    pub(crate) fn set(&mut self, index: usize, value: i32) {
        match self {
            Self::Narrow(x) => x[index] = narrowed(value),
            Self::Wide(x) => x[index] = value,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Narrow(x) => x.len(),
            Self::Wide(x) => x.len(),
        }
    }

    pub(crate) fn part(&mut self, start: usize, len: usize) -> ViewMut<'_> {
        match self {
            Self::Narrow(x) => ViewMut::Narrow(&mut x[start..start + len]),
            Self::Wide(x) => ViewMut::Wide(&mut x[start..start + len]),
        }
    }

    /// Copies elements, of which the ranges say that they fit.
    pub(crate) fn copy_from(&mut self, x: View<'_>) {
        match (self, x) {
            (Self::Narrow(out), View::Narrow(x)) => out.copy_from_slice(x),
            (Self::Wide(out), View::Wide(x)) => out.copy_from_slice(x),
            (out, x) => (0..x.len()).for_each(|index| out.set(index, x.at(index))),
        }
    }
}

/// The value as `i16`; values are in the range that chose the type.
fn narrowed(value: i32) -> i16 {
    debug_assert!(i16::try_from(value).is_ok());
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

/// Runs a body with the elements of a [`View`], whatever their type.
macro_rules! with_view {
    ($view:expr, $x:ident => $body:expr) => {
        match $view {
            $crate::exec::value::View::Narrow($x) => $body,
            $crate::exec::value::View::Wide($x) => $body,
        }
    };
}

/// Runs a body with the elements of a [`ViewMut`], whatever their type.
macro_rules! with_view_mut {
    ($view:expr, $x:ident => $body:expr) => {
        match $view {
            $crate::exec::value::ViewMut::Narrow($x) => $body,
            $crate::exec::value::ViewMut::Wide($x) => $body,
        }
    };
}

pub(crate) use {with_view, with_view_mut};
