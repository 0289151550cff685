//! NEON, and the same with the byte products of its dot product extension: four lanes.

use std::arch::aarch64::*;
use std::arch::asm;

use super::Simd;

/// NEON; with `DOTPROD` also `sdot`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neon<const DOTPROD: bool>;

/// `sdot`, which has no stable function yet: to every lane of `ints` it adds the products of four
/// signed bytes with four others.
///
/// # Safety
/// The processor has the instruction.
#[inline(always)]
unsafe fn sdot(ints: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut out = ints;
    // SAFETY: registers only. The assembler is told that it may know the instruction, whatever the
    // function that this ends up in; that the processor does is the caller's word.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {out:v}.4s, {a:v}.16b, {b:v}.16b",
            out = inout(vreg) out, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    out
}

/// The products of signed bytes, each lane's four added up, without `sdot`.
///
/// # Safety
/// The processor has NEON.
#[inline(always)]
unsafe fn products(a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: registers only. A product has 15 bits and a sign: -128 x -128 is 16,384.
    unsafe { lanes_of(vmull_s8(vget_low_s8(a), vget_low_s8(b)), vmull_high_s8(a, b)) }
}

/// Of numbers that belong to a lane in fours, the sum of each lane.
///
/// # Safety
/// The processor has NEON.
#[inline(always)]
unsafe fn lanes_of(low: int16x8_t, high: int16x8_t) -> int32x4_t {
    // SAFETY: registers only; sums of pairs have 32 bits.
    unsafe { vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)) }
}

/// Four bytes in the lower half of a vector.
///
/// # Safety
/// The processor has NEON, and `from` is good for four bytes.
#[inline(always)]
unsafe fn four_bytes(from: *const u8) -> uint8x8_t {
    // SAFETY: by the caller.
    unsafe { vcreate_u8(u64::from(from.cast::<u32>().read_unaligned())) }
}

// SAFETY of every block below: register operations need the instructions, loads and stores good
// pointers; the caller answers for both. Loads are of bytes, which have no alignment.
impl<const DOTPROD: bool> Simd for Neon<DOTPROD> {
    const LANES: usize = 4;
    const TOKENS: usize = if DOTPROD { 8 } else { 4 };
    const MANY_REGISTERS: bool = true;
    const SHORT_SUMS: bool = !DOTPROD;
    const EIGHT_BIT_OFFSET: f32 = 0.0;

