//! Every kernel of every instruction set that this machine has, against plain arithmetic in f64.

use proptest::prelude::*;

use super::block32::LEN;
use super::{
    Bf16, Block32, ByteRow, F16, F32, Float, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, blend, dot_bytes,
    dot_floats, exp, exp_sum, expand_blocks, expand_floats, rms_norm, scores, swiglu, to_bytes,
};
use crate::cpu::Isa;

/// Numbers that look random and do not change.
fn noise(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn bytes_of(seed: u32, len: usize) -> Vec<u8> {
    noise(seed, len).into_iter().map(|x| (x * 127.0) as i8 as u8).collect()
}

fn close(found: f32, wanted: f64, size: f64) -> bool {
    (f64::from(found) - wanted).abs() <= 1e-5 * size + 1e-6
}

trait Made: Block32 {
    fn made(seed: u32) -> Self;
}

/// 0.0123 and -0.045 as halves.
const SCALE: [u8; 2] = [0x4c, 0x22];
const MINIMUM: [u8; 2] = [0xc3, 0xa9];

fn array<const N: usize>(seed: u32) -> [u8; N] {
    bytes_of(seed, N).try_into().unwrap()
}

impl Made for Q4_0 {
    fn made(seed: u32) -> Self {
        Self { scale: SCALE, packed: array(seed) }
    }
}
impl Made for Q4_1 {
    fn made(seed: u32) -> Self {
        Self { scale: SCALE, minimum: MINIMUM, packed: array(seed) }
    }
}
impl Made for Q5_0 {
    fn made(seed: u32) -> Self {
        Self { scale: SCALE, high: array(seed + 1), packed: array(seed) }
    }
}
impl Made for Q5_1 {
    fn made(seed: u32) -> Self {
        Self { scale: SCALE, minimum: MINIMUM, high: array(seed + 1), packed: array(seed) }
    }
}
impl Made for Q8_0 {
    fn made(seed: u32) -> Self {
        let mut bytes = array(seed);
        // The one value whose absolute value has no place in a signed byte.
        bytes[seed as usize % LEN] = 0x80;
        Self { scale: SCALE, bytes }
    }
}

/// Activations as bytes.
struct Bytes {
    values: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<f32>,
}

impl Bytes {
    fn of(isa: Isa, row: &[f32]) -> Self {
        let (mut values, mut scales) = (vec![0; row.len()], vec![0.0; row.len() / LEN]);
        let mut sums = scales.clone();
        to_bytes(isa, row, &mut values, &mut scales, &mut sums);
        Self { values, scales, sums }
    }

    fn row(&self) -> ByteRow<'_> {
        ByteRow { values: &self.values, scales: &self.scales, sums: &self.sums }
    }

    /// What the bytes stand for.
    fn floats(&self) -> Vec<f32> {
        let scaled = |(at, value): (usize, &i8)| f32::from(*value) * self.scales[at / LEN];
        self.values.iter().enumerate().map(scaled).collect()
    }
}

fn check_blocks<B: Made>() {
    for isa in Isa::available() {
        let blocks = 7;
        let rows: Vec<Vec<B>> =
            (0..4).map(|r| (0..blocks).map(|b| B::made(r * 100 + b)).collect()).collect();
        let acts: Vec<Bytes> =
            (0..4).map(|a| Bytes::of(isa, &noise(900 + a, LEN * blocks as usize))).collect();
        let weights: [&[B]; 4] = std::array::from_fn(|r| rows[r].as_slice());
        let activations: [ByteRow<'_>; 4] = std::array::from_fn(|a| acts[a].row());
        let together = dot_bytes::<B, 4, 4>(isa, weights, activations);
        for r in 0..4 {
            let mut expanded = vec![0.0; LEN * blocks as usize];
            expand_blocks(weights[r], &mut expanded);
            for a in 0..4 {
                let [[alone]] = dot_bytes::<B, 1, 1>(isa, [weights[r]], [activations[a]]);
                assert_eq!(alone.to_bits(), together[r][a].to_bits(), "{isa:?}: tiles differ");
                let products = expanded.iter().zip(acts[a].floats());
                let products = products.map(|(w, x)| f64::from(*w) * f64::from(x));
                let size = products.clone().map(f64::abs).sum();
                let wanted = products.sum();
                assert!(close(alone, wanted, size), "{isa:?}: {alone} is not {wanted}");
            }
        }
    }
}

#[test]
fn products_of_blocks_are_right() {
    check_blocks::<Q4_0>();
    check_blocks::<Q4_1>();
    check_blocks::<Q5_0>();
    check_blocks::<Q5_1>();
    check_blocks::<Q8_0>();
}

#[test]
fn blocks_expand_as_candle_expands_them() {
    use candle_core::quantized::GgmlType;
    use candle_core::quantized::k_quants::{BlockQ4_1, BlockQ5_0, BlockQ8_0};
    fn both<B: Block32, C: GgmlType>(row: &[f32]) {
        assert_eq!(size_of::<B>(), size_of::<C>());
        let mut candle = vec![C::zeros(); row.len() / LEN];
        C::from_float(row, &mut candle);
        // SAFETY: both are the file format's block, made of plain numbers, ours without alignment.
        #[expect(unsafe_code, reason = "compares two views of the same bytes")]
        let ours = unsafe { std::slice::from_raw_parts(candle.as_ptr().cast::<B>(), candle.len()) };
        let (mut a, mut b) = (vec![0.0; row.len()], vec![0.0; row.len()]);
        C::to_float(&candle, &mut a);
        expand_blocks(ours, &mut b);
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-6, "{a} is not {b}");
        }
    }
    let row = noise(5, 256);
    both::<Q4_1, BlockQ4_1>(&row);
    both::<Q5_0, BlockQ5_0>(&row);
    both::<Q8_0, BlockQ8_0>(&row);
}

