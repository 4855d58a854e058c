//! Buffers that begin at a cache line.

#![expect(
    unsafe_code,
    reason = "a vector of lines is seen as a slice of numbers; the system is asked for large pages"
)]

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
use std::ffi::c_void;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

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
impl Plain for u32 {}
impl Plain for i64 {}
impl Plain for u64 {}

/// A buffer of numbers whose address is a multiple of 64.
#[derive(Clone, Default)]
pub(crate) struct Aligned<T: Plain> {
    lines: Vec<Line>,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Plain> std::fmt::Debug for Aligned<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} numbers", self.len)
    }
}

impl<T: Plain> Aligned<T> {
    pub(crate) const fn new() -> Self {
        Self {
            lines: Vec::new(),
            len: 0,
            of: PhantomData,
        }
    }

    /// `len` zeros, in large pages where the system has them.
    pub(crate) fn zeros(len: usize) -> Self {
        let mut buffer = Self::new();
        buffer.lines.reserve_exact(Self::lines(len));
        ask_for_large_pages(buffer.lines.spare_capacity_mut());
        buffer.resize(len);
        buffer
    }

    const fn lines(len: usize) -> usize {
        len.saturating_mul(size_of::<T>()).div_ceil(64)
    }

    /// Sets the length; what was there stays or is cut off, what is new has some value or other.
    pub(crate) fn resize(&mut self, len: usize) {
        self.lines.resize(Self::lines(len), Line([0; 64]));
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

/// Asks for pages of 2 MiB under memory that nobody has touched yet: reading gigabytes through pages of 4 KiB is a quarter
/// slower. It is advice: whether it is taken changes no result.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn ask_for_large_pages(memory: &mut [MaybeUninit<Line>]) {
    const PAGE: usize = 4096;
    const LARGE: usize = 2 << 20;
    // MADV_HUGEPAGE of madvise(2).
    const ADVICE: std::ffi::c_int = 14;
    unsafe extern "C" {
        fn madvise(start: *mut c_void, length: usize, advice: std::ffi::c_int) -> std::ffi::c_int;
    }
    let bytes = size_of_val(memory);
    if bytes < 2 * LARGE {
        return;
    }
    let start = memory.as_mut_ptr().cast::<u8>();
    let skip = start.align_offset(PAGE);
    let length = bytes.saturating_sub(skip) / PAGE * PAGE;
    if length == 0 {
        return;
    }
    // SAFETY: the pages lie in memory that is borrowed exclusively, and this advice leaves what they hold as it is.
    unsafe { madvise(start.add(skip).cast(), length, ADVICE) };
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn ask_for_large_pages(_memory: &mut [MaybeUninit<Line>]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_of_any_length_are_zeros_at_a_cache_line() {
        for len in [0, 1, 63, 64, 65, (5 << 20) + 3] {
            let mut buffer = Aligned::<i16>::zeros(len);
            assert_eq!(buffer.as_slice().len(), len);
            assert!(buffer.as_slice().iter().all(|&x| x == 0));
            assert_eq!(buffer.as_slice().as_ptr().align_offset(64), 0);
            assert!(buffer.bytes() >= 2 * len);
            buffer.as_mut_slice().fill(-1);
            buffer.resize(len + 100);
            assert!(buffer.as_slice()[..len].iter().all(|&x| x == -1));
        }
    }
}
