//! What happens to a row between two products: norms, gates, exponentials.
//!
//! The bodies are plain loops over a fixed number of sums; the compiler turns them into vectors of
//! whatever instructions the entry point has.

#![expect(unsafe_code, reason = "compiled for instructions that detection has proven")]

use crate::attention::{CacheKind, CacheNumber};
use crate::isa::{Isa, Level};
#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
use crate::simd::{Portable, Simd};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Ymm, Zmm};

/// Declares a function that runs `body` with the instructions of its `Isa`.
macro_rules! compiled {
    (
        $(#[$doc:meta])*
        $vis:vis $name:ident = $body:ident($($argument:ident: $kind:ty),*) $(-> $out:ty)?
    ) => {
        $(#[$doc])*
        $vis fn $name(isa: Isa, $($argument: $kind),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn avx2($($argument: $kind),*) $(-> $out)? {
                $body($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl")]
            unsafe fn avx512($($argument: $kind),*) $(-> $out)? {
                $body($($argument),*)
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon")]
            unsafe fn neon($($argument: $kind),*) $(-> $out)? {
                $body($($argument),*)
            }
            match isa.level() {
                // SAFETY: an `Isa` of a level exists only where the processor has its instructions.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 | Level::Amx => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 | Level::AvxVnni => unsafe { avx2($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "aarch64")]
                Level::Neon | Level::NeonDotprod => unsafe { neon($($argument),*) },
                _ => $body($($argument),*),
            }
        }
    };
}
pub(crate) use compiled;

compiled!(
    /** Turns each x into e^(x - `most`) and gives their sum. */
    pub exp_sum = exp_sum_body(values: &mut [f32], most: f32) -> f32
);
compiled!(
    /** `out` = silu(`gate`) x `up`. */
    pub swiglu = swiglu_body(gate: &[f32], up: &[f32], out: &mut [f32])
);
compiled!(
    /** `out` = `row` / its root mean square, times `weight`. */
    pub rms_norm = rms_norm_body(row: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32])
);
compiled!(
    /** `row` / its root mean square, times `weight`, in place. */
    pub rms_norm_in_place = rms_norm_in_place_body(row: &mut [f32], weight: &[f32], epsilon: f32)
);
compiled!(
    /** `row` += `delta`. */
    pub add = add_body(row: &mut [f32], delta: &[f32])
);

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

#[inline(always)]
fn exp_sum_body(values: &mut [f32], most: f32) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let (chunks, rest) = values.as_chunks_mut::<16>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *value = exp(*value - most);
            *lane += *value;
        }
    }
    let mut total = lanes.iter().sum::<f32>();
    for value in rest {
        *value = exp(*value - most);
        total += *value;
    }
    total
}

#[inline(always)]
fn swiglu_body(gate: &[f32], up: &[f32], out: &mut [f32]) {
    for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
        // Beyond what `exp` tells apart, so that no magnitude outgrows it. What is no number stays
        // none, and what is infinite stays so: a damaged matrix must not become a zero.
        let tiny = *gate < -87.0 && *gate != f32::NEG_INFINITY;
        let gate = if tiny { -87.0 } else { *gate };
        *out = gate / (1.0 + exp(-gate)) * up;
    }
}

/// What a row is multiplied with to have a root mean square of one.
#[inline(always)]
fn norm_scale(row: &[f32], epsilon: f32) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let (chunks, rest) = row.as_chunks::<16>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x * x;
        }
    }
    let squares = lanes.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>();
    // Numbers whose squares are infinite would become zeros, and nobody would notice.
    let mean = if squares.is_finite() { squares / row.len() as f32 } else { f32::NAN };
    1.0 / (mean + epsilon).sqrt()
}

#[inline(always)]
fn rms_norm_body(row: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let scale = norm_scale(row, epsilon);
    for ((out, x), weight) in out.iter_mut().zip(row).zip(weight) {
        *out = x * scale * weight;
    }
}

#[inline(always)]
fn rms_norm_in_place_body(row: &mut [f32], weight: &[f32], epsilon: f32) {
    let scale = norm_scale(row, epsilon);
    row.iter_mut().zip(weight).for_each(|(x, weight)| *x = *x * scale * weight);
}

#[inline(always)]
fn add_body(row: &mut [f32], delta: &[f32]) {
    row.iter_mut().zip(delta).for_each(|(x, delta)| *x += delta);
}

/// Stores the numbers of a row, in half precision as the nearest finite ones.
pub fn store<T: CacheNumber + From<f32>>(isa: Isa, row: &[f32], out: &mut [T]) {
    let len = row.len().min(out.len());
    let mut whole = 0;
    if T::KIND == CacheKind::F16 {
        let (row, out) = (row.as_ptr(), out.as_mut_ptr().cast());
        // SAFETY: both have `len` numbers, and those of `out` are halves; an `Isa` of a level
        // exists only where the processor has its instructions.
        whole = unsafe {
            match isa.level() {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 | Level::Amx => halves_zmm(row, out, len),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 | Level::AvxVnni => halves_ymm(row, out, len),
                #[cfg(target_arch = "aarch64")]
                Level::Neon | Level::NeonDotprod => halves::<Neon<false>>(row, out, len),
                _ => halves::<Portable>(row, out, len),
            }
        };
    }
    for (out, x) in out[whole..len].iter_mut().zip(&row[whole..]) {
        *out = T::from(*x);
    }
}

/// Stores as many of `len` numbers as fill whole vectors; how many these are.
///
/// # Safety
/// Those of [`Simd`]; `row` is good for `len` numbers and `out` for as many halves.
#[inline(always)]
unsafe fn halves<S: Simd>(row: *const f32, out: *mut u8, len: usize) -> usize {
    let whole = len / S::LANES * S::LANES;
    for at in (0..whole).step_by(S::LANES) {
        // SAFETY: the vector from `at` on ends at or before `whole`.
        unsafe { S::store_halves(out.add(2 * at), S::load_floats(row.add(at).cast())) };
    }
    whole
}

/// # Safety
/// Those of [`halves`]; AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl")]
unsafe fn halves_zmm(row: *const f32, out: *mut u8, len: usize) -> usize {
    // SAFETY: by the caller.
    unsafe { halves::<Zmm>(row, out, len) }
}

/// # Safety
/// Those of [`halves`]; AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn halves_ymm(row: *const f32, out: *mut u8, len: usize) -> usize {
    // SAFETY: by the caller.
    unsafe { halves::<Ymm<false>>(row, out, len) }
}