fn check_floats<F: Float>(make: impl Fn(f32) -> F) {
    for isa in Isa::available() {
        for len in [1, 7, 8, 64, 83] {
            let rows: Vec<Vec<F>> =
                (0..4).map(|r| noise(r, len).into_iter().map(&make).collect()).collect();
            let acts: Vec<Vec<f32>> = (10..14).map(|a| noise(a, len)).collect();
            let weights: [&[F]; 4] = std::array::from_fn(|r| rows[r].as_slice());
            let activations: [&[f32]; 4] = std::array::from_fn(|a| acts[a].as_slice());
            let together = dot_floats::<F, 4, 4>(isa, weights, activations);
            for r in 0..4 {
                let mut expanded = vec![0.0; len];
                expand_floats(weights[r], &mut expanded);
                for a in 0..4 {
                    let [[alone]] = dot_floats::<F, 1, 1>(isa, [weights[r]], [activations[a]]);
                    assert_eq!(alone.to_bits(), together[r][a].to_bits(), "{isa:?}: tiles differ");
                    let products = expanded.iter().zip(activations[a]);
                    let wanted: f64 = products.map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                    assert!(close(alone, wanted, len as f64), "{isa:?}: {alone} is not {wanted}");
                }
            }
        }
    }
}

#[test]
fn products_of_floats_are_right() {
    check_floats(F32::from);
    check_floats(F16::from);
    check_floats(|x| Bf16::from_bits((x.to_bits() >> 16) as u16));
}

#[test]
fn scores_and_blends_are_right() {
    for isa in Isa::available() {
        for (width, count) in [(64, 64), (32, 5), (40, 3), (16, 1)] {
            let query = noise(1, width);
            let rows: Vec<F16> = noise(2, width * count).into_iter().map(F16::from).collect();
            let mut found = vec![0.0; count];
            scores(isa, &query, &rows, &mut found);
            for (score, row) in found.iter().zip(rows.chunks(width)) {
                let products = query.iter().zip(row);
                let wanted: f64 = products.map(|(q, k)| f64::from(*q) * f64::from(k.get())).sum();
                assert!(close(*score, wanted, width as f64), "{isa:?}: {score} is not {wanted}");
            }
            let (weights, before) = (noise(3, count), noise(4, width));
            let mut out = before.clone();
            blend(isa, &mut out, 0.25, &weights, &rows);
            for (column, found) in out.iter().enumerate() {
                let terms = weights.iter().zip(rows.chunks(width));
                let sum: f64 =
                    terms.map(|(w, row)| f64::from(*w) * f64::from(row[column].get())).sum();
                let wanted = sum + 0.25 * f64::from(before[column]);
                assert!(close(*found, wanted, count as f64), "{isa:?}: {found} is not {wanted}");
            }
        }
    }
}

#[test]
fn norms_and_gates_are_right() {
    for isa in Isa::available() {
        let (row, weight) = (noise(1, 100), noise(2, 100));
        let mut out = vec![0.0; 100];
        rms_norm(isa, &row, &weight, 1e-5, &mut out);
        let mean = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 100.0;
        for ((x, w), found) in row.iter().zip(&weight).zip(&out) {
            let wanted = f64::from(*x) / (mean + 1e-5).sqrt() * f64::from(*w);
            assert!(close(*found, wanted, 1.0), "{isa:?}");
        }
        swiglu(isa, &row, &weight, &mut out);
        for ((gate, up), found) in row.iter().zip(&weight).zip(&out) {
            let gate = f64::from(*gate);
            assert!(close(*found, gate / (1.0 + (-gate).exp()) * f64::from(*up), 1.0), "{isa:?}");
        }
        let mut powers = row.clone();
        let total = exp_sum(isa, &mut powers, 0.5);
        let wanted: f64 = row.iter().map(|x| (f64::from(*x) - 0.5).exp()).sum();
        assert!(close(total, wanted, wanted), "{isa:?}: {total} is not {wanted}");
    }
}

#[test]
fn bytes_keep_what_they_can() {
    for isa in Isa::available() {
        let row = noise(9, 96);
        let bytes = Bytes::of(isa, &row);
        for (x, y) in row.iter().zip(bytes.floats()) {
            assert!((x - y).abs() <= 0.5 / 127.0 + 1e-6, "{x} became {y}");
        }
        let zeros = Bytes::of(isa, &[0.0; 32]);
        assert!(zeros.values.iter().all(|x| *x == 0) && zeros.scales == [0.0]);
    }
}

proptest! {
    #[test]
    fn powers_are_within_a_few_units_in_the_last_place(x in -87.0_f32..88.0) {
        let wanted = f64::from(x).exp();
        prop_assert!((f64::from(exp(x)) / wanted - 1.0).abs() < 4e-7, "e^{x} = {}", exp(x));
    }

    #[test]
    fn powers_beyond_the_range_stay_finite(x in any::<f32>()) {
        prop_assert!(x.is_nan() || exp(x).is_finite());
    }
}
