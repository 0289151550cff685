//! How keys and values are kept: number by number, or as bytes with a scale for 32 of them.

#![expect(unsafe_code, reason = "compiled for instructions that detection has proven")]

use std::fmt;

use half::f16;

use super::SPAN;
use crate::isa::{Isa, Level};
use crate::numbers::{F16, F32, Q8_0};
use crate::vectors::{compiled, store};

/// Numbers of a head that share a scale.
pub(crate) const SHARED: usize = 32;

/// Bytes of a scale, in half precision.
const SCALE: usize = 2;

/// What a cache of keys and values can consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheKind {
    /// As they were computed.
    F32,
    /// In half precision.
    F16,
    /// In bytes that count in units of a scale; 32 numbers of a head share one, in half precision.
    Q8_0,
}

mod sealed {
    /// Kernels read and write what [`super::CacheNumber::KIND`] names through plain pointers: a type
    /// of another size would lead them out of bounds, so there are no others.
    pub trait Sealed {}
    impl Sealed for super::F32 {}
    impl Sealed for super::F16 {}
    impl Sealed for super::Q8_0 {}
}

/// What a cache of keys and values consists of.
///
/// A span of [`SPAN`] positions of a head of `size` numbers is [`SPAN`] x
/// [`CacheNumber::per_position`] of them. Scales come first, where there are any: those of the first
/// 32 numbers of all positions, then those of the next 32, and so on. Numbers follow, of keys and
/// values as [`super::Span`] says.
///
/// A number that is too large becomes the largest there is. A head with an infinite number is
/// nonsense, and is kept as something that is no number.
pub trait CacheNumber:
    sealed::Sealed + Copy + Default + Send + Sync + fmt::Debug + 'static
{
    /// Which of them it is.
    const KIND: CacheKind;

    /// How many of them one position of a head of `size` numbers takes.
    fn per_position(size: usize) -> usize {
        size
    }

    /// Keeps the key of a head at position `slot` of a span.
    ///
    /// # Panics
    /// When the span is shorter than it must be.
    fn put_key(isa: Isa, key: &[f32], span: &mut [Self], slot: usize);

    /// Keeps the value of a head at position `slot` of a span.
    ///
    /// # Panics
    /// As [`CacheNumber::put_key`].
    fn put_value(isa: Isa, value: &[f32], span: &mut [Self], slot: usize);
}

/// Refuses a span that does not hold whole heads of `size` numbers, and a position beyond it.
fn check<T: CacheNumber>(span: &[T], size: usize, slot: usize) {
    assert!(slot < SPAN && span.len() >= SPAN * T::per_position(size), "a span is too short");
}

/// One position's numbers among the keys of a span, from a row on.
fn column<T>(span: &mut [T], row: usize, slot: usize) -> impl Iterator<Item = &mut T> {
    span[row * SPAN + slot..].iter_mut().step_by(SPAN)
}

fn store_sound<T: CacheNumber + From<f32>>(isa: Isa, row: &[f32], sound: bool, out: &mut [T]) {
    store(isa, row, out);
    if !sound {
        out.fill(T::from(f32::NAN));
    }
}

fn is_sound(row: &[f32]) -> bool {
    row.iter().fold(true, |all, x| all & !x.is_infinite())
}

macro_rules! floats {
    ($name:ident) => {
        impl CacheNumber for $name {
            const KIND: CacheKind = CacheKind::$name;

            fn put_key(isa: Isa, key: &[f32], span: &mut [Self], slot: usize) {
                check(span, key.len(), slot);
                let (sound, mut few) = (is_sound(key), [Self::default(); 64]);
                for (index, piece) in key.chunks(few.len()).enumerate() {
                    let stored = &mut few[..piece.len()];
                    store_sound(isa, piece, sound, stored);
                    let column = column(span, index * few.len(), slot);
                    column.zip(few).take(piece.len()).for_each(|(slot, x)| *slot = x);
                }
            }

            fn put_value(isa: Isa, value: &[f32], span: &mut [Self], slot: usize) {
                check(span, value.len(), slot);
                let out = &mut span[slot * value.len()..][..value.len()];
                store_sound(isa, value, is_sound(value), out);
            }
        }
    };
}
floats!(F32);
floats!(F16);

