//! What happens to a row between two products: norms, gates, exponentials.
//!
//! The bodies are plain loops over a fixed number of sums; the compiler turns them into vectors of
//! whatever instructions the entry point has.

#![expect(unsafe_code, reason = "compiled for instructions that detection has proven")]

use crate::isa::{Isa, Level};
use crate::numbers::{CacheNumber, Number};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Simd, Ymm, Zmm};

/// Declares a public function that runs `body` with the instructions of its `Isa`.
macro_rules! compiled {
    ($(#[$doc:meta])* $name:ident = $body:ident($($argument:ident: $kind:ty),*) $(-> $out:ty)?) => {
        $(#[$doc])*
        pub fn $name(isa: Isa, $($argument: $kind),*) $(-> $out)? {
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
            match isa.level() {
                // SAFETY: an `Isa` of a level exists only where the processor has its instructions.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 | Level::AvxVnni => unsafe { avx2($($argument),*) },
                _ => $body($($argument),*),
            }
        }
    };
}

compiled!(
    /** Turns each x into e^(x - `most`) and gives their sum. */
    exp_sum = exp_sum_body(values: &mut [f32], most: f32) -> f32
);
compiled!(
    /** `out` = silu(`gate`) x `up`. */
    swiglu = swiglu_body(gate: &[f32], up: &[f32], out: &mut [f32])
);
compiled!(
    /** `out` = `row` / its root mean square, times `weight`. */
    rms_norm = rms_norm_body(row: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32])
);
compiled!(
    /** `row` / its root mean square, times `weight`, in place. */
    rms_norm_in_place = rms_norm_in_place_body(row: &mut [f32], weight: &[f32], epsilon: f32)
);
compiled!(
    /** `row` += `delta`. */
    add = add_body(row: &mut [f32], delta: &[f32])
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
pub fn store<T: CacheNumber>(isa: Isa, row: &[f32], out: &mut [T]) {
    let lanes = match isa.level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => Zmm::LANES,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::AvxVnni => Ymm::<false>::LANES,
        _ => 1,
    };
    let len = row.len().min(out.len());
    let whole = if T::NUMBER == Number::F16 && lanes > 1 { len / lanes * lanes } else { 0 };
    #[cfg(target_arch = "x86_64")]
    if whole > 0 {
        let (row, out) = (row.as_ptr(), out.as_mut_ptr().cast());
        // SAFETY: `whole` numbers are read and as many halves written; the level is there.
        unsafe {
            match isa.level() {
                Level::Avx512 => halves_zmm(row, out, whole),
                _ => halves_ymm(row, out, whole),
            }
        }
    }
    for (out, x) in out[whole..len].iter_mut().zip(&row[whole..]) {
        *out = T::from(*x);
    }
}

/// # Safety
/// Those of [`Simd`], for `len` numbers, whole vectors.
#[inline(always)]
#[cfg(target_arch = "x86_64")]
unsafe fn halves<S: Simd>(row: *const f32, out: *mut u8, len: usize) {
    for at in (0..len).step_by(S::LANES) {
        // SAFETY: by the caller.
        unsafe { S::store_halves(out.add(2 * at), S::load_floats(row.add(at).cast())) };
    }
}

/// # Safety
/// Those of [`halves`]; AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl")]
unsafe fn halves_zmm(row: *const f32, out: *mut u8, len: usize) {
    // SAFETY: by the caller.
    unsafe { halves::<Zmm>(row, out, len) }
}

/// # Safety
/// Those of [`halves`]; AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn halves_ymm(row: *const f32, out: *mut u8, len: usize) {
    // SAFETY: by the caller.
    unsafe { halves::<Ymm<false>>(row, out, len) }
}
