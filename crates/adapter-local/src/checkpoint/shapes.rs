//! Shapes of models without their numbers: of published ones by name, or what a `config.json` says.

use std::path::Path;

use ports::{Error, ErrorKind};

use super::config::HfConfig;
use super::parameters::{Family, Parameters};
use super::rope::{RopeParameters, RopeScaling};
use crate::error::{LoadCause, LoadError};

/// How a model is built, and how large its tables are.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Its name, or the file that describes it.
    pub(crate) name: String,
    pub(crate) family: &'static Family,
    pub(crate) parameters: Parameters,
    pub(crate) vocabulary: usize,
    /// The embedding serves as output too.
    pub(crate) tied: bool,
    /// q, k and v have a bias.
    pub(crate) qkv_bias: bool,
    /// The output of attention has a bias.
    pub(crate) out_bias: bool,
}

impl Shape {
    /// The shape of that name, or the one that the file, or the `config.json` of the folder, at
    /// that path describes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] for an unknown name; what is wrong with the file.
    pub(crate) fn find(word: &str) -> Result<Self, Error> {
        if let Some(known) = KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(word)) {
            return Ok(known.shape());
        }
        let path = Path::new(word);
        if path.exists() {
            return Ok(Self::described(path)?);
        }
        Err(Error::new(ErrorKind::InvalidRequest, format!("there is no shape {word:?}"))
            .with_hint(format!("known shapes: {}; or name a config.json", known_shapes())))
    }

    fn described(path: &Path) -> Result<Self, LoadError> {
        let config = if path.is_dir() { HfConfig::read(path) } else { HfConfig::read_file(path) }?;
        let (family, biases) = (config.family(), config.attention_bias()?);
        if family.single {
            let what = format!("random weights of a model of the architecture {}", family.name);
            return Err(LoadError::new(path, LoadCause::Unsupported(what)));
        }
        Ok(Self {
            name: path.display().to_string(),
            family,
            parameters: config.parameters()?,
            vocabulary: config.vocabulary()?,
            // What transformers takes for these families where the file does not say it.
            tied: config.tied()?.unwrap_or(false),
            qkv_bias: family.qkv_bias || biases,
            out_bias: biases && !family.qkv_bias,
        })
    }
}

/// The names of all shapes that need no file.
pub fn known_shapes() -> String {
    KNOWN.map(|known| known.name).join(", ")
}

/// A published model. Angles of positions are left unscaled: they change no amount of work.
#[derive(Clone, Copy)]
struct Known {
    name: &'static str,
    family: &'static Family,
    layers: usize,
    width: usize,
    feed_forward: usize,
    heads: usize,
    kv_heads: usize,
    head_size: usize,
    vocabulary: usize,
    context_length: usize,
    rope_base: f32,
    norm_epsilon: f32,
    tied: bool,
}

const QWEN3: Known = Known {
    name: "",
    family: &Family::QWEN3,
    layers: 28,
    width: 1024,
    feed_forward: 3072,
    heads: 16,
    kv_heads: 8,
    head_size: 128,
    vocabulary: 151_936,
    context_length: 40_960,
    rope_base: 1e6,
    norm_epsilon: 1e-6,
    tied: true,
};

const LLAMA3: Known = Known {
    family: &Family::LLAMA,
    heads: 32,
    vocabulary: 128_256,
    context_length: 131_072,
    rope_base: 5e5,
    norm_epsilon: 1e-5,
    ..QWEN3
};

const KNOWN: [Known; 11] = [
    Known {
        name: "smollm2-135m",
        family: &Family::LLAMA,
        layers: 30,
        width: 576,
        feed_forward: 1536,
        heads: 9,
        kv_heads: 3,
        head_size: 64,
        vocabulary: 49_152,
        context_length: 8192,
        rope_base: 1e5,
        norm_epsilon: 1e-5,
        tied: true,
    },
    Known { name: "qwen3-0.6b", ..QWEN3 },
    Known { name: "qwen3-1.7b", width: 2048, feed_forward: 6144, ..QWEN3 },
    Known { name: "qwen3-4b", layers: 36, width: 2560, feed_forward: 9728, heads: 32, ..QWEN3 },
    Known {
        name: "qwen3-8b",
        layers: 36,
        width: 4096,
        feed_forward: 12_288,
        heads: 32,
        tied: false,
        ..QWEN3
    },
    Known {
        name: "qwen3-14b",
        layers: 40,
        width: 5120,
        feed_forward: 17_408,
        heads: 40,
        tied: false,
        ..QWEN3
    },
    Known {
        name: "qwen3-32b",
        layers: 64,
        width: 5120,
        feed_forward: 25_600,
        heads: 64,
        tied: false,
        ..QWEN3
    },
    Known {
        name: "qwen2.5-coder-1.5b",
        family: &Family::QWEN2,
        width: 1536,
        feed_forward: 8960,
        heads: 12,
        kv_heads: 2,
        context_length: 32_768,
        ..QWEN3
    },
    Known {
        name: "llama-3.2-1b",
        layers: 16,
        width: 2048,
        feed_forward: 8192,
        head_size: 64,
        ..LLAMA3
    },
    Known {
        name: "llama-3.2-3b",
        layers: 28,
        width: 3072,
        feed_forward: 8192,
        heads: 24,
        ..LLAMA3
    },
    Known {
        name: "llama-3.1-8b",
        layers: 32,
        width: 4096,
        feed_forward: 14_336,
        tied: false,
        ..LLAMA3
    },
];

impl Known {
    fn shape(&self) -> Shape {
        Shape {
            name: self.name.to_owned(),
            family: self.family,
            parameters: Parameters {
                layers: self.layers,
                context_length: self.context_length,
                width: self.width,
                feed_forward: self.feed_forward,
                heads: self.heads,
                kv_heads: self.kv_heads,
                head_size: self.head_size,
                norm_epsilon: self.norm_epsilon,
                rope: RopeParameters {
                    pairing: self.family.gguf_pairing,
                    size: self.head_size,
                    base: self.rope_base,
                    scaling: RopeScaling::None,
                },
            },
            vocabulary: self.vocabulary,
            tied: self.tied,
            qkv_bias: self.family.qkv_bias,
            out_bias: false,
        }
    }
}
