//! Packed products: exact where they can be, and never wrong by more than their roundings.

use half::f16;
use proptest::prelude::*;
use textport_kernels::{Blocks, Isa, Pool};

use super::made::{ALL, Noise, ROUNDING, dot, halves, pack, product, quantize, row};

/// Halves at which something changes: zeros, the smallest, the largest denormal, the smallest
/// normal one, the largest, and one that is usual.
const HALVES: [u16; 10] =
    [0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff, 0x3c00, 0xa9c3];

/// Columns of a row of some blocks.
fn columns(blocks: Blocks, groups: usize) -> usize {
    let (width, _) = blocks.block();
    if width == 32 { groups * 32 } else { width }
}

/// Activations that bytes hold exactly, small enough for every sum of every format to be exact:
/// one of 32 numbers is 127, the others are at most one; all times a token's power of two.
fn whole(tokens: usize, columns: usize, noise: &mut Noise) -> Vec<f32> {
    let mut out = Vec::new();
    for _ in 0..tokens {
        let scale = (noise.below(41) as f32 - 20.0).exp2();
        for _ in 0..columns / 32 {
            let at = noise.below(32);
            let sign = if noise.byte() & 1 == 0 { 127.0 } else { -127.0 };
            let ones = (0..32).map(|i| (i, f32::from(noise.byte() % 3) - 1.0));
            out.extend(ones.map(|(i, x)| scale * if i == at { sign } else { x }));
        }
    }
    out
}

/// Rows whose scales are one power of two per row, or its negative, or zero.
fn powers(blocks: Blocks, count: usize, columns: usize, noise: &mut Noise) -> Vec<Vec<u8>> {
    let mut one = || {
        let exponent = noise.below(24) as f32 - 14.0;
        let power = f16::from_f32(exponent.exp2());
        let (mut codes, mut signs) = (Noise(noise.bits()), Noise(noise.bits()));
        let of = [power, -power, f16::ZERO, power];
        row(blocks, columns, || codes.byte(), || of[signs.below(4)].to_bits())
    };
    (0..count).map(|_| one()).collect()
}

/// Largest magnitude of a code, its offset and its minimum, times the largest scale byte: what a
/// number's terms can reach with a scale of one.
fn reach(blocks: Blocks) -> f64 {
    match blocks {
        Blocks::Q4_0 => 15.0 + 8.0,
        Blocks::Q4_1 => 15.0 + 1.0,
        Blocks::Q5_0 => 31.0 + 16.0,
        Blocks::Q5_1 => 31.0 + 1.0,
        Blocks::Q8_0 => 255.0 + 128.0,
        Blocks::Q2K => (3.0 + 1.0) * 15.0,
        Blocks::Q3K => (7.0 + 4.0) * 32.0,
        Blocks::Q4K => (15.0 + 1.0) * 63.0,
        Blocks::Q5K => (31.0 + 1.0) * 63.0,
        Blocks::Q6K => (63.0 + 32.0) * 128.0,
    }
}

/// Activations of which every 32 are of one kind: zeros, denormals, numbers of very different
/// magnitudes, one number among smaller ones, the same magnitude with either sign.
fn kinds(tokens: usize, columns: usize, noise: &mut Noise) -> Vec<f32> {
    let mut out = Vec::new();
    for _ in 0..tokens * columns / 32 {
        let (kind, at, same) = (noise.below(6), noise.below(32), noise.spread(-140, 80));
        out.extend((0..32).map(|i| match kind {
            0 => [0.0, -0.0][i % 2],
            1 => noise.spread(-150, -120),
            2 => noise.spread(-150, 80),
            3 if i == at => noise.spread(60, 80),
            3 => noise.spread(-20, 40),
            4 => [same, -same][i % 2],
            _ => noise.float(),
        }));
    }
    out
}

