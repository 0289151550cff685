//! A matrix as the kernels multiply it: quantized rows packed, others where they lie.

use std::sync::Arc;

use kernels::{AsOperand, FloatRows, Isa, Number, Operand, Packed, Pool};

use super::activations::Needs;
use super::matrix::{Form, Matrix};
use crate::bytes::{Blob, NoMemory, zeros};

/// Rows that kernels multiply; a clone shares them.
#[derive(Debug, Clone)]
pub(crate) enum Prepared {
    /// In the kernels' own order; the file is not needed any more.
    Packed(Arc<Packed>),
    /// As stored.
    Numbers { data: Blob, number: Number, rows: usize, columns: usize },
    /// As stored, to be looked up and never multiplied.
    Stored(Matrix),
    /// Only checked: there is nothing to multiply.
    Facts { rows: usize },
}

impl Prepared {
    /// Prepares a matrix, on all threads of the pool, and lets go of the pages of its file that
    /// nobody will read again.
    pub(crate) fn new(matrix: &Matrix, pool: &Pool, isa: Isa) -> Result<Self, NoMemory> {
        let (rows, columns) = (matrix.rows(), matrix.columns());
        let blocks = match matrix.form() {
            Form::Numbers(number) => {
                return Ok(Self::Numbers { data: matrix.data().clone(), number, rows, columns });
            }
            Form::Q8K => return as_floats(matrix, pool),
            Form::Blocks(blocks) => blocks,
        };
        let bytes = matrix.data().as_slice().len();
        let packed = Packed::zeroed(isa, blocks, rows, columns);
        let mut packed = packed.map_err(|_| NoMemory { bytes })?;
        let (count, at_once) = (packed.panels(), packed.panel_rows());
        pool.each(count, packed.panels_mut().enumerate(), |(index, panel)| {
            let first = index * at_once;
            let mut list: [&[u8]; 16] = [&[]; 16];
            let here = at_once.min(rows - first).min(list.len());
            for (row, bytes) in list.iter_mut().enumerate().take(here) {
                *bytes = matrix.row(first + row);
            }
            panel.pack(&list[..here]);
        });
        matrix.data().let_go();
        Ok(Self::Packed(Arc::new(packed)))
    }

    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.rows(),
            Self::Stored(matrix) => matrix.rows(),
            Self::Numbers { rows, .. } | Self::Facts { rows } => *rows,
        }
    }

    /// The form of activations that it multiplies with.
    pub(crate) fn needs(&self) -> Needs {
        Needs { bytes: matches!(self, Self::Packed(_)) }
    }

    /// Writes row `row`, as f32, to `out`.
    pub(crate) fn expand_row(&self, row: usize, out: &mut [f32]) {
        match self {
            Self::Packed(packed) => packed.expand_row(row, out),
            Self::Numbers { data, number, columns, .. } => {
                let bytes = columns * number.bytes();
                number.expand(&data.as_slice()[row * bytes..][..bytes], out);
            }
            Self::Stored(matrix) => matrix.expand_row(row, out),
            Self::Facts { .. } => out.fill(0.0),
        }
    }
}

/// All numbers, for a form that kernels do not know.
fn as_floats(matrix: &Matrix, pool: &Pool) -> Result<Prepared, NoMemory> {
    let (rows, columns) = (matrix.rows(), matrix.columns());
    let mut bytes: Vec<u8> = zeros(rows * columns * size_of::<f32>())?;
    let row_bytes = columns * size_of::<f32>();
    pool.pieces(&mut bytes, row_bytes, |row, bytes| {
        let mut numbers = vec![0.0_f32; columns];
        matrix.expand_row(row, &mut numbers);
        for (to, number) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
            *to = number.to_le_bytes();
        }
    });
    Ok(Prepared::Numbers { data: Blob::held(bytes), number: Number::F32, rows, columns })
}

impl AsOperand for Prepared {
    fn operand(&self) -> Operand<'_> {
        match self {
            Self::Packed(packed) => Operand::Packed(packed),
            Self::Numbers { data, number, rows, columns } => {
                Operand::Floats(FloatRows::new(data.as_slice(), *number, *rows, *columns))
            }
            Self::Stored(_) | Self::Facts { .. } => {
                Operand::Floats(FloatRows::new(&[], Number::F32, 0, 0))
            }
        }
    }
}
