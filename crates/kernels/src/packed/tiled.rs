//! Products of panels with blocks of tokens, by tiles of AMX.
//!
//! A tile takes a granule of the columns, of sixteen rows and a block of tokens, to integers. From
//! there on every token goes through the same floating point operations in the same order as in
//! the other kernels, and sums of integers are exact: the results are the same bits.
//!
//! Tiles take their time, so they are two granules ahead of the floats, from one block and panel
//! to the next as well.

#![expect(unsafe_code, reason = "reads packed panels by offsets that their making has fixed")]

use std::arch::asm;
use std::arch::x86_64::*;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use super::activations::{BLOCK, ByteRows, QUAD};
use super::format::{Format, GROUP};
use super::product::Out;
use super::unpacked::{SEGMENT, Unpacked};
use super::weigh::{Granule, weigh, weigh_half, weigh_half_with_minima, weigh_with_minima};
use crate::simd::{Products, Simd, TILE_TOKENS, Tiles, Zmm};

/// Fewest tokens that pay for unpacking. They must lie in blocks.
const LEAST: usize = 32;
/// Panels that are multiplied with a block of tokens before the next block: what they write lies
/// side by side.
const TOGETHER: usize = 4;

const _: () = assert!(LEAST > QUAD && BLOCK == TILE_TOKENS);

/// Whether so many tokens are multiplied by tiles.
pub(super) fn pays(tokens: usize) -> bool {
    tokens >= LEAST
}

/// Panels one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panels {
    pub(super) first: *const u8,
    pub(super) bytes: usize,
    pub(super) count: usize,
}

/// What is computed on the way.
#[repr(C, align(64))]
struct Scratch {
    unpacked: [Unpacked; TOGETHER],
    /// Of the granule whose floats are next, and of the one after.
    products: [Products; 2],
}

/// Products of the panels with all tokens; `out.rows` is the number of rows of all these panels.
///
/// # Safety
/// Those of [`Zmm`] and [`Tiles`]; the panels have as many groups as the rows of activations, of
/// which there are more than a quad, and `out` is good for every token.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn multiply<F: Format>(panels: Panels, activations: &ByteRows<'_>, out: Out) {
    let groups = activations.groups();
    let mut scratch = MaybeUninit::<Scratch>::uninit();
    // SAFETY: by the caller.
    let tiles = unsafe { Tiles::new(F::GRANULE) };
    let mut start = 0;
    loop {
        let end = groups.min(start + SEGMENT);
        for first in (0..panels.count).step_by(TOGETHER) {
            let together = TOGETHER.min(panels.count - first);
            let task = Task::<'_, F> {
                tiles: &tiles,
                scratch: scratch.as_mut_ptr(),
                activations,
                groups: start..end,
                together,
                out: Out {
                    at: out.at.wrapping_add(first * Zmm::LANES),
                    rows: out.rows - first * Zmm::LANES,
                    ..out
                },
                format: PhantomData,
            };
            // SAFETY: these panels exist; a segment begins at a multiple of eight.
            unsafe {
                for panel in 0..together {
                    let from = panels.first.add((first + panel) * panels.bytes);
                    Unpacked::fill::<F>(task.unpacked(panel), from, start..end);
                }
                task.run();
            }
        }
        start = end;
        if start >= groups {
            return;
        }
    }
}

/// Some groups of a few panels, to be multiplied with all tokens.
struct Task<'a, F> {
    tiles: &'a Tiles,
    scratch: *mut Scratch,
    activations: &'a ByteRows<'a>,
    groups: Range<usize>,
    together: usize,
    out: Out,
    format: PhantomData<F>,
}

/// A granule of a block and a panel.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Counts panels of the first block, then those of the second, and so on.
    pair: usize,
    granule: usize,
    /// Activations of the block.
    bytes: *const i8,
    unpacked: *const Unpacked,
}

