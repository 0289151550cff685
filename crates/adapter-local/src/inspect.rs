//! What a model is, and what running it takes.

mod folder;
mod gguf;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ports::Error;
use serde::Serialize;

use crate::checkpoint::{Checkpoint, TensorSource};
use crate::decoder::{self, Facts, KvPrecision, bytes_per_position, scratch_bytes};
use crate::error::{LoadError, one_line};
use crate::gguf::GgufFile;
use crate::safetensors::SafetensorsFile;

/// A model described.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Where it lies.
    pub path: PathBuf,
    /// Size of the file, or of all files with weights.
    pub file_bytes: u64,
    /// How it is stored: `GGUF 3`, `safetensors`, `safetensors in 4 files`.
    pub format: String,
    /// Version of the GGUF format; absent for other formats.
    pub gguf_version: Option<u32>,
    /// The architecture's name, e.g. `llama`.
    pub architecture: Option<String>,
    /// The model's own name.
    pub name: Option<String>,
    /// The licence it names.
    pub license: Option<String>,
    /// How many numbers all tensors hold.
    pub parameters: u64,
    /// How they are stored, most bytes first.
    pub quantizations: Vec<QuantizationUse>,
    /// How the model is built; absent where it cannot be run.
    pub shape: Option<ModelShape>,
    /// Why it cannot be run, where it cannot.
    pub cannot_run: Option<String>,
    /// Its tokenizer.
    pub tokenizer: TokenizerFacts,
    /// The tokens with a role.
    pub special_tokens: Vec<SpecialToken>,
    /// The chat template's source.
    pub chat_template: Option<String>,
    /// What running it takes in memory; absent where it cannot be run.
    pub memory: Option<MemoryNeeds>,
}

/// How many tensors are stored in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuantizationUse {
    /// Name of the type, e.g. `Q4_K`.
    pub kind: String,
    /// Tensors of that type.
    pub tensors: usize,
    /// Numbers in them.
    pub parameters: u64,
    /// Bytes they take.
    pub bytes: u64,
}

/// How a model is built.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelShape {
    /// Most tokens that it was made for.
    pub context_length: usize,
    /// Layers.
    pub layers: usize,
    /// Numbers per token between layers.
    pub width: usize,
    /// Numbers per token inside the feed-forward part.
    pub feed_forward: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Numbers per head.
    pub head_size: usize,
    /// Tokens that have a logit.
    pub vocabulary: usize,
    /// Base of the rotary positions.
    pub rope_base: f32,
    /// Whether the embedding serves as output too.
    pub tied_output: bool,
}

/// What the files say of the tokenizer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TokenizerFacts {
    /// Kind, e.g. `gpt2` for byte-level BPE.
    pub model: Option<String>,
    /// How text is cut before merging, e.g. `qwen2`.
    pub pre: Option<String>,
    /// Entries of the vocabulary.
    pub tokens: usize,
    /// Merges.
    pub merges: usize,
    /// Whether a text begins with the beginning-of-text token.
    pub add_bos: Option<bool>,
}

/// A token with a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpecialToken {
    /// Its role, e.g. `eos`.
    pub role: String,
    /// Its id.
    pub id: u32,
    /// Its text; absent when the id is outside the vocabulary.
    pub text: Option<String>,
}

/// Bytes of memory that running takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryNeeds {
    /// The weights: mapped from the file, no copy.
    pub weights: u64,
    /// The KV cache, for every 1,000 tokens of prompt and answer.
    pub kv_per_1000_tokens: u64,
    /// The KV cache when the context is full.
    pub kv_at_full_context: u64,
    /// Buffers of a step.
    pub working: u64,
    /// Everything, when the context is full.
    pub total_at_full_context: u64,
}

/// Describes the GGUF file or the model folder at `path`. Reads headers only; the weights stay on
/// the disk.
///
/// # Errors
/// [`ports::ErrorKind::ModelLoad`] when something cannot be read or is damaged. A whole model that
/// cannot be run is described, with the reason in [`Inspection::cannot_run`].
pub fn inspect(path: &Path) -> Result<Inspection, Error> {
    if path.is_dir() {
        return Ok(folder::describe(path)?);
    }
    if path.extension().is_some_and(|ending| ending == "safetensors") {
        return Ok(folder::describe_file(&SafetensorsFile::open(path)?));
    }
    Ok(gguf::describe(GgufFile::open(path)?))
}

