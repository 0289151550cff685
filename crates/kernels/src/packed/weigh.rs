//! What becomes of the integers of a granule: floats, weighed with the scales of rows and tokens.
//!
//! Assembler, because sixteen totals must stay in their registers from one granule to the next:
//! compiled code moves them about, which costs a sixth of the time.

#![expect(unsafe_code, reason = "vector instructions; callers prove that the processor has them")]

use std::arch::asm;
use std::arch::x86_64::{__m512, _mm512_set1_ps};

use crate::simd::{Products, TILE_ZERO};

/// A granule of sixteen rows and a block of tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granule {
    /// Scales of the rows.
    pub(super) weights: __m512,
    /// What is added for a row, times the sum of a token's activations, where there is such.
    pub(super) minima: __m512,
    /// Scales of the tokens' activations.
    pub(super) scales: *const f32,
    /// Sums of the tokens' activations, times their scales.
    pub(super) sums: *const f32,
    pub(super) products: *const Products,
}

/// Declares a function that adds a granule to the totals of these tokens:
/// total = products x (weights x scale) + total, then, if asked for,
/// total = minima x sum + total.
macro_rules! weigh {
    ($(#[$doc:meta])* $name:ident, $tokens:literal, $($line:literal $minima:ident $sums:ident)?; $($register:tt $t:tt),*) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// AVX-512 F; scales, sums and products are good for reading.
        #[target_feature(enable = "avx512f")]
        #[inline]
        pub(super) unsafe fn $name(totals: &mut [__m512; 16], granule: Granule) {
            // SAFETY: by the caller; registers that are changed are named.
            unsafe {
                asm!(
                    concat!(".irp t, ", $tokens),
                    "vmulps zmm30, {weights}, dword ptr [{scales} + 4 * \\t]{{1to16}}",
                    "vaddps zmm31, {zero}, [{products} + 64 * \\t]",
                    "vfmadd231ps zmm\\t, zmm31, zmm30",
                    $($line,)?
                    ".endr",
                    $(inout($register) totals[$t],)*
                    out("zmm30") _, out("zmm31") _,
                    weights = in(zmm_reg) granule.weights,
                    $($minima = in(zmm_reg) granule.$minima,)?
                    zero = in(zmm_reg) _mm512_set1_ps(-TILE_ZERO),
                    scales = in(reg) granule.scales,
                    $($sums = in(reg) granule.$sums,)?
                    products = in(reg) granule.products,
                    options(nostack, preserves_flags, readonly)
                );
            }
        }
    };
}
weigh!(
    /// Adds a granule to the totals of all tokens of a block, without minima.
    weigh, "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",;
    "zmm0" 0, "zmm1" 1, "zmm2" 2, "zmm3" 3, "zmm4" 4, "zmm5" 5, "zmm6" 6, "zmm7" 7,
    "zmm8" 8, "zmm9" 9, "zmm10" 10, "zmm11" 11, "zmm12" 12, "zmm13" 13, "zmm14" 14, "zmm15" 15
);
weigh!(
    /// The same with minima.
    weigh_with_minima, "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "vfmadd231ps zmm\\t, {minima}, dword ptr [{sums} + 4 * \\t]{{1to16}}" minima sums;
    "zmm0" 0, "zmm1" 1, "zmm2" 2, "zmm3" 3, "zmm4" 4, "zmm5" 5, "zmm6" 6, "zmm7" 7,
    "zmm8" 8, "zmm9" 9, "zmm10" 10, "zmm11" 11, "zmm12" 12, "zmm13" 13, "zmm14" 14, "zmm15" 15
);
weigh!(
    /// Adds a granule to the totals of the first half of a block's tokens, without minima.
    weigh_half, "0,1,2,3,4,5,6,7",;
    "zmm0" 0, "zmm1" 1, "zmm2" 2, "zmm3" 3, "zmm4" 4, "zmm5" 5, "zmm6" 6, "zmm7" 7
);
weigh!(
    /// The same with minima.
    weigh_half_with_minima, "0,1,2,3,4,5,6,7",
    "vfmadd231ps zmm\\t, {minima}, dword ptr [{sums} + 4 * \\t]{{1to16}}" minima sums;
    "zmm0" 0, "zmm1" 1, "zmm2" 2, "zmm3" 3, "zmm4" 4, "zmm5" 5, "zmm6" 6, "zmm7" 7
);
