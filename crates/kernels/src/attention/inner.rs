//! The two loops of attention: queries with keys, weights with values.

#![expect(unsafe_code, reason = "vector loads within spans whose lengths have been checked")]
#![expect(clippy::needless_range_loop, reason = "iterators keep tiles out of the registers")]

use std::ops::Range;

use super::SPAN;
use super::block::{List, Scores, State};
use crate::isa::{Isa, Level};
use crate::numbers::{F16, F32, Number, Stored};
use crate::simd::{Portable, Simd};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Ymm, Zmm};

/// Keys or values of `count` positions of a span, `size` numbers each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) at: *const u8,
    pub(super) count: usize,
    pub(super) size: usize,
}

/// `scores[q][j]` = dot product of query q with key j. A vector holds one number of several
/// keys, so that no sum runs across lanes; scores of keys beyond the count mean nothing.
///
/// # Safety
/// Those of [`Simd`]; there are `size` rows of [`SPAN`] numbers.
#[inline(always)]
unsafe fn scores_body<S: Simd, N: Stored>(list: &List, keys: Part, scores: &mut Scores) {
    let Part { at: keys, count, size } = keys;
    macro_rules! run {
        ($q:ident, $from:ident, $t:literal, $v:literal) => {
            // SAFETY: `$v` vectors from key `$from` on lie within a row of the span.
            unsafe {
                let mut sums = [[S::splat(0.0); $v]; $t];
                for d in 0..size {
                    let mut row = [S::splat(0.0); $v];
                    for v in 0..$v {
                        let at = (d * SPAN + $from + v * S::LANES) * N::BYTES;
                        row[v] = N::load::<S>(keys.add(at));
                    }
                    for t in 0..$t {
                        let x = S::splat(*list.queries[$q + t].add(d));
                        for v in 0..$v {
                            sums[t][v] = S::mul_add(row[v], x, sums[t][v]);
                        }
                    }
                }
                for t in 0..$t {
                    for v in 0..$v {
                        S::store(scores[$q + t].as_mut_ptr().add($from + v * S::LANES), sums[t][v]);
                    }
                }
            }
        };
    }
    let wide = if S::LANES == 16 { 4 } else { 2 };
    let mut from = 0;
    while from < count {
        let mut q = 0;
        while q < list.count {
            let many = (list.count - q).min(4);
            match (many, wide) {
                (4, 4) => run!(q, from, 4, 4),
                (3, 4) => run!(q, from, 3, 4),
                (2, 4) => run!(q, from, 2, 4),
                (_, 4) => run!(q, from, 1, 4),
                (4, _) => run!(q, from, 4, 2),
                (3, _) => run!(q, from, 3, 2),
                (2, _) => run!(q, from, 2, 2),
                _ => run!(q, from, 1, 2),
            }
            q += many;
        }
        from += wide * S::LANES;
    }
}

