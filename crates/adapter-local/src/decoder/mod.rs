//! The seam between what asks for logits and what computes them.
//!
//! A [`Decoder`] holds one sequence. Scheduling, sampling and prefix reuse know nothing but this
//! trait; [`load`] is the only place that chooses among architectures and devices.

mod attention;
mod kv_cache;
mod layer;
mod parameters;
mod rope;
mod scratch;
mod transformer;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::error::{DecodeError, LoadCause, LoadError};
use crate::gguf::GgufFile;
use crate::kernels::{F16, F32};

pub(crate) use kv_cache::{KvPrecision, bytes_per_position};
pub(crate) use parameters::{Family, Parameters};
pub(crate) use scratch::scratch_bytes;
use transformer::Transformer;

/// One sequence of tokens and the model that continues it.
pub(crate) trait Decoder: Send {
    /// How many logits there are.
    fn vocab_size(&self) -> usize;

    /// Most tokens of the sequence: the model's own limit, or less where configured.
    fn context_length(&self) -> usize;

    /// How many tokens the sequence has.
    #[cfg_attr(not(test), expect(dead_code, reason = "its one user counts for itself"))]
    fn position(&self) -> usize;

    /// Forgets the tokens from position `len` on; does nothing when there are fewer.
    fn truncate(&mut self, len: usize);

    /// Appends `tokens` and gives the logits that follow the last one. They do not depend on how
    /// the sequence was cut into calls: every split gives the same bits. A call that fails leaves
    /// the sequence as it was.
    fn forward(&mut self, tokens: &[u32]) -> Result<&[f32], DecodeError>;
}

/// How a model is loaded.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoadOptions {
    /// Threads that compute; the physical cores when absent.
    pub(crate) threads: Option<usize>,
    /// Most tokens of a sequence; the model's own limit when absent or larger.
    pub(crate) context_length: Option<usize>,
    /// How keys and values are kept.
    pub(crate) kv_cache: KvPrecision,
}

/// Architectures by the name that files give them. This is the only list of them.
const FAMILIES: [(&str, Family); 3] =
    [("llama", Family::LLAMA), ("qwen2", Family::QWEN2), ("qwen3", Family::QWEN3)];

/// Makes a decoder of the model in `file`.
pub(crate) fn load(
    file: Arc<GgufFile>,
    options: &LoadOptions,
) -> Result<Box<dyn Decoder>, LoadError> {
    let family = family(&file)?;
    Ok(match options.kv_cache {
        KvPrecision::F16 => Box::new(Transformer::<F16>::load(&file, family, options)?),
        KvPrecision::F32 => Box::new(Transformer::<F32>::load(&file, family, options)?),
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
pub(crate) fn check(file: &Arc<GgufFile>) -> Result<Facts, LoadError> {
    transformer::check(file, family(file)?)
}

/// The family of the model in `file`.
pub(crate) fn family(file: &GgufFile) -> Result<&'static Family, LoadError> {
    const KEY: &str = "general.architecture";
    let Some(found) = file.metadata().str(KEY) else {
        return Err(file.error(LoadCause::MissingKey(KEY.into())));
    };
    FAMILIES.iter().find(|(name, _)| *name == found).map(|(_, family)| family).ok_or_else(|| {
        let known = FAMILIES.map(|(name, _)| name).join(", ");
        file.error(LoadCause::Architecture { found: found.to_owned(), known })
    })
}
