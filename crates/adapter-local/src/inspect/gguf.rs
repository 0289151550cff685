//! GGUF files described.

use std::sync::Arc;

use super::{Inspection, SpecialToken, TokenizerFacts, Uses, checked, memory, shape};
use crate::checkpoint::Checkpoint;
use crate::gguf::GgufFile;

pub(super) fn describe(file: GgufFile) -> Inspection {
    let file = Arc::new(file);
    let (facts, cannot_run) = checked(Checkpoint::of_gguf(Arc::clone(&file)));
    let metadata = file.metadata();
    let text = |key: &str| metadata.str(key).map(str::to_owned);
    let uses = Uses::of(file.as_ref());
    Inspection {
        path: file.path().to_owned(),
        file_bytes: file.size(),
        format: format!("GGUF {}", file.version()),
        gguf_version: Some(file.version()),
        architecture: text("general.architecture"),
        name: text("general.name"),
        license: text("general.license"),
        parameters: uses.parameters(),
        memory: facts.as_ref().map(|facts| memory(uses.bytes(), facts)),
        quantizations: uses.sorted(),
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
