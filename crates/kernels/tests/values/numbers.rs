//! Products of numbers that are stored one by one.

use half::{bf16, f16};
use proptest::prelude::*;
use textport_kernels::{FloatRows, Input, Isa, Number, Operand, Pool, multiply};

use super::made::{Noise, ROUNDING, dot};

const ALL: [Number; 3] = [Number::F32, Number::F16, Number::Bf16];

fn stored(number: Number, floats: &[f32]) -> Vec<u8> {
    let bytes = |x: &f32| match number {
        Number::F32 => x.to_le_bytes().to_vec(),
        Number::F16 => f16::from_f32(*x).to_le_bytes().to_vec(),
        Number::Bf16 => bf16::from_f32(*x).to_le_bytes().to_vec(),
    };
    floats.iter().flat_map(bytes).collect()
}

fn product(isa: Isa, rows: FloatRows<'_>, floats: &[f32]) -> Vec<f32> {
    let tokens = floats.len() / rows.columns();
    let mut out = vec![f32::NAN; rows.rows() * tokens];
    let pool = Pool::new(1, "test").unwrap();
    multiply(&pool, isa, &[Operand::Floats(rows)], Input { floats, bytes: None, tokens }, &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A sum of n products has at most n + 16 roundings on its way (16: lanes that are added up),
    /// and two per product where there is no fused instruction; what underflows is less than the
    /// smallest number for each.
    #[test]
    fn numbers_of_every_magnitude(
        number in 0..ALL.len(), count in 1..35_usize, columns in 1..90_usize,
        tokens in 1..34_usize, seed: u32,
    ) {
        let (number, mut noise) = (ALL[number], Noise(seed));
        let least = if number == Number::F16 { -26 } else { -150 };
        let most = if number == Number::F16 { 15 } else { 50 };
        let weights: Vec<f32> = (0..count * columns).map(|_| noise.spread(least, most)).collect();
        let floats: Vec<f32> = (0..tokens * columns).map(|_| noise.spread(-150, 50)).collect();
        let bytes = stored(number, &weights);
        let rows = FloatRows::new(&bytes, number, count, columns);
        let roundings = (2 * columns + 16) as f64 * ROUNDING;
        for isa in Isa::available() {
            let found = product(isa, rows, &floats);
            let mut weights = vec![0.0; columns];
            for r in 0..count {
                rows.expand_row(r, &mut weights);
                for (t, token) in floats.chunks(columns).enumerate() {
                    let ((sum, size), found) = (dot(&weights, token), found[t * count + r]);
                    let most = roundings * size + columns as f64 * f64::from(f32::from_bits(1));
                    prop_assert!(
                        (f64::from(found) - sum).abs() <= most,
                        "{number:?}, {isa}, row {r}, token {t}: {found:e} is not {sum:e}"
                    );
                }
            }
        }
    }

    /// Small whole numbers: no level may differ from f64 in any bit.
    #[test]
    fn whole_numbers_are_multiplied_exactly(
        number in 0..ALL.len(), count in 1..35_usize, columns in 1..1300_usize,
        tokens in 1..9_usize, seed: u32,
    ) {
        let (number, mut noise) = (ALL[number], Noise(seed));
        let mut whole = |len: usize| -> Vec<f32> {
            (0..len).map(|_| f32::from(noise.byte().cast_signed() / 2)).collect()
        };
        let (weights, floats) = (whole(count * columns), whole(tokens * columns));
        let bytes = stored(number, &weights);
        let rows = FloatRows::new(&bytes, number, count, columns);
        for isa in Isa::available() {
            let found = product(isa, rows, &floats);
            for (r, weights) in weights.chunks(columns).enumerate() {
                for (t, token) in floats.chunks(columns).enumerate() {
                    let ((sum, _), found) = (dot(weights, token), found[t * count + r]);
                    prop_assert!(f64::from(found) == sum, "{number:?}, {isa}: {found} is not {sum}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_number_spoils_its_row_or_its_token_and_no_other() {
    let (count, columns, tokens) = (9, 37, 7);
    for number in ALL {
        for (at, bad) in [(0, f32::NAN), (17, f32::INFINITY), (36, f32::NEG_INFINITY)] {
            let (mut weights, mut floats) =
                (vec![0.5; count * columns], vec![2.0; tokens * columns]);
            weights[4 * columns + at] = bad;
            floats[5 * columns + at] = bad;
            let bytes = stored(number, &weights);
            let rows = FloatRows::new(&bytes, number, count, columns);
            for isa in Isa::available() {
                for (i, found) in product(isa, rows, &floats).into_iter().enumerate() {
                    if i % count == 4 || i / count == 5 {
                        assert!(!found.is_finite(), "{number:?}, {isa}, {bad}: {found}");
                    } else {
                        assert_eq!(found.to_bits(), 37.0_f32.to_bits(), "{number:?}, {isa}");
                    }
                }
            }
        }
    }
}
