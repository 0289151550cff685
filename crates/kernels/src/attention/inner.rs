//! The two loops of attention: queries with keys, weights with values.

#![expect(unsafe_code, reason = "vector loads within spans whose lengths have been checked")]
#![expect(clippy::needless_range_loop, reason = "iterators keep tiles out of the registers")]

use super::MOST_QUERIES;
use super::block::{List, Scores};
use crate::isa::{Isa, Level};
use crate::numbers::{F16, F32, Number, Stored};
use crate::rows::tile;
use crate::simd::{Portable, Simd};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Ymm, Zmm};

/// Keys or values of a span: `count` rows of `size` numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) at: *const u8,
    pub(super) count: usize,
    pub(super) size: usize,
}

/// `scores[q][j]` = dot product of query q with key j.
///
/// # Safety
/// Those of [`Simd`]; the keys are there.
#[inline(always)]
unsafe fn scores_body<S: Simd, N: Stored>(list: &List, keys: Part, scores: &mut Scores) {
    let Part { at: keys, count, size } = keys;
    macro_rules! run {
        ($q:ident, $j:ident, $r:literal, $t:literal) => {{
            let mut rows = [keys; $r];
            for r in 0..$r {
                // SAFETY: key `$j + r` is there.
                rows[r] = unsafe { keys.add(($j + r) * size * N::BYTES) };
            }
            let mut tokens = [list.queries[$q]; $t];
            for t in 0..$t {
                tokens[t] = list.queries[$q + t];
            }
            // SAFETY: by the caller.
            let found = unsafe { tile::<S, N, $r, $t>(rows, tokens, size) };
            for t in 0..$t {
                for r in 0..$r {
                    scores[$q + t][$j + r] = found[r][t];
                }
            }
        }};
    }
    let mut j = 0;
    while j < count {
        let rows = if count - j >= 4 { 4 } else { 1 };
        let mut q = 0;
        while q < list.count {
            let many =
                if S::LANES == 16 && list.count - q >= 4 { 4 } else { 2.min(list.count - q) };
            match (rows, many) {
                (4, 4) => run!(q, j, 4, 4),
                (4, 2) => run!(q, j, 4, 2),
                (4, _) => run!(q, j, 4, 1),
                (_, 4) => run!(q, j, 1, 4),
                (_, 2) => run!(q, j, 1, 2),
                _ => run!(q, j, 1, 1),
            }
            q += many;
        }
        j += rows;
    }
}

/// `out[q]` = `keep[q]` x `out[q]` + the values, each times its weight.
///
/// # Safety
/// Those of [`Simd`]; the values are there.
#[inline(always)]
unsafe fn blend_body<S: Simd, N: Stored>(
    list: &List,
    values: Part,
    scores: &Scores,
    keep: &[f32; MOST_QUERIES],
) {
    let Part { at: values, count, size } = values;
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
                for j in 0..count {
                    let mut row = [S::splat(0.0); $v];
                    for v in 0..$v {
                        let at = (j * size + $at + v * S::LANES) * N::BYTES;
                        row[v] = N::load::<S>(values.add(at));
                    }
                    for t in 0..$t {
                        let weight = S::splat(*scores[$q + t].get_unchecked(j));
                        for v in 0..$v {
                            sums[t][v] = S::mul_add(row[v], weight, sums[t][v]);
                        }
                    }
                }
                for t in 0..$t {
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
        let many = if list.count - q >= 4 { 4 } else { 1 };
        let mut at = 0;
        while at < whole {
            let wide = if whole - at >= 2 * S::LANES { 2 } else { 1 };
            let wide =
                if wide == 2 && S::LANES == 16 && whole - at >= 4 * S::LANES { 4 } else { wide };
            match (many, wide) {
                (4, 4) => run!(q, at, 4, 4),
                (4, 2) => run!(q, at, 4, 2),
                (4, _) => run!(q, at, 4, 1),
                (_, 4) => run!(q, at, 1, 4),
                (_, 2) => run!(q, at, 1, 2),
                _ => run!(q, at, 1, 1),
            }
            at += wide * S::LANES;
        }
        for q in q..q + many {
            for column in whole..size {
                // SAFETY: the column lies within the head, the value within the span.
                unsafe {
                    let out = list.out[q].add(column);
                    let mut sum = *out * keep[q];
                    for j in 0..count {
                        let at = values.add((j * size + column) * N::BYTES);
                        sum += scores[q][j] * N::get(std::slice::from_raw_parts(at, N::BYTES));
                    }
                    *out = sum;
                }
            }
        }
        q += many;
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
    list: &List, values: Part, scores: &Scores, keep: &[f32; MOST_QUERIES]
));
