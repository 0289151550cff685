//! Weights with values: the second loop of attention.

#![expect(unsafe_code, reason = "vector loads within spans whose lengths have been checked")]
#![expect(clippy::needless_range_loop, reason = "iterators keep tiles out of the registers")]

use std::ops::Range;
use std::slice;

use super::SPAN;
use super::block::{List, Scores, State};
use super::inner::{Part, TOGETHER};
use crate::numbers::{F16, Stored};
use crate::simd::Simd;

/// `out[q]` = `keep[q]` x `out[q]` + the values that q sees, each times its weight.
///
/// # Safety
/// Those of [`Simd`]; the values of a whole span are there.
#[inline(always)]
pub(super) unsafe fn blend_body<S: Simd, N: Stored>(
    list: &List,
    values: Part,
    scores: &Scores,
    state: &State,
) {
    let size = values.size;
    let mut q = 0;
    while q < list.count {
        let many = (list.count - q).min(TOGETHER);
        let mut begin = 0;
        while begin < size {
            let end = values.group_end::<N>(begin);
            let mut scaled = [[0.0; SPAN]; TOGETHER];
            let mut weights = &scores[q..q + many];
            if N::SCALED {
                // SAFETY: by the caller; there are scales.
                unsafe { scale::<S>(weights, values.scales(begin), &mut scaled) };
                weights = &scaled[..many];
            }
            let tile = Tile { list, values, weights, state, first: q };
            let whole = begin + (end - begin) / S::LANES * S::LANES;
            let mut at = begin;
            while at < whole {
                let wide = if whole - at >= 2 * S::LANES { 2 } else { 1 };
                let widest = S::MANY_REGISTERS && whole - at >= 4 * S::LANES;
                let wide = if widest { 4 } else { wide };
                // SAFETY: so many queries and whole vectors of columns are there.
                unsafe {
                    match (many, wide) {
                        (4, 4) => tile.blend::<S, N, 4, 4>(at),
                        (4, 2) => tile.blend::<S, N, 4, 2>(at),
                        (4, _) => tile.blend::<S, N, 4, 1>(at),
                        (3, 4) => tile.blend::<S, N, 3, 4>(at),
                        (3, 2) => tile.blend::<S, N, 3, 2>(at),
                        (3, _) => tile.blend::<S, N, 3, 1>(at),
                        (2, 4) => tile.blend::<S, N, 2, 4>(at),
                        (2, 2) => tile.blend::<S, N, 2, 2>(at),
                        (2, _) => tile.blend::<S, N, 2, 1>(at),
                        (_, 4) => tile.blend::<S, N, 1, 4>(at),
                        (_, 2) => tile.blend::<S, N, 1, 2>(at),
                        _ => tile.blend::<S, N, 1, 1>(at),
                    }
                }
                at += wide * S::LANES;
            }
            // SAFETY: these columns are there.
            unsafe { tile.blend_rest::<N>(whole..end) };
            begin = end;
        }
        q += many;
    }
}

/// Some queries from `first` on, and their weights of the values of a span.
struct Tile<'a> {
    list: &'a List,
    values: Part,
    weights: &'a [[f32; SPAN]],
    state: &'a State,
    first: usize,
}

impl Tile<'_> {
    /// Blends `V` vectors of columns from `at` on, for `T` queries.
    ///
    /// # Safety
    /// Those of [`blend_body`]; there are as many columns and queries.
    #[inline(always)]
    unsafe fn blend<S: Simd, N: Stored, const T: usize, const V: usize>(&self, at: usize) {
        let Part { numbers, count, size, .. } = self.values;
        let out = |t: usize| self.list.out[self.first + t];
        let seen = |t: usize| self.state.seen[self.first + t];
        // SAFETY: the vectors lie within a head, the values within the span; a query sees no more
        // than `count` of them, and so many weights are there.
        unsafe {
            let mut sums = [[S::splat(0.0); V]; T];
            for t in 0..T {
                for v in 0..V {
                    let before = out(t).add(at + v * S::LANES);
                    let before = S::load_floats(before.cast_const().cast());
                    sums[t][v] = S::mul(before, S::splat(self.state.keep[self.first + t]));
                }
            }
            // What a query does not see is not even multiplied with zero: it may be no number.
            let common = (0..T).fold(count, |least, t| least.min(seen(t)));
            for j in 0..common {
                let mut row = [S::splat(0.0); V];
                for v in 0..V {
                    row[v] = N::load::<S>(numbers.add((j * size + at + v * S::LANES) * N::BYTES));
                }
                for t in 0..T {
                    let weight = S::splat(*self.weights.get_unchecked(t).get_unchecked(j));
                    for v in 0..V {
                        sums[t][v] = S::mul_add(row[v], weight, sums[t][v]);
                    }
                }
            }
            for t in 0..T {
                for j in common..seen(t) {
                    let weight = S::splat(self.weights[t][j]);
                    for v in 0..V {
                        let at = (j * size + at + v * S::LANES) * N::BYTES;
                        sums[t][v] = S::mul_add(N::load::<S>(numbers.add(at)), weight, sums[t][v]);
                    }
                }
                for v in 0..V {
                    S::store(out(t).add(at + v * S::LANES), sums[t][v]);
                }
            }
        }
    }

    /// The same for columns that fill no vector.
    ///
    /// # Safety
    /// Those of [`blend_body`]; there are such columns.
    #[inline(always)]
    unsafe fn blend_rest<N: Stored>(&self, columns: Range<usize>) {
        for (q, weights) in (self.first..).zip(self.weights) {
            for column in columns.clone() {
                // SAFETY: the column lies within the head, the values within the span.
                unsafe {
                    let out = self.list.out[q].add(column);
                    let mut sum = *out * self.state.keep[q];
                    for j in 0..self.state.seen[q] {
                        let at = (j * self.values.size + column) * N::BYTES;
                        let number = slice::from_raw_parts(self.values.numbers.add(at), N::BYTES);
                        sum += weights[j] * N::get(number);
                    }
                    *out = sum;
                }
            }
        }
    }
}

/// The weights of some queries, times the scales of some numbers of the values.
///
/// # Safety
/// Those of [`Simd`]; there are [`SPAN`] scales.
#[inline(always)]
unsafe fn scale<S: Simd>(
    weights: &[[f32; SPAN]],
    scales: *const u8,
    scaled: &mut [[f32; SPAN]; TOGETHER],
) {
    for from in (0..SPAN).step_by(S::LANES) {
        // SAFETY: a vector from `from` on lies within a span's weights and scales.
        unsafe {
            let scale = S::load_halves(scales.add(from * F16::BYTES));
            for (weights, scaled) in weights.iter().zip(scaled.iter_mut()) {
                let weights = S::load_floats(weights.as_ptr().add(from).cast());
                S::store(scaled.as_mut_ptr().add(from), S::mul(weights, scale));
            }
        }
    }
}