impl<F: Format> Task<'_, F> {
    const PER_GROUP: usize = GROUP / F::GRANULE;

    fn granules(&self) -> usize {
        self.groups.len() * Self::PER_GROUP
    }

    fn pairs(&self) -> usize {
        self.activations.tokens().div_ceil(BLOCK) * self.together
    }

    /// Where a panel is unpacked to.
    fn unpacked(&self, panel: usize) -> *mut Unpacked {
        // Within the scratch.
        self.scratch.cast::<Unpacked>().wrapping_add(panel)
    }

    /// Where products are written to, in turn.
    fn products(&self, turn: usize) -> *mut Products {
        // SAFETY: an offset within the scratch.
        unsafe { (&raw mut (*self.scratch).products).cast::<Products>().wrapping_add(turn % 2) }
    }

    /// The first granule of a pair.
    fn place(&self, pair: usize) -> Place {
        let quad = self.activations.quad(pair / self.together * BLOCK);
        let bytes = quad.bytes.wrapping_add(self.groups.start * BLOCK).cast();
        Place { pair, granule: 0, bytes, unpacked: self.unpacked(pair % self.together) }
    }

    /// Begins the products of a granule, of which there are some, and writes those that were begun
    /// before to `out`. Goes on to the next granule; behind the last one it stays.
    ///
    /// # Safety
    /// Those of [`Tiles::next`]; the panels are unpacked.
    #[inline(always)]
    unsafe fn next(&self, place: &mut Place, out: *mut Products) {
        let (group, part) = (place.granule / Self::PER_GROUP, place.granule % Self::PER_GROUP);
        // SAFETY: a group of a block has the numbers of all its tokens, the panel's are unpacked.
        unsafe {
            let bytes = place.bytes.add(group * BLOCK * GROUP + part * F::GRANULE);
            let codes = Unpacked::codes::<F>(place.unpacked, place.granule);
            self.tiles.next(bytes, GROUP, codes, out);
        }
        if place.granule + 1 < self.granules() {
            place.granule += 1;
        } else if place.pair + 1 < self.pairs() {
            *place = self.place(place.pair + 1);
        }
    }

    /// Adds the products of all tokens to what earlier groups have left in `out`.
    ///
    /// # Safety
    /// Those of [`multiply`]; the panels are unpacked.
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    unsafe fn run(&self) {
        // SAFETY: by the caller; turns alternate, so that what is written is not what is read.
        unsafe {
            let (mut ahead, mut turn) = (self.place(0), 0);
            if self.granules() > 0 {
                self.next(&mut ahead, self.products(1));
                self.next(&mut ahead, self.products(0));
            }
            for pair in 0..self.pairs() {
                let tokens = self.activations.tokens() - pair / self.together * BLOCK;
                if tokens > BLOCK / 2 {
                    self.pair::<BLOCK>(pair, &mut ahead, &mut turn);
                } else {
                    self.pair::<{ BLOCK / 2 }>(pair, &mut ahead, &mut turn);
                }
            }
        }
    }

    /// The same for a block, or its first half, and a panel. `ahead` is two granules further.
    ///
    /// # Safety
    /// As above; products of the first granule are written, those of the second are begun.
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
    #[inline]
    unsafe fn pair<const T: usize>(&self, pair: usize, ahead: &mut Place, turn: &mut usize) {
        let (block, panel) = (pair / self.together, pair % self.together);
        let (first, done) = (block * BLOCK, panel * Zmm::LANES);
        let tokens = (self.activations.tokens() - first).min(T);
        let mask = ((1_u32 << (self.out.rows - done).min(Zmm::LANES)) - 1) as __mmask16;
        let to = |t: usize| self.out.at.wrapping_add((first + t) * self.out.stride + done);
        let quad = self.activations.quad(first);
        let unpacked = self.unpacked(panel).cast_const();
        let from = self.groups.start;
        let sums = if Self::PER_GROUP == 1 { quad.sums } else { quad.half_sums };
        let mut totals = [_mm512_setzero_ps(); BLOCK];
        // SAFETY: the block has its tokens in all its groups, so offsets stay within it; the
        // panel is unpacked; `out` is good for these tokens and rows.
        unsafe {
            for (t, total) in totals.iter_mut().enumerate().take(T) {
                if t < tokens {
                    // Written when the block is done: by then the line is there.
                    asm!("prefetchw [{}]", in(reg) to(t), options(nostack, preserves_flags));
                    if from > 0 {
                        *total = _mm512_maskz_loadu_ps(mask, to(t));
                    }
                }
            }
            for granule in 0..self.granules() {
                self.next(ahead, self.products(*turn + 1));
                let granule = Granule {
                    weights: Unpacked::scales(unpacked, granule),
                    minima: if F::MINIMA {
                        Unpacked::minima(unpacked, granule)
                    } else {
                        _mm512_setzero_ps()
                    },
                    scales: quad.scales.add((from + granule / Self::PER_GROUP) * BLOCK),
                    sums: sums.add((from * Self::PER_GROUP + granule) * BLOCK),
                    products: self.products(*turn),
                };
                match (T == BLOCK, F::MINIMA) {
                    (true, true) => weigh_with_minima(&mut totals, granule),
                    (true, false) => weigh(&mut totals, granule),
                    (false, true) => weigh_half_with_minima(&mut totals, granule),
                    (false, false) => weigh_half(&mut totals, granule),
                }
                *turn += 1;
            }
            for (t, total) in totals.into_iter().enumerate().take(T) {
                if t < tokens {
                    _mm512_mask_storeu_ps(to(t), mask, total);
                }
            }
        }
    }
}
