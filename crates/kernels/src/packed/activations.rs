//! Rows of activations as bytes: 32 numbers share a scale, and some tokens lie side by side.
//!
//! The 32 numbers of one token are followed by those of the next: a kernel walks over one stream,
//! whatever the number of tokens. Side by side lie four tokens, or sixteen where there are more
//! than four: as many as a tile has rows.

#![expect(unsafe_code, reason = "compiled for proven instructions; quads write side by side")]

use std::collections::TryReserveError;
use std::marker::PhantomData;

use super::format::GROUP;
use crate::isa::{Isa, Level};

/// Tokens of a quad, which are quantized together.
pub(super) const QUAD: usize = 4;
/// Most tokens that lie side by side.
pub(super) const BLOCK: usize = 16;

/// How many tokens lie side by side, of so many.
fn side_by_side(tokens: usize) -> usize {
    if tokens <= QUAD { QUAD } else { BLOCK }
}

/// The groups of two tokens: a cache line, so that no group lies in two.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read by pointers")] [[i8; GROUP]; 2]);

/// Room for quantized rows.
#[derive(Debug, Default)]
pub struct Bytes {
    values: Vec<Line>,
    scales: Vec<f32>,
    sums: Vec<f32>,
    half_sums: Vec<f32>,
    plain_sums: Vec<f32>,
    plain_half_sums: Vec<f32>,
    /// Tokens that lie side by side.
    step: usize,
}

/// A quad's part of [`Bytes`], to be written.
#[derive(Debug)]
pub struct QuadMut<'a> {
    values: *mut [i8; GROUP],
    scales: *mut f32,
    sums: *mut f32,
    half_sums: *mut f32,
    plain_sums: *mut f32,
    plain_half_sums: *mut f32,
    groups: usize,
    step: usize,
    room: PhantomData<&'a mut Bytes>,
}
// SAFETY: a quad has its numbers for itself, as a slice would have them.
unsafe impl Send for QuadMut<'_> {}

/// Where a quad's numbers begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quad {
    /// Per group and token 32 numbers.
    pub(crate) bytes: *const [i8; GROUP],
    /// Per group and token the scale.
    pub(crate) scales: *const f32,
    /// Per group and token the sum of its numbers, times the scale.
    pub(crate) sums: *const f32,
    /// The same for each half of a group, all tokens' first halves first.
    pub(crate) half_sums: *const f32,
    /// Sums as they are, without the scale: whole numbers.
    pub(crate) plain_sums: *const f32,
    /// Those of halves.
    pub(crate) plain_half_sums: *const f32,
    /// Tokens from one group to the next, or from one half to the other.
    pub(crate) step: usize,
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
        let groups = tokens.next_multiple_of(side_by_side(tokens)) * (columns / GROUP);
        let mut room = Self::default();
        room.values.try_reserve_exact(groups / 2)?;
        room.scales.try_reserve_exact(groups)?;
        room.sums.try_reserve_exact(groups)?;
        room.half_sums.try_reserve_exact(2 * groups)?;
        room.plain_sums.try_reserve_exact(groups)?;
        room.plain_half_sums.try_reserve_exact(2 * groups)?;
        Ok(room)
    }

    /// The quads of `tokens` rows of `columns` numbers, a multiple of 32, each to be filled with
    /// [`QuadMut::set`]. Quads may be filled on different threads.
    pub fn quads_mut(
        &mut self,
        tokens: usize,
        columns: usize,
    ) -> impl Iterator<Item = QuadMut<'_>> {
        let (groups, step) = (columns / GROUP, side_by_side(tokens));
        let all = tokens.checked_next_multiple_of(step).and_then(|n| n.checked_mul(groups));
        assert!(all.is_some(), "{tokens} rows of {columns} are too large");
        let all = all.unwrap_or(0);
        self.step = step;
        grow(&mut self.values, all / 2, Line([[0; GROUP]; 2]));
        grow(&mut self.scales, all, 0.0);
        grow(&mut self.sums, all, 0.0);
        grow(&mut self.half_sums, 2 * all, 0.0);
        grow(&mut self.plain_sums, all, 0.0);
        grow(&mut self.plain_half_sums, 2 * all, 0.0);
        let values: *mut [i8; GROUP] = self.values.as_mut_ptr().cast();
        let first = QuadMut {
            values,
            scales: self.scales.as_mut_ptr(),
            sums: self.sums.as_mut_ptr(),
            half_sums: self.half_sums.as_mut_ptr(),
            plain_sums: self.plain_sums.as_mut_ptr(),
            plain_half_sums: self.plain_half_sums.as_mut_ptr(),
            groups,
            step,
            room: PhantomData,
        };
        (0..tokens.div_ceil(QUAD)).map(move |quad| {
            // SAFETY: there is room for all blocks that have a token, and a quad begins within
            // its block. Every quad is made once.
            unsafe { first.later(quad) }
        })
    }

    /// The first `tokens` rows, filled as rows of `columns` numbers.
    ///
    /// # Panics
    /// When there is no room for that many.
    pub fn rows(&self, tokens: usize, columns: usize) -> ByteRows<'_> {
        let all = tokens.checked_next_multiple_of(self.step.max(1));
        let all = all.and_then(|n| n.checked_mul(columns / GROUP));
        let there = all.is_some_and(|all| all <= self.scales.len());
        assert!(there, "{tokens} rows of {columns} have no room");
        assert!(columns.is_multiple_of(GROUP), "{columns} is no multiple of {GROUP}");
        // Tiles read whole blocks.
        let alike = side_by_side(tokens) <= self.step.max(QUAD);
        assert!(alike, "{tokens} rows, but they were filled as at most {QUAD}");
        ByteRows { bytes: self, groups: columns / GROUP, tokens }
    }
}