/// By how much a product may differ from that of the numbers as they are.
///
/// A number is rounded to the nearest of 255 steps of `largest / 127`: it is wrong by half a step
/// and by what rounding its scale's inverse and the product with it adds, less than a ten
/// thousandth of a step; numbers whose inverse overflows become zero. Each granule then adds two
/// terms to a total, at most four roundings each. What underflows is less than 1e-34 a group.
fn allowed(blocks: Blocks, weights: &[f32], token: &[f32], largest_half: f64) -> f64 {
    let mut out = 0.0;
    let mut sizes = 0.0;
    for (weights, numbers) in weights.chunks(32).zip(token.chunks(32)) {
        let largest = numbers.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let step = if (127.0 / largest).is_finite() { largest / 127.0 } else { 2.0 * largest };
        let weights: f64 = weights.iter().map(|w| f64::from(w.abs())).sum();
        out += weights * f64::from(step) * 0.5001 + 1e-34;
        sizes += 32.0 * f64::from(largest);
    }
    let roundings = 4 * 2 * (token.len() / 16) + 8;
    out + roundings as f64 * ROUNDING * reach(blocks) * largest_half * sizes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Sums of integers, scaled by powers of two: no level may differ from f64 in any bit.
    #[test]
    fn whole_numbers_are_multiplied_exactly(
        format in 0..ALL.len(), count in 1..40_usize, groups in 1..10_usize,
        tokens in 1..34_usize, seed: u32,
    ) {
        let (blocks, mut noise) = (ALL[format], Noise(seed));
        let columns = columns(blocks, groups);
        let stored = powers(blocks, count, columns, &mut noise);
        let floats = whole(tokens, columns, &mut noise);
        let pool = Pool::new(2, "test").unwrap();
        for isa in Isa::available() {
            let packed = pack(isa, blocks, &stored, columns);
            let found = product(&pool, isa, &packed, &floats);
            let mut weights = vec![0.0; columns];
            for (r, stored) in stored.iter().enumerate() {
                blocks.expand(stored, &mut weights);
                for (t, token) in floats.chunks(columns).enumerate() {
                    let (found, (sum, _)) = (found[t * count + r], dot(&weights, token));
                    prop_assert!(
                        f64::from(found) == sum,
                        "{blocks:?}, {isa}, row {r}, token {t}: {found:e} is not {sum:e}"
                    );
                }
            }
        }
    }

    #[test]
    fn extremes_are_multiplied_as_rightly_as_the_rest(
        format in 0..ALL.len(), count in 1..20_usize, groups in 1..6_usize,
        tokens in 1..10_usize, seed: u32,
    ) {
        let (blocks, mut noise) = (ALL[format], Noise(seed));
        let columns = columns(blocks, groups);
        let mut stored = Vec::new();
        for _ in 0..count {
            let (mut codes, mut scales) = (Noise(noise.bits()), Noise(noise.bits()));
            // Bytes of -128, -1, 0 and 127 as Q8_0 reads them; the largest and the smallest codes.
            let same = [0x80, 0xff, 0x00, 0x7f][noise.below(4)];
            let random = noise.byte() & 1 == 0;
            let byte = || if random { codes.byte() } else { same };
            stored.push(row(blocks, columns, byte, || HALVES[scales.below(HALVES.len())]));
        }
        let floats = kinds(tokens, columns, &mut noise);
        let pool = Pool::new(1, "test").unwrap();
        let largest = f16::MAX.to_f64();
        for isa in Isa::available() {
            let packed = pack(isa, blocks, &stored, columns);
            let found = product(&pool, isa, &packed, &floats);
            let (mut weights, mut again) = (vec![0.0; columns], vec![0.0; columns]);
            for (r, stored) in stored.iter().enumerate() {
                blocks.expand(stored, &mut weights);
                packed.expand_row(r, &mut again);
                prop_assert_eq!(&weights, &again, "{:?}, {}", blocks, isa);
                for (t, token) in floats.chunks(columns).enumerate() {
                    let (sum, _) = dot(&weights, token);
                    let most = allowed(blocks, &weights, token, largest);
                    let found = f64::from(found[t * count + r]);
                    prop_assert!(
                        (found - sum).abs() <= most,
                        "{blocks:?}, {isa}, row {r}, token {t}: {found:e} is not {sum:e}"
                    );
                }
            }
        }
    }

    #[test]
    fn activations_are_the_same_bytes_at_every_level(
        tokens in 1..20_usize, groups in 1..6_usize, seed: u32,
    ) {
        let floats = kinds(tokens, groups * 32, &mut Noise(seed));
        let bytes = |isa| format!("{:?}", quantize(isa, &floats, groups * 32));
        let mut levels = Isa::available().into_iter();
        let reference = bytes(levels.next().unwrap());
        for isa in levels {
            prop_assert!(bytes(isa) == reference, "{isa}");
        }
    }
}

#[test]
fn a_scale_that_is_no_number_spoils_its_row_and_no_other() {
    let pool = Pool::new(1, "test").unwrap();
    for blocks in ALL {
        let columns = columns(blocks, 3);
        let mut noise = Noise(11);
        let stored = powers(blocks, 21, columns, &mut noise);
        let floats = whole(6, columns, &mut noise);
        for isa in Isa::available() {
            let clean = product(&pool, isa, &pack(isa, blocks, &stored, columns), &floats);
            for at in halves(blocks) {
                for bad in [f16::INFINITY, f16::NEG_INFINITY, f16::NAN] {
                    let mut spoilt = stored.clone();
                    spoilt[17][*at..at + 2].copy_from_slice(&bad.to_le_bytes());
                    let found = product(&pool, isa, &pack(isa, blocks, &spoilt, columns), &floats);
                    for (i, (found, clean)) in found.iter().zip(&clean).enumerate() {
                        if i % 21 == 17 {
                            assert!(!found.is_finite(), "{blocks:?}, {isa}, {bad}: {found}");
                        } else {
                            assert_eq!(found.to_bits(), clean.to_bits(), "{blocks:?}, {isa}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn rows_without_a_scale_are_zero() {
    let pool = Pool::new(1, "test").unwrap();
    for blocks in ALL {
        let columns = columns(blocks, 2);
        let mut noise = Noise(3);
        let mut zero = |half| {
            let mut codes = Noise(noise.bits());
            row(blocks, columns, || codes.byte(), || half)
        };
        let stored = [zero(0x0000), zero(0x8000), zero(0x0000)];
        let floats: Vec<f32> = (0..5 * columns).map(|i| (i as f32 - 99.0) * 1e30).collect();
        for isa in Isa::available() {
            let found = product(&pool, isa, &pack(isa, blocks, &stored, columns), &floats);
            assert!(found.iter().all(|x| *x == 0.0), "{blocks:?}, {isa}: {found:?}");
        }
    }
}

/// Tiles read blocks of sixteen tokens: few rows that were filled side by side must not pass for many,
/// though there be room for as many numbers.
#[test]
#[should_panic(expected = "filled as at most 4")]
fn few_rows_do_not_pass_for_many() {
    let isa = Isa::best();
    let mut bytes = quantize(isa, &[1.0; 8 * 32], 32);
    assert_eq!(bytes.quads_mut(3, 128).count(), 1);
    bytes.rows(8, 64);
}
