//! GGUF files as checkpoints: parameters read from the metadata and checked against each other.

use std::path::Path;

use super::parameters::{Family, MOST_CONTEXT, MOST_LAYERS, MOST_WIDTH, Parameters, WIDEST_HEAD};
use super::rope::{RopeParameters, RopeScaling, Yarn};
use super::tensor::{StoredTensor, TensorFacts, TensorSource};
use crate::error::{LoadCause, LoadError};
use crate::gguf::{GgufFile, TensorInfo};

/// The family of the model in `file`.
pub(super) fn family(file: &GgufFile) -> Result<&'static Family, LoadError> {
    const KEY: &str = "general.architecture";
    let Some(found) = file.metadata().str(KEY) else {
        return Err(file.error(LoadCause::MissingKey(KEY.into())));
    };
    Family::named_in_gguf(found).ok_or_else(|| {
        let known = Family::known_in_gguf().to_string();
        file.error(LoadCause::Architecture { found: found.to_owned(), known })
    })
}

/// The numbers that describe the model in `file`.
pub(super) fn parameters(file: &GgufFile, family: &Family) -> Result<Parameters, LoadError> {
    let keys = Keys { file, prefix: family.name };
    refuse_unsupported(&keys)?;
    let width = keys.size("embedding_length", MOST_WIDTH)?;
    let heads = keys.size("attention.head_count", MOST_WIDTH)?;
    let kv_heads = keys.size_or("attention.head_count_kv", MOST_WIDTH, heads)?;
    let head_size = keys.size_or("attention.key_length", WIDEST_HEAD, width / heads)?;
    let value_size = keys.size_or("attention.value_length", WIDEST_HEAD, head_size)?;
    let rope_size = keys.size_or("rope.dimension_count", WIDEST_HEAD, head_size)?;
    let wrong = |key: &str, problem: String| Err(keys.wrong(key, problem));
    if !heads.is_multiple_of(kv_heads) {
        let problem = format!("is {kv_heads}, which does not divide the {heads} heads");
        return wrong("attention.head_count_kv", problem);
    }
    if head_size == 0 || head_size > WIDEST_HEAD || heads * head_size > MOST_WIDTH {
        let problem = format!("gives {heads} heads of {head_size} for a width of {width}");
        return wrong("attention.head_count", problem);
    }
    if value_size != head_size {
        let problem = format!("is {value_size}, but keys are {head_size} wide");
        return wrong("attention.value_length", problem);
    }
    if rope_size > head_size || !rope_size.is_multiple_of(2) {
        let problem = format!("is {rope_size}, not an even number up to {head_size}");
        return wrong("rope.dimension_count", problem);
    }
    let context_length = keys.size("context_length", MOST_CONTEXT)?;
    let scaling = keys.rope_scaling(context_length)?;
    Ok(Parameters {
        layers: keys.size("block_count", MOST_LAYERS)?,
        context_length: scaling.reach(context_length),
        width,
        feed_forward: keys.size("feed_forward_length", MOST_WIDTH)?,
        heads,
        kv_heads,
        head_size,
        norm_epsilon: keys.positive("attention.layer_norm_rms_epsilon", None)?,
        rope: RopeParameters {
            pairing: family.gguf_pairing,
            size: rope_size,
            base: keys.positive("rope.freq_base", Some(10_000.0))?,
            scaling,
        },
    })
}

/// Refuses what would be computed wrongly.
fn refuse_unsupported(keys: &Keys<'_>) -> Result<(), LoadError> {
    let number = |key| keys.file.metadata().u64(&keys.full(key)).unwrap_or(0);
    let refuse = |what: &str| Err(keys.file.error(LoadCause::Unsupported(what.to_owned())));
    if number("expert_count") > 0 {
        return refuse("a mixture of experts");
    }
    let window = number("attention.sliding_window");
    if window > 0 && window < number("context_length") {
        return refuse("sliding-window attention");
    }
    Ok(())
}

/// Lookups under the architecture's prefix.
struct Keys<'a> {
    file: &'a GgufFile,
    prefix: &'a str,
}

