//! Products of a panel of packed rows with some tokens.
//!
//! The codes of four columns of all rows are one vector; four activations of a token, the same for
//! every row, are multiplied with them and added up as integers, which is exact. After each
//! granule the integers become floats and take their scales. The floats of a row and a token are
//! summed in the order of the columns whatever the number of tokens: a token's result does not
//! depend on what is computed beside it.

#![expect(unsafe_code, reason = "reads packed panels by offsets that their making has fixed")]

use super::activations::{ByteRows, QUAD, Quad};
use super::format::{Format, GROUP, SUPER_GROUPS, Sizes};
use crate::simd::{Simd, prefetch};

/// How far ahead of its reading the first tile of a panel asks for weights. The processor's own
/// prefetching looks ahead within a page of 4 KiB, which hides half of the memory's latency.
pub(crate) const AHEAD: usize = 4096;
/// Bytes of a cache line.
const LINE: usize = 64;

/// Runs the body with `$c` as each chunk's number, as a constant.
macro_rules! each_chunk {
    ($c:ident => $body:block) => {{
        {
            const $c: usize = 0;
            $body
        }
        {
            const $c: usize = 1;
            $body
        }
        {
            const $c: usize = 2;
            $body
        }
        {
            const $c: usize = 3;
            $body
        }
        {
            const $c: usize = 4;
            $body
        }
        {
            const $c: usize = 5;
            $body
        }
        {
            const $c: usize = 6;
            $body
        }
        {
            const $c: usize = 7;
            $body
        }
    }};
}

#[cfg(target_arch = "x86_64")]
pub(super) use each_chunk;

/// Codes of chunk `c` of the group whose codes begin at `codes`.
///
/// # Safety
/// Those of [`Simd`], for all codes of the group.
#[inline(always)]
pub(super) unsafe fn chunk<S: Simd, F: Format>(codes: *const u8, c: usize) -> S::Bytes {
    let vector = 4 * S::LANES;
    // SAFETY: plane vectors lie within the group's codes: 4, 2, 1 or 8 of them per plane.
    unsafe {
        let four = |c: usize| {
            let both = S::load(codes.add(c % 4 * vector));
            S::and(if c < 4 { both } else { S::right(both, 4) }, 15)
        };
        let two = |plane: *const u8, c: usize| {
            S::and(S::right(S::load(plane.add(c % 2 * vector)), (c / 2 * 2) as u32), 3)
        };
        // Bit c of each byte, moved to bit `to`.
        let one = |plane: *const u8, c: usize, to: usize| {
            let bit = S::and(S::load(plane), 1 << c);
            if c < to { S::left(bit, (to - c) as u32) } else { S::right(bit, (c - to) as u32) }
        };
        match F::BITS {
            2 => two(codes, c),
            3 => S::or(two(codes, c), one(codes.add(2 * vector), c, 2)),
            4 => four(c),
            5 => S::or(four(c), one(codes.add(4 * vector), c, 4)),
            6 => S::or(four(c), S::left(two(codes.add(4 * vector), c), 4)),
            _ => S::eight_bits(S::load(codes.add(c * vector))),
        }
    }
}

/// How many products of a code of `bits` bits fit into a short sum.
const fn products_in_short_sum(bits: usize) -> usize {
    match bits {
        // Pairs of 63 x 127 reach 16,002, and 16 bits hold 32,767.
        6 => 2,
        5 => 4,
        _ => 8,
    }
}

/// Scales, or minima, of a granule.
///
/// # Safety
/// Those of [`Simd`].
#[inline(always)]
pub(super) unsafe fn scales<S: Simd, F: Format>(
    from: *const u8,
    granule: usize,
    scale: S::Floats,
) -> S::Floats {
    // SAFETY: by the caller.
    unsafe {
        if !F::SUPER {
            return S::load_halves(from);
        }
        let from = from.add(granule * S::LANES);
        S::mul(scale, if F::SIGNED { S::load_signed(from) } else { S::load_unsigned(from) })
    }
}

/// One group's codes times the activations of `T` tokens, for the chunks of one granule.
///
/// # Safety
/// Those of [`Simd`], for the codes and for the activations of the group.
#[inline(always)]
unsafe fn granule<S: Simd, F: Format, const T: usize>(
    codes: *const u8,
    bytes: [*const i8; T],
    granule: usize,
) -> [S::Ints; T] {
    let per_granule = F::GRANULE / 4;
    let (first, last) = (granule * per_granule, (granule + 1) * per_granule);
    // SAFETY: by the caller; a token has four bytes per chunk.
    unsafe {
        let mut ints = [S::no_ints(); T];
        let mut sums = [S::no_sum(); T];
        each_chunk!(C => {
            if (first..last).contains(&C) {
                let weights = chunk::<S, F>(codes, C);
                for t in 0..T {
                    let four = S::splat4(bytes[t].add(C * 4));
                    if F::BITS == 8 {
                        ints[t] = S::dot_wide(ints[t], weights, four);
                    } else {
                        sums[t] = S::dot(sums[t], weights, four);
                    }
                }
                let full = (C + 1).is_multiple_of(products_in_short_sum(F::BITS));
                if F::BITS != 8 && (C + 1 == last || (S::SHORT_SUMS && full)) {
                    for t in 0..T {
                        ints[t] = S::add_sum(ints[t], sums[t]);
                        sums[t] = S::no_sum();
                    }
                }
            }
        });
        ints
    }
}

