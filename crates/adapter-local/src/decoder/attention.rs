//! What the tokens of a step look at: the pages of their sequences.

use std::ops::Range;

use kernels::{CacheNumber, Heads, SPAN, Span};

use super::kv_cache::Pool;
use super::pages::PAGE;
use super::step::Row;

// A page is a span: its keys lie as kernels want them.
const _: () = assert!(PAGE == SPAN);

/// One layer's keys and values of all rows of a step.
#[derive(Debug)]
pub(super) struct Past<'a, T> {
    pub(super) pool: &'a Pool<T>,
    pub(super) rows: &'a [Row<'a>],
    pub(super) layer: usize,
}

impl<T: CacheNumber> kernels::Past<T> for Past<'_, T> {
    fn position(&self, token: usize) -> usize {
        self.rows[token].position
    }

    fn span(&self, token: usize, kv_head: usize, start: usize) -> Span<'_, T> {
        self.pool.span(self.rows[token].table, [self.layer, kv_head], start)
    }
}

/// Rows of a sequence that follow each other, as many together as attention likes.
pub(super) fn runs(rows: &[Row<'_>], heads: Heads) -> Vec<Range<usize>> {
    let most = heads.tokens_together();
    let mut runs: Vec<Range<usize>> = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if run.len() < most && std::ptr::eq(rows[run.start].table, row.table) => {
                run.end = index + 1;
            }
            _ => runs.push(index..index + 1),
        }
    }
    runs
}
