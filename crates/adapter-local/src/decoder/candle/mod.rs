//! The decoder of the llama, qwen2 and qwen3 families on candle's tensors, on any device of candle.
//!
//! | what | module |
//! |---|---|
//! | weights on the device, in the form they are stored in | `weights` |
//! | keys and values: all pages from the start, and how many | `cache`, `room` |
//! | angles and other constants | `constants` |
//! | which row of a step computes what, in few forms | `layout`, `groups` |
//! | what differs from step to step, as views of one buffer of numbers | `inputs`, `buffers` |
//! | the arithmetic | `model`, `attention` |
//! | steps run, and what is kept for the next one of the same form | `steps` |
//! | a step as a CUDA graph | `graph` |
//!
//! # Steps that can be recorded
//!
//! A steady step is one where every sequence takes one token. For it everything is data on the device
//! that depends on tokens, positions or pages: the host writes one buffer of numbers (token ids,
//! positions, where keys and values go, which pages are looked at), the kernels between that buffer
//! and the buffer of logits are the same for every step of a [`layout::Form`], and whatever they read
//! or write that outlives the step (constants, pages, buffers) was there before and never moves.
//! Forms are few, because sequences and pages are filled up to round numbers.
//!
//! Under the setting `cuda_graphs` the first step of a form runs as it is, the second is recorded as a
//! CUDA graph, and later ones launch that. A form that cannot be recorded is an error, not a slower
//! step. No graph was launched on a GPU yet, so the setting is off unless it is turned on.
//! What to do there, in this order:
//!
//! 1. `scripts/gpu-check.sh run`: the plain step against the processor, the graph against the plain
//!    step, and how fast each is.
//! 2. Where recording fails, the error has the driver's code. `STREAM_CAPTURE_UNSUPPORTED` and
//!    `STREAM_CAPTURE_INVALIDATED` mean that a kernel of the step still does something on its first
//!    call that the run before did not make it do, e.g. cuBLAS taking a workspace: compare with
//!    `compute-sanitizer` or record the layers one by one.
//! 3. Look at the memory: allocations inside a step are nodes of its graph, and the driver keeps what
//!    they took; [`steps::MOST_FORMS`] bounds how many graphs there are.
//! 4. Only then make it the default on a GPU.

mod attention;
mod buffers;
mod cache;
mod constants;
#[cfg(feature = "cuda")]
mod graph;
mod groups;
mod inputs;
mod layout;
mod model;
mod room;
mod steps;
#[cfg(test)]
mod tests;
mod weights;

use std::fmt;
use std::ops::Range;

use candle_core::Device;

use super::pages::PAGE;
use super::plan::{Bounds, places, ranges};
use super::sequences::Sequences;
use super::{Decoder, Drafts, KvPrecision, LoadOptions, MOST_SEQUENCES, Part, SequenceId};
use crate::checkpoint::Checkpoint;
use crate::error::{DecodeError, LoadCause, LoadError};

use cache::{DevicePages, Shape};
use constants::Constants;
use groups::rounded_pages;
use layout::{Layout, MOST_ROWS};
use model::Model;
use room::how_many_pages;
use steps::Steps;

/// A model and its sequences on a device.
pub(super) struct CandleTransformer {
    steps: Steps,
    sequences: Sequences<DevicePages>,
    bounds: Bounds,
    /// Rows of logits of the last step, and which of them belong to each part.
    logits: Vec<f32>,
    ranges: Vec<Range<usize>>,
}

impl CandleTransformer {
    /// Finds and checks all weights and copies them to the device; takes the memory for keys and
    /// values.
    pub(super) fn load(
        device: &Device,
        checkpoint: &Checkpoint,
        options: &LoadOptions,
    ) -> Result<Self, LoadError> {
        let failed = |cause| LoadError::new(checkpoint.path(), cause);
        if options.cuda_graphs && !device.is_cuda() {
            return Err(failed(LoadCause::Device("CUDA graphs need a GPU".to_owned())));
        }
        let (model, frequencies) = Model::load(device, checkpoint)?;
        let parameters = checkpoint.parameters();
        let context_length = options.context_length(parameters);
        let shape = Shape {
            layers: parameters.layers,
            heads: parameters.kv_heads,
            head_size: parameters.head_size,
            exact: options.kv_cache == KvPrecision::F32,
        };
        let pages = how_many_pages(device, shape, options, context_length);
        let bytes = pages.saturating_mul(shape.page_bytes());
        let pages =
            DevicePages::new(device, shape, pages).map_err(|e| failed(no_cache(&e, bytes)))?;
        let longest = context_length.min(pages.count() * PAGE).max(1);
        let looked_at = rounded_pages(longest.div_ceil(PAGE));
        let pairing = parameters.rope.pairing;
        let constants = Constants::new(device, pairing, &frequencies, longest, looked_at);
        let constants = constants.map_err(|error| failed(no_cache(&error, bytes)))?;
        let bounds = Bounds { vocabulary: model.vocabulary(), context_length };
        let mut steps = Steps::new(model, constants, options.cuda_graphs);
        if options.cuda_graphs {
            steps.warm_up(&pages).map_err(|error| failed(no_cache(&error, bytes)))?;
        }
        let sequences = Sequences::new(pages, MOST_SEQUENCES);
        Ok(Self { steps, sequences, bounds, logits: Vec::new(), ranges: Vec::new() })
    }

    fn compute(&mut self, parts: &[Part<'_>], before: &[usize]) -> Result<(), DecodeError> {
        for part in parts {
            self.sequences.reach(part.sequence, part.tokens.len())?;
        }
        self.logits.clear();
        let (pages, tables) = self.sequences.pages();
        for places in places(parts, before).chunks(MOST_ROWS) {
            let layout = Layout::new(places, tables, pages.shape(), pages.nobodys());
            let rows = self.steps.run(&layout, pages).map_err(failed)?;
            self.logits.extend(rows);
        }
        Ok(())
    }
}

/// Why memory for keys and values could not be taken.
fn no_cache(error: &candle_core::Error, bytes: usize) -> LoadCause {
    if is_out_of_memory(error) {
        return LoadCause::NoCache { bytes };
    }
    LoadCause::Device(in_one_line(error))
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

    fn drafts(&self) -> Drafts {
        Drafts::Rounded
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

impl fmt::Debug for CandleTransformer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CandleTransformer")
            .field("device", &self.steps.device().location())
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}
