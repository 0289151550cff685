//! Products of every format with every instruction set that this machine has, against f64.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use proptest::prelude::*;
use textport_kernels::{
    Blocks, Bytes, FloatRows, Input, Isa, Level, Number, Operand, Packed, Pool, multiply,
};

const ALL: [Blocks; 10] = [
    Blocks::Q4_0,
    Blocks::Q4_1,
    Blocks::Q5_0,
    Blocks::Q5_1,
    Blocks::Q8_0,
    Blocks::Q2K,
    Blocks::Q3K,
    Blocks::Q4K,
    Blocks::Q5K,
    Blocks::Q6K,
];

/// Bytes that look random and do not change.
struct Noise(u32);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 24) as u8
    }
}

/// Where a block has halves: its scale, and where it has one its minimum.
fn halves(blocks: Blocks) -> &'static [usize] {
    match blocks {
        Blocks::Q4_0 | Blocks::Q5_0 | Blocks::Q8_0 => &[0],
        Blocks::Q4_1 | Blocks::Q5_1 | Blocks::Q4K | Blocks::Q5K => &[0, 2],
        Blocks::Q2K => &[80, 82],
        Blocks::Q3K => &[108],
        Blocks::Q6K => &[208],
    }
}

/// Rows of blocks: all bits random but the halves, which are some of `scales`.
fn rows(blocks: Blocks, count: usize, columns: usize, seed: u32, scales: &[u16]) -> Vec<Vec<u8>> {
    let (width, bytes) = blocks.block();
    let mut noise = Noise(seed);
    let mut row = || {
        let mut row: Vec<u8> = (0..columns / width * bytes).map(|_| noise.byte()).collect();
        for block in row.chunks_mut(bytes) {
            for at in halves(blocks) {
                let scale = scales[usize::from(noise.byte()) % scales.len()];
                block[*at..at + 2].copy_from_slice(&scale.to_le_bytes());
            }
        }
        row
    };
    (0..count).map(|_| row()).collect()
}

fn pack(isa: Isa, blocks: Blocks, rows: &[Vec<u8>], columns: usize) -> Packed {
    let mut packed = Packed::zeroed(isa, blocks, rows.len(), columns).unwrap();
    let at_once = packed.panel_rows();
    for (panel, rows) in packed.panels_mut().zip(rows.chunks(at_once)) {
        panel.pack(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
    packed
}

/// Activations that bytes hold exactly: whole numbers up to 127, which is among every 32 of them,
/// times a power of two.
fn exact(tokens: usize, columns: usize, seed: u32) -> Vec<f32> {
    let mut noise = Noise(seed);
    let mut out = Vec::new();
    for group in 0..tokens * columns / 32 {
        let scale = [0.25, 1.0, 8.0][group % 3];
        let at = usize::from(noise.byte() % 32);
        for i in 0..32 {
            let value = (i32::from(noise.byte()) - 128).clamp(-127, 127);
            let value = if i == at { 127 } else { value };
            out.push(value as f32 * scale);
        }
    }
    out
}

fn quantize(isa: Isa, floats: &[f32], columns: usize) -> Bytes {
    let tokens = floats.len() / columns;
    let mut bytes = Bytes::new(tokens, columns).unwrap();
    let quads = bytes.quads_mut(tokens, columns);
    for (mut quad, rows) in quads.zip(floats.chunks(4 * columns)) {
        for (token, row) in rows.chunks(columns).enumerate() {
            quad.set(isa, token, row);
        }
    }
    bytes
}

fn product(pool: &Pool, isa: Isa, matrix: Operand<'_>, floats: &[f32], columns: usize) -> Vec<f32> {
    let tokens = floats.len() / columns;
    let whole = columns.is_multiple_of(32);
    let bytes = if whole { quantize(isa, floats, columns) } else { Bytes::default() };
    let rows = match matrix {
        Operand::Packed(packed) => packed.rows(),
        Operand::Floats(floats) => floats.rows(),
    };
    let mut out = vec![f32::NAN; rows * tokens];
    let bytes = whole.then(|| bytes.rows(tokens, columns));
    multiply(pool, isa, &[matrix], Input { floats, bytes, tokens }, &mut out);
    out
}

/// Sum of products, and of their magnitudes.
fn wanted(row: &[f32], token: &[f32]) -> (f64, f64) {
    let products = row.iter().zip(token).map(|(w, x)| f64::from(*w) * f64::from(*x));
    products.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()))
}

