//! A model as a GGUF file has it: what it says of itself, and its tensors. Of a GGUF file that is
//! what it has; of a folder it is put together here, under the keys and names that llama.cpp reads.

use std::path::Path;
use std::sync::Arc;

use ports::Error;

use super::reorder::Reordered;
use super::texts;
use crate::checkpoint::{Checkpoint, Family, Pairing, Parameters, RopeScaling, TensorSource, Yarn};
use crate::error::{LoadCause, LoadError};
use crate::gguf::WriteValue;
use crate::hf_text::HfText;

/// The entries of the metadata, in the order in which they are written.
pub(super) type Entries = Vec<(String, WriteValue)>;

/// A model that can be written as a GGUF file.
#[derive(Debug)]
pub(crate) struct GgufForm {
    /// All but what follows from the types of its numbers.
    pub(crate) entries: Entries,
    pub(crate) tensors: Arc<dyn TensorSource>,
    pub(crate) layers: usize,
}

impl GgufForm {
    pub(crate) fn of(checkpoint: &Checkpoint) -> Result<Self, Error> {
        let layers = checkpoint.parameters().layers;
        let base = Arc::clone(checkpoint.tensors());
        if let Some(file) = checkpoint.gguf_file() {
            let raw = |(key, raw): (&str, &[u8])| (key.to_owned(), WriteValue::Raw(raw.to_vec()));
            return Ok(Self {
                entries: file.raw_entries().map(raw).collect(),
                tensors: base,
                layers,
            });
        }
        checkpoint.refuse_single("a GGUF file")?;
        refuse_others(checkpoint)?;
        let (family, parameters) = (checkpoint.family(), checkpoint.parameters());
        let mut entries = entries(checkpoint);
        let text = HfText::read(checkpoint.path())?;
        entries.extend(texts::entries(&text, logits(checkpoint))?);
        let tensors = Arc::new(Reordered::new(base, family, parameters));
        Ok(Self { entries, tensors, layers })
    }
}

/// Refuses what the architecture's GGUF files have no place for.
fn refuse_others(checkpoint: &Checkpoint) -> Result<(), LoadError> {
    let (family, architecture) = (checkpoint.family(), architecture(checkpoint.family()));
    let refuse = |what: &str| {
        let what = format!("{what} in a GGUF file of the architecture {architecture}");
        Err(LoadError::new(checkpoint.path(), LoadCause::Unsupported(what)))
    };
    let names = checkpoint.tensors().names();
    // Of those that are read, only llama has them: llama.cpp would not load the file.
    if family.gguf_pairing == Pairing::Halves
        && names.iter().any(|name| name.ends_with("attn_output.bias"))
    {
        return refuse("a bias of the attention's output");
    }
    match checkpoint.parameters().rope.scaling {
        RopeScaling::Llama3(_) if architecture != Family::LLAMA.name => {
            refuse("RoPE scaling \"llama3\"")
        }
        // llama.cpp reads these two of other architectures only, and would take the usual ones.
        RopeScaling::Yarn(yarn)
            if yarn.beta_fast != Yarn::BETA_FAST || yarn.beta_slow != Yarn::BETA_SLOW =>
        {
            refuse("YaRN with another beta_fast or beta_slow than the usual ones")
        }
        RopeScaling::Yarn(yarn) if !yarn.truncate => refuse("YaRN with truncate = false"),
        _ => Ok(()),
    }
}

/// What GGUF files call the architecture.
fn architecture(family: &Family) -> &'static str {
    // Mistral is a llama by another name.
    if family.in_gguf { family.name } else { Family::LLAMA.name }
}

fn logits(checkpoint: &Checkpoint) -> usize {
    let facts = checkpoint.tensors().facts("token_embd.weight");
    facts.and_then(|facts| facts.shape.first().copied()).unwrap_or(0)
}

fn entries(checkpoint: &Checkpoint) -> Entries {
    let architecture = architecture(checkpoint.family());
    let p = checkpoint.parameters();
    let mut entries = vec![
        ("general.architecture".to_owned(), WriteValue::Text(architecture.to_owned())),
        ("general.type".to_owned(), WriteValue::Text("model".to_owned())),
    ];
    if let Some(name) = name(checkpoint.path()) {
        entries.push(("general.name".to_owned(), WriteValue::Text(name)));
    }
    let keys = numbers(p, logits(checkpoint)).into_iter().chain(scaling(p));
    entries.extend(keys.map(|(key, value)| (format!("{architecture}.{key}"), value)));
    entries
}

/// What the model is called: its repository on the Hub, or its folder.
fn name(path: &Path) -> Option<String> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let text = |part: Option<&Path>| Some(part?.file_name()?.to_string_lossy().into_owned());
    // The Hub's cache: models--OWNER--NAME/snapshots/COMMIT.
    let repository = text(path.ancestors().nth(2)).filter(|name| name.starts_with("models--"));
    let is_snapshot = text(path.parent()).is_some_and(|name| name == "snapshots");
    match repository.filter(|_| is_snapshot) {
        Some(repository) => repository.rsplit("--").next().map(str::to_owned),
        None => text(Some(&path)),
    }
}

/// How the model is built.
fn numbers(p: &Parameters, logits: usize) -> Vec<(&'static str, WriteValue)> {
    // Every size was checked when the model was opened: none comes near 32 bits.
    let count = |key, value: usize| (key, WriteValue::U32(value as u32));
    let fraction = |key, value: f32| (key, WriteValue::F32(value));
    vec![
        count("vocab_size", logits),
        count("context_length", p.context_length),
        count("embedding_length", p.width),
        count("block_count", p.layers),
        count("feed_forward_length", p.feed_forward),
        count("attention.head_count", p.heads),
        count("attention.head_count_kv", p.kv_heads),
        count("attention.key_length", p.head_size),
        count("attention.value_length", p.head_size),
        fraction("attention.layer_norm_rms_epsilon", p.norm_epsilon),
        count("rope.dimension_count", p.rope.size),
        fraction("rope.freq_base", p.rope.base),
    ]
}

/// How positions beyond those of training are told apart. Llama 3's way is a tensor.
fn scaling(p: &Parameters) -> Vec<(&'static str, WriteValue)> {
    const KIND: &str = "rope.scaling.type";
    const FACTOR: &str = "rope.scaling.factor";
    let text = |key, value: &str| (key, WriteValue::Text(value.to_owned()));
    match p.rope.scaling {
        RopeScaling::None | RopeScaling::Llama3(_) => Vec::new(),
        RopeScaling::Linear(factor) => {
            vec![text(KIND, "linear"), (FACTOR, WriteValue::F32(factor))]
        }
        RopeScaling::Yarn(yarn) => {
            let original = WriteValue::U32(yarn.original_context as u32);
            let amplitude = f64::from(yarn.amplitude) / Yarn::amplitude_for(yarn.factor, 1.0);
            vec![
                text(KIND, "yarn"),
                (FACTOR, WriteValue::F32(yarn.factor)),
                ("rope.scaling.original_context_length", original),
                // Readers multiply it with what follows from the factor.
                ("rope.scaling.attn_factor", WriteValue::F32(amplitude as f32)),
            ]
        }
    }
}
