//! The seam between what asks for logits and what computes them.
//!
//! A [`Decoder`] holds the keys and values of many sequences and takes tokens of any of them
//! through the model in one step. Scheduling, sampling and prefix reuse know nothing but this
//! trait; [`load`] is the only place that chooses what computes.

mod attention;
mod candle;
mod kv_cache;
mod kv_precision;
mod layer;
mod pages;
mod plan;
mod rope;
mod scratch;
mod sequences;
mod single;
mod step;
mod transformer;

#[cfg(test)]
mod tests;

use std::fmt;

use kernels::{F16, F32, Q8_0};
use ports::Error;

use crate::checkpoint::{Checkpoint, Parameters};
use crate::device::{Device, open_candle};
use crate::error::{DecodeError, LoadCause, LoadError};

use candle::CandleTransformer;
pub(crate) use kv_precision::{KvPrecision, bytes_per_position, check_kv_cache};
pub(crate) use pages::PAGE;
pub(crate) use scratch::scratch_bytes;
use single::Single;
use transformer::Transformer;

/// Sequences at once. Each costs nothing but the pages it uses.
const MOST_SEQUENCES: usize = 256;

/// One sequence inside a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SequenceId(usize);

impl SequenceId {
    /// The name of a decoder's sequence number `index`.
    #[cfg(test)]
    pub(crate) fn new(index: usize) -> Self {
        Self(index)
    }
}

/// Which logits of a part are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Wanted {
    /// None: more of the prompt follows.
    None,
    /// Those after the last token.
    #[default]
    Last,
    /// Those after every token.
    All,
}

/// Tokens of one sequence that a step appends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    /// The sequence; it may appear once in a step.
    pub(crate) sequence: SequenceId,
    /// At least one.
    pub(crate) tokens: &'a [u32],
    /// Which logits to keep.
    pub(crate) wanted: Wanted,
}

/// What a decoder makes of drafts: tokens that are computed before it is known whether they belong to
/// the answer, for the logits after each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drafts {
    /// Rows of a step share its work, and the logits are the same bits.
    Exact,
    /// Rows of a step share its work, and the logits are the same up to rounding: a close choice may
    /// fall otherwise.
    Rounded,
    /// Each token takes as long as a step, or cannot be taken back without computing all again.
    Never,
}

/// Sequences of tokens, and the model that continues them.
///
/// The logits of a sequence do not depend on what else a step computes, on how the sequence was
/// cut into steps, or on whether its beginning was shared. On the processor every way gives the same
/// bits; [`Engine::Candle`] leaves the order of sums to its device, so there they are the same up to
/// rounding.
pub(crate) trait Decoder: fmt::Debug + Send {
    /// How many logits there are.
    fn vocab_size(&self) -> usize;

    /// Most tokens of a sequence: the model's own limit, or less where configured.
    fn context_length(&self) -> usize;

    /// Most sequences that can be open at once.
    fn most_sequences(&self) -> usize;

    /// What it makes of drafts.
    fn drafts(&self) -> Drafts;

    /// Positions that the cache can still take, shared pages counted once. Sequences take whole
    /// pages of [`PAGE`].
    fn free_positions(&self) -> usize;

    /// A new sequence without tokens.
    ///
    /// # Errors
    /// When [`Decoder::most_sequences`] are open.
    fn open(&mut self) -> Result<SequenceId, DecodeError>;

    /// A new sequence with the first `len` tokens of another, without computing them again.
    ///
    /// # Errors
    /// As [`Decoder::open`], and when memory is short.
    fn fork(&mut self, from: SequenceId, len: usize) -> Result<SequenceId, DecodeError>;

    /// How many tokens a sequence has.
    fn len(&self, sequence: SequenceId) -> usize;

    /// Forgets the tokens from position `len` on; does nothing when there are fewer.
    fn truncate(&mut self, sequence: SequenceId, len: usize);

    /// Forgets a sequence and gives its memory back.
    fn close(&mut self, sequence: SequenceId);

