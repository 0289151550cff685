//! Rows of activations in every form that the weights ahead of them ask for: quantized once,
//! shared by all matrices that read the same rows.

use candle_core::quantized::GgmlType as CandleBlock;
use candle_core::quantized::k_quants::BlockQ8K;
use rayon::prelude::*;

use crate::cpu::Isa;
use crate::gguf::GgmlType;
use crate::kernels::{self, ByteRow};

const SMALL_BLOCK: usize = 32;
const LARGE_BLOCK: usize = 256;

/// Which forms are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    bytes: bool,
    large: bool,
}

impl Needs {
    /// What a matrix stored as `kind` multiplies with.
    pub(crate) fn of(kind: GgmlType) -> Self {
        Self { bytes: kind.block().0 == SMALL_BLOCK, large: kind.block().0 == LARGE_BLOCK }
    }

    /// What both want.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes || other.bytes, large: self.large || other.large }
    }
}

/// Some rows of equal width.
#[derive(Debug)]
pub(crate) struct Activations {
    isa: Isa,
    rows: usize,
    columns: usize,
    floats: Vec<f32>,
    bytes: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<f32>,
    large: Vec<BlockQ8K>,
}

impl Activations {
    /// Room for `rows` of at most `columns`, in the forms of `needs`. Memory is only touched when
    /// it is used.
    pub(crate) fn new(isa: Isa, rows: usize, columns: usize, needs: Needs) -> Self {
        let bytes = if needs.bytes { rows * columns } else { 0 };
        let large = if needs.large { rows * (columns / LARGE_BLOCK) } else { 0 };
        Self {
            isa,
            rows: 0,
            columns: 0,
            floats: vec![0.0; rows * columns],
            bytes: vec![0; bytes],
            scales: vec![0.0; bytes / SMALL_BLOCK],
            sums: vec![0.0; bytes / SMALL_BLOCK],
            large: vec![BlockQ8K::zeros(); large],
        }
    }

    /// Fills `rows` rows of `columns`, each by `fill(index, row)`, and quantizes them.
    pub(crate) fn fill(
        &mut self,
        rows: usize,
        columns: usize,
        needs: Needs,
        fill: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        (self.rows, self.columns) = (rows, columns);
        let floats = &mut self.floats[..rows * columns];
        floats.par_chunks_mut(columns).enumerate().for_each(|(index, row)| fill(index, row));
        if needs.bytes {
            let per_row = columns / SMALL_BLOCK;
            let isa = self.isa;
            floats
                .par_chunks(columns)
                .zip(self.bytes.par_chunks_mut(columns))
                .zip(self.scales.par_chunks_mut(per_row))
                .zip(self.sums.par_chunks_mut(per_row))
                .for_each(|(((row, bytes), scales), sums)| {
                    kernels::to_bytes(isa, row, bytes, scales, sums);
                });
        }
        if needs.large {
            floats
                .par_chunks(columns)
                .zip(self.large.par_chunks_mut(columns / LARGE_BLOCK))
                .for_each(|(row, blocks)| BlockQ8K::from_float(row, blocks));
        }
    }

    /// The rows as they were filled.
    pub(crate) fn floats(&self) -> &[f32] {
        &self.floats[..self.rows * self.columns]
    }

    pub(super) fn float_row(&self, row: usize) -> &[f32] {
        &self.floats[row * self.columns..][..self.columns]
    }

    pub(super) fn byte_row(&self, row: usize) -> ByteRow<'_> {
        let blocks = self.columns / SMALL_BLOCK;
        ByteRow {
            values: &self.bytes[row * self.columns..][..self.columns],
            scales: &self.scales[row * blocks..][..blocks],
            sums: &self.sums[row * blocks..][..blocks],
        }
    }

    pub(super) fn large_row(&self, row: usize) -> &[BlockQ8K] {
        let blocks = self.columns / LARGE_BLOCK;
        &self.large[row * blocks..][..blocks]
    }
}
