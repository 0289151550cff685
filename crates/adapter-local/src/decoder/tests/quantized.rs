//! GGUF files of every quantization against the same numbers in f32, both quantized and read back
//! by candle.

use std::path::Path;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

use super::{One, divergence};
use crate::checkpoint::Checkpoint;
use crate::decoder::{KvPrecision, LoadOptions, load};
use crate::gguf::writer::Writer;
use crate::gguf::{GgmlType, GgufFile};

pub(super) const KINDS: [(GgmlType, GgmlDType); 12] = [
    (GgmlType::F16, GgmlDType::F16),
    (GgmlType::Bf16, GgmlDType::BF16),
    (GgmlType::Q4_0, GgmlDType::Q4_0),
    (GgmlType::Q4_1, GgmlDType::Q4_1),
    (GgmlType::Q5_0, GgmlDType::Q5_0),
    (GgmlType::Q5_1, GgmlDType::Q5_1),
    (GgmlType::Q8_0, GgmlDType::Q8_0),
    (GgmlType::Q2K, GgmlDType::Q2K),
    (GgmlType::Q3K, GgmlDType::Q3K),
    (GgmlType::Q4K, GgmlDType::Q4K),
    (GgmlType::Q5K, GgmlDType::Q5K),
    (GgmlType::Q6K, GgmlDType::Q6K),
];

/// Wide enough for blocks of 256.
pub(super) const WIDTH: usize = 256;
pub(super) const VOCABULARY: usize = 64;
pub(super) const MATRICES: [(&str, usize); 8] = [
    ("token_embd.weight", VOCABULARY),
    ("blk.0.attn_q.weight", WIDTH),
    ("blk.0.attn_k.weight", WIDTH / 2),
    ("blk.0.attn_v.weight", WIDTH / 2),
    ("blk.0.attn_output.weight", WIDTH),
    ("blk.0.ffn_gate.weight", WIDTH),
    ("blk.0.ffn_up.weight", WIDTH),
    ("blk.0.ffn_down.weight", WIDTH),
];

/// Numbers that look random, between -0.2 and 0.2.
fn numbers(seed: usize, count: usize) -> Vec<f32> {
    let mut state = seed as u32 + 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 * 0.4 - 0.2
    };
    (0..count).map(|_| next()).collect()
}

/// A matrix as candle quantizes it: its bytes, and the numbers that they stand for.
pub(super) fn quantize(seed: usize, rows: usize, dtype: GgmlDType) -> (Vec<u8>, Vec<u8>) {
    let numbers = numbers(seed, rows * WIDTH);
    let tensor = Tensor::from_vec(numbers, (rows, WIDTH), &Device::Cpu).unwrap();
    let quantized = QTensor::quantize(&tensor, dtype).unwrap();
    let plain = quantized.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap();
    let plain: Vec<f32> = plain.to_vec1().unwrap();
    let plain = plain.iter().flat_map(|x| x.to_le_bytes()).collect();
    (quantized.data().unwrap().into_owned(), plain)
}

/// A model of one layer.
pub(super) fn model(matrix: impl Fn(usize, usize) -> (GgmlType, Vec<u8>)) -> Checkpoint {
    let count = |writer: Writer, key: &str, value: u32| {
        writer.entry(&format!("llama.{key}"), 4, &value.to_le_bytes())
    };
    let mut writer = Writer::default().entry("general.architecture", 8, &Writer::text(b"llama"));
    for (key, value) in [
        ("block_count", 1),
        ("context_length", 512),
        ("embedding_length", WIDTH as u32),
        ("feed_forward_length", WIDTH as u32),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
    ] {
        writer = count(writer, key, value);
    }
    writer = writer.entry("llama.attention.layer_norm_rms_epsilon", 6, &1e-5_f32.to_le_bytes());
    let mut data = Vec::new();
    for (seed, (name, rows)) in MATRICES.into_iter().enumerate() {
        let (kind, bytes) = matrix(seed, rows);
        let shape = [WIDTH as u64, rows as u64];
        writer = writer.tensor(name, &shape, kind.number(), data.len() as u64);
        data.extend(bytes);
        data.resize(data.len().next_multiple_of(32), 0);
    }
    for name in ["output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"] {
        writer = writer.tensor(name, &[WIDTH as u64], 0, data.len() as u64);
        data.extend(1_f32.to_le_bytes().repeat(WIDTH));
    }
    let bytes = writer.data(data).bytes();
    let file = GgufFile::from_bytes(Path::new("quantized.gguf"), bytes).unwrap();
    Checkpoint::of_gguf(Arc::new(file)).unwrap()
}

fn logits(model: &Checkpoint) -> Vec<Vec<f32>> {
    let kv_cache = KvPrecision::F32;
    let options = LoadOptions { threads: Some(2), kv_cache, ..LoadOptions::default() };
    let mut decoder = One::new(load(model, &options).unwrap());
    (0..40).map(|i| decoder.forward(&[i * 7 % VOCABULARY as u32]).unwrap().to_vec()).collect()
}

#[test]
fn every_quantization_computes_with_the_numbers_that_it_stands_for() {
    for (kind, dtype) in KINDS {
        let quantized = logits(&model(|seed, rows| (kind, quantize(seed, rows, dtype).0)));
        let plain = logits(&model(|seed, rows| (GgmlType::F32, quantize(seed, rows, dtype).1)));
        let pairs = plain.iter().zip(&quantized);
        let mean = pairs.map(|(plain, ours)| divergence(plain, ours)).sum::<f64>() / 40.0;
        // Activations are rounded to eight bits for all but the floats.
        let most = if matches!(kind, GgmlType::F16 | GgmlType::Bf16) { 1e-9 } else { 1e-3 };
        assert!(mean < most, "{}: KL {mean}", kind.as_str());
        let spread = |row: &[f32]| {
            row.iter().copied().fold(f32::MIN, f32::max)
                - row.iter().copied().fold(f32::MAX, f32::min)
        };
        assert!(spread(&plain[39]) > 1.0, "{}: the logits say nothing", kind.as_str());
    }
}
