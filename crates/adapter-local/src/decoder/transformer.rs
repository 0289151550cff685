//! The decoder of the llama, qwen2 and qwen3 families on the processor: plain slices, weights
//! where the file has them, a few parallel regions per layer on threads of its own.

use std::fmt;

use kernels::{CacheNumber, Isa, Pool as Threads};

use super::attention::runs;
use super::kv_cache::{PageShape, Pool};
use super::layer::{Layer, Projection};
use super::pages::PAGE;
use super::plan::{Bounds, Place, places, ranges};
use super::rope::Rope;
use super::scratch::{Scratch, scratch_bytes};
use super::sequences::Sequences;
use super::step::{Row, Step, heads};
use super::{Decoder, Drafts, Facts, LoadOptions, MOST_SEQUENCES, Part, SequenceId};
use crate::checkpoint::{Checkpoint, Parameters};
use crate::cpu::default_threads;
use crate::error::{DecodeError, LoadCause, LoadError};
use crate::weights::{Prepared, Weights};

/// A model, its sequences, and the threads that compute it.
pub(super) struct Transformer<T> {
    threads: Threads,
    model: Model,
    state: State<T>,
    /// Where the rows of logits of each part of the last step are.
    logits: Vec<std::ops::Range<usize>>,
}

/// What does not change.
struct Model {
    isa: Isa,
    parameters: Parameters,
    context_length: usize,
    embedding: Prepared,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    head: Projection,
}

/// What a step changes.
struct State<T> {
    sequences: Sequences<Pool<T>>,
    rope: Rope,
    scratch: Scratch,
}

impl<T: CacheNumber> Transformer<T> {
    /// Finds and checks all weights, and prepares them for the kernels.
    pub(super) fn load(checkpoint: &Checkpoint, options: &LoadOptions) -> Result<Self, LoadError> {
        let isa = Isa::from_environment().map_err(|error| {
            LoadError::new(checkpoint.path(), LoadCause::Kernels(error.to_string()))
        })?;
        Self::load_for(isa, checkpoint, options)
    }

    /// The same for a given instruction set.
    pub(super) fn load_for(
        isa: Isa,
        checkpoint: &Checkpoint,
        options: &LoadOptions,
    ) -> Result<Self, LoadError> {
        let threads = options.threads.filter(|threads| *threads > 0);
        let threads = Threads::new(threads.unwrap_or_else(default_threads), "textport-local");
        let threads = threads.map_err(|error| {
            LoadError::new(checkpoint.path(), LoadCause::Threads(error.to_string()))
        })?;
        let weights = Weights::new(checkpoint.tensors().clone()).prepare(&threads, isa);
        let (model, rope) = model(isa, checkpoint, options, weights)?;
        let needs = model.layers.iter().fold(model.head.needs(), |all, one| all.and(one.needs()));
        let parameters = checkpoint.parameters();
        let scratch = Scratch::new(isa, parameters, needs).map_err(|_| {
            let bytes = scratch_bytes(parameters, 0) as usize;
            LoadError::new(checkpoint.path(), LoadCause::NoRoom { bytes })
        })?;
        let shape = PageShape {
            layers: parameters.layers,
            heads: parameters.kv_heads,
            head_size: parameters.head_size,
        };
        let sequences = Sequences::new(Pool::new(shape, options.cache_bytes), MOST_SEQUENCES);
        let state = State { sequences, rope, scratch };
        Ok(Self { threads, model, state, logits: Vec::new() })
    }
}

/// Checks everything that loading checks.
pub(super) fn check(checkpoint: &Checkpoint) -> Result<Facts, LoadError> {
    let weights = Weights::new(checkpoint.tensors().clone());
    let (model, _) = model(Isa::best(), checkpoint, &LoadOptions::default(), weights)?;
    Ok(Facts {
        vocabulary: model.embedding.rows(),
        tied: checkpoint.tensors().facts("output.weight").is_none(),
        parameters: model.parameters,
    })
}

/// The model of a checkpoint, of all its weights.
fn model(
    isa: Isa,
    checkpoint: &Checkpoint,
    options: &LoadOptions,
    weights: Weights<'_>,
) -> Result<(Model, Rope), LoadError> {
    let (family, parameters) = (checkpoint.family(), checkpoint.parameters().clone());
    let width = parameters.width;
    let tied = !weights.has("output.weight");
    let embedding = weights.table("token_embd.weight", width, tied)?;
    let vocabulary = embedding.rows();
    let head = match tied {
        true => embedding.clone(),
        false => weights.matrix("output.weight", vocabulary, width)?,
    };
    let head = Projection::new(vec![head], width);
    let norm = weights.vector("output_norm.weight", width)?;
    let divisors = weights.vector_if_any("rope_freqs.weight", parameters.rope.size / 2)?;
    let rope = Rope::new(&parameters.rope, divisors.as_deref());
    let layers = (0..parameters.layers)
        .map(|index| Layer::load(&weights, index, family, &parameters))
        .collect::<Result<Vec<_>, _>>()?;
    weights.finish(family.name)?;
    let context_length = options.context_length(&parameters);
    Ok((Model { isa, parameters, context_length, embedding, layers, norm, head }, rope))
}

impl<T: CacheNumber> Decoder for Transformer<T> {
    fn vocab_size(&self) -> usize {
        self.model.embedding.rows()
    }

    fn context_length(&self) -> usize {
        self.model.context_length
    }

    fn most_sequences(&self) -> usize {
        MOST_SEQUENCES
    }

    fn drafts(&self) -> Drafts {
        Drafts::Exact
    }

