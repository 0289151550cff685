//! Matrices and activations that are made up, and their products.

use textport_kernels::{Blocks, Bytes, Input, Isa, Operand, Packed, Pool, multiply};

/// A half of an f32's last place: what a rounding may change a number by, relatively.
pub(crate) const ROUNDING: f64 = 1.0 / (1 << 24) as f64;

/// Every block format.
pub(crate) const ALL: [Blocks; 10] = [
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

/// Numbers that look random and do not change.
pub(crate) struct Noise(pub(crate) u32);

impl Noise {
    pub(crate) fn bits(&mut self) -> u32 {
        let mut next = || {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            self.0 >> 16
        };
        next() << 16 | next()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        (self.bits() >> 24) as u8
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.bits() as usize % end
    }

    /// From -1 to 1.
    pub(crate) fn float(&mut self) -> f32 {
        (self.bits() >> 8) as f32 / 8_388_608.0 - 1.0
    }

    /// Any sign and digits, an exponent from `least` on and below `most`; below -126 denormal, and
    /// zero from -150 on.
    pub(crate) fn spread(&mut self, least: i32, most: i32) -> f32 {
        let exponent = least + self.below((most - least) as usize) as i32;
        let digits = 1.0 + f64::from(self.float().abs());
        let sign = if self.byte() & 1 == 0 { 1.0 } else { -1.0 };
        (sign * digits * f64::from(exponent).exp2()) as f32
    }
}

/// Where a block has halves: its scale, and where it has one its minimum.
pub(crate) fn halves(blocks: Blocks) -> &'static [usize] {
    match blocks {
        Blocks::Q4_0 | Blocks::Q5_0 | Blocks::Q8_0 => &[0],
        Blocks::Q4_1 | Blocks::Q5_1 | Blocks::Q4K | Blocks::Q5K => &[0, 2],
        Blocks::Q2K => &[80, 82],
        Blocks::Q3K => &[108],
        Blocks::Q6K => &[208],
    }
}

/// A row of blocks: bytes from `byte`, halves from `half`.
pub(crate) fn row(
    blocks: Blocks,
    columns: usize,
    mut byte: impl FnMut() -> u8,
    mut half: impl FnMut() -> u16,
) -> Vec<u8> {
    let (width, bytes) = blocks.block();
    let mut row: Vec<u8> = (0..columns / width * bytes).map(|_| byte()).collect();
    for block in row.chunks_mut(bytes) {
        for at in halves(blocks) {
            block[*at..at + 2].copy_from_slice(&half().to_le_bytes());
        }
    }
    row
}

pub(crate) fn pack(isa: Isa, blocks: Blocks, rows: &[Vec<u8>], columns: usize) -> Packed {
    let mut packed = Packed::zeroed(isa, blocks, rows.len(), columns).unwrap();
    let at_once = packed.panel_rows();
    for (panel, rows) in packed.panels_mut().zip(rows.chunks(at_once)) {
        panel.pack(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
    packed
}

pub(crate) fn quantize(isa: Isa, floats: &[f32], columns: usize) -> Bytes {
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

/// All products with packed rows, those of a token side by side.
pub(crate) fn product(pool: &Pool, isa: Isa, packed: &Packed, floats: &[f32]) -> Vec<f32> {
    let tokens = floats.len() / packed.columns();
    let bytes = quantize(isa, floats, packed.columns());
    let bytes = Some(bytes.rows(tokens, packed.columns()));
    let mut out = vec![f32::NAN; packed.rows() * tokens];
    multiply(pool, isa, &[Operand::Packed(packed)], Input { floats, bytes, tokens }, &mut out);
    out
}

/// A dot product, and the sum of its products' magnitudes.
pub(crate) fn dot(row: &[f32], token: &[f32]) -> (f64, f64) {
    let products = row.iter().zip(token).map(|(w, x)| f64::from(*w) * f64::from(*x));
    products.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()))
}
