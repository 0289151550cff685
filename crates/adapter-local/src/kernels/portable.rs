//! The kernels in plain code, for any processor; also the bodies that the compiler turns into
//! vector code for better ones.

use half::f16;

use super::ByteRow;
use super::block32::{Block32, LEN, Minimum};
use super::float::{Float, exp};

pub(super) fn dot_bytes<B: Block32, const R: usize, const A: usize>(
    weights: [&[B]; R],
    activations: [ByteRow<'_>; A],
) -> [[f32; A]; R] {
    weights.map(|row| activations.map(|activation| dot_bytes_pair(row, activation)))
}

fn dot_bytes_pair<B: Block32>(row: &[B], activation: ByteRow<'_>) -> f32 {
    let mut total = 0.0;
    let bytes = activation.values.as_chunks::<LEN>().0;
    for (((block, bytes), scale), sum) in
        row.iter().zip(bytes).zip(activation.scales).zip(activation.sums)
    {
        let (bits, minimum) = block.scale_bits();
        let weight = f16::from_bits(bits).to_f32();
        let minimum = match minimum {
            Minimum::Bits(bits) => f16::from_bits(bits).to_f32(),
            Minimum::TimesScale(times) => times * weight,
        };
        let numbers = block.numbers();
        let products: i32 =
            numbers.iter().zip(bytes).map(|(n, y)| i32::from(*n) * i32::from(*y)).sum();
        total += weight * scale * products as f32 + minimum * sum;
    }
    total
}

pub(super) fn dot_floats<F: Float, const R: usize, const A: usize>(
    weights: [&[F]; R],
    activations: [&[f32]; A],
) -> [[f32; A]; R] {
    weights.map(|row| activations.map(|activation| dot_lanes(row, activation)))
}

/// Eight sums side by side, then one.
fn dot_lanes<F: Float>(row: &[F], activation: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (row8, row_rest) = row.as_chunks::<8>();
    let (activation8, rest) = activation.as_chunks::<8>();
    for (w, x) in row8.iter().zip(activation8) {
        for ((lane, w), x) in lanes.iter_mut().zip(w).zip(x) {
            *lane += w.get() * x;
        }
    }
    let tail: f32 = row_rest.iter().zip(rest).map(|(w, x)| w.get() * x).sum();
    lanes.iter().sum::<f32>() + tail
}

pub(super) fn scores<F: Float>(query: &[f32], keys: &[F], scores: &mut [f32]) {
    for (score, key) in scores.iter_mut().zip(keys.chunks_exact(query.len())) {
        *score = dot_lanes(key, query);
    }
}

pub(super) fn blend<F: Float>(out: &mut [f32], keep: f32, weights: &[f32], values: &[F]) {
    out.iter_mut().for_each(|out| *out *= keep);
    for (weight, value) in weights.iter().zip(values.chunks_exact(out.len())) {
        for (out, value) in out.iter_mut().zip(value) {
            *out += weight * value.get();
        }
    }
}

#[inline(always)]
pub(super) fn exp_sum(values: &mut [f32], most: f32) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (values8, rest) = values.as_chunks_mut::<8>();
    for eight in values8 {
        for (lane, value) in lanes.iter_mut().zip(eight) {
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
pub(super) fn swiglu(gate: &[f32], up: &[f32], out: &mut [f32]) {
    for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
        *out = gate / (1.0 + exp(-gate)) * up;
    }
}

#[inline(always)]
pub(super) fn rms_norm(row: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let mut lanes = [0.0_f32; 16];
    let (chunks, rest) = row.as_chunks::<16>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x * x;
        }
    }
    let squares = lanes.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>();
    let scale = 1.0 / (squares / row.len() as f32 + epsilon).sqrt();
    for ((out, x), weight) in out.iter_mut().zip(row).zip(weight) {
        *out = x * scale * weight;
    }
}

#[inline(always)]
pub(super) fn to_bytes(row: &[f32], values: &mut [i8], scales: &mut [f32], sums: &mut [f32]) {
    let (blocks, bytes) = (row.as_chunks::<LEN>().0, values.as_chunks_mut::<LEN>().0);
    for (((block, bytes), scale), sum) in blocks.iter().zip(bytes).zip(scales).zip(sums) {
        let largest = block.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        let mut total = 0_i32;
        for (byte, x) in bytes.iter_mut().zip(block) {
            // Adding 1.5 * 2^23 rounds to the nearest whole number, ties to even.
            let rounded = (x * inverse + 12_582_912.0).to_bits() as u8 as i8;
            *byte = rounded;
            total += i32::from(rounded);
        }
        *scale = largest / 127.0;
        *sum = *scale * total as f32;
    }
}
