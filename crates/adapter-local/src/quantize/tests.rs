//! Bytes of every type against what they stand for, and mixtures against llama.cpp's rules.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use ports::ErrorKind;
use proptest::prelude::*;

use super::{QuantizePlan, Quantized, Scheme, each_piece, encode, expand, quantize_file};
use crate::bytes::Blob;
use crate::checkpoint::{Checkpoint, StoredTensor};
use crate::error::LoadCause;
use crate::gguf::GgmlType;

fn tensor(kind: GgmlType, numbers: &[f32]) -> StoredTensor {
    let data = Blob::held(encode(kind, numbers).unwrap());
    StoredTensor { kind, shape: vec![numbers.len() / 256, 256], data }
}

/// Half a step of a type, as a share of the largest number of a block.
fn coarseness(kind: GgmlType) -> f32 {
    match kind {
        GgmlType::F32 => 0.0,
        GgmlType::F16 => 1.0 / 2048.0,
        GgmlType::Bf16 => 1.0 / 256.0,
        GgmlType::Q8_0 | GgmlType::Q8K => 1.0 / 120.0,
        GgmlType::Q6K => 1.0 / 20.0,
        GgmlType::Q5_0 | GgmlType::Q5_1 | GgmlType::Q5K => 1.0 / 10.0,
        GgmlType::Q4_0 | GgmlType::Q4_1 | GgmlType::Q4K => 1.0 / 5.0,
        GgmlType::Q3K => 1.0 / 2.5,
        GgmlType::Q2K => 1.0 / 1.5,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn numbers_come_back_within_a_step(
        numbers in prop::collection::vec(-4.0_f32..4.0, 512),
        scale in -6_i32..6,
    ) {
        let numbers: Vec<f32> = numbers.into_iter().map(|x| x * 2.0_f32.powi(scale)).collect();
        let most = numbers.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        for kind in GgmlType::ALL {
            let back = expand(&tensor(kind, &numbers)).unwrap();
            for (found, wanted) in back.iter().zip(&numbers) {
                let off = (found - wanted).abs();
                prop_assert!(off <= coarseness(kind) * most, "{kind:?}: {wanted} became {found}");
            }
        }
    }
}

#[test]
fn zeros_stay_zeros() {
    for kind in GgmlType::ALL {
        let back = expand(&tensor(kind, &[0.0; 512])).unwrap();
        assert!(back.iter().all(|x| *x == 0.0), "{kind:?}");
    }
}

#[test]
fn names_are_known_in_either_case_and_unknown_ones_list_them() {
    assert_eq!("Q4_K".parse(), Ok(Scheme::Q4Km));
    assert_eq!("q8_0".parse(), Ok(Scheme::Plain(GgmlType::Q8_0)));
    assert_eq!(Scheme::Q5Km.to_string(), "q5_k_m");
    assert_eq!(Scheme::Q4Km.file_type(), 15);
    let error = "q9".parse::<Scheme>().unwrap_err();
    assert!(error.contains("q4_k_m"), "{error}");
}

#[test]
fn mixtures_spend_bits_where_llama_cpp_does() {
    let kind = |name: &str| Scheme::Q4Km.kind(name, &[1024, 1024], 28, true);
    assert_eq!(kind("token_embd.weight"), GgmlType::Q6K);
    assert_eq!(kind("output_norm.weight"), GgmlType::Q4K, "the shape decides, not the name");
    let more: Vec<usize> = (0..28)
        .filter(|layer| kind(&format!("blk.{layer}.ffn_down.weight")) == GgmlType::Q6K)
        .collect();
    assert_eq!(more, [0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 24, 25, 26, 27]);
    assert_eq!(kind("blk.0.attn_q.weight"), GgmlType::Q4K);
    let untied = Scheme::Q4Km.kind("token_embd.weight", &[1024, 1024], 28, false);
    assert_eq!(untied, GgmlType::Q4K);
    assert_eq!(Scheme::Q4Km.kind("blk.0.attn_norm.weight", &[1024], 28, true), GgmlType::F32);
}

#[test]
fn rows_that_do_not_fill_a_block_take_the_next_type_that_fits() {
    let kind = |scheme: &str, columns| {
        scheme.parse::<Scheme>().unwrap().kind("blk.3.attn_q.weight", &[64, columns], 28, true)
    };
    assert_eq!(kind("q4_k_m", 576), GgmlType::Q5_0);
    assert_eq!(kind("q6_k", 576), GgmlType::Q8_0);
    assert_eq!(kind("q8_0", 100), GgmlType::F16);
}

fn open(name: &str) -> Checkpoint {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    Checkpoint::open(&fixtures.join(name)).unwrap()
}

#[test]
fn a_quantized_model_is_not_quantized_again() {
    let tensors = Arc::clone(open("tiny-qwen3-q8_0.gguf").tensors());
    let again = Quantized::new(Arc::clone(&tensors), "q8_0".parse().unwrap(), 2).unwrap();
    drop(again);
    let error = Quantized::new(tensors, "q4_0".parse().unwrap(), 2).unwrap_err();
    assert!(matches!(error.cause(), LoadCause::QuantizedAlready { .. }), "{error}");
}

#[test]
fn a_written_file_is_the_same_model_in_fewer_bits() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let from = fixtures.join("tiny-llama-f32.gguf");
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out.gguf");
    let quantization = "q8_0".to_owned();
    let plan = QuantizePlan { from, to, quantization, lora: Vec::new() };
    let mut told = Vec::new();
    let written = quantize_file(&plan, &mut |p| {
        told.push(p);
        ControlFlow::Continue(())
    });
    let written = written.unwrap();
    assert!(told.last().is_some_and(|last| last.done == last.total && last.total > 0));
    assert!(written.bytes < written.bytes_before / 2, "{written:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    let before = Checkpoint::open(&plan.from).unwrap();
    let after = Checkpoint::open(&plan.to).unwrap();
    assert_eq!(before.parameters(), after.parameters());
    assert_eq!(before.tensors().names(), after.tensors().names());
    for name in before.tensors().names() {
        let (wanted, found) =
            (before.tensors().tensor(name).unwrap(), after.tensors().tensor(name).unwrap());
        let (wanted, found) = (expand(&wanted).unwrap(), expand(&found).unwrap());
        let most = wanted.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        for (wanted, found) in wanted.iter().zip(found) {
            assert!((wanted - found).abs() <= most / 100.0, "{name}: {wanted} became {found}");
        }
    }
    assert!(after.prompter().is_ok(), "the tokenizer came along");
    let error = quantize_file(&plan, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "a file is never replaced");
}

#[test]
fn a_written_file_that_is_called_off_leaves_nothing() {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-llama-f32.gguf");
    let folder = tempfile::tempdir().unwrap();
    let (to, quantization) = (folder.path().join("out.gguf"), "q8_0".to_owned());
    let plan = QuantizePlan { from, to, quantization, lora: Vec::new() };
    let mut seen = 0;
    let error = quantize_file(&plan, &mut |_| {
        seen = std::fs::read_dir(folder.path()).unwrap().count();
        ControlFlow::Break(())
    });
    assert_eq!((error.unwrap_err().kind(), seen), (ErrorKind::Cancelled, 1));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn pieces_are_the_whole_in_order() {
    // One more row than fits a piece.
    let (rows, columns) = ((1 << 14) + 1, 256);
    let numbers: Vec<f32> = (0..rows * columns).map(|n| (n % 977) as f32 - 488.0).collect();
    let data = Blob::held(encode(GgmlType::F32, &numbers).unwrap());
    let tensor = StoredTensor { kind: GgmlType::F32, shape: vec![rows, columns], data };
    for kind in [GgmlType::F32, GgmlType::Bf16, GgmlType::Q8_0, GgmlType::Q4K] {
        let (mut joined, mut pieces) = (Vec::new(), 0);
        let mut take = |piece: &[u8]| {
            joined.extend(piece);
            pieces += 1;
            Ok(())
        };
        each_piece((Path::new("x"), "t"), &tensor, kind, &mut take).unwrap();
        assert_eq!((joined, pieces), (encode(kind, &numbers).unwrap(), 2), "{kind:?}");
    }
}

#[test]
fn numbers_that_a_type_has_no_room_for_are_refused() {
    for (number, kind, fits) in [
        (65504.0, GgmlType::F16, true),
        (65536.0, GgmlType::F16, false),
        (-70000.0, GgmlType::Q8_0, false),
        (70000.0, GgmlType::Bf16, true),
        (f32::MAX, GgmlType::Bf16, false),
        (f32::NAN, GgmlType::F16, false),
        (f32::NEG_INFINITY, GgmlType::Bf16, false),
    ] {
        let mut numbers = vec![0.5; 256];
        numbers[77] = number;
        let tensor = tensor(GgmlType::F32, &numbers);
        let result = each_piece((Path::new("x.gguf"), "t"), &tensor, kind, &mut |_| Ok(()));
        assert_eq!(result.is_ok(), fits, "{number} as {kind:?}");
        if let Err(error) = result {
            assert!(error.to_string().starts_with("x.gguf: tensor \"t\": has "), "{error}");
        }
    }
}
