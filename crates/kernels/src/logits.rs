//! What the choice of a token asks of logits: the largest, those that reach a bound, and the sum of
//! their powers. One pass each, nothing sorted, nothing copied; the same on every instruction set.

#![expect(unsafe_code, reason = "compiled for instructions that detection has proven")]

use crate::isa::{Isa, Level};
use crate::vectors::{compiled, exp};

/// The largest of some numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Largest {
    /// The first place where it is; 0 where there are no numbers.
    pub index: usize,
    /// Minus infinity where there are no numbers.
    pub value: f32,
    /// Whether some of them are no numbers.
    pub has_nan: bool,
}

compiled!(
    /** The largest of some numbers, and the first place where it is. */
    pub largest = largest_body(numbers: &[f32]) -> Largest
);
compiled!(
    /** Adds the places of the numbers that are at least `least` to `found`, in their order. */
    pub at_least = at_least_body(numbers: &[f32], least: f32, found: &mut Vec<u32>)
);
compiled!(
    /** The sum of e^((x - `most`) / `divisor`), to within a millionth of it. `most` is the largest x or
    more; powers that are less than e^-87 count as that. */
    pub power_sum = power_sum_body(numbers: &[f32], most: f32, divisor: f32) -> f64
);

#[inline(always)]
fn largest_body(numbers: &[f32]) -> Largest {
    /// How far the place of the largest number must be searched for.
    const PIECE: usize = 512;
    let (mut value, mut piece, mut has_nan) = (f32::NEG_INFINITY, 0, false);
    for (index, numbers) in numbers.chunks(PIECE).enumerate() {
        let (mut most, mut broken) = ([f32::NEG_INFINITY; 16], [0_u32; 16]);
        let (chunks, rest) = numbers.as_chunks::<16>();
        for chunk in chunks {
            for ((most, broken), x) in most.iter_mut().zip(&mut broken).zip(chunk) {
                *most = if *x > *most { *x } else { *most };
                *broken |= u32::from(x.is_nan());
            }
        }
        let most =
            most.iter().chain(rest).fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
        has_nan |= broken.iter().any(|broken| *broken > 0) | rest.iter().any(|x| x.is_nan());
        if most > value {
            (value, piece) = (most, index * PIECE);
        }
    }
    let mut places = (piece..).zip(numbers.iter().skip(piece).take(PIECE));
    // Of two zeros the first one, whatever its sign.
    match places.find(|(_, x)| value > f32::NEG_INFINITY && **x == value) {
        Some((index, value)) => Largest { index, value: *value, has_nan },
        None => Largest { index: 0, value, has_nan },
    }
}

#[inline(always)]
fn at_least_body(numbers: &[f32], least: f32, found: &mut Vec<u32>) {
    /// Numbers that are looked at one by one where one of them is found.
    const PIECE: usize = 64;
    for (index, numbers) in numbers.chunks(PIECE).enumerate() {
        if numbers.iter().fold(false, |any, x| any | (*x >= least)) {
            let places = (index * PIECE..).zip(numbers).filter(|(_, x)| **x >= least);
            found.extend(places.map(|(place, _)| place as u32));
        }
    }
}

#[inline(always)]
fn power_sum_body(numbers: &[f32], most: f32, divisor: f32) -> f64 {
    /// Few enough that their sum in single precision is off by less than half a millionth: seven
    /// additions in each of sixteen lanes.
    const PIECE: usize = 128;
    let mut totals = [0.0_f64; 16];
    for numbers in numbers.chunks(PIECE) {
        let mut lanes = [0.0_f32; 16];
        let (chunks, rest) = numbers.as_chunks::<16>();
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += exp((*x - most) / divisor);
            }
        }
        for (lane, x) in lanes.iter_mut().zip(rest) {
            *lane += exp((*x - most) / divisor);
        }
        totals.iter_mut().zip(lanes).for_each(|(total, lane)| *total += f64::from(lane));
    }
    totals.iter().sum()
}
