//! The decoder of the llama, qwen2 and qwen3 families on the processor: plain slices, weights
//! where the file has them, a few parallel regions per layer on threads of its own.

use std::sync::Arc;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::attention::attend;
use super::kv_cache::{BLOCK, CacheNumber, LayerCache};
use super::layer::{Layer, Projection, add};
use super::parameters::{Family, Parameters};
use super::rope::Rope;
use super::scratch::Scratch;
use super::{Decoder, Facts, LoadOptions};
use crate::cpu::{Isa, default_threads};
use crate::error::{DecodeError, LoadCause, LoadError};
use crate::gguf::GgufFile;
use crate::kernels::{self, F16};
use crate::weights::{Matrix, Weights};

/// A model, its sequence, and the threads that compute it.
pub(super) struct Transformer<T> {
    pool: ThreadPool,
    model: Model,
    state: State<T>,
}

/// What does not change.
struct Model {
    isa: Isa,
    parameters: Parameters,
    context_length: usize,
    embedding: Matrix,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    head: Projection,
}

/// What a step changes.
struct State<T> {
    position: usize,
    rope: Rope,
    cache: Vec<LayerCache<T>>,
    scratch: Scratch,
}

impl<T: CacheNumber> Transformer<T> {
    /// Finds and checks all weights; computes nothing.
    pub(super) fn load(
        file: &Arc<GgufFile>,
        family: &Family,
        options: &LoadOptions,
    ) -> Result<Self, LoadError> {
        Self::load_for(Isa::detect(), file, family, options)
    }

    /// The same for a given instruction set.
    pub(super) fn load_for(
        isa: Isa,
        file: &Arc<GgufFile>,
        family: &Family,
        options: &LoadOptions,
    ) -> Result<Self, LoadError> {
        let (model, state) = parts(isa, file, family, options)?;
        let threads = options.threads.filter(|threads| *threads > 0);
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads.unwrap_or_else(default_threads))
            .thread_name(|index| format!("textport-local-{index}"))
            .build()
            .map_err(|error| file.error(LoadCause::Threads(error.to_string())))?;
        Ok(Self { pool, model, state })
    }
}

/// Checks everything that loading checks.
pub(super) fn check(file: &Arc<GgufFile>, family: &Family) -> Result<Facts, LoadError> {
    let (model, _) = parts::<F16>(Isa::detect(), file, family, &LoadOptions::default())?;
    Ok(Facts {
        vocabulary: model.embedding.rows(),
        tied: file.tensor("output.weight").is_none(),
        parameters: model.parameters,
    })
}

/// What does not change, and what a step changes.
fn parts<T: CacheNumber>(
    isa: Isa,
    file: &Arc<GgufFile>,
    family: &Family,
    options: &LoadOptions,
) -> Result<(Model, State<T>), LoadError> {
    let parameters = Parameters::read(file, family)?;
    let weights = Weights::new(Arc::clone(file));
    let width = parameters.width;
    let embedding = weights.table("token_embd.weight", width)?;
    let vocabulary = embedding.rows();
    let tied = !weights.has("output.weight");
    let head = if tied { "token_embd.weight" } else { "output.weight" };
    let head = Projection::new(vec![weights.matrix(head, vocabulary, width)?], width);
    let norm = weights.vector("output_norm.weight", width)?;
    let divisors = weights.vector_if_any("rope_freqs.weight", parameters.rope.size / 2)?;
    let rope = Rope::new(family.pairing, &parameters.rope, divisors.as_deref());
    let layers = (0..parameters.layers)
        .map(|index| Layer::load(&weights, index, family, &parameters))
        .collect::<Result<Vec<_>, _>>()?;
    weights.finish(family.name)?;
    let needs = layers.iter().fold(head.needs(), |needs, layer| needs.and(layer.needs()));
    let scratch = Scratch::new(isa, &parameters, vocabulary, needs);
    let cache =
        layers.iter().map(|_| LayerCache::new(parameters.kv_heads, parameters.head_size)).collect();
    let context_length = options
        .context_length
        .map_or(parameters.context_length, |asked| asked.min(parameters.context_length));
    let model = Model { isa, parameters, context_length, embedding, layers, norm, head };
    Ok((model, State { position: 0, rope, cache, scratch }))
}

