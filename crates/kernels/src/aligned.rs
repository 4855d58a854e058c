//! Buffers that begin at a cache line.

#![expect(
    unsafe_code,
    reason = "a vector of lines is seen as a slice of numbers"
)]

use std::marker::PhantomData;

/// One cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Numbers for which every pattern of bits, zeros among them, is a value.
pub(crate) trait Plain: Copy + 'static {}
impl Plain for i8 {}
impl Plain for u8 {}
impl Plain for i16 {}
impl Plain for i32 {}
impl Plain for i64 {}

/// A buffer of numbers whose address is a multiple of 64.
#[derive(Clone, Default)]
pub(crate) struct Aligned<T: Plain> {
    lines: Vec<Line>,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Plain> Aligned<T> {
    pub(crate) const fn new() -> Self {
        Self {
            lines: Vec::new(),
            len: 0,
            of: PhantomData,
        }
    }

    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let mut buffer = Self::new();
        buffer.resize(len);
        buffer
    }

    /// Sets the length; what was there stays or is cut off, what is new has some value or other.
    pub(crate) fn resize(&mut self, len: usize) {
        let lines = len.saturating_mul(size_of::<T>()).div_ceil(64);
        self.lines.resize(lines, Line([0; 64]));
        self.len = len;
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.capacity() * 64
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        debug_assert!(self.len * size_of::<T>() <= self.lines.len() * 64);
        // SAFETY: the lines hold at least `len` numbers, initialized, aligned to 64, and `T` is plain.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    #[inline]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        debug_assert!(self.len * size_of::<T>() <= self.lines.len() * 64);
        // SAFETY: as above, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
