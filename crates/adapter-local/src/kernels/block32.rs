//! The formats that store 32 numbers in a block, exactly as they lie in a file.
//!
//! All of them read as `scale * n + minimum` with `n` an unsigned byte, which lets one kernel
//! serve five formats. The fields are bytes, so a block may lie at any address.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m128i, __m256i, _mm_and_si128, _mm_loadu_si128, _mm_set1_epi8, _mm_srli_epi16,
    _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_or_si256, _mm256_set_m128i,
    _mm256_set1_epi8, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_setr_epi64x,
    _mm256_shuffle_epi8, _mm256_xor_si256,
};

use half::f16;

/// Numbers in a block.
pub(crate) const LEN: usize = 32;

/// A block of 32 numbers.
pub(crate) trait Block32: Copy + Send + Sync + 'static {
    /// Whether `n` needs all eight bits.
    const WIDE: bool = false;

    /// The 32 values `n`.
    fn numbers(&self) -> [u8; LEN];

    /// Bits of the scale as a half, and the minimum: bits of a half, or a multiple of the scale.
    fn scale_bits(&self) -> (u16, Minimum);

    /// The 32 values `n` in a register.
    ///
    /// # Safety
    /// The processor must have AVX2.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "intrinsics; the caller has proven AVX2")]
    unsafe fn unpack(&self) -> __m256i;
}

/// How a format stores the minimum of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Minimum {
    Bits(u16),
    TimesScale(f32),
}

fn nibbles(packed: &[u8; 16]) -> [u8; LEN] {
    std::array::from_fn(|i| if i < 16 { packed[i] & 15 } else { packed[i - 16] >> 4 })
}

fn with_fifth_bit(packed: &[u8; 16], high: [u8; 4]) -> [u8; LEN] {
    let bits = u32::from_le_bytes(high);
    let low = nibbles(packed);
    std::array::from_fn(|i| low[i] | (((bits >> i) & 1) as u8) << 4)
}

/// # Safety
/// The processor must have AVX2.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "intrinsics; the caller has proven AVX2")]
unsafe fn unpack_nibbles(packed: &[u8; 16]) -> __m256i {
    // SAFETY: reads the 16 bytes of the array; AVX2 by the caller.
    unsafe {
        let mask = _mm_set1_epi8(15);
        let both = _mm_loadu_si128(packed.as_ptr().cast::<__m128i>());
        let high = _mm_srli_epi16::<4>(both);
        _mm256_set_m128i(_mm_and_si128(high, mask), _mm_and_si128(both, mask))
    }
}

/// # Safety
/// The processor must have AVX2.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "intrinsics; the caller has proven AVX2")]
unsafe fn unpack_fifth_bit(packed: &[u8; 16], high: [u8; 4]) -> __m256i {
    // SAFETY: AVX2 by the caller.
    unsafe {
        // Byte i of the register takes byte i/8 of the bits, then keeps bit i%8 of it.
        let spread = _mm256_shuffle_epi8(
            _mm256_set1_epi32(i32::from_le_bytes(high)),
            _mm256_setr_epi64x(
                0,
                0x0101_0101_0101_0101,
                0x0202_0202_0202_0202,
                0x0303_0303_0303_0303,
            ),
        );
        let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
        let set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
        let fifth = _mm256_and_si256(set, _mm256_set1_epi8(16));
        _mm256_or_si256(unpack_nibbles(packed), fifth)
    }
}

macro_rules! block {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty),+ }, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        #[repr(C)]
        pub(crate) struct $name { $(pub(super) $field: $kind),+ }
        const _: () = assert!(size_of::<$name>() == $bytes && align_of::<$name>() == 1);
    };
}

block!(/** 4 bits, symmetric. */ Q4_0 { scale: [u8; 2], packed: [u8; 16] }, 18);
block!(/** 4 bits and a minimum. */ Q4_1 { scale: [u8; 2], minimum: [u8; 2], packed: [u8; 16] }, 20);
block!(/** 5 bits, symmetric. */ Q5_0 { scale: [u8; 2], high: [u8; 4], packed: [u8; 16] }, 22);
block!(
    /** 5 bits and a minimum. */
    Q5_1 { scale: [u8; 2], minimum: [u8; 2], high: [u8; 4], packed: [u8; 16] }, 24
);
block!(/** 8 bits, symmetric. */ Q8_0 { scale: [u8; 2], bytes: [u8; 32] }, 34);

macro_rules! block32 {
    ($name:ident, $self:ident, $numbers:expr, $minimum:expr, $unpack:expr $(, $wide:item)?) => {
        #[expect(unsafe_code, reason = "intrinsics; the caller has proven AVX2")]
        impl Block32 for $name {
            $($wide)?
            fn numbers(&$self) -> [u8; LEN] {
                $numbers
            }
            #[inline(always)]
            fn scale_bits(&$self) -> (u16, Minimum) {
                (u16::from_le_bytes($self.scale), $minimum)
            }
            #[cfg(target_arch = "x86_64")]
            #[inline(always)]
            unsafe fn unpack(&$self) -> __m256i {
                // SAFETY: AVX2 by the caller.
                unsafe { $unpack }
            }
        }
    };
}

block32!(
    Q4_0,
    self,
    nibbles(&self.packed),
    Minimum::TimesScale(-8.0),
    unpack_nibbles(&self.packed)
);
block32!(
    Q4_1,
    self,
    nibbles(&self.packed),
    Minimum::Bits(u16::from_le_bytes(self.minimum)),
    unpack_nibbles(&self.packed)
);
block32!(
    Q5_0,
    self,
    with_fifth_bit(&self.packed, self.high),
    Minimum::TimesScale(-16.0),
    unpack_fifth_bit(&self.packed, self.high)
);
block32!(
    Q5_1,
    self,
    with_fifth_bit(&self.packed, self.high),
    Minimum::Bits(u16::from_le_bytes(self.minimum)),
    unpack_fifth_bit(&self.packed, self.high)
);
block32!(
    Q8_0,
    self,
    self.bytes.map(|byte| byte ^ 0x80),
    Minimum::TimesScale(-128.0),
    _mm256_xor_si256(
        _mm256_loadu_si256(self.bytes.as_ptr().cast::<__m256i>()),
        _mm256_set1_epi8(i8::MIN),
    ),
    const WIDE: bool = true;
);

/// Writes the 32 numbers of every block to `out`.
pub(crate) fn expand<B: Block32>(blocks: &[B], out: &mut [f32]) {
    for (block, out) in blocks.iter().zip(out.as_chunks_mut::<LEN>().0) {
        let (scale, minimum) = block.scale_bits();
        let scale = f16::from_bits(scale).to_f32();
        let minimum = match minimum {
            Minimum::Bits(bits) => f16::from_bits(bits).to_f32(),
            Minimum::TimesScale(times) => times * scale,
        };
        for (out, number) in out.iter_mut().zip(block.numbers()) {
            *out = scale.mul_add(f32::from(number), minimum);
        }
    }
}