impl<T: CacheNumber> Decoder for Transformer<T> {
    fn vocab_size(&self) -> usize {
        self.model.embedding.rows()
    }

    fn context_length(&self) -> usize {
        self.model.context_length
    }

    fn position(&self) -> usize {
        self.state.position
    }

    fn truncate(&mut self, len: usize) {
        self.state.position = self.state.position.min(len);
    }

    fn forward(&mut self, tokens: &[u32]) -> Result<&[f32], DecodeError> {
        self.check(tokens)?;
        let (model, state) = (&self.model, &mut self.state);
        let before = state.position;
        let done = state.grow(tokens.len()).and_then(|()| {
            self.pool.install(|| {
                let rows = state.scratch.rows;
                let steps = tokens.len().div_ceil(rows);
                for (index, step) in tokens.chunks(rows).enumerate() {
                    model.step(state, step);
                    state.position += step.len();
                    if index + 1 == steps {
                        model.logits(state, step.len())?;
                    }
                }
                Ok(())
            })
        });
        match done {
            Ok(()) => Ok(&self.state.scratch.logits),
            Err(error) => {
                self.state.position = before;
                Err(error)
            }
        }
    }
}

impl<T: CacheNumber> Transformer<T> {
    fn check(&self, tokens: &[u32]) -> Result<(), DecodeError> {
        let vocabulary = self.vocab_size();
        if tokens.is_empty() {
            return Err(DecodeError::NoTokens);
        }
        if let Some(token) = tokens.iter().copied().find(|token| *token as usize >= vocabulary) {
            return Err(DecodeError::UnknownToken { token, vocabulary });
        }
        let wanted = self.state.position.saturating_add(tokens.len());
        let context_length = self.model.context_length;
        if wanted > context_length {
            return Err(DecodeError::ContextFull { wanted, context_length });
        }
        Ok(())
    }
}

impl<T: CacheNumber> State<T> {
    /// Makes room for as many more positions, whole blocks at a time.
    fn grow(&mut self, more: usize) -> Result<(), DecodeError> {
        let positions = (self.position + more).next_multiple_of(BLOCK);
        self.cache.iter_mut().try_for_each(|layer| layer.reach(positions))?;
        self.rope.reach(positions);
        Ok(())
    }
}

impl Model {
    /// Takes some tokens through all layers; leaves their rows in the stream.
    fn step<T: CacheNumber>(&self, state: &mut State<T>, tokens: &[u32]) {
        let width = self.parameters.width;
        let stream = &mut state.scratch.stream[..tokens.len() * width];
        stream.par_chunks_mut(width).zip(tokens).for_each(|(row, token)| {
            self.embedding.expand_row(*token as usize, row);
        });
        for (layer, cache) in self.layers.iter().zip(&mut state.cache) {
            let step = Step {
                model: self,
                layer,
                rope: &state.rope,
                first: state.position,
                rows: tokens.len(),
            };
            step.attention(cache, &mut state.scratch);
            step.feed_forward(&mut state.scratch);
        }
    }

    /// Logits of the last of `rows` rows in the stream.
    fn logits<T>(&self, state: &mut State<T>, rows: usize) -> Result<(), DecodeError> {
        let scratch = &mut state.scratch;
        let width = self.parameters.width;
        let last = &scratch.stream[(rows - 1) * width..rows * width];
        scratch.activations.fill(1, width, self.head.needs(), |_, out| {
            kernels::rms_norm(self.isa, last, &self.norm, self.parameters.norm_epsilon, out);
        });
        // Quantizing would hide it: look before.
        if scratch.activations.floats().iter().any(|x| !x.is_finite()) {
            return Err(DecodeError::NotFinite);
        }
        self.head.apply(self.isa, &scratch.activations, 1, &mut scratch.logits);
        if scratch.logits.iter().any(|x| !x.is_finite()) {
            return Err(DecodeError::NotFinite);
        }
        Ok(())
    }
}

/// One layer's work on the rows of one step.
struct Step<'a> {
    model: &'a Model,
    layer: &'a Layer,
    rope: &'a Rope,
    /// Position of the first row.
    first: usize,
    rows: usize,
}

