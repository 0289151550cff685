//! Inner loops: slices in, numbers out. No allocation, no threads, no knowledge of models.
//!
//! Every function gives the same bits for a pair of rows whatever else is computed beside it:
//! tiles share loads, never sums. That is what makes a sequence's logits independent of how it
//! was cut into calls.

mod block32;
mod float;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

pub(crate) use block32::{Block32, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, expand as expand_blocks};
pub(crate) use float::{Bf16, F16, F32, Float, exp, expand as expand_floats};

use crate::cpu::{Isa, Level};

/// One row of activations as bytes: 32 numbers share a scale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteRow<'a> {
    /// The numbers, each within -127..=127.
    pub(crate) values: &'a [i8],
    /// One scale per 32 of them.
    pub(crate) scales: &'a [f32],
    /// Per 32 of them their sum times the scale.
    pub(crate) sums: &'a [f32],
}

/// Calls the kernel of that name for the instruction set that `isa` proves.
macro_rules! dispatch {
    ($isa:expr, $name:ident $(::<$($generic:tt),+>)? ($($argument:expr),*)) => {
        match $isa.level() {
            Level::Portable => portable::$name$(::<$($generic),+>)?($($argument),*),
            // SAFETY: an `Isa` of this level exists only where the processor has its instructions.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::avx2::$name$(::<$($generic),+>)?($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Vnni => unsafe { x86::vnni::$name$(::<$($generic),+>)?($($argument),*) },
        }
    };
}

/// Dot products of `R` rows of weights with `A` rows of activations.
#[inline]
#[expect(unsafe_code, reason = "kernels are compiled for instructions that detection has proven")]
pub(crate) fn dot_bytes<B: Block32, const R: usize, const A: usize>(
    isa: Isa,
    weights: [&[B]; R],
    activations: [ByteRow<'_>; A],
) -> [[f32; A]; R] {
    dispatch!(isa, dot_bytes::<B, R, A>(weights, activations))
}

/// Dot products of `R` rows of weights with `A` rows of activations.
#[inline]
#[expect(unsafe_code, reason = "kernels are compiled for instructions that detection has proven")]
pub(crate) fn dot_floats<F: Float, const R: usize, const A: usize>(
    isa: Isa,
    weights: [&[F]; R],
    activations: [&[f32]; A],
) -> [[f32; A]; R] {
    dispatch!(isa, dot_floats::<F, R, A>(weights, activations))
}

/// `scores[j]` = dot product of `query` with the j-th row of `keys`.
#[inline]
#[expect(unsafe_code, reason = "kernels are compiled for instructions that detection has proven")]
pub(crate) fn scores<F: Float>(isa: Isa, query: &[f32], keys: &[F], scores: &mut [f32]) {
    dispatch!(isa, scores::<F>(query, keys, scores));
}

/// `out` = `keep` x `out` + the rows of `values`, each times its weight.
#[inline]
#[expect(unsafe_code, reason = "kernels are compiled for instructions that detection has proven")]
pub(crate) fn blend<F: Float>(isa: Isa, out: &mut [f32], keep: f32, weights: &[f32], values: &[F]) {
    dispatch!(isa, blend::<F>(out, keep, weights, values));
}

/// Turns each x into e^(x - `most`) and gives their sum.
#[inline]
#[expect(unsafe_code, reason = "kernels are compiled for instructions that detection has proven")]
pub(crate) fn exp_sum(isa: Isa, values: &mut [f32], most: f32) -> f32 {
    dispatch!(isa, exp_sum(values, most))
}

/// `out` = silu(`gate`) x `up`.
#[inline]
#[expect(unsafe_code, reason = "kernels are compiled for instructions that detection has proven")]
pub(crate) fn swiglu(isa: Isa, gate: &[f32], up: &[f32], out: &mut [f32]) {
    dispatch!(isa, swiglu(gate, up, out));
}

/// `out` = `row` / its root mean square, times `weight`.
#[inline]
#[expect(unsafe_code, reason = "kernels are compiled for instructions that detection has proven")]
pub(crate) fn rms_norm(isa: Isa, row: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    dispatch!(isa, rms_norm(row, weight, epsilon, out));
}

/// Quantizes a row to bytes, 32 numbers at a time.
#[inline]
#[expect(unsafe_code, reason = "kernels are compiled for instructions that detection has proven")]
pub(crate) fn to_bytes(
    isa: Isa,
    row: &[f32],
    values: &mut [i8],
    scales: &mut [f32],
    sums: &mut [f32],
) {
    dispatch!(isa, to_bytes(row, values, scales, sums));
}