impl CacheNumber for Q8_0 {
    const KIND: CacheKind = CacheKind::Q8_0;

    fn per_position(size: usize) -> usize {
        size + size.div_ceil(SHARED) * SCALE
    }

    fn put_key(isa: Isa, key: &[f32], span: &mut [Self], slot: usize) {
        put(isa, key, span, slot, |numbers, from, bytes| {
            column(numbers, from, slot).zip(bytes).for_each(|(slot, byte)| *slot = Self([*byte]));
        });
    }

    fn put_value(isa: Isa, value: &[f32], span: &mut [Self], slot: usize) {
        put(isa, value, span, slot, |numbers, from, bytes| {
            let row = &mut numbers[slot * value.len() + from..];
            row.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = Self([*byte]));
        });
    }
}

/// Quantizes a head and keeps its scales; `keep` is given the numbers of the span, and, 32 by 32, which
/// number of the head comes first and the bytes from there on.
fn put(
    isa: Isa,
    head: &[f32],
    span: &mut [Q8_0],
    slot: usize,
    keep: impl Fn(&mut [Q8_0], usize, &[u8]),
) {
    check(span, head.len(), slot);
    let groups = head.len().div_ceil(SHARED);
    let (scales, numbers) = span.split_at_mut(groups * SPAN * SCALE);
    let scales = scales.chunks_exact_mut(SPAN * SCALE);
    for ((group, piece), scales) in head.chunks(SHARED).enumerate().zip(scales) {
        let (mut floats, mut bytes) = ([0.0; SHARED], [0; SHARED]);
        floats[..piece.len()].copy_from_slice(piece);
        let scale = quantize(isa, &floats, &mut bytes).to_le_bytes();
        let place = &mut scales[slot * SCALE..][..SCALE];
        place.iter_mut().zip(scale).for_each(|(slot, byte)| *slot = Q8_0([byte]));
        keep(numbers, group * SHARED, &bytes[..piece.len()]);
    }
}

compiled!(
    /** The scale of some numbers, and the bytes that they are in units of it. What is no finite number
    makes the scale no number. */
    quantize = quantize_body(numbers: &[f32; SHARED], bytes: &mut [u8; SHARED]) -> f16
);

#[inline(always)]
fn quantize_body(numbers: &[f32; SHARED], bytes: &mut [u8; SHARED]) -> f16 {
    // As integers, magnitudes are ordered like floats, with infinity and not-a-number on top.
    let largest = numbers.iter().fold(0, |most, x| x.abs().to_bits().max(most));
    let largest = f32::from_bits(largest);
    let scale = if largest.is_finite() { scale(largest) } else { f16::NAN };
    let inverse = 1.0 / scale.to_f32();
    let inverse = if inverse.is_finite() { inverse } else { 0.0 };
    for (byte, x) in bytes.iter_mut().zip(numbers) {
        // Adding 1.5 * 2^23 rounds to the nearest whole number, ties to even.
        let rounded = (x * inverse).clamp(-127.0, 127.0) + 12_582_912.0;
        *byte = rounded.to_bits() as u8;
    }
    scale
}

