//! Rotary positions: angles computed in f32 as models were trained with them, for as many
//! positions as a sequence has come to.

use super::parameters::{Pairing, RopeParameters};

/// Cosines and sines for the positions seen so far.
#[derive(Debug)]
pub(super) struct Rope {
    pairing: Pairing,
    frequencies: Vec<f32>,
    factor: f32,
    /// Per position and frequency: cosine, sine.
    table: Vec<[f32; 2]>,
}

impl Rope {
    /// `divisors` are a model's own per frequency (Llama 3 files bring them).
    pub(super) fn new(
        pairing: Pairing,
        parameters: &RopeParameters,
        divisors: Option<&[f32]>,
    ) -> Self {
        let size = parameters.size as f64;
        let base = f64::from(parameters.base);
        let frequencies = (0..parameters.size / 2).map(|i| {
            let divisor = divisors.and_then(|all| all.get(i)).map_or(1.0, |d| f64::from(*d));
            (base.powf(-2.0 * i as f64 / size) / divisor) as f32
        });
        let frequencies = frequencies.collect();
        Self { pairing, frequencies, factor: parameters.factor, table: Vec::new() }
    }

    /// Makes the table reach to `positions`.
    pub(super) fn reach(&mut self, positions: usize) {
        let known = self.table.len() / self.frequencies.len().max(1);
        for position in known..positions {
            let position = position as f32 / self.factor;
            self.table.extend(self.frequencies.iter().map(|frequency| {
                let angle = f64::from(position * frequency);
                [angle.cos() as f32, angle.sin() as f32]
            }));
        }
    }

    /// Turns every head of `row`; heads are `head_size` wide.
    pub(super) fn turn(&self, position: usize, row: &mut [f32], head_size: usize) {
        let half = self.frequencies.len();
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

#[inline]
fn turn_pair(a: &mut f32, b: &mut f32, [cos, sin]: [f32; 2]) {
    (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
}
