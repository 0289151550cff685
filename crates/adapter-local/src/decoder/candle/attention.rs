//! Attention of the rows of a step over the pages of their sequences, in f32.

use candle_core::{D, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

use super::constants::Constants;
use super::groups::Extent;
use super::inputs::Group;
use super::model::Now;
use crate::checkpoint::Parameters;

/// Most bytes of scores at a time.
const MOST_SCORES: usize = 256 << 20;

/// Heads of a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    pub(super) kv: usize,
    /// Heads of queries that share one of keys.
    pub(super) group: usize,
    pub(super) size: usize,
}

impl Heads {
    pub(super) fn of(parameters: &Parameters) -> Self {
        let (kv, group) = (parameters.kv_heads, parameters.heads / parameters.kv_heads);
        Self { kv, group, size: parameters.head_size }
    }
}

/// What a layer's attention gives for all rows of a step: rows x heads of queries. `queries` are
/// scaled, of the same shape, and their own keys and values are in the pages already.
pub(super) fn attend(heads: Heads, now: Now<'_>, layer: usize, queries: &Tensor) -> Result<Tensor> {
    let parts = now.prepared.groups.iter().map(|group| {
        let queries = queries.narrow(0, group.extent.first, group.extent.rows())?;
        of_group(heads, now.constants, group, now.pages.get(layer, &group.pages)?, &queries)
    });
    let parts = parts.collect::<Result<Vec<_>>>()?;
    match parts.as_slice() {
        [only] => Ok(only.clone()),
        parts => Tensor::cat(parts, 0),
    }
}

fn of_group(
    heads: Heads,
    constants: &Constants,
    group: &Group,
    kv: [Tensor; 2],
    queries: &Tensor,
) -> Result<Tensor> {
    let Heads { kv: kv_heads, group: shared, size } = heads;
    let Extent { sequences, each, .. } = group.extent;
    let looked_at = group.has.dim(1)?;
    let [keys, values] = kv;
    let keys = keys.reshape((kv_heads, sequences, looked_at, size))?.transpose(2, 3)?;
    let values = values.reshape((kv_heads, sequences, looked_at, size))?;
    // Whatever is beyond the end of a sequence has no weight, but nonsense times nothing is nonsense.
    let has = group.has.reshape((1, sequences, looked_at, 1))?.broadcast_as(values.shape())?;
    let values = has.where_cond(&values, &constants.nothing.broadcast_as(values.shape())?)?;
    let queries = queries.reshape((sequences, each, kv_heads, shared, size))?;
    // Heads of keys x sequences x heads that share them x rows x head size.
    let queries = queries.permute((2, 0, 3, 1, 4))?;
    let row = kv_heads * sequences * shared * looked_at * size_of::<f32>();
    let at_a_time = (MOST_SCORES / row.max(1)).clamp(1, each);
    let mut parts = Vec::new();
    for first in (0..each).step_by(at_a_time) {
        let count = at_a_time.min(each - first);
        let sees = group.sees.narrow(1, first, count)?;
        let queries = queries.narrow(3, first, count)?.contiguous()?;
        parts.push(weighted(&queries, [&keys, &values], &sees, &constants.never)?);
    }
    let all = Tensor::cat(&parts, 3)?;
    all.permute((1, 3, 0, 2, 4))?.reshape((sequences * each, kv_heads * shared * size))
}

/// Values weighted by how well keys match queries.
fn weighted(
    queries: &Tensor,
    [keys, values]: [&Tensor; 2],
    sees: &Tensor,
    never: &Tensor,
) -> Result<Tensor> {
    let (kv_heads, sequences, shared, rows, size) = queries.dims5()?;
    let looked_at = values.dim(2)?;
    let together = (kv_heads, sequences, shared * rows, size);
    let scores = queries.reshape(together)?.matmul(keys)?;
    let apart = (kv_heads, sequences, shared, rows, looked_at);
    let scores = scores.reshape(apart)?;
    let sees = sees.reshape((1, sequences, 1, rows, looked_at))?.broadcast_as(apart)?;
    let never = never.broadcast_as(apart)?;
    let weights = softmax_last_dim(&sees.where_cond(&scores, &never)?)?;
    debug_assert_eq!(weights.dim(D::Minus1)?, looked_at);
    let weights = weights.reshape((kv_heads, sequences, shared * rows, looked_at))?;
    weights.matmul(values)?.reshape((kv_heads, sequences, shared, rows, size))
}