/// The same for a file held in memory; `name` stands for its path.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_bytes(name: &Path, bytes: Vec<u8>) -> Result<Inspection, Error> {
    if SafetensorsFile::looks_like(&bytes) && !bytes.starts_with(b"GGUF") {
        return Ok(folder::describe_file(&SafetensorsFile::from_bytes(name, bytes)?));
    }
    Ok(gguf::describe(GgufFile::from_bytes(name, bytes)?))
}

/// Whether it can be run, or why not.
fn checked(model: Result<Checkpoint, LoadError>) -> (Option<Facts>, Option<String>) {
    match model.and_then(|model| decoder::check(&model)) {
        Ok(facts) => (Some(facts), None),
        Err(error) => (None, Some(one_line(&error.to_string()))),
    }
}

/// Tensors counted by how they are stored.
#[derive(Debug, Default)]
struct Uses(BTreeMap<String, QuantizationUse>);

impl Uses {
    fn of(source: &dyn TensorSource) -> Self {
        let mut uses = Self::default();
        for facts in source.names().into_iter().filter_map(|name| source.facts(name)) {
            let numbers: usize = facts.shape.iter().product();
            let bytes = facts.kind.row_bytes(numbers).unwrap_or_default();
            uses.add(facts.kind.as_str(), numbers as u64, bytes as u64);
        }
        uses
    }

    fn add(&mut self, kind: &str, parameters: u64, bytes: u64) {
        let kind = kind.to_owned();
        let empty = QuantizationUse { kind: kind.clone(), tensors: 0, parameters: 0, bytes: 0 };
        let entry = self.0.entry(kind).or_insert(empty);
        entry.tensors += 1;
        entry.parameters = entry.parameters.saturating_add(parameters);
        entry.bytes += bytes;
    }

    fn parameters(&self) -> u64 {
        self.0.values().fold(0, |sum, entry| sum.saturating_add(entry.parameters))
    }

    fn bytes(&self) -> u64 {
        self.0.values().map(|entry| entry.bytes).sum()
    }

    /// Most bytes first.
    fn sorted(self) -> Vec<QuantizationUse> {
        let mut uses: Vec<_> = self.0.into_values().collect();
        uses.sort_by_key(|entry| std::cmp::Reverse(entry.bytes));
        uses
    }
}

fn shape(facts: Facts) -> ModelShape {
    let p = facts.parameters;
    ModelShape {
        context_length: p.context_length,
        layers: p.layers,
        width: p.width,
        feed_forward: p.feed_forward,
        heads: p.heads,
        kv_heads: p.kv_heads,
        head_size: p.head_size,
        vocabulary: facts.vocabulary,
        rope_base: p.rope.base,
        tied_output: facts.tied,
    }
}

