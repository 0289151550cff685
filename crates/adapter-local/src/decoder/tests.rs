//! Decoders against reference logits, against candle's own models, and against themselves.

mod damage;
mod golden;
mod invariance;
mod numerics;
mod oracle;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Decoder, LoadOptions};
use crate::gguf::GgufFile;

/// A file beside the tests.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn open(path: &Path) -> Arc<GgufFile> {
    Arc::new(GgufFile::open(path).unwrap())
}

fn decoder(path: &Path, threads: usize) -> Box<dyn Decoder> {
    let options = LoadOptions { threads: Some(threads), ..LoadOptions::default() };
    super::load(open(path), &options).unwrap()
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
