//! Files that say something false give an error that names it; nothing panics.

use super::{One, decoder, fixture, open};
use crate::checkpoint::Checkpoint;
use crate::decoder::{LoadOptions, load};
use crate::error::{DecodeError, LoadCause};
use crate::gguf::GgufFile;
use std::path::Path;
use std::sync::Arc;

const QWEN2: &str = "tiny-qwen2-f32.gguf";

/// A fixture with every occurrence of `from` replaced.
fn damaged(file: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(fixture(file)).unwrap();
    let mut found = false;
    for at in 0..bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from.as_bytes() {
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            found = true;
        }
    }
    assert!(found, "{from}");
    bytes
}

fn error_of(bytes: Vec<u8>) -> String {
    let file = GgufFile::from_bytes(Path::new("damaged.gguf"), bytes).unwrap();
    let checkpoint = Checkpoint::of_gguf(Arc::new(file));
    let loaded = checkpoint.and_then(|model| load(&model, &LoadOptions::default()));
    loaded.map(drop).unwrap_err().to_string()
}

#[test]
fn an_unknown_architecture_is_refused_with_the_known_ones() {
    let error = error_of(damaged(QWEN2, "\u{5}\0\0\0\0\0\0\0qwen2", "\u{5}\0\0\0\0\0\0\0qwenX"));
    assert_eq!(
        error,
        "damaged.gguf: architecture \"qwenX\" is not supported; known: llama, qwen2, qwen3"
    );
}

#[test]
fn a_missing_key_and_a_missing_tensor_are_named() {
    let error = error_of(damaged(QWEN2, "qwen2.block_count", "qwen2.block_kount"));
    assert!(error.ends_with("does not say \"qwen2.block_count\""), "{error}");
    let error = error_of(damaged(QWEN2, "blk.1.ffn_up.weight", "blk.9.ffn_up.weight"));
    assert!(error.ends_with("has no tensor \"blk.1.ffn_up.weight\""), "{error}");
}

#[test]
fn a_tensor_that_the_architecture_does_not_use_is_refused() {
    let error = error_of(damaged("tiny-qwen3-f32.gguf", "qwen3", "llama"));
    let wanted = "has the tensor \"blk.0.attn_k_norm.weight\", \
                  which a model of the architecture llama does not use";
    assert!(error.ends_with(wanted), "{error}");
}

#[test]
fn wrong_calls_are_refused_and_leave_the_sequence_as_it_was() {
    let options =
        LoadOptions { threads: Some(1), context_length: Some(4), ..LoadOptions::default() };
    let mut decoder = One::new(load(&open(&fixture("tiny-llama-f32.gguf")), &options).unwrap());
    decoder.forward(&[1, 2, 3]).unwrap();
    assert!(matches!(decoder.forward(&[]), Err(DecodeError::NoTokens)));
    assert!(matches!(
        decoder.forward(&[320]),
        Err(DecodeError::UnknownToken { token: 320, vocabulary: 320 })
    ));
    assert!(matches!(
        decoder.forward(&[1, 2]),
        Err(DecodeError::ContextFull { wanted: 5, context_length: 4 })
    ));
    assert_eq!(decoder.position(), 3);
    decoder.forward(&[4]).unwrap();
    assert_eq!(decoder.decoder.context_length(), 4);
}

#[test]
fn weights_that_are_not_numbers_end_in_an_error() {
    let path = fixture("tiny-llama-f32.gguf");
    let file = GgufFile::open(&path).unwrap();
    let range = file.tensor("blk.0.ffn_up.weight").unwrap().range.clone();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[range].fill(0xff);
    let file = GgufFile::from_bytes(Path::new("damaged.gguf"), bytes).unwrap();
    let checkpoint = Checkpoint::of_gguf(Arc::new(file)).unwrap();
    let mut decoder = One::new(load(&checkpoint, &LoadOptions::default()).unwrap());
    assert!(matches!(decoder.forward(&[1, 2, 3]), Err(DecodeError::NotFinite)));
}

#[test]
fn norms_that_are_not_numbers_are_refused_at_load() {
    let path = fixture("tiny-llama-f32.gguf");
    let file = GgufFile::open(&path).unwrap();
    let range = file.tensor("output_norm.weight").unwrap().range.clone();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[range].fill(0xff);
    let file = GgufFile::from_bytes(Path::new("damaged.gguf"), bytes).unwrap();
    let checkpoint = Checkpoint::of_gguf(Arc::new(file)).unwrap();
    let error = load(&checkpoint, &LoadOptions::default()).unwrap_err();
    assert!(
        matches!(error.cause(), LoadCause::Shape { tensor, .. } if tensor == "output_norm.weight")
    );
}

#[test]
fn the_models_own_context_length_is_the_limit() {
    assert_eq!(decoder(&fixture("tiny-llama-f32.gguf"), 1).decoder.context_length(), 512);
}
