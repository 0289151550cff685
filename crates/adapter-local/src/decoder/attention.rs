//! Attention of one head of one token over everything before it.

use super::kv_cache::{CacheNumber, Pool};
use super::pages::{PAGE, PageTable};
use crate::cpu::Isa;
use crate::kernels;

/// Keys looked at together. Steps begin at multiples of it whatever the call, so that the sums of
/// a token do not depend on what it is computed beside.
const STEP: usize = 64;
const _: () = assert!(PAGE.is_multiple_of(STEP));

/// What one head of one token looks at.
#[derive(Debug)]
pub(super) struct Past<'a, T> {
    pub(super) pool: &'a Pool<T>,
    pub(super) table: &'a PageTable,
    pub(super) layer: usize,
    pub(super) kv_head: usize,
    /// The token's own position is the last.
    pub(super) positions: usize,
}

/// Writes to `out` the values of `past`, weighted by how well their keys match `query` (already
/// scaled). Softmax over steps with a running maximum.
pub(super) fn attend<T: CacheNumber>(isa: Isa, past: &Past<'_, T>, query: &[f32], out: &mut [f32]) {
    let mut most = f32::NEG_INFINITY;
    let mut total = 0.0;
    out.fill(0.0);
    for start in (0..past.positions).step_by(STEP) {
        let count = STEP.min(past.positions - start);
        let span = past.pool.span(past.table, [past.layer, past.kv_head], start, count);
        let mut scores = [0.0; STEP];
        let scores = &mut scores[..count];
        kernels::scores(isa, query, span.keys, scores);
        let higher = scores.iter().fold(most, |most, score| most.max(*score));
        let keep = if total > 0.0 { kernels::exp(most - higher) } else { 0.0 };
        total = total * keep + kernels::exp_sum(isa, scores, higher);
        kernels::blend(isa, out, keep, scores, span.values);
        most = higher;
    }
    let share = 1.0 / total;
    out.iter_mut().for_each(|x| *x *= share);
}
