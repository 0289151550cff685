//! Keys and values in eight bits: nearly the logits of halves, and the same bits for every way to a
//! sequence.

use proptest::prelude::*;

use super::acts::{live, rounds, text};
use super::numerics::default_model;
use super::{One, Part, Reference, Wanted, divergence, fixture, open};
use crate::checkpoint::Checkpoint;
use crate::cpu::Isa;
use crate::decoder::transformer::Transformer;
use crate::decoder::{Decoder, Engine, KvPrecision, LoadOptions, PAGE, bytes_per_position, load};
use crate::error::{DecodeError, LoadCause};
use kernels::Q8_0;

const FILES: [&str; 2] = ["tiny-llama-f32.gguf", "tiny-qwen3-q8_0.gguf"];

fn options(kv_cache: KvPrecision, threads: usize) -> LoadOptions {
    LoadOptions { threads: Some(threads), kv_cache, ..LoadOptions::default() }
}

fn model(file: &str, threads: usize) -> Box<dyn Decoder> {
    load(&open(&fixture(file)), &options(KvPrecision::Q8_0, threads)).unwrap()
}

/// Mean divergence of eight bits from halves over every token of a text.
fn mean(checkpoint: &Checkpoint, tokens: &[u32]) -> f64 {
    let [mut halves, mut bytes] = [KvPrecision::F16, KvPrecision::Q8_0]
        .map(|kept| One::new(load(checkpoint, &options(kept, 2)).unwrap()));
    let each = tokens.iter().map(|token| {
        let (wanted, found) = (halves.forward(&[*token]).unwrap(), bytes.forward(&[*token]));
        divergence(wanted, found.unwrap())
    });
    each.sum::<f64>() / tokens.len() as f64
}

/// What 32 numbers with one scale cost: measured up to 3e-3 on models of random numbers, whose heads
/// of 16 and 32 average little out.
#[test]
fn eight_bits_hardly_matter() {
    for name in ["tiny-llama-f32", "tiny-qwen2-f32", "tiny-qwen3-f32", "tiny-qwen3-q8_0"] {
        let tokens = Reference::read(name.rsplit_once('-').unwrap().0).tokens;
        let mean = mean(&open(&fixture(&format!("{name}.gguf"))), &tokens);
        assert!(mean < 6e-3, "{name}: mean KL {mean}");
    }
}

/// Measured 4.1e-3; its activations in eight bits cost 2.6e-3.
#[test]
fn eight_bits_hardly_matter_to_the_default_model() {
    let tokens = super::numerics::tokens();
    let mean = mean(&open(&default_model()), &tokens);
    assert!(mean < 8e-3, "mean KL {mean}");
}

fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|x| x.to_bits()).collect()
}

/// Logits after the last token, computed alone in one call.
fn alone(file: &str, tokens: &[u32]) -> Vec<u32> {
    bits(One::new(model(file, 1)).forward(tokens).unwrap())
}

#[test]
fn single_steps_chunks_and_batches_give_the_same_bits() {
    for file in FILES {
        let texts: Vec<_> = (0..7).map(|seed| text(seed, 90, 91 + seed * 33)).collect();
        let mut decoder = model(file, 2);
        let ids: Vec<_> = texts.iter().map(|_| decoder.open().unwrap()).collect();
        let both = || ids.iter().copied().zip(texts.iter().map(Vec::as_slice));
        let parts: Vec<_> = both()
            .map(|(sequence, tokens)| Part { sequence, tokens, wanted: Wanted::Last })
            .collect();
        decoder.forward(&parts).unwrap();
        for (index, text) in texts.iter().enumerate() {
            let wanted = bits(decoder.logits(index).unwrap());
            assert!(alone(file, text) == wanted, "{file}: {index} alone");
            let mut single = One::new(model(file, 1));
            let steps = text.iter().map(|token| bits(single.forward(&[*token]).unwrap()));
            assert!(steps.last().unwrap() == wanted, "{file}: {index} token by token");
        }
    }
}

