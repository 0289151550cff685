//! Matrices of every storage type, at good and bad addresses, against plain arithmetic.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use candle_core::quantized::k_quants::{
    BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K,
    BlockQ8_0, BlockQ8K,
};
use candle_core::quantized::{GgmlDType, GgmlType as CandleBlock, QStorage, QTensor};
use half::{bf16, f16};

use kernels::{Isa, Pool};

use super::{Activations, Prepared, Weights};
use crate::gguf::writer::Writer;
use crate::gguf::{GgmlType, GgufFile};

const ROWS: usize = 7;
const COLUMNS: usize = 512;
const TOKENS: usize = 6;

fn noise(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// The numbers as a file has them, quantized by candle.
fn stored<B: CandleBlock>(numbers: &[f32]) -> Vec<u8> {
    let mut blocks = vec![B::zeros(); numbers.len() / B::BLCK_SIZE];
    B::from_float(numbers, &mut blocks);
    // SAFETY: the blocks are plain numbers without padding.
    #[expect(unsafe_code, reason = "writes blocks to a file in memory")]
    let bytes = unsafe {
        std::slice::from_raw_parts(blocks.as_ptr().cast::<u8>(), size_of_val(blocks.as_slice()))
    };
    bytes.to_vec()
}

fn bytes(kind: GgmlType, numbers: &[f32]) -> Vec<u8> {
    match kind {
        GgmlType::F32 => stored::<f32>(numbers),
        GgmlType::F16 => stored::<f16>(numbers),
        GgmlType::Bf16 => stored::<bf16>(numbers),
        GgmlType::Q4_0 => stored::<BlockQ4_0>(numbers),
        GgmlType::Q4_1 => stored::<BlockQ4_1>(numbers),
        GgmlType::Q5_0 => stored::<BlockQ5_0>(numbers),
        GgmlType::Q5_1 => stored::<BlockQ5_1>(numbers),
        GgmlType::Q8_0 => stored::<BlockQ8_0>(numbers),
        GgmlType::Q2K => stored::<BlockQ2K>(numbers),
        GgmlType::Q3K => stored::<BlockQ3K>(numbers),
        GgmlType::Q4K => stored::<BlockQ4K>(numbers),
        GgmlType::Q5K => stored::<BlockQ5K>(numbers),
        GgmlType::Q6K => stored::<BlockQ6K>(numbers),
        GgmlType::Q8K => stored::<BlockQ8K>(numbers),
    }
}

/// A file with one matrix; `shift` bytes off every alignment.
fn matrix(kind: GgmlType, numbers: &[f32], shift: usize, pool: &Pool, isa: Isa) -> Prepared {
    let mut data = vec![0; shift];
    data.extend(bytes(kind, numbers));
    let shape = [COLUMNS as u64, ROWS as u64];
    let alignment = if shift == 0 { 32 } else { 1 };
    let file = Writer::default()
        .alignment(alignment)
        .tensor("matrix", &shape, kind.number(), shift as u64)
        .data(data)
        .bytes();
    let file = GgufFile::from_bytes(Path::new("test.gguf"), file).unwrap();
    Weights::new(Arc::new(file)).prepare(pool, isa).matrix("matrix", ROWS, COLUMNS).unwrap()
}

#[test]
fn products_of_every_type_are_right_wherever_they_lie() {
    let pool = Pool::new(2, "test").unwrap();
    let numbers = noise(1, ROWS * COLUMNS);
    let inputs = noise(2, TOKENS * COLUMNS);
    for kind in GgmlType::ALL {
        for shift in 0..4 {
            for isa in Isa::available() {
                let matrix = matrix(kind, &numbers, shift, &pool, isa);
                check(&matrix, &pool, isa, &inputs, &format!("{kind:?}, shift {shift}, {isa:?}"));
            }
        }
    }
}

/// All rows times the first `tokens` of the inputs.
fn product(matrix: &Prepared, pool: &Pool, isa: Isa, inputs: &[f32], tokens: usize) -> Vec<f32> {
    let needs = matrix.needs();
    let mut activations = Activations::new(isa, tokens, COLUMNS, needs).unwrap();
    activations.fill(pool, (tokens, COLUMNS), needs, |token, row| {
        row.copy_from_slice(&inputs[token * COLUMNS..][..COLUMNS]);
    });
    let mut out = vec![0.0; tokens * ROWS];
    kernels::multiply(pool, isa, std::slice::from_ref(matrix), activations.input(), &mut out);
    out
}

fn check(matrix: &Prepared, pool: &Pool, isa: Isa, inputs: &[f32], what: &str) {
    let out = product(matrix, pool, isa, inputs, TOKENS);
    let mut expanded = vec![0.0; COLUMNS];
    for token in 0..TOKENS {
        let input = &inputs[token * COLUMNS..][..COLUMNS];
        let alone = product(matrix, pool, isa, input, 1);
        for row in 0..ROWS {
            matrix.expand_row(row, &mut expanded);
            let wanted: f32 = expanded.iter().zip(input).map(|(w, x)| w * x).sum();
            let found = out[token * ROWS + row];
            // Activations lose up to half a step of 1/127 each: about 0.04 in a sum of 512.
            assert!((found - wanted).abs() < 0.2, "{what}: {found} is not {wanted}");
            assert_eq!(alone[row].to_bits(), found.to_bits(), "{what}: depends on neighbours");
        }
    }
}

/// What candle makes of stored rows.
fn candle_row(kind: GgmlType, stored: &[u8]) -> Vec<f32> {
    let dtype = match kind {
        GgmlType::Q4_0 => GgmlDType::Q4_0,
        GgmlType::Q4_1 => GgmlDType::Q4_1,
        GgmlType::Q5_0 => GgmlDType::Q5_0,
        GgmlType::Q5_1 => GgmlDType::Q5_1,
        GgmlType::Q8_0 => GgmlDType::Q8_0,
        GgmlType::Q2K => GgmlDType::Q2K,
        GgmlType::Q3K => GgmlDType::Q3K,
        GgmlType::Q4K => GgmlDType::Q4K,
        GgmlType::Q5K => GgmlDType::Q5K,
        GgmlType::Q6K => GgmlDType::Q6K,
        _ => return Vec::new(),
    };
    let storage = dtype.from_data(Cow::Borrowed(stored));
    let tensor = QTensor::new(QStorage::Cpu(storage), (1, COLUMNS)).unwrap();
    tensor.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn rows_expand_as_candle_expands_them() {
    let pool = Pool::new(1, "test").unwrap();
    let numbers = noise(7, ROWS * COLUMNS);
    let mut found = vec![0.0; COLUMNS];
    for kind in GgmlType::ALL {
        let stored = bytes(kind, &numbers);
        for (row, stored) in stored.chunks(stored.len() / ROWS).enumerate() {
            let wanted = candle_row(kind, stored);
            if wanted.is_empty() {
                continue;
            }
            for isa in Isa::available() {
                matrix(kind, &numbers, 0, &pool, isa).expand_row(row, &mut found);
                let off = wanted.iter().zip(&found).map(|(a, b)| (a - b).abs());
                let worst = off.fold(0.0, f32::max);
                assert!(worst < 1e-6, "{kind:?}, row {row}, {isa:?}: off by {worst}");
            }
        }
    }
}

#[test]
fn a_wrong_shape_names_the_tensor() {
    let file = Writer::default().tensor("t", &[4, 2], 0, 0).data(vec![0; 64]).bytes();
    let file = Arc::new(GgufFile::from_bytes(Path::new("x.gguf"), file).unwrap());
    let weights = Weights::new(file);
    let error = weights.matrix("t", 4, 2).unwrap_err().to_string();
    assert_eq!(error, "x.gguf: tensor \"t\": has the shape [2, 4] where the model needs [4, 2]");
    assert!(weights.vector("u", 4).unwrap_err().to_string().ends_with("has no tensor \"u\""));
    assert!(weights.finish("llama").unwrap_err().to_string().contains("has the tensor \"t\""));
}
