//! One layer's work on the rows of a step.

use std::ops::Range;

use kernels::{CacheNumber, Heads, Isa, Pool as Threads, Queries};

use super::attention::Past;
use super::kv_cache::Pool;
use super::layer::{Layer, Projection};
use super::pages::PageTable;
use super::rope::Rope;
use super::scratch::Scratch;
use crate::checkpoint::Parameters;

/// Rows that are worth a thread where little is done to each.
const ROWS_TOGETHER: usize = 16;

/// Where a row belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// The pages of its sequence.
    pub(super) table: &'a PageTable,
    pub(super) position: usize,
}

/// A layer and the rows that it works on.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) threads: &'a Threads,
    pub(super) isa: Isa,
    pub(super) parameters: &'a Parameters,
    pub(super) rope: &'a Rope,
    pub(super) rows: &'a [Row<'a>],
    /// Those of a sequence that follow each other.
    pub(super) runs: &'a [Range<usize>],
    pub(super) index: usize,
    pub(super) layer: &'a Layer,
}

impl Step<'_> {
    /// stream += attention(norm(stream)), then stream += down(silu(gate) * up) of norm(stream)
    pub(super) fn run<T: CacheNumber>(&self, pool: &mut Pool<T>, scratch: &mut Scratch) {
        self.attention(pool, scratch);
        self.feed_forward(scratch);
    }

    fn attention<T: CacheNumber>(&self, pool: &mut Pool<T>, scratch: &mut Scratch) {
        let (p, count) = (self.parameters, self.rows.len());
        self.norm_into(&self.layer.attention_norm, &self.layer.qkv, scratch);
        let qkv = &mut scratch.wide[..count * self.layer.qkv.rows()];
        self.layer.qkv.apply(self.threads, self.isa, &scratch.activations, qkv);
        self.place(pool, qkv);
        self.attend(pool, qkv, &mut scratch.attended);
        let (attended, width) = (&scratch.attended, p.query_width());
        let out = &self.layer.attention_out;
        scratch.activations.fill(self.threads, (count, width), out.needs(), |row, to| {
            to.copy_from_slice(&attended[row * width..][..width]);
        });
        out.apply(self.threads, self.isa, &scratch.activations, &mut scratch.delta);
        self.add_delta(scratch);
    }

    fn feed_forward(&self, scratch: &mut Scratch) {
        let (isa, count) = (self.isa, self.rows.len());
        let wide = self.parameters.feed_forward;
        self.norm_into(&self.layer.feed_norm, &self.layer.gate_up, scratch);
        let gate_up = &mut scratch.wide[..count * 2 * wide];
        self.layer.gate_up.apply(self.threads, isa, &scratch.activations, gate_up);
        let down = &self.layer.down;
        scratch.activations.fill(self.threads, (count, wide), down.needs(), |row, to| {
            let (gate, up) = gate_up[row * 2 * wide..][..2 * wide].split_at(wide);
            kernels::swiglu(isa, gate, up, to);
        });
        down.apply(self.threads, isa, &scratch.activations, &mut scratch.delta);
        self.add_delta(scratch);
    }

    /// Normed rows of the stream, as input of `next`.
    fn norm_into(&self, weight: &[f32], next: &Projection, scratch: &mut Scratch) {
        let (isa, epsilon) = (self.isa, self.parameters.norm_epsilon);
        let (stream, size) = (&scratch.stream, (self.rows.len(), next.columns()));
        scratch.activations.fill(self.threads, size, next.needs(), |row, to| {
            kernels::rms_norm(isa, &stream[row * size.1..][..size.1], weight, epsilon, to);
        });
    }

    /// Norms and turns queries and keys, scales queries, and keeps keys and values.
    fn place<T: CacheNumber>(&self, pool: &mut Pool<T>, qkv: &mut [f32]) {
        let (p, isa) = (self.parameters, self.isa);
        let (q_width, kv_width) = (p.query_width(), p.kv_width());
        let scale = 1.0 / (p.head_size as f32).sqrt();
        let stride = q_width + 2 * kv_width;
        self.threads.pieces(qkv, stride, |index, numbers| {
            let position = self.rows[index].position;
            let (queries, rest) = numbers.split_at_mut(q_width);
            let keys = &mut rest[..kv_width];
            if let Some([q_norm, k_norm]) = &self.layer.qk_norm {
                let norm = |head: &mut [f32], weight: &[f32]| {
                    kernels::rms_norm_in_place(isa, head, weight, p.norm_epsilon);
                };
                queries.chunks_exact_mut(p.head_size).for_each(|head| norm(head, q_norm));
                keys.chunks_exact_mut(p.head_size).for_each(|head| norm(head, k_norm));
            }
            self.rope.turn(position, queries, p.head_size);
            self.rope.turn(position, keys, p.head_size);
            queries.iter_mut().for_each(|x| *x *= scale);
        });
        for (numbers, row) in qkv.chunks_exact(stride).zip(self.rows) {
            let (key, value) = numbers[q_width..].split_at(kv_width);
            pool.put(isa, row.table, self.index, row.position, [key, value]);
        }
    }

    fn attend<T: CacheNumber>(&self, pool: &Pool<T>, qkv: &[f32], attended: &mut [f32]) {
        let p = self.parameters;
        let queries = Queries { rows: qkv, stride: p.query_width() + 2 * p.kv_width() };
        let past = Past { pool, rows: self.rows, layer: self.index };
        kernels::attend(self.threads, self.isa, heads(p), queries, self.runs, &past, attended);
    }

    fn add_delta(&self, scratch: &mut Scratch) {
        let len = self.rows.len() * self.parameters.width;
        let (delta, piece) = (&scratch.delta[..len], ROWS_TOGETHER * self.parameters.width);
        self.threads.pieces(&mut scratch.stream[..len], piece, |index, to| {
            kernels::add(self.isa, to, &delta[index * piece..][..to.len()]);
        });
    }
}

/// The heads of a model.
pub(super) fn heads(parameters: &Parameters) -> Heads {
    Heads { queries: parameters.heads, keys: parameters.kv_heads, size: parameters.head_size }
}
