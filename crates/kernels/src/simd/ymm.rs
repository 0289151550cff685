//! AVX2 with FMA and F16C, and the same with the byte products of AVX-VNNI: eight lanes.

use std::arch::x86_64::*;

use super::Simd;

/// AVX2, FMA and F16C; with `VNNI` also AVX-VNNI.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ymm<const VNNI: bool>;

// SAFETY of every block below: register operations need the instructions, loads and stores good
// pointers; the caller answers for both.
impl<const VNNI: bool> Simd for Ymm<VNNI> {
    const LANES: usize = 8;
    const TOKENS: usize = 4;
    const MANY_REGISTERS: bool = false;
    const SHORT_SUMS: bool = !VNNI;
    const EIGHT_BIT_OFFSET: f32 = if VNNI { 128.0 } else { 0.0 };

    type Bytes = __m256i;
    type Sum = __m256i;
    type Ints = __m256i;
    type Floats = __m256;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn splat4(from: *const i8) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn and(bytes: Self::Bytes, mask: u8) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { _mm256_and_si256(bytes, _mm256_set1_epi8(mask.cast_signed())) }
    }

    #[inline(always)]
    unsafe fn or(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { _mm256_or_si256(a, b) }
    }

    #[inline(always)]
    unsafe fn right(bytes: Self::Bytes, by: u32) -> Self::Bytes {
        // SAFETY: see above.
        unsafe {
            match by {
                0 => bytes,
                1 => _mm256_srli_epi16::<1>(bytes),
                2 => _mm256_srli_epi16::<2>(bytes),
                3 => _mm256_srli_epi16::<3>(bytes),
                4 => _mm256_srli_epi16::<4>(bytes),
                5 => _mm256_srli_epi16::<5>(bytes),
                6 => _mm256_srli_epi16::<6>(bytes),
                _ => _mm256_srli_epi16::<7>(bytes),
            }
        }
    }

    #[inline(always)]
    unsafe fn left(bytes: Self::Bytes, by: u32) -> Self::Bytes {
        // SAFETY: see above.
        unsafe {
            match by {
                0 => bytes,
                1 => _mm256_slli_epi16::<1>(bytes),
                2 => _mm256_slli_epi16::<2>(bytes),
                3 => _mm256_slli_epi16::<3>(bytes),
                4 => _mm256_slli_epi16::<4>(bytes),
                5 => _mm256_slli_epi16::<5>(bytes),
                6 => _mm256_slli_epi16::<6>(bytes),
                _ => _mm256_slli_epi16::<7>(bytes),
            }
        }
    }

    #[inline(always)]
    unsafe fn eight_bits(bytes: Self::Bytes) -> Self::Bytes {
        if VNNI {
            return bytes;
        }
        // SAFETY: see above.
        unsafe { _mm256_xor_si256(bytes, _mm256_set1_epi8(i8::MIN)) }
    }

    #[inline(always)]
    unsafe fn no_sum() -> Self::Sum {
        // SAFETY: see above.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::Sum, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sum {
        // SAFETY: see above.
        unsafe {
            if VNNI {
                _mm256_dpbusd_avx_epi32(sum, weights, activations)
            } else {
                _mm256_add_epi16(sum, _mm256_maddubs_epi16(weights, activations))
            }
        }
    }

    #[inline(always)]
    unsafe fn add_sum(ints: Self::Ints, sum: Self::Sum) -> Self::Ints {
        // SAFETY: see above.
        unsafe {
            let sum = if VNNI { sum } else { _mm256_madd_epi16(sum, _mm256_set1_epi16(1)) };
            _mm256_add_epi32(ints, sum)
        }
    }

    #[inline(always)]
    unsafe fn dot_wide(
        ints: Self::Ints,
        weights: Self::Bytes,
        activations: Self::Bytes,
    ) -> Self::Ints {
        // SAFETY: see above.
        unsafe {
            if VNNI {
                return _mm256_dpbusd_avx_epi32(ints, weights, activations);
            }
            // A pair of full bytes overflows 16 bits, |weight| with its sign moved over does not:
            // 2 x 128 x 127 = 32,512.
            let magnitudes = _mm256_abs_epi8(weights);
            let signed = _mm256_sign_epi8(activations, weights);
            let pairs = _mm256_maddubs_epi16(magnitudes, signed);
            _mm256_add_epi32(ints, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    #[inline(always)]
    unsafe fn no_ints() -> Self::Ints {
        // SAFETY: see above.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn to_floats(ints: Self::Ints) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm256_cvtepi32_ps(ints) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load_halves(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_unsigned(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_signed(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, floats: Self::Floats) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(to, floats) }
    }

    #[inline(always)]
    unsafe fn load_floats(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm256_loadu_ps(from.cast()) }
    }

    #[inline(always)]
    unsafe fn load_bfloats(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }
    }

    #[inline(always)]
    unsafe fn sum(floats: Self::Floats) -> f32 {
        // SAFETY: see above.
        unsafe {
            let (low, high) = (_mm256_castps256_ps128(floats), _mm256_extractf128_ps::<1>(floats));
            let four = _mm_add_ps(low, high);
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    unsafe fn store_halves(to: *mut u8, floats: Self::Floats) {
        // SAFETY: see above.
        unsafe {
            let limit = half::f16::MAX.to_f32();
            // The second operand is what comes of two that cannot be compared.
            let floats = _mm256_min_ps(_mm256_set1_ps(limit), floats);
            let floats = _mm256_max_ps(_mm256_set1_ps(-limit), floats);
            _mm_storeu_si128(to.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(floats));
        }
    }
}
