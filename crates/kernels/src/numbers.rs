//! Numbers that are stored one by one: f32, f16, bf16; and bytes that share a scale.

#![expect(unsafe_code, reason = "vector loads; callers answer for pointers and instructions")]

use half::f16;

use crate::simd::Simd;

/// How numbers are stored, in little-endian order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of a single.
    Bf16,
}

impl Number {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Writes stored numbers to `out`, as floats.
    pub fn expand(self, bytes: &[u8], out: &mut [f32]) {
        let get = match self {
            Self::F32 => F32::get,
            Self::F16 => F16::get,
            Self::Bf16 => Bf16::get,
        };
        let numbers = bytes.chunks_exact(self.bytes());
        out.iter_mut().zip(numbers).for_each(|(out, number)| *out = get(number));
    }
}

/// One of them, for kernels.
pub(crate) trait Stored {
    const BYTES: usize;
    /// Whether it counts in units of a scale that is stored elsewhere.
    const SCALED: bool = false;
    /// # Safety
    /// Those of [`Simd`].
    unsafe fn load<S: Simd>(from: *const u8) -> S::Floats;
    /// The number that some bytes begin with.
    fn get(bytes: &[u8]) -> f32;
}

macro_rules! stored {
    (
        $(#[$doc:meta])* $name:ident, $bytes:literal, $load:ident, |$number:ident| $get:expr
        $(, scaled: $scaled:literal)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[repr(transparent)]
        pub struct $name(pub(crate) [u8; $bytes]);

        impl Stored for $name {
            const BYTES: usize = $bytes;
            $(const SCALED: bool = $scaled;)?
            #[inline(always)]
            unsafe fn load<S: Simd>(from: *const u8) -> S::Floats {
                // SAFETY: by the caller.
                unsafe { S::$load(from) }
            }
            #[inline(always)]
            fn get(bytes: &[u8]) -> f32 {
                bytes.first_chunk::<$bytes>().map_or(0.0, |$number| $get)
            }
        }
    };
}
stored!(
    /** IEEE 754 single precision, at any address. */
    F32, 4, load_floats, |number| f32::from_le_bytes(*number)
);
stored!(
    /** IEEE 754 half precision, at any address. */
    F16, 2, load_halves, |number| f16::from_le_bytes(*number).to_f32()
);
stored!(
    /** The upper half of a single, at any address. */
    Bf16, 2, load_bfloats, |number| f32::from_le_bytes([0, 0, number[0], number[1]])
);
stored!(
    /** A whole number from -127 to 127; how much one is, 32 neighbours of a head say together. */
    Q8_0, 1, load_signed, |number| f32::from(number[0].cast_signed()), scaled: true
);

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
        Self(f16::from_f32(value.clamp(-limit, limit)).to_le_bytes())
    }
}
