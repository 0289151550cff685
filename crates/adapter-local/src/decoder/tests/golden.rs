//! Tiny models of every family against transformers.

use super::{One, Reference, argmax, decoder, divergence, fixture, open};
use crate::cpu::Isa;
use crate::decoder::transformer::Transformer;
use crate::decoder::{KvPrecision, LoadOptions, load};
use kernels::F16;

const TINY: [&str; 3] = ["tiny-llama", "tiny-qwen2", "tiny-qwen3"];

#[test]
fn logits_at_every_position_equal_the_reference() {
    for name in TINY {
        let reference = Reference::read(name);
        let options = LoadOptions { kv_cache: KvPrecision::F32, ..LoadOptions::default() };
        let checkpoint = open(&fixture(&format!("{name}-f32.gguf")));
        let mut decoder = One::new(load(&checkpoint, &options).unwrap());
        for (at, (token, wanted)) in reference.tokens.iter().zip(&reference.logits).enumerate() {
            let found = decoder.forward(&[*token]).unwrap();
            let worst = wanted.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-3, "{name}, position {at}: off by {worst}");
        }
    }
}

#[test]
fn keys_and_values_in_half_precision_hardly_matter() {
    for name in TINY {
        let reference = Reference::read(name);
        let mut decoder = decoder(&fixture(&format!("{name}-f32.gguf")), 2);
        for (at, (token, wanted)) in reference.tokens.iter().zip(&reference.logits).enumerate() {
            let divergence = divergence(wanted, decoder.forward(&[*token]).unwrap());
            assert!(divergence < 1e-4, "{name}, position {at}: KL {divergence}");
        }
    }
}

#[test]
fn greedy_continuations_equal_the_reference() {
    for name in TINY {
        let reference = Reference::read(name);
        let mut decoder = decoder(&fixture(&format!("{name}-f32.gguf")), 2);
        let mut next = argmax(decoder.forward(&reference.tokens).unwrap());
        let mut found = vec![next];
        while found.len() < reference.greedy.len() {
            next = argmax(decoder.forward(&[next]).unwrap());
            found.push(next);
        }
        assert_eq!(found, reference.greedy, "{name}");
    }
}

#[test]
fn every_instruction_set_computes_the_same_model() {
    let reference = Reference::read("tiny-qwen3");
    for (file, most) in [("tiny-qwen3-f32.gguf", 1e-5), ("tiny-qwen3-q8_0.gguf", 0.02)] {
        for isa in Isa::available() {
            let checkpoint = open(&fixture(file));
            let options = LoadOptions { threads: Some(1), ..LoadOptions::default() };
            let decoder = Transformer::<F16>::load_for(isa, &checkpoint, &options).unwrap();
            let mut decoder = One::new(Box::new(decoder));
            let all = reference.tokens.iter().zip(&reference.logits);
            let total: f64 =
                all.map(|(t, wanted)| divergence(wanted, decoder.forward(&[*t]).unwrap())).sum();
            let mean = total / reference.tokens.len() as f64;
            assert!(mean < most, "{isa:?}: KL {mean}");
        }
    }
}