/// Room has been reserved: this only touches it.
fn grow<T: Clone>(list: &mut Vec<T>, len: usize, zero: T) {
    if list.len() < len {
        list.resize(len, zero);
    }
}

impl QuadMut<'_> {
    /// So many quads later. No number is of two quads: they differ in the block, or in the token.
    ///
    /// # Safety
    /// There is room for that quad, and it is not made twice.
    unsafe fn later(&self, quads: usize) -> Self {
        let Self { groups, step, room, .. } = *self;
        let (block, token) = (quads * QUAD / step * step * groups, quads * QUAD % step);
        // SAFETY: by the caller.
        unsafe {
            Self {
                values: self.values.add(block + token),
                scales: self.scales.add(block + token),
                sums: self.sums.add(block + token),
                half_sums: self.half_sums.add(2 * block + token),
                plain_sums: self.plain_sums.add(block + token),
                plain_half_sums: self.plain_half_sums.add(2 * block + token),
                groups,
                step,
                room,
            }
        }
    }

    /// Quantizes `row` as the quad's token `token` (0 to 3). Numbers that are not finite make
    /// their group's scale so: no product with it is finite.
    ///
    /// # Panics
    /// When the row is longer than the quad's, or there is no such token.
    pub fn set(&mut self, isa: Isa, token: usize, row: &[f32]) {
        match isa.level() {
            // SAFETY: an `Isa` of a level exists only where the processor has its instructions.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Amx => unsafe { zmm(self, token, row) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 | Level::AvxVnni => unsafe { ymm(self, token, row) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Level::Neon | Level::NeonDotprod => unsafe { neon(self, token, row) },
            _ => self.quantize(token, row),
        }
    }

    #[inline(always)]
    fn quantize(&mut self, token: usize, row: &[f32]) {
        let groups = row.as_chunks::<GROUP>().0;
        assert!(token < QUAD && groups.len() <= self.groups, "no place for token {token}");
        for (group, numbers) in groups.iter().enumerate() {
            let Quantized { values, scale, half_sums: [low, high] } = quantize(numbers);
            let (at, half) = (group * self.step + token, 2 * group * self.step + token);
            // SAFETY: the quad's token and group exist (checked); these numbers are its own.
            unsafe {
                *self.values.add(at) = values;
                *self.scales.add(at) = scale;
                *self.sums.add(at) = scale * (low + high) as f32;
                *self.half_sums.add(half) = scale * low as f32;
                *self.half_sums.add(half + self.step) = scale * high as f32;
                *self.plain_sums.add(at) = (low + high) as f32;
                *self.plain_half_sums.add(half) = low as f32;
                *self.plain_half_sums.add(half + self.step) = high as f32;
            }
        }
    }
}

/// # Safety
/// AVX-512 F, BW and VL.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl")]
unsafe fn zmm(quad: &mut QuadMut<'_>, token: usize, row: &[f32]) {
    quad.quantize(token, row);
}

/// # Safety
/// AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn ymm(quad: &mut QuadMut<'_>, token: usize, row: &[f32]) {
    quad.quantize(token, row);
}

/// # Safety
/// NEON.
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
unsafe fn neon(quad: &mut QuadMut<'_>, token: usize, row: &[f32]) {
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
        let step = self.bytes.step;
        let token = (token / QUAD).min(self.tokens.saturating_sub(1) / QUAD) * QUAD;
        let (block, token) = (token / step * step * self.groups, token % step);
        Quad {
            bytes: self.bytes.values[block / 2..]
                .as_ptr()
                .cast::<[i8; GROUP]>()
                .wrapping_add(token),
            scales: self.bytes.scales[block + token..].as_ptr(),
            sums: self.bytes.sums[block + token..].as_ptr(),
            half_sums: self.bytes.half_sums[2 * block + token..].as_ptr(),
            plain_sums: self.bytes.plain_sums[block + token..].as_ptr(),
            plain_half_sums: self.bytes.plain_half_sums[2 * block + token..].as_ptr(),
            step,
        }
    }
}