impl Keys<'_> {
    fn full(&self, key: &str) -> String {
        format!("{}.{key}", self.prefix)
    }

    fn wrong(&self, key: &str, problem: String) -> LoadError {
        self.file.error(LoadCause::Metadata { key: self.full(key), problem })
    }

    fn size(&self, key: &str, most: usize) -> Result<usize, LoadError> {
        if !self.file.metadata().has(&self.full(key)) {
            return Err(self.file.error(LoadCause::MissingKey(self.full(key))));
        }
        let value = self.file.metadata().u64(&self.full(key));
        match value.and_then(|value| usize::try_from(value).ok()) {
            Some(value) if (1..=most).contains(&value) => Ok(value),
            Some(value) => Err(self.wrong(key, format!("is {value}, not within 1..={most}"))),
            None => Err(self.wrong(key, "is not one whole number".into())),
        }
    }

    fn size_or(&self, key: &str, most: usize, default: usize) -> Result<usize, LoadError> {
        if self.file.metadata().has(&self.full(key)) { self.size(key, most) } else { Ok(default) }
    }

    fn positive(&self, key: &str, default: Option<f32>) -> Result<f32, LoadError> {
        let full = self.full(key);
        match (self.file.metadata().f32(&full), default) {
            (Some(value), _) if value.is_finite() && value > 0.0 => Ok(value),
            (None, Some(default)) if !self.file.metadata().has(&full) => Ok(default),
            (None, None) if !self.file.metadata().has(&full) => {
                Err(self.file.error(LoadCause::MissingKey(full)))
            }
            _ => Err(self.wrong(key, "is not a positive number".into())),
        }
    }

    fn rope_scaling(&self, context_length: usize) -> Result<RopeScaling, LoadError> {
        match self.file.metadata().str(&self.full("rope.scaling.type")) {
            None if self.file.metadata().has(&self.full("rope.scale_linear")) => {
                self.positive("rope.scale_linear", None).map(RopeScaling::Linear)
            }
            None | Some("none") => Ok(RopeScaling::None),
            Some("linear") => self.positive("rope.scaling.factor", None).map(RopeScaling::Linear),
            Some("yarn") => self.yarn(context_length).map(RopeScaling::Yarn),
            Some(other) => Err(self.refuse(&format!("RoPE scaling {other:?}"))),
        }
    }

    /// As llama.cpp takes these keys: what is read as the amplitude's factor is multiplied with
    /// what follows from the scaling.
    fn yarn(&self, context_length: usize) -> Result<Yarn, LoadError> {
        let number = |key: &str, usual| self.positive(&format!("rope.scaling.{key}"), Some(usual));
        let has = |key: &str| self.file.metadata().has(&self.full(&format!("rope.scaling.{key}")));
        if has("yarn_log_multiplier") || number("yarn_ext_factor", 1.0)? != 1.0 {
            return Err(self.refuse("YaRN with another ramp than the usual one"));
        }
        let factor = self.positive("rope.scaling.factor", None)?;
        let original = "rope.scaling.original_context_length";
        let amplitude = Yarn::amplitude_for(factor, 1.0) as f32;
        Ok(Yarn {
            factor,
            original_context: self.size_or(original, MOST_CONTEXT, context_length)?,
            beta_fast: number("yarn_beta_fast", Yarn::BETA_FAST)?,
            beta_slow: number("yarn_beta_slow", Yarn::BETA_SLOW)?,
            truncate: true,
            amplitude: amplitude * number("attn_factor", 1.0)? * number("yarn_attn_factor", 1.0)?,
        })
    }

    fn refuse(&self, what: &str) -> LoadError {
        self.file.error(LoadCause::Unsupported(what.to_owned()))
    }
}

impl TensorSource for GgufFile {
    fn path(&self) -> &Path {
        Self::path(self)
    }

    fn names(&self) -> Vec<&str> {
        self.tensors().iter().map(|tensor| tensor.name.as_str()).collect()
    }

    fn facts(&self, name: &str) -> Option<TensorFacts> {
        let info = Self::tensor(self, name)?;
        Some(TensorFacts { kind: info.kind, shape: shape(info) })
    }

    fn tensor(&self, name: &str) -> Result<StoredTensor, LoadError> {
        let missing = || self.error(LoadCause::MissingTensor(name.to_owned()));
        let info = Self::tensor(self, name).ok_or_else(missing)?;
        let data = self.blob(info.range.clone()).ok_or_else(missing)?;
        Ok(StoredTensor { kind: info.kind, shape: shape(info), data })
    }
}

/// Dimensions in our order. They fit: the bytes lie in the file.
fn shape(info: &TensorInfo) -> Vec<usize> {
    info.shape.iter().rev().map(|n| usize::try_from(*n).unwrap_or(usize::MAX)).collect()
}
