//! The kernels with AVX2, FMA and F16C, and the byte products with AVX-512 VNNI.

#![expect(unsafe_code, reason = "intrinsics and unaligned loads; see the SAFETY comments")]

use std::arch::x86_64::{
    __m256, __m256i, _mm_add_ps, _mm_add_ss, _mm_cvtph_ps, _mm_cvtsi32_si128, _mm_cvtss_f32,
    _mm_movehdup_ps, _mm_movehl_ps, _mm256_add_epi32, _mm256_castps256_ps128, _mm256_cvtepi32_ps,
    _mm256_dpbusd_epi32, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_sign_epi8,
    _mm256_storeu_ps, _mm256_xor_si256,
};

use super::block32::{Block32, LEN, Minimum};
use super::float::Float;
use super::{ByteRow, portable};

/// # Safety
/// AVX.
#[inline(always)]
unsafe fn sum_lanes(lanes: __m256) -> f32 {
    // SAFETY: register operations only.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}

/// # Safety
/// F16C.
#[inline(always)]
unsafe fn half(bits: u16) -> f32 {
    // SAFETY: register operations only.
    unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits)))) }
}

/// # Safety
/// F16C.
#[inline(always)]
unsafe fn scale_and_minimum<B: Block32>(block: &B) -> (f32, f32) {
    let (scale, minimum) = block.scale_bits();
    // SAFETY: F16C by the caller.
    unsafe {
        let scale = half(scale);
        match minimum {
            Minimum::Bits(bits) => (scale, half(bits)),
            Minimum::TimesScale(times) => (scale, times * scale),
        }
    }
}

/// 32 products of unsigned with signed bytes, summed into eight lanes.
///
/// # Safety
/// AVX2; with `VNNI` also AVX-512 VNNI and VL.
#[inline(always)]
unsafe fn products<const VNNI: bool, const WIDE: bool>(n: __m256i, y: __m256i) -> __m256i {
    // SAFETY: register operations only.
    unsafe {
        if VNNI {
            _mm256_dpbusd_epi32(_mm256_setzero_si256(), n, y)
        } else if WIDE {
            // Pairs of full bytes overflow 16 bits: work on the signed value instead, as
            // |x| * (y with the sign of x), and add the 128 * y that `n` = x + 128 stands for.
            let flip = _mm256_set1_epi8(i8::MIN);
            let x = _mm256_xor_si256(n, flip);
            let ones = _mm256_set1_epi16(1);
            let signed = _mm256_maddubs_epi16(_mm256_sign_epi8(x, x), _mm256_sign_epi8(y, x));
            let offset = _mm256_maddubs_epi16(_mm256_set1_epi8(64), y);
            let twice = _mm256_set1_epi16(2);
            _mm256_add_epi32(_mm256_madd_epi16(signed, ones), _mm256_madd_epi16(offset, twice))
        } else {
            _mm256_madd_epi16(_mm256_maddubs_epi16(n, y), _mm256_set1_epi16(1))
        }
    }
}

