//! The numbers that describe a model, read from its metadata and checked against each other.

use crate::error::{LoadCause, LoadError};
use crate::gguf::GgufFile;

/// No real model comes near; a file that says more is damaged or hostile.
const MOST_LAYERS: usize = 1024;
const MOST_WIDTH: usize = 1 << 20;
const MOST_CONTEXT: usize = 1 << 24;
const WIDEST_HEAD: usize = 512;

/// Which numbers of a head RoPE turns together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// 2i and 2i + 1.
    Neighbours,
    /// i and i + half ("NEOX").
    Halves,
}

/// In what the architectures differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) pairing: Pairing,
    /// q, k and v have a bias.
    pub(crate) qkv_bias: bool,
    /// q and k are normed per head.
    pub(crate) qk_norm: bool,
}

impl Family {
    pub(crate) const LLAMA: Self =
        Self { name: "llama", pairing: Pairing::Neighbours, qkv_bias: false, qk_norm: false };
    pub(crate) const QWEN2: Self =
        Self { name: "qwen2", pairing: Pairing::Halves, qkv_bias: true, qk_norm: false };
    pub(crate) const QWEN3: Self =
        Self { name: "qwen3", pairing: Pairing::Halves, qkv_bias: false, qk_norm: true };
}

/// How a model is built.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parameters {
    pub(crate) layers: usize,
    pub(crate) context_length: usize,
    /// Numbers per token between layers.
    pub(crate) width: usize,
    pub(crate) feed_forward: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_size: usize,
    pub(crate) norm_epsilon: f32,
    pub(crate) rope: RopeParameters,
}

/// How positions are told apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RopeParameters {
    /// How many numbers of a head are turned.
    pub(crate) size: usize,
    pub(crate) base: f32,
    /// Positions are divided by it.
    pub(crate) factor: f32,
}

impl Parameters {
    pub(crate) fn read(file: &GgufFile, family: &Family) -> Result<Self, LoadError> {
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
        Ok(Self {
            layers: keys.size("block_count", MOST_LAYERS)?,
            context_length: keys.size("context_length", MOST_CONTEXT)?,
            width,
            feed_forward: keys.size("feed_forward_length", MOST_WIDTH)?,
            heads,
            kv_heads,
            head_size,
            norm_epsilon: keys.positive("attention.layer_norm_rms_epsilon", None)?,
            rope: RopeParameters {
                size: rope_size,
                base: keys.positive("rope.freq_base", Some(10_000.0))?,
                factor: keys.rope_factor()?,
            },
        })
    }

    /// Width of all query heads together.
    pub(crate) fn query_width(&self) -> usize {
        self.heads * self.head_size
    }

    /// Width of all key (or value) heads together.
    pub(crate) fn kv_width(&self) -> usize {
        self.kv_heads * self.head_size
    }
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

    /// What positions are divided by; 1 unless the file asks for linear scaling.
    fn rope_factor(&self) -> Result<f32, LoadError> {
        match self.file.metadata().str(&self.full("rope.scaling.type")) {
            None if self.file.metadata().has(&self.full("rope.scale_linear")) => {
                self.positive("rope.scale_linear", None)
            }
            None | Some("none") => Ok(1.0),
            Some("linear") => self.positive("rope.scaling.factor", None),
            Some(other) => {
                Err(self.file.error(LoadCause::Unsupported(format!("RoPE scaling {other:?}"))))
            }
        }
    }
}
