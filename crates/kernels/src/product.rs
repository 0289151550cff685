//! Matrices times rows of activations, shared out over the threads of a pool.

#![expect(unsafe_code, reason = "threads write disjoint columns of the same rows")]

use crate::isa::Isa;
use crate::packed::{ByteRows, Packed};
use crate::pool::Pool;
use crate::rows::{self, FloatRows};

/// A matrix in the form in which it is multiplied.
#[derive(Debug, Clone, Copy)]
pub enum Operand<'a> {
    /// Quantized, with quantized activations.
    Packed(&'a Packed),
    /// Numbers one by one, with activations as they are.
    Floats(FloatRows<'a>),
}

/// What can be multiplied.
pub trait AsOperand: Sync {
    /// The form in which it is.
    fn operand(&self) -> Operand<'_>;
}

impl AsOperand for Operand<'_> {
    fn operand(&self) -> Operand<'_> {
        *self
    }
}

impl Operand<'_> {
    fn rows(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.rows(),
            Self::Floats(floats) => floats.rows(),
        }
    }

    fn columns(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.columns(),
            Self::Floats(floats) => floats.columns(),
        }
    }

    /// Rows that are computed together.
    fn unit(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.panel_rows(),
            Self::Floats(_) => rows::UNIT,
        }
    }

    fn units(&self) -> usize {
        self.rows().div_ceil(self.unit())
    }
}

/// Rows of activations in the forms that the matrices want.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// One row after the other.
    pub floats: &'a [f32],
    /// The same, quantized; needed where a matrix is.
    pub bytes: Option<ByteRows<'a>>,
    /// How many rows.
    pub tokens: usize,
}

/// Most matrices of one product.
const MOST_PARTS: usize = 8;

/// Multiply-adds that are worth a chunk of their own.
const SMALLEST_CHUNK: usize = 1 << 15;
/// Chunks per thread: what one thread loses to other programs, the others make up for.
const CHUNKS_PER_THREAD: usize = 6;

/// `out[token][row]`, the rows of all `parts` one after the other: every row times every row of
/// `input`.
///
/// # Panics
/// When sizes do not fit, or quantized activations are missing.
pub fn multiply<P: AsOperand>(
    pool: &Pool,
    isa: Isa,
    parts: &[P],
    input: Input<'_>,
    out: &mut [f32],
) {
    assert!(parts.len() <= MOST_PARTS, "{} matrices at once", parts.len());
    // Asked once: what was checked is what is used.
    let mut list = [None; MOST_PARTS];
    list.iter_mut().zip(parts).for_each(|(slot, part)| *slot = Some(part.operand()));
    let operands = || list.iter().flatten();
    let stride = operands().try_fold(0_usize, |all, part| all.checked_add(part.rows()));
    let needed = stride.and_then(|stride| stride.checked_mul(input.tokens));
    assert!(needed.is_some_and(|n| n <= out.len()), "no room for {} rows", input.tokens);
    let stride = stride.unwrap_or(0);
    let units: usize = operands().map(Operand::units).sum();
    let products = |part: &Operand<'_>| part.rows().saturating_mul(part.columns());
    let work = operands().map(products).fold(0_usize, usize::saturating_add);
    let work = work.saturating_mul(input.tokens).max(1);
    let least = units.saturating_mul(SMALLEST_CHUNK).div_ceil(work);
    let share = units.div_ceil(pool.threads() * CHUNKS_PER_THREAD).max(least).max(1);
    let out = Columns { at: out.as_mut_ptr(), stride };
    pool.run(units.div_ceil(share), |chunk| {
        let wanted = chunk * share..((chunk + 1) * share).min(units);
        let (mut first_unit, mut first_row) = (0, 0);
        for part in operands() {
            let from = wanted.start.clamp(first_unit, first_unit + part.units()) - first_unit;
            let to = wanted.end.clamp(first_unit, first_unit + part.units()) - first_unit;
            if from < to {
                // SAFETY: `out` has room for all rows of all tokens (checked), and no other chunk
                // has these units.
                unsafe { out.multiply(isa, part, from..to, &input, first_row) };
            }
            first_unit += part.units();
            first_row += part.rows();
        }
    });
}

/// Numbers that threads write side by side.
struct Columns {
    at: *mut f32,
    stride: usize,
}
// SAFETY: threads write different rows of the matrices, which are different numbers.
unsafe impl Sync for Columns {}

impl Columns {
    /// # Safety
    /// There is room from `first_row` on, and nobody else has these units.
    unsafe fn multiply(
        &self,
        isa: Isa,
        part: &Operand<'_>,
        units: std::ops::Range<usize>,
        input: &Input<'_>,
        first_row: usize,
    ) {
        // SAFETY: by the caller.
        unsafe {
            let out = self.at.add(first_row);
            match part {
                Operand::Packed(packed) => {
                    let bytes = input.bytes.as_ref();
                    assert!(bytes.is_some_and(|bytes| bytes.tokens() == input.tokens), "no bytes");
                    if let Some(bytes) = bytes {
                        packed.multiply(units, bytes, out, self.stride);
                    }
                }
                Operand::Floats(floats) => {
                    let rows = units.start * rows::UNIT..floats.rows().min(units.end * rows::UNIT);
                    floats.multiply(isa, rows, input.floats, input.tokens, out, self.stride);
                }
            }
        }
    }
}
