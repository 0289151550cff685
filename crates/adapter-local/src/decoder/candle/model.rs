//! A model's weights, and a step through them. What layers pass on is f32, and so are norms, angles
//! and attention; matrices are multiplied in the type they are kept in.

use candle_core::{Device, Result, Tensor};
use candle_nn::ops::{rms_norm, silu};
use candle_nn::rotary_emb::{rope_i, rope_thd};

use super::attention::{Heads, attend};
use super::cache::DevicePages;
use super::constants::Constants;
use super::inputs::{ChosenRows, Inputs, Prepared};
use super::weights::{Loader, Matrix, Projection};
use crate::checkpoint::{Checkpoint, Family, Frequencies, Pairing, Parameters};
use crate::error::LoadError;
use crate::weights::Weights;

/// One layer.
#[derive(Debug)]
struct Layer {
    attention_norm: Tensor,
    qkv: Projection,
    /// Norms of queries and keys.
    qk_norm: Option<[Tensor; 2]>,
    attention_out: Projection,
    feed_norm: Tensor,
    gate_up: Projection,
    down: Projection,
}

impl Layer {
    fn load(
        from: &Loader<'_>,
        index: usize,
        family: &Family,
        p: &Parameters,
    ) -> std::result::Result<Self, LoadError> {
        let name = |what: &str| format!("blk.{index}.{what}");
        let (q, kv) = (p.query_width(), p.kv_width());
        let parts = |kind: &str| {
            [("attn_q", q), ("attn_k", kv), ("attn_v", kv)]
                .map(|(part, rows)| (name(&format!("{part}.{kind}")), rows))
        };
        let one = |what: &str, rows, columns| from.projection(&[(name(what), rows)], columns);
        let mut qkv = from.projection(&parts("weight"), p.width)?;
        if family.qkv_bias || from.weights.has(&name("attn_q.bias")) {
            qkv = from.with_bias(qkv, &parts("bias"))?;
        }
        let mut attention_out = one("attn_output.weight", p.width, q)?;
        if from.weights.has(&name("attn_output.bias")) {
            let bias = [(name("attn_output.bias"), p.width)];
            attention_out = from.with_bias(attention_out, &bias)?;
        }
        let qk_norm = family.qk_norm.then(|| -> std::result::Result<_, LoadError> {
            let norm = |what| from.vector(&name(what), p.head_size);
            Ok([norm("attn_q_norm.weight")?, norm("attn_k_norm.weight")?])
        });
        let gate_up = ["ffn_gate.weight", "ffn_up.weight"].map(|part| (name(part), p.feed_forward));
        Ok(Self {
            attention_norm: from.vector(&name("attn_norm.weight"), p.width)?,
            qkv,
            qk_norm: qk_norm.transpose()?,
            attention_out,
            feed_norm: from.vector(&name("ffn_norm.weight"), p.width)?,
            gate_up: from.projection(&gate_up, p.width)?,
            down: one("ffn_down.weight", p.width, p.feed_forward)?,
        })
    }
}

/// A whole model.
#[derive(Debug)]
pub(super) struct Model {
    device: Device,
    parameters: Parameters,
    vocabulary: usize,
    embedding: Matrix,
    layers: Vec<Layer>,
    norm: Tensor,
    head: Projection,
}

impl Model {
    /// Finds and checks all weights; the frequencies are those of its positions.
    pub(super) fn load(
        device: &Device,
        checkpoint: &Checkpoint,
    ) -> std::result::Result<(Self, Frequencies), LoadError> {
        let (family, parameters) = (checkpoint.family(), checkpoint.parameters().clone());
        let weights = Weights::new(checkpoint.tensors().clone());
        let from = Loader { device, weights: &weights };
        let width = parameters.width;
        let vocabulary = weights.rows("token_embd.weight")?;
        let embedding = from.matrix("token_embd.weight", vocabulary, width)?;
        let head = if weights.has("output.weight") {
            from.matrix("output.weight", vocabulary, width)?
        } else {
            embedding.clone()
        };
        let norm = from.vector("output_norm.weight", width)?;
        let divisors = weights.vector_if_any("rope_freqs.weight", parameters.rope.size / 2)?;
        let frequencies = parameters.rope.frequencies(divisors.as_deref());
        let layers = (0..parameters.layers)
            .map(|index| Layer::load(&from, index, family, &parameters))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        weights.finish(family.name)?;
        let (device, head) = (device.clone(), Projection::new(head));
        Ok((Self { device, parameters, vocabulary, embedding, layers, norm, head }, frequencies))
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    pub(super) fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Takes some tokens through all layers; gives the logits of the chosen rows, if any are.
    pub(super) fn step(
        &self,
        inputs: &Inputs,
        constants: &Constants,
        pages: &DevicePages,
    ) -> Result<Option<Tensor>> {
        let prepared = inputs.prepare(constants, pages.shape())?;
        let now = Now { constants, prepared: &prepared, pages };
        let mut stream = self.embedding.expand(&inputs.tokens)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let normed = self.norm(&stream, &layer.attention_norm)?;
            stream = (stream + self.attention(now, index, layer, &normed)?)?;
            let normed = self.norm(&stream, &layer.feed_norm)?;
            stream = (stream + self.feed_forward(layer, &normed)?)?;
        }
        match &inputs.chosen {
            ChosenRows::None => Ok(None),
            ChosenRows::All => self.logits(&stream).map(Some),
            ChosenRows::Some(rows) => self.logits(&stream.index_select(rows, 0)?).map(Some),
        }
    }