/// `out[q]` = `keep[q]` x `out[q]` + the values that q sees, each times its weight.
///
/// # Safety
/// Those of [`Simd`]; the values are there.
#[inline(always)]
unsafe fn blend_body<S: Simd, N: Stored>(
    list: &List,
    values: Part,
    scores: &Scores,
    state: &State,
) {
    let (Part { at: start, count, size }, State { keep, seen, .. }) = (values, state);
    macro_rules! run {
        ($q:ident, $at:ident, $t:literal, $v:literal) => {
            // SAFETY: `$v` vectors from column `$at` on lie within a head.
            unsafe {
                let mut sums = [[S::splat(0.0); $v]; $t];
                for t in 0..$t {
                    for v in 0..$v {
                        let before = list.out[$q + t].add($at + v * S::LANES);
                        let before = S::load_floats(before.cast_const().cast());
                        sums[t][v] = S::mul(before, S::splat(keep[$q + t]));
                    }
                }
                // What a query does not see is not even multiplied with zero: it may be no number.
                let common = (0..$t).fold(count, |least, t| least.min(seen[$q + t]));
                for j in 0..common {
                    let mut row = [S::splat(0.0); $v];
                    for v in 0..$v {
                        let at = (j * size + $at + v * S::LANES) * N::BYTES;
                        row[v] = N::load::<S>(start.add(at));
                    }
                    for t in 0..$t {
                        let weight = S::splat(*scores[$q + t].get_unchecked(j));
                        for v in 0..$v {
                            sums[t][v] = S::mul_add(row[v], weight, sums[t][v]);
                        }
                    }
                }
                for t in 0..$t {
                    for j in common..seen[$q + t] {
                        let weight = S::splat(scores[$q + t][j]);
                        for v in 0..$v {
                            let at = (j * size + $at + v * S::LANES) * N::BYTES;
                            let value = N::load::<S>(start.add(at));
                            sums[t][v] = S::mul_add(value, weight, sums[t][v]);
                        }
                    }
                    for v in 0..$v {
                        S::store(list.out[$q + t].add($at + v * S::LANES), sums[t][v]);
                    }
                }
            }
        };
    }
    let whole = size / S::LANES * S::LANES;
    let mut q = 0;
    while q < list.count {
        let many = (list.count - q).min(4);
        let mut at = 0;
        while at < whole {
            let wide = if whole - at >= 2 * S::LANES { 2 } else { 1 };
            let wide =
                if wide == 2 && S::LANES == 16 && whole - at >= 4 * S::LANES { 4 } else { wide };
            match (many, wide) {
                (4, 4) => run!(q, at, 4, 4),
                (4, 2) => run!(q, at, 4, 2),
                (4, _) => run!(q, at, 4, 1),
                (3, 4) => run!(q, at, 3, 4),
                (3, 2) => run!(q, at, 3, 2),
                (3, _) => run!(q, at, 3, 1),
                (2, 4) => run!(q, at, 2, 4),
                (2, 2) => run!(q, at, 2, 2),
                (2, _) => run!(q, at, 2, 1),
                (_, 4) => run!(q, at, 1, 4),
                (_, 2) => run!(q, at, 1, 2),
                _ => run!(q, at, 1, 1),
            }
            at += wide * S::LANES;
        }
        for q in q..q + many {
            // SAFETY: by the caller.
            unsafe { blend_rest::<N>(q, whole..size, list, values, scores, state) };
        }
        q += many;
    }
}

/// The same for the columns of a query that fill no vector.
///
/// # Safety
/// Those of [`blend_body`].
#[inline(always)]
unsafe fn blend_rest<N: Stored>(
    q: usize,
    columns: Range<usize>,
    list: &List,
    values: Part,
    scores: &Scores,
    state: &State,
) {
    for column in columns {
        // SAFETY: the column lies within the head, the values within the span.
        unsafe {
            let out = list.out[q].add(column);
            let mut sum = *out * state.keep[q];
            for j in 0..state.seen[q] {
                let at = values.at.add((j * values.size + column) * N::BYTES);
                sum += scores[q][j] * N::get(std::slice::from_raw_parts(at, N::BYTES));
            }
            *out = sum;
        }
    }
}

/// Declares a function that runs a body with the instructions of its `Isa`, for a stored number.
macro_rules! entry {
    ($name:ident = $body:ident($($argument:ident: $kind:ty),*)) => {
        /// # Safety
        /// Those of the body, but for the instructions.
        pub(super) unsafe fn $name(isa: Isa, number: Number, $($argument: $kind),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
            unsafe fn zmm<N: Stored>($($argument: $kind),*) {
                // SAFETY: this function has the instructions.
                unsafe { $body::<Zmm, N>($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn ymm<N: Stored>($($argument: $kind),*) {
                // SAFETY: this function has the instructions.
                unsafe { $body::<Ymm<false>, N>($($argument),*) }
            }
            // SAFETY: an `Isa` of a level exists only where the processor has its instructions;
            // the rest is the caller's.
            unsafe {
                match (isa.level(), number) {
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx512, Number::F32) => zmm::<F32>($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx512, _) => zmm::<F16>($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx2 | Level::AvxVnni, Number::F32) => ymm::<F32>($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx2 | Level::AvxVnni, _) => ymm::<F16>($($argument),*),
                    (_, Number::F32) => $body::<Portable, F32>($($argument),*),
                    _ => $body::<Portable, F16>($($argument),*),
                }
            }
        }
    };
}
entry!(match_scores = scores_body(list: &List, keys: Part, scores: &mut Scores));
entry!(blend = blend_body(
    list: &List, values: Part, scores: &Scores, state: &State
));
