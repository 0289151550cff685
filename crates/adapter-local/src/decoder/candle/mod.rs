//! The decoder of the llama, qwen2 and qwen3 families on candle's tensors, on any device of candle.
//!
//! | what | module |
//! |---|---|
//! | weights on the device, in the form they are stored in | `weights` |
//! | keys and values: pages of tensors that grow | `cache` |
//! | what differs from step to step, as small tensors | `inputs` |
//! | the arithmetic | `model`, `attention` |
//!
//! Whatever depends on positions is data on the device (token ids, positions, where keys and values
//! go, which pages are looked at), never an argument of a kernel: a decode step of so many sequences
//! over so many pages is always the same list of kernels. What a CUDA graph of it still needs:
//! [`inputs::Inputs`] written into buffers that stay where they are instead of new ones; logits
//! copied into one; the pages and the table of angles at their full size from the start (they move
//! when they grow); and as many graphs as there are pairs of batch and page counts, the latter
//! rounded up.

mod attention;
mod cache;
mod inputs;
mod model;
mod weights;

use std::fmt;
use std::ops::Range;

use candle_core::Device;

use super::pages::PAGE;
use super::plan::{Bounds, places, ranges};
use super::sequences::Sequences;
use super::{Decoder, KvPrecision, LoadOptions, MOST_SEQUENCES, Part, SequenceId};
use crate::checkpoint::Checkpoint;
use crate::error::{DecodeError, LoadError};

use cache::{DevicePages, Shape};
use inputs::{Angles, Inputs};
use model::Model;

/// Most tokens that go through the layers together.
const MOST_ROWS: usize = 512;

/// A model and its sequences on a device.
pub(super) struct CandleTransformer {
    model: Model,
    sequences: Sequences<DevicePages>,
    angles: Angles,
    bounds: Bounds,
    /// Rows of logits of the last step, and which of them belong to each part.
    logits: Vec<f32>,
    ranges: Vec<Range<usize>>,
}

impl CandleTransformer {
    /// Finds and checks all weights and copies them to the device.
    pub(super) fn load(
        device: &Device,
        checkpoint: &Checkpoint,
        options: &LoadOptions,
    ) -> Result<Self, LoadError> {
        let (model, angles) = Model::load(device, checkpoint)?;
        let parameters = checkpoint.parameters();
        let shape = Shape {
            layers: parameters.layers,
            heads: parameters.kv_heads,
            head_size: parameters.head_size,
            exact: options.kv_cache == KvPrecision::F32,
        };
        // What a step computes with needs room too.
        let room = free_bytes(device).map(|free| free / 5 * 4);
        let cache_bytes = [options.cache_bytes, room].into_iter().flatten().min();
        let pages = DevicePages::new(device.clone(), shape, cache_bytes);
        let bounds = Bounds {
            vocabulary: model.vocabulary(),
            context_length: options.context_length(parameters),
        };
        Ok(Self {
            model,
            sequences: Sequences::new(pages, MOST_SEQUENCES),
            angles,
            bounds,
            logits: Vec::new(),
            ranges: Vec::new(),
        })
    }

    fn compute(&mut self, parts: &[Part<'_>], before: &[usize]) -> Result<(), DecodeError> {
        for part in parts {
            let positions = self.sequences.reach(part.sequence, part.tokens.len())?;
            self.angles.reach(positions, self.bounds.context_length).map_err(failed)?;
        }
        self.logits.clear();
        let (pages, tables) = self.sequences.pages();
        for places in places(parts, before).chunks(MOST_ROWS) {
            let inputs = Inputs::new(places, tables, pages.shape(), &self.angles);
            let inputs = inputs.map_err(failed)?;
            let rows = self.model.step(&inputs, pages).map_err(failed)?;
            self.logits.extend(rows);
        }
        Ok(())
    }
}

impl Decoder for CandleTransformer {
    fn vocab_size(&self) -> usize {
        self.bounds.vocabulary
    }

    fn context_length(&self) -> usize {
        self.bounds.context_length
    }

    fn most_sequences(&self) -> usize {
        MOST_SEQUENCES
    }

    fn free_positions(&self) -> usize {
        self.sequences.free_pages().saturating_mul(PAGE)
    }

    fn open(&mut self) -> Result<SequenceId, DecodeError> {
        self.sequences.open()
    }

    fn fork(&mut self, from: SequenceId, len: usize) -> Result<SequenceId, DecodeError> {
        self.sequences.fork(from, len)
    }

    fn len(&self, sequence: SequenceId) -> usize {
        self.sequences.len(sequence)
    }

    fn truncate(&mut self, sequence: SequenceId, len: usize) {
        self.sequences.truncate(sequence, len);
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences.close(sequence);
    }

    fn forward(&mut self, parts: &[Part<'_>]) -> Result<(), DecodeError> {
        self.bounds.check(&self.sequences, parts)?;
        let before: Vec<_> = parts.iter().map(|part| self.len(part.sequence)).collect();
        self.ranges.clear();
        if let Err(error) = self.compute(parts, &before) {
            for (part, len) in parts.iter().zip(before) {
                self.sequences.truncate(part.sequence, len);
            }
            return Err(error);
        }
        self.ranges = ranges(parts);
        for (part, len) in parts.iter().zip(before) {
            self.sequences.set_len(part.sequence, len + part.tokens.len());
        }
        Ok(())
    }

    fn logits(&self, part: usize) -> Result<&[f32], DecodeError> {
        let range = self.ranges.get(part).cloned().unwrap_or_default();
        let vocabulary = self.bounds.vocabulary;
        let rows = range.start * vocabulary..range.end * vocabulary;
        let logits = self.logits.get(rows).unwrap_or_default();
        if logits.iter().any(|x| !x.is_finite()) {
            return Err(DecodeError::NotFinite);
        }
        Ok(logits)
    }
}

/// What candle says, in one line: it adds those of a backtrace where `RUST_BACKTRACE` is set.
pub(super) fn in_one_line(error: &candle_core::Error) -> String {
    let words = error.to_string();
    words.lines().next().unwrap_or("no reason given").to_owned()
}

/// Whether the device has no more memory.
pub(super) fn is_out_of_memory(error: &candle_core::Error) -> bool {
    let words = error.to_string().to_ascii_lowercase();
    words.contains("out_of_memory") || words.contains("out of memory")
}

/// A step that the device did not take.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn failed(error: candle_core::Error) -> DecodeError {
    if is_out_of_memory(&error) {
        return DecodeError::StepOutOfMemory;
    }
    DecodeError::Device(in_one_line(&error))
}

/// Bytes that a GPU can still give; nothing where the device is none.
fn free_bytes(device: &Device) -> Option<u64> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(cuda) => {
            cuda.cuda_stream().context().mem_get_info().ok().map(|(free, _)| free as u64)
        }
        _ => None,
    }
}

impl fmt::Debug for CandleTransformer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CandleTransformer")
            .field("device", &self.model.device().location())
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}
