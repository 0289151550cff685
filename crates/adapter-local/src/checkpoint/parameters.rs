//! The numbers that describe a model, whatever file says them.

use std::fmt;

use super::rope::{Pairing, RopeParameters};

/// No real model comes near; a file that says more is damaged or hostile.
pub(super) const MOST_LAYERS: usize = 1024;
pub(super) const MOST_WIDTH: usize = 1 << 20;
pub(super) const MOST_CONTEXT: usize = 1 << 24;
pub(super) const WIDEST_HEAD: usize = 512;

/// In what the architectures differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Family {
    /// The name that GGUF files and `config.json` give it.
    pub(crate) name: &'static str,
    /// How GGUF files order the rows of queries and keys. Other files know halves only.
    pub(crate) gguf_pairing: Pairing,
    /// q, k and v have a bias.
    pub(crate) qkv_bias: bool,
    /// q and k are normed per head.
    pub(crate) qk_norm: bool,
    /// Its GGUF files are known too, not only its folders.
    pub(crate) in_gguf: bool,
    /// It is computed by candle's own model, one sequence at a time. Its tensors keep the names that
    /// their files give them.
    pub(crate) single: bool,
}

impl Family {
    pub(crate) const LLAMA: Self = Self {
        name: "llama",
        gguf_pairing: Pairing::Neighbours,
        qkv_bias: false,
        qk_norm: false,
        in_gguf: true,
        single: false,
    };
    pub(crate) const QWEN2: Self =
        Self { name: "qwen2", gguf_pairing: Pairing::Halves, qkv_bias: true, ..Self::LLAMA };
    pub(crate) const QWEN3: Self =
        Self { name: "qwen3", gguf_pairing: Pairing::Halves, qk_norm: true, ..Self::LLAMA };
    /// A llama by another name; its GGUF files say llama.
    const MISTRAL: Self = Self { name: "mistral", in_gguf: false, ..Self::LLAMA };
    const GEMMA3: Self = Self { name: "gemma3_text", single: true, ..Self::MISTRAL };
    const GLM4: Self = Self { name: "glm4", ..Self::GEMMA3 };
    const PHI3: Self = Self { name: "phi3", ..Self::GEMMA3 };
}

/// Architectures by the name that files give them. This is the only list of them.
const FAMILIES: [Family; 7] = [
    Family::LLAMA,
    Family::QWEN2,
    Family::QWEN3,
    Family::MISTRAL,
    Family::GEMMA3,
    Family::GLM4,
    Family::PHI3,
];

impl Family {
    /// The family that folders call so.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.name == name)
    }

    /// The family that GGUF files call so.
    pub(crate) fn named_in_gguf(name: &str) -> Option<&'static Self> {
        Self::named(name).filter(|family| family.in_gguf)
    }

    /// The names that [`Family::named`] knows.
    pub(crate) fn known() -> impl fmt::Display {
        FAMILIES.map(|family| family.name).join(", ")
    }

    /// The names that [`Family::named_in_gguf`] knows.
    pub(crate) fn known_in_gguf() -> impl fmt::Display {
        let known = FAMILIES.iter().filter(|family| family.in_gguf).map(|family| family.name);
        known.collect::<Vec<_>>().join(", ")
    }
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

impl Parameters {
    /// Width of all query heads together.
    pub(crate) fn query_width(&self) -> usize {
        self.heads * self.head_size
    }

    /// Width of all key (or value) heads together.
    pub(crate) fn kv_width(&self) -> usize {
        self.kv_heads * self.head_size
    }
}
