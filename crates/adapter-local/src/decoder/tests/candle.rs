//! What the references do not show of the decoder on candle's tensors: quantized files, shared pages,
//! memory, damage. `checkpoints` compares it with transformers.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use proptest::prelude::*;

use super::acts::{live, rounds, text};
use super::{
    Decoder, LoadOptions, One, Part, Reference, SequenceId, Wanted, divergence, fixture, open,
};
use crate::checkpoint::Checkpoint;
use crate::decoder::{Engine, KvPrecision, PAGE, bytes_per_position, load};
use crate::error::DecodeError;
use crate::gguf::GgufFile;

const FILES: [&str; 2] = ["tiny-llama-f32.gguf", "tiny-qwen3-q8_0.gguf"];

fn options() -> LoadOptions {
    let engine = Engine::Candle(Device::Cpu);
    LoadOptions { engine, kv_cache: KvPrecision::F32, ..LoadOptions::default() }
}

fn model(file: &str) -> Box<dyn Decoder> {
    load(&open(&fixture(file)), &options()).unwrap()
}

fn step(decoder: &mut dyn Decoder, sequence: SequenceId, tokens: &[u32]) -> Vec<f32> {
    decoder.forward(&[Part { sequence, tokens, wanted: Wanted::Last }]).unwrap();
    decoder.logits(0).unwrap().to_vec()
}

/// Logits after the last token, computed alone in one call.
fn alone(file: &str, tokens: &[u32]) -> Vec<f32> {
    let mut decoder = model(file);
    let sequence = decoder.open().unwrap();
    step(decoder.as_mut(), sequence, tokens)
}

/// Whether two rows of logits differ by rounding only. Activations that are quantized may round to
/// the next of 255 steps.
fn same(file: &str, a: &[f32], b: &[f32]) -> bool {
    let most = if file.contains("q8_0") { 2e-2 } else { 1e-4 };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < most)
}

#[test]
fn files_of_every_family_give_the_logits_of_the_reference() {
    for (file, most) in [
        ("tiny-llama-f32.gguf", 1e-9),
        ("tiny-qwen2-f32.gguf", 1e-9),
        ("tiny-qwen3-f32.gguf", 1e-9),
        ("tiny-qwen3-q8_0.gguf", 0.05),
    ] {
        let reference = Reference::read(file.rsplit_once('-').unwrap().0);
        let mut one = One::new(model(file));
        for (token, wanted) in reference.tokens.iter().zip(&reference.logits) {
            let found = one.forward(&[*token]).unwrap();
            let divergence = divergence(wanted, found);
            assert!(divergence < most, "{file}: KL {divergence}");
        }
    }
}

#[test]
fn ragged_batches_equal_single_sequences() {
    for file in FILES {
        for count in [1, 2, 3, 7, 16] {
            let mut decoder = model(file);
            let texts: Vec<_> = (0..count).map(|seed| text(seed, 0, 3 + seed * 17)).collect();
            let ids: Vec<_> = texts.iter().map(|_| decoder.open().unwrap()).collect();
            let part = |(sequence, tokens)| Part { sequence, tokens, wanted: Wanted::Last };
            let tokens = texts.iter().map(Vec::as_slice);
            let parts: Vec<_> = ids.iter().copied().zip(tokens).map(part).collect();
            decoder.forward(&parts).unwrap();
            for (index, text) in texts.iter().enumerate() {
                let found = decoder.logits(index).unwrap();
                assert!(same(file, found, &alone(file, text)), "{file}: {index} of {count}");
            }
        }
    }
}

/// Steps of one token each are filled up with rows and pages that nobody sees.
#[test]
fn steps_of_one_token_each_equal_single_sequences() {
    for file in FILES {
        let mut decoder = model(file);
        let lens = [1, 30, PAGE - 2, PAGE + 1, 3 * PAGE, 5 * PAGE - 1, 17];
        let texts: Vec<_> = (0..).zip(lens).map(|(seed, len)| text(seed, 0, len + 6)).collect();
        let ids: Vec<_> = texts.iter().map(|_| decoder.open().unwrap()).collect();
        for ((id, text), len) in ids.iter().zip(&texts).zip(lens) {
            step(decoder.as_mut(), *id, &text[..len]);
        }
        for round in 0..6 {
            // One leaves each round: 7, 6, … 2 sequences.
            let part = |index: usize| Part {
                sequence: ids[index],
                tokens: &texts[index][lens[index] + round..=lens[index] + round],
                wanted: if index % 3 == 2 { Wanted::None } else { Wanted::Last },
            };
            let parts: Vec<_> = (round..ids.len()).map(part).collect();
            decoder.forward(&parts).unwrap();
            for (at, index) in (round..ids.len()).enumerate() {
                let found = decoder.logits(at).unwrap();
                if index % 3 == 2 {
                    assert!(found.is_empty());
                    continue;
                }
                let wanted = alone(file, &texts[index][..=lens[index] + round]);
                assert!(same(file, found, &wanted), "{file}: {index} in round {round}");
            }
        }
    }
}

