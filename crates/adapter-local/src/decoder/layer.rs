//! The weights of one layer, and products of several matrices with the same input.

use rayon::prelude::*;

use crate::checkpoint::{Family, Parameters};
use crate::cpu::Isa;
use crate::error::LoadError;
use crate::weights::{Activations, Matrix, Needs, Product, Weights};

/// Products smaller than this are not worth waking a thread for.
const SMALLEST_TASK: usize = 1 << 15;

/// Matrices that read the same input; their outputs lie one after the other.
#[derive(Debug)]
pub(super) struct Projection {
    parts: Vec<Matrix>,
    columns: usize,
    rows: usize,
    bias: Option<Vec<f32>>,
}

impl Projection {
    pub(super) fn new(parts: Vec<Matrix>, columns: usize) -> Self {
        let rows = parts.iter().map(Matrix::rows).sum();
        Self { parts, columns, rows, bias: None }
    }

    pub(super) fn with_bias(mut self, bias: Option<Vec<f32>>) -> Self {
        self.bias = bias;
        self
    }

    pub(super) fn needs(&self) -> Needs {
        self.parts.iter().fold(Needs::default(), |needs, part| needs.and(part.needs()))
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// `out[token][row]`: every row times each of the first `tokens` rows of `activations`. One
    /// token is shared out by rows, several by tokens. Runs on the pool it is called from.
    pub(super) fn apply(
        &self,
        isa: Isa,
        activations: &Activations,
        tokens: usize,
        out: &mut [f32],
    ) {
        let out = &mut out[..tokens * self.rows];
        let threads = rayon::current_num_threads();
        if tokens == 1 {
            let least = SMALLEST_TASK.div_ceil(self.columns.max(1));
            // Four shares per thread level out what one thread loses to others; shares are
            // whole tiles.
            let share = self.rows.div_ceil(threads * 4).max(least).next_multiple_of(4);
            out.par_chunks_mut(share).enumerate().for_each(|(index, out)| {
                self.apply_rows(isa, index * share, activations, 0, out);
            });
        } else {
            let share = tokens.div_ceil(threads * 2).next_multiple_of(4).min(16);
            out.par_chunks_mut(share * self.rows).enumerate().for_each(|(index, out)| {
                self.apply_tokens(isa, activations, index * share, out);
            });
        }
    }

    /// Rows from `start` on, as many as `out` has room for, for one token.
    fn apply_rows(
        &self,
        isa: Isa,
        start: usize,
        activations: &Activations,
        token: usize,
        out: &mut [f32],
    ) {
        let end = start + out.len();
        let mut first = 0;
        for part in &self.parts {
            let from = start.clamp(first, first + part.rows());
            let to = end.clamp(first, first + part.rows());
            if from < to {
                let product = Product { out: &mut out[from - start..to - start], stride: 0 };
                let rows = from - first..to - first;
                part.multiply(isa, rows, activations, token..token + 1, product);
            }
            first += part.rows();
        }
        if let Some(bias) = &self.bias {
            add(out, &bias[start..end]);
        }
    }

    /// All rows for the tokens from `start` on, as many as `out` has room for.
    fn apply_tokens(&self, isa: Isa, activations: &Activations, start: usize, out: &mut [f32]) {
        let tokens = start..start + out.len() / self.rows;
        let mut first = 0;
        for part in &self.parts {
            let product = Product { out: &mut out[first..], stride: self.rows };
            part.multiply(isa, 0..part.rows(), activations, tokens.clone(), product);
            first += part.rows();
        }
        if let Some(bias) = &self.bias {
            out.chunks_exact_mut(self.rows).for_each(|row| add(row, bias));
        }
    }
}

/// Adds `delta` to `row`.
pub(super) fn add(row: &mut [f32], delta: &[f32]) {
    row.iter_mut().zip(delta).for_each(|(x, delta)| *x += delta);
}

/// One layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention_norm: Vec<f32>,
    pub(super) qkv: Projection,
    /// Norms of queries and keys.
    pub(super) qk_norm: Option<[Vec<f32>; 2]>,
    pub(super) attention_out: Projection,
    pub(super) feed_norm: Vec<f32>,
    pub(super) gate_up: Projection,
    pub(super) down: Projection,
}

impl Layer {
    pub(super) fn load(
        weights: &Weights,
        index: usize,
        family: &Family,
        p: &Parameters,
    ) -> Result<Self, LoadError> {
        let name = |what: &str| format!("blk.{index}.{what}");
        let matrix = |what, rows, columns| weights.matrix(&name(what), rows, columns);
        let (q, kv) = (p.query_width(), p.kv_width());
        let qkv = vec![
            matrix("attn_q.weight", q, p.width)?,
            matrix("attn_k.weight", kv, p.width)?,
            matrix("attn_v.weight", kv, p.width)?,
        ];
        let bias = family.qkv_bias || weights.has(&name("attn_q.bias"));
        let bias = bias.then(|| -> Result<Vec<f32>, LoadError> {
            let mut all = weights.vector(&name("attn_q.bias"), q)?;
            all.extend(weights.vector(&name("attn_k.bias"), kv)?);
            all.extend(weights.vector(&name("attn_v.bias"), kv)?);
            Ok(all)
        });
        let qk_norm = family.qk_norm.then(|| -> Result<[Vec<f32>; 2], LoadError> {
            let norm = |what| weights.vector(&name(what), p.head_size);
            Ok([norm("attn_q_norm.weight")?, norm("attn_k_norm.weight")?])
        });
        let gate_up = vec![
            matrix("ffn_gate.weight", p.feed_forward, p.width)?,
            matrix("ffn_up.weight", p.feed_forward, p.width)?,
        ];
        let one = |what, rows, columns| -> Result<Projection, LoadError> {
            Ok(Projection::new(vec![matrix(what, rows, columns)?], columns))
        };
        let out_bias = weights.vector_if_any(&name("attn_output.bias"), p.width)?;
        Ok(Self {
            attention_norm: weights.vector(&name("attn_norm.weight"), p.width)?,
            qkv: Projection::new(qkv, p.width).with_bias(bias.transpose()?),
            qk_norm: qk_norm.transpose()?,
            attention_out: one("attn_output.weight", p.width, q)?.with_bias(out_bias),
            feed_norm: weights.vector(&name("ffn_norm.weight"), p.width)?,
            gate_up: Projection::new(gate_up, p.width),
            down: one("ffn_down.weight", p.width, p.feed_forward)?,
        })
    }

    pub(super) fn needs(&self) -> Needs {
        [&self.qkv, &self.attention_out, &self.gate_up, &self.down]
            .into_iter()
            .fold(Needs::default(), |needs, projection| needs.and(projection.needs()))
    }
}
