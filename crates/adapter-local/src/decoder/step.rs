//! One layer's work on the rows of a step.

use rayon::prelude::*;

use super::attention::{Past, attend};
use super::kv_cache::{CacheNumber, Pool};
use super::layer::{Layer, Projection, add};
use super::pages::PageTable;
use super::rope::Rope;
use super::scratch::Scratch;
use crate::checkpoint::Parameters;
use crate::cpu::Isa;
use crate::kernels;

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
    pub(super) isa: Isa,
    pub(super) parameters: &'a Parameters,
    pub(super) rope: &'a Rope,
    pub(super) rows: &'a [Row<'a>],
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
        self.layer.qkv.apply(self.isa, &scratch.activations, count, qkv);
        self.place(pool, qkv);
        self.attend(pool, qkv, &mut scratch.attended);
        let (attended, width) = (&scratch.attended, p.query_width());
        let out = &self.layer.attention_out;
        scratch.activations.fill(count, width, out.needs(), |row, to| {
            to.copy_from_slice(&attended[row * width..][..width]);
        });
        out.apply(self.isa, &scratch.activations, count, &mut scratch.delta);
        self.add_delta(scratch);
    }

    fn feed_forward(&self, scratch: &mut Scratch) {
        let (isa, count) = (self.isa, self.rows.len());
        let wide = self.parameters.feed_forward;
        self.norm_into(&self.layer.feed_norm, &self.layer.gate_up, scratch);
        let gate_up = &mut scratch.wide[..count * 2 * wide];
        self.layer.gate_up.apply(isa, &scratch.activations, count, gate_up);
        let down = &self.layer.down;
        scratch.activations.fill(count, wide, down.needs(), |row, to| {
            let (gate, up) = gate_up[row * 2 * wide..][..2 * wide].split_at(wide);
            kernels::swiglu(isa, gate, up, to);
        });
        down.apply(isa, &scratch.activations, count, &mut scratch.delta);
        self.add_delta(scratch);
    }

    /// Normed rows of the stream, as input of `next`.
    fn norm_into(&self, weight: &[f32], next: &Projection, scratch: &mut Scratch) {
        let (isa, epsilon) = (self.isa, self.parameters.norm_epsilon);
        let (stream, width) = (&scratch.stream, next.columns());
        scratch.activations.fill(self.rows.len(), width, next.needs(), |row, to| {
            kernels::rms_norm(isa, &stream[row * width..][..width], weight, epsilon, to);
        });
    }

    /// Norms and turns queries and keys, scales queries, and keeps keys and values.
    fn place<T: CacheNumber>(&self, pool: &mut Pool<T>, qkv: &mut [f32]) {
        let p = self.parameters;
        let (q_width, kv_width) = (p.query_width(), p.kv_width());
        let scale = 1.0 / (p.head_size as f32).sqrt();
        let stride = q_width + 2 * kv_width;
        qkv.par_chunks_mut(stride).zip(self.rows).for_each(|(numbers, row)| {
            let (queries, rest) = numbers.split_at_mut(q_width);
            let keys = &mut rest[..kv_width];
            if let Some([q_norm, k_norm]) = &self.layer.qk_norm {
                norm_heads(queries, q_norm, p.norm_epsilon);
                norm_heads(keys, k_norm, p.norm_epsilon);
            }
            self.rope.turn(row.position, queries, p.head_size);
            self.rope.turn(row.position, keys, p.head_size);
            queries.iter_mut().for_each(|x| *x *= scale);
        });
        for (numbers, row) in qkv.chunks_exact(stride).zip(self.rows) {
            let (key, value) = numbers[q_width..].split_at(kv_width);
            pool.put(row.table, self.index, row.position, [key, value]);
        }
    }

    /// Shared out by heads for one token, by tokens for several.
    fn attend<T: CacheNumber>(&self, pool: &Pool<T>, qkv: &[f32], attended: &mut [f32]) {
        let p = self.parameters;
        let width = p.query_width();
        let stride = width + 2 * p.kv_width();
        let group = p.heads / p.kv_heads;
        let one = |index: usize, head: usize, out: &mut [f32]| {
            let query = &qkv[index * stride + head * p.head_size..][..p.head_size];
            let row = self.rows[index];
            let past = Past {
                pool,
                table: row.table,
                layer: self.index,
                kv_head: head / group,
                positions: row.position + 1,
            };
            attend(self.isa, &past, query, out);
        };
        let attended = &mut attended[..self.rows.len() * width];
        if let [row] = self.rows {
            // A short past is looked through faster than a thread wakes.
            let least = (1 << 14) / ((row.position + 1) * p.head_size).max(1);
            let heads = attended.par_chunks_mut(p.head_size).enumerate();
            heads.with_min_len(least.max(1)).for_each(|(head, out)| one(0, head, out));
        } else {
            attended.par_chunks_mut(width).enumerate().for_each(|(row, out)| {
                out.chunks_exact_mut(p.head_size)
                    .enumerate()
                    .for_each(|(head, out)| one(row, head, out));
            });
        }
    }

    fn add_delta(&self, scratch: &mut Scratch) {
        let len = self.rows.len() * self.parameters.width;
        add(&mut scratch.stream[..len], &scratch.delta[..len]);
    }
}

/// Norms each head in place.
fn norm_heads(heads: &mut [f32], weight: &[f32], epsilon: f32) {
    for head in heads.chunks_exact_mut(weight.len()) {
        let squares: f32 = head.iter().map(|x| x * x).sum();
        let scale = 1.0 / (squares / weight.len() as f32 + epsilon).sqrt();
        head.iter_mut().zip(weight).for_each(|(x, weight)| *x *= scale * weight);
    }
}