fn check(blocks: Blocks, count: usize, columns: usize, tokens: usize, seed: u32, scales: &[u16]) {
    let stored = rows(blocks, count, columns, seed, scales);
    let floats = exact(tokens, columns, seed + 1);
    let pool = Pool::new(2, "test").unwrap();
    for isa in Isa::available() {
        let packed = pack(isa, blocks, &stored, columns);
        let found = product(&pool, isa, Operand::Packed(&packed), &floats, columns);
        let (mut row, mut again) = (vec![0.0; columns], vec![0.0; columns]);
        for (r, stored) in stored.iter().enumerate() {
            blocks.expand(stored, &mut row);
            packed.expand_row(r, &mut again);
            assert_eq!(row, again, "{blocks:?}, {isa}: row {r} is not what was packed");
            for (t, token) in floats.chunks(columns).enumerate() {
                let (sum, size) = wanted(&row, token);
                // Offsets and minima are summed apart: their size counts as well.
                let largest = row.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
                let size = size
                    + f64::from(largest) * token.iter().map(|x| f64::from(x.abs())).sum::<f64>();
                let found = f64::from(found[t * count + r]);
                assert!(
                    (found - sum).abs() <= 4e-6 * size + 1e-30,
                    "{blocks:?}, {isa}, row {r}, token {t}: {found} is not {sum}"
                );
            }
        }
        for (t, token) in floats.chunks(columns).enumerate() {
            let alone = product(&pool, isa, Operand::Packed(&packed), token, columns);
            for (alone, together) in alone.iter().zip(&found[t * count..]) {
                assert_eq!(alone.to_bits(), together.to_bits(), "{blocks:?}, {isa}, token {t}");
            }
        }
    }
}

/// 0.0123, -0.045, 1, the smallest half there is, zero.
const SCALES: [u16; 5] = [0x224c, 0xa9c3, 0x3c00, 0x0001, 0x0000];
/// The largest halves.
const LARGE: [u16; 2] = [0x7bff, 0xfbff];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn packed_products_are_exact(
        format in 0..ALL.len(), count in 1..40_usize, blocks in 1..4_usize,
        tokens in 1..29_usize, seed: u32,
    ) {
        let (width, _) = ALL[format].block();
        let columns = if width == 32 { blocks * 3 * 32 } else { blocks * 256 };
        check(ALL[format], count, columns, tokens, seed >> 1, &SCALES);
    }

    #[test]
    fn products_of_numbers_are_right(
        number in 0..3_usize, count in 1..40_usize, columns in 1..2500_usize, tokens in 1..15_usize,
        seed: u32,
    ) {
        check_numbers([Number::F32, Number::F16, Number::Bf16][number], count, columns, tokens, seed);
    }
}

#[test]
fn every_format_and_every_count_of_tokens() {
    for blocks in ALL {
        for tokens in [1, 2, 3, 4, 5, 8, 12, 13, 16, 25] {
            check(blocks, 19, 512, tokens, 7, &SCALES);
        }
        check(blocks, 3, 256, 2, 9, &LARGE);
    }
}

/// Many tokens go through tiles a segment of columns at a time, one token through vectors.
#[test]
fn tiles_give_the_same_bits_as_vectors() {
    let (Ok(vectors), Ok(tiles)) = (Isa::new(Level::Avx512), Isa::new(Level::Amx)) else { return };
    let pools = [1, 2, 3].map(|threads| Pool::new(threads, "test").unwrap());
    for blocks in ALL {
        let (width, _) = blocks.block();
        for (count, columns) in [(1, width), (16, 1024), (19, 1024 + width), (50, 2304)] {
            let stored = rows(blocks, count, columns, 11, &SCALES);
            let [first, second] = [vectors, tiles].map(|isa| pack(isa, blocks, &stored, columns));
            let mut noise = Noise(12);
            let mut number = || (f32::from(noise.byte()) - 127.3) * f32::from(noise.byte());
            let floats: Vec<f32> = (0..40 * columns).map(|_| number()).collect();
            let alone = floats.chunks(columns).flat_map(|token| {
                product(&pools[0], vectors, Operand::Packed(&first), token, columns)
            });
            let alone: Vec<u32> = alone.map(f32::to_bits).collect();
            for tokens in 1..=40 {
                let (pool, floats) = (&pools[tokens % 3], &floats[..tokens * columns]);
                let found = product(pool, tiles, Operand::Packed(&second), floats, columns);
                let found: Vec<u32> = found.into_iter().map(f32::to_bits).collect();
                let shape = format!("{blocks:?}, {count} x {columns}, {tokens} tokens");
                assert!(found == alone[..tokens * count], "{shape}");
            }
        }
    }
}

#[test]
fn rounding_loses_no_more_than_half_a_step() {
    let columns = 512;
    let mut noise = Noise(5);
    let floats: Vec<f32> =
        (0..columns).map(|_| (f32::from(noise.byte()) - 127.3) * 0.013).collect();
    let pool = Pool::new(1, "test").unwrap();
    for isa in Isa::available() {
        for blocks in ALL {
            let stored = rows(blocks, 5, columns, 3, &SCALES[..1]);
            let packed = pack(isa, blocks, &stored, columns);
            let found = product(&pool, isa, Operand::Packed(&packed), &floats, columns);
            let mut row = vec![0.0; columns];
            for (stored, found) in stored.iter().zip(found) {
                blocks.expand(stored, &mut row);
                let (sum, size) = wanted(&row, &floats);
                let steps = row.chunks(32).zip(floats.chunks(32)).map(|(row, group)| {
                    let largest = group.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
                    row.iter().map(|w| f64::from(w.abs())).sum::<f64>() * f64::from(largest) / 254.0
                });
                let most = steps.sum::<f64>() + 1e-4 * size;
                assert!((f64::from(found) - sum).abs() <= most, "{blocks:?}, {isa}");
            }
        }
    }
}

