//! Numbers that are stored one by one: f32, f16, bf16. And e^x, which half of a model needs.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m128i, __m256, _mm_loadu_si128, _mm256_castsi256_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps,
    _mm256_loadu_ps, _mm256_slli_epi32,
};

use half::f16;

/// A stored number.
pub(crate) trait Float: Copy + Send + Sync + 'static {
    /// As f32, exactly.
    fn get(self) -> f32;

    /// Eight of them as f32, exactly.
    ///
    /// # Safety
    /// The processor must have AVX2 and F16C.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "intrinsics; the caller has proven AVX2 and F16C")]
    unsafe fn load8(eight: &[Self; 8]) -> __m256;
}

/// IEEE 754 single precision, at any address.
#[derive(Debug, Clone, Copy, Default)]
#[repr(transparent)]
pub(crate) struct F32([u8; 4]);

/// IEEE 754 half precision, at any address.
#[derive(Debug, Clone, Copy, Default)]
#[repr(transparent)]
pub(crate) struct F16([u8; 2]);

/// The upper half of a single, at any address.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Bf16([u8; 2]);

impl Bf16 {
    /// The number with these bits.
    #[cfg(test)]
    pub(super) fn from_bits(bits: u16) -> Self {
        Self(bits.to_le_bytes())
    }
}

impl From<f32> for F32 {
    fn from(value: f32) -> Self {
        Self(value.to_le_bytes())
    }
}

/// The nearest half.
impl From<f32> for F16 {
    fn from(value: f32) -> Self {
        // Beyond the largest half there is only infinity, which would poison a whole sequence.
        let limit = f16::MAX.to_f32();
        Self(f16::from_f32(value.clamp(-limit, limit)).to_bits().to_le_bytes())
    }
}

#[expect(unsafe_code, reason = "intrinsics; the caller has proven AVX2 and F16C")]
impl Float for F32 {
    #[inline(always)]
    fn get(self) -> f32 {
        f32::from_le_bytes(self.0)
    }
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load8(eight: &[Self; 8]) -> __m256 {
        // SAFETY: reads the 32 bytes of the array; AVX2 by the caller.
        unsafe { _mm256_loadu_ps(eight.as_ptr().cast::<f32>()) }
    }
}

#[expect(unsafe_code, reason = "intrinsics; the caller has proven AVX2 and F16C")]
impl Float for F16 {
    #[inline(always)]
    fn get(self) -> f32 {
        f16::from_bits(u16::from_le_bytes(self.0)).to_f32()
    }
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load8(eight: &[Self; 8]) -> __m256 {
        // SAFETY: reads the 16 bytes of the array; F16C by the caller.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(eight.as_ptr().cast::<__m128i>())) }
    }
}

#[expect(unsafe_code, reason = "intrinsics; the caller has proven AVX2 and F16C")]
impl Float for Bf16 {
    #[inline(always)]
    fn get(self) -> f32 {
        f32::from_bits(u32::from(u16::from_le_bytes(self.0)) << 16)
    }
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load8(eight: &[Self; 8]) -> __m256 {
        // SAFETY: reads the 16 bytes of the array; AVX2 by the caller.
        unsafe {
            let halves = _mm_loadu_si128(eight.as_ptr().cast::<__m128i>());
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
        }
    }
}

/// Writes every number to `out`.
pub(crate) fn expand<F: Float>(numbers: &[F], out: &mut [f32]) {
    for (out, number) in out.iter_mut().zip(numbers) {
        *out = number.get();
    }
}

/// e^x to within 2 units in the last place; without branches, so that a loop of it becomes
/// vector code. Underflows to the smallest normal number, overflows to about 1.7e38.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // e^x = 2^n * e^r with n whole and |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to a whole
    // number and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    // Minimax coefficients of the Cephes library's expf.
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let fraction = p * r * r + r + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    fraction * f32::from_bits(exponent << 23)
}
