//! Model folders described, and single safetensors files.

use std::path::Path;

use super::{Inspection, SpecialToken, TokenizerFacts, Uses, checked, memory, shape};
use crate::checkpoint::{Checkpoint, model_type};
use crate::error::{LoadCause, LoadError, one_line};
use crate::hf_text::{HfText, TextError};
use crate::safetensors::{Entry, SafetensorsFile, Shards};
use crate::tokenizer::Tokenizer;

/// Describes the folder at `path`.
pub(super) fn describe(path: &Path) -> Result<Inspection, LoadError> {
    let architecture = model_type(path)?;
    let shards = Shards::open(path)?;
    let entries = shards.names().filter_map(|name| shards.get(name)).map(|(_, entry)| entry);
    let uses = uses(entries);
    let (facts, cannot_run) = checked(Checkpoint::open(path));
    let texts = Texts::read(path);
    let text_fault = texts.as_ref().err().map(|error| one_line(&error.to_string()));
    let texts = texts.unwrap_or_default();
    Ok(Inspection {
        path: path.to_owned(),
        file_bytes: shards.size(),
        format: match shards.count() {
            1 => "safetensors".to_owned(),
            files => format!("safetensors in {files} files"),
        },
        gguf_version: None,
        architecture,
        name: None,
        license: None,
        parameters: uses.parameters(),
        memory: facts.as_ref().map(|facts| memory(uses.bytes(), facts)),
        quantizations: uses.sorted(),
        shape: facts.map(shape),
        cannot_run: cannot_run.or(text_fault),
        tokenizer: texts.tokenizer,
        special_tokens: texts.special_tokens,
        chat_template: texts.chat_template,
    })
}

/// Describes one file of a folder.
pub(super) fn describe_file(file: &SafetensorsFile) -> Inspection {
    let uses = uses(file.tensors().values());
    let fault = file.error(LoadCause::WeightsOnly);
    Inspection {
        path: file.path().to_owned(),
        file_bytes: file.size(),
        format: "safetensors".to_owned(),
        gguf_version: None,
        architecture: None,
        name: None,
        license: None,
        parameters: uses.parameters(),
        memory: None,
        quantizations: uses.sorted(),
        shape: None,
        cannot_run: Some(one_line(&fault.to_string())),
        tokenizer: TokenizerFacts::default(),
        special_tokens: Vec::new(),
        chat_template: None,
    }
}

fn uses<'a>(entries: impl Iterator<Item = &'a Entry>) -> Uses {
    let mut uses = Uses::default();
    for entry in entries {
        let numbers = entry.shape.iter().fold(1_u64, |all, n| all.saturating_mul(*n as u64));
        uses.add(&entry.dtype, numbers, entry.range.len() as u64);
    }
    uses
}

/// What the texts of a folder say.
#[derive(Debug, Default)]
struct Texts {
    tokenizer: TokenizerFacts,
    special_tokens: Vec<SpecialToken>,
    chat_template: Option<String>,
}

impl Texts {
    fn read(folder: &Path) -> Result<Self, TextError> {
        let text = HfText::read(folder)?;
        let (model, merges) =
            text.with_tokenizer(|json| Ok((json.model.kind, json.model.merges.len())))?;
        let tokenizer = Tokenizer::of_folder(&text)?;
        let words = tokenizer.vocabulary();
        let token = |role: &str, id: Option<u32>| {
            let (role, id) = (role.to_owned(), id?);
            Some(SpecialToken { role, id, text: Some(words.spelling(id)) })
        };
        let roles = [token("bos", words.bos()), token("eos", words.eos())];
        Ok(Self {
            tokenizer: TokenizerFacts {
                model,
                pre: None,
                tokens: words.len(),
                merges,
                add_bos: text.config().add_bos_token(),
            },
            special_tokens: roles.into_iter().flatten().collect(),
            chat_template: text.template()?.map(str::to_owned),
        })
    }
}