    /// Appends the tokens of every part to its sequence. A call that fails leaves all sequences as
    /// they were.
    ///
    /// # Errors
    /// For parts that make no sense or do not fit, and when memory is short.
    fn forward(&mut self, parts: &[Part<'_>]) -> Result<(), DecodeError>;

    /// The logits of a part of the last step: of its last token, or, where [`Wanted::All`] was
    /// asked for, one row of [`Decoder::vocab_size`] after the other.
    ///
    /// # Errors
    /// [`DecodeError::NotFinite`] where the model computed nonsense for this part; others are not
    /// touched by it. Its sequence still has the tokens: close it.
    fn logits(&self, part: usize) -> Result<&[f32], DecodeError>;
}

/// What computes a model.
#[derive(Debug, Clone, Default)]
pub(crate) enum Engine {
    /// Plain slices on the processor: the fast way there.
    #[default]
    Slices,
    /// candle's tensors on a device.
    Candle(candle_core::Device),
}

impl Engine {
    /// What computes on a device.
    pub(crate) fn on(device: Device) -> Result<Self, Error> {
        Ok(match device {
            Device::Cpu => Self::Slices,
            Device::Cuda(_) => Self::Candle(open_candle(device)?),
        })
    }
}

/// How a model is loaded.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoadOptions {
    /// What computes.
    pub(crate) engine: Engine,
    /// Threads that compute; the physical cores when absent.
    pub(crate) threads: Option<usize>,
    /// Most tokens of a sequence; the model's own limit when absent or larger.
    pub(crate) context_length: Option<usize>,
    /// How keys and values are kept.
    pub(crate) kv_cache: KvPrecision,
    /// Most bytes of keys and values of all sequences. When absent, [`Engine::Slices`] has no limit,
    /// and [`Engine::Candle`] takes what a GPU has room for, `at_once` whole contexts at most.
    pub(crate) cache_bytes: Option<u64>,
    /// Sequences that are computed at the same time; some when absent.
    pub(crate) at_once: Option<usize>,
    /// Steps that append one token to every sequence are launched as CUDA graphs.
    pub(crate) cuda_graphs: bool,
}

impl LoadOptions {
    /// Most tokens of a sequence of such a model.
    fn context_length(&self, parameters: &Parameters) -> usize {
        let own = parameters.context_length;
        self.context_length.map_or(own, |asked| asked.min(own))
    }
}

/// Makes a decoder of a model.
pub(crate) fn load(
    checkpoint: &Checkpoint,
    options: &LoadOptions,
) -> Result<Box<dyn Decoder>, LoadError> {
    let single = checkpoint.family().single;
    let ours = !single && matches!(options.engine, Engine::Slices);
    if options.kv_cache == KvPrecision::Q8_0 && !ours {
        let cause = LoadCause::KvCache(options.kv_cache.name());
        return Err(LoadError::new(checkpoint.path(), cause));
    }
    if single {
        return Ok(Box::new(Single::load(checkpoint, options)?));
    }
    Ok(match (&options.engine, options.kv_cache) {
        (Engine::Candle(device), _) => {
            Box::new(CandleTransformer::load(device, checkpoint, options)?)
        }
        (Engine::Slices, KvPrecision::F16) => {
            Box::new(Transformer::<F16>::load(checkpoint, options)?)
        }
        (Engine::Slices, KvPrecision::F32) => {
            Box::new(Transformer::<F32>::load(checkpoint, options)?)
        }
        (Engine::Slices, KvPrecision::Q8_0) => {
            Box::new(Transformer::<Q8_0>::load(checkpoint, options)?)
        }
    })
}

/// What is known of a model once it has been checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    pub(crate) parameters: Parameters,
    pub(crate) vocabulary: usize,
    /// The embedding serves as output too.
    pub(crate) tied: bool,
}

/// Checks everything that [`load`] checks, without making a decoder.
pub(crate) fn check(checkpoint: &Checkpoint) -> Result<Facts, LoadError> {
    if checkpoint.family().single {
        single::check(checkpoint)
    } else {
        transformer::check(checkpoint)
    }
}
