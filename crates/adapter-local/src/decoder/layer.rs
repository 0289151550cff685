//! The weights of one layer, and products of several matrices with the same input.

use kernels::{Isa, Pool};

use crate::checkpoint::{Family, Parameters};
use crate::error::LoadError;
use crate::weights::{Activations, Needs, Prepared, Weights};

/// Matrices that read the same input; their outputs lie one after the other.
#[derive(Debug)]
pub(super) struct Projection {
    parts: Vec<Prepared>,
    columns: usize,
    rows: usize,
    bias: Option<Vec<f32>>,
}

impl Projection {
    pub(super) fn new(parts: Vec<Prepared>, columns: usize) -> Self {
        let rows = parts.iter().map(Prepared::rows).sum();
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

    /// `out[token][row]`: every row times each row of `activations`.
    pub(super) fn apply(&self, pool: &Pool, isa: Isa, activations: &Activations, out: &mut [f32]) {
        let input = activations.input();
        let out = &mut out[..input.tokens * self.rows];
        kernels::multiply(pool, isa, &self.parts, input, out);
        if let Some(bias) = &self.bias {
            pool.pieces(out, self.rows, |_, row| kernels::add(isa, row, bias));
        }
    }
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
