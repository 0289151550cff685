//! The few vector operations that the products are written in, once per instruction set.
//!
//! Every operation is an `#[inline(always)]` function: it takes on the instructions of the entry
//! point that it ends up in.

#![expect(unsafe_code, reason = "vector instructions; callers prove that the processor has them")]

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod tiles;
#[cfg(target_arch = "x86_64")]
mod ymm;
#[cfg(target_arch = "x86_64")]
mod zmm;

#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use tiles::{
    Products, TOKENS as TILE_TOKENS, Tiles, ZERO as TILE_ZERO, are_here as tiles_are_here,
};
#[cfg(target_arch = "x86_64")]
pub(crate) use ymm::Ymm;
#[cfg(target_arch = "x86_64")]
pub(crate) use zmm::Zmm;

/// Asks for a cache line that will be read: next if `NEAR`, soon otherwise. Any address will do.
#[inline(always)]
pub(crate) fn prefetch<const NEAR: bool>(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching reads nothing and never faults; every x86-64 has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        match NEAR {
            true => _mm_prefetch::<_MM_HINT_T0>(line.cast()),
            false => _mm_prefetch::<_MM_HINT_T1>(line.cast()),
        }
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above; every 64-bit ARM has it.
    unsafe {
        use std::arch::asm;
        match NEAR {
            true => asm!("prfm pldl1keep, [{0}]", in(reg) line, options(nostack, readonly)),
            false => asm!("prfm pldl2keep, [{0}]", in(reg) line, options(nostack, readonly)),
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = line;
}

/// One instruction set. A vector has a lane per row of a panel of weights.
///
/// # Safety
/// All functions: the processor has the instructions, and pointers are good for what is read or
/// written, at any alignment.
pub(crate) trait Simd: Copy {
    /// Rows of a panel.
    const LANES: usize;
    /// Most tokens whose sums fit into the registers.
    const TOKENS: usize;
    /// Whether there are 32 vector registers rather than 16.
    const MANY_REGISTERS: bool;
    /// Whether a running sum of byte products has 16 bits only, so that few products fit.
    const SHORT_SUMS: bool;
    /// What the eight-bit form subtracts: see [`Simd::eight_bits`].
    const EIGHT_BIT_OFFSET: f32;

    /// Four bytes per lane.
    type Bytes: Copy;
    /// A running sum of byte products.
    type Sum: Copy;
    /// An `i32` per lane.
    type Ints: Copy;
    /// An `f32` per lane.
    type Floats: Copy;

    /// Four bytes per lane.
    unsafe fn load(from: *const u8) -> Self::Bytes;
    /// The same four bytes in every lane.
    unsafe fn splat4(from: *const i8) -> Self::Bytes;
    /// Keeps the bits of `mask` in every byte.
    unsafe fn and(bytes: Self::Bytes, mask: u8) -> Self::Bytes;
    unsafe fn or(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Shifts right by up to seven bits; a byte takes in bits of its neighbour.
    unsafe fn right(bytes: Self::Bytes, by: u32) -> Self::Bytes;
    /// Shifts left, likewise.
    unsafe fn left(bytes: Self::Bytes, by: u32) -> Self::Bytes;
    /// Stored bytes of the eight-bit form (value + 128) as [`Simd::dot_wide`] wants them.
    unsafe fn eight_bits(bytes: Self::Bytes) -> Self::Bytes;

    unsafe fn no_sum() -> Self::Sum;
    /// Adds the products of four unsigned bytes (at most 63) with four signed ones, lane by lane.
    unsafe fn dot(sum: Self::Sum, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sum;
    /// What `sum` is, added to `ints`.
    unsafe fn add_sum(ints: Self::Ints, sum: Self::Sum) -> Self::Ints;
    /// Adds the products of bytes from [`Simd::eight_bits`] with signed ones.
    unsafe fn dot_wide(
        ints: Self::Ints,
        weights: Self::Bytes,
        activations: Self::Bytes,
    ) -> Self::Ints;
    unsafe fn no_ints() -> Self::Ints;
    unsafe fn to_floats(ints: Self::Ints) -> Self::Floats;

    unsafe fn splat(x: f32) -> Self::Floats;
    /// Halves, one per lane.
    unsafe fn load_halves(from: *const u8) -> Self::Floats;
    /// Unsigned bytes, one per lane.
    unsafe fn load_unsigned(from: *const u8) -> Self::Floats;
    /// Signed bytes, one per lane.
    unsafe fn load_signed(from: *const u8) -> Self::Floats;
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// a x b + c
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    unsafe fn store(to: *mut f32, floats: Self::Floats);
    /// Floats, one per lane.
    unsafe fn load_floats(from: *const u8) -> Self::Floats;
    /// Upper halves of floats, one per lane.
    unsafe fn load_bfloats(from: *const u8) -> Self::Floats;
    /// Writes the nearest halves; magnitudes beyond the largest half become it.
    unsafe fn store_halves(to: *mut u8, floats: Self::Floats);
    /// The sum of all lanes, always in the same order.
    unsafe fn sum(floats: Self::Floats) -> f32;
}