/// # Safety
/// AVX2, FMA, F16C; with `VNNI` also AVX-512 VNNI and VL.
#[inline(always)]
unsafe fn dot_bytes_body<B: Block32, const R: usize, const A: usize, const VNNI: bool>(
    weights: [&[B]; R],
    activations: [ByteRow<'_>; A],
) -> [[f32; A]; R] {
    // Loops instead of closures: a closure would not be compiled for the caller's instructions.
    let mut blocks = usize::MAX;
    for row in &weights {
        blocks = blocks.min(row.len());
    }
    for row in &activations {
        blocks = blocks.min(row.values.len() / LEN).min(row.scales.len()).min(row.sums.len());
    }
    let mut out = [[0.0; A]; R];
    // SAFETY: `i` stays below the number of blocks of every row, its scales and its sums.
    unsafe {
        let mut lanes = [[_mm256_setzero_ps(); A]; R];
        let mut minima = [[0.0_f32; A]; R];
        for i in 0..blocks {
            let mut y = [_mm256_setzero_si256(); A];
            for a in 0..A {
                let at = activations[a].values.as_ptr().add(i * LEN);
                y[a] = _mm256_loadu_si256(at.cast::<__m256i>());
            }
            for r in 0..R {
                let block = weights[r].get_unchecked(i);
                let (scale, minimum) = scale_and_minimum(block);
                let n = block.unpack();
                for a in 0..A {
                    let sums = _mm256_cvtepi32_ps(if B::WIDE {
                        products::<VNNI, true>(n, y[a])
                    } else {
                        products::<VNNI, false>(n, y[a])
                    });
                    let factor = _mm256_set1_ps(scale * activations[a].scales.get_unchecked(i));
                    lanes[r][a] = _mm256_fmadd_ps(sums, factor, lanes[r][a]);
                    minima[r][a] =
                        minimum.mul_add(*activations[a].sums.get_unchecked(i), minima[r][a]);
                }
            }
        }
        for r in 0..R {
            for a in 0..A {
                out[r][a] = sum_lanes(lanes[r][a]) + minima[r][a];
            }
        }
    }
    out
}

/// # Safety
/// AVX2, FMA, F16C.
#[inline(always)]
unsafe fn dot_floats_body<F: Float, const R: usize, const A: usize>(
    weights: [&[F]; R],
    activations: [&[f32]; A],
) -> [[f32; A]; R] {
    let mut len = usize::MAX;
    for row in &weights {
        len = len.min(row.len());
    }
    for row in &activations {
        len = len.min(row.len());
    }
    let whole = len / 8 * 8;
    let mut out = [[0.0; A]; R];
    // SAFETY: all loads end at or before `whole`, which no row is shorter than.
    unsafe {
        let mut lanes = [[_mm256_setzero_ps(); A]; R];
        for i in (0..whole).step_by(8) {
            let mut x = [_mm256_setzero_ps(); A];
            for a in 0..A {
                x[a] = _mm256_loadu_ps(activations[a].as_ptr().add(i));
            }
            for r in 0..R {
                let w = F::load8(&*weights[r].as_ptr().add(i).cast::<[F; 8]>());
                for a in 0..A {
                    lanes[r][a] = _mm256_fmadd_ps(w, x[a], lanes[r][a]);
                }
            }
        }
        for r in 0..R {
            for a in 0..A {
                out[r][a] = sum_lanes(lanes[r][a]);
                for i in whole..len {
                    out[r][a] +=
                        weights[r].get_unchecked(i).get() * activations[a].get_unchecked(i);
                }
            }
        }
    }
    out
}

/// # Safety
/// AVX2, FMA, F16C.
#[inline(always)]
unsafe fn blend_body<F: Float>(out: &mut [f32], keep: f32, weights: &[f32], values: &[F]) {
    let width = out.len();
    let rows = weights.len().min(values.len() / width.max(1));
    let (chunks, rest) = out.as_chunks_mut::<32>();
    let wide = chunks.len() * 32;
    // SAFETY: column + 8 * 4 <= wide <= width and row < rows, so every load lies in `values`.
    unsafe {
        for (c, chunk) in chunks.iter_mut().enumerate() {
            let mut lanes = [_mm256_setzero_ps(); 4];
            for (k, lane) in lanes.iter_mut().enumerate() {
                let before = _mm256_loadu_ps(chunk.as_ptr().add(k * 8));
                *lane = _mm256_mul_ps(before, _mm256_set1_ps(keep));
            }
            for (row, weight) in weights.iter().enumerate().take(rows) {
                let factor = _mm256_set1_ps(*weight);
                let from = values.as_ptr().add(row * width + c * 32);
                for (k, lane) in lanes.iter_mut().enumerate() {
                    let value = F::load8(&*from.add(k * 8).cast::<[F; 8]>());
                    *lane = _mm256_fmadd_ps(value, factor, *lane);
                }
            }
            for (k, lane) in lanes.into_iter().enumerate() {
                _mm256_storeu_ps(chunk.as_mut_ptr().add(k * 8), lane);
            }
        }
    }
    for (column, out) in rest.iter_mut().enumerate() {
        let column = values.iter().skip(wide + column).step_by(width.max(1));
        let terms = weights.iter().zip(column).take(rows);
        *out = terms.fold(*out * keep, |sum, (weight, value)| sum + weight * value.get());
    }
}

/// # Safety
/// AVX2, FMA, F16C.
#[inline(always)]
unsafe fn scores_body<F: Float>(query: &[f32], keys: &[F], scores: &mut [f32]) {
    let mut keys = keys.chunks_exact(query.len().max(1));
    let (fours, rest) = scores.as_chunks_mut::<4>();
    for four in fours {
        let (Some(a), Some(b), Some(c), Some(d)) =
            (keys.next(), keys.next(), keys.next(), keys.next())
        else {
            return;
        };
        // SAFETY: features by the caller.
        let [[a], [b], [c], [d]] = unsafe { dot_floats_body::<F, 4, 1>([a, b, c, d], [query]) };
        *four = [a, b, c, d];
    }
    for (score, key) in rest.iter_mut().zip(keys) {
        // SAFETY: features by the caller.
        let [[one]] = unsafe { dot_floats_body::<F, 1, 1>([key], [query]) };
        *score = one;
    }
}

/// One set of entry points, compiled for these instructions.
macro_rules! level {
    ($name:ident, $features:literal, $vnni:literal) => {
        pub(super) mod $name {
            use super::{Block32, ByteRow, Float, portable};

            /// # Safety
            /// The processor must have the instructions that this module is compiled for.
            #[target_feature(enable = $features)]
            pub(crate) unsafe fn dot_bytes<B: Block32, const R: usize, const A: usize>(
                weights: [&[B]; R],
                activations: [ByteRow<'_>; A],
            ) -> [[f32; A]; R] {
                // SAFETY: this function has the features.
                unsafe { super::dot_bytes_body::<B, R, A, $vnni>(weights, activations) }
            }

            /// # Safety
            /// As above.
            #[target_feature(enable = $features)]
            pub(crate) unsafe fn dot_floats<F: Float, const R: usize, const A: usize>(
                weights: [&[F]; R],
                activations: [&[f32]; A],
            ) -> [[f32; A]; R] {
                // SAFETY: this function has the features.
                unsafe { super::dot_floats_body::<F, R, A>(weights, activations) }
            }

            /// # Safety
            /// As above.
            #[target_feature(enable = $features)]
            pub(crate) unsafe fn scores<F: Float>(query: &[f32], keys: &[F], scores: &mut [f32]) {
                // SAFETY: this function has the features.
                unsafe { super::scores_body(query, keys, scores) }
            }

            /// # Safety
            /// As above.
            #[target_feature(enable = $features)]
            pub(crate) unsafe fn blend<F: Float>(
                out: &mut [f32],
                keep: f32,
                weights: &[f32],
                values: &[F],
            ) {
                // SAFETY: this function has the features.
                unsafe { super::blend_body(out, keep, weights, values) }
            }

            /// # Safety
            /// As above.
            #[target_feature(enable = $features)]
            pub(crate) unsafe fn exp_sum(values: &mut [f32], most: f32) -> f32 {
                portable::exp_sum(values, most)
            }

            /// # Safety
            /// As above.
            #[target_feature(enable = $features)]
            pub(crate) unsafe fn swiglu(gate: &[f32], up: &[f32], out: &mut [f32]) {
                portable::swiglu(gate, up, out);
            }

            /// # Safety
            /// As above.
            #[target_feature(enable = $features)]
            pub(crate) unsafe fn rms_norm(
                row: &[f32],
                weight: &[f32],
                epsilon: f32,
                out: &mut [f32],
            ) {
                portable::rms_norm(row, weight, epsilon, out);
            }

            /// # Safety
            /// As above.
            #[target_feature(enable = $features)]
            pub(crate) unsafe fn to_bytes(
                row: &[f32],
                values: &mut [i8],
                scales: &mut [f32],
                sums: &mut [f32],
            ) {
                portable::to_bytes(row, values, scales, sums);
            }
        }
    };
}

level!(avx2, "avx2,fma,f16c", false);
level!(vnni, "avx2,fma,f16c,avx512f,avx512vl,avx512vnni", true);
