//! The two loops of attention, for every instruction set and kind of cache: queries with keys, here, and
//! weights with values ([`super::blend`]).

#![expect(unsafe_code, reason = "vector loads within spans whose lengths have been checked")]

use super::blend::blend_body;
use super::block::{List, Scores, State};
use super::kept::SHARED;
use super::{CacheKind, CacheNumber, SPAN};
use crate::isa::{Isa, Level};
use crate::numbers::{F16, F32, Q8_0, Stored};
#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
use crate::simd::{Portable, Simd};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Ymm, Zmm};

/// Queries of a tile.
pub(super) const TOGETHER: usize = 4;

/// Keys or values of the first `count` positions of a span, `size` numbers each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Halves, if there are scales: [`SPAN`] for every [`SHARED`] numbers of a head.
    scales: *const u8,
    pub(super) numbers: *const u8,
    pub(super) count: usize,
    pub(super) size: usize,
}

impl Part {
    /// # Panics
    /// When a whole span would be longer.
    pub(super) fn of<T: CacheNumber>(span: &[T], count: usize, size: usize) -> Self {
        let each = T::per_position(size);
        let needed = each.checked_mul(SPAN);
        let enough = needed.is_some_and(|needed| needed <= span.len());
        assert!(enough && count <= SPAN && each >= size, "a span is too short");
        let numbers = span[SPAN * (each - size)..].as_ptr();
        Self { scales: span.as_ptr().cast(), numbers: numbers.cast(), count, size }
    }

    /// Where the scales of the numbers from `number` on begin.
    ///
    /// # Safety
    /// There are scales, and such a number.
    pub(super) unsafe fn scales(&self, number: usize) -> *const u8 {
        // SAFETY: by the caller.
        unsafe { self.scales.add(number / SHARED * SPAN * F16::BYTES) }
    }

    /// Where the numbers from `begin` on end that share a scale; all do where there is none.
    pub(super) fn group_end<N: Stored>(&self, begin: usize) -> usize {
        if N::SCALED { self.size.min(begin + SHARED) } else { self.size }
    }
}

/// `scores[q][j]` = dot product of query q with key j. A vector holds one number of several
/// keys, so that no sum runs across lanes; scores of keys beyond the count mean nothing.
///
/// # Safety
/// Those of [`Simd`]; the keys of a whole span are there.
#[inline(always)]
unsafe fn scores_body<S: Simd, N: Stored>(list: &List, keys: Part, scores: &mut Scores) {
    let Part { numbers, count, size, .. } = keys;
    macro_rules! run {
        ($q:ident, $from:ident, $t:literal, $v:literal) => {
            // SAFETY: `$v` vectors from key `$from` on lie within a row of the span.
            unsafe {
                let mut begin = 0;
                while begin < size {
                    let end = keys.group_end::<N>(begin);
                    let mut sums = [[S::splat(0.0); $v]; $t];
                    for d in begin..end {
                        let mut row = [S::splat(0.0); $v];
                        for v in 0..$v {
                            let at = (d * SPAN + $from + v * S::LANES) * N::BYTES;
                            row[v] = N::load::<S>(numbers.add(at));
                        }
                        for t in 0..$t {
                            let x = S::splat(*list.queries[$q + t].add(d));
                            for v in 0..$v {
                                sums[t][v] = S::mul_add(row[v], x, sums[t][v]);
                            }
                        }
                    }
                    for v in 0..$v {
                        let at = $from + v * S::LANES;
                        for t in 0..$t {
                            let to = scores[$q + t].as_mut_ptr().add(at);
                            if N::SCALED {
                                let scale = S::load_halves(keys.scales(begin).add(at * F16::BYTES));
                                let before = S::load_floats(to.cast_const().cast());
                                let before = if begin == 0 { S::splat(0.0) } else { before };
                                sums[t][v] = S::mul_add(sums[t][v], scale, before);
                            }
                            S::store(to, sums[t][v]);
                        }
                    }
                    begin = end;
                }
            }
        };
    }
    let wide = if S::MANY_REGISTERS { 4 } else { 2 };
    let mut from = 0;
    while from < count {
        let mut q = 0;
        while q < list.count {
            let many = (list.count - q).min(TOGETHER);
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

/// Declares a function that runs a body with the instructions of its `Isa`, for what a cache
/// consists of.
macro_rules! entry {
    ($name:ident = $body:ident($($argument:ident: $kind:ty),*)) => {
        /// # Safety
        /// Those of the body, but for the instructions.
        pub(super) unsafe fn $name(isa: Isa, cache: CacheKind, $($argument: $kind),*) {
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
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon")]
            unsafe fn neon<N: Stored>($($argument: $kind),*) {
                // SAFETY: this function has the instructions.
                unsafe { $body::<Neon<false>, N>($($argument),*) }
            }
            /// # Safety
            /// Those of the body, but for the instructions.
            unsafe fn run<N: Stored>(isa: Isa, $($argument: $kind),*) {
                // SAFETY: an `Isa` of a level exists only where the processor has its instructions;
                // the rest is the caller's.
                unsafe {
                    match isa.level() {
                        #[cfg(target_arch = "x86_64")]
                        Level::Avx512 | Level::Amx => zmm::<N>($($argument),*),
                        #[cfg(target_arch = "x86_64")]
                        Level::Avx2 | Level::AvxVnni => ymm::<N>($($argument),*),
                        #[cfg(target_arch = "aarch64")]
                        Level::Neon | Level::NeonDotprod => neon::<N>($($argument),*),
                        _ => $body::<Portable, N>($($argument),*),
                    }
                }
            }
            // SAFETY: by the caller.
            unsafe {
                match cache {
                    CacheKind::F32 => run::<F32>(isa, $($argument),*),
                    CacheKind::F16 => run::<F16>(isa, $($argument),*),
                    CacheKind::Q8_0 => run::<Q8_0>(isa, $($argument),*),
                }
            }
        }
    };
}
entry!(match_scores = scores_body(list: &List, keys: Part, scores: &mut Scores));
entry!(blend = blend_body(
    list: &List, values: Part, scores: &Scores, state: &State
));
