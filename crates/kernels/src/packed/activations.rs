//! Rows of activations as bytes: 32 numbers share a scale, four tokens lie side by side.
//!
//! Of a quad of tokens, four neighbouring numbers of the first token are followed by those of the
//! second, third and fourth: a kernel walks over one stream, whatever the number of tokens.

use std::collections::TryReserveError;

use super::format::GROUP;
use crate::isa::{Isa, Level};

/// Tokens of a quad.
const QUAD: usize = 4;

/// Room for quantized rows.
#[derive(Debug, Default)]
pub struct Bytes {
    values: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<f32>,
    half_sums: Vec<f32>,
}

/// A quad's part of [`Bytes`], to be written.
#[derive(Debug)]
pub struct QuadMut<'a> {
    values: &'a mut [i8],
    scales: &'a mut [f32],
    sums: &'a mut [f32],
    half_sums: &'a mut [f32],
}

/// Where a quad's numbers begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quad {
    /// Per group 32 numbers of four tokens, four and four.
    pub(crate) bytes: *const i8,
    /// Per group the scales of four tokens.
    pub(crate) scales: *const f32,
    /// Per group and token the sum of its numbers, times the scale.
    pub(crate) sums: *const f32,
    /// The same for each half of a group.
    pub(crate) half_sums: *const f32,
}

/// Rows of activations to be multiplied.
#[derive(Debug, Clone, Copy)]
pub struct ByteRows<'a> {
    bytes: &'a Bytes,
    groups: usize,
    tokens: usize,
}

impl Bytes {
    /// Room for `tokens` rows of at most `columns` numbers. Memory is touched when it is used.
    ///
    /// # Errors
    /// When there is not that much memory.
    pub fn new(tokens: usize, columns: usize) -> Result<Self, TryReserveError> {
        let numbers = tokens.next_multiple_of(QUAD) * columns;
        let mut room = Self::default();
        room.values.try_reserve_exact(numbers)?;
        room.scales.try_reserve_exact(numbers / GROUP)?;
        room.sums.try_reserve_exact(numbers / GROUP)?;
        room.half_sums.try_reserve_exact(numbers / GROUP * 2)?;
        Ok(room)
    }

    /// The quads of `tokens` rows of `columns` numbers, a multiple of 32, each to be filled with
    /// [`QuadMut::set`]. Quads may be filled on different threads.
    pub fn quads_mut(
        &mut self,
        tokens: usize,
        columns: usize,
    ) -> impl Iterator<Item = QuadMut<'_>> {
        let groups = columns / GROUP;
        let numbers = tokens.next_multiple_of(QUAD) * columns;
        grow(&mut self.values, numbers);
        grow(&mut self.scales, numbers / GROUP);
        grow(&mut self.sums, numbers / GROUP);
        grow(&mut self.half_sums, numbers / GROUP * 2);
        let values = self.values.chunks_exact_mut((groups * GROUP * QUAD).max(1));
        let scales = self.scales.chunks_exact_mut((groups * QUAD).max(1));
        let sums = self.sums.chunks_exact_mut((groups * QUAD).max(1));
        let half_sums = self.half_sums.chunks_exact_mut((2 * groups * QUAD).max(1));
        values.zip(scales).zip(sums).zip(half_sums).map(|(((values, scales), sums), half_sums)| {
            QuadMut { values, scales, sums, half_sums }
        })
    }

    /// The first `tokens` rows, filled as rows of `columns` numbers.
    ///
    /// # Panics
    /// When there is no room for that many.
    pub fn rows(&self, tokens: usize, columns: usize) -> ByteRows<'_> {
        let numbers = tokens.checked_next_multiple_of(QUAD).and_then(|n| n.checked_mul(columns));
        let there = numbers.is_some_and(|numbers| numbers <= self.values.len());
        assert!(there, "{tokens} rows of {columns} have no room");
        assert!(columns.is_multiple_of(GROUP), "{columns} is no multiple of {GROUP}");
        ByteRows { bytes: self, groups: columns / GROUP, tokens }
    }
}