#[test]
fn what_is_not_finite_reaches_every_product() {
    let columns = 256;
    let pool = Pool::new(1, "test").unwrap();
    for isa in Isa::available() {
        for blocks in ALL {
            let stored = rows(blocks, 3, columns, 3, &SCALES[..1]);
            let packed = pack(isa, blocks, &stored, columns);
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut floats = exact(2, columns, 4);
                floats[columns + 77] = bad;
                let found = product(&pool, isa, Operand::Packed(&packed), &floats, columns);
                assert!(found[..3].iter().all(|x| x.is_finite()), "{blocks:?}, {isa}");
                assert!(found[3..].iter().all(|x| !x.is_finite()), "{blocks:?}, {isa}, {bad}");
            }
            // Not a number as a scale.
            let mut stored = stored;
            stored[1][halves(blocks)[0]..][..2].copy_from_slice(&0x7e00_u16.to_le_bytes());
            let packed = pack(isa, blocks, &stored, columns);
            let found =
                product(&pool, isa, Operand::Packed(&packed), &exact(1, columns, 4), columns);
            assert!(found[0].is_finite() && found[1].is_nan(), "{blocks:?}, {isa}");
        }
    }
}

#[test]
fn tiny_activations_are_no_nonsense() {
    let columns = 256;
    let pool = Pool::new(1, "test").unwrap();
    for isa in Isa::available() {
        let stored = rows(Blocks::Q8_0, 3, columns, 3, &SCALES[..1]);
        let packed = pack(isa, Blocks::Q8_0, &stored, columns);
        for tiny in [0.0, 1e-45, 1e-40, 1e-37] {
            let floats = vec![tiny; columns];
            let found = product(&pool, isa, Operand::Packed(&packed), &floats, columns);
            assert!(found.iter().all(|x| x.abs() < 1e-30), "{isa}, {tiny}: {found:?}");
        }
    }
}

fn check_numbers(number: Number, count: usize, columns: usize, tokens: usize, seed: u32) {
    let mut noise = Noise(seed);
    let mut random = |len: usize| -> Vec<f32> {
        (0..len).map(|_| (f32::from(noise.byte()) - 127.5) / 64.0).collect()
    };
    let (weights, floats) = (random(count * columns), random(tokens * columns));
    let bytes: Vec<u8> = weights
        .iter()
        .flat_map(|x| match number {
            Number::F32 => x.to_le_bytes().to_vec(),
            Number::F16 => half::f16::from_f32(*x).to_le_bytes().to_vec(),
            Number::Bf16 => half::bf16::from_f32(*x).to_le_bytes().to_vec(),
        })
        .collect();
    let matrix = FloatRows::new(&bytes, number, count, columns);
    let pool = Pool::new(2, "test").unwrap();
    for isa in Isa::available() {
        let found = product(&pool, isa, Operand::Floats(matrix), &floats, columns);
        let mut row = vec![0.0; columns];
        for r in 0..count {
            matrix.expand_row(r, &mut row);
            for (t, token) in floats.chunks(columns).enumerate() {
                let (sum, size) = wanted(&row, token);
                let found = f64::from(found[t * count + r]);
                assert!(
                    (found - sum).abs() <= 1e-6 * size,
                    "{number:?}, {isa}: {found} is not {sum}"
                );
            }
        }
        for (t, token) in floats.chunks(columns).enumerate() {
            let alone = product(&pool, isa, Operand::Floats(matrix), token, columns);
            for (alone, together) in alone.iter().zip(&found[t * count..]) {
                assert_eq!(alone.to_bits(), together.to_bits(), "{number:?}, {isa}, token {t}");
            }
        }
    }
}

/// Whether it is refused, with a panic.
fn refused<T>(call: impl FnOnce() -> T) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err()
}

#[test]
fn sizes_that_wrap_around_are_refused() {
    let pool = Pool::new(1, "test").unwrap();
    let isa = Isa::best();
    assert!(refused(|| FloatRows::new(&[], Number::F32, 4, 1 << 62)));
    assert!(refused(|| Packed::zeroed(isa, Blocks::Q4_0, 1 << 40, 1 << 40)));
    let nothing = Bytes::default();
    assert!(refused(|| nothing.rows(usize::MAX, 32)));
    let rows = Operand::Floats(FloatRows::new(&[], Number::F32, 1 << 62, 0));
    let input = Input { floats: &[], bytes: None, tokens: 4 };
    assert!(refused(|| multiply(&pool, isa, &[rows], input, &mut [])));
    let bytes = [0; 64];
    let rows = Operand::Floats(FloatRows::new(&bytes, Number::F32, 4, 4));
    let short = Input { floats: &[0.0; 7], bytes: None, tokens: 2 };
    assert!(refused(|| multiply(&pool, isa, &[rows], short, &mut [0.0; 8])));
}
