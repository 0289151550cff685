//! Rows of activations in every form that the weights ahead of them ask for: quantized once,
//! shared by all matrices that read the same rows.

use std::collections::TryReserveError;

use kernels::{Bytes, Input, Isa, Pool};

/// Rows that are quantized together.
const QUAD: usize = 4;

/// Which forms are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(super) bytes: bool,
}

impl Needs {
    /// What both want.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes || other.bytes }
    }
}

/// Some rows of equal width.
#[derive(Debug)]
pub(crate) struct Activations {
    isa: Isa,
    rows: usize,
    columns: usize,
    floats: Vec<f32>,
    bytes: Bytes,
    has_bytes: bool,
}

impl Activations {
    /// Room for `rows` of at most `columns`, in the forms of `needs`. Memory is only touched when
    /// it is used.
    pub(crate) fn new(
        isa: Isa,
        rows: usize,
        columns: usize,
        needs: Needs,
    ) -> Result<Self, TryReserveError> {
        let mut floats = Vec::new();
        floats.try_reserve_exact(rows * columns)?;
        let bytes = if needs.bytes { Bytes::new(rows, columns)? } else { Bytes::default() };
        Ok(Self { isa, rows: 0, columns: 0, floats, bytes, has_bytes: false })
    }

    /// Fills `rows` rows of `columns`, each by `fill(index, row)`, and quantizes them.
    pub(crate) fn fill(
        &mut self,
        pool: &Pool,
        (rows, columns): (usize, usize),
        needs: Needs,
        fill: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        (self.rows, self.columns, self.has_bytes) = (rows, columns, needs.bytes);
        if self.floats.len() < rows * columns {
            self.floats.resize(rows * columns, 0.0);
        }
        let (isa, quads) = (self.isa, rows.div_ceil(QUAD));
        let floats = self.floats[..rows * columns].chunks_mut(QUAD * columns).enumerate();
        if !needs.bytes {
            pool.each(quads, floats, |(quad, rows)| {
                for (row, out) in rows.chunks_exact_mut(columns).enumerate() {
                    fill(quad * QUAD + row, out);
                }
            });
            return;
        }
        let both = floats.zip(self.bytes.quads_mut(rows, columns));
        pool.each(quads, both, |((quad, rows), mut bytes)| {
            for (row, out) in rows.chunks_exact_mut(columns).enumerate() {
                fill(quad * QUAD + row, out);
                bytes.set(isa, row, out);
            }
        });
    }

    /// The rows as they were filled.
    pub(crate) fn floats(&self) -> &[f32] {
        &self.floats[..self.rows * self.columns]
    }

    /// The rows as kernels take them.
    pub(crate) fn input(&self) -> Input<'_> {
        let bytes = self.has_bytes.then(|| self.bytes.rows(self.rows, self.columns));
        Input { floats: self.floats(), bytes, tokens: self.rows }
    }
}
