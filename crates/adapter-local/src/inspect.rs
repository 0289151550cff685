//! What a GGUF file is, and what running it takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ports::Error;
use serde::Serialize;

use crate::decoder::{self, Facts, KvPrecision, bytes_per_position, scratch_bytes};
use crate::gguf::{GgmlType, GgufFile};

/// A GGUF file described.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Where it lies.
    pub path: PathBuf,
    /// Size of the file.
    pub file_bytes: u64,
    /// Version of the GGUF format.
    pub gguf_version: u32,
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
    pub kind: &'static str,
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

/// What the file says of its tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// Describes the GGUF file at `path`. Reads its header only; the weights stay on the disk.
///
/// # Errors
/// [`ports::ErrorKind::ModelLoad`] when the file cannot be read or is damaged. A whole file that
/// cannot be run is described, with the reason in [`Inspection::cannot_run`].
pub fn inspect(path: &Path) -> Result<Inspection, Error> {
    Ok(describe(GgufFile::open(path)?))
}

/// The same for a file held in memory; `name` stands for its path.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_bytes(name: &Path, bytes: Vec<u8>) -> Result<Inspection, Error> {
    Ok(describe(GgufFile::from_bytes(name, bytes)?))
}

fn describe(file: GgufFile) -> Inspection {
    let file = Arc::new(file);
    let (facts, cannot_run) = match decoder::check(&file) {
        Ok(facts) => (Some(facts), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let metadata = file.metadata();
    let text = |key: &str| metadata.str(key).map(str::to_owned);
    Inspection {
        path: file.path().to_owned(),
        file_bytes: file.size(),
        gguf_version: file.version(),
        architecture: text("general.architecture"),
        name: text("general.name"),
        license: text("general.license"),
        parameters: file.tensors().iter().map(|tensor| tensor.elements()).sum(),
        quantizations: quantizations(&file),
        memory: facts.as_ref().map(|facts| memory(&file, facts)),
        shape: facts.map(shape),
        cannot_run,
        tokenizer: TokenizerFacts {
            model: text("tokenizer.ggml.model"),
            pre: text("tokenizer.ggml.pre"),
            tokens: metadata.len_of("tokenizer.ggml.tokens").unwrap_or(0),
            merges: metadata.len_of("tokenizer.ggml.merges").unwrap_or(0),
            add_bos: metadata.bool("tokenizer.ggml.add_bos_token"),
        },
        special_tokens: special_tokens(&file),
        chat_template: text("tokenizer.chat_template"),
    }
}

fn quantizations(file: &GgufFile) -> Vec<QuantizationUse> {
    let mut uses: BTreeMap<GgmlType, QuantizationUse> = BTreeMap::new();
    for tensor in file.tensors() {
        let kind = tensor.kind.as_str();
        let empty = QuantizationUse { kind, tensors: 0, parameters: 0, bytes: 0 };
        let entry = uses.entry(tensor.kind).or_insert(empty);
        entry.tensors += 1;
        entry.parameters += tensor.elements();
        entry.bytes += tensor.range.len() as u64;
    }
    let mut uses: Vec<_> = uses.into_values().collect();
    uses.sort_by_key(|entry| std::cmp::Reverse(entry.bytes));
    uses
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

fn memory(file: &GgufFile, facts: &Facts) -> MemoryNeeds {
    let p = &facts.parameters;
    let per_position = bytes_per_position(p.layers, p.kv_width(), KvPrecision::default());
    let weights = file.tensors().iter().map(|tensor| tensor.range.len() as u64).sum();
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

/// Every `tokenizer.ggml.ROLE_token_id`.
fn special_tokens(file: &GgufFile) -> Vec<SpecialToken> {
    let metadata = file.metadata();
    let text = |id: u32| {
        let text = metadata.strings("tokenizer.ggml.tokens")?.nth(id as usize)?;
        Some(text.to_owned())
    };
    let roles = metadata.keys().filter_map(|key| {
        let role = key.strip_prefix("tokenizer.ggml.")?.strip_suffix("_token_id")?;
        let id = metadata.u32(key)?;
        Some(SpecialToken { role: role.to_owned(), id, text: text(id) })
    });
    roles.collect()
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
}
