//! Attention of many tokens over the keys and values of their sequences.
//!
//! Softmax over spans of keys with a running maximum (Milakov and Gimelshein, "Online normalizer
//! calculation for softmax", 2018), for several queries at a time, so that a span is read once for
//! all heads that share it and for neighbouring tokens. A query's sums run over its keys in their
//! order, span by span; they do not depend on what is computed beside it.

#![expect(unsafe_code, reason = "threads write disjoint heads of the same rows")]

mod blend;
mod block;
mod inner;
mod kept;

use std::marker::PhantomData;
use std::ops::Range;

use block::{Block, Rows};
pub use kept::{CacheKind, CacheNumber};

use crate::isa::Isa;
use crate::pool::Pool;

/// Positions of a span. Spans begin at multiples of it.
pub const SPAN: usize = 64;

/// Queries at a time.
const MOST_QUERIES: usize = 16;

/// Multiply-adds that are worth a chunk of their own.
const SMALLEST_CHUNK: usize = 1 << 15;

/// Keys and values of one head over a span, as [`CacheNumber`] lays them out. What lies at positions
/// that nobody sees is never used, and need not be finite.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a, T> {
    /// A row of [`SPAN`] keys' first numbers, then one of their second numbers, and so on: number d
    /// of the key at position p of the span is at d x [`SPAN`] + p.
    pub keys: &'a [T],
    /// All numbers of the first value, then those of the second, and so on.
    pub values: &'a [T],
}

/// What the tokens of a step look at.
pub trait Past<T>: Sync {
    /// Position of token `token` of the step, which sees itself and everything before.
    fn position(&self, token: usize) -> usize;

    /// Keys and values of a head over the span of that token's sequence from `start`, a multiple of
    /// [`SPAN`], on.
    fn span(&self, token: usize, kv_head: usize, start: usize) -> Span<'_, T>;
}

/// Heads of a model.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// Of queries.
    pub queries: usize,
    /// Of keys and values; each serves as many neighbouring heads of queries.
    pub keys: usize,
    /// Numbers of a head.
    pub size: usize,
}

impl Heads {
    /// Heads of queries per head of keys.
    fn group(self) -> usize {
        self.queries / self.keys.max(1)
    }

    /// How many tokens of a sequence are best computed together.
    pub fn tokens_together(self) -> usize {
        (MOST_QUERIES / self.group().max(1)).max(1)
    }
}

/// Rows of queries, already scaled: a row per token, `stride` numbers apart.
#[derive(Debug, Clone, Copy)]
pub struct Queries<'a> {
    /// All rows.
    pub rows: &'a [f32],
    /// From one row to the next.
    pub stride: usize,
}

/// `out[token][head]` = the values of the token's past, weighted by how well their keys match its
/// query. `runs` are all tokens, those of a sequence that follow each other in runs of at most
/// [`Heads::tokens_together`].
///
/// # Panics
/// When sizes do not fit.
pub fn attend<T: CacheNumber, P: Past<T>>(
    pool: &Pool,
    isa: Isa,
    heads: Heads,
    queries: Queries<'_>,
    runs: &[Range<usize>],
    past: &P,
    out: &mut [f32],
) {
    assert!(heads.keys > 0 && heads.queries.is_multiple_of(heads.keys), "heads do not divide");
    let tokens = runs.last().map_or(0, |run| run.end);
    let width = heads.queries.checked_mul(heads.size);
    let needed = width.and_then(|width| width.checked_mul(tokens));
    assert!(needed.is_some_and(|n| n <= out.len()), "no room for {tokens} rows");
    let width = width.unwrap_or(0);
    let last = tokens.saturating_sub(1).checked_mul(queries.stride);
    let last = last.and_then(|last| last.checked_add(width));
    assert!(tokens == 0 || last.is_some_and(|n| n <= queries.rows.len()), "too few queries");
    let follow = runs.windows(2).all(|two| two[0].end <= two[1].start);
    assert!(follow && runs.iter().all(|run| run.start < run.end), "runs overlap");
    let work: usize = runs.iter().map(|run| (past.position(run.end - 1) + 1) * run.len()).sum();
    let work = work * heads.group() * heads.size * 2 / runs.len().max(1);
    // A short past is looked through faster than a thread wakes: heads share a chunk.
    let share = (SMALLEST_CHUNK / work.max(1)).clamp(1, heads.keys.max(1));
    let per_run = heads.keys.div_ceil(share);
    // A long past and few heads of keys: the queries of a head are shared out as well.
    let (group, blocks) = (heads.group(), runs.len() * heads.keys);
    let pieces = if share == 1 { pool.threads().div_ceil(blocks.max(1)) } else { 1 };
    let members = group.div_ceil(pieces.clamp(1, group));
    let pieces = group.div_ceil(members);
    let out = Rows { at: out.as_mut_ptr(), width };
    // The last runs of a prompt have the longest past: they come first.
    pool.run(runs.len() * per_run * pieces, |chunk| {
        let (chunk, first) = (chunk / pieces, chunk % pieces * members);
        let members = first..group.min(first + members);
        let run = &runs[runs.len() - 1 - chunk / per_run];
        let from = chunk % per_run * share;
        for kv_head in from..heads.keys.min(from + share) {
            let members = members.clone();
            let block =
                Block { isa, heads, queries, kv_head, members, run, past, number: PhantomData };
            // SAFETY: no other chunk has these heads of these tokens, which `out` has room for.
            unsafe { block.attend(&out) };
        }
    });
}
