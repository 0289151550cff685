//! Some groups of a panel with its codes as bytes and its scales as floats: what many tokens are
//! multiplied with one after the other.

#![expect(unsafe_code, reason = "reads packed panels by offsets that their making has fixed")]

use std::arch::x86_64::{_mm512_set1_epi8, _mm512_store_si512, _mm512_sub_epi8};
use std::ops::Range;

use super::format::{Format, GROUP, SUPER_GROUPS, Sizes};
use super::product::{chunk, each_chunk, scales};
use crate::simd::{Simd, Zmm};

/// Most groups that are unpacked at once: with the activations of some tokens they stay in the
/// first cache. A multiple of those that share a scale of scales.
pub(super) const SEGMENT: usize = 32;

const _: () = assert!(SEGMENT.is_multiple_of(SUPER_GROUPS));

/// Four columns of all rows.
const CHUNK: usize = 4 * Zmm::LANES;

/// Up to [`SEGMENT`] groups of sixteen rows.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Unpacked {
    /// Signed: their offset is subtracted.
    codes: [[i8; CHUNK]; GROUP / 4 * SEGMENT],
    scales: [[f32; Zmm::LANES]; 2 * SEGMENT],
    minima: [[f32; Zmm::LANES]; 2 * SEGMENT],
}

impl Unpacked {
    /// Unpacks these groups of a panel to `to`, which need not be initialized.
    ///
    /// # Safety
    /// Those of [`Zmm`]; the panel has these groups, at most [`SEGMENT`], which begin where a scale
    /// of scales does. `to` is good for writing.
    #[inline(always)]
    pub(super) unsafe fn fill<F: Format>(to: *mut Self, panel: *const u8, groups: Range<usize>) {
        let sizes = const { Sizes::of::<F>(Zmm::LANES) };
        // SAFETY: offsets stay within the panel (see `Sizes::panel`) and within `to`, which has
        // eight chunks and two granules per group.
        unsafe {
            let offset = _mm512_set1_epi8(offset::<F>().cast_signed());
            let codes_to = (&raw mut (*to).codes).cast::<i8>();
            let scales_to = (&raw mut (*to).scales).cast::<f32>();
            let minima_to = (&raw mut (*to).minima).cast::<f32>();
            let mut at = panel.add(sizes.panel(groups.start));
            let (mut scale, mut least) = (Zmm::splat(0.0), Zmm::splat(0.0));
            for group in 0..groups.len() {
                if F::SUPER && group.is_multiple_of(SUPER_GROUPS) {
                    scale = Zmm::load_halves(at);
                    if F::MINIMA {
                        let halves = Zmm::load_halves(at.add(2 * Zmm::LANES));
                        least = Zmm::mul(halves, Zmm::splat(-1.0));
                    }
                    at = at.add(sizes.super_head);
                }
                let codes = at.add(sizes.head);
                each_chunk!(C => {
                    let to = codes_to.add((group * GROUP / 4 + C) * CHUNK);
                    let codes = _mm512_sub_epi8(chunk::<Zmm, F>(codes, C), offset);
                    _mm512_store_si512(to.cast(), codes);
                });
                for g in 0..GROUP / F::GRANULE {
                    let granule = group * (GROUP / F::GRANULE) + g;
                    let scales_here = scales::<Zmm, F>(at, g, scale);
                    Zmm::store(scales_to.add(granule * Zmm::LANES), scales_here);
                    if F::MINIMA {
                        let minima = scales::<Zmm, F>(at.add(sizes.scales), g, least);
                        Zmm::store(minima_to.add(granule * Zmm::LANES), minima);
                    }
                }
                at = codes.add(sizes.codes);
            }
        }
    }

    /// Where the codes of a granule are.
    ///
    /// # Safety
    /// `from` has been filled with this granule; so with the functions below.
    #[inline(always)]
    pub(super) unsafe fn codes<F: Format>(from: *const Self, granule: usize) -> *const i8 {
        // SAFETY: by the caller.
        unsafe { (&raw const (*from).codes).cast::<i8>().add(granule * F::GRANULE / 4 * CHUNK) }
    }

    /// The scales of a granule.
    #[inline(always)]
    pub(super) unsafe fn scales(from: *const Self, granule: usize) -> <Zmm as Simd>::Floats {
        // SAFETY: by the caller.
        unsafe {
            Zmm::load_floats((&raw const (*from).scales).cast::<[f32; 16]>().add(granule).cast())
        }
    }

    /// What is added for a granule, times the sum of its activations.
    #[inline(always)]
    pub(super) unsafe fn minima(from: *const Self, granule: usize) -> <Zmm as Simd>::Floats {
        // SAFETY: by the caller.
        unsafe {
            Zmm::load_floats((&raw const (*from).minima).cast::<[f32; 16]>().add(granule).cast())
        }
    }
}

/// What is subtracted from a code.
const fn offset<F: Format>() -> u8 {
    (if F::BITS == 8 { Zmm::EIGHT_BIT_OFFSET } else { F::OFFSET }) as u8
}
