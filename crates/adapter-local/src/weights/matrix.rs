//! One matrix of a model, multiplied in the form it is stored in.

use std::ops::Range;
use std::sync::Arc;

use candle_core::quantized::GgmlType as CandleBlock;
use candle_core::quantized::k_quants::{
    BlockQ2K, BlockQ3K, BlockQ4K, BlockQ5K, BlockQ6K, BlockQ8K,
};

use super::activations::{Activations, Needs};
use super::plain::{self, AlignedBytes, Plain};
use crate::bytes::Blob;
use crate::cpu::Isa;
use crate::gguf::GgmlType;
use crate::kernels::{self, Bf16, Block32, F16, F32, Float, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};

/// Calls `$self.$method::<T>` with the block type of the matrix.
macro_rules! by_kind {
    ($self:ident, $small:ident, $float:ident, $large:ident, ($($argument:expr),*)) => {
        match $self.kind {
            GgmlType::F32 => $self.$float::<F32>($($argument),*),
            GgmlType::F16 => $self.$float::<F16>($($argument),*),
            GgmlType::Bf16 => $self.$float::<Bf16>($($argument),*),
            GgmlType::Q4_0 => $self.$small::<Q4_0>($($argument),*),
            GgmlType::Q4_1 => $self.$small::<Q4_1>($($argument),*),
            GgmlType::Q5_0 => $self.$small::<Q5_0>($($argument),*),
            GgmlType::Q5_1 => $self.$small::<Q5_1>($($argument),*),
            GgmlType::Q8_0 => $self.$small::<Q8_0>($($argument),*),
            GgmlType::Q2K => $self.$large::<BlockQ2K>($($argument),*),
            GgmlType::Q3K => $self.$large::<BlockQ3K>($($argument),*),
            GgmlType::Q4K => $self.$large::<BlockQ4K>($($argument),*),
            GgmlType::Q5K => $self.$large::<BlockQ5K>($($argument),*),
            GgmlType::Q6K => $self.$large::<BlockQ6K>($($argument),*),
            GgmlType::Q8K => $self.$large::<BlockQ8K>($($argument),*),
        }
    };
}

#[derive(Debug, Clone)]
enum Storage {
    AsIs(Blob),
    /// Only where a file puts blocks at an address that does not suit them.
    Copied(Arc<AlignedBytes>),
}

/// Rows of weights; a clone shares them.
#[derive(Debug, Clone)]
pub(crate) struct Matrix {
    storage: Storage,
    kind: GgmlType,
    rows: usize,
    columns: usize,
    row_bytes: usize,
}

/// Where a product goes: one row of `stride` numbers per token.
pub(crate) struct Product<'a> {
    pub(crate) out: &'a mut [f32],
    pub(crate) stride: usize,
}

