//! Plain code: the reference, and what any processor can run.

use half::f16;

use super::Simd;

/// Eight lanes in arrays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

const LANES: usize = 8;

/// Four bytes per lane, in the order of memory.
type Bytes = [u8; 4 * LANES];

/// # Safety
/// `from` is good for `N` bytes.
#[inline(always)]
unsafe fn read<const N: usize>(from: *const u8) -> [u8; N] {
    // SAFETY: by the caller; arrays of bytes have no alignment.
    unsafe { from.cast::<[u8; N]>().read() }
}

#[inline(always)]
fn dot(mut sums: [i32; LANES], weights: Bytes, activations: Bytes, offset: i32) -> [i32; LANES] {
    let fours = weights.as_chunks::<4>().0.iter().zip(activations.as_chunks::<4>().0);
    for (sum, (weights, activations)) in sums.iter_mut().zip(fours) {
        for (weight, activation) in weights.iter().zip(activations) {
            *sum += (i32::from(*weight) - offset) * i32::from(activation.cast_signed());
        }
    }
    sums
}

impl Simd for Portable {
    const LANES: usize = LANES;
    const TOKENS: usize = 4;
    const MANY_REGISTERS: bool = false;
    const SHORT_SUMS: bool = false;
    const EIGHT_BIT_OFFSET: f32 = 0.0;

    type Bytes = Bytes;
    type Sum = [i32; LANES];
    type Ints = [i32; LANES];
    type Floats = [f32; LANES];

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self::Bytes {
        // SAFETY: by the caller.
        unsafe { read(from) }
    }

    #[inline(always)]
    unsafe fn splat4(from: *const i8) -> Self::Bytes {
        // SAFETY: by the caller.
        let four: [u8; 4] = unsafe { read(from.cast()) };
        std::array::from_fn(|i| four[i % 4])
    }

    #[inline(always)]
    unsafe fn and(bytes: Self::Bytes, mask: u8) -> Self::Bytes {
        bytes.map(|byte| byte & mask)
    }

    #[inline(always)]
    unsafe fn or(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        std::array::from_fn(|i| a[i] | b[i])
    }

    #[inline(always)]
    unsafe fn right(bytes: Self::Bytes, by: u32) -> Self::Bytes {
        bytes.map(|byte| byte >> by)
    }

    #[inline(always)]
    unsafe fn left(bytes: Self::Bytes, by: u32) -> Self::Bytes {
        bytes.map(|byte| byte << by)
    }

    #[inline(always)]
    unsafe fn eight_bits(bytes: Self::Bytes) -> Self::Bytes {
        bytes
    }

    #[inline(always)]
    unsafe fn no_sum() -> Self::Sum {
        [0; LANES]
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::Sum, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sum {
        dot(sum, weights, activations, 0)
    }

    #[inline(always)]
    unsafe fn add_sum(ints: Self::Ints, sum: Self::Sum) -> Self::Ints {
        std::array::from_fn(|i| ints[i] + sum[i])
    }

    #[inline(always)]
    unsafe fn dot_wide(
        ints: Self::Ints,
        weights: Self::Bytes,
        activations: Self::Bytes,
    ) -> Self::Ints {
        dot(ints, weights, activations, 128)
    }

    #[inline(always)]
    unsafe fn no_ints() -> Self::Ints {
        [0; LANES]
    }

    #[inline(always)]
    unsafe fn to_floats(ints: Self::Ints) -> Self::Floats {
        ints.map(|int| int as f32)
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::Floats {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load_halves(from: *const u8) -> Self::Floats {
        // SAFETY: by the caller.
        let bytes: [u8; 2 * LANES] = unsafe { read(from) };
        std::array::from_fn(|i| f16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]).to_f32())
    }

    #[inline(always)]
    unsafe fn load_unsigned(from: *const u8) -> Self::Floats {
        // SAFETY: by the caller.
        unsafe { read::<LANES>(from) }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn load_signed(from: *const u8) -> Self::Floats {
        // SAFETY: by the caller.
        unsafe { read::<LANES>(from) }.map(|byte| f32::from(byte.cast_signed()))
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, floats: Self::Floats) {
        // SAFETY: by the caller; written without regard to alignment.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(floats) }
    }

    #[inline(always)]
    unsafe fn load_floats(from: *const u8) -> Self::Floats {
        // SAFETY: by the caller.
        let bytes: [u8; 4 * LANES] = unsafe { read(from) };
        std::array::from_fn(|i| f32::from_le_bytes(std::array::from_fn(|b| bytes[4 * i + b])))
    }

    #[inline(always)]
    unsafe fn load_bfloats(from: *const u8) -> Self::Floats {
        // SAFETY: by the caller.
        let bytes: [u8; 2 * LANES] = unsafe { read(from) };
        std::array::from_fn(|i| f32::from_le_bytes([0, 0, bytes[2 * i], bytes[2 * i + 1]]))
    }

    #[inline(always)]
    unsafe fn sum(floats: Self::Floats) -> f32 {
        let [a, b, c, d, e, f, g, h] = floats;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    #[inline(always)]
    unsafe fn store_halves(to: *mut u8, floats: Self::Floats) {
        let limit = f16::MAX.to_f32();
        let halves = floats.map(|x| f16::from_f32(x.clamp(-limit, limit)).to_le_bytes());
        // SAFETY: by the caller; bytes have no alignment.
        unsafe { to.cast::<[[u8; 2]; LANES]>().write(halves) }
    }
}
