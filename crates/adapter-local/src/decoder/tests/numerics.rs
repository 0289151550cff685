//! The default model against f32 arithmetic on its dequantized weights, over 200 tokens of text.
//! `scripts/reference/kl_reference.py` made the reference and says how it is stored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ports::BuildContext;

use super::{argmax, decoder, fixture, log_softmax};
use crate::{Catalogue, DEFAULT_MODEL, ModelStore};

/// The likeliest tokens of one position, and what all others have together.
struct Position {
    ids: Vec<usize>,
    logs: Vec<f64>,
    rest: f64,
    /// Between the two largest logits.
    gap: f32,
}

struct Reference {
    tokens: Vec<u32>,
    positions: Vec<Position>,
}

/// Splits `len` bytes off.
fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (head, tail) = bytes.split_at(len);
    *bytes = tail;
    head
}

fn u32s(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    u32s(bytes).into_iter().map(f32::from_bits).collect()
}

fn reference() -> Reference {
    let file = std::fs::read(fixture("smollm2-reference.bin")).unwrap();
    let mut bytes = file.as_slice();
    let head = u32s(take(&mut bytes, 12));
    let (count, top) = (head[0] as usize, head[2] as usize);
    let tokens = u32s(take(&mut bytes, 4 * count));
    let positions = (0..count).map(|_| {
        let ids = take(&mut bytes, 2 * top).as_chunks::<2>().0;
        let ids = ids.iter().map(|id| usize::from(u16::from_le_bytes(*id))).collect();
        let logs = f32s(take(&mut bytes, 4 * top)).into_iter().map(f64::from).collect();
        let last = f32s(take(&mut bytes, 8));
        Position { ids, logs, rest: f64::from(last[0]), gap: last[1] }
    });
    Reference { tokens, positions: positions.collect() }
}

/// The tokens of the text.
pub(super) fn tokens() -> Vec<u32> {
    reference().tokens
}

/// KL divergence of our distribution from the reference's, over the parts "each of the likeliest
/// tokens" and "all others".
fn divergence(position: &Position, ours: &[f32]) -> f64 {
    let ours = log_softmax(ours);
    let (mut total, mut others) = (0.0, 1.0);
    for (id, log) in position.ids.iter().zip(&position.logs) {
        total += log.exp() * (log - ours[*id]);
        others -= ours[*id].exp();
    }
    total + position.rest.exp() * (position.rest - others.max(1e-12).ln())
}

#[test]
fn the_default_model_stays_close_to_f32_arithmetic() {
    let reference = reference();
    let mut decoder = decoder(&default_model(), 2);
    let (mut total, mut compared) = (0.0, 0);
    for (at, (token, position)) in reference.tokens.iter().zip(&reference.positions).enumerate() {
        let logits = decoder.forward(&[*token]).unwrap();
        total += divergence(position, logits);
        if position.gap > 0.5 {
            assert_eq!(argmax(logits) as usize, position.ids[0], "likeliest token after {at}");
            compared += 1;
        }
    }
    let mean = total / reference.tokens.len() as f64;
    assert!(mean < 0.03, "mean KL divergence {mean}");
    assert!(compared > 100, "the reference is hardly ever sure: {compared}");
}

/// The default model, fetched once into the cache that all tests share.
pub(super) fn default_model() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let store = ModelStore::new(&target.join("test-cache"));
    let catalogue = Catalogue::with_entries(&BTreeMap::new()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let context = BuildContext::default();
    runtime.block_on(store.ensure(&catalogue, DEFAULT_MODEL, &context)).unwrap()
}