#[test]
fn a_shared_beginning_is_not_disturbed() {
    for file in FILES {
        for shared in [1, PAGE - 1, PAGE, PAGE + 5, 3 * PAGE] {
            let mut decoder = model(file);
            let original = decoder.open().unwrap();
            let first = text(0, shared, shared + 30);
            step(decoder.as_mut(), original, &first);
            let branch = decoder.fork(original, shared).unwrap();
            assert_eq!(decoder.len(branch), shared);
            let second = text(5, shared, shared + 20);
            let found = step(decoder.as_mut(), branch, &second[shared..]);
            assert!(same(file, &found, &alone(file, &second)), "{file}: the branch at {shared}");
            let longer = text(0, shared, shared + 41);
            let found = step(decoder.as_mut(), original, &longer[first.len()..]);
            assert!(same(file, &found, &alone(file, &longer)), "{file}: the original at {shared}");
        }
    }
}

#[test]
fn memory_is_limited_and_comes_back() {
    let checkpoint = open(&fixture(FILES[0]));
    let p = checkpoint.parameters();
    let position = bytes_per_position(p, KvPrecision::F32);
    let cache_bytes = Some(position * 3 * PAGE as u64);
    let mut decoder = load(&checkpoint, &LoadOptions { cache_bytes, ..options() }).unwrap();
    assert_eq!(decoder.free_positions(), 3 * PAGE);
    let [a, b] = [decoder.open().unwrap(), decoder.open().unwrap()];
    step(decoder.as_mut(), a, &text(0, 0, 2 * PAGE));
    assert_eq!(decoder.free_positions(), PAGE);
    let long = text(1, 0, PAGE + 1);
    let part = Part { sequence: b, tokens: &long, wanted: Wanted::Last };
    assert!(matches!(decoder.forward(&[part]), Err(DecodeError::OutOfMemory { .. })));
    assert_eq!((decoder.len(b), decoder.free_positions()), (0, PAGE));
    decoder.close(a);
    assert_eq!(decoder.free_positions(), 3 * PAGE);
    assert!(same(FILES[0], &step(decoder.as_mut(), b, &long), &alone(FILES[0], &long)));
}

#[test]
fn wrong_steps_are_refused() {
    let mut decoder = model(FILES[0]);
    let [a, b] = [decoder.open().unwrap(), decoder.open().unwrap()];
    decoder.close(b);
    let part = |sequence| Part { sequence, tokens: &[1], wanted: Wanted::Last };
    assert!(matches!(decoder.forward(&[]), Err(DecodeError::NoTokens)));
    assert!(matches!(decoder.forward(&[part(a), part(a)]), Err(DecodeError::WrongSequence)));
    assert!(matches!(decoder.forward(&[part(b)]), Err(DecodeError::WrongSequence)));
    assert!(matches!(decoder.fork(b, 1), Err(DecodeError::WrongSequence)));
    let unknown = Part { tokens: &[320], ..part(a) };
    assert!(matches!(decoder.forward(&[unknown]), Err(DecodeError::UnknownToken { .. })));
}

#[test]
fn weights_that_are_not_numbers_end_in_an_error() {
    // In quantized models, the activations of the next product hide what is not a number: there it
    // must reach the stream.
    for (name, tensor) in [(FILES[0], "blk.0.ffn_up.weight"), (FILES[1], "blk.1.ffn_down.weight")] {
        let path = fixture(name);
        let range = GgufFile::open(&path).unwrap().tensor(tensor).unwrap().range.clone();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[range].fill(0xff);
        let file = GgufFile::from_bytes(Path::new("damaged.gguf"), bytes).unwrap();
        let checkpoint = Checkpoint::of_gguf(Arc::new(file)).unwrap();
        let mut one = One::new(load(&checkpoint, &options()).unwrap());
        assert!(matches!(one.forward(&[1, 2, 3]), Err(DecodeError::NotFinite)), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Every sequence always has the logits that a fresh one computes for its tokens.
    #[test]
    fn nobody_changes_another_ones_tokens(rounds in rounds(8)) {
        let mut decoder = model(FILES[0]);
        live(decoder.as_mut(), &rounds, |tokens, logits| {
            prop_assert!(same(FILES[0], logits, &alone(FILES[0], tokens)));
            Ok(())
        })?;
        prop_assert_eq!(decoder.free_positions(), model(FILES[0]).free_positions());
    }
}