    fn free_positions(&self) -> usize {
        self.state.sequences.free_pages().saturating_mul(PAGE)
    }

    fn open(&mut self) -> Result<SequenceId, DecodeError> {
        self.state.sequences.open()
    }

    fn fork(&mut self, from: SequenceId, len: usize) -> Result<SequenceId, DecodeError> {
        self.state.sequences.fork(from, len)
    }

    fn len(&self, sequence: SequenceId) -> usize {
        self.state.sequences.len(sequence)
    }

    fn truncate(&mut self, sequence: SequenceId, len: usize) {
        self.state.sequences.truncate(sequence, len);
    }

    fn close(&mut self, sequence: SequenceId) {
        self.state.sequences.close(sequence);
    }

    fn forward(&mut self, parts: &[Part<'_>]) -> Result<(), DecodeError> {
        let bounds =
            Bounds { vocabulary: self.vocab_size(), context_length: self.model.context_length };
        bounds.check(&self.state.sequences, parts)?;
        let before: Vec<_> = parts.iter().map(|part| self.len(part.sequence)).collect();
        let wanted = ranges(parts);
        let rows = wanted.last().map_or(0, |range| range.end);
        let done = self.state.grow(parts, rows * self.vocab_size());
        if let Err(error) = done {
            self.logits.clear();
            for (part, len) in parts.iter().zip(before) {
                self.state.sequences.truncate(part.sequence, len);
            }
            return Err(error);
        }
        let places = places(parts, &before);
        self.logits = wanted;
        let (model, state, threads) = (&self.model, &mut self.state, &self.threads);
        let mut done = 0;
        for places in places.chunks(state.scratch.rows) {
            model.step(threads, state, places);
            done = model.logits(threads, state, places, done);
        }
        for (part, len) in parts.iter().zip(before) {
            self.state.sequences.set_len(part.sequence, len + part.tokens.len());
        }
        Ok(())
    }

    fn logits(&self, part: usize) -> Result<&[f32], DecodeError> {
        let vocabulary = self.vocab_size();
        let range = self.logits.get(part).cloned().unwrap_or_default();
        let logits = &self.state.scratch.logits[range.start * vocabulary..range.end * vocabulary];
        // What is not a number anywhere has been carried on to here.
        // Piece by piece: a search that may end at any number is no vector code.
        let finite = |piece: &[f32]| piece.iter().fold(true, |all, x| all & x.is_finite());
        if !logits.chunks(64).all(finite) {
            return Err(DecodeError::NotFinite);
        }
        Ok(logits)
    }
}

impl<T: CacheNumber> State<T> {
    /// Makes room for the tokens of a step.
    fn grow(&mut self, parts: &[Part<'_>], logits: usize) -> Result<(), DecodeError> {
        for part in parts {
            let positions = self.sequences.reach(part.sequence, part.tokens.len())?;
            self.rope.reach(positions).map_err(|_| DecodeError::StepOutOfMemory)?;
        }
        let rows = &mut self.scratch.logits;
        let more = logits.saturating_sub(rows.len());
        rows.try_reserve_exact(more).map_err(|_| DecodeError::StepOutOfMemory)?;
        // Steps with and without drafts take turns: what was made once stays.
        if more > 0 {
            rows.resize(logits, 0.0);
        }
        Ok(())
    }
}

impl Model {
    /// Takes some tokens through all layers; leaves their rows in the stream.
    fn step<T: CacheNumber>(&self, threads: &Threads, state: &mut State<T>, places: &[Place]) {
        let State { sequences, rope, scratch } = state;
        let width = self.parameters.width;
        let stream = &mut scratch.stream[..places.len() * width];
        threads.pieces(stream, width, |index, row| {
            self.embedding.expand_row(places[index].token as usize, row);
        });
        let (pool, tables) = sequences.pages();
        let row =
            |place: &Place| Row { table: tables.of(place.sequence), position: place.position };
        let rows: Vec<_> = places.iter().map(row).collect();
        let (isa, parameters, rows) = (self.isa, &self.parameters, rows.as_slice());
        let runs = &runs(rows, heads(parameters));
        for (index, layer) in self.layers.iter().enumerate() {
            let step = Step { threads, isa, parameters, rope, rows, runs, index, layer };
            step.run(pool, scratch);
        }
    }

    /// Logits of those rows in the stream that are wanted; `done` rows are there already.
    fn logits<T>(
        &self,
        threads: &Threads,
        state: &mut State<T>,
        places: &[Place],
        done: usize,
    ) -> usize {
        let Scratch { stream, activations, logits, .. } = &mut state.scratch;
        let width = self.parameters.width;
        let wanted = places.iter().enumerate().filter(|(_, place)| place.wanted);
        let wanted: Vec<usize> = wanted.map(|(index, _)| index).collect();
        if wanted.is_empty() {
            return done;
        }
        activations.fill(threads, (wanted.len(), width), self.head.needs(), |index, out| {
            let row = &stream[wanted[index] * width..][..width];
            kernels::rms_norm(self.isa, row, &self.norm, self.parameters.norm_epsilon, out);
        });
        let vocabulary = self.embedding.rows();
        let end = done + wanted.len();
        let out = &mut logits[done * vocabulary..end * vocabulary];
        self.head.apply(threads, self.isa, activations, out);
        end
    }
}

impl<T> fmt::Debug for Transformer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transformer")
            .field("parameters", &self.model.parameters)
            .field("context_length", &self.model.context_length)
            .finish_non_exhaustive()
    }
}
