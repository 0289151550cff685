//! Decoders against reference logits, against candle's own models, and against themselves.

mod acts;
mod batches;
mod candle;
mod checkpoints;
mod converted;
mod damage;
mod golden;
mod invariance;
mod kv_q8;
mod not_finite;
mod numerics;
mod oracle;
mod quantized;
mod singles;

use std::path::{Path, PathBuf};

use super::{Decoder, LoadOptions, Part, SequenceId, Wanted};
use crate::checkpoint::Checkpoint;
use crate::error::DecodeError;

/// A file beside the tests.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn open(path: &Path) -> Checkpoint {
    Checkpoint::open(path).unwrap()
}

/// A decoder with one sequence.
struct One {
    decoder: Box<dyn Decoder>,
    sequence: SequenceId,
}

impl One {
    fn new(mut decoder: Box<dyn Decoder>) -> Self {
        let sequence = decoder.open().unwrap();
        Self { decoder, sequence }
    }

    fn forward(&mut self, tokens: &[u32]) -> Result<&[f32], DecodeError> {
        let part = Part { sequence: self.sequence, tokens, wanted: Wanted::Last };
        self.decoder.forward(&[part])?;
        self.decoder.logits(0)
    }

    fn position(&self) -> usize {
        self.decoder.len(self.sequence)
    }

    fn truncate(&mut self, len: usize) {
        self.decoder.truncate(self.sequence, len);
    }
}

fn decoder(path: &Path, threads: usize) -> One {
    let options = LoadOptions { threads: Some(threads), ..LoadOptions::default() };
    One::new(super::load(&open(path), &options).unwrap())
}

/// Text, its tokens, their logits and what follows, as transformers computed them.
struct Reference {
    tokens: Vec<u32>,
    greedy: Vec<u32>,
    logits: Vec<Vec<f32>>,
}

impl Reference {
    fn read(name: &str) -> Self {
        let about = std::fs::read(fixture(&format!("{name}.json"))).unwrap();
        let about: serde_json::Value = serde_json::from_slice(&about).unwrap();
        let list = |key: &str| -> Vec<u32> { serde_json::from_value(about[key].clone()).unwrap() };
        let vocabulary = about["vocab_size"].as_u64().unwrap() as usize;
        let bytes = std::fs::read(fixture(&format!("{name}.logits"))).unwrap();
        let flat: Vec<f32> =
            bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let logits = flat.chunks(vocabulary).map(<[f32]>::to_vec).collect();
        Self { tokens: list("tokens"), greedy: list("greedy"), logits }
    }
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shifted = logits.iter().map(|x| f64::from(x - most));
    let total = shifted.clone().map(f64::exp).sum::<f64>().ln();
    shifted.map(|x| x - total).collect()
}

/// KL divergence of `ours` from `reference`, both logits.
fn divergence(reference: &[f32], ours: &[f32]) -> f64 {
    assert_eq!(reference.len(), ours.len());
    let (p, q) = (log_softmax(reference), log_softmax(ours));
    p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
}

fn argmax(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    best.0 as u32
}
