//! Rows of numbers that are stored one by one (f32, f16, bf16), multiplied where they lie.
//!
//! Rows and activations are both walked along their columns, a vector at a time; a tile of rows
//! and tokens shares the loads. Each product is summed over blocks of columns of a fixed length,
//! so its value does not depend on its tile.

#![expect(unsafe_code, reason = "vector loads within rows whose lengths have been checked")]
#![expect(clippy::needless_range_loop, reason = "iterators keep tiles out of the registers")]

mod tile;

use std::ops::Range;

use crate::isa::{Isa, Level};
use crate::numbers::{Bf16, F16, F32, Number, Stored};
#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
use crate::simd::Portable;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Ymm, Zmm};

use tile::{Task, products};

/// Rows that are shared out together.
pub(crate) const UNIT: usize = 16;

/// A matrix of such numbers.
#[derive(Debug, Clone, Copy)]
pub struct FloatRows<'a> {
    bytes: &'a [u8],
    number: Number,
    rows: usize,
    columns: usize,
}

impl<'a> FloatRows<'a> {
    /// `rows` rows of `columns` numbers.
    ///
    /// # Panics
    /// When there are fewer bytes.
    pub fn new(bytes: &'a [u8], number: Number, rows: usize, columns: usize) -> Self {
        let size = rows.checked_mul(columns).and_then(|n| n.checked_mul(number.bytes()));
        assert!(size.is_some_and(|size| size <= bytes.len()), "too few bytes");
        Self { bytes, number, rows, columns }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many numbers a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Writes a row to `out`.
    pub fn expand_row(&self, row: usize, out: &mut [f32]) {
        let size = self.number.bytes();
        let row = &self.bytes[row * self.columns * size..][..self.columns * size];
        self.number.expand(row, out);
    }

    /// Multiplies some rows with `tokens` rows of `activations`. Row r of token t goes to
    /// `out + t x stride + r`.
    ///
    /// # Safety
    /// `out` is good for writing these rows for every token, and nobody else uses these numbers
    /// meanwhile.
    pub(crate) unsafe fn multiply(
        &self,
        isa: Isa,
        rows: Range<usize>,
        activations: &[f32],
        tokens: usize,
        out: *mut f32,
        stride: usize,
    ) {
        let needed = tokens.checked_mul(self.columns);
        assert!(needed.is_some_and(|needed| needed <= activations.len()), "too few activations");
        assert!(rows.end <= self.rows, "there are {} rows", self.rows);
        let task = Task { columns: self.columns, rows, tokens, stride };
        let (weights, activations) = (self.bytes.as_ptr(), activations.as_ptr());
        // SAFETY: every row and every token lies within its slice (checked); `out` is the
        // caller's.
        unsafe {
            match self.number {
                Number::F32 => run::<F32>(isa, task, weights, activations, out),
                Number::F16 => run::<F16>(isa, task, weights, activations, out),
                Number::Bf16 => run::<Bf16>(isa, task, weights, activations, out),
            }
        }
    }
}

/// Runs the kernel of the level that `isa` proves.
///
/// # Safety
/// Those of [`products`], but for the instructions.
unsafe fn run<N: Stored>(
    isa: Isa,
    task: Task,
    weights: *const u8,
    activations: *const f32,
    out: *mut f32,
) {
    // SAFETY: an `Isa` of a level exists only where the processor has its instructions; the rest
    // is the caller's.
    unsafe {
        match isa.level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Amx => zmm::<N>(task, weights, activations, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 | Level::AvxVnni => ymm::<N>(task, weights, activations, out),
            #[cfg(target_arch = "aarch64")]
            Level::Neon | Level::NeonDotprod => neon::<N>(task, weights, activations, out),
            _ => products::<Portable, N>(task, weights, activations, out),
        }
    }
}

macro_rules! entry {
    ($name:ident, $simd:ty, $arch:literal, $features:literal) => {
        /// # Safety
        /// Those of [`products`].
        #[cfg(target_arch = $arch)]
        #[target_feature(enable = $features)]
        unsafe fn $name<N: Stored>(
            task: Task,
            weights: *const u8,
            activations: *const f32,
            out: *mut f32,
        ) {
            // SAFETY: this function has the instructions; the rest is the caller's.
            unsafe { products::<$simd, N>(task, weights, activations, out) }
        }
    };
}
entry!(zmm, Zmm, "x86_64", "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni");
entry!(ymm, Ymm<false>, "x86_64", "avx2,fma,f16c");
entry!(neon, Neon<false>, "aarch64", "neon");