/// Products of a panel with the first `T` tokens of `quads`; the `first` tile brings the panel from
/// memory.
///
/// # Safety
/// Those of [`Simd`]; the panel has `groups` groups, and so have the quads that `T` tokens need.
#[inline(always)]
unsafe fn tile<S: Simd, F: Format, const T: usize>(
    panel: *const u8,
    groups: usize,
    quads: [Quad; 3],
    first: bool,
) -> [S::Floats; T] {
    let sizes = const { Sizes::of::<F>(S::LANES) };
    let offset = if F::BITS == 8 { S::EIGHT_BIT_OFFSET } else { F::OFFSET };
    // SAFETY: offsets stay within the panel (see `Sizes::panel`) and within the quads, which have
    // 32 bytes, a scale, two sums and four half sums per group and token.
    unsafe {
        let mut totals = [S::splat(0.0); T];
        let (mut at, mut scale, mut least) = (panel, S::splat(0.0), S::splat(0.0));
        // Tokens lie side by side alike in all quads.
        let step = quads[0].step;
        for group in 0..groups {
            if F::SUPER && group.is_multiple_of(SUPER_GROUPS) {
                scale = S::load_halves(at);
                if F::MINIMA {
                    least = S::mul(S::load_halves(at.add(2 * S::LANES)), S::splat(-1.0));
                }
                at = at.add(sizes.super_head);
            }
            let codes = at.add(sizes.head);
            if first {
                for line in (0..sizes.head + sizes.codes).step_by(LINE) {
                    prefetch::<false>(at.wrapping_add(AHEAD + line));
                }
            }
            let mut bytes = [quads[0].bytes.cast::<i8>(); T];
            for t in 0..T {
                bytes[t] = quads[t / QUAD].bytes.add(group * step + t % QUAD).cast();
            }
            for g in 0..GROUP / F::GRANULE {
                let scales_here = scales::<S, F>(at, g, scale);
                let minima = if F::MINIMA {
                    scales::<S, F>(at.add(sizes.scales), g, least)
                } else {
                    S::splat(0.0)
                };
                let ints = granule::<S, F, T>(codes, bytes, g);
                for t in 0..T {
                    let quad = &quads[t / QUAD];
                    let scale = *quad.scales.add(group * step + t % QUAD);
                    let both = S::mul(scales_here, S::splat(scale));
                    let sum = |whole: *const f32, halves: *const f32| {
                        S::splat(if F::GRANULE == GROUP {
                            *whole.add(group * step + t % QUAD)
                        } else {
                            *halves.add((2 * group + g) * step + t % QUAD)
                        })
                    };
                    let mut floats = S::to_floats(ints[t]);
                    if offset != 0.0 {
                        // Whole numbers below 2^24: exact.
                        let sum = sum(quad.plain_sums, quad.plain_half_sums);
                        floats = S::mul_add(S::splat(-offset), sum, floats);
                    }
                    totals[t] = S::mul_add(floats, both, totals[t]);
                    if F::MINIMA {
                        let sum = sum(quad.sums, quad.half_sums);
                        totals[t] = S::mul_add(minima, sum, totals[t]);
                    }
                }
            }
            at = codes.add(sizes.codes);
        }
        totals
    }
}

/// Where the products of a panel go: `rows` numbers per token, `stride` numbers apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    pub(crate) at: *mut f32,
    pub(crate) stride: usize,
    /// Rows that the panel really has.
    pub(crate) rows: usize,
}

/// # Safety
/// Those of [`Simd`]; `out` is good for `rows` numbers at token `first + t`.
#[inline(always)]
unsafe fn put<S: Simd, const T: usize>(out: Out, first: usize, totals: [S::Floats; T]) {
    for (t, total) in totals.into_iter().enumerate() {
        // SAFETY: by the caller; a panel that is not full goes by way of a whole vector.
        unsafe {
            let to = out.at.add((first + t) * out.stride);
            if out.rows == S::LANES {
                S::store(to, total);
            } else {
                let mut all = [0.0_f32; 16];
                S::store(all.as_mut_ptr(), total);
                std::ptr::copy_nonoverlapping(all.as_ptr(), to, out.rows);
            }
        }
    }
}

/// Products of a panel with all `tokens` of `rows`.
///
/// # Safety
/// Those of [`Simd`]; `panel` has as many groups as the rows of activations, and `out` is good for
/// every token.
#[inline(always)]
pub(crate) unsafe fn panel<S: Simd, F: Format>(panel: *const u8, rows: &ByteRows<'_>, out: Out) {
    let (groups, tokens) = (rows.groups(), rows.tokens());
    let mut t = 0;
    macro_rules! run {
        ($count:literal) => {{
            // SAFETY: by the caller; `t` is a multiple of four below the number of tokens.
            unsafe {
                let quads = [rows.quad(t), rows.quad(t + 4), rows.quad(t + 8)];
                put::<S, $count>(out, t, tile::<S, F, $count>(panel, groups, quads, t == 0));
            }
            t += $count;
        }};
    }
    while t < tokens {
        match tokens - t {
            12.. if S::TOKENS >= 12 => run!(12),
            8.. if S::TOKENS >= 8 => run!(8),
            4.. => run!(4),
            3 => run!(3),
            2 => run!(2),
            _ => run!(1),
        }
    }
}
