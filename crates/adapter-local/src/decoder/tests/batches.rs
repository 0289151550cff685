//! Many sequences at once give, bit for bit, what each gives alone; pages are shared and given back.

use proptest::prelude::*;

use super::acts::{live, rounds, text};
use super::{Decoder, LoadOptions, Part, SequenceId, Wanted, fixture, open};
use crate::decoder::{KvPrecision, PAGE, bytes_per_position, load};
use crate::error::DecodeError;

const FILES: [&str; 2] = ["tiny-llama-f32.gguf", "tiny-qwen3-q8_0.gguf"];

fn model(file: &str, threads: usize) -> Box<dyn Decoder> {
    let options = LoadOptions { threads: Some(threads), ..LoadOptions::default() };
    load(&open(&fixture(file)), &options).unwrap()
}

fn step(decoder: &mut dyn Decoder, sequence: SequenceId, tokens: &[u32]) -> Vec<u32> {
    decoder.forward(&[Part { sequence, tokens, wanted: Wanted::Last }]).unwrap();
    bits(decoder.logits(0).unwrap())
}

fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|x| x.to_bits()).collect()
}

/// Logits after the last token, computed alone in one call.
fn alone(file: &str, tokens: &[u32]) -> Vec<u32> {
    let mut decoder = model(file, 1);
    let sequence = decoder.open().unwrap();
    step(decoder.as_mut(), sequence, tokens)
}

#[test]
fn ragged_batches_of_1_to_16_equal_single_sequences() {
    for file in FILES {
        for count in [1, 2, 3, 7, 16] {
            let mut decoder = model(file, 2);
            let texts: Vec<_> = (0..count).map(|seed| text(seed, 0, 3 + seed * 17)).collect();
            let ids: Vec<_> = texts.iter().map(|_| decoder.open().unwrap()).collect();
            let part = |(sequence, tokens)| Part { sequence, tokens, wanted: Wanted::Last };
            let tokens = texts.iter().map(Vec::as_slice);
            let parts: Vec<_> = ids.iter().copied().zip(tokens).map(part).collect();
            decoder.forward(&parts).unwrap();
            for (index, text) in texts.iter().enumerate() {
                let found = bits(decoder.logits(index).unwrap());
                assert!(found == alone(file, text), "{file}: {index} of {count}");
            }
        }
    }
}

#[test]
fn logits_of_every_token_are_those_of_single_steps() {
    for file in FILES {
        let tokens = text(1, 0, 40);
        let mut decoder = model(file, 2);
        let [all, single] = [decoder.open().unwrap(), decoder.open().unwrap()];
        decoder.forward(&[Part { sequence: all, tokens: &tokens, wanted: Wanted::All }]).unwrap();
        let rows = bits(decoder.logits(0).unwrap());
        for (index, row) in rows.chunks(decoder.vocab_size()).enumerate() {
            assert!(
                step(decoder.as_mut(), single, &tokens[index..=index]) == row,
                "{file} {index}"
            );
        }
    }
}

#[test]
fn a_shared_beginning_is_not_computed_again_and_not_disturbed() {
    for file in FILES {
        for shared in [1, PAGE - 1, PAGE, PAGE + 5, 3 * PAGE] {
            let mut decoder = model(file, 2);
            let original = decoder.open().unwrap();
            let first = text(0, shared, shared + 30);
            step(decoder.as_mut(), original, &first);
            let branch = decoder.fork(original, shared).unwrap();
            assert_eq!(decoder.len(branch), shared);
            let second = text(5, shared, shared + 20);
            let found = step(decoder.as_mut(), branch, &second[shared..]);
            assert!(found == alone(file, &second), "{file}: the branch at {shared}");
            let longer = text(0, shared, shared + 41);
            let found = step(decoder.as_mut(), original, &longer[first.len()..]);
            assert!(found == alone(file, &longer), "{file}: the original at {shared}");
        }
    }
}

#[test]
fn memory_is_limited_and_comes_back() {
    let checkpoint = open(&fixture(FILES[0]));
    let per_position = bytes_per_position(checkpoint.parameters(), KvPrecision::default());
    let cache_bytes = Some(per_position * 3 * PAGE as u64);
    let options = LoadOptions { threads: Some(1), cache_bytes, ..LoadOptions::default() };
    let mut decoder = load(&checkpoint, &options).unwrap();
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
    assert!(step(decoder.as_mut(), b, &long) == alone(FILES[0], &long));
}

#[test]
fn wrong_steps_are_refused() {
    let mut decoder = model(FILES[0], 1);
    let [a, b] = [decoder.open().unwrap(), decoder.open().unwrap()];
    decoder.close(b);
    let part = |sequence| Part { sequence, tokens: &[1], wanted: Wanted::Last };
    assert!(matches!(decoder.forward(&[]), Err(DecodeError::NoTokens)));
    assert!(matches!(decoder.forward(&[part(a), part(a)]), Err(DecodeError::WrongSequence)));
    assert!(matches!(decoder.forward(&[part(b)]), Err(DecodeError::WrongSequence)));
    assert!(matches!(decoder.fork(b, 1), Err(DecodeError::WrongSequence)));
    let most = decoder.most_sequences();
    while decoder.open().is_ok() {}
    assert!(matches!(decoder.open(), Err(DecodeError::TooManySequences { most: m }) if m == most));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Every sequence always has the logits that a fresh one computes for its tokens.
    #[test]
    fn nobody_changes_another_ones_tokens(rounds in rounds(10), threads in 1..4_usize) {
        let mut decoder = model(FILES[0], threads);
        live(decoder.as_mut(), &rounds, |tokens, logits| {
            prop_assert!(bits(logits) == alone(FILES[0], tokens));
            Ok(())
        })?;
        prop_assert_eq!(decoder.free_positions(), model(FILES[0], 1).free_positions());
    }
}