    fn norm(&self, rows: &Tensor, weight: &Tensor) -> Result<Tensor> {
        rms_norm(rows, weight, self.parameters.norm_epsilon)
    }

    fn attention(
        &self,
        now: Now<'_>,
        index: usize,
        layer: &Layer,
        normed: &Tensor,
    ) -> Result<Tensor> {
        let p = &self.parameters;
        let rows = normed.dim(0)?;
        let qkv = layer.qkv.apply(normed)?;
        let part = |first, heads| {
            let part = qkv.narrow(1, first, heads * p.head_size)?;
            part.contiguous()?.reshape((rows, heads, p.head_size))
        };
        let mut queries = part(0, p.heads)?;
        let mut keys = part(p.query_width(), p.kv_heads)?;
        let values = part(p.query_width() + p.kv_width(), p.kv_heads)?;
        if let Some([q_norm, k_norm]) = &layer.qk_norm {
            queries = self.norm(&queries, q_norm)?;
            keys = self.norm(&keys, k_norm)?;
        }
        let scale = 1.0 / (p.head_size as f64).sqrt();
        let queries = (self.turn(now, &queries)? * scale)?;
        let keys = self.turn(now, &keys)?.transpose(0, 1)?;
        now.pages.put(index, &now.prepared.slots, [&keys, &values.transpose(0, 1)?])?;
        let queries = queries.reshape((rows, p.query_width()))?;
        layer.attention_out.apply(&attend(Heads::of(p), now, index, &queries)?)
    }

    /// Turns every head (rows x heads x head size) by the angles of its row.
    fn turn(&self, now: Now<'_>, heads: &Tensor) -> Result<Tensor> {
        let turned = self.parameters.rope.size;
        let (rows, count, size) = heads.dims3()?;
        let [cos, sin] = &now.prepared.angles;
        let part = heads.narrow(2, 0, turned)?.contiguous()?;
        let part = match now.constants.pairing {
            Pairing::Halves => rope_thd(&part.unsqueeze(0)?, cos, sin)?.squeeze(0)?,
            Pairing::Neighbours => {
                // As a batch of sequences of one token: each has angles of its own.
                let part = part.reshape((rows, count, 1, turned))?;
                rope_i(&part, &cos.unsqueeze(1)?, &sin.unsqueeze(1)?)?
                    .reshape((rows, count, turned))?
            }
        };
        if turned == size {
            return Ok(part);
        }
        Tensor::cat(&[part, heads.narrow(2, turned, size - turned)?], 2)
    }

    fn feed_forward(&self, layer: &Layer, normed: &Tensor) -> Result<Tensor> {
        let wide = self.parameters.feed_forward;
        let gate_up = layer.gate_up.apply(normed)?;
        let gate = silu(&gate_up.narrow(1, 0, wide)?.contiguous()?)?;
        layer.down.apply(&(gate * gate_up.narrow(1, wide, wide)?)?)
    }

    fn logits(&self, rows: &Tensor) -> Result<Tensor> {
        let normed = self.norm(rows, &self.norm)?;
        let logits = self.head.apply(&normed)?;
        // Quantizing hides what is not a number: zero is added, or what is left of it.
        let nothing = (normed * 0.0)?.sum_keepdim(1)?;
        logits.broadcast_add(&nothing)
    }
}

/// What all layers of a step compute with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now<'a> {
    pub(super) constants: &'a Constants,
    pub(super) prepared: &'a Prepared,
    pub(super) pages: &'a DevicePages,
}