#[test]
fn a_shared_beginning_gives_the_same_bits() {
    for file in FILES {
        for shared in [1, PAGE - 1, PAGE, PAGE + 5, 3 * PAGE] {
            let mut original = One::new(model(file, 2));
            original.forward(&text(0, shared, shared + 30)).unwrap();
            let branch = original.decoder.fork(original.sequence, shared).unwrap();
            let second = text(5, shared, shared + 20);
            let tokens = &second[shared..];
            let part = Part { sequence: branch, tokens, wanted: Wanted::Last };
            original.decoder.forward(&[part]).unwrap();
            let found = bits(original.decoder.logits(0).unwrap());
            assert!(found == alone(file, &second), "{file}: the branch at {shared}");
            let longer = text(0, shared, shared + 41);
            let found = bits(original.forward(&longer[shared + 30..]).unwrap());
            assert!(found == alone(file, &longer), "{file}: the original at {shared}");
        }
    }
}

#[test]
fn every_instruction_set_computes_the_same_model() {
    let reference = Reference::read("tiny-qwen3");
    let checkpoint = open(&fixture("tiny-qwen3-f32.gguf"));
    for isa in Isa::available() {
        let options = options(KvPrecision::Q8_0, 1);
        let decoder = Transformer::<Q8_0>::load_for(isa, &checkpoint, &options).unwrap();
        let mut decoder = One::new(Box::new(decoder));
        let all = reference.tokens.iter().zip(&reference.logits);
        let total: f64 =
            all.map(|(t, wanted)| divergence(wanted, decoder.forward(&[*t]).unwrap())).sum();
        let mean = total / reference.tokens.len() as f64;
        assert!(mean < 2e-3, "{isa:?}: KL {mean}");
    }
}

#[test]
fn a_page_takes_what_is_said() {
    let checkpoint = open(&fixture(FILES[0]));
    let page = bytes_per_position(checkpoint.parameters(), KvPrecision::Q8_0) * PAGE as u64;
    let halves = bytes_per_position(checkpoint.parameters(), KvPrecision::F16) * PAGE as u64;
    assert!(page * 9 < halves * 6, "{page} {halves}");
    let options = LoadOptions { cache_bytes: Some(3 * page), ..options(KvPrecision::Q8_0, 1) };
    let mut one = One::new(load(&checkpoint, &options).unwrap());
    assert_eq!(one.decoder.free_positions(), 3 * PAGE);
    one.forward(&text(0, 0, 2 * PAGE)).unwrap();
    let Err(DecodeError::OutOfMemory { bytes }) = one.forward(&text(1, 0, PAGE + 1)) else {
        panic!("a fourth page was taken");
    };
    assert_eq!(bytes as u64, page);
    assert_eq!((one.position(), one.decoder.free_positions()), (2 * PAGE, PAGE));
}

#[test]
fn who_cannot_keep_eight_bits_says_so() {
    let candle = Engine::Candle(candle_core::Device::Cpu);
    for (model, engine) in [(FILES[0], candle), ("hf/gemma3", Engine::Slices)] {
        let options = LoadOptions { engine, ..options(KvPrecision::Q8_0, 1) };
        let error = load(&open(&fixture(model)), &options).unwrap_err();
        assert!(matches!(error.cause(), LoadCause::KvCache("q8_0")), "{error}");
        let error = ports::Error::from(error);
        assert_eq!(error.kind(), ports::ErrorKind::ConfigInvalid);
        assert_eq!(error.hint(), Some("leave kv_cache out"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Every sequence always has the logits that a fresh one computes for its tokens.
    #[test]
    fn nobody_changes_another_ones_tokens(rounds in rounds(8), threads in 1..4_usize) {
        let mut decoder = model(FILES[0], threads);
        live(decoder.as_mut(), &rounds, |tokens, logits| {
            prop_assert!(bits(logits) == alone(FILES[0], tokens));
            Ok(())
        })?;
    }
}
