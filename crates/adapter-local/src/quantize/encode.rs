//! f32 numbers to the bytes of a storage type and back, in parallel.

use candle_core::quantized::GgmlType as CandleBlock;
use candle_core::quantized::k_quants::{
    BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K,
    BlockQ8_0, BlockQ8K,
};
use half::{bf16, f16};
use rayon::prelude::*;

use crate::bytes::{NoMemory, zeros};
use crate::checkpoint::StoredTensor;
use crate::gguf::GgmlType;
use crate::weights::{Matrix, Plain, bytes_of};

/// Numbers that one task encodes; whole blocks of every type.
const TASK: usize = 1 << 16;

/// The numbers as bytes of `kind`. Rows must be whole blocks; the caller has checked it.
pub(crate) fn encode(kind: GgmlType, numbers: &[f32]) -> Result<Vec<u8>, NoMemory> {
    let (block, bytes) = kind.block();
    let mut out = zeros(numbers.len() / block * bytes)?;
    out.par_chunks_mut(TASK / block * bytes).zip(numbers.par_chunks(TASK)).for_each(
        |(out, numbers)| match kind {
            GgmlType::F32 => floats(numbers, out, f32::to_le_bytes),
            GgmlType::F16 => floats(numbers, out, |x| f16::from_f32(x).to_le_bytes()),
            GgmlType::Bf16 => floats(numbers, out, |x| bf16::from_f32(x).to_le_bytes()),
            GgmlType::Q4_0 => blocks::<BlockQ4_0>(numbers, out),
            GgmlType::Q4_1 => blocks::<BlockQ4_1>(numbers, out),
            GgmlType::Q5_0 => blocks::<BlockQ5_0>(numbers, out),
            GgmlType::Q5_1 => blocks::<BlockQ5_1>(numbers, out),
            GgmlType::Q8_0 => blocks::<BlockQ8_0>(numbers, out),
            GgmlType::Q2K => blocks::<BlockQ2K>(numbers, out),
            GgmlType::Q3K => blocks::<BlockQ3K>(numbers, out),
            GgmlType::Q4K => blocks::<BlockQ4K>(numbers, out),
            GgmlType::Q5K => blocks::<BlockQ5K>(numbers, out),
            GgmlType::Q6K => blocks::<BlockQ6K>(numbers, out),
            GgmlType::Q8K => blocks::<BlockQ8K>(numbers, out),
        },
    );
    Ok(out)
}

fn floats<const N: usize>(numbers: &[f32], out: &mut [u8], bytes: impl Fn(f32) -> [u8; N]) {
    for (out, x) in out.as_chunks_mut::<N>().0.iter_mut().zip(numbers) {
        *out = bytes(*x);
    }
}

fn blocks<B: CandleBlock + Plain>(numbers: &[f32], out: &mut [u8]) {
    let mut blocks = vec![B::zeros(); numbers.len() / B::BLCK_SIZE];
    B::from_float(numbers, &mut blocks);
    out.copy_from_slice(bytes_of(&blocks));
}

/// All numbers of a tensor, as f32.
pub(crate) fn expand(tensor: &StoredTensor) -> Result<Vec<f32>, NoMemory> {
    let columns = tensor.shape.last().copied().unwrap_or(1).max(1);
    let rows = tensor.shape.iter().product::<usize>() / columns;
    let matrix = Matrix::new(tensor.data.clone(), tensor.kind, rows, columns);
    let mut out = zeros(rows * columns)?;
    out.par_chunks_mut(columns).enumerate().for_each(|(row, out)| matrix.expand_row(row, out));
    Ok(out)
}