impl Step<'_> {
    /// stream += attention(norm(stream))
    fn attention<T: CacheNumber>(&self, cache: &mut LayerCache<T>, scratch: &mut Scratch) {
        let p = &self.model.parameters;
        self.norm_into(&self.layer.attention_norm, &self.layer.qkv, scratch);
        let qkv = &mut scratch.wide[..self.rows * self.layer.qkv.rows()];
        self.layer.qkv.apply(self.model.isa, &scratch.activations, self.rows, qkv);
        self.place(cache, qkv);
        self.attend(cache, qkv, &mut scratch.attended);
        let (attended, width) = (&scratch.attended, p.query_width());
        let out = &self.layer.attention_out;
        scratch.activations.fill(self.rows, width, out.needs(), |row, to| {
            to.copy_from_slice(&attended[row * width..][..width]);
        });
        out.apply(self.model.isa, &scratch.activations, self.rows, &mut scratch.delta);
        self.add_delta(scratch);
    }

    /// stream += down(silu(gate) * up), both of norm(stream)
    fn feed_forward(&self, scratch: &mut Scratch) {
        let isa = self.model.isa;
        let wide = self.model.parameters.feed_forward;
        self.norm_into(&self.layer.feed_norm, &self.layer.gate_up, scratch);
        let gate_up = &mut scratch.wide[..self.rows * 2 * wide];
        self.layer.gate_up.apply(isa, &scratch.activations, self.rows, gate_up);
        let down = &self.layer.down;
        scratch.activations.fill(self.rows, wide, down.needs(), |row, to| {
            let (gate, up) = gate_up[row * 2 * wide..][..2 * wide].split_at(wide);
            kernels::swiglu(isa, gate, up, to);
        });
        down.apply(isa, &scratch.activations, self.rows, &mut scratch.delta);
        self.add_delta(scratch);
    }

    /// Normed rows of the stream, as input of `next`.
    fn norm_into(&self, weight: &[f32], next: &Projection, scratch: &mut Scratch) {
        let (isa, epsilon) = (self.model.isa, self.model.parameters.norm_epsilon);
        let (stream, width) = (&scratch.stream, next.columns());
        scratch.activations.fill(self.rows, width, next.needs(), |row, to| {
            kernels::rms_norm(isa, &stream[row * width..][..width], weight, epsilon, to);
        });
    }

    /// Norms and turns queries and keys, scales queries, and keeps keys and values.
    fn place<T: CacheNumber>(&self, cache: &mut LayerCache<T>, qkv: &mut [f32]) {
        let p = &self.model.parameters;
        let (q_width, kv_width) = (p.query_width(), p.kv_width());
        let scale = 1.0 / (p.head_size as f32).sqrt();
        qkv.par_chunks_mut(q_width + 2 * kv_width).enumerate().for_each(|(index, row)| {
            let (queries, rest) = row.split_at_mut(q_width);
            let keys = &mut rest[..kv_width];
            if let Some([q_norm, k_norm]) = &self.layer.qk_norm {
                norm_heads(queries, q_norm, p.norm_epsilon);
                norm_heads(keys, k_norm, p.norm_epsilon);
            }
            self.rope.turn(self.first + index, queries, p.head_size);
            self.rope.turn(self.first + index, keys, p.head_size);
            queries.iter_mut().for_each(|x| *x *= scale);
        });
        for (index, row) in qkv.chunks_exact(q_width + 2 * kv_width).enumerate() {
            let (keys, values) = row[q_width..].split_at(kv_width);
            cache.put(self.first + index, keys, values);
        }
    }

    /// Shared out by heads for one token, by tokens for several.
    fn attend<T: CacheNumber>(&self, cache: &LayerCache<T>, qkv: &[f32], attended: &mut [f32]) {
        let p = &self.model.parameters;
        let width = p.query_width();
        let stride = width + 2 * p.kv_width();
        let group = p.heads / p.kv_heads;
        let one = |row: usize, head: usize, out: &mut [f32]| {
            let query = &qkv[row * stride + head * p.head_size..][..p.head_size];
            let positions = self.first + row + 1;
            attend(self.model.isa, cache, head / group, positions, query, out);
        };
        let attended = &mut attended[..self.rows * width];
        if self.rows == 1 {
            // A short past is looked through faster than a thread wakes.
            let least = (1 << 14) / ((self.first + 1) * p.head_size).max(1);
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
        let len = self.rows * self.model.parameters.width;
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
