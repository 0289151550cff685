//! Making panels of stored rows, and reading a row back.

use half::f16;

use super::format::{Format, GROUP, SUPER_GROUPS, Sizes};
use super::stored::{Numbers, Stored, Words};

/// Packs rows of `groups` groups into `panel`, which has as many lanes as `lanes`; lanes without a
/// row stay zero.
pub(crate) fn pack<B: Stored>(rows: &[&[u8]], groups: usize, lanes: usize, panel: &mut [u8]) {
    let sizes = Sizes::of::<B::Packed>(lanes);
    let mut rest = panel;
    for group in 0..groups {
        if B::Packed::SUPER && group.is_multiple_of(SUPER_GROUPS) {
            let (head, after) = rest.split_at_mut(sizes.super_head);
            put_halves::<B>(rows, group, lanes, head);
            rest = after;
        }
        let (head, after) = rest.split_at_mut(sizes.head);
        if B::Packed::SUPER {
            put_granules::<B>(rows, group, lanes, head);
        } else {
            put_halves::<B>(rows, group, lanes, head);
        }
        let (codes, after) = after.split_at_mut(sizes.codes);
        for (lane, row) in rows.iter().enumerate() {
            put_codes::<B::Packed>(
                B::codes(block::<B>(row, group), group % B::GROUPS),
                lane,
                lanes,
                codes,
            );
        }
        rest = after;
    }
}

fn block<B: Stored>(row: &[u8], group: usize) -> &[u8] {
    &row[group / B::GROUPS * B::BYTES..][..B::BYTES]
}

fn put_halves<B: Stored>(rows: &[&[u8]], group: usize, lanes: usize, out: &mut [u8]) {
    for (lane, row) in rows.iter().enumerate() {
        let [scale, minimum] = B::halves(block::<B>(row, group));
        out[2 * lane..][..2].copy_from_slice(&scale);
        if B::Packed::MINIMA {
            out[2 * (lanes + lane)..][..2].copy_from_slice(&minimum);
        }
    }
}

fn put_granules<B: Stored>(rows: &[&[u8]], group: usize, lanes: usize, out: &mut [u8]) {
    let granules = GROUP / B::Packed::GRANULE;
    for (lane, row) in rows.iter().enumerate() {
        let [scales, minima] = B::granules(block::<B>(row, group), group % B::GROUPS);
        for granule in 0..granules {
            out[granule * lanes + lane] = scales[granule];
            if B::Packed::MINIMA {
                out[(granules + granule) * lanes + lane] = minima[granule];
            }
        }
    }
}

/// The words of the planes that a group's codes become; see the format's description.
fn planes<F: Format>(codes: Words) -> Words {
    let four = |i: usize| codes[i] & 0x0F0F_0F0F | (codes[i + 4] & 0x0F0F_0F0F) << 4;
    let two = |i: usize, from: u32| {
        (0..4).fold(0, |all, j| all | (codes[2 * j + i] >> from & 0x0303_0303) << (2 * j))
    };
    let one = |from: u32| (0..8).fold(0, |all, j| all | (codes[j] >> from & 0x0101_0101) << j);
    match F::BITS {
        2 => [two(0, 0), two(1, 0), 0, 0, 0, 0, 0, 0],
        3 => [two(0, 0), two(1, 0), one(2), 0, 0, 0, 0, 0],
        4 => [four(0), four(1), four(2), four(3), 0, 0, 0, 0],
        5 => [four(0), four(1), four(2), four(3), one(4), 0, 0, 0],
        6 => [four(0), four(1), four(2), four(3), two(0, 4), two(1, 4), 0, 0],
        _ => codes,
    }
}

fn put_codes<F: Format>(codes: Words, lane: usize, lanes: usize, out: &mut [u8]) {
    let vectors = out.as_chunks_mut::<4>().0.chunks_exact_mut(lanes);
    for (vector, plane) in vectors.zip(planes::<F>(codes)) {
        vector[lane] = plane.to_le_bytes();
    }
}

/// Writes the numbers of the panel's row `lane` to `out`, as floats.
pub(crate) fn expand<F: Format>(panel: &[u8], lane: usize, lanes: usize, out: &mut [f32]) {
    let sizes = Sizes::of::<F>(lanes);
    let halves = |bytes: &[u8]| {
        let half = |lane: usize| f16::from_le_bytes([bytes[2 * lane], bytes[2 * lane + 1]]);
        let minimum = if F::MINIMA { half(lanes + lane).to_f32() } else { 0.0 };
        (half(lane).to_f32(), minimum)
    };
    let (mut rest, mut scale, mut least) = (panel, 0.0, 0.0);
    for (group, out) in out.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
        if F::SUPER && group.is_multiple_of(SUPER_GROUPS) {
            (scale, least) = halves(rest);
            rest = &rest[sizes.super_head..];
        }
        let (head, after) = rest.split_at(sizes.head);
        let (codes, after) = after.split_at(sizes.codes);
        if !F::SUPER {
            (scale, least) = halves(head);
        }
        for (granule, out) in out.chunks_exact_mut(F::GRANULE).enumerate() {
            let byte = |from: usize| if F::SUPER { head[from + granule * lanes + lane] } else { 0 };
            let minimum = if F::MINIMA { byte(sizes.scales) } else { 0 };
            let numbers = Numbers::of::<F>(scale, least, byte(0), minimum);
            for (i, out) in out.iter_mut().enumerate() {
                *out = numbers.get(code::<F>(codes, granule * F::GRANULE + i, lane, lanes));
            }
        }
        rest = after;
    }
}

/// The code of a column of the group.
fn code<F: Format>(codes: &[u8], column: usize, lane: usize, lanes: usize) -> u8 {
    let (chunk, byte) = (column / 4, column % 4);
    let at = |vector: usize| codes[(vector * lanes + lane) * 4 + byte];
    let four = || at(chunk % 4) >> (chunk / 4 * 4) & 15;
    let two = |plane: usize| at(plane + chunk % 2) >> (chunk / 2 * 2) & 3;
    let one = |plane: usize| at(plane) >> chunk & 1;
    match F::BITS {
        2 => two(0),
        3 => two(0) | one(2) << 2,
        4 => four(),
        5 => four() | one(4) << 4,
        6 => four() | two(4) << 4,
        _ => at(chunk),
    }
}
