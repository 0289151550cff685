//! Tiles of rows and tokens: what is loaded once for several products.

use std::ops::Range;

use crate::numbers::Stored;
use crate::simd::{Simd, prefetch};

/// Columns that are summed in one go: what a tile reads of the activations stays in the nearest
/// cache.
const BLOCK: usize = 1024;

/// Rows that all tokens take their turns with: what is read of them stays in the second cache.
const SHARED: usize = 64;

/// Sizes of a product.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) columns: usize,
    pub(super) rows: Range<usize>,
    pub(super) tokens: usize,
    pub(super) stride: usize,
}

/// Products of `R` rows with `T` tokens over `len` columns; the same columns of the `R` rows after
/// these are asked for meanwhile.
///
/// # Safety
/// Those of [`Simd`], for `len` numbers from every pointer.
#[inline(always)]
unsafe fn tile<S: Simd, N: Stored, const R: usize, const T: usize>(
    rows: [*const u8; R],
    row_bytes: usize,
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
                prefetch::<true>(rows[r].wrapping_add(at * N::BYTES + R * row_bytes));
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
        let found = tile::<S, N, R, T>(rows, row_bytes, tokens, block.len());
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
pub(super) unsafe fn products<S: Simd, N: Stored>(
    task: Task,
    weights: *const u8,
    activations: *const f32,
    out: *mut f32,
) {
    for first in task.rows.clone().step_by(SHARED) {
        let rows = first..task.rows.end.min(first + SHARED);
        // SAFETY: by the caller; these are some of its rows.
        unsafe { strip::<S, N>(Task { rows, ..task }, weights, activations, out) };
    }
}

/// All products of a task with few rows.
///
/// # Safety
/// Those of [`products`].
#[inline(always)]
unsafe fn strip<S: Simd, N: Stored>(
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
                6.. if S::MANY_REGISTERS => 6,
                4.. => 4,
                few => few,
            };
            let mut r = rows.start;
            while r < rows.end {
                let left = rows.end - r;
                let high = if many == 1 || S::MANY_REGISTERS { 4 } else { 2 };
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