impl Matrix {
    /// A matrix of these bytes; their number has been checked.
    pub(crate) fn new(data: Blob, kind: GgmlType, rows: usize, columns: usize) -> Self {
        let bytes = data.as_slice();
        let row_bytes = bytes.len() / rows.max(1);
        let suits = kind.block().0 < 256 || plain::is_aligned::<BlockQ8K>(bytes);
        let storage = if suits {
            Storage::AsIs(data)
        } else {
            Storage::Copied(Arc::new(AlignedBytes::copy_of(bytes)))
        };
        Self { storage, kind, rows, columns, row_bytes }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The form of activations that it multiplies with.
    pub(crate) fn needs(&self) -> Needs {
        Needs::of(self.kind)
    }

    /// Writes row `row`, as f32, to `out`.
    pub(crate) fn expand_row(&self, row: usize, out: &mut [f32]) {
        by_kind!(self, expand_small, expand_float, expand_large, (row, out));
    }

    /// Multiplies some of the rows with some of the activations' rows ("tokens").
    pub(crate) fn multiply(
        &self,
        isa: Isa,
        rows: Range<usize>,
        activations: &Activations,
        tokens: Range<usize>,
        product: Product<'_>,
    ) {
        by_kind!(self, small, float, large, (isa, rows, activations, tokens, product));
    }

    fn bytes(&self) -> &[u8] {
        match &self.storage {
            Storage::AsIs(blob) => blob.as_slice(),
            Storage::Copied(bytes) => bytes.as_bytes(),
        }
    }

    /// Row `row` as blocks.
    fn row<T: Plain>(&self, row: usize) -> &[T] {
        plain::blocks(&self.bytes()[row * self.row_bytes..][..self.row_bytes])
    }

    fn expand_small<B: Block32 + Plain>(&self, row: usize, out: &mut [f32]) {
        kernels::expand_blocks(self.row::<B>(row), out);
    }

    fn expand_float<F: Float + Plain>(&self, row: usize, out: &mut [f32]) {
        kernels::expand_floats(self.row::<F>(row), out);
    }

    fn expand_large<B: CandleBlock + Plain>(&self, row: usize, out: &mut [f32]) {
        B::to_float(self.row::<B>(row), out);
    }

    fn small<B: Block32 + Plain>(
        &self,
        isa: Isa,
        rows: Range<usize>,
        activations: &Activations,
        tokens: Range<usize>,
        product: Product<'_>,
    ) {
        tiles(
            rows,
            tokens,
            product,
            |r| self.row::<B>(r),
            |t| activations.byte_row(t),
            |weights, token| {
                let [[a], [b], [c], [d]] = kernels::dot_bytes::<B, 4, 1>(isa, weights, token);
                [a, b, c, d]
            },
            |[row], tokens| kernels::dot_bytes::<B, 1, 4>(isa, [row], tokens)[0],
            |row, token| kernels::dot_bytes::<B, 1, 1>(isa, [row], [token])[0][0],
        );
    }

    fn float<F: Float + Plain>(
        &self,
        isa: Isa,
        rows: Range<usize>,
        activations: &Activations,
        tokens: Range<usize>,
        product: Product<'_>,
    ) {
        tiles(
            rows,
            tokens,
            product,
            |r| self.row::<F>(r),
            |t| activations.float_row(t),
            |weights, token| {
                let [[a], [b], [c], [d]] = kernels::dot_floats::<F, 4, 1>(isa, weights, token);
                [a, b, c, d]
            },
            |[row], tokens| kernels::dot_floats::<F, 1, 4>(isa, [row], tokens)[0],
            |row, token| kernels::dot_floats::<F, 1, 1>(isa, [row], [token])[0][0],
        );
    }

    /// candle's own kernels, one pair of rows at a time: its tiles sum in another order.
    fn large<B: CandleBlock<VecDotType = BlockQ8K> + Plain>(
        &self,
        _: Isa,
        rows: Range<usize>,
        activations: &Activations,
        tokens: Range<usize>,
        product: Product<'_>,
    ) {
        for (column, r) in rows.enumerate() {
            let row = self.row::<B>(r);
            for (line, t) in tokens.clone().enumerate() {
                let value = B::vec_dot(self.columns, row, activations.large_row(t));
                product.out[line * product.stride + column] = value;
            }
        }
    }
}

/// Walks over rows and tokens in tiles: four rows for a single token, four tokens for a single
/// row. A pair's value does not depend on its tile.
#[expect(clippy::too_many_arguments, reason = "two ranges and the kernels of one format")]
fn tiles<'w, 'a, W: 'w + ?Sized, T: Copy + 'a>(
    rows: Range<usize>,
    tokens: Range<usize>,
    product: Product<'_>,
    row: impl Fn(usize) -> &'w W,
    token: impl Fn(usize) -> T,
    four_rows: impl Fn([&'w W; 4], [T; 1]) -> [f32; 4],
    four_tokens: impl Fn([&'w W; 1], [T; 4]) -> [f32; 4],
    pair: impl Fn(&'w W, T) -> f32,
) {
    let Product { out, stride } = product;
    let (row_start, token_start) = (rows.start, tokens.start);
    let mut r = rows.start;
    while r < rows.end {
        let column = r - row_start;
        if tokens.len() < 4 && rows.end - r >= 4 {
            let weights = std::array::from_fn(|k| row(r + k));
            for t in tokens.clone() {
                let at = (t - token_start) * stride + column;
                out[at..at + 4].copy_from_slice(&four_rows(weights, [token(t)]));
            }
            r += 4;
            continue;
        }
        let weights = row(r);
        let mut t = tokens.start;
        while t < tokens.end {
            let at = (t - token_start) * stride + column;
            if tokens.end - t >= 4 {
                let values = four_tokens([weights], std::array::from_fn(|k| token(t + k)));
                for (k, value) in values.into_iter().enumerate() {
                    out[at + k * stride] = value;
                }
                t += 4;
            } else {
                out[at] = pair(weights, token(t));
                t += 1;
            }
        }
        r += 1;
    }
}
