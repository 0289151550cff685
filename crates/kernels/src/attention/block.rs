//! Some queries and the head of keys that they look at, span by span.

#![expect(unsafe_code, reason = "writes heads of rows that other threads write other heads of")]

use std::marker::PhantomData;
use std::ops::Range;
use std::ptr;

use super::inner::{Part, blend, match_scores};
use super::{CacheNumber, Heads, MOST_QUERIES, Past, Queries, SPAN};
use crate::isa::Isa;
use crate::vectors::{exp, exp_sum};

/// Numbers that threads write side by side: a row of all heads per token.
pub(super) struct Rows {
    pub(super) at: *mut f32,
    pub(super) width: usize,
}
// SAFETY: threads write different heads.
unsafe impl Sync for Rows {}

/// A head of keys, and the tokens that look at it.
pub(super) struct Block<'a, T, P> {
    pub(super) isa: Isa,
    pub(super) heads: Heads,
    pub(super) queries: Queries<'a>,
    pub(super) kv_head: usize,
    /// Which heads of queries of its group.
    pub(super) members: Range<usize>,
    pub(super) run: &'a Range<usize>,
    pub(super) past: &'a P,
    pub(super) number: PhantomData<T>,
}

impl<T: CacheNumber, P: Past<T>> Block<'_, T, P> {
    /// # Safety
    /// The block's part of `out` is there, and nobody else uses it.
    pub(super) unsafe fn attend(&self, out: &Rows) {
        let (group, size) = (self.heads.group(), self.heads.size);
        let mut list =
            List { count: 0, queries: [ptr::null(); _], limits: [0; _], out: [ptr::null_mut(); _] };
        for token in self.run.clone() {
            for head in self.members.clone().map(|member| self.kv_head * group + member) {
                let query = &self.queries.rows[token * self.queries.stride + head * size..][..size];
                list.queries[list.count] = query.as_ptr();
                list.limits[list.count] = self.past.position(token) + 1;
                // SAFETY: by the caller.
                list.out[list.count] = unsafe { out.at.add(token * out.width + head * size) };
                list.count += 1;
                if list.count == MOST_QUERIES {
                    // SAFETY: by the caller.
                    unsafe { self.list(&list) };
                    list.count = 0;
                }
            }
        }
        if list.count > 0 {
            // SAFETY: by the caller.
            unsafe { self.list(&list) };
        }
    }

    /// # Safety
    /// Every query has as many numbers as a head, and so has its place in `out`.
    unsafe fn list(&self, list: &List) {
        let size = self.heads.size;
        let longest = list.limits[..list.count].iter().copied().max().unwrap_or(0);
        let mut state =
            State { most: [f32::NEG_INFINITY; _], total: [0.0; _], keep: [0.0; _], seen: [0; _] };
        let mut scores = [[0.0; SPAN]; MOST_QUERIES];
        for out in &list.out[..list.count] {
            // SAFETY: by the caller.
            unsafe { ptr::write_bytes(*out, 0, size) };
        }
        for start in (0..longest).step_by(SPAN) {
            let count = SPAN.min(longest - start);
            let span = self.past.span(self.run.start, self.kv_head, start);
            let [keys, values] = [span.keys, span.values].map(|all| Part::of(all, count, size));
            // SAFETY: a whole span of heads of `size` numbers is there (checked by [`Part::of`]).
            unsafe {
                match_scores(self.isa, T::KIND, list, keys, &mut scores);
                state.weigh(self.isa, list, start, count, &mut scores);
                blend(self.isa, T::KIND, list, values, &scores, &state);
            }
        }
        for (out, total) in list.out.iter().zip(state.total).take(list.count) {
            // SAFETY: by the caller.
            let out = unsafe { std::slice::from_raw_parts_mut(*out, size) };
            out.iter_mut().for_each(|x| *x *= 1.0 / total);
        }
    }
}

/// Queries that are computed together.
pub(super) struct List {
    pub(super) count: usize,
    pub(super) queries: [*const f32; MOST_QUERIES],
    /// How many positions each may see.
    pub(super) limits: [usize; MOST_QUERIES],
    pub(super) out: [*mut f32; MOST_QUERIES],
}

pub(super) type Scores = [[f32; SPAN]; MOST_QUERIES];

/// Softmax of every query so far.
pub(super) struct State {
    most: [f32; MOST_QUERIES],
    total: [f32; MOST_QUERIES],
    /// What the values so far must be multiplied with.
    pub(super) keep: [f32; MOST_QUERIES],
    /// How many positions of the span each sees.
    pub(super) seen: [usize; MOST_QUERIES],
}

impl State {
    /// Turns the scores of a span into weights.
    fn weigh(&mut self, isa: Isa, list: &List, start: usize, count: usize, scores: &mut Scores) {
        for (q, scores) in scores.iter_mut().enumerate().take(list.count) {
            let seen = list.limits[q].saturating_sub(start).min(count);
            self.seen[q] = seen;
            let seen = &mut scores[..seen];
            if seen.is_empty() {
                self.keep[q] = 1.0;
                continue;
            }
            let most = self.most[q];
            let higher = seen.iter().fold(most, |most, score| most.max(*score));
            self.keep[q] = if self.total[q] > 0.0 { exp(most - higher) } else { 0.0 };
            self.total[q] = self.total[q] * self.keep[q] + exp_sum(isa, seen, higher);
            self.most[q] = higher;
        }
    }
}
