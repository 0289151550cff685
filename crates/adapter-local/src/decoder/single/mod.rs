//! Architectures that candle's own models compute: one sequence at a time, its logits only after the
//! last token of a call, and no way back. Behind the seam that shows as one sequence that cannot be
//! forked, and that is computed again where it was cut short.
//!
//! | what | module |
//! |---|---|
//! | which they are, and what must be true of a model of each | `models` |
//! | their words for what `config.json` says | `settings` |
//! | their weights | `source` |

mod models;
mod settings;
mod source;

use std::fmt;

use candle_core::{DType, Device, Result, Tensor};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::candle::{failed, in_one_line};
use super::pages::PAGE;
use super::plan::{Bounds, ranges};
use super::{Decoder, Drafts, Engine, Facts, LoadOptions, Part, SequenceId, Wanted};
use crate::checkpoint::Checkpoint;
use crate::cpu::default_threads;
use crate::error::{DecodeError, LoadCause, LoadError};

use models::Model;
use settings::Settings;

/// The only sequence.
const ONLY: SequenceId = SequenceId(0);

/// One of candle's models and its sequence.
pub(super) struct Single {
    model: Box<dyn Model>,
    device: Device,
    /// The threads that the processor computes with.
    pool: Option<ThreadPool>,
    bounds: Bounds,
    /// The tokens of the sequence, where one is open.
    open: Option<Vec<u32>>,
    /// The tokens that the model has seen.
    seen: Vec<u32>,
    /// Rows of logits of the last step.
    logits: Vec<f32>,
}

/// Checks what can be checked without loading the weights.
pub(super) fn check(checkpoint: &Checkpoint) -> std::result::Result<Facts, LoadError> {
    let settings = Settings::read(checkpoint)?;
    models::check(&settings)?;
    Ok(Facts {
        parameters: checkpoint.parameters().clone(),
        vocabulary: settings.size("vocab_size")?,
        tied: checkpoint.tensors().facts("lm_head.weight").is_none(),
    })
}

impl Single {
    /// Loads all weights, as f32: in shorter types candle's models lose positions.
    pub(super) fn load(
        checkpoint: &Checkpoint,
        options: &LoadOptions,
    ) -> std::result::Result<Self, LoadError> {
        let facts = check(checkpoint)?;
        let device = match &options.engine {
            Engine::Slices => Device::Cpu,
            Engine::Candle(device) => device.clone(),
        };
        let bounds = Bounds {
            vocabulary: facts.vocabulary,
            context_length: options.context_length(&facts.parameters),
        };
        let settings = Settings::read(checkpoint)?.with_context(bounds.context_length);
        let (weights, taken) = source::of(checkpoint.tensors(), &device);
        let model = models::load(&settings, weights).map_err(|error| {
            let unknown = || {
                let cause = LoadCause::Device(in_one_line(&error));
                LoadError::new(checkpoint.path(), cause)
            };
            taken.failure().unwrap_or_else(unknown)
        })?;
        taken.finish(checkpoint)?;
        let pool = device.is_cpu().then(|| pool(checkpoint, options)).transpose()?;
        let (seen, logits) = (Vec::new(), Vec::new());
        Ok(Self { model, device, pool, bounds, open: None, seen, logits })
    }

    /// [`Single::show`] on the threads that were asked for.
    fn show_on_pool(&mut self, tokens: &[u32], wanted: Wanted, first: usize) -> Result<()> {
        let Some(pool) = self.pool.take() else { return self.show(tokens, wanted, first) };
        let shown = pool.install(|| self.show(tokens, wanted, first));
        self.pool = Some(pool);
        shown
    }

    /// Shows the model what it has not seen of `tokens`; keeps logits from row `first` on, or only
    /// those after the last token.
    fn show(&mut self, tokens: &[u32], wanted: Wanted, first: usize) -> Result<()> {
        self.logits.clear();
        let most = if wanted == Wanted::All { first } else { tokens.len() - 1 };
        if !tokens.starts_with(&self.seen) || self.seen.len() > most {
            self.model.clear();
            self.seen.clear();
        }
        while self.seen.len() < tokens.len() {
            let begin = self.seen.len();
            let most = self.model.at_once(begin).max(1);
            let end = match wanted {
                // Logits come after the last token of a call only.
                Wanted::All if begin >= first => begin + 1,
                Wanted::All => first.min(begin + most),
                Wanted::None | Wanted::Last => tokens.len().min(begin + most),
            };
            let part = Tensor::new(&tokens[begin..end], &self.device)?.unsqueeze(0)?;
            let logits = self.model.forward(&part, begin)?;
            self.seen.extend(&tokens[begin..end]);
            let keep = match wanted {
                Wanted::None => false,
                Wanted::Last => end == tokens.len(),
                Wanted::All => end > first,
            };
            if keep {
                self.logits.extend(row(&logits)?);
            }
        }
        Ok(())
    }
}

