//! `tokenizer_config.json` and `special_tokens_map.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::template::TemplateJson;
use super::tokenizer_json::AddedToken;
use super::{TextError, read};

/// A token by its spelling.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum TokenName {
    Spelling(String),
    Token { content: String },
}

impl TokenName {
    fn as_str(&self) -> &str {
        match self {
            Self::Spelling(text) | Self::Token { content: text } => text,
        }
    }
}

/// What is known of the tokens beside the tokenizer itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct TokenizerConfig {
    bos_token: Option<TokenName>,
    eos_token: Option<TokenName>,
    pad_token: Option<TokenName>,
    unk_token: Option<TokenName>,
    add_bos_token: Option<bool>,
    #[serde(default)]
    additional_special_tokens: Value,
    #[serde(default)]
    extra_special_tokens: Value,
    added_tokens_decoder: Option<BTreeMap<u32, AddedToken>>,
    chat_template: Option<TemplateJson>,
}

impl TokenizerConfig {
    pub(super) fn read(folder: &Path) -> Result<Self, TextError> {
        let file = |name: &str| read::json::<Self>(&folder.join(name), read::LARGEST);
        let mut config = file("tokenizer_config.json")?.unwrap_or_default();
        let map = file("special_tokens_map.json")?.unwrap_or_default();
        config.bos_token = config.bos_token.or(map.bos_token);
        config.eos_token = config.eos_token.or(map.eos_token);
        config.pad_token = config.pad_token.or(map.pad_token);
        config.unk_token = config.unk_token.or(map.unk_token);
        if config.additional_special_tokens.is_null() {
            config.additional_special_tokens = map.additional_special_tokens;
        }
        Ok(config)
    }

    pub(super) fn take_chat_template(&mut self) -> Option<TemplateJson> {
        self.chat_template.take()
    }

    /// Spelling of the token that begins a text.
    pub(crate) fn bos_token(&self) -> Option<&str> {
        self.bos_token.as_ref().map(TokenName::as_str)
    }

    /// Spelling of the token that ends a text.
    pub(crate) fn eos_token(&self) -> Option<&str> {
        self.eos_token.as_ref().map(TokenName::as_str)
    }

    /// Spelling of the token that fills up batches; nothing here uses it.
    pub(crate) fn pad_token(&self) -> Option<&str> {
        self.pad_token.as_ref().map(TokenName::as_str)
    }

    /// Spelling of the token that stands for what has none.
    pub(crate) fn unk_token(&self) -> Option<&str> {
        self.unk_token.as_ref().map(TokenName::as_str)
    }

    /// Whether a text begins with the beginning-of-text token, where the file says so.
    pub(crate) fn add_bos_token(&self) -> Option<bool> {
        self.add_bos_token
    }

    /// Spellings of tokens that are structure by their role.
    pub(crate) fn special_tokens(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.bos_token().into_iter().chain(self.eos_token()).collect();
        spellings(&self.additional_special_tokens, &mut names);
        spellings(&self.extra_special_tokens, &mut names);
        names
    }

    /// Tokens that are found by their spelling.
    pub(crate) fn added_tokens(&self) -> impl Iterator<Item = (u32, &AddedToken)> {
        self.added_tokens_decoder.iter().flatten().map(|(id, token)| (*id, token))
    }
}

/// Lists have spellings, or tokens with their spelling as `content`; older files name each.
fn spellings<'v>(value: &'v Value, names: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => names.push(text),
        Value::Array(items) => items.iter().for_each(|item| spellings(item, names)),
        Value::Object(token) if token.contains_key("content") => {
            names.extend(token.get("content").and_then(Value::as_str));
        }
        Value::Object(named) => named.values().for_each(|item| spellings(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