fn memory(weights: u64, facts: &Facts) -> MemoryNeeds {
    let p = &facts.parameters;
    let per_position = bytes_per_position(p, KvPrecision::default());
    let working = scratch_bytes(p, facts.vocabulary);
    let kv_at_full_context = per_position * p.context_length as u64;
    MemoryNeeds {
        weights,
        kv_per_1000_tokens: per_position * 1000,
        kv_at_full_context,
        working,
        total_at_full_context: weights + kv_at_full_context + working,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
    }

    #[test]
    fn a_model_is_described_whole() {
        let found = inspect(&fixture("tiny-qwen3-q8_0.gguf")).unwrap();
        assert_eq!((found.format.as_str(), found.gguf_version), ("GGUF 3", Some(3)));
        let shape = found.shape.unwrap();
        assert_eq!((shape.layers, shape.width, shape.head_size), (2, 64, 32));
        assert_eq!((shape.heads, shape.kv_heads, shape.vocabulary), (4, 2, 320));
        assert!(shape.tied_output && found.cannot_run.is_none());
        assert_eq!(found.quantizations[0].kind, "Q8_0");
        let stored: u64 = found.quantizations.iter().map(|entry| entry.parameters).sum();
        assert_eq!(stored, found.parameters);
        let memory = found.memory.unwrap();
        // Two layers, keys and values, two heads of 32 numbers, two bytes each.
        assert_eq!(memory.kv_per_1000_tokens, 2 * 2 * 2 * 32 * 2 * 1000);
        assert_eq!(memory.kv_at_full_context, 2 * 2 * 2 * 32 * 2 * 512);
        let eos = found.special_tokens.iter().find(|token| token.role == "eos").unwrap();
        assert_eq!((eos.id, eos.text.as_deref()), (2, Some("<|im_end|>")));
        assert!(found.chat_template.unwrap().contains("<|im_start|>"));
        assert_eq!((found.tokenizer.tokens, found.tokenizer.pre.as_deref()), (320, Some("qwen2")));
    }

    #[test]
    fn a_whole_file_that_cannot_be_run_is_described_with_the_reason() {
        let mut bytes = std::fs::read(fixture("tiny-qwen2-f32.gguf")).unwrap();
        let at = bytes.windows(5).position(|bytes| bytes == b"qwen2").unwrap();
        bytes[at..at + 5].copy_from_slice(b"gemma");
        let found = inspect_bytes(Path::new("odd.gguf"), bytes).unwrap();
        assert_eq!(found.architecture.as_deref(), Some("gemma"));
        assert!(found.cannot_run.unwrap().contains("known: llama, qwen2, qwen3"));
        assert!(found.shape.is_none() && found.memory.is_none() && found.parameters > 0);
    }

    #[test]
    fn a_damaged_file_is_an_error_with_a_next_step() {
        let bytes = std::fs::read(fixture("tiny-qwen2-f32.gguf")).unwrap();
        let cut = bytes[..bytes.len() - 1000].to_vec();
        let error = inspect_bytes(Path::new("cut.gguf"), cut).unwrap_err();
        assert_eq!(error.kind(), ports::ErrorKind::ModelLoad);
        assert!(error.to_string().starts_with("cut.gguf: is cut short: tensor "), "{error}");
        assert_eq!(error.hint(), Some("the file is incomplete or damaged: fetch it again"));
    }

    #[test]
    fn a_folder_is_described_as_a_file_is() {
        let found = inspect(&fixture("hf/qwen3")).unwrap();
        assert_eq!(found.format, "safetensors in 3 files");
        assert_eq!((found.gguf_version, found.architecture.as_deref()), (None, Some("qwen3")));
        let shape = found.shape.unwrap();
        assert_eq!((shape.layers, shape.width, shape.head_size, shape.heads), (2, 32, 16, 4));
        assert!(shape.tied_output && found.cannot_run.is_none());
        assert_eq!((found.quantizations[0].kind.as_str(), found.parameters), ("F32", 28_896));
        assert_eq!(found.memory.unwrap().weights, 4 * 28_896);
        assert_eq!((found.tokenizer.model.as_deref(), found.tokenizer.tokens), (Some("BPE"), 320));
        let eos = found.special_tokens.iter().find(|token| token.role == "eos").unwrap();
        assert_eq!((eos.id, eos.text.as_deref()), (2, Some("<|im_end|>")));
        assert!(found.chat_template.unwrap().contains("<|im_start|>"));
    }

    #[test]
    fn a_folder_that_cannot_be_run_is_described_with_the_reason() {
        let copy = crate::test_folder::Copy::of("qwen3-bf16");
        let found = inspect(copy.path()).unwrap();
        assert_eq!(found.format, "safetensors");
        assert!(found.cannot_run.unwrap().contains("tokenizer.json"));
        copy.set("config.json", "model_type", "gemma9".into());
        let found = inspect(copy.path()).unwrap();
        assert_eq!(found.architecture.as_deref(), Some("gemma9"));
        assert!(found.cannot_run.unwrap().contains("known: llama, qwen2, qwen3"));
        assert!(found.shape.is_none() && found.parameters == 28_896);
    }

    #[test]
    fn one_file_of_a_folder_is_described_too() {
        let found = inspect(&fixture("hf/qwen3-f16/model.safetensors")).unwrap();
        assert!(found.cannot_run.unwrap().contains("weights"));
        assert_eq!((found.parameters, found.quantizations[0].kind.as_str()), (28_896, "F16"));
    }
}