    type Bytes = uint8x16_t;
    /// With `sdot` the first is a vector of four integers and the second unused; without it,
    /// products of the first and the last two lanes in 16 bits, to be added up in fours.
    type Sum = int16x8x2_t;
    type Ints = int32x4_t;
    type Floats = float32x4_t;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { vld1q_u8(from) }
    }

    #[inline(always)]
    unsafe fn splat4(from: *const i8) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { vreinterpretq_u8_u32(vdupq_n_u32(from.cast::<u32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn and(bytes: Self::Bytes, mask: u8) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { vandq_u8(bytes, vdupq_n_u8(mask)) }
    }

    #[inline(always)]
    unsafe fn or(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { vorrq_u8(a, b) }
    }

    #[inline(always)]
    unsafe fn right(bytes: Self::Bytes, by: u32) -> Self::Bytes {
        // SAFETY: see above.
        unsafe {
            match by {
                0 => bytes,
                1 => vshrq_n_u8::<1>(bytes),
                2 => vshrq_n_u8::<2>(bytes),
                3 => vshrq_n_u8::<3>(bytes),
                4 => vshrq_n_u8::<4>(bytes),
                5 => vshrq_n_u8::<5>(bytes),
                6 => vshrq_n_u8::<6>(bytes),
                _ => vshrq_n_u8::<7>(bytes),
            }
        }
    }

    #[inline(always)]
    unsafe fn left(bytes: Self::Bytes, by: u32) -> Self::Bytes {
        // SAFETY: see above.
        unsafe {
            match by {
                0 => bytes,
                1 => vshlq_n_u8::<1>(bytes),
                2 => vshlq_n_u8::<2>(bytes),
                3 => vshlq_n_u8::<3>(bytes),
                4 => vshlq_n_u8::<4>(bytes),
                5 => vshlq_n_u8::<5>(bytes),
                6 => vshlq_n_u8::<6>(bytes),
                _ => vshlq_n_u8::<7>(bytes),
            }
        }
    }

    #[inline(always)]
    unsafe fn eight_bits(bytes: Self::Bytes) -> Self::Bytes {
        // SAFETY: see above.
        unsafe { veorq_u8(bytes, vdupq_n_u8(128)) }
    }

    #[inline(always)]
    unsafe fn no_sum() -> Self::Sum {
        // SAFETY: see above.
        unsafe { int16x8x2_t(vdupq_n_s16(0), vdupq_n_s16(0)) }
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::Sum, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sum {
        // SAFETY: see above; weights up to 63 are the same with a sign.
        unsafe {
            let (a, b) = (vreinterpretq_s8_u8(weights), vreinterpretq_s8_u8(activations));
            let int16x8x2_t(low, high) = sum;
            if DOTPROD {
                let ints = sdot(vreinterpretq_s32_s16(low), a, b);
                return int16x8x2_t(vreinterpretq_s16_s32(ints), high);
            }
            let low = vmlal_s8(low, vget_low_s8(a), vget_low_s8(b));
            int16x8x2_t(low, vmlal_high_s8(high, a, b))
        }
    }

    #[inline(always)]
    unsafe fn add_sum(ints: Self::Ints, sum: Self::Sum) -> Self::Ints {
        // SAFETY: see above.
        unsafe {
            let int16x8x2_t(low, high) = sum;
            let sum = if DOTPROD { vreinterpretq_s32_s16(low) } else { lanes_of(low, high) };
            vaddq_s32(ints, sum)
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
            let (a, b) = (vreinterpretq_s8_u8(weights), vreinterpretq_s8_u8(activations));
            if DOTPROD { sdot(ints, a, b) } else { vaddq_s32(ints, products(a, b)) }
        }
    }

    #[inline(always)]
    unsafe fn no_ints() -> Self::Ints {
        // SAFETY: see above.
        unsafe { vdupq_n_s32(0) }
    }

    #[inline(always)]
    unsafe fn to_floats(ints: Self::Ints) -> Self::Floats {
        // SAFETY: see above.
        unsafe { vcvtq_f32_s32(ints) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::Floats {
        // SAFETY: see above.
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    unsafe fn load_halves(from: *const u8) -> Self::Floats {
        // SAFETY: see above; the instruction is one of every NEON and reads registers only.
        unsafe {
            let halves = vld1_u8(from);
            let floats: float32x4_t;
            asm!(
                "fcvtl {floats:v}.4s, {halves:v}.4h",
                floats = lateout(vreg) floats, halves = in(vreg) halves,
                options(pure, nomem, nostack, preserves_flags)
            );
            floats
        }
    }

    #[inline(always)]
    unsafe fn load_unsigned(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe {
            let wide = vmovl_u8(four_bytes(from));
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide)))
        }
    }

    #[inline(always)]
    unsafe fn load_signed(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe {
            let wide = vmovl_s8(vreinterpret_s8_u8(four_bytes(from)));
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)))
        }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, floats: Self::Floats) {
        // SAFETY: see above.
        unsafe { vst1q_u8(to.cast(), vreinterpretq_u8_f32(floats)) }
    }

    #[inline(always)]
    unsafe fn load_floats(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe { vreinterpretq_f32_u8(vld1q_u8(from)) }
    }

    #[inline(always)]
    unsafe fn load_bfloats(from: *const u8) -> Self::Floats {
        // SAFETY: see above.
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vreinterpret_u16_u8(vld1_u8(from)))) }
    }

    #[inline(always)]
    unsafe fn sum(floats: Self::Floats) -> f32 {
        // SAFETY: see above.
        unsafe { vpadds_f32(vget_low_f32(vpaddq_f32(floats, floats))) }
    }

    #[inline(always)]
    unsafe fn store_halves(to: *mut u8, floats: Self::Floats) {
        // SAFETY: see above; the instruction is one of every NEON and reads registers only.
        unsafe {
            let limit = half::f16::MAX.to_f32();
            // What is no number stays none.
            let floats = vminq_f32(floats, vdupq_n_f32(limit));
            let floats = vmaxq_f32(floats, vdupq_n_f32(-limit));
            let halves: uint8x8_t;
            asm!(
                "fcvtn {halves:v}.4h, {floats:v}.4s",
                halves = lateout(vreg) halves, floats = in(vreg) floats,
                options(pure, nomem, nostack, preserves_flags)
            );
            vst1_u8(to, halves);
        }
    }
}