fn pool(
    checkpoint: &Checkpoint,
    options: &LoadOptions,
) -> std::result::Result<ThreadPool, LoadError> {
    let threads = options.threads.filter(|threads| *threads > 0).unwrap_or_else(default_threads);
    let pool = ThreadPoolBuilder::new().num_threads(threads);
    pool.thread_name(|index| format!("textport-local-{index}"))
        .build()
        .map_err(|error| LoadError::new(checkpoint.path(), LoadCause::Threads(error.to_string())))
}

/// The logits of one token, whatever dimensions of one are around them.
fn row(logits: &Tensor) -> Result<Vec<f32>> {
    logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

impl Decoder for Single {
    fn vocab_size(&self) -> usize {
        self.bounds.vocabulary
    }

    fn context_length(&self) -> usize {
        self.bounds.context_length
    }

    fn most_sequences(&self) -> usize {
        1
    }

    fn drafts(&self) -> Drafts {
        Drafts::Never
    }

    fn free_positions(&self) -> usize {
        let held = self.open.as_ref().map_or(0, Vec::len);
        let all = self.bounds.context_length.next_multiple_of(PAGE);
        all.saturating_sub(held.next_multiple_of(PAGE))
    }

    fn open(&mut self) -> std::result::Result<SequenceId, DecodeError> {
        if self.open.is_some() {
            return Err(DecodeError::TooManySequences { most: 1 });
        }
        self.open = Some(Vec::new());
        Ok(ONLY)
    }

    fn fork(
        &mut self,
        from: SequenceId,
        _len: usize,
    ) -> std::result::Result<SequenceId, DecodeError> {
        if from != ONLY || self.open.is_none() {
            return Err(DecodeError::WrongSequence);
        }
        Err(DecodeError::TooManySequences { most: 1 })
    }

    fn len(&self, sequence: SequenceId) -> usize {
        self.open.as_ref().filter(|_| sequence == ONLY).map_or(0, Vec::len)
    }

    fn truncate(&mut self, sequence: SequenceId, len: usize) {
        if let Some(tokens) = self.open.as_mut().filter(|_| sequence == ONLY) {
            tokens.truncate(len);
        }
    }

    fn close(&mut self, sequence: SequenceId) {
        if sequence == ONLY {
            self.open = None;
            self.seen.clear();
            self.model.clear();
        }
    }

    fn forward(&mut self, parts: &[Part<'_>]) -> std::result::Result<(), DecodeError> {
        let [part] = parts else {
            let none = parts.is_empty();
            return Err(if none { DecodeError::NoTokens } else { DecodeError::WrongSequence });
        };
        let Some(tokens) = self.open.clone().filter(|_| part.sequence == ONLY) else {
            return Err(DecodeError::WrongSequence);
        };
        self.bounds.check_tokens(tokens.len(), part.tokens)?;
        let (mut all, first) = (tokens, self.len(ONLY));
        all.extend(part.tokens);
        if let Err(error) = self.show_on_pool(&all, part.wanted, first) {
            // What the model holds now is unknown.
            self.seen.clear();
            self.model.clear();
            self.logits.clear();
            return Err(failed(error));
        }
        let rows = ranges(parts).first().map_or(0, |range| range.end);
        debug_assert_eq!(self.logits.len(), rows * self.bounds.vocabulary);
        self.open = Some(all);
        Ok(())
    }

    fn logits(&self, part: usize) -> std::result::Result<&[f32], DecodeError> {
        let logits = if part == 0 { self.logits.as_slice() } else { &[] };
        if logits.iter().any(|x| !x.is_finite()) {
            return Err(DecodeError::NotFinite);
        }
        Ok(logits)
    }
}

impl fmt::Debug for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Single").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}
