//! Rows of numbers that are stored one by one (f32, f16, bf16), multiplied where they lie.
//!
//! Rows and activations are both walked along their columns, a vector at a time; a tile of rows
//! and tokens shares the loads. Each product is summed over blocks of columns of a fixed length,
//! so its value does not depend on its tile.

#![expect(unsafe_code, reason = "vector loads within rows whose lengths have been checked")]
#![expect(clippy::needless_range_loop, reason = "iterators keep tiles out of the registers")]

use std::ops::Range;

use crate::isa::{Isa, Level};
use crate::numbers::{Bf16, F16, F32, Number, Stored};
use crate::simd::{Portable, Simd};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Ymm, Zmm};

/// Rows that are shared out together.
pub(crate) const UNIT: usize = 16;

/// Columns that are summed in one go: what a tile reads of the activations stays in the nearest
/// cache.
const BLOCK: usize = 1024;

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

/// Sizes of a product.
#[derive(Debug, Clone)]
struct Task {
    columns: usize,
    rows: Range<usize>,
    tokens: usize,
    stride: usize,
}

/// Products of `R` rows with `T` tokens over `len` columns.
///
/// # Safety
/// Those of [`Simd`], for `len` numbers from every pointer.
#[inline(always)]
unsafe fn tile<S: Simd, N: Stored, const R: usize, const T: usize>(
    rows: [*const u8; R],
    tokens: [*const f32; T],
    len: usize,
) -> [[f32; T]; R] {
    let whole = len / S::LANES * S::LANES;
    // SAFETY: by the caller; vectors end at or before `whole`.
    unsafe {
        let mut lanes = [[S::splat(0.0); T]; R];
        let mut at = 0;
        while at < whole {
            let mut weights = [S::splat(0.0); R];
            for r in 0..R {
                weights[r] = N::load::<S>(rows[r].add(at * N::BYTES));
            }
            for t in 0..T {
                let x = S::load_floats(tokens[t].add(at).cast());
                for r in 0..R {
                    lanes[r][t] = S::mul_add(weights[r], x, lanes[r][t]);
                }
            }
            at += S::LANES;
        }
        let mut out = [[0.0; T]; R];
        for r in 0..R {
            for t in 0..T {
                out[r][t] = S::sum(lanes[r][t]);
                for at in whole..len {
                    let number = std::slice::from_raw_parts(rows[r].add(at * N::BYTES), N::BYTES);
                    out[r][t] += N::get(number) * *tokens[t].add(at);
                }
            }
        }
        out
    }
}

/// A tile's products, written, or added to those of the blocks before.
///
/// # Safety
/// Those of [`tile`]; `out` is good for the tile.
#[inline(always)]
unsafe fn put<S: Simd, N: Stored, const R: usize, const T: usize>(
    (weights, row_bytes): (*const u8, usize),
    (activations, columns): (*const f32, usize),
    block: &Range<usize>,
    (out, stride): (*mut f32, usize),
) {
    // SAFETY: by the caller.
    unsafe {
        let mut rows = [weights; R];
        for r in 0..R {
            rows[r] = weights.add(r * row_bytes + block.start * N::BYTES);
        }
        let mut tokens = [activations; T];
        for t in 0..T {
            tokens[t] = activations.add(t * columns + block.start);
        }
        let found = tile::<S, N, R, T>(rows, tokens, block.len());
        for t in 0..T {
            for r in 0..R {
                let to = out.add(t * stride + r);
                *to = if block.start == 0 { found[r][t] } else { *to + found[r][t] };
            }
        }
    }
}

/// All products of a task.
///
/// # Safety
/// Those of [`Simd`]; rows, tokens and `out` are as the task says.
#[inline(always)]
unsafe fn products<S: Simd, N: Stored>(
    task: Task,
    weights: *const u8,
    activations: *const f32,
    out: *mut f32,
) {
    let Task { columns, rows, tokens, stride } = task;
    let row_bytes = columns * N::BYTES;
    let mut start = 0;
    loop {
        let block = start..columns.min(start + BLOCK);
        let mut t = 0;
        while t < tokens {
            let many = match tokens - t {
                6.. if S::LANES == 16 => 6,
                4.. => 4,
                few => few,
            };
            let mut r = rows.start;
            while r < rows.end {
                let left = rows.end - r;
                let high = if many == 1 || S::LANES == 16 { 4 } else { 2 };
                let high = if left >= high { high } else { 1 };
                macro_rules! run {
                    ($r:literal, $t:literal) => {
                        // SAFETY: `r + R` rows and `t + T` tokens are there.
                        unsafe {
                            let weights = (weights.add(r * row_bytes), row_bytes);
                            let activations = (activations.add(t * columns), columns);
                            let out = (out.add(t * stride + r), stride);
                            put::<S, N, $r, $t>(weights, activations, &block, out);
                        }
                    };
                }
                match (high, many) {
                    (4, 6) => run!(4, 6),
                    (4, 4) => run!(4, 4),
                    (4, 3) => run!(4, 3),
                    (4, 2) => run!(4, 2),
                    (4, _) => run!(4, 1),
                    (2, 4) => run!(2, 4),
                    (2, 3) => run!(2, 3),
                    (2, _) => run!(2, 2),
                    (_, 6) => run!(1, 6),
                    (_, 4) => run!(1, 4),
                    (_, 3) => run!(1, 3),
                    (_, 2) => run!(1, 2),
                    _ => run!(1, 1),
                }
                r += high;
            }
            t += many;
        }
        start = block.end;
        if start >= columns {
            return;
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
            Level::Avx512 => zmm::<N>(task, weights, activations, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 | Level::AvxVnni => ymm::<N>(task, weights, activations, out),
            _ => products::<Portable, N>(task, weights, activations, out),
        }
    }
}

macro_rules! entry {
    ($name:ident, $simd:ty, $features:literal) => {
        /// # Safety
        /// Those of [`products`].
        #[cfg(target_arch = "x86_64")]
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
entry!(zmm, Zmm, "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni");
entry!(ymm, Ymm<false>, "avx2,fma,f16c");
