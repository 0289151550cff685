//! What is known of a model before it is measured: how much is read and multiplied.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{BenchFacts, StoredAs};
use crate::checkpoint::{Checkpoint, TensorFacts, gguf_name};
use crate::decoder::{KvPrecision, bytes_per_position};

pub(super) const EMBEDDING: &str = "token_embd.weight";
const OUTPUT: &str = "output.weight";

/// Bytes that a tensor takes.
pub(super) fn bytes_of(facts: &TensorFacts) -> u64 {
    facts.kind.row_bytes(facts.shape.iter().product()).unwrap_or_default() as u64
}

/// Counts the tensors as they are kept, and keys and values that are kept like that.
pub(super) fn facts(checkpoint: &Checkpoint, kv_cache: KvPrecision) -> BenchFacts {
    let source = checkpoint.tensors().as_ref();
    let mut kinds: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut parameters, mut products, mut byte_products, mut bytes) = (0, 0, 0, 0);
    for (name, facts) in source.names().into_iter().filter_map(|n| Some((n, source.facts(n)?))) {
        let numbers = facts.shape.iter().product::<usize>() as u64;
        parameters += numbers;
        bytes += bytes_of(&facts);
        *kinds.entry(facts.kind.as_str()).or_default() += bytes_of(&facts);
        let outside = is(name, EMBEDDING) || is(name, OUTPUT);
        if !outside && facts.shape.iter().filter(|n| **n > 1).count() > 1 {
            products += numbers;
            byte_products += if facts.kind.block().0 > 1 { numbers } else { 0 };
        }
    }
    let names = source.names();
    let find = |wanted: &str| names.iter().find(|name| is(name, wanted)).copied();
    // One row of an embedding that is no output too.
    let unread = find(OUTPUT).and(find(EMBEDDING)).and_then(|name| source.facts(name));
    let mut stored_as: Vec<_> =
        kinds.into_iter().map(|(kind, bytes)| StoredAs { kind, bytes }).collect();
    stored_as.sort_by_key(|stored| Reverse(stored.bytes));
    BenchFacts {
        name: checkpoint.name().map(str::to_owned).filter(|name| !name.is_empty()),
        architecture: checkpoint.family().name,
        parameters,
        weight_bytes: bytes,
        stored_as,
        products_per_token: products,
        byte_products_per_token: byte_products,
        bytes_per_step: bytes - unread.map_or(0, |facts| bytes_of(&facts)),
        kv_cache: kv_cache.name(),
        kv_bytes_per_token: bytes_per_position(checkpoint.parameters(), kv_cache),
    }
}

/// Whether it is that tensor, under whatever name its files give it.
fn is(name: &str, wanted: &str) -> bool {
    name == wanted || gguf_name(name).is_some_and(|name| name == wanted)
}