/// The least scale in half precision, but for half a unit in its last place, that reaches `largest`
/// with 127 units; no number is then off by more than half a unit, unless it is too large.
fn scale(largest: f32) -> f16 {
    let scale = f16::from_f32((largest / 127.0).min(f16::MAX.to_f32()));
    // Where halves have few digits left the nearest one may be far too small.
    if scale.to_f32() * 127.5 < largest && scale < f16::MAX {
        return f16::from_bits(scale.to_bits() + 1);
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a span holds at a position, as keys or as values.
    fn held(span: &[Q8_0], size: usize, slot: usize, keys: bool) -> Vec<f32> {
        let groups = size.div_ceil(SHARED);
        let number = |d: usize| {
            let at = 2 * (d / SHARED * SPAN + slot);
            let scale = f16::from_le_bytes([span[at].0[0], span[at + 1].0[0]]);
            let at = if keys { d * SPAN + slot } else { slot * size + d };
            f32::from(span[2 * groups * SPAN + at].0[0].cast_signed()) * scale.to_f32()
        };
        (0..size).map(number).collect()
    }

    fn kept(isa: Isa, numbers: &[f32], slot: usize) -> [Vec<Q8_0>; 2] {
        let size = Q8_0::per_position(numbers.len());
        let [mut keys, mut values] =
            [vec![Q8_0::default(); SPAN * size], vec![Q8_0::default(); SPAN * size]];
        Q8_0::put_key(isa, numbers, &mut keys, slot);
        Q8_0::put_value(isa, numbers, &mut values, slot);
        [keys, values]
    }

    proptest::proptest! {
        #[test]
        fn no_byte_is_off_by_more_than_half_a_unit(
            numbers in proptest::collection::vec(
                proptest::prop_oneof![
                    -1.0f32..1.0,
                    -1e6f32..1e6,
                    -1e-6f32..1e-6,
                    proptest::num::f32::SUBNORMAL,
                    proptest::strategy::Just(0.0),
                ],
                1..130,
            ),
            slot in 0..SPAN,
        ) {
            let scalar = kept(Isa::new(Level::Scalar).unwrap(), &numbers, slot);
            for isa in Isa::available() {
                assert_eq!(kept(isa, &numbers, slot), scalar, "{isa}");
            }
            for (span, keys) in scalar.iter().zip([true, false]) {
                let held = held(span, numbers.len(), slot, keys);
                for (group, held) in numbers.chunks(SHARED).zip(held.chunks(SHARED)) {
                    let largest = group.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
                    // A half keeps 11 digits, and nothing below 2^-24.
                    let unit = largest / 127.0 * (1.0 + 1.0 / 1024.0) + 2f32.powi(-24);
                    for (x, held) in group.iter().zip(held) {
                        assert!((x - held).abs() <= unit * 0.500_001, "{x} is kept as {held}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none_and_what_is_too_large_becomes_the_largest() {
        for isa in Isa::available() {
            for strange in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut numbers = [0.5; 40];
                numbers[33] = strange;
                for (span, keys) in kept(isa, &numbers, 9).iter().zip([true, false]) {
                    let held = held(span, 40, 9, keys);
                    assert!(held[32..].iter().all(|x| x.is_nan()), "{isa}: {held:?}");
                    assert!(held[..32].iter().all(|x| (x - 0.5).abs() < 1e-3), "{isa}: {held:?}");
                }
            }
            let [keys, _] = kept(isa, &[f32::MAX, f32::MIN, 1.0], 63);
            let most = 127.0 * f16::MAX.to_f32();
            assert_eq!(held(&keys, 3, 63, true), [most, -most, 0.0], "{isa}");
        }
    }

    #[test]
    fn positions_do_not_touch_each_other() {
        let isa = Isa::best();
        let row = |slot: usize| (0..40).map(|d| (d * 7 + slot) as f32 / 9.0).collect::<Vec<_>>();
        let size = Q8_0::per_position(40);
        assert_eq!(size, 40 + 2 * 2);
        let mut spans = [vec![Q8_0::default(); SPAN * size], vec![Q8_0::default(); SPAN * size]];
        let [keys, values] = &mut spans;
        for slot in 0..SPAN {
            Q8_0::put_key(isa, &row(slot), keys, slot);
            Q8_0::put_value(isa, &row(slot), values, slot);
        }
        for slot in 0..SPAN {
            for (span, keys) in spans.iter().zip([true, false]) {
                let alone = kept(isa, &row(slot), slot);
                let alone = held(&alone[usize::from(!keys)], 40, slot, keys);
                assert_eq!(held(span, 40, slot, keys), alone);
            }
        }
    }
}
