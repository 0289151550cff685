//! GGUF files without tensors, made in memory, and the same as folders: tokenizers and templates
//! for tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ports::BuildContext;
use serde_json::json;

use crate::gguf::GgufFile;
use crate::prompt::Prompter;
use crate::tokenizer::{TokenKind, Tokenizer, byte_letters};
use crate::{Catalogue, DEFAULT_MODEL, ModelStore};

/// The default model, fetched once into the cache that all tests share.
pub(crate) fn default_model() -> PathBuf {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-cache");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let catalogue = Catalogue::with_entries(&Default::default()).unwrap();
    let context = BuildContext::default();
    runtime.block_on(ModelStore::new(&cache).ensure(&catalogue, DEFAULT_MODEL, &context)).unwrap()
}

/// A byte-level tokenizer of 256 bytes, then these tokens of their kinds.
pub(crate) struct TestModel {
    model: &'static str,
    tokens: Vec<(String, TokenKind, f32)>,
    texts: Vec<(String, String)>,
    numbers: Vec<(String, u32)>,
}

impl TestModel {
    /// Token `n` below 256 is the byte `n`.
    pub(crate) fn bytes() -> Self {
        let tokens = byte_letters().map(|letter| (letter.to_string(), TokenKind::Normal, 0.0));
        Self { model: "gpt2", tokens: tokens.collect(), texts: Vec::new(), numbers: Vec::new() }
            .text("tokenizer.ggml.pre", "gpt-2")
    }

    /// As [`TestModel::bytes`], for ChatML with reasoning: 256 `<|im_start|>`, 257 `<|im_end|>`,
    /// 258 `<think>`, 259 `</think>`.
    pub(crate) fn thinking() -> Self {
        Self::bytes()
            .token("<|im_start|>", TokenKind::Control)
            .token("<|im_end|>", TokenKind::Control)
            .token("<think>", TokenKind::UserDefined)
            .token("</think>", TokenKind::UserDefined)
            .number("tokenizer.ggml.eos_token_id", 257)
    }

    /// SentencePiece with these tokens and scores.
    pub(crate) fn sentence_piece(tokens: &[(&str, TokenKind, f32)]) -> Self {
        let tokens = tokens.iter().map(|(text, kind, score)| ((*text).to_owned(), *kind, *score));
        Self { model: "llama", tokens: tokens.collect(), texts: Vec::new(), numbers: Vec::new() }
    }

    pub(crate) fn token(mut self, text: &str, kind: TokenKind) -> Self {
        self.tokens.push((text.to_owned(), kind, 0.0));
        self
    }

    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        self.texts.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Cuts words in this style.
    pub(crate) fn pre(mut self, style: &str) -> Self {
        self.texts.retain(|(key, _)| key != "tokenizer.ggml.pre");
        self.text("tokenizer.ggml.pre", style)
    }

    pub(crate) fn template(self, source: &str) -> Self {
        self.text("tokenizer.chat_template", source)
    }

    pub(crate) fn number(mut self, key: &str, value: u32) -> Self {
        self.numbers.push((key.to_owned(), value));
        self
    }

    pub(crate) fn file(&self) -> GgufFile {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(0u64.to_le_bytes());
        bytes.extend((self.texts.len() as u64 + self.numbers.len() as u64 + 5).to_le_bytes());
        let model = ("tokenizer.ggml.model".to_owned(), self.model.to_owned());
        for (key, value) in self.texts.iter().chain([&model]) {
            text(&mut bytes, key);
            bytes.extend(8u32.to_le_bytes());
            text(&mut bytes, value);
        }
        for (key, value) in &self.numbers {
            text(&mut bytes, key);
            bytes.extend(4u32.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        list(&mut bytes, "tokenizer.ggml.tokens", 8, self.tokens.len());
        self.tokens.iter().for_each(|(token, ..)| text(&mut bytes, token));
        list(&mut bytes, "tokenizer.ggml.token_type", 5, self.tokens.len());
        self.tokens.iter().for_each(|(_, kind, _)| bytes.extend(number_of(*kind).to_le_bytes()));
        list(&mut bytes, "tokenizer.ggml.scores", 6, self.tokens.len());
        self.tokens.iter().for_each(|(.., score)| bytes.extend(score.to_le_bytes()));
        list(&mut bytes, "tokenizer.ggml.merges", 8, 0);
        GgufFile::from_bytes(Path::new("test.gguf"), bytes).unwrap()
    }

    /// The same tokenizer, roles and template as a model folder.
    pub(crate) fn folder(&self) -> tempfile::TempDir {
        let (mut vocab, mut added) = (serde_json::Map::new(), Vec::new());
        for (id, (text, kind, _)) in self.tokens.iter().enumerate() {
            match kind {
                TokenKind::Control | TokenKind::UserDefined => added.push(json!({
                    "id": id, "content": text, "special": *kind == TokenKind::Control,
                    "lstrip": false, "rstrip": false, "normalized": false, "single_word": false,
                })),
                _ => drop(vocab.insert(text.clone(), id.into())),
            }
        }
        let byte_level = json!({
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
        });
        let tokenizer = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
            "normalizer": null, "pre_tokenizer": byte_level, "decoder": byte_level,
            "post_processor": null, "model": {"type": "BPE", "vocab": vocab, "merges": []},
        });
        let spelling = |key: &str| {
            let role = self.numbers.iter().find(|(name, _)| name == key);
            role.map(|(_, id)| self.tokens[*id as usize].0.as_str())
        };
        let template = self.texts.iter().find(|(key, _)| key == "tokenizer.chat_template");
        let config = json!({
            "bos_token": spelling("tokenizer.ggml.bos_token_id"),
            "eos_token": spelling("tokenizer.ggml.eos_token_id"),
            "chat_template": template.map(|(_, source)| source),
        });
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in [("tokenizer.json", tokenizer), ("tokenizer_config.json", config)] {
            std::fs::write(folder.path().join(name), value.to_string()).unwrap();
        }
        folder
    }

    pub(crate) fn tokenizer(&self) -> Tokenizer {
        Tokenizer::load(self.file().metadata()).unwrap()
    }

    pub(crate) fn prompter(&self) -> Arc<Prompter> {
        Arc::new(Prompter::load(self.file().metadata()).unwrap())
    }
}

fn number_of(kind: TokenKind) -> i32 {
    match kind {
        TokenKind::Normal => 1,
        TokenKind::Unknown => 2,
        TokenKind::Control => 3,
        TokenKind::UserDefined => 4,
        TokenKind::Unused => 5,
        TokenKind::Byte => 6,
    }
}

fn text(bytes: &mut Vec<u8>, value: &str) {
    bytes.extend((value.len() as u64).to_le_bytes());
    bytes.extend(value.as_bytes());
}

fn list(bytes: &mut Vec<u8>, key: &str, item: u32, len: usize) {
    text(bytes, key);
    bytes.extend(9u32.to_le_bytes());
    bytes.extend(item.to_le_bytes());
    bytes.extend((len as u64).to_le_bytes());
}
