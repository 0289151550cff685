//! AVX-512 with VNNI: sixteen lanes.

use std::arch::x86_64::*;

use super::Simd;

/// AVX-512 F, BW, VL and VNNI.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zmm;

// SAFETY of every block below: register operations need the instructions, loads and stores good
// pointers; the caller answers for both.
impl Simd for Zmm {
    const LANES: usize = 16;
    const TOKENS: usize = 12;
    const MANY_REGISTERS: bool = true;
    const SHORT_SUMS: bool = false;
    const EIGHT_BIT_OFFSET: f32 = 128.0;

    type Bytes = __m512i;
    type Sum = __m512i;
    type Ints = __m512i;
    type Floats = __m512;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn splat4(from: *const i8) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn and(bytes: Self::Bytes, mask: u8) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { _mm512_and_si512(bytes, _mm512_set1_epi8(mask.cast_signed())) }
    }

    #[inline(always)]
    unsafe fn or(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { _mm512_or_si512(a, b) }
    }

    #[inline(always)]
    unsafe fn right(bytes: Self::Bytes, by: u32) -> Self::Bytes {
        // SAFETY: see above.
        unsafe {
            match by {
                0 => bytes,
                1 => _mm512_srli_epi16::<1>(bytes),
                2 => _mm512_srli_epi16::<2>(bytes),
                3 => _mm512_srli_epi16::<3>(bytes),
                4 => _mm512_srli_epi16::<4>(bytes),
                5 => _mm512_srli_epi16::<5>(bytes),
                6 => _mm512_srli_epi16::<6>(bytes),
                _ => _mm512_srli_epi16::<7>(bytes),
            }
        }
    }

    #[inline(always)]
    unsafe fn left(bytes: Self::Bytes, by: u32) -> Self::Bytes {
        // SAFETY: see above.
        unsafe {
            match by {
                0 => bytes,
                1 => _mm512_slli_epi16::<1>(bytes),
                2 => _mm512_slli_epi16::<2>(bytes),
                3 => _mm512_slli_epi16::<3>(bytes),
                4 => _mm512_slli_epi16::<4>(bytes),
                5 => _mm512_slli_epi16::<5>(bytes),
                6 => _mm512_slli_epi16::<6>(bytes),
                _ => _mm512_slli_epi16::<7>(bytes),
            }
        }
    }

    #[inline(always)]
    unsafe fn eight_bits(bytes: Self::Bytes) -> Self::Bytes {
        bytes
    }

    #[inline(always)]
    unsafe fn no_sum() -> Self::Sum {
        // SAFETY: see above.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::Sum, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sum {
        // SAFETY: see above.
        unsafe { _mm512_dpbusd_epi32(sum, weights, activations) }
    }

    #[inline(always)]
    unsafe fn add_sum(ints: Self::Ints, sum: Self::Sum) -> Self::Ints {
        // SAFETY: see above.
        unsafe { _mm512_add_epi32(ints, sum) }
    }

    #[inline(always)]
    unsafe fn dot_wide(
        ints: Self::Ints,
        weights: Self::Bytes,
        activations: Self::Bytes,
    ) -> Self::Ints {
        // SAFETY: see above.
        unsafe { _mm512_dpbusd_epi32(ints, weights, activations) }
    }

    #[inline(always)]
    unsafe fn no_ints() -> Self::Ints {
        // SAFETY: see above.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn to_floats(ints: Self::Ints) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_cvtepi32_ps(ints) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load_halves(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_unsigned(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_signed(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, floats: Self::Floats) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to, floats) }
    }

    #[inline(always)]
    unsafe fn load_floats(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_loadu_ps(from.cast()) }
    }

    #[inline(always)]
    unsafe fn load_bfloats(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }

    #[inline(always)]
    unsafe fn sum(floats: Self::Floats) -> f32 {
        // SAFETY: see above.
        unsafe { _mm512_reduce_add_ps(floats) }
    }

    #[inline(always)]
    unsafe fn store_halves(to: *mut u8, floats: Self::Floats) {
        // SAFETY: see above.
        unsafe {
            let limit = half::f16::MAX.to_f32();
            // The second operand is what comes of two that cannot be compared.
            let floats = _mm512_min_ps(_mm512_set1_ps(limit), floats);
            let floats = _mm512_max_ps(_mm512_set1_ps(-limit), floats);
            _mm256_storeu_si256(to.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(floats));
        }
    }
}
