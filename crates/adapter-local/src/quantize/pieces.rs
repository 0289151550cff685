//! A tensor's bytes in another type, some rows at a time: written models are larger than memory.

use std::path::Path;

use half::{bf16, f16};
use ports::Error;
use rayon::prelude::*;

use super::encode;
use crate::bytes::{NoMemory, zeros};
use crate::checkpoint::StoredTensor;
use crate::error::{LoadCause, LoadError};
use crate::gguf::GgmlType;
use crate::weights::Matrix;

/// Numbers that are expanded at once, where rows are not longer.
const NUMBERS: usize = 1 << 22;
/// Bytes that are handed out at once, where they stay what they are.
const BYTES: usize = 1 << 24;

/// Hands out the bytes of `tensor` as `kind`, from first to last. `place` is what errors name: the
/// file, and the tensor there.
pub(crate) fn each_piece(
    place: (&Path, &str),
    tensor: &StoredTensor,
    kind: GgmlType,
    take: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    if kind == tensor.kind {
        return tensor.data.as_slice().chunks(BYTES).try_for_each(take);
    }
    let columns = tensor.shape.last().copied().unwrap_or(1).max(1);
    let rows = tensor.shape.iter().product::<usize>() / columns;
    let matrix = Matrix::new(tensor.data.clone(), tensor.kind, rows, columns);
    let at_once = (NUMBERS / columns).max(1);
    let no_memory = |NoMemory { bytes }| {
        let tensor = place.1.to_owned();
        LoadError::new(place.0, LoadCause::OutOfMemory { tensor, bytes })
    };
    let mut numbers = zeros(at_once.min(rows) * columns).map_err(no_memory)?;
    for first in (0..rows).step_by(at_once) {
        let numbers = &mut numbers[..at_once.min(rows - first) * columns];
        let each = numbers.par_chunks_mut(columns).enumerate();
        each.for_each(|(row, out)| matrix.expand_row(first + row, out));
        check(place, numbers, kind)?;
        take(&encode(kind, numbers).map_err(no_memory)?)?;
    }
    Ok(())
}

/// Refuses numbers that `kind` cannot hold.
pub(super) fn check(
    (path, tensor): (&Path, &str),
    numbers: &[f32],
    kind: GgmlType,
) -> Result<(), LoadError> {
    let wrong = |problem: String| {
        let tensor = tensor.to_owned();
        Err(LoadError::new(path, LoadCause::Shape { tensor, problem }))
    };
    // What is not a number is above all numbers here.
    let above = |a: f32, b: f32| if a.total_cmp(&b).is_lt() { b } else { a };
    let largest = numbers.par_iter().map(|x| x.abs()).reduce(|| 0.0, above);
    if !largest.is_finite() {
        return wrong("has a value that is not a finite number".into());
    }
    let fits = match kind {
        GgmlType::F32 => true,
        GgmlType::Bf16 => bf16::from_f32(largest).is_finite(),
        // Blocks have their scale in half precision.
        _ => f16::from_f32(largest).is_finite(),
    };
    if fits {
        return Ok(());
    }
    wrong(format!("has the value {largest}, for which {} has no room", kind.as_str()))
}
