//! Rotary positions: angles computed in f32 as models were trained with them, for as many
//! positions as a sequence has come to.

use std::collections::TryReserveError;

use crate::checkpoint::{Frequencies, Pairing, RopeParameters};

/// Cosines and sines for the positions seen so far.
#[derive(Debug)]
pub(super) struct Rope {
    pairing: Pairing,
    frequencies: Frequencies,
    /// Per position and frequency: cosine, sine.
    table: Vec<[f32; 2]>,
}

impl Rope {
    /// `divisors` are a model's own per frequency (Llama 3 files bring them).
    pub(super) fn new(parameters: &RopeParameters, divisors: Option<&[f32]>) -> Self {
        let frequencies = parameters.frequencies(divisors);
        Self { pairing: parameters.pairing, frequencies, table: Vec::new() }
    }

    /// Makes the table reach to `positions`.
    pub(super) fn reach(&mut self, positions: usize) -> Result<(), TryReserveError> {
        let known = self.table.len() / self.frequencies.angles.len().max(1);
        let more = positions.saturating_sub(known) * self.frequencies.angles.len();
        self.table.try_reserve(more)?;
        for position in known..positions {
            self.table.extend(turns(&self.frequencies, position));
        }
        Ok(())
    }

    /// Turns every head of `row`; heads are `head_size` wide.
    pub(super) fn turn(&self, position: usize, row: &mut [f32], head_size: usize) {
        let half = self.frequencies.angles.len();
        let Some(angles) = self.table.get(position * half..(position + 1) * half) else { return };
        for head in row.chunks_exact_mut(head_size) {
            match self.pairing {
                Pairing::Neighbours => {
                    for ([a, b], angle) in head.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
                        turn_pair(a, b, *angle);
                    }
                }
                Pairing::Halves => {
                    let (first, second) = head.split_at_mut(half);
                    for ((a, b), angle) in first.iter_mut().zip(second).zip(angles) {
                        turn_pair(a, b, *angle);
                    }
                }
            }
        }
    }
}

/// Cosine and sine of every pair at a position.
pub(super) fn turns(
    frequencies: &Frequencies,
    position: usize,
) -> impl Iterator<Item = [f32; 2]> + '_ {
    let amplitude = frequencies.amplitude;
    frequencies.angles.iter().map(move |angle| {
        let angle = f64::from(position as f32 * angle);
        [angle.cos() as f32 * amplitude, angle.sin() as f32 * amplitude]
    })
}

#[inline]
fn turn_pair(a: &mut f32, b: &mut f32, [cos, sin]: [f32; 2]) {
    (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
}
