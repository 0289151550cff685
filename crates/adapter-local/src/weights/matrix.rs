//! One matrix of a model, as its file has it.

use kernels::{Blocks, Number};

use crate::bytes::Blob;
use crate::gguf::GgmlType;

/// Bytes of a `Q8_K` block, and of the scale that it begins with; sums of its bytes end it.
const Q8K_BYTES: usize = 292;
const Q8K_SCALE: usize = 4;
const Q8K_COLUMNS: usize = 256;

/// How numbers of a storage type are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One by one.
    Numbers(Number),
    /// In blocks that kernels pack.
    Blocks(Blocks),
    /// In the blocks that activations are quantized to elsewhere; no model is stored so.
    Q8K,
}

impl Form {
    pub(super) fn of(kind: GgmlType) -> Self {
        match kind {
            GgmlType::F32 => Self::Numbers(Number::F32),
            GgmlType::F16 => Self::Numbers(Number::F16),
            GgmlType::Bf16 => Self::Numbers(Number::Bf16),
            GgmlType::Q4_0 => Self::Blocks(Blocks::Q4_0),
            GgmlType::Q4_1 => Self::Blocks(Blocks::Q4_1),
            GgmlType::Q5_0 => Self::Blocks(Blocks::Q5_0),
            GgmlType::Q5_1 => Self::Blocks(Blocks::Q5_1),
            GgmlType::Q8_0 => Self::Blocks(Blocks::Q8_0),
            GgmlType::Q2K => Self::Blocks(Blocks::Q2K),
            GgmlType::Q3K => Self::Blocks(Blocks::Q3K),
            GgmlType::Q4K => Self::Blocks(Blocks::Q4K),
            GgmlType::Q5K => Self::Blocks(Blocks::Q5K),
            GgmlType::Q6K => Self::Blocks(Blocks::Q6K),
            GgmlType::Q8K => Self::Q8K,
        }
    }
}

/// Rows of stored weights; a clone shares them.
#[derive(Debug, Clone)]
pub(crate) struct Matrix {
    data: Blob,
    kind: GgmlType,
    rows: usize,
    columns: usize,
    row_bytes: usize,
}

impl Matrix {
    /// A matrix of these bytes; their number has been checked.
    pub(crate) fn new(data: Blob, kind: GgmlType, rows: usize, columns: usize) -> Self {
        let row_bytes = data.as_slice().len() / rows.max(1);
        Self { data, kind, rows, columns, row_bytes }
    }

    pub(super) fn form(&self) -> Form {
        Form::of(self.kind)
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn data(&self) -> &Blob {
        &self.data
    }

    /// The bytes of a row.
    pub(super) fn row(&self, row: usize) -> &[u8] {
        &self.data.as_slice()[row * self.row_bytes..][..self.row_bytes]
    }

    /// Writes row `row`, as f32, to `out`.
    pub(crate) fn expand_row(&self, row: usize, out: &mut [f32]) {
        let row = self.row(row);
        match self.form() {
            Form::Numbers(number) => number.expand(row, out),
            Form::Blocks(blocks) => blocks.expand(row, out),
            Form::Q8K => expand_q8k(row, out),
        }
    }
}

fn expand_q8k(row: &[u8], out: &mut [f32]) {
    for (block, out) in row.chunks_exact(Q8K_BYTES).zip(out.chunks_exact_mut(Q8K_COLUMNS)) {
        let scale = block.first_chunk().map_or(0.0, |bytes| f32::from_le_bytes(*bytes));
        for (out, byte) in out.iter_mut().zip(&block[Q8K_SCALE..]) {
            *out = scale * f32::from(byte.cast_signed());
        }
    }
}
