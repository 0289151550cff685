//! What every step reads and none changes: angles of all positions, the positions in order, and two
//! numbers. They are on the device from the start.

use candle_core::{DType, Device, Result, Tensor};
use rayon::prelude::*;

use super::super::pages::PAGE;
use super::super::rope::turns;
use crate::checkpoint::{Frequencies, Pairing};

/// Constants of a model on a device.
#[derive(Debug)]
pub(super) struct Constants {
    pub(super) pairing: Pairing,
    /// Cosines and sines: positions x pairs.
    angles: [Tensor; 2],
    /// 0, 1, 2, …
    order: Tensor,
    /// The score of what is not seen.
    pub(super) never: Tensor,
    /// The value of what is not there.
    pub(super) nothing: Tensor,
}

impl Constants {
    /// Constants for sequences of so many positions, which may be looked at together with `pages`.
    pub(super) fn new(
        device: &Device,
        pairing: Pairing,
        frequencies: &Frequencies,
        positions: usize,
        pages: usize,
    ) -> Result<Self> {
        let dims = (positions, frequencies.angles.len());
        let [cos, sin] = table(frequencies, positions);
        Ok(Self {
            pairing,
            angles: [Tensor::from_vec(cos, dims, device)?, Tensor::from_vec(sin, dims, device)?],
            order: Tensor::arange(0, (pages * PAGE) as u32, device)?,
            never: Tensor::new(f32::NEG_INFINITY, device)?,
            nothing: Tensor::zeros((), DType::F32, device)?,
        })
    }

    /// Cosines and sines of some positions: rows x pairs.
    pub(super) fn angles_at(&self, positions: &Tensor) -> Result<[Tensor; 2]> {
        let [cos, sin] = &self.angles;
        Ok([cos.index_select(positions, 0)?, sin.index_select(positions, 0)?])
    }

    /// The first so many positions.
    pub(super) fn first(&self, positions: usize) -> Result<Tensor> {
        self.order.narrow(0, 0, positions)
    }

    /// Every tensor that must stay where it is.
    #[cfg(test)]
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.angles.iter().chain([&self.order, &self.never, &self.nothing])
    }
}

/// Cosines and sines of all positions.
fn table(frequencies: &Frequencies, positions: usize) -> [Vec<f32>; 2] {
    let pairs = frequencies.angles.len();
    let mut both = [vec![0.0; positions * pairs], vec![0.0; positions * pairs]];
    let [cos, sin] = &mut both;
    let rows = cos.par_chunks_mut(pairs.max(1)).zip(sin.par_chunks_mut(pairs.max(1)));
    rows.enumerate().for_each(|(position, (cos, sin))| {
        for (pair, [c, s]) in turns(frequencies, position).enumerate() {
            (cos[pair], sin[pair]) = (c, s);
        }
    });
    both
}