/// Room has been reserved: this only touches it.
fn grow<T: Clone + Default>(list: &mut Vec<T>, len: usize) {
    if list.len() < len {
        list.resize(len, T::default());
    }
}

impl QuadMut<'_> {
    /// Quantizes `row` as the quad's token `token` (0 to 3). Numbers that are not finite make
    /// their group's scale so: no product with it is finite.
    #[expect(unsafe_code, reason = "compiled for instructions that detection has proven")]
    pub fn set(&mut self, isa: Isa, token: usize, row: &[f32]) {
        match isa.level() {
            // SAFETY: an `Isa` of a level exists only where the processor has its instructions.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { zmm(self, token, row) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 | Level::AvxVnni => unsafe { ymm(self, token, row) },
            _ => self.quantize(token, row),
        }
    }

    #[inline(always)]
    fn quantize(&mut self, token: usize, row: &[f32]) {
        let fours = self.values.as_chunks_mut::<4>().0;
        for (group, numbers) in row.as_chunks::<GROUP>().0.iter().enumerate() {
            let quantized = quantize(numbers);
            let at = group * QUAD * GROUP / 4 + token;
            for (chunk, four) in quantized.values.as_chunks::<4>().0.iter().enumerate() {
                fours[at + chunk * QUAD] = *four;
            }
            let [low, high] = quantized.half_sums;
            self.scales[group * QUAD + token] = quantized.scale;
            self.sums[group * QUAD + token] = quantized.scale * (low + high) as f32;
            self.half_sums[2 * group * QUAD + token] = quantized.scale * low as f32;
            self.half_sums[(2 * group + 1) * QUAD + token] = quantized.scale * high as f32;
        }
    }
}

/// # Safety
/// AVX-512 F, BW and VL.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl")]
#[expect(unsafe_code, reason = "see above")]
unsafe fn zmm(quad: &mut QuadMut<'_>, token: usize, row: &[f32]) {
    quad.quantize(token, row);
}

/// # Safety
/// AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
#[expect(unsafe_code, reason = "see above")]
unsafe fn ymm(quad: &mut QuadMut<'_>, token: usize, row: &[f32]) {
    quad.quantize(token, row);
}

struct Quantized {
    values: [i8; GROUP],
    scale: f32,
    half_sums: [i32; 2],
}

#[inline(always)]
fn quantize(numbers: &[f32; GROUP]) -> Quantized {
    // As integers, magnitudes are ordered like floats, with infinity and not-a-number on top.
    let largest = numbers.iter().fold(0, |most, x| x.abs().to_bits().max(most));
    let largest = f32::from_bits(largest);
    let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    // Tiny numbers: their inverse overflows.
    let inverse = if inverse.is_finite() { inverse } else { 0.0 };
    let mut values = [0; GROUP];
    let mut half_sums = [0; 2];
    for (half, sum) in half_sums.iter_mut().enumerate() {
        for i in half * GROUP / 2..(half + 1) * GROUP / 2 {
            // Adding 1.5 * 2^23 rounds to the nearest whole number, ties to even.
            let rounded = (numbers[i] * inverse + 12_582_912.0).to_bits() as u8 as i8;
            values[i] = rounded;
            *sum += i32::from(rounded);
        }
    }
    Quantized { values, scale: largest / 127.0, half_sums }
}

impl ByteRows<'_> {
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// The quad that `token`, a multiple of four, begins; the last one for tokens beyond.
    pub(crate) fn quad(&self, token: usize) -> Quad {
        let quad = (token / QUAD).min(self.tokens.saturating_sub(1) / QUAD);
        let at = quad * self.groups * QUAD;
        Quad {
            bytes: self.bytes.values[at * GROUP..].as_ptr(),
            scales: self.bytes.scales[at..].as_ptr(),
            sums: self.bytes.sums[at..].as_ptr(),
            half_sums: self.bytes.half_sums[2 * at..].as_ptr(),
        }
    }
}
